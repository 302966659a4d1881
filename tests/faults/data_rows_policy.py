# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Policies which are slow, which continue a plan, and robot files which are wrong."""

import numpy as np
import yaml

from lingbot_policy.backends.committed import committed_steps, CommittedSteps
from lingbot_policy.contract import scripted_contract
from lingbot_policy.execution.executor import Mode
from lingbot_policy.policy import Prefix
from lingbot_policy.robot import parse_robot, Robot
from tests.faults.rig import Rig
from tests.faults.row import data_row, DATA_ROWS, Outcome, robot_of, Row
from tests.robots.mutations import mutations
from tests.robots.wire_table import disagreements, load_cameras, load_table

WIRE_TABLE = 'refused by the table of its wire'


@data_row('hold, resume', 'the first inference takes five times as long', moving=False)
def first_inference_slow(rig: Rig) -> None:
    rig.run(0.2)
    rig.quiet()
    rig.arm()
    rig.fault(policy_runs=True, latency_s=1.0)
    rig.run(0.3)
    rig.latency_s = 0.2
    rig.run(2.0)
    assert rig.execution.mode is Mode.MOVING


@data_row(
    'hold, resume, reject busy, brake, reject moving',
    'each inference is slower than the horizon: sync',
    moving=False,
)
def synchronous_and_slow(rig: Rig) -> None:
    rig.restart_executor('sync')
    rig.horizon_s, rig.period_s = 0.8, 0.5
    rig.run(0.2)
    rig.quiet()
    rig.arm()
    rig.fault(policy_runs=True, latency_s=0.5)
    rig.run(3.0)


@data_row('longer_than_horizon', 'the plan in force is longer than the horizon of the next chunk')
def plan_longer_than_the_horizon(rig: Rig) -> None:
    rig.quiet()
    steps = continue_plan(rig, horizon_share=0.3, delay_s=0.1)
    assert steps.known.all() and np.isfinite(steps.positions).all()
    assert steps.frozen <= len(steps.positions)


@data_row('delay_beyond_overlap', 'the next chunk arrives after the plan in force has ended')
def delay_longer_than_the_overlap(rig: Rig) -> None:
    rig.quiet()
    steps = continue_plan(rig, horizon_share=4.0, delay_s=rig.horizon_s + 1.0)
    assert not steps.known.all() and np.isfinite(steps.positions).all()
    assert steps.frozen <= len(steps.positions)


def continue_plan(rig: Rig, horizon_share: float, delay_s: float) -> CommittedSteps:
    """Return what a policy takes from the committed plan, for a horizon of such a share of it."""
    plan = rig.execution.chunks.remaining()
    contract = scripted_contract('expert', rig.robot)
    contract = contract.model_copy(update={'horizon': max(3, round(horizon_share * len(plan)))})
    prefix = Prefix(plan, rig.ros_ns, rig.execution.chunks.rate_hz, delay_s=delay_s)
    rig.fault()
    steps = committed_steps(prefix, contract, rig.ros_ns)
    rig.note(str(steps.result), '')
    rig.run(0.2)
    return steps


def file_row(mistake: str, fault: str) -> None:
    """Register a mistake in a robot file: the table of its wire, written by hand, shows it."""
    change = mutations()[mistake]

    def mistaken(robot: Robot) -> dict | None:
        raw = yaml.safe_load(robot.text)
        return raw if change(raw) else None

    def run(name: str) -> Outcome:
        seen = WIRE_TABLE if found(robot_of(name)) else 'nothing'
        return Outcome(seen, np.nan, 0, 0.0)

    def found(robot: Robot) -> list[str]:
        try:
            wrong = parse_robot(yaml.safe_dump(mistaken(robot)), 'mistaken.yaml')
            return disagreements(wrong, load_table(robot.name), load_cameras(robot.name))
        except ValueError as error:
            return [str(error)]

    def needs(robot: Robot) -> str:
        return '' if mistaken(robot) else 'its file has nothing of the kind'

    DATA_ROWS.append(Row(mistake, fault, WIRE_TABLE, '', run, needs))


file_row('swap left and right arm (command)', 'left and right arm swapped in the robot file')
file_row(
    'swap left and right state topics', 'left and right state topics swapped in the robot file'
)
file_row('swap wrist cameras', 'left and right wrist camera swapped in the robot file')
file_row('degrees for radians (command)', 'degrees for radians in the robot file')
file_row('joint order reversed (command)', 'joints in reversed order in the robot file')
file_row('gripper reversed (command)', 'open and closed swapped for a gripper in the robot file')
