# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
What an operator has confirmed of one robot, kept by its serial number.

A robot file says which of its fields nobody has verified. ``lingbot jog`` has them confirmed on
the robot itself. A confirmation holds for the values that were confirmed: editing any field which
bears on motion makes it void.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
import hashlib
import json
import os
from pathlib import Path
import re
from typing import Any

from lingbot_policy.robot import MOTION_FIELDS, Robot

SIMULATION = 'simulation'  # the serial of a simulated robot, which confirms nothing of a real one
_SERIAL = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,63}')
# Fields which a motion that was commanded, measured and seen has shown to be right.
_SHOWN = re.compile(
    r'arms\.(left|right)\.(joints|state|command)(\..+)?'
    r'|(state|command)_topics\.\w+(\.(topic|type|names))?'
)


@dataclass(frozen=True)
class Confirmations:
    """
    What is confirmed of the robot with this serial, for the motion fields with this digest.

    ``joints``: when each was seen to move as commanded. ``fields``: by what each was confirmed,
    ``motion`` or ``operator``. ``voided``: there were others, for values since edited.
    """

    robot: str
    serial: str
    digest: str
    joints: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    voided: bool = False

    def with_joint(self, joint: str, when: str) -> 'Confirmations':
        return replace(self, joints={**self.joints, joint: when})

    def with_fields(self, paths: tuple[str, ...], by: str) -> 'Confirmations':
        return replace(self, fields={**self.fields, **dict.fromkeys(paths, by)})


def motion_digest(robot: Robot) -> str:
    """Return the hash of every field which decides how far, how fast or which way it moves."""
    content = robot.file.model_dump(mode='json', include=set(MOTION_FIELDS))
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def load_confirmations(robot: Robot, serial: str) -> Confirmations:
    """
    Return what was confirmed of this robot as its file is now; empty where nothing was.

    :raises ValueError: for a serial which names no file, or a file which cannot be read.
    """
    none = Confirmations(robot.name, serial, motion_digest(robot))
    path = _path(robot, serial)
    if not path.is_file():
        return none
    try:
        found = Confirmations(**json.loads(path.read_text(encoding='utf-8')))
        is_current = found.digest == none.digest and bool(dict(found.joints) or dict(found.fields))
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(
            f'{path}: found no confirmations ({error}), expected what `lingbot jog` writes; '
            'move it away and jog again'
        ) from error
    return found if is_current else replace(none, voided=found.digest != none.digest)


def save_confirmations(robot: Robot, confirmations: Confirmations) -> Path:
    """
    Write them and return where; the file is complete or not there.

    :raises ValueError: for a serial which names no file.
    """
    path = _path(robot, confirmations.serial)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(confirmations), indent=2) + '\n'
    new = path.with_suffix(f'.{os.getpid()}')
    new.write_text(text, encoding='utf-8')
    new.replace(path)
    return path


def unconfirmed(robot: Robot, confirmations: Confirmations) -> tuple[str, ...]:
    """Return the assumed fields that bear on motion and are not confirmed."""
    return tuple(p for p in robot.assumed_motion_fields if p not in confirmations.fields)


def shown_by_motion(robot: Robot) -> tuple[str, ...]:
    """Return the assumed fields which jogging every joint shows; the rest is asked for."""
    return tuple(p for p in robot.assumed_motion_fields if _SHOWN.fullmatch(p))


def value_text(robot: Robot, path: str) -> str:
    """Return what the file says at a dotted path, in one line."""
    value: Any = robot.file.model_dump(mode='json')
    for key in path.split('.'):
        value = value[key]
    return json.dumps(value, ensure_ascii=False)


def require_confirmed(robot: Robot, serial: str, operator_confirms: bool) -> None:
    """
    Make sure that an operator answers for what nobody has verified, before hardware is armed.

    :raises ValueError: one checklist of everything that is still open.
    """
    lines = []
    if not operator_confirms:
        steps = ' '.join(f'{i}. {s.text}' for i, s in enumerate(robot.file.arming, start=1))
        lines.append(f'[ ] operator_confirms: the arming steps are done: {steps}')
    if assumed := robot.assumed_motion_fields:
        lines += _open_fields(robot, serial, assumed)
    if lines:
        raise ValueError(
            '\n  '.join([f'arming {robot.name} needs an operator. Open still:', *lines])
        )


def _open_fields(robot: Robot, serial: str, assumed: tuple[str, ...]) -> list[str]:
    known = Confirmations(robot.name, serial, motion_digest(robot))
    if serial in ('', SIMULATION):
        remark = [f'[ ] serial: found {serial!r}, expected the serial number of this robot']
    else:
        known, remark = load_confirmations(robot, serial), []
        assumed = unconfirmed(robot, known)
        if not assumed:
            return []
    if known.voided:
        remark = [f'[ ] what was confirmed of {serial} is void: motion fields were edited since']
    fields = [f'[ ] assumed: {path} = {value_text(robot, path)}' for path in assumed]
    command = f'lingbot jog --robot {robot.name} --serial {serial or "<number>"}'
    return [*remark, *fields, f'Confirm what is assumed by: {command}']


def _path(robot: Robot, serial: str) -> Path:
    if not _SERIAL.fullmatch(serial):
        raise ValueError(
            f'serial: found {serial!r}, expected letters, digits, dots, dashes, as on the '
            "robot's name plate"
        )
    home = os.environ.get('LINGBOT_CONFIG_DIR') or Path.home() / '.config' / 'lingbot'
    return Path(home) / 'confirmations' / f'{robot.name}_{serial}.json'
