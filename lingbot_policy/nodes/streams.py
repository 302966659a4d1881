# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Subscriptions to a robot's own topics: decode, push, count what is unreadable."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

from rclpy.node import Node
from rclpy.subscription import Subscription

from lingbot_policy.decode import Converter, image_from_msg, stamp_ns, StateDecoder
from lingbot_policy.nodes.encode import message_type
from lingbot_policy.nodes.qos import qos
from lingbot_policy.robot import Robot

PushImage = Callable[[str, Any, int, int], None]  # camera, image, stamp, arrival
PushState = Callable[[str, Any, Any, int, int], None]  # key, slots, values, stamp, arrival


class RobotStreams:
    """
    Subscribes to a robot's cameras and joints and pushes what arrives.

    A message which cannot be read is counted in :attr:`unreadable` and said, and nothing is
    pushed: the stream goes stale and motion holds.
    """

    def __init__(
        self, node: Node, robot: Robot, push_state: PushState, push_image: PushImage | None
    ) -> None:
        self._node = node
        self._robot = robot
        self._push_state = push_state
        self._push_image = push_image
        self._converter = cv_bridge_converter()
        self._decoders = {key: StateDecoder(robot, key) for key in robot.file.state_topics}
        self.unreadable: Counter[str] = Counter()
        self._subscriptions = [self._subscribe_state(key) for key in robot.file.state_topics]
        if push_image is not None:
            self._subscriptions += [self._subscribe_camera(name) for name in robot.cameras]

    def destroy(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def _subscribe_state(self, key: str) -> Subscription:
        topic = self._robot.file.state_topics[key]
        return self._node.create_subscription(
            message_type(topic.type),
            self._robot.topic(topic.topic),
            partial(self._on_state, key),
            qos('joint_state'),
        )

    def _subscribe_camera(self, name: str) -> Subscription:
        camera = self._robot.cameras[name]
        return self._node.create_subscription(
            message_type(camera.type),
            self._robot.topic(camera.topic),
            partial(self._on_image, name),
            qos('image'),
        )

    def _on_state(self, key: str, msg: Any) -> None:
        try:
            arrival_ns = self._node.get_clock().now().nanoseconds
            stamped = self._robot.file.state_topics[key].stamp == 'header'
            decoder = self._decoders[key]
            values = decoder.decode(msg)
            stamp = stamp_ns(msg) if stamped else arrival_ns
            self._push_state(key, decoder.slots, values, stamp, arrival_ns)
        except ValueError as error:
            self._report(key, error)

    def _on_image(self, name: str, msg: Any) -> None:
        try:
            arrival_ns = self._node.get_clock().now().nanoseconds
            camera = self._robot.cameras[name]
            image = image_from_msg(msg, camera, name, self._converter)
            stamp = stamp_ns(msg) if camera.stamp == 'header' else arrival_ns
            self._push_image(name, image, stamp, arrival_ns)
        except ValueError as error:
            self._report(name, error)

    def _report(self, stream: str, error: ValueError) -> None:
        self.unreadable[stream] += 1
        self._node.get_logger().error(str(error), throttle_duration_sec=2.0)


def cv_bridge_converter() -> Converter | None:
    """Return cv_bridge's conversion to RGB where it is installed, else None."""
    if find_spec('cv_bridge') is None:
        return None
    from cv_bridge import CvBridge, CvBridgeError

    bridge = CvBridge()

    def convert(msg: Any):
        try:
            return bridge.imgmsg_to_cv2(msg, 'rgb8')
        except CvBridgeError as error:
            raise ValueError(f'cv_bridge cannot read {msg.encoding!r}: {error}') from error

    return convert
