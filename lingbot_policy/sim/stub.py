# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
The same robot and task without physics: joints which follow, and painted pictures.

It needs numpy only and costs next to nothing, for tests and machines which cannot draw.
"""

import numpy as np

from lingbot_policy.kinematics import arm_chains
from lingbot_policy.robot import Robot, SIDES
from lingbot_policy.sim.cameras import head_view
from lingbot_policy.sim.model import stroke_m
from lingbot_policy.sim.tasks import (
    BLOCK_SIZE,
    COLOURS,
    draw_layout,
    Facts,
    find_task,
    HandoverJudge,
    Layout,
    ZONE_COLOUR,
    ZONE_SIZE,
)
from lingbot_policy.sim.world import checked_command, with_noise

TABLE_COLOUR = (140, 131, 117)
LAG_S = 0.05


class KinematicWorld:
    """
    The interface of :class:`World`: first-order tracking below the speed limits, no contact.

    A block sticks to a gripper which closes around it, until that gripper opens.
    """

    def __init__(
        self,
        robot: Robot,
        task: str = 'handover',
        seed: int = 0,
        image_size: tuple[int, int] = (320, 240),
        render: bool = True,
    ) -> None:
        self.robot = robot
        self._task = find_task(task)
        self._size = image_size
        self._draws = render
        self._chains = arm_chains(robot)
        self._width = {s: BLOCK_SIZE[1] / stroke_m(robot, s) for s in SIDES}
        self.reset(seed)

    @property
    def instruction(self) -> str:
        return self._layout.instruction

    @property
    def layout(self) -> Layout:
        """Where the blocks of this episode lay at its start, and which one is asked for."""
        return self._layout

    @property
    def time_s(self) -> float:
        return self._time_s

    def reset(self, seed: int) -> None:
        """Start a new episode; the same seed gives the same one."""
        self._layout = draw_layout(self.robot, self._task, seed)
        self._noise = np.random.default_rng(seed)
        self._judge = HandoverJudge(self._layout)
        self._time_s = 0.0
        self._holder: str | None = None
        self._ground = self._layout.table_z + BLOCK_SIZE[2] / 2.0
        heights = np.full(len(self._layout.blocks), self._ground)
        self._blocks = np.column_stack([self._layout.blocks[:, :2], heights])
        self.place(self.robot.home)

    def place(self, positions: np.ndarray) -> None:
        """Put joints and grippers at ``positions`` (dof,) at once, at rest, and hold them."""
        self._now = np.clip(positions, self.robot.lower, self.robot.upper)
        self._target = self._now.copy()
        self._speed = np.zeros(self.robot.dof)

    def command(self, positions: np.ndarray) -> None:
        """
        Set the targets (dof,), clipped to the joint limits.

        :raises ValueError: if the shape is wrong or a value is not finite.
        """
        self._target = checked_command(self.robot, positions)

    def step(self, dt_s: float) -> None:
        """Advance by ``dt_s``."""
        limit = self.robot.max_velocity * dt_s
        way = (self._target - self._now) * (1.0 - np.exp(-dt_s / LAG_S))
        way = np.clip(way, -limit, limit)
        self._now = self._now + way
        self._speed = way / dt_s if dt_s > 0 else np.zeros(self.robot.dof)
        self._time_s += dt_s
        self._judge.update(self._carry_block())

    def positions(self) -> np.ndarray:
        """Return the measured joints (dof,)."""
        return self._now.copy()

    def velocities(self) -> np.ndarray:
        """Return the measured joint speeds (dof,)."""
        return self._speed.copy()

    def render(self, camera_name: str) -> np.ndarray:
        """
        Return a painted picture (H, W, 3) uint8 RGB in which every joint moves something.

        :raises ValueError: if made with render=False, or there is no such camera.
        """
        if not self._draws:
            raise ValueError('this world was made with render=False; it draws no pictures')
        cameras = self.robot.file.geometry.cameras
        if camera_name not in cameras:
            raise ValueError(f'no camera {camera_name!r}; known: {", ".join(cameras)}')
        width, height = self._size
        picture = np.empty((height, width, 3), np.uint8)
        picture[:] = TABLE_COLOUR
        if camera_name == 'head' and cameras['head'].parent == 'base':
            self._paint_table(picture)
        self._paint_joints(picture)
        return with_noise(picture, self._noise)

    def block_position(self, index: int | None = None) -> np.ndarray:
        """Return where a block's centre is (3,); by default the block asked for."""
        return self._blocks[self._layout.target if index is None else index].copy()

    def success(self) -> bool:
        return self._judge.success

    def progress(self) -> float:
        """Return the share of the task's checkpoints reached, 0 .. 1."""
        return self._judge.progress

    def close(self) -> None:
        """Nothing to release."""

    def _carry_block(self) -> Facts:
        target = self._layout.target
        block = self._blocks[target]
        tools, touched = {}, set()
        for side in SIDES:
            arm, grip = self.robot.slots(side)
            tools[side] = self._chains[side].tool_pose(self._now[arm])[0]
            away = np.abs(tools[side] - block)
            around = away[0] < 0.07 and away[1] < 0.025 and away[2] < 0.03
            if around and self._now[grip] < self._width[side]:
                touched.add(side)
        if self._holder not in touched:
            self._holder = next(iter(sorted(touched)), None)
            if self._holder:
                self._offset = block - tools[self._holder]
        if self._holder:
            self._blocks[target] = tools[self._holder] + self._offset
        else:
            block[2] = self._ground
        return Facts(self.block_position(), 0.0, frozenset(touched))

    def _paint_table(self, picture: np.ndarray) -> None:
        view, top = head_view(self.robot), self._layout.table_z + 0.6 * BLOCK_SIZE[2]
        flat = [(self._layout.zone, 0.0, ZONE_SIZE, self._layout.table_z, ZONE_COLOUR)]
        for block, (_, _, yaw), colour in zip(
            self._blocks, self._layout.blocks, self._task.colours, strict=True
        ):
            level = block[2] - self._ground + top
            flat.append((block[:2], yaw, BLOCK_SIZE[:2], level, COLOURS[colour]))
        for centre, yaw, size, level, colour in flat:
            corners = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * np.array(size) / 2.0
            turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
            corners = np.column_stack([corners @ turn.T + centre, np.full(4, level)])
            _fill(picture, view.project(corners, self._size), np.array(colour) * 255)

    def _paint_joints(self, picture: np.ndarray) -> None:
        """Paint one small square for each joint in the top rows: its column is the joint."""
        height, width = picture.shape[:2]
        side = max(1, height // 60)
        span = self.robot.upper - self.robot.lower
        shares = (self._now - self.robot.lower) / span
        columns = (shares * (width - side - 1)).astype(int)
        for index, column in enumerate(columns):
            row = index * side
            picture[row : row + side, column : column + side] = (60, 60, 60)


def _fill(picture: np.ndarray, corners: np.ndarray, colour: np.ndarray) -> None:
    """Fill a convex polygon (n, 2) of (column, row) corners."""
    height, width = picture.shape[:2]
    low = np.clip(np.floor(corners.min(axis=0)), 0, (width, height)).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)), 0, (width, height)).astype(int)
    columns, rows = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
    sides = []
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        sides.append((x1 - x0) * (rows - y0) - (y1 - y0) * (columns - x0))
    inside = np.all(np.array(sides) >= 0, axis=0) | np.all(np.array(sides) <= 0, axis=0)
    picture[low[1] : high[1], low[0] : high[0]][inside] = colour.astype(np.uint8)
