# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The same data give the same observations: live, from the bag of that run, and played again."""

from dataclasses import replace
import os
from pathlib import Path
import signal
import subprocess
import sys

import numpy as np
import pytest

from lingbot_policy.bags.definitions import typestore_for
from lingbot_policy.bags.read import open_bag
from lingbot_policy.bags.replay import recorded_robot, replay
from lingbot_policy.bags.write import BagWriter, ROBOT_ATTACHMENT
from lingbot_policy.bringup import Deployment, node_specs, Simulation
from lingbot_policy.decode import stamp_ns
from lingbot_policy.robot import load_robot

pytestmark = pytest.mark.ros
IMAGE, JOINTS = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/JointState'
FRAMES, FRAME_MS, STATE_MS = 40, 100, 20
# The server waits for every part and takes every frame, so that load does not decide.
PATIENT = {'settle_s': 1.0, 'max_rate_hz': 60.0}


@pytest.fixture
def slow_robot(tmp_path: Path) -> str:
    """A robot file with states at 50 Hz, of which a loaded machine loses none."""
    text = load_robot('agilex_cobot_magic').text
    robot = tmp_path / 'agilex_slow.yaml'
    robot.write_text(text.replace('    rate_hz: 200', '    rate_hz: 50'))
    return str(robot)


@pytest.fixture
def uneven_bag(tmp_path: Path, slow_robot: str) -> Path:
    """A bag in which no two streams share a stamp, and messages arrive out of their order."""
    robot, store = load_robot(slow_robot), typestore_for((IMAGE, JOINTS))
    noise, start = np.random.default_rng(1), 1_700_000_000_000_000_000
    entries = []

    def add(topic: str, stamp: int, delay_ms: float, kind: str, **fields) -> None:
        time = store.types['builtin_interfaces/msg/Time'](stamp // 10**9, stamp % 10**9)
        header = store.types['std_msgs/msg/Header'](stamp=time, frame_id='')
        cdr = bytes(store.serialize_cdr(store.types[kind](header, **fields), kind))
        entries.append((stamp + round(delay_ms * 1e6), topic, kind, cdr))

    for index in range(FRAMES * FRAME_MS // STATE_MS + 5):
        stamp = start + round((index * STATE_MS + noise.uniform(-4, 4)) * 1e6)
        for topic in robot.file.state_topics.values():
            position = np.array([0.3, 0.4, -0.5, 0.1, 0.2, 0.3, 0.04]) * noise.uniform(0.9, 1, 7)
            add(
                topic.topic, stamp, 1, JOINTS, name=[f'joint{i}' for i in range(7)],
                position=position, velocity=np.zeros(7), effort=np.zeros(7),
            )  # fmt: skip
    for index in range(1, FRAMES):
        for name, early_ms, delay_ms in (
            ('head', 0, 4), ('left_wrist', 3, 12), ('right_wrist', 9, 2)
        ):  # fmt: skip
            pixels = noise.integers(0, 256, 32 * 24 * 3, dtype=np.uint8)
            add(
                robot.cameras[name].topic, start + (index * FRAME_MS - early_ms) * 10**6, delay_ms,
                IMAGE, height=24, width=32, encoding='rgb8', is_bigendian=0, step=96, data=pixels,
            )  # fmt: skip
    with BagWriter(tmp_path / 'uneven') as bag:
        bag.attach(ROBOT_ATTACHMENT, robot.text, 'application/yaml')
        for logged_ns, topic, kind, cdr in sorted(entries, key=lambda entry: entry[0]):
            bag.write(topic, kind, cdr, logged_ns)
    return tmp_path / 'uneven'


def offline_digests(bag_path: Path) -> dict[int, str]:
    """Return the digest of each head frame's observation in a bag, '' where it has none."""
    with open_bag(bag_path) as bag:
        frames = replay(bag, recorded_robot(bag))
        return {f.t_ref_ns: f.observation.digest if f.observation else '' for f in frames}


def play(bag_path: Path, ros_env: dict[str, str], speed: float) -> None:
    """Play a bag in a process of its own, to its end."""
    command = [sys.executable, '-m', 'lingbot_policy.nodes.bag_player', '--ros-args']
    command += ['-p', f'bag:={bag_path}', '-p', f'speed:={speed}']
    played = subprocess.run(
        command, env=ros_env, capture_output=True, text=True, timeout=120, check=False
    )
    assert played.returncode == 0, played.stderr
    assert f'of {bag_path}' in played.stderr + played.stdout


def live_digests(start, probe, bag_path: Path, ros_env: dict[str, str], robot: str) -> dict:
    """Return what a policy server makes of a bag that is played to it."""
    (server,) = (
        spec
        for spec in node_specs(Deployment(robot, 'hold'))
        if spec.executable == 'policy_server'
    )
    start((replace(server, parameters={**server.parameters, **PATIENT}),))
    topic = probe.node.resolve_topic_name('inference_record')
    probe.wait('the server', lambda: probe.node.get_publishers_info_by_topic(topic))
    heard = len(probe.records)
    play(bag_path, ros_env, speed=1.0)
    return {stamp_ns(r): r.observation_digest for r in probe.records[heard:]}


def assert_agree(live: dict[int, str], offline: dict[int, str], covered: float) -> None:
    """Every frame both have is equal, and the live run has ``covered`` of those of the bag."""
    readable = {stamp for stamp, digest in offline.items() if digest}
    assert len(readable) > 10
    assert {stamp: offline[stamp] for stamp in live} == live
    assert len(live) >= covered * len(readable)


def test_a_bag_whose_streams_are_uneven_gives_a_player_and_a_reader_the_same(
    start, probe, ros_env, slow_robot, uneven_bag
):
    offline = offline_digests(uneven_bag)
    assert len(offline) == FRAMES - 1

    live = live_digests(start, probe, uneven_bag, ros_env, slow_robot)

    assert_agree(live, offline, covered=0.9)


def test_a_player_refuses_to_talk_over_a_robot(start, ros_env, deployment, uneven_bag):
    start(deployment('hold'))

    command = [sys.executable, '-m', 'lingbot_policy.nodes.bag_player', '--ros-args']
    command += ['-p', f'bag:={uneven_bag}']
    player = subprocess.run(
        command, env=ros_env, capture_output=True, text=True, timeout=60, check=False
    )

    assert player.returncode == 1
    assert '/sim_robot' in player.stderr + player.stdout


def test_ctrl_c_ends_a_player_in_good_order(ros_env, uneven_bag):
    command = [sys.executable, '-m', 'lingbot_policy.nodes.bag_player', '--ros-args']
    command += ['-p', f'bag:={uneven_bag}', '-p', 'readers_s:=60.0']
    player = subprocess.Popen(command, env=ros_env, stderr=subprocess.PIPE, text=True)
    player.stderr.readline()
    os.kill(player.pid, signal.SIGINT)

    _, said = player.communicate(timeout=60)
    assert player.returncode == 0
    assert 'Traceback' not in said


def test_the_bag_of_a_run_gives_what_its_server_saw_read_offline_and_played_again(
    start, probe, ros_env, slow_robot, tmp_path
):
    run = Deployment(
        slow_robot,
        'expert',
        record=str(tmp_path / 'bags'),
        simulation=Simulation(world='kinematic', fps=8.0),
    )
    specs = [
        replace(spec, parameters={**spec.parameters, **PATIENT})
        if spec.executable == 'policy_server'
        else spec
        for spec in node_specs(run)
    ]
    line = start(tuple(specs))
    probe.arm()
    probe.wait_chunks(30)
    line.stop()
    (metadata,) = (tmp_path / 'bags').rglob('metadata.yaml')

    offline = offline_digests(metadata.parent)
    with open_bag(metadata.parent) as bag:
        recorded = {
            stamp_ns(entry.msg): entry.msg.observation_digest
            for entry in bag.messages(['/inference_record'])
        }
    assert len(recorded) >= 30
    before_recording = {stamp for stamp in recorded if not offline.get(stamp)}
    assert len(before_recording) <= 1
    assert_agree({s: d for s, d in recorded.items() if s not in before_recording}, offline, 0.0)

    played = live_digests(start, probe, metadata.parent, ros_env, slow_robot)
    assert_agree(played, offline, covered=0.9)
