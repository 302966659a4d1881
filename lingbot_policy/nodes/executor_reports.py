# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What the chunk executor tells of its execution: every command, the plan, changes of state."""

from collections import Counter
from collections.abc import Mapping
import threading

from builtin_interfaces.msg import Time
from lingbot_msgs.msg import CommittedPlan, ExecutedCommand, SafetyEvent
from rclpy.duration import Duration
from rclpy.node import Node

from lingbot_policy.chunk import RejectedChunk
from lingbot_policy.execution.executor import Execution, Mode, Tick
from lingbot_policy.nodes.command_thread import CommandThread
from lingbot_policy.nodes.diagnostics import OK, Report, WARN
from lingbot_policy.nodes.executor_messages import (
    event_msg,
    executed_msg,
    execution_values,
    plan_msg,
    SEVERITY,
    thread_values,
)
from lingbot_policy.nodes.qos import qos
from lingbot_policy.safety.gate import Decision, MeasuredState, Reaction

ACKNOWLEDGED = Duration(seconds=0.5)  # what the last event may wait for its readers
CLAMP_SAID_EVERY_NS = 1_000_000_000


class ExecutorReports:
    """
    Publishes `executed_command`, `committed_plan` and `safety_events`, and counts for diagnostics.

    :meth:`commanded` and :meth:`say` are for the thread which commands, without ``lock``.

    :param lock: held by whoever calls ``execution``; it is taken here for the plan alone.
    """

    def __init__(self, node: Node, execution: Execution, lock: threading.Lock) -> None:
        self._node, self._execution, self._lock = node, execution, lock
        self._rejected: Counter[str] = Counter()
        self._reactions: Counter[str] = Counter()
        self._said: tuple[Mode | None, str] = (None, '')
        self._clamps = 0
        self._clamp_said_ns = 0
        self._executed = node.create_publisher(
            ExecutedCommand, 'executed_command', qos('executed_command')
        )
        self._plan = node.create_publisher(CommittedPlan, 'committed_plan', qos('committed_plan'))
        self._events = node.create_publisher(SafetyEvent, 'safety_events', qos('safety_events'))

    def commanded(self, tick: Tick, measured: MeasuredState, stamp: Time) -> None:
        """Publish a tick's command, and count what the gate made of it."""
        joints = self._execution.robot.joints
        self._executed.publish(executed_msg(tick, measured, joints, stamp))
        self._reactions[tick.decision.reaction] += 1

    def rejected(self, sequence: int, rejection: RejectedChunk) -> None:
        """Count a rejected chunk, and log it unless a sound policy server sends such, too."""
        self._rejected[rejection.reason] += 1
        self._execution.cadence.rejected(rejection.reason)
        if rejection.reason not in ('disarmed', 'busy'):
            self._node.get_logger().warning(
                f'chunk {sequence} rejected: {rejection}', throttle_duration_sec=1.0
            )

    def plan(self) -> None:
        """Publish the plan in force."""
        with self._lock:  # until it is sent: another thread's may not overtake it
            self._plan.publish(plan_msg(self._execution))

    def say(self, tick: Tick | None, now_ns: int) -> None:
        """Publish every change of state, and clamps at most once a second."""
        decision = tick.decision if tick else None
        if decision and decision.reaction is Reaction.CLAMP:
            self._clamps += 1
            if now_ns - self._clamp_said_ns > CLAMP_SAID_EVERY_NS:
                self._clamp_said_ns = now_ns
                self._event(SafetyEvent.WARN, decision.reaction, decision.reason, decision)
        mode = self._execution.mode
        held_for = '' if mode is Mode.MOVING or not decision else decision.reason.partition(':')[0]
        if (mode, held_for) == self._said:
            return
        before = self._said[0]
        self._said = (mode, held_for)
        reaction = decision.reaction if mode is not Mode.MOVING and decision else mode
        reason = (decision.reason if held_for else '') or self._execution.reason
        self._event(SEVERITY[mode], reaction, reason)
        if mode is not before:
            text = f'{before or "new"} -> {mode}: {reason or "a chunk covers now"}'
            self._node.get_logger().info(text)
            self.plan()

    def wait_until_read(self) -> None:
        """Give the last event time to reach its readers, before the node ends."""
        self._events.wait_for_all_acked(ACKNOWLEDGED)

    def diagnostics(self, thread: CommandThread, unreadable: Mapping[str, int]) -> Report:
        """Return the state and every figure; ``unreadable`` counts messages by topic."""
        execution = self._execution
        values = execution_values(execution) | thread_values(thread) | {'clamps': self._clamps}
        values |= {f'rejected {reason}': n for reason, n in self._rejected.items()}
        values |= {f'ticks {reaction}': n for reaction, n in dict(self._reactions).items()}
        values |= {f'gate {word}': n for word, n in dict(execution.gate.counts).items()}
        values |= {f'unreadable {k}': v for k, v in unreadable.items()}
        level = OK if execution.mode in (Mode.MOVING, Mode.DISARMED) else WARN
        return level, f'{execution.mode}: {execution.reason}', values

    def destroy(self) -> None:
        for publisher in (self._executed, self._plan, self._events):
            self._node.destroy_publisher(publisher)

    def _event(
        self, severity: int, reaction: str, reason: str, decision: Decision | None = None
    ) -> None:
        stamp = self._node.get_clock().now().to_msg()
        mode = self._execution.mode
        self._events.publish(event_msg(mode, severity, reaction, reason, decision, stamp))
