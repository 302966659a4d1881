# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Process rows: a function which does a fault to a running line, and how it gets that line."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
import json
import subprocess
import sys

import numpy as np
import pytest

from lingbot_policy.robot import Robot
from tests.faults.process_line import ProcessLine, running_line
from tests.faults.row import Outcome, PROCESS_ROWS, Row

Act = Callable[[ProcessLine], None]
Open = Callable[[str], AbstractContextManager[ProcessLine]]
HERE: dict[str, Callable[[str], Outcome]] = {}  # what runs a row in this process, by its name
MARK = 'outcome: '
_shared: dict[str, ProcessLine] = {}


def process_row(
    expected: str,
    fault: str,
    reason: str = '',
    *,
    alone: Open | None = None,
    moving: bool = True,
    fresh: bool = False,
    needs: Callable[[Robot], str] = lambda robot: '',
) -> Callable[[Act], Act]:
    """
    Register a function, which does a fault to a :class:`ProcessLine`, as a row of its own name.

    :param alone: opens the line of this row; by default rows share one.
    :param moving: it begins with arms in motion.
    :param fresh: its probe needs a process of its own.
    """

    def register(act: Act) -> Act:
        def run(name: str) -> Outcome:
            if alone is None and name in _shared:
                return _judge(_shared[name], act, moving)
            with (alone or running_line)(name) as line:
                return _judge(line, act, moving)

        name = act.__name__.replace('_', ' ')
        HERE[name] = run
        row = Row(name, fault, expected, reason, partial(run_fresh, name) if fresh else run, needs)
        PROCESS_ROWS.append(row)
        if alone is not None:
            ALONE.append(row)
        return act

    return register


ALONE: list[Row] = []


@contextmanager
def shared_line(robot: str) -> Iterator[None]:
    """Let the rows on a robot share one running line, which each leaves able to go on."""
    with running_line(robot) as line:
        _shared[robot] = line
        try:
            yield
        finally:
            del _shared[robot]


def run_fresh(row: str, robot: str) -> Outcome:
    """
    Return the outcome of a row which another process runs.

    :raises AssertionError: with the end of what it said, if it gave none.
    """
    command = [sys.executable, '-m', 'tests.faults.fresh', row, robot]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith(MARK):
            return Outcome(**json.loads(line.removeprefix(MARK)))
    raise AssertionError(f'{row} on {robot}: {done.stdout[-2000:]}{done.stderr[-4000:]}')


def _judge(line: ProcessLine, act: Act, moving: bool) -> Outcome:
    try:
        if moving:
            line.begin()
        act(line)
        return line.outcome()
    except pytest.fail.Exception as error:
        return Outcome(f'{[r for _, r in line.seen]}, then nothing: {error}', np.nan, 0, 0.0)
    finally:
        line.thaw()
