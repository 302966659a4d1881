# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Messages to numpy: live ones of rclpy, and the same bytes as a bag gives them."""

from array import array
from pathlib import Path

import cv2
import numpy as np
import pytest
from rclpy.serialization import serialize_message
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from sensor_msgs.msg import CompressedImage, Image, JointState

from lingbot_policy.chunk import ActionChunk, RejectedChunk
from lingbot_policy.decode import chunk_from_msg, image_from_msg, stamp_ns, StateDecoder
from lingbot_policy.nodes.encode import chunk_to_msg

RED, GREEN, BLUE, GREY = [200, 0, 0], [0, 200, 0], [0, 0, 200], [90, 90, 90]
ACTION_CHUNK = Path(__file__).parents[2] / 'ros2_ws/src/lingbot_msgs/msg/ActionChunk.msg'
TYPES = get_typestore(Stores.ROS2_JAZZY)
TYPES.register(get_types_from_msg(ACTION_CHUNK.read_text(), 'lingbot_msgs/msg/ActionChunk'))


def image(encoding: str, pixels: list, step: int = 0, width: int = 0) -> Image:
    """Return an Image of rows of bytes; ``step`` pads the rows."""
    rows = np.array(pixels, np.uint8).reshape(len(pixels), -1)
    step = step or rows.shape[1]
    padded = np.full((len(rows), step), 77, np.uint8)
    padded[:, : rows.shape[1]] = rows
    msg = Image(height=len(rows), width=width or len(pixels[0]), encoding=encoding, step=step)
    msg.data = array('B', padded.tobytes())
    return msg


def from_bag(msg, kind: str):
    """Return a message as the reader of bags makes it of the same CDR."""
    definition = TYPES.get_msgdef(kind)
    # Not deserialize_cdr: rclpy's serialize_message, unlike what it publishes, is up to some bytes
    # too long behind empty sequences, which rosbags refuses.
    cdr = serialize_message(msg)
    return definition.deserialize_cdr_le(cdr[4:], 0, definition.cls, TYPES)[0]


def camera(odd, transport: str = 'raw'):
    return odd.cameras['head'].model_copy(update={'transport': transport})


def blocks(extension: str) -> bytes:
    """Return a 16x8 picture, left half red, right half blue."""
    bgr = np.zeros((8, 16, 3), np.uint8)
    bgr[:, :8], bgr[:, 8:] = RED[::-1], BLUE[::-1]
    return cv2.imencode(extension, bgr)[1].tobytes()


def assert_red_left_blue_right(pixels: np.ndarray) -> None:
    assert pixels.shape == (8, 16, 3)
    assert np.abs(pixels[:, 1:7].astype(int) - RED).max() < 12
    assert np.abs(pixels[:, 9:15].astype(int) - BLUE).max() < 12


ENCODINGS = {
    'rgb8': [[RED, GREEN], [BLUE, GREY]],
    'bgr8': [[RED[::-1], GREEN[::-1]], [BLUE[::-1], GREY]],
    '8UC3': [[RED[::-1], GREEN[::-1]], [BLUE[::-1], GREY]],
    'rgba8': [[[*RED, 1], [*GREEN, 2]], [[*BLUE, 3], [*GREY, 4]]],
    'bgra8': [[[*RED[::-1], 1], [*GREEN[::-1], 2]], [[*BLUE[::-1], 3], [*GREY, 4]]],
}


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize('encoding', ENCODINGS)
def test_every_encoding_becomes_the_same_rgb(odd, encoding: str, padding: int):
    pixels = ENCODINGS[encoding]
    msg = image(encoding, pixels, step=2 * len(pixels[0][0]) + padding)
    rgb = image_from_msg(msg, camera(odd), 'head')
    assert rgb.tolist() == [[RED, GREEN], [BLUE, GREY]]
    assert rgb.dtype == np.uint8


@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
def test_grey_pictures_become_grey_rgb(odd, encoding: str):
    rgb = image_from_msg(image(encoding, [[1, 2], [3, 4]], step=4), camera(odd), 'head')
    assert rgb.tolist() == [[[1] * 3, [2] * 3], [[3] * 3, [4] * 3]]


def test_rgb8_shares_the_memory_of_its_message(odd):
    msg = image('rgb8', [[RED, GREEN]], step=8)
    rgb = image_from_msg(msg, camera(odd), 'head')
    assert np.shares_memory(rgb, np.frombuffer(msg.data, np.uint8))
    assert not rgb.flags.writeable


@pytest.mark.parametrize('encoding', ['.png', '.jpg'])
@pytest.mark.parametrize('way', ['compressed', 'raw_jpeg', 'raw'])
def test_compressed_pictures_are_unpacked_as_rgb(odd, way: str, encoding: str):
    if way == 'compressed':
        msg = CompressedImage(format='rgb8; jpeg compressed bgr8', data=blocks(encoding))
    else:
        msg = Image(width=16, height=8, encoding='jpeg', data=array('B', blocks(encoding)))
    assert_red_left_blue_right(image_from_msg(msg, camera(odd, way), 'head'))


@pytest.mark.parametrize('data', [b'', b'no picture', blocks('.jpg')[:20]])
def test_bytes_which_are_no_picture_are_told_with_camera_count_and_beginning(odd, data: bytes):
    msg = CompressedImage(format='jpeg', data=data)
    with pytest.raises(ValueError) as caught:
        image_from_msg(msg, camera(odd, 'compressed'), 'head')
    assert f"camera head ('jpeg'): {len(data)} bytes" in str(caught.value)
    assert repr(data[:4].hex()) in str(caught.value)


@pytest.mark.parametrize(
    ('changes', 'told'),
    [
        ({'height': 3}, '12 bytes with step 6 for 2x3 rgb8, expected 18 with step 6'),
        ({'width': 3}, '12 bytes with step 6 for 3x2 rgb8, expected 18 with step 9'),
        ({'step': 5}, '12 bytes with step 5 for 2x2 rgb8, expected 12 with step 6'),
        ({'width': 0, 'step': 0}, 'step 0 for 0x2 rgb8'),
        ({'height': 0}, 'for 2x0 rgb8'),
    ],
)
def test_data_which_do_not_fit_their_header_are_refused(odd, changes: dict, told: str):
    msg = image('rgb8', ENCODINGS['rgb8'])
    for name, value in changes.items():
        setattr(msg, name, value)
    with pytest.raises(ValueError, match=f'camera head: .*{told}'):
        image_from_msg(msg, camera(odd), 'head')


def test_an_unknown_encoding_is_named_with_what_is_read_and_the_remedy(odd):
    with pytest.raises(ValueError) as caught:
        image_from_msg(image('yuv422_yuy2', [[1, 2]]), camera(odd), 'head')
    assert "camera head: encoding 'yuv422_yuy2' is not read here" in str(caught.value)
    assert 'rgb8, bgr8' in str(caught.value)
    assert 'Set the driver to rgb8, or install cv_bridge' in str(caught.value)


def test_a_converter_reads_what_is_not_read_here_and_nothing_else(odd):
    seen = []

    def convert(msg):
        seen.append(msg.encoding)
        return np.zeros((1, 2, 3), np.uint8)

    for encoding in ('yuv422_yuy2', 'mono8'):
        image_from_msg(image(encoding, [[1, 2]]), camera(odd), 'head', convert)
    assert seen == ['yuv422_yuy2']


def test_a_stamp_is_counted_in_nanoseconds():
    msg = Image()
    msg.header.stamp.sec, msg.header.stamp.nanosec = 1_700_000_000, 123_456_789
    assert stamp_ns(msg) == 1_700_000_000_123_456_789
    assert stamp_ns(Image()) == 0


@pytest.mark.parametrize('encoding', [*ENCODINGS, 'mono8'])
def test_an_image_of_a_bag_is_the_live_image(odd, encoding: str):
    pixels = ENCODINGS.get(encoding, [[1, 2], [3, 4]])
    live = image(encoding, pixels, step=11)
    live.width = 2
    live.header.stamp.nanosec = 7
    bag = from_bag(live, 'sensor_msgs/msg/Image')
    assert stamp_ns(bag) == stamp_ns(live) == 7
    np.testing.assert_array_equal(
        image_from_msg(bag, camera(odd), 'head'), image_from_msg(live, camera(odd), 'head')
    )


def test_a_compressed_image_of_a_bag_is_the_live_image(odd):
    live = CompressedImage(format='jpeg', data=blocks('.jpg'))
    bag = from_bag(live, 'sensor_msgs/msg/CompressedImage')
    np.testing.assert_array_equal(
        image_from_msg(bag, camera(odd, 'compressed'), 'head'),
        image_from_msg(live, camera(odd, 'compressed'), 'head'),
    )


def test_joints_of_a_bag_are_the_live_joints(odd):
    decoder = StateDecoder(odd, 'arms')
    live = JointState(name=['l1', 'l2', 'r1'], position=[90.0, -180.0, 0.1])
    bag = from_bag(live, 'sensor_msgs/msg/JointState')
    assert decoder.slots.tolist() == [0, 1, 3]
    assert decoder.decode(live).tolist() == pytest.approx([np.pi / 2, -np.pi, 0.1])
    np.testing.assert_array_equal(decoder.decode(bag), decoder.decode(live))


def test_joints_by_index_need_no_names(agilex):
    decoder = StateDecoder(agilex, 'right')
    values = decoder.decode(JointState(position=[1.0, 2, 3, 4, 5, 6, 0.04]))
    assert decoder.slots.tolist() == [7, 8, 9, 10, 11, 12, 13]
    assert values.tolist() == pytest.approx([1, 2, 3, 4, 5, 6, 0.5])


@pytest.mark.parametrize(
    ('position', 'told'),
    [
        ([0.0] * 6, 'position has 6 values, expected at least 7'),
        ([0.0] * 3 + [float('nan')] + [0.0] * 3, 'position holds .*nan.*, expected numbers'),
    ],
)
def test_joints_which_are_missing_or_no_numbers_are_told_with_robot_and_topic(
    agilex, position, told
):
    decoder = StateDecoder(agilex, 'left')
    with pytest.raises(ValueError, match=f'agilex_cobot_magic /puppet/joint_left: {told}'):
        decoder.decode(JointState(position=position))


def chunk(**changes) -> ActionChunk:
    fields = {
        'positions': np.array([[0.1, 0.2, 0.3, 0.4, 0.5], [0.6, 0.7, 0.8, 0.9, 1.0]]),
        't_ref_ns': 5_000_000_007,
        'rate_hz': 30.0,
        'first_step_offset': 1.0,
        'sequence': 9,
        'contract_digest': 'c0ffee',
        'instruction': 'fold the towel',
    }
    return ActionChunk(**{**fields, **changes})


def assert_equal(found: ActionChunk, expected: ActionChunk) -> None:
    np.testing.assert_array_equal(found.positions, expected.positions)
    assert vars(found) | {'positions': 0} == vars(expected) | {'positions': 0}


def test_a_chunk_survives_its_message(odd):
    msg = chunk_to_msg(chunk(), odd.joints, 5_100_000_000)
    assert_equal(chunk_from_msg(msg, odd), chunk())


def test_a_chunk_survives_a_bag(odd):
    msg = chunk_to_msg(chunk(), odd.joints, 5_100_000_000)
    bag = from_bag(msg, 'lingbot_msgs/msg/ActionChunk')
    assert_equal(chunk_from_msg(bag, odd), chunk())


def test_a_chunk_without_steps_is_still_read(odd):
    msg = chunk_to_msg(chunk(positions=np.empty((0, 5))), odd.joints, 0)
    assert chunk_from_msg(msg, odd).positions.shape == (0, 5)


def test_a_chunk_for_joints_in_another_order_is_rejected(odd):
    msg = chunk_to_msg(chunk(), odd.joints[::-1], 0)
    with pytest.raises(RejectedChunk, match=r"names: found \['rg', .*expected \['l1'") as caught:
        chunk_from_msg(msg, odd)
    assert caught.value.reason == 'names'


def test_a_chunk_with_a_short_step_is_rejected(odd):
    msg = chunk_to_msg(chunk(), odd.joints, 0)
    msg.trajectory.points[1].positions = [0.0]
    with pytest.raises(RejectedChunk) as caught:
        chunk_from_msg(msg, odd)
    assert caught.value.reason == 'shape'
