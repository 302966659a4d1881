# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
A robot's cameras and joints on its own topics, at its own rates and sizes, and nothing else.

``python -m benchmarks.sensors realman_rs02 --cameras free``, in a ROS domain of its own, until it
is terminated. Pictures are made beforehand, so that sending one costs little; joints stand still.
"""

import argparse
import heapq
import os
import time

import cv2
import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from lingbot_policy.bringup import environment
from lingbot_policy.nodes.command_thread import ask_for_realtime
from lingbot_policy.nodes.encode import message_type, picture_msg, state_encoders, time_msg
from lingbot_policy.nodes.qos import qos
from lingbot_policy.robot import load_robot, Robot
from lingbot_policy.robot_schema import Camera

NS = 1_000_000_000
PRIORITY = 20  # above all that is measured: sensors are machines of their own
CAMERA_LATENCY_NS = 20_000_000  # exposure and transfer: joints of t_ref are there before it
PICTURES = 4


def pictures(camera: Camera, seed: int) -> list[np.ndarray]:
    """Return pictures (H, W, 3) with the detail and the noise of a room, each another one."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (camera.height // 20, camera.width // 20, 3), np.uint8)
    room = cv2.resize(small, (camera.width, camera.height), interpolation=cv2.INTER_CUBIC)
    noisy = room + rng.normal(0.0, 3.0, (PICTURES, *room.shape))
    return list(np.clip(noisy, 0, 255).astype(np.uint8))


class Sensors(Node):
    """Sends joints and pictures when they are due; ``free`` cameras are out of step."""

    def __init__(self, robot: Robot, cameras: str) -> None:
        super().__init__('sensors', enable_rosout=False)
        self._due = []  # (due, order, period, send)
        begin_ns = time.monotonic_ns()
        self._wall_ns = time.time_ns() - begin_ns
        encoders = state_encoders(robot)
        for key, topic in robot.file.state_topics.items():
            msg = encoders[key].encode(robot.home, time_msg(0))
            self._add(begin_ns, topic, robot.topic(topic.topic), [msg], 0)
        for order, camera in enumerate(robot.cameras.values()):
            sent = [picture_msg(p, camera, time_msg(0)) for p in pictures(camera, order)]
            share = order / len(robot.cameras) if cameras == 'free' else 0.0
            first_ns = begin_ns + round(share * NS / camera.fps)
            self._add(first_ns, camera, robot.topic(camera.topic), sent, CAMERA_LATENCY_NS)

    def send(self) -> None:
        """Wait for what is due next and send it; what is late is sent at once, or skipped."""
        due_ns, order, period_ns, publish = self._due[0]
        wait_ns = due_ns - time.monotonic_ns()
        if wait_ns > 0:
            time.sleep(wait_ns * 1e-9)
        publish(due_ns)
        late = max(0, time.monotonic_ns() - due_ns) // period_ns
        heapq.heapreplace(self._due, (due_ns + (1 + late) * period_ns, order, period_ns, publish))

    def _add(self, first_ns: int, topic, name: str, messages: list, latency_ns: int) -> None:
        publisher = self.create_publisher(message_type(topic.type), name, qos('vendor_state'))
        rate_hz = topic.fps if isinstance(topic, Camera) else topic.rate_hz
        count = 0

        def publish(due_ns: int) -> None:
            nonlocal count
            msg = messages[count % len(messages)]
            count += 1
            if topic.stamp == 'header':
                msg.header.stamp = time_msg(self._wall_ns + due_ns - latency_ns)
            publisher.publish(msg)

        heapq.heappush(self._due, (first_ns, len(self._due), round(NS / rate_hz), publish))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('robot')
    parser.add_argument('--cameras', choices=('together', 'free'), default='together')
    args = parser.parse_args()
    ask_for_realtime(PRIORITY)
    os.environ.update(environment())  # pictures through shared memory, as every node of the line
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Sensors(load_robot(args.robot), args.cameras)
    while True:
        node.send()


if __name__ == '__main__':
    main()
