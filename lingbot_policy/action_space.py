# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
The model's 75 slots: where each entry of a robot vector stands, and what it is relative to.

A layout is one index per robot entry. Slots no entry stands at are padding: zero, and never read.
A robot vector is in the order of ``Robot.joints``; grippers are 0 closed .. 1 open on both sides,
as in the statistics of the released weights.

``pretrain``       left arm 0-6, right arm 7-13, left gripper 14, right gripper 15; a 6-DoF arm
                   leaves its seventh slot empty (maintainers, Robbyant/lingbot-vla issue 39)
``concat_groups``  both arms one after the other from 0, grippers 14 and 15; empty slots follow the
                   right arm (released post-trained weights; same issue tracker, issue 49)
``raw_14``         the robot vector itself from 0 (RoboTwin policy @ 61ef6b1)

For arms of 7 DoF ``pretrain`` and ``concat_groups`` are the same.
"""

from dataclasses import dataclass

import numpy as np

from lingbot_policy.contract import Layout
from lingbot_policy.robot import Robot, SIDES

SLOTS = 75
ARM_SLOTS = 7
GRIPPER_SLOTS = {'left': 14, 'right': 15}


@dataclass(frozen=True)
class ActionSpace:
    """Where each of ``dof`` robot entries stands among the model's slots."""

    slots: np.ndarray
    is_gripper: np.ndarray
    size: int = SLOTS

    @property
    def dof(self) -> int:
        return len(self.slots)

    @property
    def mask(self) -> np.ndarray:
        """Boolean mask of the slots an entry stands at, shape (size,)."""
        mask = np.zeros(self.size, dtype=bool)
        mask[self.slots] = True
        return mask

    def to_slots(self, values: np.ndarray) -> np.ndarray:
        """Return robot values (..., dof) among zeros, shape (..., size)."""
        values = np.asarray(values)
        self._check(values, self.dof, 'robot entries')
        padded = np.zeros((*values.shape[:-1], self.size), dtype=values.dtype)
        padded[..., self.slots] = values
        return padded

    def from_slots(self, values: np.ndarray) -> np.ndarray:
        """Return the robot's values (..., dof) out of slots (..., size)."""
        values = np.asarray(values)
        self._check(values, self.size, 'model slots')
        return values[..., self.slots]

    def to_relative(self, targets: np.ndarray, state: np.ndarray) -> np.ndarray:
        """
        Return targets (horizon, dof) with the current state taken off the arms.

        The same state for every step, not step to step; grippers stay absolute.
        """
        return np.asarray(targets) - self._arm_state(targets, state)

    def to_absolute(self, targets: np.ndarray, state: np.ndarray) -> np.ndarray:
        """Return relative targets in robot units with the current state added to the arms."""
        return np.asarray(targets) + self._arm_state(targets, state)

    def _arm_state(self, targets: np.ndarray, state: np.ndarray) -> np.ndarray:
        self._check(np.asarray(targets), self.dof, 'robot entries')
        self._check(np.asarray(state), self.dof, 'robot entries')
        return np.where(self.is_gripper, 0.0, state)

    def _check(self, values: np.ndarray, size: int, what: str) -> None:
        if not values.ndim or values.shape[-1] != size:
            raise ValueError(f'array of shape {values.shape}, expected {size} {what} last')


def action_space(robot: Robot, layout: Layout, size: int = SLOTS) -> ActionSpace:
    """
    Return the action space of a robot in one of the layouts.

    :raises ValueError: the layout is unknown, or the robot does not fit in it.
    """
    slots = np.full(robot.dof, -1)
    places = _raw_places(robot) if layout == 'raw_14' else _group_places(robot, layout)
    for side in SIDES:
        arm, gripper = robot.slots(side)
        first, gripper_slot = places[side]
        slots[arm] = np.arange(first, first + arm.stop - arm.start)
        slots[gripper] = gripper_slot
    if slots.max() >= size:
        raise ValueError(
            f'robot {robot.name!r} needs slot {slots.max()} in layout {layout!r}, '
            f'the model has {size}'
        )
    slots.flags.writeable = False
    return ActionSpace(slots, robot.is_gripper, size)


def slot_table(robot: Robot, layout: Layout) -> str:
    """Return a Markdown table: slot, index in the robot vector, joint."""
    space = action_space(robot, layout)
    rows = sorted((int(slot), entry) for entry, slot in enumerate(space.slots))
    lines = ['| slot | robot entry | joint |', '|---|---|---|']
    lines += [f'| {slot} | {entry} | {robot.joints[entry]} |' for slot, entry in rows]
    return '\n'.join(lines)


def _raw_places(robot: Robot) -> dict[str, tuple[int, int]]:
    return {side: (arm.start, grip) for side in SIDES for arm, grip in [robot.slots(side)]}


def _group_places(robot: Robot, layout: Layout) -> dict[str, tuple[int, int]]:
    """Return, for each side, the slot of the arm's first joint and that of the gripper."""
    dofs = {side: len(robot.file.arms[side].joints) for side in SIDES}
    if layout == 'pretrain':
        too_long = {side: dof for side, dof in dofs.items() if dof > ARM_SLOTS}
        if too_long:
            raise ValueError(
                f'robot {robot.name!r} has arms of {too_long} joints; layout "pretrain" has '
                f'{ARM_SLOTS} slots for each arm'
            )
        starts = {'left': 0, 'right': ARM_SLOTS}
    elif layout == 'concat_groups':
        if sum(dofs.values()) > 2 * ARM_SLOTS:
            raise ValueError(
                f'robot {robot.name!r} has {sum(dofs.values())} arm joints; layout '
                f'"concat_groups" has {2 * ARM_SLOTS} slots for both arms'
            )
        starts = {'left': 0, 'right': dofs['left']}
    else:
        raise ValueError(f'no layout {layout!r}; known: pretrain, concat_groups, raw_14')
    return {side: (starts[side], GRIPPER_SLOTS[side]) for side in SIDES}
