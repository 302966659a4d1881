# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Finding a coloured block on the table in the head camera's picture."""

from dataclasses import dataclass

import numpy as np

from lingbot_policy.kinematics import table_height
from lingbot_policy.robot import Robot
from lingbot_policy.sim.cameras import head_view
from lingbot_policy.sim.tasks import BLOCK_SIZE, COLOURS

MIN_PIXELS = 12


@dataclass(frozen=True)
class Block:
    """A block lying on the table: centre in the robot's frame and the yaw of its long side."""

    x: float
    y: float
    yaw: float


def find_block(picture: np.ndarray, robot: Robot, colour: str) -> Block | None:
    """
    Return the block of ``colour`` in a head picture (H, W, 3), or None if it is not seen.

    Its pixels are laid on the plane through the block's middle height, so the sides which the
    camera sees shift the centre by a few millimetres at most.
    """
    pixels = colour_pixels(picture, colour)
    if len(pixels) < MIN_PIXELS:
        return None
    height, width = picture.shape[:2]
    level = table_height(robot) + 0.6 * BLOCK_SIZE[2]
    points = head_view(robot).on_plane(pixels + 0.5, (width, height), level)[:, :2]
    # Light falls off at the rim: the middle of the spread bears it better than the mean.
    low, high = np.quantile(points, [0.03, 0.97], axis=0)
    centre = 0.5 * (low + high)
    spread = np.cov((points - points.mean(axis=0)).T)
    axis = np.linalg.eigh(spread)[1][:, -1]
    yaw = float(np.arctan2(axis[1], axis[0]))
    yaw = (yaw + np.pi / 2.0) % np.pi - np.pi / 2.0
    return Block(float(centre[0]), float(centre[1]), yaw)


def colour_pixels(picture: np.ndarray, colour: str) -> np.ndarray:
    """Return the (column, row) pixels (n, 2) whose hue is that of ``colour``."""
    wanted = np.array(COLOURS[colour])
    values = picture.astype(float)
    brightness = values.sum(axis=2)
    shares = values / np.maximum(brightness, 1.0)[..., None]
    near = np.abs(shares - wanted / wanted.sum()).max(axis=2) < 0.12
    rows, columns = np.nonzero(near & (brightness > 60.0))
    return np.column_stack([columns, rows]).astype(float)


def colour_asked_for(instruction: str) -> str:
    """Return the colour named in an instruction; red if none is."""
    words = instruction.lower().split()
    return next((colour for colour in COLOURS if colour in words), 'red')
