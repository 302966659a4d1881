# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Kuavo's JSON against numbers written by hand."""

import base64
import math

import pytest

from lingbot_policy.relays import kuavo
from lingbot_policy.relays.ros1_json import picture

STAMP = {'secs': 1_700_000_000, 'nsecs': 123_456_789}
STAMP_NS = 1_700_000_000_123_456_789
# legs 0-11 are 9, head 26-27 is 8: neither may reach the arms
JOINT_Q = [9.0] * 12 + [0.1, 0.2, 0.3, -0.4, 0.5, 0.6, 0.7] + [-1, -2, -3, -4, -5, -6, -7] + [8, 8]


def sensors(**changes) -> dict:
    msg = {
        'header': {'seq': 7, 'stamp': STAMP, 'frame_id': ''},
        'sensor_time': {'secs': 3, 'nsecs': 0},
        'joint_data': {'joint_q': list(JOINT_Q), 'joint_v': [0.0] * 28},
    }
    return msg | changes


def test_the_arms_are_joints_12_to_25_in_rad_with_the_headers_stamp():
    found = kuavo.joint_positions(sensors())
    assert found.values[kuavo.JOINTS.arms].tolist() == [
        *(0.1, 0.2, 0.3, -0.4, 0.5, 0.6, 0.7),
        *(-1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0),
    ]
    assert found.stamp_ns == STAMP_NS


@pytest.mark.parametrize(
    ('changes', 'fault'),
    [
        ({'joint_data': {'joint_q': JOINT_Q[:-2]}}, 'found 26 values, expected 28'),
        ({'joint_data': {'joint_q': [None, *JOINT_Q[1:]]}}, 'finite'),
        ({'joint_data': {'joint_q': 'x'}}, 'expected numbers'),
        ({'joint_data': {}}, 'joint_data.joint_q: missing'),
        ({'header': {'stamp': {'secs': 0, 'nsecs': 0}}}, 'header.stamp: found 0'),
        ({'header': {'stamp': 4.5}}, 'secs and nsecs'),
    ],
)
def test_a_broken_sensor_message_is_refused(changes, fault):
    with pytest.raises(ValueError, match=fault):
        kuavo.joint_positions(sensors(**changes))


def test_an_arm_command_is_in_degrees_under_the_vendors_names():
    radians = [math.pi / 2, -math.pi / 6, 0, 0, 0, 0, 0.1, math.pi, 0, 0, 0, 0, 0, -math.pi / 4]
    msg = kuavo.arm_command(radians, STAMP_NS)
    assert msg['position'] == pytest.approx(
        [90, -30, 0, 0, 0, 0, 5.729577951308232, 180, 0, 0, 0, 0, 0, -45]
    )
    assert msg['name'][0] == 'arm_joint_1'
    assert msg['name'][13] == 'arm_joint_14'
    assert len(msg['name']) == 14
    assert msg['header']['stamp'] == STAMP


def test_claws_are_told_apart_by_name():
    state = {
        'header': {'stamp': STAMP},
        'state': [2, 2],
        'data': {'name': ['right_claw', 'left_claw'], 'position': [30.0, 70.0]},
    }
    assert kuavo.claw_positions(state).values.tolist() == [70.0, 30.0]
    state['data']['name'] = []
    assert kuavo.claw_positions(state).values.tolist() == [30.0, 70.0]
    state['data']['name'] = ['left_claw', 'left_claw']
    with pytest.raises(ValueError, match='claw state'):
        kuavo.claw_positions(state)


def test_a_claw_command_keeps_percent():
    data = kuavo.claw_command([100.0, 0.0], STAMP_NS)['data']
    assert data == {
        'name': ['left_claw', 'right_claw'],
        'position': [100.0, 0.0],
        'velocity': [50.0, 50.0],
        'effort': [1.0, 1.0],
    }


def test_an_image_comes_out_of_base64_byte_for_byte():
    jpeg = bytes(range(256))
    msg = {
        'header': {'stamp': STAMP, 'frame_id': 'cam_h'},
        'format': 'rgb8; jpeg compressed bgr8',
        'data': base64.b64encode(jpeg).decode(),
    }
    found = picture(msg)
    assert (found.data, found.stamp_ns, found.frame_id) == (jpeg, STAMP_NS, 'cam_h')
    for broken in ('', 'a$b', None):
        with pytest.raises(ValueError, match='data'):
            picture(msg | {'data': broken})
