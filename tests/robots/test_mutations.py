# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Every mistake in every robot file is caught: by the check of the file, or by the wire tables.

Without this the tables could be too weak to notice, for instance where all their values are zero.
"""

from functools import cache
import json
from pathlib import Path
import re

from mutations import mutations
import pytest
from wire_table import disagreements, load_cameras, load_table
import yaml

from lingbot_policy.robot import load_robot, parse_robot, robot_names

DOCS = Path(__file__).parents[2] / 'docs' / 'robots.md'
NONE, FILE, TABLE = 'not applicable', 'robot file', 'wire table'


@cache
def mapping_of(robot: str) -> str:
    """Return a shipped robot file as JSON, which is read faster than YAML."""
    return json.dumps(yaml.safe_load(load_robot(robot).text))


def catcher(robot: str, name: str) -> str:
    """
    Return who catches a mutation of a robot's file.

    :raises AssertionError: if nobody does.
    """
    raw = json.loads(mapping_of(robot))
    if not mutations()[name](raw):
        return NONE
    try:
        mutant = parse_robot(json.dumps(raw), 'mutant')
    except ValueError:
        return FILE
    if disagreements(mutant, load_table(robot), load_cameras(robot)):
        return TABLE
    raise AssertionError(f'{robot}: nobody notices {name}')


@pytest.mark.parametrize('name', mutations())
def test_a_mistake_in_a_robot_file_is_noticed_as_the_documentation_says(name: str):
    found = [catcher(robot, name) for robot in robot_names()]
    row = f'| {name} | {found.count(TABLE)} | {found.count(FILE)} | {found.count(NONE)} |'
    assert row in DOCS.read_text(), f'docs/robots.md lacks: {row}'
    assert found.count(NONE) < len(found)


def test_the_documentation_lists_no_other_mistakes():
    listed = set(re.findall(r'^\| (.+?) \| \d \| \d \| \d \|$', DOCS.read_text(), re.M))
    assert listed == set(mutations())
