# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The figures of a report: joints, latency, rates. Colours come from the page, by CSS variable."""

import numpy as np
from plotly.graph_objects import Figure, Histogram, Scatter
from plotly.subplots import make_subplots

from lingbot_policy.reports.series import Series, STAGES

COMMANDED, MEASURED, PREDICTED = '#3b82f6', '#f59e0b', '#8b5cf6'
STAGE_COLOURS = ('#64748b', '#3b82f6', '#8b5cf6', '#f59e0b', '#14b8a6')
CAMERA_COLOURS = ('#3b82f6', '#14b8a6', '#f59e0b', '#8b5cf6')
DRAW_HZ = 50.0
CHUNKS_DRAWN = 150
RATE_WINDOW_S = 1.0
ROW_PX = 132


def joint_figure(series: Series) -> Figure:
    """Return commanded against measured joints, each chunk's prediction behind them."""
    robot = series.robot
    names, columns = robot.joints, 2
    rows = (len(names) + columns - 1) // columns
    place = {j: (j % rows + 1, j // rows + 1) for j in range(len(names))}  # an arm is a column
    titles = [names[r + c * rows] for r in range(rows) for c in range(columns)]
    figure = make_subplots(
        rows, columns, shared_xaxes=True, subplot_titles=titles, vertical_spacing=0.018,
        horizontal_spacing=0.06,
    )  # fmt: skip
    times, overlays = _overlay(series)
    every = max(1, round(robot.file.command_rate_hz / DRAW_HZ))
    seconds = seconds_of(series, series.command_ns[::every])
    commanded, measured = series.commanded[::every], series.measured[::every]
    for joint in range(len(names)):
        row, column = place[joint]
        lines = (
            ('predicted', times, overlays[:, joint], PREDICTED, 0.8, 0.5),
            ('measured', seconds, measured[:, joint], MEASURED, 1.8, 1.0),
            ('commanded', seconds, commanded[:, joint], COMMANDED, 1.3, 1.0),
        )
        for name, x, y, colour, width, opacity in lines:
            trace = Scatter(
                x=_short(x), y=_short(y), name=name, legendgroup=name, showlegend=joint == 0,
                line={'color': colour, 'width': width}, opacity=opacity, mode='lines',
                hovertemplate=f'{name} %{{y:.3f}} at %{{x:.2f}} s<extra></extra>',
            )  # fmt: skip
            figure.add_trace(trace, row, column)
    for column in (1, 2):
        figure.update_xaxes(title_text='s since the first command', row=rows, col=column)
    return _finish(figure, 90 + ROW_PX * rows, legend_y=1.0 + 52 / (ROW_PX * rows))


def latency_figure(series: Series) -> Figure:
    """Return how long inference took: a histogram, and its stages one after the other."""
    figure = make_subplots(
        1, 2, horizontal_spacing=0.09, column_widths=[0.42, 0.58],
        subplot_titles=['camera frame to published chunk, ms', 'stages of each inference, ms'],
    )  # fmt: skip
    total_ms = series.inference['capture_to_publish'] * 1e3
    figure.add_trace(
        Histogram(x=_short(total_ms), nbinsx=40, marker_color=COMMANDED, name='chunks',
                  showlegend=False, hovertemplate='%{x} ms: %{y}<extra></extra>'),
        1, 1,
    )  # fmt: skip
    seconds = seconds_of(series, series.inference_ns)
    for stage, colour in zip(STAGES[:-1], STAGE_COLOURS, strict=True):
        trace = Scatter(
            x=_short(seconds), y=_short(series.inference[stage] * 1e3), name=stage, mode='lines',
            stackgroup='stages', line={'width': 0.5, 'color': colour},
            hovertemplate=f'{stage} %{{y:.1f}} ms<extra></extra>',
        )  # fmt: skip
        figure.add_trace(trace, 1, 2)
    if len(total_ms):  # planning anew, or a cold start, would flatten all the others
        top_ms = min(total_ms.max(), 3.0 * np.percentile(total_ms, 95))
        figure.update_yaxes(range=[0.0, float(top_ms)], row=1, col=2)
    figure.update_xaxes(title_text='ms', row=1, col=1)
    figure.update_yaxes(title_text='chunks', row=1, col=1)
    figure.update_xaxes(title_text='s since the first command', row=1, col=2)
    return _finish(figure, 330, legend_y=1.22)


def rate_figure(series: Series) -> Figure:
    """Return cameras, chunks and commands per second over the run."""
    figure = make_subplots(
        1, 3, horizontal_spacing=0.07,
        subplot_titles=['camera frames, Hz', 'chunks, Hz', 'commands, Hz'],
    )  # fmt: skip
    created = np.array([chunk.created_ns for chunk in series.chunks], dtype=np.int64)
    curves = [
        (1, name, stamps, colour)
        for (name, stamps), colour in zip(series.camera_ns.items(), CAMERA_COLOURS, strict=False)
    ]
    curves += [(2, 'chunks', created, PREDICTED), (3, 'commands', series.command_ns, COMMANDED)]
    for column, name, stamps, colour in curves:
        at, hz = windowed_rate(stamps)
        trace = Scatter(
            x=_short(seconds_of(series, at)), y=_short(hz), name=name, mode='lines',
            line={'color': colour, 'width': 1.6}, showlegend=column == 1,
            hovertemplate=f'{name} %{{y:.1f}} Hz<extra></extra>',
        )  # fmt: skip
        figure.add_trace(trace, 1, column)
        figure.update_xaxes(title_text='s', row=1, col=column)
        figure.update_yaxes(rangemode='tozero', row=1, col=column)
    return _finish(figure, 300, legend_y=1.26)


def seconds_of(series: Series, stamps_ns: np.ndarray) -> np.ndarray:
    """Return times in s since the first command, or since the bag began where there is none."""
    zero_ns = series.command_ns[0] if len(series.command_ns) else series.start_ns
    return (np.asarray(stamps_ns, dtype=np.int64) - zero_ns) * 1e-9


def windowed_rate(stamps_ns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (times ns, events per second) over whole windows of 1 s, twice a second."""
    if len(stamps_ns) < 2:
        return np.array([], dtype=np.int64), np.array([])
    window_ns = round(RATE_WINDOW_S * 1e9)
    ends = np.arange(stamps_ns[0] + window_ns, stamps_ns[-1] + 1, window_ns // 2, dtype=np.int64)
    counts = np.searchsorted(stamps_ns, ends, 'right')
    counts = counts - np.searchsorted(stamps_ns, ends - window_ns, 'right')
    return ends - window_ns // 2, counts / RATE_WINDOW_S


def _overlay(series: Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the chunks' steps one after the other, NaN between two chunks: (n,), (n, dof)."""
    armed = [c for c in series.chunks if _is_while_commanding(series, c.created_ns)]
    drawn = armed[:: max(1, -(-len(armed) // CHUNKS_DRAWN))]
    times, rows = [np.array([])], [np.empty((0, series.robot.dof))]
    gap = np.full((1, series.robot.dof), np.nan)
    for chunk in drawn:
        times += [seconds_of(series, chunk.step_times_ns()), np.array([np.nan])]
        rows += [chunk.positions, gap]
    return np.concatenate(times), np.concatenate(rows)


def _is_while_commanding(series: Series, time_ns: int) -> bool:
    stamps = series.command_ns
    return bool(len(stamps)) and stamps[0] <= time_ns <= stamps[-1]


def _short(values: np.ndarray) -> np.ndarray:
    """Return float32: half the bytes in the page, and more than a screen can show."""
    return np.asarray(values, dtype=np.float32)


def _finish(figure: Figure, height: int, legend_y: float) -> Figure:
    figure.update_layout(
        template='none', height=height, margin={'l': 46, 'r': 14, 't': 56, 'b': 44},
        paper_bgcolor='rgba(0,0,0,0)', plot_bgcolor='rgba(0,0,0,0)', hovermode='closest',
        legend={'orientation': 'h', 'x': 0, 'y': legend_y, 'yanchor': 'top',
                'traceorder': 'normal'},
        font={'family': 'system-ui, sans-serif', 'size': 12},
    )  # fmt: skip
    figure.update_annotations(font_size=12)
    figure.update_xaxes(title_font_size=12, title_standoff=8)
    figure.update_yaxes(title_font_size=12)
    return figure
