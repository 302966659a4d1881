# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Faults of real processes, on a robot with six and one with seven joints in each arm.

``make faults`` does every row to all robots; here the rows with a line of their own have one.
"""

import pytest

from tests.faults.process_row import ALONE, shared_line
from tests.faults.row import robot_of
from tests.faults.rows import PROCESS_ROWS

pytestmark = pytest.mark.ros
ROBOTS = ('agilex_cobot_magic', 'leju_kuavo4_pro')
# Their starts cost minutes; of these tests/line/test_supervisor.py has the first two as well.
ELSEWHERE = ('ctrl c', 'supervisor killed', 'server slow', 'network cut', 'state of another type')
SHARED = [row for row in PROCESS_ROWS if row not in ALONE]


def name_of(row) -> str:
    return row.name.replace(' ', '_')


@pytest.fixture(scope='module')
def robot(request: pytest.FixtureRequest):
    with shared_line(request.param):
        yield request.param


@pytest.mark.parametrize('robot', ROBOTS, indirect=True)
@pytest.mark.parametrize('row', SHARED, ids=name_of)
def test_a_fault_of_a_process_has_its_reaction_and_no_other(row, robot):
    assert row.problems(row.run(robot)) == []


@pytest.mark.parametrize('row', [r for r in ALONE if r.name not in ELSEWHERE], ids=name_of)
def test_a_fault_of_a_whole_line_has_its_reaction_and_no_other(row):
    if why := row.needs(robot_of(ROBOTS[0])):
        pytest.skip(why)
    assert row.problems(row.run(ROBOTS[0])) == []
