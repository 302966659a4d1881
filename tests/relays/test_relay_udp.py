# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The UDP relay as a process, between real DDS and a robot on a real socket."""

from collections.abc import Iterator
import socket
import struct
import threading
import time

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2')

from lingbot_policy.nodes.lifecycle import NOT_STARTED

pytestmark = [pytest.mark.ros, pytest.mark.timeout(300)]
ARMS = [0.05 * n for n in range(14)]


def state_frame(stamp_ns: int, first_joint: float) -> bytes:
    """Pack a state by the vendor's layout; see test_relay_qinglong.py."""
    joints = [first_joint] + [0.1] * 13 + [0.0] * 5
    head = struct.pack('<id2h16s2h4f9f', 1042, stamp_ns * 1e-9, *[0] * 2, b'', *[0] * 15)
    body = struct.pack('<19f38f57h57f', *joints, *[0.0] * 38, *[0] * 57, *[0.0] * 57)
    return head + body + struct.pack('<12f84f', *[12.0] * 6, *[60.0] * 6, *[0.0] * 84)


class FakeQinglong:
    """
    Answers to whom it hears, 100 times a second, and keeps the frames it got.

    ``losing`` drops every third state; ``shuffling`` sends each pair of states in reverse order
    and each first one twice; ``silent`` sends nothing; ``ahead_s`` is its clock minus ours.
    """

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 0))
        self.socket.settimeout(0.05)
        self.port = self.socket.getsockname()[1]
        self.heard: list[tuple[float, bytes]] = []
        self.silent = self.losing = self.shuffling = self.babbling = False
        self.ahead_s = 0.0
        self._peer = None
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=target, daemon=True) for target in (self._hear, self._speak)
        ]
        for thread in self._threads:
            thread.start()

    def modes(self, since: float = 0.0) -> list[tuple[int, ...]]:
        return [struct.unpack('<6h', f[:12]) for at, f in list(self.heard) if at >= since]

    def last_command(self) -> tuple[float, bytes] | None:
        """Return the last frame with the arms in joint control, and when it came."""
        commands = [pair for pair in list(self.heard) if pair[1][4:6] == b'\x03\0']
        return commands[-1] if commands else None

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.socket.close()

    def _hear(self) -> None:
        while not self._stop.is_set():
            try:
                frame, self._peer = self.socket.recvfrom(4096)
            except TimeoutError:
                continue
            self.heard.append((time.monotonic(), frame))

    def _speak(self) -> None:
        kept = b''
        tick = 0
        while not self._stop.wait(0.01):
            tick += 1
            if self._peer is None or self.silent:
                continue
            frame = state_frame(time.time_ns() + round(self.ahead_s * 1e9), 1e-3 * (tick % 1000))
            frames = [frame]
            if self.losing and tick % 3 == 0:
                frames = []
            if self.shuffling:
                kept, frames = (frame, []) if not kept else (b'', [frame, kept, frame])
            if self.babbling:
                frames = [frame[:700], b'\xff' * 1042, b'', frame + b'\0', *frames]
            for datagram in frames:
                self.socket.sendto(datagram, self._peer)


@pytest.fixture
def qinglong() -> Iterator[FakeQinglong]:
    robot = FakeQinglong()
    yield robot
    robot.close()


def stamps_of(side) -> list[int]:
    found = [msg.header.stamp for _, msg in list(side.joints)]
    return [stamp.sec * 10**9 + stamp.nanosec for stamp in found]


@pytest.fixture
def relay(qinglong, qinglong_like, start_relay, ros2_side, wait):
    process = start_relay('relay_udp', qinglong_like, host='127.0.0.1', port=qinglong.port)
    wait('a state', lambda: ros2_side.joints)
    return process


def test_states_come_out_and_commands_go_in_with_their_units(relay, qinglong, ros2_side, wait):
    side = ros2_side
    msg = side.joints[-1][1]
    assert list(msg.position[1:]) == pytest.approx([0.1] * 13 + [0.0] * 5, abs=1e-6)  # all 19
    wait('grippers', lambda: side.grippers)
    assert list(side.grippers[-1].position) == [12.0, 60.0]  # degrees, left then right

    with side.commanding(ARMS, [90.0, 45.0]):
        time.sleep(0.3)
        assert set(qinglong.modes()) == {(0, 2, 0, 0, 0, 0)}  # nobody has enabled
        side.enable()
        wait('arms and fingers', lambda: qinglong.modes()[-1] == (1, 2, 3, 3, 0, 0))
        frame = qinglong.last_command()[1]
        assert len(frame) == 184
        assert np.frombuffer(frame[12:68], '<f4') == pytest.approx(ARMS)
        assert np.frombuffer(frame[116:164], '<f4').tolist() == [90.0] * 6 + [45.0] * 6
        started = time.monotonic()
        time.sleep(1.0)
        rate_hz = len(qinglong.modes(started)) / (time.monotonic() - started)
        assert 5 < rate_hz < 60  # of 50; less on a machine at its limit
    stopped = time.monotonic()
    wait('silence', lambda: qinglong.modes()[-1] == (0, 2, 0, 0, 0, 0))
    assert qinglong.last_command()[0] - stopped < 3.0  # max_command_age_s, and a loaded machine
    silent = time.monotonic()

    old = len(side.joints)
    side.command([9.0] * 14)  # beyond every limit
    side.command([0.0] * 13)
    side.command(ARMS, age_s=5.0)
    wait('more states', lambda: len(side.joints) > old + 30)
    assert set(qinglong.modes(silent)) == {(0, 2, 0, 0, 0, 0)}


def test_loss_noise_silence_and_death_move_nothing(relay, qinglong, ros2_side, wait):
    side = ros2_side
    qinglong.losing = qinglong.shuffling = qinglong.babbling = True
    first = len(side.joints)
    wait('states all the same', lambda: len(side.joints) > first + 40)
    stamps = stamps_of(side)
    assert stamps == sorted(set(stamps))
    assert all(abs(msg.position[1] - 0.1) < 1e-6 for _, msg in list(side.joints))
    counted = ('broken', 'late', 'duplicates', 'missing')
    wait('counts', lambda: all(int(side.status.get(name, 0)) > 5 for name in counted))
    qinglong.losing = qinglong.shuffling = qinglong.babbling = False

    with side.commanding(ARMS):
        side.enable()
        wait('a command', qinglong.last_command)
        qinglong.silent = True
        silent = time.monotonic()
        time.sleep(1.0)
        assert side.joints[-1][0] - silent < 0.2
        assert qinglong.last_command()[0] - silent < 0.3
        qinglong.silent = False
        count = len(side.joints)
        wait('states again', lambda: len(side.joints) > count + 5)
        assert qinglong.last_command()[0] - silent < 0.3
        wait('the reason', lambda: 'no state of the robot' in side.health)
        side.enable()
        back = time.monotonic()
        wait('commands again', lambda: qinglong.last_command()[0] > back)
        relay.kill()
        relay.wait()
        killed = time.monotonic()
        time.sleep(0.3)
        assert qinglong.last_command()[0] <= killed
        assert side.joints[-1][0] <= killed + 0.1


def test_a_clock_50_ms_off_is_refused_and_at_the_end_the_arms_are_given_back(
    qinglong, qinglong_like, start_relay, ros2_side, wait
):
    side = ros2_side
    qinglong.ahead_s = 0.05
    relay = start_relay('relay_udp', qinglong_like, host='127.0.0.1', port=qinglong.port)
    wait('a state', lambda: side.joints)
    ok, told = side.switch(True)
    assert not ok
    assert 'clock is off by' in told
    assert max(stamps_of(side)) > time.time_ns() + 20_000_000  # kept as the robot gave them

    qinglong.ahead_s = 0.0
    with side.commanding(ARMS):
        side.enable()
        wait('a command', qinglong.last_command)
        relay.terminate()
        assert relay.wait(timeout=60) == 0
    assert qinglong.modes()[-1] == (0, 2, 0, 0, 0, 0)


def test_a_hand_that_hears_of_commands_more_rarely_than_they_last_is_refused(
    start_relay, qinglong, qinglong_like, capfd
):
    qinglong_like['command_topics']['grippers']['max_rate_hz'] = 5
    refused = start_relay('relay_udp', qinglong_like, host='127.0.0.1', port=qinglong.port)
    assert refused.wait(timeout=90) == NOT_STARTED
    assert '2 commands of /relay/gripper_commands in it, at 5 Hz' in capfd.readouterr().err
