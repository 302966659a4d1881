# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
A scripted two-arm hand-over: joint targets at policy rate, planned from what is seen at first.

The left arm grasps the far part of the block and lifts it; the right arm grasps the near part,
takes it over and puts it down in the zone. Speed stays below 80 % of the robot file's limit.
"""

from dataclasses import dataclass

import numpy as np

from lingbot_policy.kinematics import arm_chains, ArmChain, pointing_down, table_height
from lingbot_policy.robot import Robot
from lingbot_policy.sim.detect import Block
from lingbot_policy.sim.tasks import BLOCK_SIZE, middle_of, ZONE_CENTRE

SPEED_SHARE = 0.8
GRIP = 0.25  # commanded opening while holding: below the block's width, so that it is squeezed
RELEASE = 0.8
GRASP_OFFSET_M = 0.045
HOVER_M, LIFT_M = 0.07, 0.11
LEAST_HEIGHT_M = 0.02  # of a tool over the table, where nothing is to be grasped
TILT = 0.5  # finger tips forward: wrists like the Piper's do not bend to the vertical
MEETING = (0.32, 0.0)
MAX_IK_ERROR = 0.004


@dataclass(frozen=True)
class Place:
    """A tool pose with the fingers down: position and the yaw of the opening."""

    x: float
    y: float
    z: float
    yaw: float = 0.0


class OutOfReach(ValueError):
    """A place which the arm cannot take with its fingers down."""


def plan_handover(robot: Robot, block: Block, start: np.ndarray) -> np.ndarray:
    """
    Return joint targets (steps, dof) at policy rate from ``start`` (dof,) to the task's end.

    :raises OutOfReach: if the robot's geometry does not allow the task here.
    """
    motion = _Motion(robot, start)
    middle, table = middle_of(robot), table_height(robot)
    grip_z = table + 0.7 * BLOCK_SIZE[2]
    along = np.array([np.cos(block.yaw), np.sin(block.yaw)]) * GRASP_OFFSET_M
    far, near = GRASP_OFFSET_M, -GRASP_OFFSET_M
    pick = Place(block.x + along[0], block.y + along[1], grip_z, block.yaw)
    meet = middle + np.array(MEETING)
    give = Place(meet[0] + far, meet[1], table + LIFT_M)
    take = Place(meet[0] + near, meet[1], table + LIFT_M)
    zone = middle + np.array(ZONE_CENTRE)
    put = Place(zone[0] + near, zone[1], grip_z + 0.004)

    motion.go(left=_above(pick))
    motion.line('left', pick)
    motion.grip('left', GRIP)
    motion.line('left', _above(pick))
    motion.go(left=give, right=_above(take))
    motion.line('right', take)
    motion.grip('right', GRIP)
    motion.grip('left', RELEASE)
    motion.line('left', _above(give))
    motion.go(right=_above(put))
    motion.line('right', put)
    motion.grip('right', RELEASE)
    motion.line('right', _above(put))
    motion.to(robot.home)
    return motion.steps()


def plan_sway(robot: Robot, start: np.ndarray, angle: float = 0.15) -> np.ndarray:
    """
    Return a gentle motion (steps, dof) at policy rate around home, within all limits.

    Joints turn by ``angle`` rad, or by less where a tool would come too near to the table.
    """
    margin = 0.1 * (robot.upper - robot.lower)
    lower, upper = robot.lower + margin, robot.upper - margin
    centre = np.where(robot.is_gripper, robot.home, np.clip(robot.home, lower, upper))

    def target(sign: float) -> np.ndarray:
        turned = np.clip(centre + sign * np.minimum(angle, margin), lower, upper)
        return np.where(robot.is_gripper, 0.75 + 0.25 * sign, turned)

    floor = table_height(robot) + LEAST_HEIGHT_M
    while angle > 0.01 and min(_lowest_tool(robot, target(s)) for s in (1.0, -1.0)) < floor:
        angle *= 0.8
    motion = _Motion(robot, start)
    for sign in (1.0, -1.0, 1.0, -1.0):
        motion.to(target(sign), least_s=2.0)
    motion.to(robot.home, least_s=2.0)
    return motion.steps()


def _lowest_tool(robot: Robot, positions: np.ndarray) -> float:
    chains = arm_chains(robot)
    return min(chains[s].tool_pose(positions[robot.slots(s)[0]])[0][2] for s in chains)


def _above(place: Place) -> Place:
    return Place(place.x, place.y, place.z + HOVER_M, place.yaw)


class _Motion:
    """Collects steps at policy rate; each call continues where the one before ended."""

    def __init__(self, robot: Robot, start: np.ndarray) -> None:
        self._robot = robot
        self._chains = arm_chains(robot)
        self._rate = robot.file.policy_rate_hz
        self._now = np.clip(start, robot.lower, robot.upper)
        self._parts = [self._now[None]]

    def steps(self) -> np.ndarray:
        return np.concatenate(self._parts)

    def to(self, target: np.ndarray, least_s: float = 0.1) -> None:
        """Move every joint to ``target`` (dof,), starting and ending at rest."""
        way = target - self._now
        # A cosine ramp peaks at pi/2 of its mean speed and pi^2/2 of its mean acceleration.
        speed = np.pi / 2.0 * np.abs(way) / (SPEED_SHARE * self._robot.max_velocity)
        surge = np.sqrt(np.pi**2 / 2.0 * np.abs(way) / (0.5 * self._robot.max_acceleration))
        duration = max(least_s, float(speed.max()), float(surge.max()))
        count = max(1, int(np.ceil(duration * self._rate)))
        share = _ramp(count)
        self._append(self._now + share[:, None] * way)

    def go(self, **targets: Place | np.ndarray) -> None:
        """Move arms to places or joints at the same time, along straight lines in joint space."""
        target = self._now.copy()
        for side, place in targets.items():
            arm = self._robot.slots(side)[0]
            target[arm] = self._joints(side, place) if isinstance(place, Place) else place
        self.to(target)

    def line(self, side: str, place: Place) -> None:
        """Move one tool along a straight line to ``place``."""
        arm, _ = self._robot.slots(side)
        chain: ArmChain = self._chains[side]
        begin, rotation = chain.tool_pose(self._now[arm])
        end = np.array([place.x, place.y, place.z])
        limit = SPEED_SHARE * self._robot.max_velocity[arm]
        most = self._robot.max_acceleration[arm]
        count = 6
        while True:
            path, joints = np.tile(self._now, (count, 1)), self._now[arm]
            for index, share in enumerate(_ramp(count)):
                joints, error = chain.solve(begin + share * (end - begin), rotation, joints)
                if error > MAX_IK_ERROR:
                    raise OutOfReach(f'{side} arm cannot follow the line to {place}')
                path[index, arm] = joints
            speed = np.diff(path[:, arm], axis=0, prepend=self._now[None, arm]) * self._rate
            surge = np.diff(speed, axis=0, prepend=0.0, append=0.0) * self._rate
            excess = float((np.abs(speed) / limit).max())
            excess = max(excess, float(np.sqrt((np.abs(surge) / most).max())))
            if excess <= 1.0:
                break
            count = int(np.ceil(count * min(excess, 3.0))) + 1
        self._append(path)

    def grip(self, side: str, opening: float, settle_s: float = 0.15) -> None:
        """Open or close a gripper and let it settle."""
        target = self._now.copy()
        target[self._robot.slots(side)[1]] = opening
        self.to(target)
        self._append(np.tile(target, (round(settle_s * self._rate), 1)))

    def _joints(self, side: str, place: Place) -> np.ndarray:
        arm, _ = self._robot.slots(side)
        chain: ArmChain = self._chains[side]
        position, rotation = np.array([place.x, place.y, place.z]), pointing_down(place.yaw, TILT)
        best, least = None, np.inf
        for seed in self._seeds(chain, self._now[arm], position):
            joints, error = chain.solve(position, rotation, seed)
            if error < MAX_IK_ERROR:
                way = float(np.abs(joints - self._now[arm]).max())
                if way < least:
                    best, least = joints, way
        if best is None:
            raise OutOfReach(f'{side} arm cannot reach {place} with its fingers down')
        return best

    def _seeds(self, chain: ArmChain, now: np.ndarray, position: np.ndarray):
        """Yield starting points: here, and mid-range postures turned towards the place."""
        yield now
        aim = np.arctan2(*(position - chain.base)[1::-1])
        middle = 0.5 * (chain.lower + chain.upper)
        rng = np.random.default_rng(0)
        for spread in (0.0, 0.1, 0.2, 0.2, 0.3, 0.3):
            seed = middle + spread * rng.uniform(-1, 1, len(middle)) * (chain.upper - chain.lower)
            seed[0] = aim
            yield np.clip(seed, chain.lower, chain.upper)

    def _append(self, path: np.ndarray) -> None:
        self._parts.append(path)
        self._now = path[-1].copy()


def _ramp(count: int) -> np.ndarray:
    """Return shares of the way after 1 .. ``count`` steps, from rest to rest."""
    return 0.5 - 0.5 * np.cos(np.pi * np.arange(1, count + 1) / count)
