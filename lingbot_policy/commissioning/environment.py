# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
What a machine needs to run this stack, examined piece by piece.

Heavy or fragile pieces (ROS, OpenGL, torch) are tried in a process of their own: a crash there is
a finding here.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
import importlib.metadata as metadata
import os
from pathlib import Path
import platform
import shutil
import sys
from typing import Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
import psutil

from lingbot_policy.bringup import environment
from lingbot_policy.commissioning import environment_probes as probes
from lingbot_policy.contract import shipped_bundle
from lingbot_policy.robot import load_robot, Robot

PACKAGE = 'lingbot_policy'
GO, NOTE, NO_GO = 'go', 'note', 'no-go'
NEEDED_EXTRAS, OTHER_EXTRAS = ('ros', 'model', 'sim'), ('train', 'test')
SETUP = 'run `make setup` in the checkout'
FREE_DISK_BYTES, FREE_SHM_BYTES = 5 * 2**30, 512 * 2**20


@dataclass(frozen=True)
class Finding:
    """One piece: what was found, and what to do where it is missing (no-go) or poor (note)."""

    piece: str
    verdict: Literal['go', 'note', 'no-go']
    found: str
    remedy: str = ''


def examine(robot: str, bundle: Path | None = None) -> list[Finding]:
    """Return the findings for this environment, the needed ones first to last as they build up."""
    with ThreadPoolExecutor() as trials:  # each runs a process of its own
        graphics, torch = trials.submit(_graphics), trials.submit(_torch)
        findings = [_python(), *_dependencies(), *_ros_mixture()]
        known, finding = _robot(robot)
        findings.append(finding)
        findings += _ros(known)
        findings += [_profile(), *_shared_memory(), graphics.result(), torch.result()]
    if known is not None:
        findings.append(_bundle(known, bundle))
    return [*findings, _disk(), _cpu(), _realtime()]


def _python() -> Finding:
    found = f'{platform.python_version()} ({sys.executable})'
    if (3, 11) <= sys.version_info < (3, 14):
        return Finding('Python', GO, found)
    return Finding('Python', NO_GO, found, 'use Python 3.11 to 3.13: make PYTHON=python3.12')


def _dependencies() -> Iterator[Finding]:
    """One row for each extra: all its packages present, in the versions asked for and pinned."""
    try:
        requirements = [Requirement(text) for text in metadata.requires(PACKAGE) or ()]
    except metadata.PackageNotFoundError:
        yield Finding('lingbot_policy', NO_GO, 'not installed', SETUP)
        return
    pins = _pins()
    on_sourced_ros = not _is_installed('ros-rclpy') and 'AMENT_PREFIX_PATH' in os.environ
    for extra in ('', *NEEDED_EXTRAS, *OTHER_EXTRAS):
        if extra == 'ros' and on_sourced_ros:
            continue
        wanted = [r for r in requirements if _belongs(r, extra)]
        faults = [fault for r in wanted if (fault := _package_fault(r, pins))]
        piece = f'packages [{extra}]' if extra else 'packages'
        if not faults:
            yield Finding(piece, GO, f'{len(wanted)} as asked for')
            continue
        verdict = NOTE if extra in OTHER_EXTRAS else NO_GO
        yield Finding(piece, verdict, '; '.join(faults), SETUP)


def _belongs(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    if marker is None:
        return extra == ''
    if extra == '':
        return marker.evaluate({'extra': ''})
    return marker.evaluate({'extra': extra}) and not marker.evaluate({'extra': ''})


def _package_fault(requirement: Requirement, pins: dict[str, str]) -> str | None:
    name = canonicalize_name(requirement.name)
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f'{name} is missing'
    public = version.partition('+')[0]  # torch is pinned as 2.13.0, installed as 2.13.0+cpu
    if not requirement.specifier.contains(public, prereleases=True):
        return f'{name} is {version}, needed {requirement.specifier}'
    pinned = pins.get(name)
    if pinned and public != pinned and _is_installed('ros-rclpy'):
        return f'{name} is {version}, tested with {pinned}'
    return None


def _pins() -> dict[str, str]:
    """Return the tested versions where constraints.txt is at hand, in a checkout."""
    path = Path(__file__).resolve().parents[1] / 'constraints.txt'
    if not path.is_file():
        return {}
    lines = (line.partition('#')[0].strip() for line in path.read_text().splitlines())
    pairs = (line.split('==') for line in lines if '==' in line)
    return {canonicalize_name(name): version for name, version in pairs}


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _ros_mixture() -> Iterator[Finding]:
    """Wheels and a sourced ROS load each other's libraries: one of them has to go."""
    distro = os.environ.get('ROS_DISTRO')
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(':')
    foreign = [p for p in prefixes if p and not Path(p).resolve().is_relative_to(sys.prefix)]
    sourced = [p for p in foreign if (Path(p) / 'setup.bash').is_file()]
    wheels = _is_installed('ros-rclpy')
    if wheels and (distro or sourced):
        found = f'wheels of ROS in {sys.prefix} and a sourced ROS {distro or ", ".join(sourced)}'
        remedy = 'open a shell without setup.bash, or use `make clean install-ros`'
        yield Finding('ROS', NO_GO, found, remedy)
    elif wheels:
        yield Finding('ROS', GO, f'Jazzy from wheels, rclpy {metadata.version("ros-rclpy")}')
    elif distro == 'jazzy':
        yield Finding('ROS', GO, 'sourced Jazzy')
    elif distro:
        yield Finding(
            'ROS', NO_GO, f'sourced {distro}', 'source /opt/ros/jazzy/setup.bash instead'
        )
    else:
        remedy = f'{SETUP}, or source /opt/ros/jazzy/setup.bash'
        yield Finding('ROS', NO_GO, 'neither wheels nor a sourced ROS', remedy)
    if os.environ.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp') != 'rmw_fastrtps_cpp' and wheels:
        found = f'RMW_IMPLEMENTATION={os.environ["RMW_IMPLEMENTATION"]}'
        yield Finding('RMW', NO_GO, found, 'unset it: the wheels have rmw_fastrtps_cpp only')


def _robot(name: str) -> tuple[Robot | None, Finding]:
    try:
        robot = load_robot(name)
    except ValueError as error:
        return None, Finding('robot file', NO_GO, str(error), 'lingbot robots list')
    found = f'{robot.name}: {robot.dof} joints, {len(robot.cameras)} cameras'
    return robot, Finding('robot file', GO, found)


def _ros(robot: Robot | None) -> Iterator[Finding]:
    types = () if robot is None else probes.message_types(robot)
    answer = probes.try_ros(types)
    rows = {
        'rclpy': (f'{SETUP}, or source ROS 2 Jazzy', NO_GO),
        'lingbot_msgs': (f'{SETUP} (pip install ./ros2_ws/src/lingbot_msgs, or colcon)', NO_GO),
    }
    for piece, (remedy, verdict) in rows.items():
        problem = answer.get(piece, '')
        yield Finding(piece, verdict if problem else GO, problem or 'loads', problem and remedy)
    missing = {t: problem for t in types if (problem := answer.get(t, ''))}
    if missing:
        packages = sorted({t.split('/')[0] for t in missing})
        found = '; '.join(f'{t}: {problem}' for t, problem in missing.items())
        remedy = f'build {", ".join(packages)} (see the drivers in `lingbot robots show`)'
        needed = set(missing) - set(probes.service_types(robot))
        yield Finding('robot messages', NO_GO if needed else NOTE, found, remedy)
    elif types:
        yield Finding('robot messages', GO, ', '.join(types))


def _profile() -> Finding:
    path = environment()['FASTRTPS_DEFAULT_PROFILES_FILE']
    if not Path(path).is_file():
        remedy = 'install the package again, data files included'
        return Finding('DDS profile', NO_GO, f'{path}: no such file', remedy)
    chosen = os.environ.get('FASTRTPS_DEFAULT_PROFILES_FILE')
    if chosen and Path(chosen).resolve() != Path(path).resolve():
        remedy = 'unset it, or give its shared memory a segment of 64 MB'
        return Finding('DDS profile', NOTE, f'the shell sets {chosen}', remedy)
    return Finding('DDS profile', GO, f'{path} (set it for the camera drivers too)')


def _shared_memory() -> Iterator[Finding]:
    folder = Path('/dev/shm')
    if not folder.is_dir():
        remedy = 'mount a tmpfs there (docker: --shm-size=2g)'
        yield Finding('shared memory', NO_GO, '/dev/shm is missing', remedy)
        return
    free = shutil.disk_usage(folder).free
    found = f'{free / 2**30:.1f} GiB free'
    if free < FREE_SHM_BYTES:
        remedy = 'docker: --shm-size=2g; else remove leftovers in /dev/shm'
        yield Finding('shared memory', NO_GO, f'{found}, needed 0.5 GiB', remedy)
    else:
        yield Finding('shared memory', GO, found)
    segments, size = probes.lingering_segments(folder)
    if segments:
        found = f'{segments} segments of ended processes, {size / 2**20:.0f} MiB'
        remedy = 'when no ROS process runs: rm /dev/shm/*fastrtps_*'
        yield Finding('DDS leftovers', NOTE, found, remedy)


def _graphics() -> Finding:
    problem, found = probes.try_rendering()
    if not problem:
        return Finding('off-screen graphics', GO, found)
    remedy = 'sudo apt install libegl1 libegl-mesa0 libgl1-mesa-dri; leave MUJOCO_GL unset'
    return Finding('off-screen graphics', NO_GO, problem, remedy)


def _torch() -> Finding:
    problem, found = probes.try_torch()
    if problem:
        return Finding('torch', NO_GO, problem, SETUP)
    remedy = (
        '' if 'CUDA' in found else 'the released 4 B model needs a GPU; the small one does not'
    )
    return Finding('torch', GO if 'CUDA' in found else NOTE, found, remedy)


def _bundle(robot: Robot, folder: Path | None) -> Finding:
    chosen = folder or shipped_bundle(robot.name)
    if folder is None and not chosen.is_dir():
        remedy = 'lingbot import-weights, then give --bundle; the policy expert needs none'
        return Finding('policy bundle', NOTE, f'none comes with {robot.name}', remedy)
    problem = probes.try_bundle(chosen, robot)
    if problem:
        return Finding('policy bundle', NO_GO, problem, 'lingbot import-weights, or another one')
    return Finding('policy bundle', GO, f'{chosen} is whole and fits {robot.name}')


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    found = f'{free / 2**30:.1f} GiB free in {Path.cwd()}'
    if free < FREE_DISK_BYTES:
        return Finding('disk', NOTE, found, 'a minute of a demo takes about 0.7 GiB; make room')
    return Finding('disk', GO, found)


def _cpu() -> Finding:
    usable = len(os.sched_getaffinity(0))
    memory = psutil.virtual_memory()
    load = os.getloadavg()[0]
    found = (
        f'{usable} usable cores, load average {load:.1f}, '
        f'{memory.available / 2**30:.1f} GiB of memory available'
    )
    if usable < 2:
        return Finding('computer', NOTE, found, 'the demo is made for 2 cores or more')
    if load > usable:
        return Finding('computer', NOTE, found, 'end other programs: rates will not be reached')
    return Finding('computer', GO, found)


def _realtime() -> Finding:
    if probes.may_run_realtime():
        return Finding('real-time thread', GO, 'SCHED_FIFO is permitted')
    remedy = (
        'on a robot: `@you - rtprio 98` in /etc/security/limits.d (docker: --cap-add SYS_NICE)'
    )
    return Finding('real-time thread', NOTE, 'SCHED_FIFO is not permitted', remedy)
