# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
The robots of these tests.

``odd`` has five values: joints l1 -1..1, l2 -2..2, gripper lg, joint r1 -0.5..1.5, gripper rg;
at 100 Hz they may step by 0.01, 0.01, 0.01, 0.02, 0.02.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lingbot_policy.chunk import ActionChunk, RejectedChunk
from lingbot_policy.execution.executor import Execution, ExecutionLimits, Mode, Tick
from lingbot_policy.robot import load_robot, Robot

ODD = Path(__file__).parents[1] / 'data' / 'robots' / 'odd.yaml'
MS = 1_000_000
TICK = 10 * MS
REST = np.array([0.0, 0.5, 0.5, 0.25, 0.5])
FAR = np.array([0.5, 0.5, 0.5, 0.25, 0.5])  # l1 half a radian away: 50 full steps
LIMITS = ExecutionLimits(max_state_age_s=0.2, deadman_s=1.0, soft_start_s=0.1, resume_window_s=2.0)
ROS = 10**18  # the ROS clock where the monotonic clock is 0


class Driver:
    """
    An execution with its clocks: ``run`` ticks while the joints are measured at rest.

    ``follows``: they are measured where they were last commanded.
    """

    follows = False

    def __init__(
        self, robot, strategy: str = 'replace', limits: ExecutionLimits = LIMITS, **options
    ) -> None:
        self.execution = Execution(robot, limits, strategy, **options)
        self.now_ns = 0
        self.is_measured = True

    @property
    def ros_ns(self) -> int:
        return ROS + self.now_ns

    def measure(self) -> None:
        last = self.execution.gate.last
        at = REST if last is None or not self.follows else last
        self.execution.measure(np.arange(5), at, self.now_ns)

    def arm(self) -> None:
        self.execution.expect('c1')
        self.measure()
        self.execution.arm(self.now_ns)

    def accept(self, target=FAR, seconds: float = 1.0, **changes) -> None:
        """Accept a chunk at 10 Hz, seen now; its steps are equal unless they are given."""
        known = {
            'positions': np.tile(target, (round(seconds * 10) + 1, 1)),
            't_ref_ns': self.ros_ns,
            'rate_hz': 10.0,
            'contract_digest': 'c1',
            'instruction': 'go',
        }
        chunk = ActionChunk(**{**known, **changes})
        self.execution.accept(chunk, self.ros_ns, self.now_ns)

    def tick(self, dt_ns: int = TICK) -> Tick | None:
        self.now_ns += dt_ns
        if self.is_measured:
            self.measure()
        return self.execution.tick(self.ros_ns, self.now_ns)

    def run(self, count: int) -> list[Tick | None]:
        return [self.tick() for _ in range(count)]

    def run_until(self, condition: Callable[[], bool]) -> list[Tick | None]:
        ticks = []
        while not condition():
            ticks.append(self.tick())
            assert len(ticks) < 1000
        return ticks

    def rejection(self, **changes) -> str:
        """Return the reason for which a chunk is rejected."""
        with pytest.raises(RejectedChunk) as caught:
            self.accept(**changes)
        return caught.value.reason


@pytest.fixture(scope='session')
def odd() -> Robot:
    return load_robot(ODD)


@pytest.fixture(scope='session')
def agilex() -> Robot:
    return load_robot('agilex_cobot_magic')


@pytest.fixture
def driver(odd: Robot) -> Driver:
    return Driver(odd)


@pytest.fixture
def driver_of(odd: Robot) -> Callable[..., Driver]:
    """Return a maker of drivers; arguments are the execution's."""

    def make(strategy: str = 'replace', **options) -> Driver:
        return Driver(odd, strategy, **options)

    return make


@pytest.fixture
def moving(driver: Driver) -> Driver:
    """Return an execution past its soft start, l1 on its way at full speed."""
    driver.arm()
    driver.accept(seconds=5.0, sequence=1)
    driver.run(20)
    assert driver.execution.mode is Mode.MOVING
    return driver


@pytest.fixture
def sync_driver(odd: Robot) -> Driver:
    return Driver(odd, strategy='sync')
