# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A bag read as observations: what an offline reader makes of frames and joints."""

import numpy as np
import pytest

from lingbot_policy.bags.definitions import typestore_for
from lingbot_policy.bags.read import open_bag
from lingbot_policy.bags.replay import recorded_robot, replay
from lingbot_policy.bags.write import BagWriter, ROBOT_ATTACHMENT
from lingbot_policy.robot import load_robot

IMAGE, JOINTS = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/JointState'
ROBOT = load_robot('agilex_cobot_magic')
HEAD, LEFT, RIGHT = (ROBOT.cameras[name].topic for name in ('head', 'left_wrist', 'right_wrist'))
STATES = [topic.topic for topic in ROBOT.file.state_topics.values()]
MS = 1_000_000
START = 1_700_000_000_000_000_000


@pytest.fixture(scope='module')
def store():
    return typestore_for((IMAGE, JOINTS))


@pytest.fixture
def image(store):
    """Return a maker of a grey picture stamped ``ms`` after the start."""

    def make(ms: int, grey: int, encoding: str = 'rgb8') -> bytes:
        pixels = np.full(4 * 6 * 3, grey, dtype=np.uint8)
        msg = store.types[IMAGE](
            header(store, ms), height=4, width=6, encoding=encoding, is_bigendian=0, step=18,
            data=pixels,
        )  # fmt: skip
        return bytes(store.serialize_cdr(msg, IMAGE))

    return make


@pytest.fixture
def joints(store):
    """Return a maker of a state in which every joint of an arm stands at ``value``."""

    def make(ms: int, value: float) -> bytes:
        msg = store.types[JOINTS](
            header(store, ms), name=[f'joint{i}' for i in range(7)],
            position=np.array([value] * 6 + [0.04]), velocity=np.zeros(7), effort=np.zeros(7),
        )  # fmt: skip
        return bytes(store.serialize_cdr(msg, JOINTS))

    return make


def header(store, ms: int):
    stamp_ns = START + ms * MS
    stamp = store.types['builtin_interfaces/msg/Time'](
        sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9
    )
    return store.types['std_msgs/msg/Header'](stamp=stamp, frame_id='')


def write(path, entries: list[tuple[int, str, bytes]]) -> None:
    """Write (log time in ms, topic, bytes)."""
    with BagWriter(path) as bag:
        bag.attach(ROBOT_ATTACHMENT, ROBOT.text, 'application/yaml')
        for ms, topic, cdr in entries:
            kind = IMAGE if topic in (HEAD, LEFT, RIGHT) else JOINTS
            bag.write(topic, kind, cdr, START + ms * MS)


def both(joints, ms: int, value: float, logged: int | None = None) -> list:
    when = ms if logged is None else logged
    return [(when, topic, joints(ms, value)) for topic in STATES]


def test_wrists_are_the_nearest_before_and_joints_lie_between_their_samples(
    tmp_path, image, joints
):
    write(
        tmp_path / 'bag',
        [
            *both(joints, 0, -0.1),
            (10, LEFT, image(10, 1)),
            (12, RIGHT, image(12, 2)),
            (20, HEAD, image(20, 3)),
            *both(joints, 40, -0.5),
            (45, LEFT, image(45, 4)),
            (46, RIGHT, image(46, 5)),
        ],
    )
    with open_bag(tmp_path / 'bag') as bag:
        (frame,) = replay(bag, ROBOT, 'fold the towel')

    seen = frame.observation
    assert frame.t_ref_ns == seen.t_ref_ns == START + 20 * MS
    assert {name: int(pixels[0, 0, 0]) for name, pixels in seen.images.items()} == {
        'head': 3,
        'left_wrist': 1,
        'right_wrist': 2,
    }
    assert seen.image_stamps_ns['left_wrist'] == START + 10 * MS
    assert seen.state == pytest.approx(np.where(ROBOT.is_gripper, 0.5, -0.3))
    assert seen.instruction == 'fold the towel'


def test_what_reached_the_recorder_late_still_belongs_to_its_frame(tmp_path, image, joints):
    write(
        tmp_path / 'bag',
        [
            *both(joints, 0, -0.1),
            (20, HEAD, image(20, 3)),
            *both(joints, 25, -0.1),
            (60, LEFT, image(19, 7)),
            (61, RIGHT, image(18, 8)),
            (70, LEFT, image(52, 9)),
            (71, RIGHT, image(53, 9)),
        ],
    )
    with open_bag(tmp_path / 'bag') as bag:
        (frame,) = replay(bag, ROBOT)

    assert frame.observation.images['left_wrist'][0, 0, 0] == 7
    assert frame.observation.images['right_wrist'][0, 0, 0] == 8


def test_a_frame_without_its_wrists_says_which_and_the_next_is_not_disturbed(
    tmp_path, image, joints
):
    write(
        tmp_path / 'bag',
        [
            *both(joints, 0, -0.1),
            (5, LEFT, image(5, 1)),
            (10, HEAD, image(10, 1)),
            *both(joints, 30, -0.1),
            (700, LEFT, image(700, 1)),
            (700, RIGHT, image(700, 1)),
            *both(joints, 700, -0.1),
            (700, HEAD, image(700, 1)),
        ],
    )
    with open_bag(tmp_path / 'bag') as bag:
        first, second = replay(bag, ROBOT)

    assert first.observation is None
    assert first.problem == ('MissingObservation: camera right_wrist: no frame at or before t_ref')
    assert second.observation.t_ref_ns == START + 700 * MS


def test_a_picture_nobody_can_read_is_left_out_and_said_once(tmp_path, image, joints, caplog):
    moments = range(0, 90, 30)
    entries = [
        entry
        for ms in moments
        for entry in (
            (ms, LEFT, image(ms, 1)),
            (ms, RIGHT, image(ms, 1, encoding='yuv422')),
            *both(joints, ms, -0.1),
            (ms, HEAD, image(ms, 1)),
        )
    ]
    write(tmp_path / 'bag', entries)
    with open_bag(tmp_path / 'bag') as bag:
        frames = list(replay(bag, ROBOT))

    assert [frame.observation for frame in frames] == [None] * 3
    assert len(caplog.messages) == 1
    assert "encoding 'yuv422'" in caplog.text


def test_a_bag_without_a_topic_of_the_robot_is_refused(tmp_path, image):
    write(tmp_path / 'bag', [(0, HEAD, image(0, 1))])

    with open_bag(tmp_path / 'bag') as bag, pytest.raises(ValueError, match='no topic /camera_l'):
        list(replay(bag, ROBOT))


def test_the_robot_comes_with_the_bag(tmp_path, image):
    write(tmp_path / 'bag', [(0, HEAD, image(0, 1))])
    with BagWriter(tmp_path / 'foreign') as bag:
        bag.write(HEAD, IMAGE, image(0, 1), START)

    with open_bag(tmp_path / 'bag') as bag:
        assert recorded_robot(bag).text == ROBOT.text
    with open_bag(tmp_path / 'foreign') as bag, pytest.raises(ValueError, match='name the robot'):
        recorded_robot(bag)
