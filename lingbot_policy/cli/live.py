# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The live view of a deployment: a table that renews itself, or plain lines for a log."""

from collections.abc import Iterator
from contextlib import contextmanager
import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live as Display
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from lingbot_policy.nodes.monitor import Live, Monitor

LINE_EVERY_S = 2.0
DRAW_EVERY_S = 0.2
EVENTS_SHOWN = 6
GATE_STYLES = {'moving': 'green', 'holding': 'yellow', 'disarmed': 'blue', 'stopped': 'bold red'}
STAGE_NAMES = {'capture_to_publish': 'in all', 'preprocess': 'before', 'postprocess': 'after'}


class LiveView:
    """
    Shows what the monitor knows. On stderr, so that a result on stdout stays clean.

    :param headless: one line every two seconds instead of a table.
    """

    def __init__(self, headless: bool) -> None:
        self._console = Console(stderr=True)
        self._headless = headless or not self._console.is_terminal
        self._display: Display | None = None
        self._title = ''
        self._started_s = time.monotonic()
        self._seconds: float | None = None
        self._shown_s = 0.0

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Show one deployment under a title, until the block ends."""
        self._title, self._seconds, self._shown_s = title, None, 0.0
        self._started_s = time.monotonic()
        if self._headless:
            self.say(title)
            yield
            return
        with Display(console=self._console, auto_refresh=False, transient=True) as display:
            self._display = display
            display.update(Panel(Text('starting ...', 'dim'), title=title), refresh=True)
            try:
                yield
            finally:
                self._display = None

    def begin(self, seconds: float | None = None) -> None:
        """Start the clock of the phase; ``seconds`` is how long it will take, if known."""
        self._started_s, self._seconds = time.monotonic(), seconds

    def say(self, text: str) -> None:
        """Show a line that stays."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, monitor: 'Monitor') -> None:
        """Renew the view, if it is time to."""
        now_s = time.monotonic()
        if now_s - self._shown_s < (LINE_EVERY_S if self._headless else DRAW_EVERY_S):
            return
        self._shown_s = now_s
        live = monitor.live()
        if self._display is not None:
            self._display.update(self._panel(live), refresh=True)
        elif self._headless:
            sys.stderr.write(f'{self._clock()}  {line(live)}\n')
            sys.stderr.flush()

    def _clock(self) -> str:
        elapsed_s = time.monotonic() - self._started_s
        return f'{elapsed_s:5.1f} s' + (f' of {self._seconds:g} s' if self._seconds else '')

    def _panel(self, live: 'Live') -> RenderableType:
        parts: list[RenderableType] = [_figures(live)]
        if live.events:
            parts += [Text('\nGate', 'bold'), _events(live)]
        if self._seconds:
            elapsed_s = min(time.monotonic() - self._started_s, self._seconds)
            parts += [Text(), ProgressBar(total=self._seconds, completed=elapsed_s)]
        return Panel(Group(*parts), title=self._title, subtitle=self._clock(), padding=(1, 2))


def line(live: 'Live') -> str:
    """Return the figures in one line."""
    cameras = ' '.join(f'{name} {hz:.1f}' for name, hz in _only_cameras(live).items())
    parts = [
        f'gate {live.gate.partition(":")[0] or "?"}',
        f'cameras {cameras or "?"} Hz',
        f'chunks {live.chunks} ({_number(live.chunk_hz, ".1f")} Hz, age '
        f'{_number(live.chunk_age_s, ".2f")} s)',
        f'infer {_number(live.latency_s.get("infer"), ".3f")} s',
        f'commands {_number(live.command_hz, ".1f")} Hz',
    ]
    if live.simulation:
        parts.append(
            f'task {live.simulation["progress"]:.0%}, real time '
            f'x{live.simulation["real_time_factor"]:.2f}, '
            f'violations {live.simulation["violations"]}'
        )
    if live.policy not in ('', 'inferring'):
        parts.append(live.policy)
    return ', '.join(parts)


def _figures(live: 'Live') -> Table:
    table = Table.grid(padding=(0, 3))
    table.add_column(style='bold')
    table.add_column()
    gate, _, reason = live.gate.partition(': ')
    table.add_row('gate', Text.assemble((gate or '?', GATE_STYLES.get(gate, '')), f'  {reason}'))
    cameras = '   '.join(f'{name} {hz:4.1f} Hz' for name, hz in _only_cameras(live).items())
    table.add_row('cameras', cameras or '?')
    table.add_row(
        'chunks',
        f'{live.chunks}   {_number(live.chunk_hz, "4.1f")} Hz   age '
        f'{_number(live.chunk_age_s, ".2f")} s',
    )
    stages = (
        f'{STAGE_NAMES.get(stage, stage)} {seconds * 1e3:.0f}'
        for stage, seconds in live.latency_s.items()
    )
    table.add_row('latency, ms', '   '.join(stages) or '?')
    table.add_row(
        'commands', f'{_number(live.command_hz, "5.1f")} Hz   missed ticks {live.missed_ticks}'
    )
    if live.simulation:
        table.add_row(
            'simulation',
            f'task {live.simulation["progress"]:.0%}   real time '
            f'x{live.simulation["real_time_factor"]:.2f}   commands outside limits '
            f'{live.simulation["violations"]}',
        )
    if live.policy not in ('', 'inferring'):
        table.add_row('policy', Text(live.policy, 'yellow'))
    return table


def _events(live: 'Live') -> Table:
    table = Table.grid(padding=(0, 2))
    for at_s, state, reason in live.events[-EVENTS_SHOWN:]:
        clock = time.strftime('%H:%M:%S', time.localtime(at_s))
        table.add_row(Text(clock, 'dim'), Text(state, GATE_STYLES.get(state, '')), Text(reason))
    return table


def _only_cameras(live: 'Live') -> dict[str, float]:
    cameras = ('head', 'left_wrist', 'right_wrist')
    return {name: live.camera_hz[name] for name in cameras if name in live.camera_hz}


def _number(value: float | None, form: str) -> str:
    return '?' if value is None else format(value, form)
