# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Each fault of the data rows on each robot: the reaction it must have, and no limit broken."""

import pytest

from lingbot_policy.robot import robot_names
from tests.faults.row import robot_of
from tests.faults.rows import DATA_ROWS


@pytest.mark.parametrize('robot', robot_names())
@pytest.mark.parametrize('row', DATA_ROWS, ids=lambda row: row.name.replace(' ', '_'))
def test_a_fault_has_its_reaction_and_no_other(row, robot):
    if row.needs(robot_of(robot)):
        return
    assert row.problems(row.run(robot)) == []
