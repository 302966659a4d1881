# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The topics of the interlocks: stop button, the robot's own faults, the recorder's heartbeat."""

from collections.abc import Callable
from functools import partial
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
from rclpy.node import Node
from std_msgs.msg import Bool

from lingbot_policy.execution.interlocks import EmergencyStop, Sign
from lingbot_policy.nodes.diagnostics import NAMESPACE
from lingbot_policy.nodes.encode import message_type
from lingbot_policy.nodes.executor_parameters import ChunkExecutorParameters
from lingbot_policy.nodes.qos import qos
from lingbot_policy.robot import Robot
from lingbot_policy.wire import read_field

RECORDING = 'recording'  # what the recorder's diagnostics say of itself while it writes
RECORDER_AGE_S = 3.5  # it says so once a second


class InterlockTopics:
    """
    Subscribes what may stop the arms.

    :param report_fault: called with the topic and what it says, where the robot reports a fault.
    """

    def __init__(
        self,
        node: Node,
        robot: Robot,
        parameters: ChunkExecutorParameters,
        report_fault: Callable[[str, str], None],
    ) -> None:
        self._node = node
        self._robot = robot.name
        self._report_fault = report_fault
        self._stop: EmergencyStop | None = None
        self._recorder: Sign | None = None
        self._subscriptions = [
            node.create_subscription(
                message_type(topic.type),
                robot.topic(topic.topic),
                partial(self._on_fault, key, topic),
                qos('joint_state'),
            )
            for key, topic in robot.file.fault_topics.items()
        ]
        if parameters.estop_topic:
            self._stop = EmergencyStop(parameters.estop_max_age_s)
            self._subscribe(Bool, parameters.estop_topic, self._on_estop, 'joint_state')
        if parameters.needs_recorder:
            self._recorder = Sign('recorder', RECORDER_AGE_S)
            self._subscribe(DiagnosticArray, '/diagnostics', self._on_diagnostics, 'diagnostics')

    def stop_reason(self, now_ns: int) -> str:
        """Return why to stop, latched; '' for nothing."""
        return self._stop.problem(now_ns) if self._stop else ''

    def hold_reason(self, now_ns: int) -> str:
        """Return why to hold as long as it lasts, '' for nothing."""
        return self._recorder.missing(now_ns) if self._recorder else ''

    def destroy(self) -> None:
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _subscribe(self, kind: type, topic: str, callback: Callable, purpose: str) -> None:
        made = self._node.create_subscription(kind, topic, callback, qos(purpose))
        self._subscriptions.append(made)

    def _on_estop(self, msg: Bool) -> None:
        self._stop.heard(msg.data, time.monotonic_ns())

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            if self._is_own_recorder(status) and status.message == RECORDING:
                self._recorder.heard(time.monotonic_ns())

    def _is_own_recorder(self, status: DiagnosticStatus) -> bool:
        """Other robots' recorders speak on the same topic; equal robots differ by namespace."""
        return (
            status.name.startswith('episode_recorder:')
            and status.hardware_id == self._robot
            and (NAMESPACE, self._node.get_namespace())
            in ((pair.key, pair.value) for pair in status.values)
        )

    def _on_fault(self, key: str, topic: Any, msg: Any) -> None:
        try:
            values = np.ravel(read_field(msg, topic.field, f'fault_topics.{key}'))
        except ValueError as error:
            self._report_fault(topic.topic, str(error))
            return
        if (values != topic.healthy).any():
            self._report_fault(topic.topic, f'{topic.field} is {values.tolist()}')
