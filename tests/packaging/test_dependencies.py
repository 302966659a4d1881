# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What the code imports is declared: for pip in setup.py, for rosdep in package.xml."""

import ast
from importlib.metadata import metadata, packages_distributions
from pathlib import Path
import re
import sys
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
OURS = {'lingbot_policy', 'lingbot_training', 'lingbot_msgs', 'robot_configs'}


# Started as programs, loaded by others by name, or packages of interfaces for the robots' topics.
RUN_BY_NAME = re.compile(r'ros-|colcon-|pytest-|ruff|pyopengl')


def imported(*more: str) -> dict[str, str]:
    """Return every module from outside which the code imports, and one file which does."""
    modules = {}
    for folder in ('lingbot_policy', 'lingbot_training', 'launch', *more):
        for file in sorted((ROOT / folder).rglob('*.py')):
            for node in ast.walk(ast.parse(file.read_text())):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module]
                modules |= {name.split('.')[0]: f'{file.relative_to(ROOT)}' for name in names}
    return {
        module: file
        for module, file in modules.items()
        if module not in OURS and module not in sys.stdlib_module_names
    }


def ros_packages() -> set[str]:
    """Return the ROS packages which package.xml has at run time."""
    depends = ElementTree.parse(ROOT / 'package.xml').findall('exec_depend')
    return {depend.text for depend in depends}


def declared() -> set[str]:
    """Return the distributions which setup.py names, with its extras."""
    requirements = metadata('lingbot_policy').get_all('Requires-Dist')
    return {normalized(re.match(r'[\w.-]+', line)[0]) for line in requirements}


def normalized(name: str) -> str:
    return re.sub(r'[-_.]+', '-', name).lower()


def test_every_import_is_declared():
    owners = packages_distributions()
    undeclared = {
        module: file
        for module, file in imported().items()
        if module not in ros_packages()
        and not declared() & {normalized(owner) for owner in owners.get(module, [])}
    }
    assert not undeclared, f'neither in setup.py nor in package.xml: {undeclared}'


def test_nothing_is_declared_without_an_import():
    owners = packages_distributions()
    used = {normalized(owner) for module in imported('tests') for owner in owners.get(module, [])}
    unused = {name for name in declared() if not RUN_BY_NAME.match(name)} - used
    assert not unused, f'declared in setup.py, imported nowhere: {unused}'


def test_every_wheel_of_ros_is_also_a_dependency_for_rosdep():
    requirements = metadata('lingbot_policy').get_all('Requires-Dist')
    wheels = {re.match(r'ros-([\w-]+)', line)[1] for line in requirements if line[:4] == 'ros-'}
    assert wheels
    assert {wheel.replace('-', '_') for wheel in wheels} <= ros_packages()


def test_every_dependency_has_a_pin():
    lines = (ROOT / 'constraints.txt').read_text().splitlines()
    pinned = {line.split('==')[0] for line in lines if '==' in line}
    assert not declared() - pinned


def test_every_dependency_is_explained():
    text = (ROOT / 'docs/dependencies.md').read_text().lower()
    families = re.compile(r'(ros|colcon)-')
    assert not {
        name for name in declared() if not families.match(name) and f'`{name}`' not in text
    }
