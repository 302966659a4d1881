# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
A ROS 1 robot on our ROS 2 wire, through rosbridge_server on the robot.

A Kuavo (``link: rosbridge``) goes through it whole; of a Qinglong (``link: udp``) only what its
UDP frames do not carry.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
import sys
import time

from rclpy.lifecycle import LifecycleNode
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage

from lingbot_policy.nodes.diagnostics import Diagnostics, ERROR, OK, Report, WARN
from lingbot_policy.nodes.lifecycle import run, transition
from lingbot_policy.nodes.parameters import declare, param
from lingbot_policy.nodes.qos import qos
from lingbot_policy.nodes.relay_topics import RelayParameters, RelayTopics
from lingbot_policy.relays import kuavo
from lingbot_policy.relays.freshness import ClockOffset, StampOrder
from lingbot_policy.relays.ros1_json import IMAGE_TYPE, picture, Stamped, time_ns, TIME_SERVICE
from lingbot_policy.relays.ros1_robots import both_sides, Heard, ros1_side
from lingbot_policy.relays.rosbridge import RosbridgeLink, Subscription
from lingbot_policy.relays.wire import IMAGE, PairWire, relay_wire

WATCH_S = 0.1


@dataclass(frozen=True)
class RelayRosbridgeParameters:
    port: int = param(9090, 'Port of rosbridge_server.', bounds=(1, 65535))
    call_timeout_s: float = param(2.0, 'Patience with a service, s.', bounds=(0.1, 10.0))


class RelayRosbridge(LifecycleNode):
    """Publishes what rosbridge sends, sends what the executor commands while it is fresh."""

    def __init__(self) -> None:
        super().__init__('relay_rosbridge')
        self._p = declare(self, RelayParameters)
        self._bridge = declare(self, RelayRosbridgeParameters)

    @transition
    def on_configure(self, state) -> None:
        self._robot = self._p.checked_robot()
        self._ros1, self._carried = ros1_side(self._robot)
        for name, camera in self._robot.cameras.items():
            if camera.type != IMAGE:
                raise ValueError(
                    f'{self._robot.path}: cameras.{name}.type: found {camera.type}, '
                    f'expected {IMAGE}'
                )
        self._wire = relay_wire(
            self._robot, self._carried, self._ros1.joints, self._ros1.gripper_unit
        )

    @transition
    def on_activate(self, state) -> None:
        p = self._p
        self._counts: Counter[str] = Counter()
        self._offset = ClockOffset(window=10)
        self._gate = p.gate()
        self._heard_ns = time.monotonic_ns()
        self._orders: dict[str, StampOrder] = {}
        self._sides: dict[int, Stamped] = {}
        self._topics = RelayTopics(
            self,
            self._robot,
            self._wire,
            service=self._ros1.service,
            max_command_age_s=p.max_command_age_s,
            switch=self._switch,
            on_command=self._forward,
        )
        self._images = {
            name: self.create_publisher(
                CompressedImage, self._robot.topic(camera.topic), qos('vendor_state')
            )
            for name, camera in self._robot.cameras.items()
        }
        told = self._ros1.told.items() if self._carried else ()
        self._link = RosbridgeLink(
            [*self._state_subscriptions(), *self._camera_subscriptions()],
            {topic.topic: topic.type for _, topic in told},
            self._on_loss,
        )
        self._link.start(p.host, self._bridge.port)
        self._watch_timer = self.create_timer(WATCH_S, self._watch)
        self._diagnostics = Diagnostics(self, 'link', self._robot.name, self._report)

    @transition
    def on_deactivate(self, state) -> None:
        if self._gate.disable('deactivated'):
            try:
                self._set_arm_mode(kuavo.KEEP_POSE)
            except ValueError as error:
                self.get_logger().error(f'the robot was not told to keep its pose: {error}')
        self._link.stop()
        self._diagnostics.destroy()
        self.destroy_timer(self._watch_timer)
        self._topics.destroy()
        for publisher in self._images.values():
            self.destroy_publisher(publisher)

    def _state_subscriptions(self) -> list[Subscription]:
        return [
            Subscription(
                heard.topic,
                heard.type,
                partial(self._on_state, heard, pair),
                every_ms=round(1000 / pair.rate_hz),
            )
            for heard in self._ros1.heard
            if (pair := getattr(self._wire, heard.pair)) is not None
        ]

    def _camera_subscriptions(self) -> list[Subscription]:
        topics = self._ros1.cameras
        return [
            Subscription(topics[name], IMAGE_TYPE, partial(self._on_image, topics[name], name))
            for name in self._images
        ]

    def _on_state(self, heard: Heard, pair: PairWire, msg: Mapping) -> None:
        try:
            found = heard.read(msg)
        except ValueError as error:
            self._count_broken(heard.topic, error)
            return
        if not self._is_news(heard.topic, found.stamp_ns, pair.rate_hz):
            return
        if heard.side is not None:
            self._sides[heard.side] = found
            if len(self._sides) < 2:
                return
            found = both_sides(self._sides)
        if heard.pair == self._ros1.alive:
            self._gate.heard(time.monotonic_ns())
        self._topics.publish(pair, found.stamp_ns, found.values)

    def _on_image(self, topic: str, name: str, msg: Mapping) -> None:
        try:
            found = picture(msg)
        except ValueError as error:
            self._count_broken(topic, error)
            return
        if not self._is_news(topic, found.stamp_ns, self._robot.cameras[name].fps):
            return
        image = CompressedImage(format=found.format)
        image.header.stamp = Time(nanoseconds=found.stamp_ns).to_msg()
        image.header.frame_id = found.frame_id
        image.data = found.data
        self._images[name].publish(image)

    def _is_news(self, topic: str, stamp_ns: int, rate_hz: float) -> bool:
        if topic not in self._orders:
            forget_ns = round(self._p.silence_s * 1e9)
            self._orders[topic] = StampOrder(round(1e9 / rate_hz), forget_ns)
        now_ns = self._heard_ns = time.monotonic_ns()
        return self._orders[topic].accept(stamp_ns, now_ns)

    def _count_broken(self, topic: str, error: ValueError) -> None:
        self._heard_ns = time.monotonic_ns()
        self._counts['broken'] += 1
        self.get_logger().warning(f'{topic}: {error}', throttle_duration_sec=1.0)

    def _forward(self, key: str) -> None:
        now_ns = time.monotonic_ns()
        if not self._gate.passes(now_ns):
            self._counts['stopped at the gate'] += 1
            return
        positions = self._topics.fresh(key, now_ns)
        if positions is not None:
            told = self._ros1.told[key]
            stamp_ns = self.get_clock().now().nanoseconds
            self._link.publish(told.topic, told.write(positions, stamp_ns))

    def _switch(self, enable: bool) -> None:
        if not enable:
            self._gate.disable('disabled by an operator')
            self._set_arm_mode(kuavo.KEEP_POSE)
            return
        if trouble := self._gate.trouble(time.monotonic_ns()):
            raise ValueError(trouble)
        self._set_arm_mode(kuavo.EXTERNAL_CONTROL)
        self._topics.forget()
        self._gate.enable(time.monotonic_ns())

    def _set_arm_mode(self, mode: int) -> None:
        if not self._ros1.has_arm_mode:
            return
        try:
            response = self._link.call(
                kuavo.ARM_MODE_SERVICE, {'control_mode': mode}, self._bridge.call_timeout_s
            )
        except ConnectionError as error:
            raise ValueError(str(error)) from error
        if not response.get('result'):
            raise ValueError(f'{kuavo.ARM_MODE_SERVICE}: mode {mode} refused: {dict(response)}')

    def _on_loss(self) -> None:
        self._offset.forget()
        self._gate.measured_offset(None)
        if self._gate.disable('the connection to rosbridge was lost'):
            self.get_logger().error('connection lost while commands were enabled')
        else:
            self.get_logger().warning('connection lost', throttle_duration_sec=5.0)

    def _watch(self) -> None:
        """Ask for the robot's time; cut a connection on which nothing comes back."""
        now_ns = time.monotonic_ns()
        if not self._link.is_connected:
            self._heard_ns = now_ns
        elif now_ns - self._heard_ns > self._p.silence_s * 1e9:
            self._counts['silences'] += 1
            self._heard_ns = now_ns
            self._link.abort()
        self._gate.passes(now_ns)
        self._link.ask(TIME_SERVICE, {}, partial(self._on_time, time.time_ns()))

    def _on_time(self, sent_ns: int, response: Mapping | None) -> None:
        received_ns = time.time_ns()
        self._heard_ns = time.monotonic_ns()
        try:
            remote_ns = time_ns(response['time'])
        except (KeyError, TypeError, ValueError):
            self.get_logger().warning(
                f'no answer from {TIME_SERVICE}: start rosapi on the robot',
                throttle_duration_sec=5.0,
            )
            return
        self._offset.add_round_trip(sent_ns, remote_ns, received_ns)
        self._gate.measured_offset(self._offset.offset_ns)

    def _report(self) -> Report:
        link, gate = self._link, self._gate
        values = {
            'connected': link.is_connected,
            'connections': link.connections,
            'commands dropped': link.dropped,
            'clock offset ms': (self._offset.offset_ns or 0) * 1e-6,
            'offset uncertainty ms': (self._offset.uncertainty_ns or 0) * 1e-6,
            **self._counts,
        }
        for topic, order in self._orders.items():
            values |= {f'{topic} {name}': count for name, count in order.counts.items()}
        values['commands refused'] = self._topics.refused
        if not link.is_connected:
            return ERROR, f'not connected to {self._p.host}:{self._bridge.port}', values
        if not self._carried:
            return OK, 'cameras only', values
        if trouble := gate.trouble(time.monotonic_ns()):
            return ERROR, trouble, values
        if gate.closed_because:
            return WARN, f'no commands pass: {gate.closed_because}', values
        return OK, 'commands pass', values


def main() -> int:
    return run(RelayRosbridge)


if __name__ == '__main__':
    sys.exit(main())
