# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Pinhole cameras of the robot file's geometry: where they look, and what a pixel shows.

A camera frame here has x right, y up and looks along -z, as MuJoCo and OpenGL have it.
"""

from dataclasses import dataclass

import numpy as np

from lingbot_policy.robot import Robot
from lingbot_policy.robot_schema import CameraGeometry


@dataclass(frozen=True)
class View:
    """A camera at a place in the robot's frame."""

    position: np.ndarray
    rotation: np.ndarray
    fov: float

    def project(self, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Return the pixels (n, 2), column and row, of points (n, 3); ``size`` is (w, h)."""
        width, height = size
        local = (np.atleast_2d(points) - self.position) @ self.rotation
        focal = 0.5 * height / np.tan(0.5 * self.fov)
        depth = np.maximum(-local[:, 2], 1e-6)
        columns = 0.5 * width + focal * local[:, 0] / depth
        rows = 0.5 * height - focal * local[:, 1] / depth
        return np.column_stack([columns, rows])

    def on_plane(self, pixels: np.ndarray, size: tuple[int, int], z: float) -> np.ndarray:
        """Return the points (n, 3) at height ``z`` which are seen at ``pixels`` (n, 2)."""
        width, height = size
        pixels = np.atleast_2d(pixels)
        focal = 0.5 * height / np.tan(0.5 * self.fov)
        rays = np.column_stack(
            [
                (pixels[:, 0] - 0.5 * width) / focal,
                (0.5 * height - pixels[:, 1]) / focal,
                -np.ones(len(pixels)),
            ]
        )
        rays = rays @ self.rotation.T
        return self.position + rays * ((z - self.position[2]) / rays[:, 2])[:, None]


def look_rotation(position: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the rotation of a camera at ``position`` looking at ``target``, its top upwards."""
    back = np.asarray(position, float) - np.asarray(target, float)
    back /= np.linalg.norm(back)
    up = np.array([0.0, 0.0, 1.0]) if abs(back[2]) < 0.99 else np.array([1.0, 0.0, 0.0])
    right = np.cross(up, back)
    right /= np.linalg.norm(right)
    return np.column_stack([right, np.cross(back, right), back])


def local_view(geometry: CameraGeometry) -> View:
    """Return the camera in its parent's frame."""
    return View(
        np.array(geometry.position, float),
        look_rotation(geometry.position, geometry.target),
        geometry.fov,
    )


def head_view(robot: Robot) -> View:
    """
    Return the head camera in the robot's frame.

    :raises ValueError: if the robot file has no geometry for a camera fixed to the base.
    """
    geometry = robot.file.geometry.cameras.get('head')
    if geometry is None or geometry.parent != 'base':
        raise ValueError(
            f'{robot.path}: geometry.cameras.head: found {geometry}, expected a camera whose '
            'parent is base'
        )
    return local_view(geometry)
