# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Diagnostics as REP-107 wants them: 1 Hz on ``/diagnostics``, named "node: component"."""

from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from lingbot_policy.nodes.qos import qos

NAMESPACE = 'namespace'  # tells equal robots on one graph apart: the topic and the name do not
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
Report = tuple[bytes, str, Mapping[str, object]]  # level, message, values


class Diagnostics:
    """
    Publishes what ``report()`` returns, once a second, from a timer of the node.

    :param hardware: name of the robot; it and the node's namespace say which robot is meant.
    """

    def __init__(
        self, node: Node, component: str, hardware: str, report: Callable[[], Report]
    ) -> None:
        self._node = node
        self._name = f'{node.get_name()}: {component}'
        self._hardware = hardware
        self._report = report
        self._publisher = node.create_publisher(
            DiagnosticArray, '/diagnostics', qos('diagnostics')
        )
        self._timer = node.create_timer(1.0, self.publish)

    def publish(self) -> None:
        """Publish the node's state now."""
        level, message, values = self._report()
        status = DiagnosticStatus(
            level=level, name=self._name, message=message, hardware_id=self._hardware
        )
        values = {NAMESPACE: self._node.get_namespace(), **values}
        status.values = [KeyValue(key=k, value=_text(v)) for k, v in values.items()]
        array = DiagnosticArray(status=[status])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)

    def destroy(self) -> None:
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._publisher)


def _text(value: object) -> str:
    return f'{value:.6g}' if isinstance(value, float) else str(value)
