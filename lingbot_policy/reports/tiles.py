# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The numbers at the top of a phase, each with what it is held against."""

from html import escape

from lingbot_policy.reports.figures import Figures, MIN_CHUNK_HZ, MIN_RECEIVED_SHARE


def number_tiles(found: Figures, failed: list[str]) -> str:
    """Return the tiles as HTML; a tile is marked failed where a line of ``failed`` is its own."""
    tiles = [
        _tile('frames received', *_frames(found), _holds('camera', failed)),
        _tile(
            'chunks',
            f'{found.chunk_hz:.1f} /s',
            f'{found.chunks} in all; at least {MIN_CHUNK_HZ:g} /s',
            _holds('chunks', failed),
        ),
        _tile('camera to chunk', *_latency(found), None),
        _tile(
            'commands',
            f'{found.commands.rate_hz:.1f} Hz',
            f'{found.commands.expected_hz:g} Hz within 1 %; '
            f'{found.commands.missed_ticks} missed ticks',
            _holds('command rate', failed),
        ),
        _tile(
            'outside limits',
            '?' if found.outside_limits is None else str(found.outside_limits),
            'counted by the simulation from wire values; 0 expected',
            _holds('commands outside', failed),
        ),
        _tile('recorded', *_recorded(found), _holds('bag', failed)),
    ]
    if found.progress is not None:
        tiles.append(_tile('task', f'{found.progress:.0%}', _success(found), None))
    if found.real_time_factor is not None:
        tiles.append(_tile('real time', f'x {found.real_time_factor:.2f}', _world(found), None))
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _tile(name: str, value: str, note: str, holds: bool | None) -> str:
    mark = '' if holds is None else ' pass' if holds else ' fail'
    return (
        f'<div class="tile{mark}"><span>{escape(name)}</span><strong>{escape(value)}</strong>'
        f'<small>{escape(note)}</small></div>'
    )


def _holds(subject: str, failed: list[str]) -> bool:
    return not any(line.startswith(subject) for line in failed)


def _frames(found: Figures) -> tuple[str, str]:
    recorded = [camera.received_share for camera in found.cameras.values()]
    server = [c.server_share for c in found.cameras.values() if c.server_share is not None]
    worst = min((*recorded, *server), default=0.0)
    seen = ' and of recorder and policy server' if server else ''
    note = f'worst of {len(recorded)} cameras{seen}; at least {MIN_RECEIVED_SHARE:.0%}'
    return f'{worst:.1%}', note


def _latency(found: Figures) -> tuple[str, str]:
    spread = found.latency_s['capture_to_publish']
    if not spread:
        return '?', 'no inference recorded'
    infer = found.latency_s['infer']
    return (
        f'{spread["median"] * 1e3:.0f} ms',
        f'median; p95 {spread["p95"] * 1e3:.0f} ms; model {infer["median"] * 1e3:.0f} ms',
    )


def _recorded(found: Figures) -> tuple[str, str]:
    complete = found.topics - len(found.unequal)
    return f'{complete} of {found.topics}', 'topics with all that was published written'


def _success(found: Figures) -> str:
    return 'solved, as physics judges' if found.success else 'share of its checkpoints reached'


def _world(found: Figures) -> str:
    if found.camera_size is None:
        return 'of the simulation'
    width, height = found.camera_size
    return f'cameras {width}x{height} at {found.camera_fps or 0.0:.1f} Hz'
