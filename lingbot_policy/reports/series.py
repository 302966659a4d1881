# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A recorded run as arrays over time, read from its bag."""

from collections import defaultdict
from dataclasses import dataclass, field
import json
from pathlib import Path
from typing import Any

import numpy as np

from lingbot_policy.bags.read import BagReader, open_bag
from lingbot_policy.bags.write import COMPLETENESS_ATTACHMENT
from lingbot_policy.decode import image_from_msg, stamp_ns
from lingbot_policy.robot import Robot

STAGES = (
    'wait',
    'preprocess',
    'infer',
    'postprocess',
    'publish',
    'capture_to_publish',
)
STRIP_FRAMES = 8
SLACK_NS = 200_000_000  # the last picture may come a little before the last command


@dataclass(frozen=True)
class RecordedChunk:
    """A chunk as it was published; ``positions`` (horizon, dof), times ns."""

    sequence: int
    t_ref_ns: int
    created_ns: int
    rate_hz: float
    first_step_offset: float
    positions: np.ndarray

    def step_times_ns(self) -> np.ndarray:
        """Return when each step is due (horizon,)."""
        steps = np.arange(len(self.positions)) + self.first_step_offset
        return self.t_ref_ns + (steps * 1e9 / self.rate_hz).astype(np.int64)


@dataclass(frozen=True)
class GateEvent:
    time_ns: int
    severity: int
    source: str
    state: str
    reaction: str
    reason: str
    joint: str


@dataclass(frozen=True)
class Series:
    """
    All that a report needs; times are ns of the ROS clock, arrays in the order of the bag.

    ``commanded`` and ``measured`` are (n, dof) in robot units. ``frames`` holds some pictures of
    each camera as (time, (H, W, 3) RGB); ``reports`` what the simulation said of itself.
    ``diagnostics`` are the (time, values) of each status of this robot, by its name.
    """

    bag: Path
    robot: Robot
    start_ns: int
    end_ns: int
    chunks: tuple[RecordedChunk, ...]
    inference: dict[str, np.ndarray]
    inference_ns: np.ndarray
    inference_errors: tuple[str, ...]
    command_ns: np.ndarray
    commanded: np.ndarray
    measured: np.ndarray
    gate_states: tuple[str, ...]
    camera_ns: dict[str, np.ndarray]
    frames: dict[str, tuple[tuple[int, np.ndarray], ...]]
    events: tuple[GateEvent, ...]
    reports: tuple[tuple[int, dict], ...]
    diagnostics: dict[str, tuple[tuple[int, dict[str, str]], ...]]
    completeness: dict[str, dict]
    namespace: str = ''
    instruction: str = ''
    policy: str = ''
    contract_hash: str = ''


@dataclass
class _Collected:
    chunks: list = field(default_factory=list)
    records: list = field(default_factory=list)
    executed: list = field(default_factory=list)
    events: list = field(default_factory=list)
    reports: list = field(default_factory=list)
    diagnostics: dict = field(default_factory=lambda: defaultdict(list))


def read_series(path: Path, robot: Robot, namespace: str = '') -> Series:
    """
    Return the run recorded in the bag at ``path``.

    :param namespace: of the deployment that was recorded.
    :raises ValueError: where there is no bag, or it was not closed.
    """
    prefix = f'/{namespace.strip("/")}'.rstrip('/')
    with open_bag(path) as bag:
        found = _collect(bag, robot.name, prefix)
        executed = found.executed
        span_ns = (stamp_ns(executed[0]), stamp_ns(executed[-1])) if executed else None
        camera_ns, frames = _read_cameras(bag, robot, span_ns or (bag.start_ns, bag.end_ns))
        completeness = json.loads(bag.attachments().get(COMPLETENESS_ATTACHMENT, '{}'))
        start_ns, end_ns = bag.start_ns, bag.end_ns
    good = [msg for msg in found.records if not msg.error]
    return Series(
        bag=Path(path),
        robot=robot,
        start_ns=start_ns,
        end_ns=end_ns,
        chunks=tuple(_chunk(msg) for msg in found.chunks),
        inference={s: np.array([getattr(m, f'{s}_s') for m in good]) for s in STAGES},
        inference_ns=np.array([stamp_ns(m) for m in good], dtype=np.int64),
        inference_errors=tuple(m.error for m in found.records if m.error),
        command_ns=np.array([stamp_ns(m) for m in executed], dtype=np.int64),
        commanded=_stack([m.positions for m in executed], robot.dof),
        measured=_stack([m.measured for m in executed], robot.dof),
        gate_states=tuple(m.gate_state for m in executed),
        camera_ns=camera_ns,
        frames=frames,
        events=tuple(_event(m) for m in found.events),
        reports=tuple(found.reports),
        diagnostics={name: tuple(values) for name, values in found.diagnostics.items()},
        completeness=completeness,
        namespace=prefix,
        instruction=good[-1].instruction if good else '',
        policy=good[-1].policy if good else '',
        contract_hash=good[-1].contract_hash if good else '',
    )


def _collect(bag: BagReader, robot: str, prefix: str) -> _Collected:
    found = _Collected()
    sinks = {
        f'{prefix}/action_chunk': found.chunks,
        f'{prefix}/inference_record': found.records,
        f'{prefix}/executed_command': found.executed,
        f'{prefix}/safety_events': found.events,
    }
    report_topic = f'{prefix}/sim_report'
    wanted = {*sinks, report_topic, '/diagnostics'} & {topic.name for topic in bag.topics}
    if not wanted:
        return found
    for message in bag.messages(wanted):
        if message.topic in sinks:
            sinks[message.topic].append(message.msg)
        elif message.topic == report_topic:
            found.reports.append((message.log_time_ns, json.loads(message.msg.data)))
        else:
            for status in message.msg.status:
                values = {pair.key: pair.value for pair in status.values}
                if not _is_own(status, values, robot, prefix):
                    continue
                found.diagnostics[status.name].append((stamp_ns(message.msg), values))
    return found


def _is_own(status: Any, values: dict[str, str], robot: str, prefix: str) -> bool:
    """All robots of a graph share /diagnostics; what does not say whose it is counts as ours."""
    namespace = prefix or '/'
    return status.hardware_id in ('', robot) and values.get('namespace', namespace) == namespace


def _read_cameras(bag: BagReader, robot: Robot, span_ns: tuple[int, int]) -> tuple[dict, dict]:
    """Return the stamps of each camera's frames, and a few of its pictures within the span."""
    names = {robot.topic(camera.topic): name for name, camera in robot.cameras.items()}
    present = names.keys() & {topic.name for topic in bag.topics if topic.count}
    stamps: dict[str, list[int]] = {name: [] for name in robot.cameras}
    frames: dict[str, list] = {name: [] for name in robot.cameras}
    due_ns = np.linspace(*span_ns, STRIP_FRAMES)
    if not present:
        return {name: np.array([], dtype=np.int64) for name in stamps}, {}
    for message in bag.messages(present):
        name = names[message.topic]
        stamps[name].append(stamp_ns(message.msg))
        taken = len(frames[name])
        if taken < STRIP_FRAMES and message.log_time_ns >= due_ns[taken] - SLACK_NS:
            picture = image_from_msg(message.msg, robot.cameras[name], name, None)
            frames[name].append((message.log_time_ns, picture.copy()))
    return (
        {name: np.array(times, dtype=np.int64) for name, times in stamps.items()},
        {name: tuple(pictures) for name, pictures in frames.items()},
    )


def _chunk(msg: Any) -> RecordedChunk:
    return RecordedChunk(
        sequence=int(msg.sequence),
        t_ref_ns=stamp_ns(msg.trajectory),
        created_ns=msg.created.sec * 1_000_000_000 + msg.created.nanosec,
        rate_hz=msg.rate_hz,
        first_step_offset=msg.first_step_offset,
        positions=np.array([point.positions for point in msg.trajectory.points]),
    )


def _event(msg: Any) -> GateEvent:
    return GateEvent(
        time_ns=stamp_ns(msg),
        severity=int(msg.severity),
        source=msg.source,
        state=msg.state,
        reaction=msg.reaction,
        reason=msg.reason,
        joint=msg.joint,
    )


def _stack(rows: list, dof: int) -> np.ndarray:
    return np.array(rows, dtype=np.float64).reshape(len(rows), dof)
