# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The report: one HTML file with everything in it, which opens anywhere and years later."""

import base64
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
from plotly.graph_objects import Figure
import plotly.io
from plotly.offline import get_plotlyjs

from lingbot_policy.reports.cadence import cadence_table
from lingbot_policy.reports.figures import failures, Figures
from lingbot_policy.reports.plots import joint_figure, latency_figure, rate_figure, seconds_of
from lingbot_policy.reports.series import Series
from lingbot_policy.reports.tiles import number_tiles

STRIP_WIDTH = 224
SEVERITIES = {0: 'info', 1: 'warn', 2: 'error'}


@dataclass(frozen=True)
class PhaseReport:
    """One policy's run: what was recorded, its figures, and what does not hold."""

    policy: str
    series: Series
    figures: Figures
    failed: tuple[str, ...]
    incidents: tuple[str, ...] = ()


def write_report(path: Path, phases: list[PhaseReport], result: dict) -> None:
    """Write the report of a demo; ``result`` is what also stands in result.json."""
    path.write_text(report_html(phases, result), encoding='utf-8')


def report_html(phases: list[PhaseReport], result: dict) -> str:
    """Return the report as one self-contained HTML text."""
    assets = files('lingbot_policy') / 'data' / 'report'
    style = (assets / 'report.css').read_text(encoding='utf-8')
    script = (assets / 'report.js').read_text(encoding='utf-8')
    title = f'LingBot-VLA demo: {result["robot"]}'
    body = '\n'.join([_header(result, phases), *map(_phase, phases), _making(phases, result)])
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<title>{escape(title)}</title>\n<style>{style}</style>\n'
        f'<script>{get_plotlyjs()}</script>\n</head>\n<body>\n<main>\n{body}\n</main>\n'
        f'<script>{script}</script>\n</body>\n</html>\n'
    )


def _header(result: dict, phases: list[PhaseReport]) -> str:
    count = len(result['failed'])
    verdict = f'{count} figures do not hold' if count > 1 else '1 figure does not hold'
    verdict = 'all figures hold' if result['ok'] else verdict
    mark = 'pass' if result['ok'] else 'fail'
    links = ' '.join(f'<a href="#{escape(p.policy)}">{escape(p.policy)}</a>' for p in phases)
    failed = ''.join(f'<li>{escape(line)}</li>' for line in result['failed'])
    return (
        f'<header><p class="eyebrow">LingBot-VLA on ROS 2</p><h1>{escape(result["robot"])} '
        f'<span class="badge {mark}">{verdict}</span></h1>'
        f'<p class="lead">{_lead(result)}</p>'
        f'<nav>{links} <a href="#made">how it was made</a></nav>'
        + (f'<ul class="failed">{failed}</ul>' if failed else '')
        + '</header>'
    )


def _lead(result: dict) -> str:
    world = {'mujoco': 'MuJoCo physics', 'kinematic': 'a kinematic stub, no physics'}
    return escape(
        f'{result["started"]}, simulated with {world.get(result["world"], result["world"])}, '
        f'{result["hardware"]["cores"]} cores. Every figure is read from the recorded bag.'
    )


def _phase(phase: PhaseReport) -> str:
    series = phase.series
    mark, verdict = ('pass', 'holds') if not phase.failed else ('fail', 'does not hold')
    parts = [
        f'<section id="{escape(phase.policy)}"><h2>Policy {escape(phase.policy)} '
        f'<span class="badge {mark}">{verdict}</span></h2>',
        f'<p class="lead">Instruction: <q>{escape(series.instruction)}</q></p>'
        if series.instruction
        else '',
        number_tiles(phase.figures, failures(phase.figures)),
        _part('Cameras', _strip(series)),
        _part(
            'Joints',
            _plot(joint_figure(series)),
            'Commanded and measured, with each chunk as it was predicted behind them. '
            'Joints in rad; grippers from 0, closed, to 1, open.',
        ),
        _part('Latency', _plot(latency_figure(series)) + _stages(phase.figures)),
        _part('Rates', _plot(rate_figure(series))),
        _part('Cadence', _cadence(phase.figures), 'As the executor told it, of arm joints.'),
        _part('Gate', _events(series)),
        _part(
            'Completeness', _completeness(series), 'Counted from the writers\u2019 own numbers.'
        ),
    ]
    return '\n'.join(parts) + '</section>'


def _part(title: str, content: str, note: str = '') -> str:
    shown = f'<p class="note">{note}</p>' if note else ''
    return f'<article><h3>{title}</h3>{shown}{content}</article>'


def _plot(figure: Figure) -> str:
    html = plotly.io.to_html(
        figure,
        full_html=False,
        include_plotlyjs=False,
        config={'displayModeBar': False, 'responsive': True},
    )
    return f'<div class="plot">{html}</div>'


def _strip(series: Series) -> str:
    rows = []
    for camera, frames in series.frames.items():
        pictures = ''.join(
            f'<figure><img alt="{escape(camera)}" src="{_jpeg_uri(picture)}">'
            f'<figcaption>{_seconds(series, at)}</figcaption></figure>'
            for at, picture in frames
        )
        rows.append(f'<div class="camera"><span>{escape(camera)}</span>{pictures}</div>')
    return f'<div class="strip">{"".join(rows)}</div>' if rows else '<p>No frames recorded.</p>'


def _seconds(series: Series, at_ns: int) -> str:
    return f'{round(float(seconds_of(series, [at_ns])[0]), 1) + 0.0:.1f} s'  # no -0.0


def _jpeg_uri(picture: np.ndarray) -> str:
    height, width = picture.shape[:2]
    size = (STRIP_WIDTH, max(1, round(STRIP_WIDTH * height / width)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode('.jpg', small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    return 'data:image/jpeg;base64,' + base64.b64encode(encoded.tobytes()).decode()


def _stages(found: Figures) -> str:
    rows = [
        (stage.replace('_', ' '), *(f'{spread[key] * 1e3:.1f} ms' for key in ('median', 'p95')))
        for stage, spread in found.latency_s.items()
        if spread
    ]
    return _table(('stage', 'median', 'p95'), rows, [''] * len(rows))


def _cadence(found: Figures) -> str:
    if found.cadence is None:
        return '<p>Not recorded.</p>'
    if not found.cadence:
        return '<p>No episode: nothing was commanded.</p>'
    head, rows = cadence_table(found.cadence)
    return _table(head, rows, [''] * len(rows))


def _events(series: Series) -> str:
    rows = [
        (
            f'{seconds_of(series, [event.time_ns])[0]:.2f} s',
            event.state,
            event.reaction,
            event.reason,
        )
        for event in series.events
    ]
    marks = [SEVERITIES.get(event.severity, '') for event in series.events]
    return _table(('time', 'gate', 'reaction', 'reason'), rows, marks)


def _completeness(series: Series) -> str:
    counts = series.completeness
    rows = [
        (topic, str(c['published']), str(c['received']), str(c['written']), str(c['lost']))
        for topic, c in counts.items()
    ]
    marks = ['error' if c['published'] != c['written'] else '' for c in counts.values()]
    return _table(('topic', 'published', 'received', 'written', 'lost'), rows, marks)


def _making(phases: list[PhaseReport], result: dict) -> str:
    machine = result['hardware']
    rows = [('command', result['command'])]
    rows += [(f'bag, {phase.policy}', str(phase.series.bag)) for phase in phases]
    rows += [
        (
            'computer',
            f'{machine["processor"]}, {machine["cores"]} cores, {machine["memory_gib"]} GiB, '
            f'load average before {machine["load_average"]}',
        ),
        ('system', machine['system']),
        ('versions', ', '.join(f'{name} {v}' for name, v in result['versions'].items())),
        ('robot file', phases[0].series.robot.path if phases else ''),
    ]
    geometry = phases[0].series.robot.file.geometry if phases else None
    if geometry is not None and geometry.stand_in:
        rows.append(('geometry', geometry.provenance))
    return (
        '<section id="made"><h2>How it was made</h2><article>'
        + _table(('', ''), rows, [''] * len(rows))
        + '</article></section>'
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]], marks: list[str]) -> str:
    if not rows:
        return '<p>None.</p>'
    heading = ''.join(f'<th>{escape(name)}</th>' for name in head)
    heading = f'<thead><tr>{heading}</tr></thead>' if any(head) else ''
    body = ''.join(
        f'<tr class="{mark}">' + ''.join(f'<td>{escape(cell)}</td>' for cell in row) + '</tr>'
        for row, mark in zip(rows, marks, strict=True)
    )
    return f'<div class="table"><table>{heading}<tbody>{body}</tbody></table></div>'
