# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What runs in a deployment, in which order, with which parameters."""

from importlib.util import find_spec
from pathlib import Path
import xml.etree.ElementTree as ElementTree

import pytest

from lingbot_policy.bringup import (
    Deployment,
    environment,
    node_specs,
    NodeSpec,
    require_together,
    Simulation,
    stop_order,
)
from lingbot_policy.contract import POLICY_FILE, scripted_contract
from lingbot_policy.robot import load_robot

ROBOT = Deployment(robot='odd')
DEMO = Deployment(robot='odd', record='bags/one', simulation=Simulation(fps=10.0))


def names(deployment: Deployment) -> list[str]:
    return [spec.executable for spec in node_specs(deployment)]


def spec(deployment: Deployment, executable: str) -> NodeSpec:
    return next(s for s in node_specs(deployment) if s.executable == executable)


def test_a_robot_needs_an_executor_and_a_policy_server():
    assert names(ROBOT) == ['chunk_executor', 'policy_server']


def test_the_robot_and_the_recorder_start_first_the_policy_last():
    assert names(DEMO) == ['sim_robot', 'episode_recorder', 'chunk_executor', 'policy_server']


def test_commands_stop_first_and_the_recording_last():
    assert stop_order(node_specs(DEMO)) == (
        'chunk_executor',
        'policy_server',
        'sim_robot',
        'episode_recorder',
    )
    assert stop_order(node_specs(ROBOT)) == ('chunk_executor', 'policy_server')


def test_every_node_that_starts_also_stops():
    assert sorted(stop_order(node_specs(DEMO))) == sorted(names(DEMO))


def test_it_records_only_when_asked_and_where_asked():
    assert 'episode_recorder' not in names(ROBOT)
    recorder = spec(DEMO, 'episode_recorder')
    assert recorder.parameters['folder'] == 'bags/one'
    assert recorder.parameters['record_on_activate'] is True
    assert not recorder.essential


def test_only_a_simulated_robot_is_told_to_be_one():
    assert spec(ROBOT, 'chunk_executor').parameters['simulation'] is False
    assert spec(DEMO, 'chunk_executor').parameters['simulation'] is True


def test_a_simulated_robot_is_made_as_asked():
    parameters = spec(DEMO, 'sim_robot').parameters
    assert {name: parameters[name] for name in ('world', 'task', 'seed', 'fps', 'width')} == {
        'world': 'mujoco',
        'task': 'handover',
        'seed': 0,
        'fps': 10.0,
        'width': 320,
    }


def test_policy_and_executor_start_again_after_a_crash_the_simulation_does_not():
    assert {s.executable: s.restarts for s in node_specs(DEMO)} == {
        'sim_robot': False,
        'episode_recorder': False,
        'chunk_executor': True,
        'policy_server': True,
    }


def test_every_node_gets_robot_namespace_and_vendor_namespace():
    deployment = Deployment('odd', namespace='/one', vendor_namespace='/sim', record='bags')
    for node in node_specs(deployment):
        assert node.namespace == '/one'
        assert node.parameters['robot'] == 'odd'
        assert node.parameters['vendor_namespace'] == '/sim'
        assert node.parameters['autostart'] is True


def test_parameters_of_policy_and_executor_are_passed_on():
    deployment = Deployment(
        'odd', policy='lingbot', bundle='b', instruction='go', seed=3, executor={'speed': 0.5}
    )
    server = spec(deployment, 'policy_server').parameters
    assert [server[name] for name in ('policy', 'bundle', 'instruction', 'seed')] == [
        'lingbot',
        'b',
        'go',
        3,
    ]
    assert spec(deployment, 'chunk_executor').parameters['speed'] == 0.5


@pytest.mark.parametrize(
    ('strategy', 'guidance'),
    [('replace', 'off'), ('blend', 'off'), ('rtc', 'full'), ('rtc_trained', 'trained')],
)
def test_the_strategy_reaches_the_executor_and_what_it_asks_the_policy(strategy, guidance):
    deployment = Deployment('odd', policy='lingbot', strategy=strategy)
    assert spec(deployment, 'chunk_executor').parameters['strategy'] == strategy
    assert spec(deployment, 'policy_server').parameters['guidance'] == guidance


def test_guidance_may_be_chosen():
    deployment = Deployment('odd', strategy='rtc', guidance='identity_jacobian')
    assert spec(deployment, 'policy_server').parameters['guidance'] == 'identity_jacobian'


def test_a_policy_that_continues_no_plan_is_refused_where_the_strategy_needs_it():
    require_together('lingbot', 'rtc')
    require_together('expert', 'blend')
    with pytest.raises(ValueError, match="--strategy rtc: policy 'expert' cannot continue a plan"):
        require_together('expert', 'rtc')
    with pytest.raises(ValueError, match="no execution strategy 'fast'"):
        require_together('expert', 'fast')


def test_weights_which_have_not_learned_it_are_refused_before_anything_starts(tmp_path):
    contract = scripted_contract('lingbot', load_robot('agilex_cobot_magic'))
    (tmp_path / POLICY_FILE).write_text(contract.to_yaml())
    require_together('lingbot', 'rtc', tmp_path)
    with pytest.raises(ValueError, match='were not trained to continue a plan'):
        require_together('lingbot', 'rtc_trained', tmp_path)
    trained = contract.model_copy(update={'rtc_trained_steps': 8})
    (tmp_path / POLICY_FILE).write_text(trained.to_yaml())
    require_together('lingbot', 'rtc_trained', tmp_path)


@pytest.mark.parametrize('executable', names(Deployment('odd', simulation=Simulation())))
def test_every_executable_is_a_module_of_nodes(executable: str):
    assert find_spec(f'lingbot_policy.nodes.{executable}') is not None


def test_the_middleware_gets_64_mb_of_shared_memory():
    profile = Path(environment()['FASTRTPS_DEFAULT_PROFILES_FILE'])
    root = ElementTree.parse(profile).getroot()
    sizes = {
        transport.findtext('{*}type'): transport.findtext('{*}segment_size')
        for transport in root.iter(
            '{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}transport_descriptor'
        )
    }
    assert sizes['SHM'] == str(64 * 1024 * 1024)
    assert 'UDPv4' in sizes


@pytest.mark.parametrize(
    ('link', 'relays'),
    [
        ('native', []),
        ('zenoh', []),
        ('rosbridge', ['relay_rosbridge']),
        ('udp', ['relay_udp', 'relay_rosbridge']),
    ],
)
def test_relays_start_before_the_executor_and_stop_after_it(link: str, relays: list[str]):
    specs = node_specs(Deployment('some_robot', link=link, link_host='10.0.0.7', record='bag'))
    names = [spec.executable for spec in specs]
    assert names == [*relays, 'episode_recorder', 'chunk_executor', 'policy_server']
    assert all(s.parameters['host'] == '10.0.0.7' for s in specs if s.executable in relays)
    order = stop_order(specs)
    assert order == ('chunk_executor', 'policy_server', *relays, 'episode_recorder')


def test_a_simulated_robot_needs_no_relay():
    specs = node_specs(Deployment('some_robot', link='udp', simulation=Simulation()))
    assert [s.executable for s in specs] == ['sim_robot', 'chunk_executor', 'policy_server']
