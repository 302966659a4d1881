# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The page of the fault matrix: all that stands on it comes from the run."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.faults import table
from tests.faults.row import Outcome
from tests.faults.rows import DATA_ROWS, PROCESS_ROWS

ROBOTS = ('agilex_cobot_magic', 'realman_rs02')
CONDITIONS = table.Conditions(date(2026, 11, 21), 4530.0, 0.34, 7.96)


@pytest.fixture
def results() -> list[table.Result]:
    """A data row on two robots, and a process row which one of them cannot have."""
    seen = [Outcome('hold', 12.4, 3, 0.1), Outcome('hold', 20.6, 5, 0.25, {'step': 2})]
    return [
        table.Result(DATA_ROWS[0], dict(zip(ROBOTS, seen, strict=True)), {}, {}),
        table.Result(PROCESS_ROWS[0], {ROBOTS[0]: seen[0]}, {}, {ROBOTS[1]: 'it has none'}),
    ]


def test_the_page_says_on_what_and_when_it_was_run(results, monkeypatch):
    monkeypatch.setattr(table, 'hardware', lambda: '2 x a CPU, 24 GB')
    words = ' '.join(table.page(results, CONDITIONS).split())
    assert (
        'Hardware of the process rows: 2 x a CPU, 24 GB; load average 0.3 before the run and 8.0 '
        'after it. Run on 2026-11-21, in 1 h 16 min. ## Data'
    ) in words


def test_the_page_has_each_row_by_its_kind_with_ranges_over_the_robots(results):
    lines = table.page(results, CONDITIONS).splitlines()
    data, process = (result.row for result in results)
    reason = f' ({data.reason})' if data.reason else ''
    line = (
        f'| {data.fault} | 2 | {data.expected}{reason} | hold | 12 .. 21 | 3 .. 5 '
        '| 0.100 .. 0.250 | 2 |'
    )
    assert lines.index('## Data') < lines.index(line) < lines.index('## Processes')
    assert f'- {process.fault}: it has none (realman_rs02)' in lines


def test_a_whole_run_writes_the_page_with_the_load_before_and_after(
    results, monkeypatch, tmp_path: Path
):
    loads = iter([(1.25, 9.0, 9.0)])
    monkeypatch.setattr(table, 'PAGE', tmp_path / 'page.md')
    monkeypatch.setattr(table.os, 'getloadavg', lambda: next(loads))

    def run(rows, robots, process_robots, console) -> list[table.Result]:
        nonlocal loads
        assert next(loads, None) is None, 'the load before is taken before'
        loads = iter([(6.5, 9.0, 9.0)])
        return results

    monkeypatch.setattr(table, 'run_rows', run)
    assert table.main([]) == 0
    text = ' '.join((tmp_path / 'page.md').read_text().split())
    assert 'load average 1.2 before the run and 6.5 after it' in text
    assert 'in 0 h 0 min.' in text


@pytest.mark.parametrize(
    'arguments',
    [['--data-only'], ['--robots', ROBOTS[0]], ['--process-robots', ROBOTS[0]]],
)
def test_a_run_of_a_part_leaves_the_page_as_it_is(results, monkeypatch, tmp_path, arguments):
    monkeypatch.setattr(table, 'PAGE', tmp_path / 'page.md')
    monkeypatch.setattr(table, 'run_rows', lambda *_: results)
    assert table.main(arguments) == 0
    assert list(tmp_path.iterdir()) == []


def test_rows_run_again_alone_are_told_in_the_page_and_others_stay(results, monkeypatch, tmp_path):
    page = tmp_path / 'page.md'
    monkeypatch.setattr(table, 'PAGE', page)
    monkeypatch.setattr(table, 'run_rows', lambda rows, *_: results)
    assert table.main([]) == 0
    before = page.read_text().splitlines()
    result = results[0]
    again = table.Result(result.row, {'r': Outcome('never seen before', 7.0, 3, 0.5)}, {}, {})
    monkeypatch.setattr(table, 'run_rows', lambda rows, *_: [again])
    assert table.main(['--rows', result.row.name]) == 0
    after = page.read_text().splitlines()
    assert sum('never seen before' in line for line in after) == 1
    assert any(
        line.startswith('Run again alone on') and result.row.fault in line for line in after
    )
    assert len(set(before) - set(after)) == 1
    stranger = table.Result(replace(result.row, fault='not in the page'), again.outcomes, {}, {})
    monkeypatch.setattr(table, 'run_rows', lambda rows, *_: [stranger])
    with pytest.raises(ValueError, match='not in the page: 0 rows of it'):
        table.main(['--rows', result.row.name])
