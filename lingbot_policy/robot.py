# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
A robot as data: its file, checked, and the arrays which the line needs of it.

Inside the stack a robot is a vector of ``dof`` values in the order of :attr:`Robot.joints`: left
arm, left gripper, right arm, right gripper; radians, grippers 0 closed .. 1 open.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
import hashlib
from importlib.resources import files
import json
from math import ceil
from pathlib import Path

import numpy as np
from pydantic import ValidationError
import yaml

from lingbot_policy.robot_faults import field_faults, reference_faults
from lingbot_policy.robot_schema import Arm, Camera, Gripper, RobotFile

SIDES = ('left', 'right')
# What decides how far, how fast, which way or whether the robot moves.
MOTION_FIELDS = (
    'arms', 'grippers', 'body', 'state_topics', 'command_topics', 'command_rate_hz', 'safety',
    'arming', 'disarming', 'link', 'vendor_namespace',
)  # fmt: skip
CAMERAS = ('head', 'left_wrist', 'right_wrist')


@dataclass(frozen=True)
class Robot:
    """A checked robot file. ``text`` is the file as it was read, for recordings."""

    file: RobotFile
    text: str
    path: str

    @property
    def name(self) -> str:
        return self.file.name

    @cached_property
    def joints(self) -> tuple[str, ...]:
        return tuple(
            name
            for side in SIDES
            for name in (*self.file.arms[side].joints, self.file.grippers[side].joint)
        )

    @property
    def dof(self) -> int:
        return len(self.joints)

    @cached_property
    def is_gripper(self) -> np.ndarray:
        """Boolean mask of the gripper entries, shape (dof,)."""
        return self._per_joint(lambda arm: [False] * len(arm.joints), lambda _: True).astype(bool)

    @cached_property
    def lower(self) -> np.ndarray:
        return self._per_joint(lambda arm: arm.lower, lambda _: 0.0)

    @cached_property
    def upper(self) -> np.ndarray:
        return self._per_joint(lambda arm: arm.upper, lambda _: 1.0)

    @cached_property
    def max_velocity(self) -> np.ndarray:
        """Largest speed we command: rad/s, grippers strokes/s; shape (dof,)."""
        return self._per_joint(lambda arm: arm.safe_max_velocity, lambda grip: grip.max_speed)

    @cached_property
    def max_acceleration(self) -> np.ndarray:
        """Acceleration in rad/s^2 (grippers reach full speed in 0.1 s), shape (dof,)."""
        return self._per_joint(lambda arm: arm.max_acceleration, lambda g: 10.0 * g.max_speed)

    @cached_property
    def step_limit(self) -> np.ndarray:
        """Largest change between two commands at command rate, shape (dof,)."""
        by_velocity = self.max_velocity / self.file.command_rate_hz
        limit = self.file.safety.step_limit_rad or np.inf
        return np.where(self.is_gripper, by_velocity, np.minimum(by_velocity, limit))

    @cached_property
    def state_tolerance(self) -> np.ndarray:
        safety = self.file.safety
        return np.where(self.is_gripper, safety.gripper_tolerance, safety.state_tolerance_rad)

    @cached_property
    def home(self) -> np.ndarray:
        return self._per_joint(lambda arm: arm.home, lambda grip: grip.home)

    @property
    def cameras(self) -> dict[str, Camera]:
        """Cameras in the policy's order: head, left wrist, right wrist (those that exist)."""
        return {name: self.file.cameras[name] for name in CAMERAS if name in self.file.cameras}

    @property
    def assumed_motion_fields(self) -> tuple[str, ...]:
        """Unverified fields which bear on motion; an operator confirms them before arming."""
        return tuple(p for p in self.file.assumed if p.partition('.')[0] in MOTION_FIELDS)

    @cached_property
    def digest(self) -> str:
        """Hash of everything in the file that bears on motion or meaning."""
        content = self.file.model_dump(mode='json', exclude={'sources', 'drivers', 'title'})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def topic(self, name: str) -> str:
        """Return the vendor topic ``name`` inside the vendor's namespace."""
        return f'{self.file.vendor_namespace.rstrip("/")}{name}'

    def ticks_between(self, key: str) -> int:
        """Return how many commands there are for each message of command topic ``key``."""
        slower = self.file.command_topics[key].max_rate_hz
        return 1 if slower is None else max(1, ceil(self.file.command_rate_hz / slower))

    def slots(self, side: str) -> tuple[slice, int]:
        """Return where an arm (slice) and its gripper (index) stand in a (dof,) vector."""
        left = len(self.file.arms['left'].joints)
        start = 0 if side == 'left' else left + 1
        stop = start + len(self.file.arms[side].joints)
        return slice(start, stop), stop

    def with_vendor_namespace(self, namespace: str) -> 'Robot':
        """Return the same robot with its vendor topics below ``namespace``."""
        return Robot(
            self.file.model_copy(update={'vendor_namespace': namespace}), self.text, self.path
        )

    def _per_joint(self, of_arm, of_gripper) -> np.ndarray:
        values = []
        for side in SIDES:
            arm: Arm = self.file.arms[side]
            gripper: Gripper = self.file.grippers[side]
            values += [*of_arm(arm), of_gripper(gripper)]
        array = np.asarray(values, dtype=np.float64)
        array.flags.writeable = False
        return array


def robot_names() -> list[str]:
    """Return the names of the robots that come with the package."""
    return sorted(
        p.name[:-5] for p in files('robot_configs').iterdir() if p.name.endswith('.yaml')
    )


def load_robot(name_or_path: str | Path) -> Robot:
    """
    Return the robot of a shipped file (``agilex_cobot_magic``) or of a path ending in .yaml.

    :raises ValueError: unknown name, unreadable file, or every fault of the file at once.
    """
    text_name = str(name_or_path)
    if text_name.endswith(('.yaml', '.yml')):
        source = Path(text_name)
    elif text_name in robot_names():
        source = files('robot_configs') / f'{text_name}.yaml'
    else:
        known = robot_names()
        near = get_close_matches(text_name, known, n=1, cutoff=0.3)
        hint = f': did you mean {near[0]!r}?' if near else '.'
        raise ValueError(
            f'unknown robot {text_name!r}{hint} Known: {", ".join(known)}. '
            'A file of your own is given by its path, ending in .yaml.'
        )
    try:
        text = source.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f'{source}: cannot be read ({error}); give a readable YAML file'
        ) from error
    return parse_robot(text, str(source))


def parse_robot(text: str, path: str) -> Robot:
    """
    Return the robot described by ``text``; ``path`` is used in messages.

    :raises ValueError: one line for each fault: file, field, found, expected.
    """
    try:
        raw = yaml.load(text, Loader=_UniqueKeyLoader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date which is none
        raise ValueError(f'{path}: not valid YAML: {" ".join(str(error).split())}') from error
    if not isinstance(raw, dict):
        raise ValueError(f'{path}: found {type(raw).__name__}, expected a mapping of robot fields')
    faults, cause = reference_faults(raw), None
    try:
        # Through JSON, so that strict mode takes lists for tuples and still no '1' for 1.
        file = RobotFile.model_validate_json(json.dumps(raw, default=str))
    except ValidationError as error:
        faults, cause = field_faults(error.errors()) + faults, error
    if faults:
        raise ValueError('\n'.join(f'{path}: {fault}' for fault in faults)) from cause
    return Robot(file, text, path)


class _UniqueKeyLoader(yaml.SafeLoader):
    """A YAML loader which refuses a key given twice: the first limit would silently be lost."""


def _unique_mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict:
    keys = [key.value for key, _ in node.value]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise yaml.YAMLError(f'key given twice{node.start_mark}: {", ".join(twice)}')
    return loader.construct_mapping(node, deep=True)


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)
