# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Accepts chunks on message and commands the robot from a thread of its own, through the gate."""

from collections import Counter
from dataclasses import dataclass
import math
import sys
import threading
import time

from lingbot_msgs.msg import ActionChunk as ActionChunkMsg
from lingbot_msgs.msg import CommittedPlan, ExecutedCommand, SafetyEvent
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import String
from std_srvs.srv import Trigger

from lingbot_policy.chunk import RejectedChunk
from lingbot_policy.confirmations import require_confirmed
from lingbot_policy.contract import parse_contract
from lingbot_policy.decode import chunk_from_msg
from lingbot_policy.execution import Execution, ExecutionLimits, Mode, Tick
from lingbot_policy.nodes.command_thread import ask_for_realtime, CommandThread
from lingbot_policy.nodes.command_topics import CommandTopics
from lingbot_policy.nodes.diagnostics import Diagnostics, OK, WARN
from lingbot_policy.nodes.encode import command_encoders, time_msg
from lingbot_policy.nodes.graph import require_simulated
from lingbot_policy.nodes.lifecycle import fail, run, transition
from lingbot_policy.nodes.parameters import declare, param
from lingbot_policy.nodes.qos import qos
from lingbot_policy.nodes.streams import RobotStreams
from lingbot_policy.observation import ClockStepped, ClockWatch
from lingbot_policy.robot import load_robot
from lingbot_policy.safety import Decision, Reaction

ACKNOWLEDGED = Duration(seconds=0.5)  # what the last event may wait for its readers
_SEVERITY = {
    Mode.DISARMED: SafetyEvent.INFO,
    Mode.MOVING: SafetyEvent.INFO,
    Mode.HOLDING: SafetyEvent.WARN,
    Mode.STOPPED: SafetyEvent.ERROR,
}


@dataclass(frozen=True)
class ChunkExecutorParameters:
    robot: str = param('', 'Name of a file in robot_configs without .yaml, or a path.')
    vendor_namespace: str = param('', "Prefix of the robot's own topics, empty on hardware.")
    simulation: bool = param(False, 'The robot is simulated: its arming steps are not asked for.')
    operator_confirms: bool = param(False, "An operator has done the robot file's arming steps.")
    serial: str = param(
        '', 'Serial number of this robot, under which it was confirmed by jogging.'
    )
    mode: str = param('replace', 'How chunks follow each other.', choices=('replace', 'sync'))
    speed: float = param(1.0, 'Share of the predicted speed.', bounds=(0.01, 1.0))
    max_state_age_s: float = param(0.2, 'Oldest joint state in motion, s.', bounds=(0.01, 2.0))
    deadman_s: float = param(1.5, 'Hold after so long without a chunk, s.', bounds=(0.05, 10.0))
    soft_start_s: float = param(0.5, 'Time of the soft start, s.', bounds=(0.05, 10.0))
    resume_window_s: float = param(5.0, 'Longest hold before disarming, s.', bounds=(0.1, 60.0))
    autostart: bool = param(True, 'Configure and activate at start.')


class ChunkExecutor(LifecycleNode):
    """Subscribes chunks, contract, joints, `stop`; publishes commands and what became of them."""

    def __init__(self) -> None:
        super().__init__('chunk_executor')
        self._p = declare(self, ChunkExecutorParameters)
        self._lock = threading.Lock()
        self._rejected: Counter[str] = Counter()
        self._reactions: Counter[str] = Counter()
        self._said: tuple[Mode | None, str] = (None, '')
        self._stopped_for_other = ''
        self._clamps = 0
        self._clamp_said_ns = 0

    @transition
    def on_configure(self, state) -> None:
        p = self._p
        self._robot = load_robot(p.robot).with_vendor_namespace(p.vendor_namespace)
        self._encoders = command_encoders(self._robot)
        limits = ExecutionLimits(p.max_state_age_s, p.deadman_s, p.soft_start_s, p.resume_window_s)
        self._execution = Execution(self._robot, limits, p.mode)
        self._execution.chunks.speed = self._execution.chunks.asked_speed = p.speed
        self._executed = self.create_publisher(
            ExecutedCommand, 'executed_command', qos('executed_command')
        )
        self._plan = self.create_publisher(CommittedPlan, 'committed_plan', qos('committed_plan'))
        self._events = self.create_publisher(SafetyEvent, 'safety_events', qos('safety_events'))

    @transition
    def on_activate(self, state) -> None:
        self._clock_watch = ClockWatch()
        self._commands = CommandTopics(self, self._robot, self._encoders, self._on_other)
        self._streams = RobotStreams(self, self._robot, self._on_state, None)
        self._own_subscriptions = [
            self.create_subscription(
                ActionChunkMsg, 'action_chunk', self._on_chunk, qos('action_chunk')
            ),
            self.create_subscription(
                String, 'policy_contract', self._on_contract, qos('policy_contract')
            ),
            self.create_subscription(String, 'stop', self._on_stop, qos('stop')),
        ]
        self._own_services = [
            self.create_service(Trigger, '~/arm', self._on_arm),
            self.create_service(Trigger, '~/disarm', self._on_disarm),
            self.create_service(Trigger, '~/stop', self._on_stop_service),
            self.create_service(Trigger, '~/clear_stop', self._on_clear_stop),
        ]
        self._diagnostics = Diagnostics(self, 'commands', self._robot.name, self._report)
        self._thread = CommandThread(self._robot.file.command_rate_hz, self._tick, self._on_fault)
        self._thread.start()
        self.get_logger().info(f'active at {self._robot.file.command_rate_hz:g} Hz, disarmed')

    @transition
    def on_deactivate(self, state) -> None:
        self._brake_and_disarm('deactivated')
        self._thread.stop()
        self._say(None, self._execution.mode, time.monotonic_ns())  # no tick may have said it
        self._events.wait_for_all_acked(ACKNOWLEDGED)
        self._streams.destroy()
        for subscription in self._own_subscriptions:
            self.destroy_subscription(subscription)
        for service in self._own_services:
            self.destroy_service(service)
        self._diagnostics.destroy()
        self._commands.destroy()

    @transition
    def on_cleanup(self, state) -> None:
        for publisher in (self._executed, self._plan, self._events):
            self.destroy_publisher(publisher)

    def _on_state(self, key: str, slots, values, stamp_ns: int, arrival_ns: int) -> None:
        with self._lock:
            self._execution.measure(slots, values, time.monotonic_ns())

    def _on_chunk(self, msg: ActionChunkMsg) -> None:
        try:
            chunk = chunk_from_msg(msg, self._robot)
            with self._lock:
                self._execution.accept(chunk, self._ros_ns(), time.monotonic_ns())
        except RejectedChunk as rejection:
            self._rejected[rejection.reason] += 1
            if rejection.reason not in ('disarmed', 'busy'):
                self.get_logger().warning(
                    f'chunk {msg.sequence} rejected: {rejection}', throttle_duration_sec=1.0
                )
            return
        self._publish_plan()

    def _on_contract(self, msg: String) -> None:
        try:
            contract = parse_contract(msg.data, 'policy_contract')
            contract.require(self._robot)
        except ValueError as error:
            with self._lock:
                self._execution.leave(str(error))
            self.get_logger().error(str(error))
            return
        with self._lock:
            self._execution.expect(contract.digest)

    def _on_stop(self, msg: String) -> None:
        with self._lock:
            self._execution.stop(f'stop: {msg.data or "asked for"}')

    def _on_other(self, text: str) -> None:
        """Stop while armed, at once; once the other is named, the stop says so."""
        with self._lock:
            gate = self._execution.gate
            is_armed = self._execution.mode in (Mode.HOLDING, Mode.MOVING)
            if gate.stop_reason and gate.stop_reason == self._stopped_for_other:
                gate.clear_stop()
            elif not is_armed:
                return
            self._stopped_for_other = text
            self._execution.stop(text)

    def _on_arm(self, request, response) -> Trigger.Response:
        return self._answer(response, self._arm, 'armed')

    def _on_disarm(self, request, response) -> Trigger.Response:
        return self._answer(response, lambda: self._brake_and_disarm('asked for'), 'disarmed')

    def _on_stop_service(self, request, response) -> Trigger.Response:
        return self._answer(response, lambda: self._execution_stop('~/stop'), 'stopped')

    def _on_clear_stop(self, request, response) -> Trigger.Response:
        return self._answer(response, self._clear_stop, 'stop cleared; disarmed')

    def _answer(self, response, act, message: str) -> Trigger.Response:
        try:
            act()
            response.success, response.message = True, message
        except ValueError as error:
            response.success, response.message = False, str(error)
        self.get_logger().info(response.message)
        return response

    def _arm(self) -> None:
        p = self._p
        if p.simulation:
            require_simulated(self, self._robot)
        else:
            require_confirmed(self._robot, p.serial, p.operator_confirms)
        if others := self._commands.others():
            raise ValueError(f'others publish commands: {"; ".join(others)}. Stop them first')
        with self._lock:
            self._execution.arm(time.monotonic_ns())

    def _execution_stop(self, reason: str) -> None:
        with self._lock:
            self._execution.stop(reason)

    def _clear_stop(self) -> None:
        with self._lock:
            self._execution.clear_stop(time.monotonic_ns())

    def _brake_and_disarm(self, reason: str) -> None:
        """Let the command thread brake along the acceleration limit, then fall silent."""
        with self._lock:
            self._execution.wind_down()
        deadline = time.monotonic() + 1.0
        while not self._execution.is_at_rest and time.monotonic() < deadline:
            time.sleep(0.005)
        with self._lock:
            self._execution.disarm(reason)

    def _tick(self, now_ns: int) -> None:
        ros_ns = self._ros_ns()
        with self._lock:
            try:
                self._clock_watch.check(ros_ns, now_ns)
            except ClockStepped as error:
                self._execution.hold(str(error))
            before = self._execution.mode
            tick = self._execution.tick(ros_ns, now_ns)
            state = self._execution.state
        if tick is not None:
            stamp = time_msg(ros_ns)
            self._commands.publish(tick.decision.positions, stamp)
            self._executed.publish(self._executed_msg(tick, state, stamp))
            self._reactions[tick.decision.reaction] += 1
        self._say(tick, before, now_ns)

    def _executed_msg(self, tick: Tick, state, stamp) -> ExecutedCommand:
        planned, decision = tick.planned, tick.decision
        msg = ExecutedCommand(
            joint_names=list(self._robot.joints),
            positions=decision.positions.tolist(),
            measured=state.positions.tolist(),
            chunk_sequence=planned.sequence if planned else 0,
            chunk_step=float(planned.step) if planned else -1.0,
            source=tick.source,
            gate_state=str(decision.reaction),
            reason=decision.reason,
        )
        msg.header.stamp = stamp
        return msg

    def _say(self, tick: Tick | None, before: Mode, now_ns: int) -> None:
        """Publish every change of state, and clamps at most once a second."""
        decision = tick.decision if tick else None
        if decision and decision.reaction is Reaction.CLAMP:
            self._clamps += 1
            if now_ns - self._clamp_said_ns > 1_000_000_000:
                self._clamp_said_ns = now_ns
                self._publish_event(SafetyEvent.WARN, decision.reaction, decision.reason, decision)
        mode = self._execution.mode
        held_for = '' if mode is Mode.MOVING or not decision else decision.reason.partition(':')[0]
        if (mode, held_for) == self._said:
            return
        self._said = (mode, held_for)
        reaction = decision.reaction if mode is not Mode.MOVING and decision else mode
        reason = (decision.reason if held_for else '') or self._execution.reason
        self._publish_event(_SEVERITY[mode], reaction, reason)
        if mode is not before:
            self.get_logger().info(f'{before} -> {mode}: {reason or "a chunk covers now"}')
            self._publish_plan()

    def _publish_event(
        self, severity: int, reaction: str, reason: str, decision: Decision | None = None
    ) -> None:
        msg = SafetyEvent(
            severity=severity,
            source='chunk_executor',
            state=str(self._execution.mode),
            reaction=str(reaction),
            reason=reason,
            joint=decision.joint if decision else '',
            value=decision.value if decision else math.nan,
            limit=decision.limit if decision else math.nan,
        )
        msg.header.stamp = self.get_clock().now().to_msg()
        self._events.publish(msg)

    def _publish_plan(self) -> None:
        with self._lock:
            plan = self._execution.chunks.remaining()
            now = self._execution.chunks.due()
            rate_hz, speed = self._execution.chunks.rate_hz, self._execution.chunks.speed
        msg = CommittedPlan(
            joint_names=list(self._robot.joints),
            chunk_sequence=now.sequence if now else 0,
            rate_hz=rate_hz,
            positions=plan.ravel().tolist(),
            steps=len(plan),
            speed=speed,
        )
        msg.header.stamp = self.get_clock().now().to_msg()
        self._plan.publish(msg)

    def _on_fault(self, error: BaseException) -> None:
        fail(self, f'command thread: {type(error).__name__}: {error}')

    def _report(self) -> tuple:
        thread, execution = self._thread, self._execution
        values = {
            'mode': execution.mode,
            'ticks': thread.ticks,
            'missed_ticks': thread.missed,
            'worst_late_ms': thread.worst_late_ns * 1e-6,
            'realtime': thread.is_realtime,
            'clamps': self._clamps,
        }
        values |= {f'rejected {reason}': n for reason, n in self._rejected.items()}
        values |= {f'ticks {reaction}': n for reaction, n in self._reactions.items()}
        values |= {f'unreadable {k}': v for k, v in self._streams.unreadable.items()}
        level = OK if execution.mode in (Mode.MOVING, Mode.DISARMED) else WARN
        return level, f'{execution.mode}: {execution.reason}', values

    def _ros_ns(self) -> int:
        return self.get_clock().now().nanoseconds


def main() -> int:
    ask_for_realtime()
    return run(ChunkExecutor)


if __name__ == '__main__':
    sys.exit(main())
