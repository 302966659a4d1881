# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The launch files as text, for machines without launch_ros: complete, typed, one description."""

import ast
from dataclasses import fields
import os
from pathlib import Path

import pytest

from lingbot_policy.bringup import Deployment, node_specs, Simulation

REPOSITORY = Path(__file__).parents[2]
FILES = sorted((REPOSITORY / 'launch').glob('*.py'))
ACTIONS = REPOSITORY / 'lingbot_policy' / 'nodes' / 'launch_actions.py'
CHOSEN = {'policy', 'world', 'strategy', 'operator_confirms'}


def calls(path: Path, name: str) -> list[ast.Call]:
    """Return the calls of a plain name in a file, in their order."""
    found = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [call for call in found if getattr(call.func, 'id', '') == name]


def first_words(found: list[ast.Call]) -> list[str]:
    return [call.args[0].value for call in found]


def named(call: ast.Call) -> dict[str, ast.expr]:
    return {keyword.arg: keyword.value for keyword in call.keywords}


def test_there_is_a_file_for_a_robot_for_the_recorder_and_for_the_demo():
    assert [path.name for path in FILES] == [
        'demo_launch.py',
        'deploy_launch.py',
        'record_launch.py',
    ]


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_every_argument_is_described_used_and_closed_where_it_is_a_choice(path):
    declared = {call.args[0].value: named(call) for call in calls(path, 'DeclareLaunchArgument')}
    used = {
        *first_words(calls(path, 'argument')),
        *first_words(calls(path, 'LaunchConfiguration')),
    }

    assert used | {'namespace'} == set(declared)
    for name, given in declared.items():
        assert given['description'].value.endswith('.') or '`' in given['description'].value
        assert ('choices' in given) == (name in CHOSEN), name


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_every_file_runs_what_bringup_says_and_no_list_of_its_own(path):
    names = {n.id for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Name)}
    assert {'Deployment', 'node_specs', 'bring_up'} <= names
    assert not names & {'Node', 'LifecycleNode', 'ExecuteProcess', 'OpaqueFunction'}


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_every_argument_has_the_type_of_its_field(path):
    known = {f.name: f.type for kind in (Deployment, Simulation) for f in fields(kind)}
    for call in calls(path, 'argument'):
        name, kind = call.args[0].value, call.args[1].id if len(call.args) > 1 else 'str'
        if name in known:
            assert known[name].__name__ == kind, name


def test_the_parameters_of_the_executor_are_its_own():
    executor_module = pytest.importorskip(
        'lingbot_policy.nodes.chunk_executor', reason='needs ROS 2', exc_type=ImportError
    )
    kinds = {f.name: f.type for f in fields(executor_module.ChunkExecutorParameters)}
    (call,) = calls(REPOSITORY / 'launch' / 'deploy_launch.py', 'Deployment')
    executor = named(call)['executor']
    for key, value in zip(executor.keys, executor.values, strict=True):
        kind = value.args[1].id if len(value.args) > 1 else 'str'
        assert kinds[key.value].__name__ == kind == kinds[value.args[0].value].__name__


def test_the_namespace_comes_first_and_the_environment_before_the_nodes():
    (group,) = calls(ACTIONS, 'GroupAction')
    actions = group.args[0].elts
    assert actions[0].func.id == 'PushROSNamespace'
    assert 'SetEnvironmentVariable' in ast.unparse(actions[1])
    assert '_node(' in ast.unparse(actions[2])


def test_every_node_of_a_full_deployment_has_an_executable():
    deployment = Deployment('agilex_cobot_magic', record='bags', simulation=Simulation())
    executables = [spec.executable for spec in node_specs(deployment)]
    assert executables == ['sim_robot', 'episode_recorder', 'chunk_executor', 'policy_server']
    for name in executables:
        script = REPOSITORY / 'scripts' / name
        assert os.access(script, os.X_OK)
        assert f'lingbot_policy.nodes.{name} import main' in script.read_text()
        assert (REPOSITORY / 'lingbot_policy' / 'nodes' / f'{name}.py').is_file()
