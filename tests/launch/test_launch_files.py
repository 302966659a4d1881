# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The launch files as text, for machines without launch_ros: complete, typed, one description."""

import ast
from dataclasses import fields
import os
from pathlib import Path

import pytest

from lingbot_policy.bringup import ANY_LINK, Deployment, node_specs, RELAYS, Simulation
from lingbot_policy.nodes.launch_arguments import ARGUMENTS

REPOSITORY = Path(__file__).parents[2]
FILES = sorted((REPOSITORY / 'launch').glob('*.py'))
ACTIONS = REPOSITORY / 'lingbot_policy' / 'nodes' / 'launch_actions.py'
CHOSEN = {'policy', 'world', 'strategy', 'shadow', 'operator_confirms'}


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
def test_every_argument_that_is_used_is_declared_and_known(path):
    declared = [word.value for call in calls(path, 'declare') for word in call.args]
    used = {
        *first_words(calls(path, 'argument')),
        *first_words(calls(path, 'LaunchConfiguration')),
    }

    assert sorted(used | {'namespace'}) == sorted(declared)
    assert set(declared) <= set(ARGUMENTS)
    assert {key for call in calls(path, 'declare') for key in named(call)} <= set(declared)


def test_every_argument_is_described_and_closed_where_it_is_a_choice():
    for name, argument in ARGUMENTS.items():
        assert argument.description.endswith('.'), name
        assert bool(argument.choices) == (name in CHOSEN), name
        assert argument.default in (None, *argument.choices) or not argument.choices, name
        if argument.default and argument.kind is not bool:
            argument.kind(argument.default)


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_every_file_runs_what_bringup_says_and_no_list_of_its_own(path):
    names = {n.id for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Name)}
    assert {'Deployment', 'node_specs', 'bring_up'} <= names
    assert not names & {'Node', 'LifecycleNode', 'ExecuteProcess', 'OpaqueFunction'}


def test_every_argument_has_the_type_of_its_field():
    known = {f.name: f.type for kind in (Deployment, Simulation) for f in fields(kind)}
    for name in ARGUMENTS.keys() & known.keys():
        assert known[name] is ARGUMENTS[name].kind, name


def test_the_parameters_of_the_executor_are_its_own():
    executor_module = pytest.importorskip(
        'lingbot_policy.nodes.chunk_executor', reason='needs ROS 2', exc_type=ImportError
    )
    kinds = {f.name: f.type for f in fields(executor_module.ChunkExecutorParameters)}
    (call,) = calls(REPOSITORY / 'launch' / 'deploy_launch.py', 'Deployment')
    executor = named(call)['executor']
    for key, value in zip(executor.keys, executor.values, strict=True):
        assert key.value == value.args[0].value
        assert kinds[key.value] is ARGUMENTS[key.value].kind


def test_a_launch_can_ask_of_the_executor_what_lingbot_up_can():
    given = []
    for path in (
        REPOSITORY / 'lingbot_policy' / 'cli' / 'up.py',
        REPOSITORY / 'launch' / 'deploy_launch.py',
    ):
        (call,) = calls(path, 'Deployment')
        given.append({key.value for key in named(call)['executor'].keys})
    assert given[0] == given[1]


def test_the_namespace_comes_first_and_the_environment_before_the_nodes():
    (group,) = calls(ACTIONS, 'GroupAction')
    actions = group.args[0].elts
    assert actions[0].func.id == 'PushROSNamespace'
    assert 'SetEnvironmentVariable' in ast.unparse(actions[1])
    assert '_node(' in ast.unparse(actions[2])


def test_a_robot_of_any_link_has_every_relay_under_a_condition():
    deploy = REPOSITORY / 'launch' / 'deploy_launch.py'
    (call,) = calls(deploy, 'Deployment')
    assert named(call)['link'].id == 'ANY_LINK'
    assert calls(deploy, 'relay_conditions')
    specs = node_specs(Deployment('odd', link=ANY_LINK))
    assert [spec.executable for spec in specs][:2] == ['relay_rosbridge', 'relay_udp']
    assert {relay for relays in RELAYS.values() for relay in relays} == {
        spec.executable for spec in specs[:-2]
    }


def test_every_node_of_a_full_deployment_has_an_executable():
    deployment = Deployment('agilex_cobot_magic', record='bags', simulation=Simulation())
    executables = [spec.executable for spec in node_specs(deployment)]
    assert executables == ['sim_robot', 'episode_recorder', 'chunk_executor', 'policy_server']
    for name in executables:
        script = REPOSITORY / 'scripts' / name
        assert os.access(script, os.X_OK)
        assert f'lingbot_policy.nodes.{name} import main' in script.read_text()
        assert (REPOSITORY / 'lingbot_policy' / 'nodes' / f'{name}.py').is_file()
