# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Where an arm's tool stands for given joints, and which joints bring it to a given place.

Frames are the robot's (x forward, y left, z up; metres). The tool frame of an arm: x along the
fingers, y the direction in which the fingers open.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lingbot_policy.robot import Robot, SIDES


def rotation_about(axis: np.ndarray, angle: float) -> np.ndarray:
    """Return the rotation matrix by ``angle`` rad about the unit vector ``axis``."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)


def tool_rotation(tool: np.ndarray) -> np.ndarray:
    """Return the tool frame in the last link's frame: x along ``tool``, y across the fingers."""
    length = np.linalg.norm(tool)
    x = tool / length if length > 1e-6 else np.array([1.0, 0.0, 0.0])
    across = np.array([0.0, 1.0, 0.0]) if abs(x[1]) < 0.9 else np.array([0.0, 0.0, 1.0])
    y = across - (across @ x) * x
    y /= np.linalg.norm(y)
    return np.column_stack([x, y, np.cross(x, y)])


def pointing_down(yaw: float, tilt: float = 0.0) -> np.ndarray:
    """
    Return a tool rotation with the fingers down, opening along y turned by ``yaw`` rad.

    ``tilt`` rad swings the finger tips forward, about the opening direction.
    """
    forward = np.array([np.cos(yaw), np.sin(yaw), 0.0])
    x = np.array([0.0, 0.0, -np.cos(tilt)]) + np.sin(tilt) * forward
    y = np.array([-np.sin(yaw), np.cos(yaw), 0.0])
    return np.column_stack([x, y, np.cross(x, y)])


@dataclass(frozen=True)
class ArmChain:
    """One arm of a robot as a chain of hinges."""

    base: np.ndarray
    base_rotation: np.ndarray
    offsets: np.ndarray
    axes: np.ndarray
    tool: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    @cached_property
    def in_last_link(self) -> np.ndarray:
        return tool_rotation(self.tool)

    @property
    def reach(self) -> float:
        """Return the sum of all lengths from base to tool in m."""
        return float(np.linalg.norm(self.offsets, axis=1).sum() + np.linalg.norm(self.tool))

    def last_link(self, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return position and rotation of the last link's frame."""
        position, rotation, _, _ = self._walk(joints)
        return position, rotation

    def tool_pose(self, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return position (3,) and rotation (3, 3) of the tool frame."""
        position, rotation, _, _ = self._walk(joints)
        return position + rotation @ self.tool, rotation @ self.in_last_link

    def solve(
        self, position: np.ndarray, rotation: np.ndarray, start: np.ndarray, iterations: int = 60
    ) -> tuple[np.ndarray, float]:
        """
        Return joints within limits for a tool pose, from ``start``, and the error left.

        Damped least squares; the error is in m with 0.1 m for each rad.
        """
        joints = np.clip(start, self.lower, self.upper)
        best, best_error = joints, np.inf
        for _ in range(iterations):
            origin, last, origins, axes = self._walk(joints)
            at = origin + last @ self.tool
            turn = _rotation_vector(rotation @ (last @ self.in_last_link).T)
            residual = np.concatenate([position - at, 0.1 * turn])
            error = float(np.linalg.norm(residual))
            if error < best_error:
                best, best_error = joints, error
            if error < 2e-4:
                break
            jacobian = np.vstack([np.cross(axes, at - origins).T, 0.1 * axes.T])
            damping = 1e-5 + 1e-3 * min(error, 0.1)
            step = jacobian.T @ np.linalg.solve(
                jacobian @ jacobian.T + damping * np.eye(6), residual
            )
            joints = np.clip(joints + np.clip(step, -0.3, 0.3), self.lower, self.upper)
        return best, best_error

    def _walk(self, joints: np.ndarray):
        position, rotation = self.base, self.base_rotation
        origins, axes = [], []
        for offset, axis, angle in zip(self.offsets, self.axes, joints, strict=True):
            position = position + rotation @ offset
            origins.append(position)
            axes.append(rotation @ axis)
            rotation = rotation @ rotation_about(axis, angle)
        return position, rotation, np.array(origins), np.array(axes)


def arm_chain(robot: Robot, side: str) -> ArmChain:
    """Return the chain of one arm from the robot file's geometry."""
    geometry, arm = robot.file.geometry.arms[side], robot.file.arms[side]
    if len(geometry.links) != len(arm.joints):
        raise ValueError(
            f'{robot.path}: geometry.arms.{side}.links has {len(geometry.links)} entries, '
            f'expected one for each of the {len(arm.joints)} joints'
        )
    axes = np.array([link.axis for link in geometry.links], dtype=float)
    return ArmChain(
        base=np.array(geometry.base, dtype=float),
        base_rotation=rotation_about(np.array([0.0, 0.0, 1.0]), geometry.yaw),
        offsets=np.array([link.offset for link in geometry.links], dtype=float),
        axes=axes / np.linalg.norm(axes, axis=1, keepdims=True),
        tool=np.array(geometry.tool, dtype=float),
        lower=np.array(arm.lower),
        upper=np.array(arm.upper),
    )


def arm_chains(robot: Robot) -> dict[str, ArmChain]:
    return {side: arm_chain(robot, side) for side in SIDES}


def table_height(robot: Robot) -> float:
    """Return the height of the table top: 0.123 m below the lower tool point at home."""
    chains = arm_chains(robot)
    tools = [chains[s].tool_pose(robot.home[robot.slots(s)[0]])[0][2] for s in SIDES]
    return round(min(tools) - 0.123, 3)


def _rotation_vector(rotation: np.ndarray) -> np.ndarray:
    vector = np.array(
        [
            rotation[2, 1] - rotation[1, 2],
            rotation[0, 2] - rotation[2, 0],
            rotation[1, 0] - rotation[0, 1],
        ]
    )
    sine = np.linalg.norm(vector) / 2.0
    angle = np.arctan2(sine, (np.trace(rotation) - 1.0) / 2.0)
    if sine < 1e-9:
        # Half a turn has no unique axis: any small push leaves it.
        return np.zeros(3) if angle < 1.0 else np.array([0.0, 0.0, angle])
    return vector * (angle / (2.0 * sine))
