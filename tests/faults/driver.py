# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A deployment as the ``lingbot`` command runs it, in a process that a row may end."""

from pathlib import Path
import sys

from lingbot_policy.bringup import Deployment
from lingbot_policy.cli.interrupts import interruptible
from lingbot_policy.cli.running import RunningDeployment
from lingbot_policy.robot import load_robot
from tests.faults.process_line import EXECUTOR, SIMULATION


def main(robot: str, folder: str) -> None:
    deployment = Deployment(robot, 'expert', simulation=SIMULATION, executor=EXECUTOR)
    with (
        interruptible(),
        RunningDeployment(
            deployment, load_robot(robot), {}, Path(folder), lambda _: None
        ) as running,
    ):
        running.run(float('inf'))


if __name__ == '__main__':
    main(*sys.argv[1:])
