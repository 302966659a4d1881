# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The figures of a recorded run, and which of them do not hold."""

from dataclasses import dataclass

import numpy as np

from lingbot_policy.reports.cadence import EpisodeCadence, read_cadence
from lingbot_policy.reports.series import Series, STAGES

SERVER, EXECUTOR = 'policy_server: inference', 'chunk_executor: commands'
MIN_RECEIVED_SHARE = 0.95
MIN_CHUNK_HZ = 0.5
COMMAND_RATE_TOLERANCE = 0.01


@dataclass(frozen=True)
class CameraFigures:
    """
    Frames of one camera between the first and the last that was received.

    ``server_share`` is what the policy server received of them; None where it is not known.
    """

    published: int
    received: int
    written: int
    received_share: float
    server_share: float | None
    fps: float


@dataclass(frozen=True)
class CommandFigures:
    """
    Commands published from the first to the last in the bag, also those the bag lost.

    ``rate_error`` is relative to the robot file.
    """

    count: int
    rate_hz: float
    expected_hz: float
    rate_error: float
    longest_gap_ms: float
    missed_ticks: int
    clamped: int


@dataclass(frozen=True)
class CommandTopicFigures:
    """Messages on one of the robot's command topics; ``expected`` follows from the commands."""

    published: int
    expected: int
    every: int


@dataclass(frozen=True)
class Figures:
    """
    What a run achieved. ``latency_s`` has median and p95 of each stage; ``unequal`` the topics
    of which not all that was published was written; ``cadence`` has an entry for each episode.
    None: the run did not tell.
    """

    duration_s: float
    cameras: dict[str, CameraFigures]
    chunks: int
    chunk_hz: float
    longest_without_chunk_s: float
    latency_s: dict[str, dict[str, float]]
    inference_errors: int
    commands: CommandFigures
    command_topics: dict[str, CommandTopicFigures]
    outside_limits: int | None
    topics: int
    unequal: tuple[str, ...]
    success: bool | None
    progress: float | None
    real_time_factor: float | None
    camera_size: tuple[int, int] | None
    camera_fps: float | None
    tracking_error: float | None
    cadence: tuple[EpisodeCadence, ...] | None


def figures(series: Series) -> Figures:
    """Return the figures of a run, from its bag alone."""
    report = series.reports[-1][1] if series.reports else {}
    created = np.array([chunk.created_ns for chunk in series.chunks], dtype=np.int64)
    size = report.get('size')
    return Figures(
        duration_s=(series.end_ns - series.start_ns) * 1e-9,
        cameras={name: _camera(series, name) for name in series.camera_ns},
        chunks=len(created),
        chunk_hz=_rate(created, _published(series, 'action_chunk')),
        longest_without_chunk_s=float(np.diff(created).max() * 1e-9) if len(created) > 1 else 0.0,
        latency_s={stage: _spread(series.inference[stage]) for stage in STAGES},
        inference_errors=len(series.inference_errors),
        commands=_commands(series),
        command_topics=_command_topics(series),
        outside_limits=report.get('violations'),
        topics=len(series.completeness),
        unequal=_unequal(series),
        success=report.get('success'),
        progress=report.get('progress'),
        real_time_factor=report.get('real_time_factor'),
        camera_size=tuple(size) if size else None,
        camera_fps=report.get('fps'),
        tracking_error=_tracking_error(series),
        cadence=read_cadence(values for _, values in series.diagnostics.get(EXECUTOR, ())),
    )


def failures(found: Figures) -> list[str]:
    """Return one line for each figure that does not hold: what, found, expected."""
    lines = [
        f'camera {name}: received {share:.1%} of {camera.published} frames{where}, '
        f'expected at least {MIN_RECEIVED_SHARE:.0%}'
        for name, camera in found.cameras.items()
        for share, where in (
            (camera.received_share, ''),
            (camera.server_share, ' at the policy server'),
        )
        if share is not None and share < MIN_RECEIVED_SHARE
    ]
    if found.chunk_hz < MIN_CHUNK_HZ:
        lines.append(f'chunks: {found.chunk_hz:.2f} per s, expected at least {MIN_CHUNK_HZ:g}')
    commands = found.commands
    if abs(commands.rate_error) > COMMAND_RATE_TOLERANCE:
        lines.append(
            f'command rate: {commands.rate_hz:.2f} Hz, expected {commands.expected_hz:g} Hz '
            f'within {COMMAND_RATE_TOLERANCE:.0%}'
        )
    lines += [
        f'commands on {topic}: {told.published}, expected {told.expected} (1 in {told.every}) '
        f'within {COMMAND_RATE_TOLERANCE:.0%}'
        for topic, told in found.command_topics.items()
        if abs(told.published - told.expected) > COMMAND_RATE_TOLERANCE * told.expected + 1
    ]
    if found.outside_limits is None:
        lines.append('commands outside limits: not counted, the simulation gave no report')
    elif found.outside_limits:
        lines.append(f'commands outside limits: {found.outside_limits}, expected 0')
    if not found.topics:
        lines.append('bag: its topics were not counted, expected published == written')
    lines += [f'bag: {line}' for line in found.unequal]
    return lines


def _camera(series: Series, name: str) -> CameraFigures:
    topic = series.robot.topic(series.robot.cameras[name].topic)
    stamps = series.camera_ns[name]
    counts = series.completeness.get(topic, {})
    published = counts.get('published', 0)
    received = counts.get('received', 0)
    return CameraFigures(
        published=published,
        received=received,
        written=counts.get('written', len(stamps)),
        received_share=received / published if published else 0.0,
        server_share=_server_share(series, name),
        fps=_rate(stamps),
    )


def _server_share(series: Series, camera: str) -> float | None:
    """Return what the policy server received of a camera's frames between its own reports."""
    key = f'received {camera}'
    counted = [(at, int(v[key])) for at, v in series.diagnostics.get(SERVER, ()) if key in v]
    if len(counted) < 3:
        return None
    (first_ns, first), (last_ns, last) = counted[0], counted[-1]
    stamps = series.camera_ns[camera]
    published = int(((stamps > first_ns) & (stamps <= last_ns)).sum())
    # At either end one frame may be on its way while the server reports.
    return min(1.0, (last - first + 1) / published) if published else None


def _commands(series: Series) -> CommandFigures:
    stamps = series.command_ns
    expected = series.robot.file.command_rate_hz
    count = _published(series, 'executed_command') or len(stamps)
    rate = _rate(stamps, count)
    told = [int(v['missed_ticks']) for _, v in series.diagnostics.get(EXECUTOR, ())]
    gaps = np.diff(stamps) * 1e-9
    missed = int(np.maximum(np.round(gaps * expected) - 1, 0).sum())
    return CommandFigures(
        count=count,
        rate_hz=rate,
        expected_hz=expected,
        rate_error=rate / expected - 1.0,
        longest_gap_ms=float(gaps.max() * 1e3) if len(gaps) else 0.0,
        missed_ticks=told[-1] if told else missed,
        clamped=sum(state == 'clamp' for state in series.gate_states),
    )


def _command_topics(series: Series) -> dict[str, CommandTopicFigures]:
    """A slower topic is judged by its own rate: one message in so many commands."""
    robot = series.robot
    commands = _published(series, 'executed_command') or len(series.command_ns)
    found = {}
    for key, entry in robot.file.command_topics.items():
        topic, every = robot.topic(entry.topic), robot.ticks_between(key)
        published = series.completeness.get(topic, {}).get('published', 0)
        found[topic] = CommandTopicFigures(published, round(commands / every), every)
    return found


def _unequal(series: Series) -> tuple[str, ...]:
    return tuple(
        f'{topic}: {counts["published"]} published, {counts["written"]} written'
        for topic, counts in series.completeness.items()
        # With several writers at once, as on /diagnostics, the count published is a best fit.
        if counts.get('certain', True) and counts['published'] != counts['written']
    )


def _tracking_error(series: Series) -> float | None:
    """Return the 95th percentile of |commanded - measured| over all arm joints, rad."""
    arms = ~series.robot.is_gripper
    away = np.abs(series.commanded - series.measured)[:, arms]
    away = away[np.isfinite(away)]
    return float(np.percentile(away, 95)) if away.size else None


def _published(series: Series, topic: str) -> int | None:
    """Return how many messages were published from the first to the last in the bag, if known."""
    return series.completeness.get(f'{series.namespace}/{topic}', {}).get('published')


def _rate(stamps_ns: np.ndarray, count: int | None = None) -> float:
    """
    Return events per second between the first and the last, 0 for fewer than two.

    :param count: how many there were, where some are known to be missing from ``stamps_ns``.
    """
    if len(stamps_ns) < 2 or stamps_ns[-1] <= stamps_ns[0]:
        return 0.0
    return ((count or len(stamps_ns)) - 1) * 1e9 / float(stamps_ns[-1] - stamps_ns[0])


def _spread(values: np.ndarray) -> dict[str, float]:
    if not len(values):
        return {}
    return {'median': float(np.median(values)), 'p95': float(np.percentile(values, 95))}
