# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
An independent judge of commands: it reads the robot's YAML itself and no code of the gate.

Velocity and acceleration are those of one nominal period: a late command earns nothing.
"""

from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import yaml

from lingbot_policy.robot import Robot
from lingbot_policy.sim.wire_limits import WireLimits

GRIPPER_RAMP_S = 0.1  # a gripper may reach its full speed in this time


class Witness:
    """
    Counts commands outside limits in :attr:`outside`, by what they broke.

    :param may_miss: it hears them over a network: across a gap it judges no velocity.
    """

    def __init__(self, robot: Robot, may_miss: bool = False) -> None:
        file = _read(robot.text)
        self._period_s = 1.0 / file['command_rate_hz']
        self._low = _vector(file, 'lower', 0.0)
        self._high = _vector(file, 'upper', 1.0)
        self._speed = _vector(file, 'safe_max_velocity', 'max_speed')
        surge = _vector(file, 'max_acceleration', 'max_speed')
        is_gripper = np.isnan(_vector(file, 'lower', np.nan))
        self._surge = np.where(is_gripper, surge / GRIPPER_RAMP_S, surge)
        most = file['safety'].get('step_limit_rad')
        if most:
            arm_speed = np.minimum(self._speed, most / self._period_s)
            self._speed = np.where(is_gripper, self._speed, arm_speed)
        self._wires = {key: WireLimits(robot, key) for key in robot.file.command_topics}
        self._gap_ns = 1.5e9 * self._period_s if may_miss else np.inf
        self._counts: Counter[str] = Counter()
        self.begin()
        if may_miss:
            self._velocity = None  # it may begin to look in motion

    @property
    def outside(self) -> dict[str, int]:
        """How many commands left which limit; empty where none did."""
        wires = sum(wire.summary()['violations'] for wire in self._wires.values())
        return {**self._counts, **({'wire': wires} if wires else {})}

    def begin(self) -> None:
        """Forget the last command: after silence a motion begins at rest, anywhere."""
        self._last: np.ndarray | None = None
        self._last_ns = 0
        self._velocity: np.ndarray | None = np.zeros(len(self._low))

    def see(self, positions: np.ndarray, messages: Mapping[str, Any], sent_ns: int) -> None:
        """Judge one command: internal ``positions`` (dof,), and what was sent on each topic."""
        for key, msg in messages.items():
            self._wires[key].check(msg, sent_ns)
        if not np.isfinite(positions).all():
            self._counts['not_finite'] += 1
            return
        inside = (positions >= self._low - 1e-9) & (positions <= self._high + 1e-9)
        self._counts.update({'position': 1} if not inside.all() else {})
        last, self._last = self._last, positions
        gap_ns, self._last_ns = sent_ns - self._last_ns, sent_ns
        if last is None:
            return
        velocity = (positions - last) / self._period_s
        before, self._velocity = self._velocity, velocity
        if gap_ns > self._gap_ns:
            self._velocity = None
            return
        if (np.abs(velocity) > self._speed * (1 + 1e-6)).any():
            self._counts['velocity'] += 1
        if before is None:
            return
        change = np.abs(velocity - before) / self._period_s
        if (change > self._surge * (1 + 1e-6) + 1e-6).any():
            self._counts['acceleration'] += 1


@cache
def _read(text: str) -> dict:
    return yaml.safe_load(text)


def _vector(file: dict, of_arm: str | float, of_gripper: str | float) -> np.ndarray:
    """Return (dof,): a field of the arms and of the grippers, or a number for all of them."""
    values = []
    for side in ('left', 'right'):
        values += file['arms'][side][of_arm]
        gripper = file['grippers'][side]
        values.append(gripper[of_gripper] if isinstance(of_gripper, str) else of_gripper)
    return np.array(values, dtype=float)
