# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
How far the arms are from each other, from a table, and from the walls of the workspace.

Arms are chains of capsules from the robot file's geometry, in the robot's frame, m. Both arms and
all pairs are computed at once: there is a tick to keep.
"""

import numpy as np

from lingbot_policy.kinematics import arm_chains
from lingbot_policy.robot import Robot, SIDES
from lingbot_policy.safety.decision import told

TOOL_ABOVE_TABLE_M = 0.01  # the finger tips reach a little beyond the tool point
MOUNT_LINKS = 3  # links which begin at the shoulder may stand on the table, or beside it
_ROUNDING_M = 1e-9


class ArmPoints:
    """
    Forward kinematics of both arms for several postures at once.

    Link i of an arm goes from joint i (0: its base) to the next, the last to the tool point. The
    shorter arm of two is filled up with links of no length before its last.
    """

    def __init__(self, robot: Robot) -> None:
        chains = [arm_chains(robot)[side] for side in SIDES]
        self.joints = [len(chain.offsets) for chain in chains]
        most = max(self.joints)
        self.slots = np.zeros((len(SIDES), most), dtype=np.intp)
        self._is_joint = np.zeros((len(SIDES), most))
        self._fixed = np.tile(np.eye(4), (len(SIDES), most, 1, 1))
        self._sine = np.zeros((len(SIDES), most, 4, 4))
        self._versine = np.zeros((len(SIDES), most, 4, 4))
        self._base = np.tile(np.eye(4), (len(SIDES), 1, 1))
        self._tool = np.zeros((len(SIDES), 4, 1))
        self._tool[:, 3] = 1.0
        for row, (side, chain) in enumerate(zip(SIDES, chains, strict=True)):
            count = len(chain.offsets)
            start = robot.slots(side)[0].start
            self.slots[row, :count] = np.arange(start, start + count)
            self._is_joint[row, :count] = 1.0
            self._fixed[row, :count, :3, 3] = chain.offsets
            for index, (x, y, z) in enumerate(chain.axes):
                cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
                self._sine[row, index, :3, :3] = cross
                self._versine[row, index, :3, :3] = cross @ cross
            self._base[row, :3, :3], self._base[row, :3, 3] = chain.base_rotation, chain.base
            self._tool[row, :3, 0] = chain.tool
        self.count = most + 2

    def at(self, postures: np.ndarray) -> np.ndarray:
        """Return the ends of all links, (postures, 2, links + 1, 3), for (postures, dof)."""
        angles = (postures[:, self.slots] * self._is_joint)[..., None, None]
        # Rodrigues: a turn about an axis is 1 + sin(angle) [axis]x + (1 - cos(angle)) [axis]x^2.
        turns = self._fixed + np.sin(angles) * self._sine + (1.0 - np.cos(angles)) * self._versine
        points = np.empty((len(postures), len(SIDES), self.count, 3))
        points[:, :, 0] = self._base[:, :3, 3]
        frame = self._base
        for joint, turn in enumerate(np.moveaxis(turns, 2, 0), start=1):
            frame = frame @ turn
            points[:, :, joint] = frame[..., :3, 3]
        points[:, :, -1] = (frame @ self._tool)[..., :3, 0]
        return points


def distances(begin: np.ndarray, way: np.ndarray, others: np.ndarray, other_way: np.ndarray):
    """
    Return the shortest distances between line segments, shape (...,).

    Each segment is its beginning and the way to its end, (..., 3); it may be a point.
    """
    between = begin - others
    a = np.maximum(np.einsum('...i,...i', way, way), 1e-12)
    e = np.maximum(np.einsum('...i,...i', other_way, other_way), 1e-12)
    b = np.einsum('...i,...i', way, other_way)
    c = np.einsum('...i,...i', way, between)
    f = np.einsum('...i,...i', other_way, between)
    # The nearest points of the two lines, drawn into one segment, then the other, then back.
    s = _share((b * f - c * e) / np.maximum(a * e - b * b, 1e-12))
    t = _share((b * s + f) / e)
    s = _share((b * t - c) / a)
    t = _share((b * s + f) / e)
    gap = between + s[..., None] * way - t[..., None] * other_way
    return np.sqrt(np.einsum('...i,...i', gap, gap))


class Clearance:
    """
    Judges the next command by where it is, and by where braking from it would end.

    :param table_z: height of a table below the arms, or None.
    :raises ValueError: if the geometry does not describe every joint of both arms.
    """

    def __init__(self, robot: Robot, table_z: float | None) -> None:
        geometry = robot.file.geometry
        if missing := [side for side in SIDES if side not in geometry.arms]:
            raise ValueError(
                f'{robot.path}: geometry.arms: found no {" and no ".join(missing)}, expected both '
                'arms; add their links, or run without distances'
            )
        self._points = ArmPoints(robot)
        self._table_z = table_z
        self._names, limits = [], []
        self._pair_links, radii = self._pairs(robot, limits)
        self._radii = np.array(radii)
        self._low_points = np.empty((2, 0), dtype=np.intp)
        if table_z is not None:
            self._low_points = self._over_table(robot, limits)
        self._box = geometry.workspace
        if self._box is not None:
            self._names += [f'{side} tool - workspace' for side in SIDES]
            limits += [0.0] * len(SIDES)
        self._limits = np.array(limits)
        self._known: tuple[np.ndarray, np.ndarray] | None = None

    def check(self, last: np.ndarray, command: np.ndarray, stop: np.ndarray) -> str:
        """
        Return which distance would be too short and shrink, '' for none.

        :param last: the last command, (dof,). ``stop``: where braking from ``command`` would end.
        """
        if self._known is None or self._known[0] is not last:
            self._known = (last, self.room(last[None])[0])
        room = self.room(np.stack([command, stop]))
        nearest = room.min(axis=0)
        wrong = (nearest < 0.0) & (nearest < self._known[1] - _ROUNDING_M)
        if not wrong.any():
            self._known = (command, room[0])
            return ''
        worst = int(np.where(wrong, nearest, np.inf).argmin())
        distance, limit = told(nearest[worst] + self._limits[worst], self._limits[worst])
        return f'{self._names[worst]} at {distance} m, limit {limit}'

    def room(self, postures: np.ndarray) -> np.ndarray:
        """Return every distance less its limit, (postures, distances), for (postures, dof)."""
        points = self._points.at(postures)
        begins = points[:, :, :-1]
        links = np.concatenate([begins, points[:, :, 1:] - begins], axis=3)
        left, right = self._pair_links
        one, other = links[:, 0].take(left, axis=1), links[:, 1].take(right, axis=1)
        found = distances(one[..., :3], one[..., 3:], other[..., :3], other[..., 3:])
        rooms = [found - self._radii]
        if self._table_z is not None:
            side, index = self._low_points
            rooms.append(points[:, side, index, 2] - self._table_z)
        if self._box is not None:
            tools = points[:, :, -1]
            rooms.append(np.minimum(tools - self._box.lower, self._box.upper - tools).min(axis=-1))
        return np.concatenate(rooms, axis=1) - self._limits

    def _links(self, robot: Robot, side: str) -> list[tuple[int, float, bool]]:
        """Return of each link its place among the points, its radius, and whether it is a hand."""
        row, links = SIDES.index(side), robot.file.geometry.arms[side].links
        count = self._points.joints[row]
        first_of_hand = count + 1 - robot.file.safety.hand_links
        places = [*range(count), self._points.count - 2]
        radii = [links[0].radius, *(link.radius for link in links)]
        return [
            (place, radius, number >= first_of_hand)
            for number, (place, radius) in enumerate(zip(places, radii, strict=True))
        ]

    def _pairs(self, robot: Robot, limits: list[float]):
        safety = robot.file.safety
        pairs, radii = [], []
        for i, (left, left_radius, is_left_hand) in enumerate(self._links(robot, 'left')):
            for j, (right, right_radius, is_right_hand) in enumerate(self._links(robot, 'right')):
                if is_left_hand and is_right_hand:
                    continue
                pairs.append((left, right))
                radii.append(left_radius + right_radius)
                has_hand = is_left_hand or is_right_hand
                limits.append(safety.hand_clearance_m if has_hand else safety.clearance_m)
                self._names.append(f'left link{i} - right link{j}')
        return np.array(pairs, dtype=np.intp).T, radii

    def _over_table(self, robot: Robot, limits: list[float]) -> np.ndarray:
        """Every end of a link past the shoulder keeps clear of the table; the tool point less."""
        points = []
        for row, side in enumerate(SIDES):
            links = self._links(robot, side)
            for number, (place, radius, _) in enumerate(links[MOUNT_LINKS:], start=MOUNT_LINKS):
                points.append((row, place))
                limits.append(radius + robot.file.safety.clearance_m)
                self._names.append(f'{side} link{number} - table')
            points.append((row, self._points.count - 1))
            limits.append(TOOL_ABOVE_TABLE_M)
            self._names.append(f'{side} tool - table')
        return np.array(points, dtype=np.intp).T


def _share(values: np.ndarray) -> np.ndarray:
    return np.minimum(np.maximum(values, 0.0), 1.0)
