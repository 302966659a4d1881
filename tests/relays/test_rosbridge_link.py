# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A connection that stalls, and one that is not there: neither may store a command."""

import json
import socket
import threading
import time

import pytest
from websockets.sync.server import serve

pytest.importorskip('roslibpy', reason='needs roslibpy, from the extra relay')

from lingbot_policy.relays.ros1_robots import both_sides, QINGLONG
from lingbot_policy.relays.rosbridge import RosbridgeLink

TOPIC = '/kuavo_arm_traj'
COMMAND = {'position': [1.0] * 14, 'name': ['a name of some length'] * 14}


@pytest.fixture
def link():
    lost = threading.Event()
    link = RosbridgeLink([], {TOPIC: 'sensor_msgs/JointState'}, lost.set)
    link.lost = lost
    yield link
    link.stop()


def test_without_a_server_everything_is_dropped_and_nothing_sent_later(link, wait):
    heard: list[dict] = []
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    link.start('127.0.0.1', port)
    assert not any(link.publish(TOPIC, COMMAND) for _ in range(10))
    assert link.dropped == 10
    with pytest.raises(ConnectionError, match='not connected'):
        link.call('/arm_traj_change_mode', {'control_mode': 2}, 0.1)

    def listen(connection) -> None:
        heard.extend(json.loads(text) for text in connection)

    server = serve(listen, '127.0.0.1', port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    wait('a connection', lambda: link.is_connected)
    assert link.publish(TOPIC, {'position': [7.0]})
    wait('the new command', lambda: [m for m in heard if m['op'] == 'publish'])
    assert [m['msg'] for m in heard if m['op'] == 'publish'] == [{'position': [7.0]}]
    assert heard[0]['op'] == 'advertise'
    server.shutdown()


def test_a_server_that_does_not_read_gets_no_backlog(link, wait):
    ends = threading.Event()
    listener = socket.create_server(('127.0.0.1', 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # accepted ones inherit it
    server = serve(lambda _: ends.wait(), sock=listener, max_queue=1, close_timeout=0.2)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    link.start('127.0.0.1', listener.getsockname()[1])
    wait('a connection', lambda: link.is_connected)
    sent = 0
    for _ in range(500):
        sent += link.publish(TOPIC, COMMAND)
        time.sleep(0.001)
    assert link.dropped == 500 - sent
    assert sent * len(json.dumps(COMMAND)) < 65_536  # two small buffers, and no third of ours
    link.abort()
    assert link.lost.wait(5.0)
    assert not link.publish(TOPIC, COMMAND)
    ends.set()
    server.shutdown()


def test_a_qinglongs_grippers_are_two_topics_in_mm_and_one_command():
    stamp = {'secs': 10, 'nsecs': 5}
    older = {'secs': 10, 'nsecs': 1}
    left, right = QINGLONG.heard
    assert (left.topic, left.side) == ('/gripper1_position_mm_upsample', 0)
    found = both_sides(
        {
            1: right.read({'header': {'stamp': older}, 'position': [50.0]}),
            0: left.read({'header': {'stamp': stamp}, 'position': [12.5]}),
        }
    )
    assert found.values.tolist() == [12.5, 50.0]
    assert found.stamp_ns == 10_000_000_001
    told = QINGLONG.told['gripper_commands']
    assert told.topic == '/gripper_action_pub'
    assert told.write([0.0, 50.0], 10_000_000_005)['position'] == [0.0, 50.0]
