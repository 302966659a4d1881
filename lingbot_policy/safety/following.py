# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the joints follow what they are commanded: held up, switched off, or someone else's."""

import numpy as np

from lingbot_policy.robot import Robot
from lingbot_policy.safety.decision import told

STOP_AFTER = 2.0  # times following_error_s: the time to hold, and then as long again
_NEVER = np.iinfo(np.int64).max


class FollowingWatch:
    """
    Measures for how long a joint has been further from its command than the robot file allows.

    A joint which lags by 0.05 s at 2 rad/s is 0.1 rad behind; the files allow 0.2 or 0.3 rad.
    Grippers are left out: they stop on what they grasp.
    """

    def __init__(self, robot: Robot) -> None:
        safety = robot.file.safety
        self._robot = robot
        self.tolerance = np.where(robot.is_gripper, np.inf, safety.following_error_rad)
        self._after_ns = round(safety.following_error_s * 1e9)
        self._stop_ns = round(STOP_AFTER * safety.following_error_s * 1e9)
        self.reset()

    def reset(self) -> None:
        """Forget what was, as when the command begins anew at the measured joints."""
        self._since_ns = np.full(self._robot.dof, _NEVER)
        self.is_failing, self.must_stop = False, False
        self.joint, self.error = '', 0.0

    def check(self, command: np.ndarray, measured: np.ndarray, now_ns: int) -> str:
        """
        Return what is wrong, '' for nothing; ``must_stop`` says that holding did not help.

        :param command: what was sent last, (dof,). ``measured``: (dof,), finite.
        """
        error = np.abs(command - measured)
        beyond = error > self.tolerance
        if not beyond.any():
            if self.is_failing or self.joint:
                self.reset()
            return ''
        self._since_ns = np.where(beyond, np.minimum(self._since_ns, now_ns), _NEVER)
        worst = int(self._since_ns.argmin())
        waited_ns = now_ns - int(self._since_ns[worst])
        self.joint, self.error = self._robot.joints[worst], float(error[worst])
        self.is_failing = waited_ns > self._after_ns
        self.must_stop = waited_ns > self._stop_ns
        if not self.is_failing:
            return ''
        found, limit = told(self.error, self.tolerance[worst])
        return (
            f'{self.joint} is {found} rad from its command for {waited_ns * 1e-9:.2f} s, '
            f'limit {limit} rad for {self._after_ns * 1e-9:.2f} s'
        )
