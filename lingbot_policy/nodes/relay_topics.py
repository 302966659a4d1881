# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What both relays have: parameters, a gate, and the ROS 2 side with its enabling service."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
import time

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.time import Time
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool

from lingbot_policy.decode import stamp_ns
from lingbot_policy.nodes.parameters import param
from lingbot_policy.nodes.qos import qos
from lingbot_policy.relays.commands import CommandSlot, LinkGate
from lingbot_policy.relays.wire import PairWire, RelayWire
from lingbot_policy.robot import load_robot, Robot


@dataclass(frozen=True)
class RelayParameters:
    robot: str = param('', 'Name of a file in robot_configs without .yaml, or a path.')
    vendor_namespace: str = param('', "Prefix of the robot's own topics.")
    host: str = param('', "Address of the robot's own computer.")
    max_command_age_s: float = param(
        0.1, 'Oldest command passed on, and oldest state to pass it on, s.', bounds=(0.01, 1.0)
    )
    silence_s: float = param(
        0.5, 'Silence after which the link counts as lost, s.', bounds=(0.05, 5.0)
    )
    max_offset_s: float = param(
        0.02, "Largest offset of the robot's clock, s.", bounds=(0.001, 1.0)
    )
    autostart: bool = param(True, 'Configure and activate at start.')

    def checked_robot(self) -> Robot:
        """
        Return the robot, in the vendor's namespace.

        :raises ValueError: a file that is not sound, or no host to reach it.
        """
        robot = load_robot(self.robot).with_vendor_namespace(self.vendor_namespace)
        if not self.host:
            raise ValueError("parameter host: found '', expected the robot's address")
        return robot

    def gate(self) -> LinkGate:
        """Return a gate for commands, closed."""
        return LinkGate(
            pause_ns=round(self.max_command_age_s * 1e9),
            silence_ns=round(self.silence_s * 1e9),
            max_offset_ns=round(self.max_offset_s * 1e9),
        )


class RelayTopics:
    """
    Publishers, subscriptions and the enabling service of an active relay.

    ``on_command`` is called with 'joint_commands' or 'gripper_commands' when one came; ``switch``
    with the operator's wish, and raises ValueError where it cannot be done.
    """

    def __init__(
        self,
        node: LifecycleNode,
        robot: Robot,
        wire: RelayWire,
        *,
        service: str,
        max_command_age_s: float,
        switch: Callable[[bool], None],
        on_command: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._node, self._switch = node, switch
        self._on_command = on_command
        max_age_ns = round(max_command_age_s * 1e9)
        pairs = {key: pair for key, pair in vars(wire).items() if pair is not None}
        self._states = {
            pair.topic: node.create_publisher(JointState, pair.topic, qos('vendor_state'))
            for key, pair in pairs.items()
            if key.endswith('_states')
        }
        self._slots = {
            key: CommandSlot(pair, max_age_ns)
            for key, pair in pairs.items()
            if key.endswith('_commands')
        }
        self._subscriptions = [
            node.create_subscription(
                JointState, pairs[key].topic, partial(self._receive, key), qos('command')
            )
            for key in self._slots
        ]
        self._service = node.create_service(SetBool, robot.topic(service), self._on_enable)

    def publish(self, pair: PairWire, stamp: int, vendor: np.ndarray) -> None:
        """Publish what the file wants of the vendor's values, with the robot's stamp in ns."""
        taken = vendor if pair.taken is None else vendor[pair.taken]
        msg = JointState(name=list(pair.names), position=taken.tolist())
        msg.header.stamp = Time(nanoseconds=stamp).to_msg()
        self._states[pair.topic].publish(msg)

    def fresh(self, key: str, now_ns: int) -> np.ndarray | None:
        """Return the newest command in our unit, or None where there is none young enough."""
        return self._slots[key].fresh(now_ns) if key in self._slots else None

    def forget(self) -> None:
        """Drop all commands."""
        for slot in self._slots.values():
            slot.forget()

    @property
    def refused(self) -> int:
        return sum(slot.counts['refused'] for slot in self._slots.values())

    def destroy(self) -> None:
        self._node.destroy_service(self._service)
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        for publisher in self._states.values():
            self._node.destroy_publisher(publisher)

    def _receive(self, key: str, msg: JointState) -> None:
        stamp = stamp_ns(msg)
        age_ns = self._node.get_clock().now().nanoseconds - stamp if stamp else 0
        fault = self._slots[key].accept(msg.name, msg.position, age_ns, time.monotonic_ns())
        if fault:
            self._node.get_logger().warning(f'refused: {fault}', throttle_duration_sec=1.0)
        else:
            self._on_command(key)

    def _on_enable(self, request, response) -> SetBool.Response:
        wish = 'enable' if request.data else 'disable'
        try:
            self._switch(request.data)
        except ValueError as error:
            response.message = f'{wish}: {error}'
            self._node.get_logger().error(response.message)
        else:
            response.success, response.message = True, f'{wish}d'
            self._node.get_logger().info(f'commands are {response.message}')
        return response
