# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A robot at a table in MuJoCo, commanded and read in robot units."""

import numpy as np

from lingbot_policy.robot import Robot, SIDES
from lingbot_policy.sim.engine import load_mujoco, make_renderer
from lingbot_policy.sim.model import build_model, FINGERS, stroke_m, TIMESTEP_S
from lingbot_policy.sim.tasks import (
    BLOCK_SIZE,
    draw_layout,
    Facts,
    find_task,
    HandoverJudge,
    Layout,
)

NOISY_SQUARES = 6


class World:
    """
    One simulated robot and its task.

    Not thread-safe: draw pictures from the thread which made the first one (OpenGL's rule).
    ``reset`` keeps arms and grippers at :attr:`Robot.home` and lays the blocks by ``seed``.

    :raises ValueError: unknown task, or pictures wanted where none can be drawn.
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
        self._mujoco = load_mujoco()
        self._layout = draw_layout(robot, self._task, seed)
        self._model = build_model(self._mujoco, robot, self._task, self._layout)
        self._data = self._mujoco.MjData(self._model)
        self._renderer = None
        if render:
            width, height = image_size
            self._renderer = make_renderer(self._mujoco, self._model, height, width)
        self._bind()
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
        return float(self._data.time)

    def reset(self, seed: int) -> None:
        """Start a new episode; the same seed gives the same one."""
        self._layout = draw_layout(self.robot, self._task, seed)
        self._noise = np.random.default_rng(seed)
        self._judge = HandoverJudge(self._layout)
        self._mujoco.mj_resetData(self._model, self._data)
        self.place(self.robot.home)
        for index, (x, y, yaw) in enumerate(self._layout.blocks):
            start = self._block_qpos[index]
            height = self._layout.table_z + BLOCK_SIZE[2] / 2.0
            quat = (np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2))
            self._data.qpos[start : start + 7] = (x, y, height, *quat)
        self._owed_s = 0.0
        self._mujoco.mj_forward(self._model, self._data)

    def place(self, positions: np.ndarray) -> None:
        """Put joints and grippers at ``positions`` (dof,) at once, at rest, and hold them."""
        self._target = np.clip(positions, self.robot.lower, self.robot.upper)
        self._setpoint = self._target.copy()
        self._data.qpos[self._qpos] = self._target * self._scale
        self._data.qpos[self._finger_b_qpos] = self._data.qpos[self._qpos[self.robot.is_gripper]]
        self._data.qvel[:] = 0.0

    def command(self, positions: np.ndarray) -> None:
        """
        Set the targets (dof,), clipped to the joint limits; the motors' speed bounds the way.

        :raises ValueError: if the shape is wrong or a value is not finite.
        """
        self._target = checked_command(self.robot, positions)

    def step(self, dt_s: float) -> None:
        """Advance by ``dt_s``; what does not fill a physics step is owed to the next call."""
        self._owed_s += dt_s
        count = int(self._owed_s / TIMESTEP_S + 1e-6)
        self._owed_s -= count * TIMESTEP_S
        reach = self._speed * TIMESTEP_S
        for _ in range(count):
            self._setpoint += np.clip(self._target - self._setpoint, -reach, reach)
            self._data.ctrl[self._actuators] = self._setpoint * self._scale
            self._data.ctrl[self._finger_b_actuators] = self._data.ctrl[
                self._actuators[self.robot.is_gripper]
            ]
            self._mujoco.mj_step(self._model, self._data)
        if count:
            self._judge.update(self._facts())

    def positions(self) -> np.ndarray:
        """Return the measured joints (dof,)."""
        return self._data.qpos[self._qpos] / self._scale

    def velocities(self) -> np.ndarray:
        """Return the measured joint speeds (dof,)."""
        return self._data.qvel[self._dofs] / self._scale

    def render(self, camera_name: str) -> np.ndarray:
        """
        Return a picture (H, W, 3) uint8 RGB, with one-level noise on a few pixels.

        :raises ValueError: if the world was made with render=False, or has no such camera.
        """
        if self._renderer is None:
            raise ValueError('this world was made with render=False; it draws no pictures')
        cameras = self.robot.file.geometry.cameras
        if camera_name not in cameras:
            raise ValueError(f'no camera {camera_name!r}; known: {", ".join(cameras)}')
        self._renderer.update_scene(self._data, camera=camera_name)
        picture = np.ascontiguousarray(self._renderer.render())
        return with_noise(picture, self._noise)

    def block_position(self, index: int | None = None) -> np.ndarray:
        """Return where a block's centre is (3,); by default the block asked for."""
        start = self._block_qpos[self._layout.target if index is None else index]
        return self._data.qpos[start : start + 3].copy()

    def success(self) -> bool:
        return self._judge.success

    def progress(self) -> float:
        """Return the share of the task's checkpoints reached, 0 .. 1."""
        return self._judge.progress

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _facts(self) -> Facts:
        target = self._layout.target
        block = self._block_geoms[target]
        pairs = self._data.contact.geom
        touching = pairs[(pairs == block).any(axis=1)].ravel()
        touched = frozenset(self._finger_side[g] for g in touching if g in self._finger_side)
        start = self._block_dofs[target]
        speed = float(np.linalg.norm(self._data.qvel[start : start + 3]))
        return Facts(self.block_position(), speed, touched)

    def _bind(self) -> None:
        """Look up where each joint, actuator and block stands in MuJoCo's arrays."""
        model, robot = self._model, self.robot
        names, second = list(robot.joints), []
        self._scale = np.ones(robot.dof)
        for side in SIDES:
            grip = robot.slots(side)[1]
            names[grip] = f'{side}_finger_{FINGERS[0]}'
            second.append(f'{side}_finger_{FINGERS[1]}')
            self._scale[grip] = stroke_m(robot, side) / 2.0
        self._qpos = np.array([model.joint(n).qposadr[0] for n in names])
        self._dofs = np.array([model.joint(n).dofadr[0] for n in names])
        self._actuators = np.array([model.actuator(n).id for n in names])
        self._finger_b_qpos = np.array([model.joint(n).qposadr[0] for n in second])
        self._finger_b_actuators = np.array([model.actuator(n).id for n in second])
        self._finger_side = {
            model.geom(f'{side}_finger_{f}').id: side for side in SIDES for f in FINGERS
        }
        blocks = [f'block_{i}' for i in range(len(self._task.colours))]
        self._block_qpos = [model.joint(n).qposadr[0] for n in blocks]
        self._block_dofs = [model.joint(n).dofadr[0] for n in blocks]
        self._block_geoms = [model.geom(n).id for n in blocks]
        speed = []
        for side in SIDES:
            arm, gripper = robot.file.arms[side], robot.file.grippers[side]
            speed += [*(arm.motor_max_velocity or arm.safe_max_velocity), gripper.max_speed]
        self._speed = np.array(speed)


def checked_command(robot: Robot, positions: np.ndarray) -> np.ndarray:
    """
    Return a command (dof,) clipped to the joint limits.

    :raises ValueError: if the shape is wrong or a value is not finite.
    """
    positions = np.asarray(positions, dtype=float)
    if positions.shape != (robot.dof,) or not np.isfinite(positions).all():
        raise ValueError(
            f'{robot.name}: command: found shape {positions.shape} or values which are not '
            f'finite, expected ({robot.dof},) finite values'
        )
    return np.clip(positions, robot.lower, robot.upper)


def with_noise(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """
    Shift a few squares of 8 pixels by 3 levels: two frames are never the same, as from a sensor.

    So much survives JPEG, whose squares these are; a flipped lowest bit does not.
    """
    height, width = picture.shape[0] // 8, picture.shape[1] // 8
    for _ in range(NOISY_SQUARES):
        row, column = 8 * int(rng.integers(height)), 8 * int(rng.integers(width))
        square = picture[row : row + 8, column : column + 8]
        square += np.where(square < 128, 3, 253).astype(np.uint8)  # 253: three less, as bytes wrap
    return picture
