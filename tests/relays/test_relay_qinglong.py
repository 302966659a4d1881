# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Qinglong's frames against bytes laid out by hand, field after field."""

import struct

import numpy as np
import pytest

from lingbot_policy.relays.commands import LinkGate
from lingbot_policy.relays.qinglong import command_frame, parse_state
from lingbot_policy.relays.udp_state import StateReceiver

MS = 1_000_000
T_S = 1_700_000_000.25
T_NS = 1_700_000_000_250_000_000


def state_frame(time_s: float = T_S, joints=None, fingers=None, errors=None) -> bytes:
    """Pack a state as the vendor's robot does: little endian, without padding."""
    joints = [0.1 * n for n in range(14)] + [7.7 / 2] * 5 if joints is None else joints
    fingers = [10.0] * 6 + [80.0] * 6 if fingers is None else fingers
    return b''.join(
        (
            struct.pack('<i', 1042),
            struct.pack('<d', time_s),
            struct.pack('<2h', 3, 4),
            struct.pack('<16s', b'mani'),
            struct.pack('<2h', 1, 2),
            struct.pack('<4f', 0.1, 0.2, 0.3, 0.4),
            struct.pack('<9f', *range(9)),
            struct.pack('<19f', *joints),
            struct.pack('<38f', *([5.5] * 38)),
            struct.pack('<38h', *([40] * 38)),
            struct.pack('<19h', *(errors or [0] * 19)),
            struct.pack('<57f', *([6.5] * 57)),
            struct.pack('<12f', *fingers),
            struct.pack('<12f', *([7.5] * 12)),
            struct.pack('<72f', *([8.5] * 72)),
        )
    )


def test_a_state_holds_both_arms_in_rad_and_a_hand_as_one_number():
    frame = parse_state(state_frame(errors=[0, 17] + [0] * 17))
    assert frame.joints[:14] == pytest.approx([0.1 * n for n in range(14)], abs=1e-6)
    assert frame.joints[14:] == pytest.approx([3.85] * 5, abs=1e-6)
    assert frame.grippers.tolist() == [10.0, 80.0]
    assert frame.stamp_ns == T_NS
    assert frame.driver_errors[1] == 17


def test_the_hand_is_the_mean_of_its_fingers():
    fingers = [0.0, 90.0, 30.0, 30.0, 30.0, 0.0] + [90.0] * 6
    assert parse_state(state_frame(fingers=fingers)).grippers.tolist() == [30.0, 90.0]


@pytest.mark.parametrize(
    ('datagram', 'fault'),
    [
        (b'', 'found 0 bytes, expected 1042'),
        (state_frame()[:-1], 'found 1041 bytes'),
        (state_frame() + b'\0', 'found 1043 bytes'),
        (state_frame(joints=[float('nan')] * 19), 'position'),
        (state_frame(joints=[57.3] * 19), 'position'),
        (state_frame(fingers=[1e9] * 12), 'finger'),
        (state_frame(time_s=0.0), 'timestamp'),
        (state_frame(time_s=float('nan')), 'timestamp'),
        (state_frame(time_s=1.7e12), 'timestamp'),
        (b'\xff' * 1042, 'timestamp'),
    ],
)
def test_a_broken_state_is_refused(datagram, fault):
    with pytest.raises(ValueError, match=fault):
        parse_state(datagram)


def test_a_command_is_184_bytes_with_joint_control_of_arms_and_fingers_only():
    arms = [0.01 * n for n in range(14)]
    expected = (
        struct.pack('<6h', 1, 2, 3, 3, 0, 0)
        + struct.pack('<14f', *arms)
        + struct.pack('<12f', *([0.0] * 12))
        + struct.pack('<12f', *([90.0] * 6 + [45.0] * 6))
        + struct.pack('<5f', *([0.0] * 5))
    )
    assert len(expected) == 184
    assert command_frame(np.array(arms), np.array([90.0, 45.0]), 2) == expected


def test_without_grippers_the_fingers_are_left_alone():
    frame = command_frame(np.full(14, 0.5), None, 5)
    assert struct.unpack('<6h', frame[:12]) == (1, 5, 3, 0, 0, 0)


def test_an_idle_frame_takes_no_charge_and_no_mode():
    assert command_frame(None, None, 2) == struct.pack('<6h', 0, 2, 0, 0, 0, 0) + bytes(172)


def receiver() -> tuple[StateReceiver, LinkGate]:
    gate = LinkGate(pause_ns=100 * MS, silence_ns=500 * MS, max_offset_ns=20 * MS)
    return StateReceiver(gate, period_ns=20 * MS, forget_ns=500 * MS), gate


def test_reordered_doubled_and_lost_frames_are_counted_and_never_published_twice():
    receiving, _ = receiver()
    published = []
    for now, tick in enumerate([0, 1, 3, 2, 3, 4, 7]):
        frame = receiving.receive(state_frame(T_S + 0.02 * tick), T_NS + now, now)
        if frame is not None:
            published.append(round((frame.stamp_ns - T_NS) / (20 * MS)))
    assert published == [0, 1, 3, 4, 7]
    assert receiving.counts == {'accepted': 5, 'late': 1, 'duplicates': 1, 'missing': 3}


def test_broken_frames_neither_open_the_gate_nor_keep_it_open():
    receiving, gate = receiver()
    assert receiving.receive(b'x' * 1042, T_NS, 0) is None
    assert 'has sent no state' in gate.trouble(0)
    assert receiving.counts == {'broken': 1}
    assert receiving.last_fault


def test_a_robot_whose_clock_is_50_ms_ahead_is_refused():
    receiving, gate = receiver()
    receiving.receive(state_frame(), T_NS - 50 * MS, 0)
    assert 'off by 50.0 ms' in gate.trouble(0)
    assert receiving.offset.offset_ns == 50 * MS
