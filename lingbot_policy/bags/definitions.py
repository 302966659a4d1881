# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Message definitions as text, so that a bag can be read where its types are not installed.

Standard messages come from the tables of rosbags; all others from the .msg files which every
interface package installs below ``share``, or from our own source tree.
"""

from dataclasses import dataclass
from functools import lru_cache
import os
from pathlib import Path
import sys

from rosbags.interfaces import Nodetype
from rosbags.typesys import get_types_from_msg, get_typestore, Stores, TypesysError
from rosbags.typesys.store import Typestore


@dataclass(frozen=True)
class Definition:
    """``text`` is the definition with all its dependencies, ``type_hash`` its RIHS01 hash."""

    type: str
    text: str
    type_hash: str


def define(type_name: str) -> Definition:
    """
    Return the definition of a message type such as ``sensor_msgs/msg/JointState``.

    :raises ValueError: where its .msg file, or that of a type it contains, is not found.
    """
    return _define(type_name, share_folders())


def share_folders() -> tuple[Path, ...]:
    """Return the folders which hold interface packages, the nearest first."""
    prefixes = [p for p in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if p]
    source = Path(__file__).resolve().parents[2] / 'ros2_ws' / 'src'
    return (*(Path(prefix) / 'share' for prefix in dict.fromkeys((*prefixes, sys.prefix))), source)


def typestore_for(type_names: tuple[str, ...]) -> Typestore:
    """
    Return a rosbags typestore of Jazzy's messages and of ``type_names``.

    :raises ValueError: where a .msg file is not found.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    for type_name in type_names:
        _register(store, type_name, share_folders())
    return store


@lru_cache(maxsize=256)
def _define(type_name: str, folders: tuple[Path, ...]) -> Definition:
    store = get_typestore(Stores.ROS2_JAZZY)
    _register(store, type_name, folders)
    text, _ = store.generate_msgdef(type_name, ros_version=2)
    return Definition(type_name, text, store.hash_rihs01(type_name))


def _register(store: Typestore, type_name: str, folders: tuple[Path, ...]) -> None:
    found, wanted = {}, [type_name]
    while wanted:
        name = wanted.pop()
        if name in store.fielddefs or name in found:
            continue
        found.update(_parse(name, folders))
        wanted += [part for _, desc in found[name][1] for part in _contained(desc)]
    if found:
        store.register(found)


def _parse(type_name: str, folders: tuple[Path, ...]) -> dict:
    package, _, name = type_name.partition('/msg/')
    for folder in folders:
        path = folder / package / 'msg' / f'{name}.msg'
        if path.is_file():
            try:
                return get_types_from_msg(path.read_text(encoding='utf-8'), type_name)
            except TypesysError as error:
                raise ValueError(f'{path}: not a message definition: {error}') from error
    raise ValueError(
        f'message type {type_name} is not installed: no {package}/msg/{name}.msg in '
        f'{", ".join(map(str, folders))}. Install package {package} or source its workspace.'
    )


def _contained(desc) -> list[str]:
    kind, value = desc
    if kind == Nodetype.NAME:
        return [value]
    if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        return _contained(value[0])
    return []
