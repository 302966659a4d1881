# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The rosbridge relay as a process, between real DDS and a server on a real websocket."""

import base64
from collections import Counter
from collections.abc import Iterator
import json
import math
import threading
import time

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

pytest.importorskip('roslibpy', reason='needs roslibpy, from the extra relay')
pytestmark = [pytest.mark.ros, pytest.mark.timeout(300)]
ARMS = [math.pi / 6, -math.pi / 4, 0.1] + [0.0] * 4 + [0.2] * 6 + [math.pi / 3]
DEGREES = [30.0, -45.0, 5.729577951308232] + [0.0] * 4 + [11.459155902616466] * 6 + [60.0]
JPEG = b'\xff\xd8' + bytes(range(256)) + b'\xff\xd9'


def ros1_time(ns: int) -> dict:
    return {'secs': ns // 10**9, 'nsecs': ns % 10**9}


class FakeRosbridge:
    """
    rosbridge protocol 2 with what a Kuavo has: states at 100 Hz, claws, cameras, two services.

    ``silent`` sends no states; ``frozen`` neither reads nor answers anything; ``shuffling`` sends
    each pair of states in reverse order and each first one twice; ``ahead_s`` is its clock minus
    ours.
    """

    def __init__(self) -> None:
        self.published: list[tuple[float, str, dict]] = []
        self.modes: list[int] = []
        self.advertised: dict[str, str] = {}
        self.subscribed: dict[str, dict] = {}
        self.counts: Counter[str] = Counter()
        self.silent = self.frozen = self.shuffling = False
        self.ahead_s = 0.0
        self._connections: list = []
        self._server = None
        self.start(0)

    def start(self, port: int) -> None:
        self._server = serve(self._serve, '127.0.0.1', port, compression=None, close_timeout=0.2)
        self.port = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def kill(self) -> None:
        """End the server as a crash would: no close frame."""
        self._server.shutdown()
        for connection in self._connections:
            connection.socket.close()
        self._connections.clear()

    def commands(self, topic: str = '/kuavo_arm_traj', since: float = 0.0) -> list[dict]:
        return [m for at, t, m in list(self.published) if t == topic and at >= since]

    def _serve(self, connection) -> None:
        self.counts['connections'] += 1
        self._connections.append(connection)
        stop = threading.Event()
        speaker = threading.Thread(target=self._speak, args=(connection, stop), daemon=True)
        speaker.start()
        try:
            for text in connection:
                while self.frozen:
                    time.sleep(0.01)
                self._hear(connection, json.loads(text))
        except (ConnectionClosed, OSError):
            pass
        finally:
            stop.set()
            speaker.join()

    def _hear(self, connection, message: dict) -> None:
        match message['op']:
            case 'publish':
                self.published.append((time.monotonic(), message['topic'], message['msg']))
            case 'advertise':
                self.advertised[message['topic']] = message['type']
            case 'subscribe':
                self.subscribed[message['topic']] = message
            case 'call_service':
                connection.send(json.dumps(self._answer(message)))

    def _answer(self, message: dict) -> dict:
        values, result = {}, True
        if message['service'] == '/rosapi/get_time':
            values = {'time': ros1_time(self._now_ns())}
        elif message['service'] == '/arm_traj_change_mode':
            self.modes.append(message['args']['control_mode'])
            values = {'result': True, 'mode': self.modes[-1], 'message': ''}
        else:
            result = False
        answer = {'op': 'service_response', 'id': message['id'], 'service': message['service']}
        return {**answer, 'values': values, 'result': result}

    def _now_ns(self) -> int:
        return time.time_ns() + round(self.ahead_s * 1e9)

    def _speak(self, connection, stop: threading.Event) -> None:
        kept = None
        tick = 0
        while not stop.wait(0.01):
            tick += 1
            if self.frozen or self.silent:
                continue
            header = {'seq': tick, 'stamp': ros1_time(self._now_ns()), 'frame_id': 'cam'}
            joint_q = [9.0] * 12 + [1e-4 * (tick % 10000)] + [0.1] * 6 + [0.2] * 7 + [8.0] * 2
            sensors = {'header': header, 'joint_data': {'joint_q': joint_q}}
            states = [sensors]
            if self.shuffling:
                kept, states = (sensors, []) if kept is None else (None, [sensors, kept, sensors])
                states.append({'header': header, 'joint_data': {'joint_q': [None] * 28}})
            messages = [('/sensors_data_raw', state) for state in states]
            if tick % 5 == 0:
                names = ['right_claw', 'left_claw']
                claws = {'header': header, 'data': {'name': names, 'position': [25.0, 75.0]}}
                image = {'header': header, 'format': 'jpeg'}
                image['data'] = base64.b64encode(JPEG).decode()
                messages.append(('/leju_claw_state', claws))
                messages += [(f'/cam_{c}/color/image_raw/compressed', image) for c in 'hlr']
            try:
                for topic, msg in messages:
                    if topic in self.subscribed:
                        publish = {'op': 'publish', 'topic': topic, 'msg': msg}
                        connection.send(json.dumps(publish))
            except (ConnectionClosed, OSError):
                return


@pytest.fixture
def kuavo() -> Iterator[FakeRosbridge]:
    robot = FakeRosbridge()
    yield robot
    robot.frozen = False
    robot.kill()


@pytest.fixture
def relay(kuavo, kuavo_like, start_relay, ros2_side, wait):
    process = start_relay('relay_rosbridge', kuavo_like, host='127.0.0.1', port=kuavo.port)
    wait('a state', lambda: ros2_side.joints)
    return process


def stamps_of(side) -> list[int]:
    found = [msg.header.stamp for _, msg in list(side.joints)]
    return [stamp.sec * 10**9 + stamp.nanosec for stamp in found]


def test_states_images_and_commands_keep_their_meaning(relay, kuavo, ros2_side, wait):
    side = ros2_side
    msg = side.joints[-1][1]
    assert list(msg.name) == [f'{s}_{n}' for s in ('left', 'right') for n in range(1, 8)]
    assert list(msg.position[1:]) == [0.1] * 6 + [0.2] * 7
    assert abs(time.time_ns() - stamps_of(side)[-1]) < 2e9
    wait('claws', lambda: side.grippers)
    assert list(side.grippers[-1].position) == [75.0, 25.0]  # left, right; percent
    for name, images in side.images.items():
        image = wait(f'an image of {name}', lambda images=images: images)[0]
        assert (bytes(image.data), image.format, image.header.frame_id) == (JPEG, 'jpeg', 'cam')
    assert kuavo.subscribed['/sensors_data_raw']['throttle_rate'] == 10  # ms: 100 Hz in the file
    assert kuavo.advertised == {
        '/kuavo_arm_traj': 'sensor_msgs/JointState',
        '/leju_claw_command': 'kuavo_msgs/lejuClawCommand',
    }

    with side.commanding(ARMS, [100.0, 0.0]):
        time.sleep(0.3)
        assert not kuavo.published  # nobody has enabled
        side.enable()
        assert kuavo.modes == [2]
        wait('arm commands', lambda: len(kuavo.commands()) > 10)
        assert kuavo.commands()[-1]['position'] == pytest.approx(DEGREES)
        assert kuavo.commands()[-1]['name'][13] == 'arm_joint_14'
        wait('claw commands', lambda: kuavo.commands('/leju_claw_command'))
        assert kuavo.commands('/leju_claw_command')[-1]['data']['position'] == [100.0, 0.0]
    ok, _ = side.switch(False)
    assert ok
    assert kuavo.modes == [2, 0]
    stopped = time.monotonic()
    side.command(ARMS)
    time.sleep(0.3)
    assert not kuavo.commands(since=stopped)
    wait('the offset', lambda: abs(float(side.status['clock offset ms'])) < 5)


def test_reordering_silence_and_a_frozen_host_move_nothing(relay, kuavo, ros2_side, wait):
    side = ros2_side
    kuavo.shuffling = True
    first = len(side.joints)
    wait('states all the same', lambda: len(side.joints) > first + 40)
    kuavo.shuffling = False
    stamps = stamps_of(side)
    assert stamps == sorted(set(stamps))
    wait('counts', lambda: int(side.status.get('/sensors_data_raw late', 0)) > 5)
    assert int(side.status['/sensors_data_raw duplicates']) > 5
    assert int(side.status['broken']) > 5

    with side.commanding(ARMS, rate_hz=100):
        side.enable()
        wait('a command', kuavo.commands)
        kuavo.silent = True
        silent = time.monotonic()
        time.sleep(0.9)
        assert side.joints[-1][0] - silent < 0.2
        assert not kuavo.commands(since=silent + 0.3)  # max_command_age_s, and a loaded machine
        assert kuavo.counts['connections'] == 1  # only the robot's controller was silent
        kuavo.silent = False
        time.sleep(0.5)
        assert not kuavo.commands(since=silent + 0.3)

        side.enable()
        wait('a command', lambda: kuavo.commands(since=silent + 1.0))
        kuavo.frozen = True
        frozen = time.monotonic()
        time.sleep(1.5)
        kuavo.frozen = False
        wait('a new connection', lambda: kuavo.counts['connections'] == 2)
        time.sleep(0.5)
        # What had left before the silence was noticed: 0.1 s of 100 Hz, and a loaded machine.
        assert len(kuavo.commands(since=frozen)) < 40
        assert not kuavo.commands(since=frozen + 2.5)
        assert not side.health.startswith('commands pass')


def test_a_killed_server_is_found_again_and_no_old_command_is_sent(relay, kuavo, ros2_side, wait):
    side = ros2_side
    with side.commanding(ARMS):
        side.enable()
        wait('a command', kuavo.commands)
        kuavo.kill()
        killed = time.monotonic()
        wait('the loss', lambda: side.health.startswith('not connected'))
        time.sleep(0.3)
        assert side.joints[-1][0] - killed < 0.2
        kuavo.subscribed.clear()
        kuavo.start(kuavo.port)
        wait('states again', lambda: side.joints[-1][0] > killed + 0.5)
        time.sleep(0.5)
        assert not kuavo.commands(since=killed + 0.1)
        assert len(kuavo.subscribed) == 5
        wait('the count', lambda: side.status.get('connections') == '2')
        side.enable()
        wait('commands again', lambda: kuavo.commands(since=killed + 0.1))

    kuavo.ahead_s = 0.05
    wait('the clock', lambda: "robot's clock is off" in side.health)
    ok, told = side.switch(True)
    assert not ok
    assert "robot's clock is off" in told
    kuavo.ahead_s = 0.0
    side.enable()
    relay.terminate()
    assert relay.wait(timeout=60) == 0
    assert kuavo.modes[-1] == 0  # the arms keep their pose
