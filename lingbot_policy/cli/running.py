# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A deployment that runs as child processes of a command, and what an operator does with it."""

from collections.abc import Callable, Mapping
import json
from pathlib import Path
import time

from lingbot_policy.bringup import Deployment, node_specs
from lingbot_policy.cli.interrupts import uninterrupted
from lingbot_policy.nodes.monitor import DISCOVERY_S, Monitor
from lingbot_policy.nodes.supervisor import Incident, Supervisor
from lingbot_policy.robot import Robot

READY_S = 60.0
POLL_S = 0.1
NAMES_S = 2.0
NOT_YET = ('no fresh joint state', 'no policy contract')


class RunningDeployment:
    """
    A context manager: every node is active inside, none is left behind afterwards.

    :param env: variables for the nodes on top of this process's own.
    :param watch: called about ten times a second while something is waited for.
    """

    def __init__(
        self,
        deployment: Deployment,
        robot: Robot,
        env: Mapping[str, str],
        log_dir: Path,
        watch: Callable[[Monitor], None],
    ) -> None:
        self.deployment = deployment
        self.incidents: list[Incident] = []
        self._robot = robot
        self._specs = node_specs(deployment)
        self._supervisor = Supervisor(self._specs, env, log_dir)
        self._watch = watch

    def __enter__(self) -> 'RunningDeployment':
        self.monitor = Monitor(self.deployment.namespace)
        try:
            if self.deployment.simulation is not None:
                self._watch_for_foreigners()
            self._supervisor.start()
            self._wait_ready()
        except BaseException:
            self._bring_down()
            raise
        return self

    def __exit__(self, *_) -> None:
        self._bring_down()

    def arm(self) -> None:
        """
        Arm a simulated robot; on hardware arming is the operator's own act.

        :raises ValueError: if the robot is not simulated, a foreign endpoint is on one of its
            topics, or the executor refuses.
        """
        if self.deployment.simulation is None:
            raise ValueError('only a simulated robot is armed by a command')
        self._refuse_foreigners(own=self._own_names())
        deadline = time.monotonic() + READY_S
        while True:
            try:
                self.monitor.call('chunk_executor/arm')
                return
            except ValueError as error:
                if time.monotonic() > deadline or not any(text in str(error) for text in NOT_YET):
                    raise
            self.run(0.3)

    def disarm(self) -> None:
        """Brake and fall silent."""
        self.monitor.call('chunk_executor/disarm')

    def stop_recording(self) -> dict:
        """Close the bag; return its path and, for each topic, what was published and written."""
        return json.loads(self.monitor.call('episode_recorder/stop', timeout_s=60.0, once=True))

    def run(self, seconds: float) -> None:
        """
        Look after the processes for so long.

        :raises ValueError: with the last words of a node without which nothing goes on.
        """
        end = time.monotonic() + seconds
        while (left_s := end - time.monotonic()) > 0:
            for incident in self._supervisor.poll():
                self.incidents.append(incident)
                if incident.kind == 'ended':
                    raise ValueError(f'{incident.executable}: {incident.detail}')
            self._watch(self.monitor)
            time.sleep(min(POLL_S, left_s))

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_S
        waits = [('a policy contract', self.monitor.wait_contract)]
        if self.deployment.simulation is not None:
            waits.append(('the simulated world', self.monitor.wait_simulation))
        for what, wait in waits:
            while not wait(0.0):
                if time.monotonic() > deadline:
                    raise ValueError(f'{what} did not appear within {READY_S:.0f} s')
                self.run(POLL_S)

    def _watch_for_foreigners(self) -> None:
        deadline = time.monotonic() + DISCOVERY_S
        while time.monotonic() < deadline:
            self._refuse_foreigners(own=())
            time.sleep(POLL_S)

    def _refuse_foreigners(self, own: tuple[str, ...]) -> None:
        foreign = self.monitor.foreign_endpoints(self._robot, own)
        deadline = time.monotonic() + NAMES_S
        while any('_UNKNOWN_' in line for line in foreign) and time.monotonic() < deadline:
            time.sleep(POLL_S)  # an endpoint is discovered before the name of its node
            foreign = self.monitor.foreign_endpoints(self._robot, own)
        if foreign:
            raise ValueError(
                f'refused: the graph is not ours alone. On topics of {self._robot.name}: '
                f'{"; ".join(foreign)}. End those nodes; a simulation never shares a graph'
            )

    def _own_names(self) -> tuple[str, ...]:
        prefix = f'/{self.deployment.namespace.strip("/")}'.rstrip('/')
        return tuple(f'{prefix}/{spec.executable}' for spec in self._specs)

    def _bring_down(self) -> None:
        with uninterrupted():
            self._supervisor.stop()  # the executor brakes and disarms as it deactivates
            self.monitor.close()
