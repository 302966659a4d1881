# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Every row of doctor's table, sound once and broken once."""

from dataclasses import replace

import numpy as np
import pytest

from lingbot_policy.commissioning.environment import Finding
from lingbot_policy.commissioning.live_checks import live_findings
from lingbot_policy.commissioning.live_facts import (
    BodyFacts,
    CommandFacts,
    LiveFacts,
    PolicyFacts,
    TopicFacts,
)
from lingbot_policy.contract import scripted_contract
from lingbot_policy.robot import load_robot, Robot

EXECUTOR = '/chunk_executor'
AGILEX = load_robot('agilex_cobot_magic')
JOINTS = np.array([0.1, 1.2, -1.3, 0.4, 0.5, 0.6, 0.7])
LEFT, RIGHT = np.arange(7), np.arange(7, 14)
NAMES = tuple(f'joint{i}' for i in range(7))


def state(slots: np.ndarray, values: np.ndarray) -> TopicFacts:
    noise = 1e-4 * np.random.default_rng(0).standard_normal((20, len(values)))
    return TopicFacts(
        types=('sensor_msgs/msg/JointState',),
        publishers=('/piper',),
        received=600,
        rate_hz=199.0,
        offset_s=0.001,
        names=NAMES,
        slots=slots,
        values=values + noise,
    )


def camera() -> TopicFacts:
    return TopicFacts(
        types=('sensor_msgs/msg/Image',),
        publishers=('/orbbec',),
        received=90,
        rate_hz=30.0,
        offset_s=0.004,
        encoding='rgb8',
        size=(640, 480),
    )


def graph() -> LiveFacts:
    command = CommandFacts(subscribers=('/piper',), types=('sensor_msgs/msg/JointState',))
    return LiveFacts(
        domain='0',
        states={'left': state(LEFT, JOINTS), 'right': state(RIGHT, 0.9 * JOINTS)},
        cameras={name: camera() for name in ('head', 'left_wrist', 'right_wrist')},
        commands={'left': command, 'right': command},
    )


def rows(facts: LiveFacts, robot: Robot | None = None) -> dict[str, tuple[str, str, str]]:
    findings = live_findings(robot or load_robot('agilex_cobot_magic'), facts, EXECUTOR)
    assert all(f.remedy for f in findings if f.verdict != 'go')
    return {f.piece: (f.verdict, f.found, f.remedy) for f in findings}


def with_state(**changes) -> LiveFacts:
    facts = graph()
    left = replace(facts.states['left'], **changes)
    return replace(facts, states={**facts.states, 'left': left})


def with_camera(**changes) -> LiveFacts:
    facts = graph()
    return replace(facts, cameras={**facts.cameras, 'head': replace(camera(), **changes)})


def with_command(**changes) -> LiveFacts:
    facts = graph()
    return replace(
        facts, commands={**facts.commands, 'left': replace(facts.commands['left'], **changes)}
    )


def test_a_sound_robot_is_one_row_a_topic_and_no_no_go():
    found = rows(graph())
    assert [piece for piece, row in found.items() if row[0] == 'no-go'] == []
    assert list(found) == [
        *('domain', 'link', 'state left', 'state right'),
        *('camera head', 'camera left_wrist', 'camera right_wrist'),
        *('command left', 'command right'),
    ]
    assert '199.0 Hz, stamps 1.0 ms old, 7 joints' in found['state left'][1]


DEGREES = np.array([5.0, 68.75, -74.48, 22.9, 28.6, 34.4, 0.7])


@pytest.mark.parametrize(
    ('changes', 'piece', 'verdict', 'said'),
    [
        ({'publishers': ()}, 'topic', 'no-go', 'nobody publishes /puppet/joint_left'),
        ({'publishers': ('/a', '/b')}, 'publishers', 'no-go', '/a, /b all publish'),
        ({'types': ('x/msg/Y',)}, 'type', 'no-go', 'found x/msg/Y, expected sensor_msgs'),
        ({'qos': 'reliability', 'received': 0}, 'QoS', 'no-go', 'incompatible in reliability'),
        ({'problem': 'JointState lacks joint3'}, 'content', 'no-go', 'lacks joint3'),
        ({'received': 0}, 'rate', 'no-go', 'no message arrived'),
        ({'silent_s': 2.0}, 'rate', 'no-go', 'silent for 2.0 s'),
        ({'rate_hz': 100.0}, 'rate', 'no-go', '100.0 Hz, expected 200 Hz'),
        ({'rate_hz': 400.0}, 'rate', 'note', '400.0 Hz, expected 200 Hz'),
        ({'offset_s': 0.021}, 'stamps', 'no-go', '+21.0 ms, limit 20 ms'),
        ({'offset_s': -0.5}, 'stamps', 'no-go', '-500.0 ms'),
        ({'names': NAMES[::-1]}, 'names', 'no-go', 'the same names in another order'),
        ({'names': ('a',) * 7}, 'names', 'no-go', 'other names'),
        ({'values': DEGREES[None]}, 'unit', 'no-go', 'degrees are suspected'),
        ({'values': np.array([[1.0, 2, -1, 1, 0, 2, 0.5]])}, 'unit', 'no-go', 'degrees'),
        ({'values': np.zeros((9, 7))}, 'all zero', 'no-go', 'the left arm reads exactly 0'),
        ({'values': JOINTS[None] + 1.7}, 'limits', 'no-go', 'fl_joint3 at 0.400'),
        ({'values': np.tile(JOINTS, (9, 1))}, 'constant', 'note', 'not one of 7 joints'),
    ],
)
def test_a_joint_topic_that_is_not_as_the_file_says(changes, piece, verdict, said):
    row = rows(with_state(**changes))[f'state left: {piece}']
    assert row[0] == verdict
    assert said in row[1]


@pytest.mark.parametrize(
    ('changes', 'piece', 'verdict', 'said'),
    [
        ({'publishers': ()}, 'topic', 'no-go', 'nobody publishes /camera_f'),
        ({'rate_hz': 10.0}, 'rate', 'no-go', '10.0 Hz, expected 30 Hz'),
        ({'offset_s': 0.05}, 'stamps', 'no-go', '+50.0 ms'),
        ({'size': (480, 640)}, 'size', 'no-go', '480x640, expected 640x480'),
        ({'encoding': 'bgr8'}, 'encoding', 'note', 'found bgr8'),
        ({'encoding': 'yuv422'}, 'encoding', 'no-go', 'found yuv422'),
        ({'problem': 'no JPEG'}, 'content', 'no-go', 'no JPEG'),
    ],
)
def test_a_camera_that_is_not_as_the_file_says(changes, piece, verdict, said):
    row = rows(with_camera(**changes))[f'camera head: {piece}']
    assert row[0] == verdict
    assert said in row[1]


@pytest.mark.parametrize(
    ('changes', 'piece', 'verdict', 'said'),
    [
        ({'publishers': ('/leader',)}, 'publishers', 'no-go', '/leader publish /master'),
        ({'publishers': (EXECUTOR,) * 2}, 'publishers', 'no-go', EXECUTOR),
        ({'types': ('x/msg/Y',)}, 'type', 'no-go', '/piper expect x/msg/Y'),
        ({'qos': 'durability'}, 'QoS', 'no-go', '/piper would hear nothing: durability'),
        ({'subscribers': (), 'types': ()}, 'subscribers', 'note', 'nobody listens'),
    ],
)
def test_a_command_topic_that_is_not_as_the_file_says(changes, piece, verdict, said):
    row = rows(with_command(**changes))[f'command left: {piece}']
    assert row[0] == verdict
    assert said in row[1]


def test_our_own_executor_may_publish_and_so_may_who_is_allowed_to_idle(robot_file):
    assert rows(with_command(publishers=(EXECUTOR,)))['command left'][0] == 'go'
    robot = robot_file('agilex_cobot_magic', **{
        'command_topics.left.allowed_idle_publishers': ['leader']
    })  # fmt: skip
    found = rows(with_command(publishers=('/arm/leader', EXECUTOR)), robot)
    assert found['command left'][0] == 'go'
    assert '/arm/leader publishes' in found['command left'][1]


def test_the_same_values_left_and_right_are_one_arm_bound_twice():
    facts = graph()
    same = replace(facts.states['left'], slots=RIGHT)
    row = rows(replace(facts, states={**facts.states, 'right': same}))['left and right']
    assert row[0] == 'no-go'


def test_another_name_of_the_firmware_is_found_by_its_alias(robot_file):
    robot = robot_file('agilex_cobot_magic', **{'cameras.head.aliases': ['/cam/f', '/cam/g']})
    facts = replace(with_camera(publishers=()), published=('/cam/g',))
    verdict, found, remedy = rows(facts, robot)['camera head: topic']
    assert verdict == 'no-go'
    assert found.endswith(
        'nobody publishes /camera_f/color/image_raw, but somebody its alias /cam/g'
    )
    assert 'cameras.head.topic: /cam/g' in remedy


@pytest.mark.parametrize(
    ('link', 'hint', 'verdict', 'said'),
    [
        ('native', 7, 'no-go', "the robot's is 7"),
        ('native', 0, 'go', "the robot's is 0"),
        ('zenoh', 0, 'no-go', "robot's own"),
        ('zenoh', 7, 'go', 'link zenoh'),
    ],
)
def test_the_domain_is_the_robots_own_where_native_and_another_behind_a_bridge(
    robot_file, link, hint, verdict, said
):
    robot = robot_file('agilex_cobot_magic', link=link, domain_hint=hint, assumed=['link'])
    row = rows(graph(), robot)['domain']
    assert row[0] == verdict
    assert said in row[1]


@pytest.mark.parametrize(
    ('link', 'distro', 'older', 'verdict', 'said'),
    [
        ('native', 'jazzy', (), 'go', 'native'),
        ('native', 'jazzy', ('/piper',), 'note', '/piper are of ROS 2 Humble or older'),
        ('native', 'humble', ('/piper',), 'note', 'can crash'),
        ('native', 'humble', (), 'note', 'can crash'),
        ('zenoh', 'humble', (), 'note', 'near side of a bridge'),
    ],
)
def test_an_old_robot_in_our_domain_is_warned_of(robot_file, link, distro, older, verdict, said):
    robot = robot_file('agilex_cobot_magic', link=link, ros_distro=distro, assumed=['link'])
    found = rows(replace(graph(), older=older), robot)['link']
    assert found[0] == verdict
    assert said in found[1]


SIMULATED = {'size': [320, 240], 'fps': 15.0, 'state_hz': 199.0}


def test_a_simulated_robot_is_said_to_be_one_and_judged_by_what_it_sends():
    at_rest = replace(state(LEFT, JOINTS), values=np.zeros((9, 7)))
    scaled = replace(camera(), size=(320, 240), rate_hz=15.0)
    cameras = dict.fromkeys(AGILEX.cameras, scaled)
    facts = replace(
        graph(), simulation=SIMULATED, cameras=cameras, states={**graph().states, 'left': at_rest}
    )

    def no_gos(facts: LiveFacts, simulation: bool) -> tuple[list[str], Finding]:
        findings = live_findings(AGILEX, facts, EXECUTOR, simulation=simulation)
        first = findings[0]
        return [f.piece for f in findings if f.verdict == 'no-go'], first

    wrong, first = no_gos(facts, simulation=True)
    assert wrong == []
    assert first.verdict == 'go'
    assert 'simulated robot, scaled: 320x240 at 15 Hz, joints at 199 Hz' in first.found
    wrong, first = no_gos(facts, simulation=False)
    assert {'state left: all zero', 'camera head: size', 'camera head: rate'} <= set(wrong)
    assert (first.piece, first.verdict) == ('simulation', 'note')
    wrong, first = no_gos(graph(), simulation=True)
    assert wrong == ['simulation']
    slow = {name: replace(scaled, rate_hz=7.0) for name in cameras}
    wrong, _ = no_gos(replace(facts, cameras=slow), simulation=True)
    assert 'camera head: rate' in wrong


TORSO = {
    'role': 'hold',
    'state': {'topic': '/torso', 'type': 'sensor_msgs/msg/JointState'},
    'command': {'topic': '/torso_target', 'type': 'sensor_msgs/msg/JointState'},
}
TORSO_FACTS = BodyFacts(('/hdas',), ('sensor_msgs/msg/JointState',))


@pytest.mark.parametrize(
    ('group', 'changes', 'piece', 'verdict', 'said'),
    [
        ({}, {}, '', 'go', 'hold; /hdas publishes /torso; nobody publishes /torso_target'),
        ({}, {'state_publishers': ()}, ': topic', 'note', 'nobody publishes /torso'),
        ({}, {'state_types': ('x/msg/Y',)}, ': type', 'note', '/torso: found x/msg/Y'),
        ({}, {'command_types': ('x/msg/Y',)}, ': type', 'note', '/torso_target: found x/msg/Y'),
        ({}, {'command_publishers': ('/vr',)}, ': publishers', 'note', '/vr may move it'),
        ({'role': 'ignore'}, {'command_publishers': ('/vr',)}, '', 'go', 'ignore; /hdas'),
        ({'role': 'command'}, {}, ': role', 'no-go', 'the file says command'),
    ],
)
def test_a_body_group_is_a_row(robot_file, group, changes, piece, verdict, said):
    robot = robot_file('agilex_cobot_magic', body={'torso': {**TORSO, **group}})
    bodies = {'torso': replace(TORSO_FACTS, **changes)}
    row = rows(replace(graph(), bodies=bodies), robot)[f'body torso{piece}']
    assert row[0] == verdict
    assert said in row[1]


CONTRACT = scripted_contract('hold', AGILEX)
OTHER = scripted_contract('hold', load_robot('bimanual_franka'))


@pytest.mark.parametrize(
    ('publishers', 'contract', 'bundle', 'verdict', 'said'),
    [
        (('/server',), CONTRACT.to_json(), None, 'go', 'fits agilex_cobot_magic'),
        (('/server',), CONTRACT.to_json(), CONTRACT, 'go', 'that of the bundle'),
        (('/a', '/b'), CONTRACT.to_json(), None, 'no-go', '/a, /b all publish'),
        (('/server',), '', None, 'note', 'said nothing yet'),
        (('/server',), '{"policy": 1}', None, 'no-go', 'policy_contract: policy: found 1'),
        (('/server',), OTHER.to_json(), None, 'no-go', 'policy has bimanual_franka'),
        (
            ('/server',),
            CONTRACT.to_json(),
            CONTRACT.model_copy(update={'horizon': 20}),
            'no-go',
            'another policy than the bundle: horizon: 50 and 20',
        ),
    ],
)
def test_a_running_policy_is_compared_with_robot_and_bundle(
    publishers, contract, bundle, verdict, said
):
    facts = replace(graph(), policy=PolicyFacts(publishers, contract))
    found = {f.piece: f for f in live_findings(AGILEX, facts, EXECUTOR, bundle)}
    assert found['policy contract'].verdict == verdict
    assert said in found['policy contract'].found


def test_radians_where_the_file_says_degrees_are_suspected(robot_file):
    robot = robot_file('agilex_cobot_magic', **{'arms.left.state.unit': 'deg'})
    radians = np.deg2rad(JOINTS)  # read as degrees
    row = rows(with_state(values=radians[None]), robot)['state left: unit']
    assert row[0] == 'note'
    assert 'radians are suspected' in row[1]
