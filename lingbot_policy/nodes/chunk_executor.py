# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Accepts chunks on message and commands the robot from a thread of its own, through the gate."""

from dataclasses import replace
import sys
import threading
import time

from lingbot_msgs.msg import ActionChunk as ActionChunkMsg
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode
from rclpy.parameter import Parameter
from std_msgs.msg import String
from std_srvs.srv import Trigger

from lingbot_policy.chunk import RejectedChunk
from lingbot_policy.commissioning.confirmations import require_confirmed
from lingbot_policy.contract import parse_contract
from lingbot_policy.decode import chunk_from_msg
from lingbot_policy.execution.executor import Execution, ExecutionLimits, Mode
from lingbot_policy.execution.interlocks import StampOffsets
from lingbot_policy.execution.strategies import find_strategy, StrategyOptions
from lingbot_policy.nodes.command_thread import (
    ask_for_realtime,
    CommandThread,
    lock_memory,
)
from lingbot_policy.nodes.command_topics import CommandTopics
from lingbot_policy.nodes.diagnostics import Diagnostics, Report
from lingbot_policy.nodes.encode import command_encoders, time_msg
from lingbot_policy.nodes.executor_parameters import ChunkExecutorParameters
from lingbot_policy.nodes.executor_reports import ExecutorReports
from lingbot_policy.nodes.graph import require_simulated
from lingbot_policy.nodes.interlock_topics import InterlockTopics
from lingbot_policy.nodes.lifecycle import fail, run, transition
from lingbot_policy.nodes.parameters import declare
from lingbot_policy.nodes.qos import qos
from lingbot_policy.nodes.streams import RobotStreams
from lingbot_policy.observation import ClockStepped, ClockWatch
from lingbot_policy.robot import load_robot

DISARM_AGAIN = 'disarm again to fall silent'
BRAKES_WITHIN_S = 1.0


class ChunkExecutor(LifecycleNode):
    """
    Subscribes chunks, contract, instruction, joints, `stop`.

    Publishes commands, and what became of each.
    """

    def __init__(self) -> None:
        super().__init__('chunk_executor')
        self._p = declare(self, ChunkExecutorParameters)
        self.add_on_set_parameters_callback(self._on_parameters)
        self._execution: Execution | None = None
        self._lock = threading.Lock()
        self._stopped_for_other = ''

    @transition
    def on_configure(self, state) -> None:
        p = self._p
        self._robot = load_robot(p.robot).with_vendor_namespace(p.vendor_namespace)
        self._encoders = {} if p.shadow else command_encoders(self._robot)
        limits = ExecutionLimits(
            p.max_state_age_s, p.deadman_s, p.soft_start_s, p.resume_window_s, p.max_chunk_age_s
        )
        options = StrategyOptions(p.blend_steps, p.ensemble_decay)
        self._execution = Execution(self._robot, limits, p.strategy, options, p.shadow)
        self._execution.set_speed(p.speed)
        self._reports = ExecutorReports(self, self._execution, self._lock)

    @transition
    def on_activate(self, state) -> None:
        self._clock_watch = ClockWatch()
        self._commands: CommandTopics | None = None
        if not self._p.shadow:
            self._commands = CommandTopics(self, self._robot, self._encoders, self._on_other)
        self._offsets = StampOffsets(self._robot)
        self._interlocks = InterlockTopics(self, self._robot, self._p, self._on_drive_fault)
        self._streams = RobotStreams(self, self._robot, self._on_state, None)
        self._own_subscriptions = [
            self.create_subscription(
                ActionChunkMsg, 'action_chunk', self._on_chunk, qos('action_chunk')
            ),
            self.create_subscription(
                String, 'policy_contract', self._on_contract, qos('policy_contract')
            ),
            self.create_subscription(
                String, 'instruction', self._on_instruction, qos('instruction')
            ),
            self.create_subscription(String, 'stop', self._on_stop, qos('stop')),
        ]
        self._own_services = [
            self.create_service(Trigger, '~/arm', self._on_arm),
            self.create_service(Trigger, '~/disarm', self._on_disarm),
            self.create_service(Trigger, '~/stop', self._on_stop_service),
            self.create_service(Trigger, '~/clear_stop', self._on_clear_stop),
            self.create_service(Trigger, '~/go_home', self._on_go_home),
        ]
        self._diagnostics = Diagnostics(self, 'commands', self._robot.name, self._diagnosed)
        self._thread = CommandThread(self._robot.file.command_rate_hz, self._tick, self._on_fault)
        self._thread.start()
        self._reports.plan()
        kind = 'in shadow: nothing is commanded' if self._p.shadow else 'disarmed'
        self.get_logger().info(f'active at {self._robot.file.command_rate_hz:g} Hz, {kind}')

    @transition
    def on_deactivate(self, state) -> None:
        self._brake()
        self._thread.stop()
        self._execution.silence('deactivated')  # stopped or not: nobody ticks any more
        self._reports.say(None, time.monotonic_ns())
        self._reports.wait_until_read()
        self._streams.destroy()
        self._interlocks.destroy()
        for subscription in self._own_subscriptions:
            self.destroy_subscription(subscription)
        for service in self._own_services:
            self.destroy_service(service)
        self._diagnostics.destroy()
        if self._commands is not None:
            self._commands.destroy()

    @transition
    def on_cleanup(self, state) -> None:
        self._reports.destroy()

    def _on_state(self, key: str, slots, values, stamp_ns: int, arrival_ns: int) -> None:
        with self._lock:
            self._offsets.note(key, stamp_ns, arrival_ns)
            self._execution.measure(slots, values, time.monotonic_ns())

    def _on_drive_fault(self, topic: str, text: str) -> None:
        with self._lock:
            if not self._execution.gate.stop_reason:
                self._execution.stop(f'drive_fault: {topic}: {text}')

    def _on_chunk(self, msg: ActionChunkMsg) -> None:
        try:
            chunk = chunk_from_msg(msg, self._robot)
            with self._lock:
                self._execution.accept(chunk, self._ros_ns(), time.monotonic_ns())
        except RejectedChunk as rejection:
            self._reports.rejected(msg.sequence, rejection)
        self._reports.plan()  # the server waits for it, whatever became of its chunk

    def _on_contract(self, msg: String) -> None:
        try:
            contract = parse_contract(msg.data, 'policy_contract')
            contract.require(self._robot)
            with self._lock:
                self._execution.expect(contract.digest, contract.rtc_trained)
        except ValueError as error:
            with self._lock:
                self._execution.leave(str(error))
            self.get_logger().error(str(error))

    def _on_instruction(self, msg: String) -> None:
        with self._lock:
            self._execution.instruct(msg.data)

    def _on_stop(self, msg: String) -> None:
        with self._lock:
            self._execution.stop(f'stop: {msg.data or "asked for"}')

    def _on_other(self, text: str, is_named: bool) -> None:
        """Stop while armed, at once; once the other is named, the stop says so, and yields."""
        with self._lock:
            gate = self._execution.gate
            is_armed = self._execution.mode in (Mode.HOLDING, Mode.MOVING)
            if gate.stop_reason and gate.stop_reason == self._stopped_for_other:
                gate.clear_stop()
            elif not is_armed:
                return
            self._stopped_for_other = text
            self._execution.stop(text, yields=is_named)

    def _on_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        """Take another strategy or speed, or say why not."""
        wanted = {p.name: p.value for p in parameters if p.name in ('strategy', 'speed')}
        try:
            find_strategy(wanted.get('strategy', self._p.strategy))
            if wanted and self._execution is not None:
                with self._lock:
                    self._change(**wanted)
                self._reports.plan()
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._p = replace(self._p, **wanted)
        return SetParametersResult(successful=True)

    def _change(self, strategy: str = '', speed: float = 0.0) -> None:
        if strategy:
            self._execution.set_strategy(strategy)
        if speed:
            self._execution.set_speed(speed)

    def _on_arm(self, request, response) -> Trigger.Response:
        return self._answer(response, self._arm, 'armed')

    def _on_go_home(self, request, response) -> Trigger.Response:
        return self._answer(response, self._go_home, 'on the way home; arm again to go on')

    def _go_home(self) -> None:
        with self._lock:
            self._execution.go_home()

    def _on_disarm(self, request, response) -> Trigger.Response:
        return self._answer(response, self._disarm)

    def _on_stop_service(self, request, response) -> Trigger.Response:
        return self._answer(response, lambda: self._execution_stop('~/stop'), 'stopped')

    def _on_clear_stop(self, request, response) -> Trigger.Response:
        return self._answer(response, self._clear_stop, 'stop cleared; disarmed')

    def _answer(self, response, act, message: str = '') -> Trigger.Response:
        try:
            response.message = '; '.join(text for text in (message, act()) if text)
            response.success = True
        except ValueError as error:
            response.success, response.message = False, str(error)
        self.get_logger().info(response.message)
        return response

    def _arm(self) -> str:
        if not self._p.shadow:
            self._require_permission()
        now_ns = time.monotonic_ns()
        if problem := self._interlocks.stop_reason(now_ns):
            raise ValueError(f'{problem}; see to the button first')
        if problem := self._interlocks.hold_reason(now_ns):
            raise ValueError(f'{problem}; start the recording first')
        with self._lock:
            self._offsets.require_true()
            guarded = self._execution.gate.guard_space(self._p.simulation)
            self._execution.arm(now_ns)
        return guarded

    def _require_permission(self) -> None:
        p = self._p
        if unheard := self._commands.unheard():
            raise ValueError(
                f'commands would not be heard: {"; ".join(unheard)}. They are sent volatile; '
                'start what subscribes with such a QoS'
            )
        if p.simulation:
            require_simulated(self, self._robot)
        else:
            require_confirmed(self._robot, p.serial, p.operator_confirms)
        if others := self._commands.others():
            raise ValueError(f'others publish commands: {"; ".join(others)}. Stop them first')

    def _execution_stop(self, reason: str) -> None:
        with self._lock:
            self._execution.stop(reason)

    def _clear_stop(self) -> None:
        now_ns = time.monotonic_ns()
        if problem := self._interlocks.stop_reason(now_ns):
            raise ValueError(f'{problem}; release the button first')
        with self._lock:
            self._execution.clear_stop(now_ns)

    def _disarm(self) -> str:
        """Fall silent; a robot with steps for that is held meanwhile, until asked again."""
        execution = self._execution
        steps = () if self._p.simulation or self._p.shadow else self._robot.file.disarming
        was_parked = execution.is_parked
        self._brake()
        if steps and execution.is_parked and not was_parked:
            texts = [f'{number}. {step.text}' for number, step in enumerate(steps, start=1)]
            return f'braked; holding meanwhile: {" ".join(texts)} Then {DISARM_AGAIN}'
        if execution.mode is Mode.STOPPED:
            reason = execution.gate.stop_reason
            raise ValueError(f'stopped ({reason}) and holding; clear the stop, which disarms')
        with self._lock:
            execution.disarm('asked for')
        return 'disarmed'

    def _brake(self) -> None:
        """Let the command thread brake along the acceleration limit."""
        with self._lock:
            self._execution.wind_down()
        deadline = time.monotonic() + BRAKES_WITHIN_S
        while not self._execution.is_at_rest and time.monotonic() < deadline:
            time.sleep(0.005)

    def _tick(self, now_ns: int) -> None:
        ros_ns = self._ros_ns()
        with self._lock:
            try:
                self._clock_watch.check(ros_ns, now_ns)
            except ClockStepped as error:
                self._execution.hold(str(error))
            self._obey_interlocks(now_ns)
            tick = self._execution.tick(ros_ns, now_ns, self._thread.late_ns)
            state = self._execution.state
        if tick is not None:
            stamp = time_msg(ros_ns)
            if self._commands is not None:
                self._commands.publish(tick.decision.positions, stamp)
            self._reports.commanded(tick, state, stamp)
        self._reports.say(tick, now_ns)

    def _obey_interlocks(self, now_ns: int) -> None:
        if self._execution.mode is Mode.DISARMED:
            return
        if reason := self._interlocks.stop_reason(now_ns):
            if not self._execution.gate.stop_reason:
                self._execution.stop(reason)
        elif reason := self._interlocks.hold_reason(now_ns):
            self._execution.hold(reason)

    def _on_fault(self, error: BaseException) -> None:
        fail(self, f'command thread: {type(error).__name__}: {error}')

    def _diagnosed(self) -> Report:
        return self._reports.diagnostics(self._thread, self._streams.unreadable)

    def _ros_ns(self) -> int:
        return self.get_clock().now().nanoseconds


def main() -> int:
    ask_for_realtime()
    lock_memory()
    return run(ChunkExecutor)


if __name__ == '__main__':
    sys.exit(main())
