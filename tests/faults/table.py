# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Runs the fault matrix, prints it, and writes docs/fault_matrix.md (``make faults``).

Exit code 1 if any row differs from what is expected.
"""

import argparse
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
import math
import os
from pathlib import Path
import re
import sys
import time

from rich.console import Console
from rich.table import Table

from lingbot_policy.cli.interrupts import interruptible
from lingbot_policy.robot import robot_names
from tests.faults.process_row import ALONE, shared_line
from tests.faults.row import Outcome, robot_of, Row
from tests.faults.rows import DATA_ROWS, PROCESS_ROWS

PAGE = Path(__file__).parents[2] / 'docs' / 'fault_matrix.md'
HEAD = ('fault', 'robots', 'expected', 'seen', 'reaction ms', 'moving after', 'way', 'outside')


@dataclass(frozen=True)
class Conditions:
    """When the rows were run: begun on, s taken, load averages over 1 min before and after."""

    begun: date
    took_s: float
    load_before: float
    load_after: float


@dataclass
class Result:
    """A row on all of its robots: outcomes and problems by robot, and why others have none."""

    row: Row
    outcomes: dict[str, Outcome]
    problems: dict[str, list[str]]
    without: dict[str, str]

    def cells(self) -> tuple[str, ...]:
        """Return the columns of :data:`HEAD`; ranges run over the robots."""
        outcomes = list(self.outcomes.values())
        reason = f' ({self.row.reason})' if self.row.reason else ''
        ran = len(outcomes)
        return (
            self.row.fault,
            str(ran) if ran else '; '.join(sorted(set(self.without.values()))),
            self.row.expected + reason,
            '; '.join(sorted({outcome.seen for outcome in outcomes})),
            _span((outcome.reaction_ms for outcome in outcomes), '{:.0f}'),
            _span((outcome.commands for outcome in outcomes), '{:.0f}'),
            _span((outcome.displacement for outcome in outcomes), '{:.3f}'),
            str(sum(sum(outcome.outside.values()) for outcome in outcomes)),
        )


def run_row(result: Result, robot: str) -> None:
    """Do a row's fault to a robot and note what came of it."""
    row = result.row
    if why := row.needs(robot_of(robot)):
        result.without[robot] = why
        return
    try:
        outcome = row.run(robot)
        problems = row.problems(outcome)
    except AssertionError as error:
        outcome, problems = Outcome('-', math.nan, 0, 0.0), [str(error) or repr(error)]
    result.outcomes[robot] = outcome
    if problems:
        result.problems[robot] = problems


def run_rows(
    rows: list[Row], robots: list[str], process_robots: list[str], console: Console
) -> list[Result]:
    """Do every row to every robot of its kind; process rows of a robot share a running line."""
    results = [Result(row, {}, {}, {}) for row in rows]
    data = [result for result in results if result.row in DATA_ROWS]
    shared = [r for r in results if r.row in PROCESS_ROWS and r.row not in ALONE]
    alone = [result for result in results if result.row in ALONE]
    for robot in robots:
        console.print(f'{robot}: {len(rows)} rows')
        for result in data:
            run_row(result, robot)
        if robot not in process_robots:
            continue
        with shared_line(robot) if shared else nullcontext():
            for result in shared:
                run_row(result, robot)
        for result in alone:
            run_row(result, robot)
    return results


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog='make faults ARGS=...', description=__doc__)
    parser.add_argument('--data-only', action='store_true', help='no processes, only the core')
    parser.add_argument('--robots', nargs='+', choices=robot_names(), default=robot_names())
    parser.add_argument('--process-robots', nargs='+', choices=robot_names(), help='fewer robots')
    parser.add_argument('--rows', nargs='+', default=[''], help='parts of names of rows')
    chosen = parser.parse_args(arguments)
    rows = [
        row
        for row in [*DATA_ROWS, *([] if chosen.data_only else PROCESS_ROWS)]
        if any(part.replace('_', ' ') in row.name for part in chosen.rows)
    ]
    console = Console(width=None if sys.stdout.isatty() else 200)
    begun, began_s, load_before = date.today(), time.monotonic(), os.getloadavg()[0]
    results = run_rows(rows, chosen.robots, chosen.process_robots or chosen.robots, console)
    took_s = time.monotonic() - began_s
    conditions = Conditions(begun, took_s, load_before, os.getloadavg()[0])
    console.print(_table(results))
    wrong = _problems(results)
    for line in wrong:
        console.print(line, style='red', markup=False)
    if chosen.robots == robot_names() and not chosen.process_robots and not chosen.data_only:
        is_whole = len(rows) == len(DATA_ROWS) + len(PROCESS_ROWS)
        text = page(results, conditions) if is_whole else updated(PAGE.read_text(), results, begun)
        PAGE.write_text(text, encoding='utf-8')
        console.print(f'written: {PAGE}')
    console.print(f'{len(results)} rows, {len(wrong)} differ')
    return 1 if wrong else 0


def page(results: list[Result], conditions: Conditions) -> str:
    """Return the matrix as a page of the documentation."""
    minutes = round(conditions.took_s / 60)
    parts = [
        '# Fault matrix',
        '',
        'Written by `make faults`; it fails unless every row is as expected. Data rows run the',
        'core on a fake clock, process rows real processes over DDS on a simulated robot.',
        'Reaction: from the fault to the first reaction. Moving after: commands after the fault',
        'which moved a joint. Way: how far one joint was still commanded, rad or strokes of a',
        'gripper. Outside: commands outside position, velocity, step or acceleration limits, by a',
        'judge which shares no code with the gate. Ranges run over the robots. `goes on`: motion',
        'continues, `resume`: it begins again by itself after a hold.',
        '',
        f'Hardware of the process rows: {hardware()}; load average {conditions.load_before:.1f}',
        f'before the run and {conditions.load_after:.1f} after it. Run on {conditions.begun}, '
        f'in {minutes // 60} h {minutes % 60} min.',
        '',
    ]
    for title, rows in (('Data', DATA_ROWS), ('Processes', PROCESS_ROWS)):
        shown = [result for result in results if result.row in rows]
        if not shown:
            continue
        parts += [f'## {title}', '', _line(HEAD), _line('---' for _ in HEAD)]
        parts += [_line(result.cells()) for result in shown]
        parts.append('')
    without = [(r.row.fault, r.without) for r in results if r.without and r.outcomes]
    if without:
        parts += ['## Not every robot', '']
        parts += [
            f'- {fault}: {why} ({", ".join(robot for robot in skipped if skipped[robot] == why)})'
            for fault, skipped in without
            for why in sorted(set(skipped.values()))
        ]
        parts.append('')
    return '\n'.join(parts)


def updated(text: str, results: list[Result], begun: date) -> str:
    """
    Return a page with some rows of it as they were found when they were run again alone.

    :raises ValueError: for a row the page does not have: then it takes a whole run.
    """
    head, data, processes = re.split(r'(?m)^(?=## (?:Data|Processes)$)', text)
    for result in results:
        is_data = result.row in DATA_ROWS
        section = data if is_data else processes
        found = re.findall(rf'(?m)^\| {re.escape(result.row.fault)} \|.*$', section)
        if len(found) != 1:
            raise ValueError(f'{result.row.fault}: {len(found)} rows of it, expected one')
        section = section.replace(found[0], _line(result.cells()))
        data, processes = (section, processes) if is_data else (data, section)
    faults = '; '.join(result.row.fault for result in results)
    return f'{head}Run again alone on {begun}: {faults}.\n\n{data}{processes}'


def hardware() -> str:
    """Return processors and memory of this machine."""
    names = [
        line.partition(':')[2].strip()
        for line in Path('/proc/cpuinfo').read_text().splitlines()
        if line.startswith('model name')
    ]
    memory_gb = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30
    return f'{os.cpu_count()} x {names[0] if names else "unknown CPU"}, {memory_gb:.0f} GB'


def _table(results: list[Result]) -> Table:
    table = Table(show_lines=False)
    for title in HEAD:
        table.add_column(title)
    for result in results:
        table.add_row(*result.cells(), style='red' if result.problems else None)
    return table


def _problems(results: list[Result]) -> list[str]:
    return [
        f'{result.row.name}, {robot}: {"; ".join(problems)}'
        for result in results
        for robot, problems in result.problems.items()
    ]


def _span(values: Iterable[float], form: str) -> str:
    known = sorted(value for value in values if value == value)
    if not known:
        return '-'
    low, high = form.format(known[0]), form.format(known[-1])
    return low if low == high else f'{low} .. {high}'


def _line(cells: Iterable[str]) -> str:
    return f'| {" | ".join(cells)} |'


if __name__ == '__main__':
    with interruptible():
        sys.exit(main(sys.argv[1:]))
