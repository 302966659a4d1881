# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Plays the cameras and joints of a bag on the robot's topics: never its commands."""

from dataclasses import dataclass
import sys
import threading
import time

from rclpy.lifecycle import LifecycleNode

from lingbot_policy.bags.read import open_bag
from lingbot_policy.bags.replay import recorded_robot, streamed_topics
from lingbot_policy.nodes.encode import message_type
from lingbot_policy.nodes.graph import other_publishers
from lingbot_policy.nodes.lifecycle import fail, finish, run, transition
from lingbot_policy.nodes.parameters import declare, param
from lingbot_policy.nodes.qos import qos
from lingbot_policy.robot import load_robot

LATE_S = 0.01
DISCOVERY_S = 1.0  # before it, a robot on the graph may not be seen yet


@dataclass(frozen=True)
class BagPlayerParameters:
    bag: str = param('', 'Bag folder or .mcap file.')
    robot: str = param('', 'Name in robot_configs, or a path; empty: the file in the bag.')
    vendor_namespace: str = param('', "Prefix of the robot's own topics, as in the bag.")
    speed: float = param(1.0, 'Seconds of the bag per second.', bounds=(0.05, 20.0))
    readers_s: float = param(
        10.0, 'Longest wait, in s, for a reader of every topic.', bounds=(0.0, 600.0)
    )
    autostart: bool = param(True, 'Configure and activate at start.')


class BagPlayer(LifecycleNode):
    """
    Publishes the recorded bytes in their order, with the pauses between them; ends with the bag.

    Stamps are those of the recording, so what observes them needs no simulated clock.
    """

    def __init__(self) -> None:
        super().__init__('bag_player')
        self._p = declare(self, BagPlayerParameters)
        self._active = threading.Event()

    @transition
    def on_configure(self, state) -> None:
        p = self._p
        with open_bag(p.bag) as bag:
            held = {topic.name: topic.type for topic in bag.topics}
            robot = load_robot(p.robot) if p.robot else recorded_robot(bag)
        robot = robot.with_vendor_namespace(p.vendor_namespace)
        self._topics = streamed_topics(robot)
        for topic, type_name in self._topics.items():
            if held.get(topic) != type_name:
                raise ValueError(
                    f'{p.bag}: topic {topic}: found {held.get(topic, "no message")}, expected '
                    f'{type_name}. Was it recorded on {robot.name}?'
                )

    @transition
    def on_activate(self, state) -> None:
        self._topic_publishers = {
            topic: self.create_publisher(message_type(type_name), topic, qos('vendor_state'))
            for topic, type_name in self._topics.items()
        }
        self._active.set()
        self._thread = threading.Thread(target=self._work, name='player', daemon=True)
        self._thread.start()
        self.get_logger().info(f'active: {len(self._topics)} topics of {self._p.bag}')

    @transition
    def on_deactivate(self, state) -> None:
        self._active.clear()
        self._thread.join(timeout=5.0)
        for publisher in self._topic_publishers.values():
            self.destroy_publisher(publisher)

    def _work(self) -> None:
        try:
            self._wait_for_readers()
            if others := other_publishers(self, self._topics):
                raise ValueError(f'a robot or a simulation is here: {"; ".join(others)}')
            count = self._play()
        except ValueError as error:
            return fail(self, str(error))
        except Exception as error:
            return fail(self, f'{type(error).__name__}: {error}')
        self.get_logger().info(f'played {count} messages of {self._p.bag}')
        finish()

    def _wait_for_readers(self) -> None:
        started = time.monotonic()
        patience_s = max(DISCOVERY_S, self._p.readers_s)
        publishers = self._topic_publishers.values()
        while self._active.is_set() and (waited_s := time.monotonic() - started) < patience_s:
            if waited_s > DISCOVERY_S and all(p.get_subscription_count() for p in publishers):
                return
            time.sleep(0.02)

    def _play(self) -> int:
        """Publish the messages and return how many; a late one delays the rest: no burst."""
        count, start_ns, started = 0, None, time.monotonic()
        with open_bag(self._p.bag) as bag:
            for message in bag.raw_messages(self._topics):
                if not self._active.is_set():
                    break
                start_ns = message.log_time_ns if start_ns is None else start_ns
                due = started + (message.log_time_ns - start_ns) * 1e-9 / self._p.speed
                wait_s = due - time.monotonic()
                if wait_s > 0:
                    time.sleep(wait_s)
                elif wait_s < -LATE_S:
                    started -= wait_s
                self._topic_publishers[message.topic].publish(bytes(message.cdr))
                count += 1
        return count


def main() -> int:
    return run(BagPlayer)


if __name__ == '__main__':
    sys.exit(main())
