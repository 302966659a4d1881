# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
One robot's line on a fake clock: joints that follow, its wire, cameras, a policy, the executor.

The parts are those of the nodes, put together as the nodes do; only clock, joints, pictures and
the policy's motion are ours. Faults are set from outside, as they come on a robot.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
import threading
from typing import Any

import numpy as np

from lingbot_policy.chunk import ActionChunk, RejectedChunk
from lingbot_policy.decode import chunk_from_msg, StateDecoder
from lingbot_policy.execution.executor import Execution, ExecutionLimits, Mode
from lingbot_policy.execution.interlocks import EmergencyStop, Sign, StampOffsets
from lingbot_policy.nodes.encode import chunk_to_msg, command_encoders, state_encoders, time_msg
from lingbot_policy.observation import (
    ClockStepped,
    ClockWatch,
    FrozenWatch,
    HEAD,
    ObservationBuffer,
    ObservationError,
    StaleObservation,
)
from lingbot_policy.robot import Robot
from lingbot_policy.safety.gate import Reaction
from tests.faults.sway import Sway
from tests.faults.witness import Witness

S = 1_000_000_000
ROS = 10**18  # the ROS clock where the monotonic clock is 0
HELD = (Reaction.HOLD, Reaction.BRAKE, Reaction.STOP)
LIMITS = ExecutionLimits(max_state_age_s=0.2, deadman_s=1.0, soft_start_s=0.2, resume_window_s=2.0)
FROZEN_AFTER_S = 0.5
CONTRACT, INSTRUCTION = 'c1', 'hand over the block'
STATE_NS, FRAME_NS = S // 50, S // 25


@dataclass(frozen=True)
class Happening:
    """What was seen at ``now_ns``: a ``reaction``, and the words with it."""

    now_ns: int
    reaction: str
    reason: str


@dataclass(frozen=True)
class Sent:
    """A command (dof,) that left at ``now_ns``."""

    now_ns: int
    positions: np.ndarray


class Rig:
    """
    A robot which sways as its policy says. Rows set the public attributes, then ``run``.

    Without ``delivers_spoiled``, chunks which a row has spoiled do not arrive: it is the run to
    which a rejected chunk must make no difference.
    """

    def __init__(self, robot: Robot) -> None:
        self.robot = robot
        self.delivers_spoiled = True
        self.silent: set[str] = set()  # state topics and cameras that bring nothing
        self.same_stamp: set[str] = set()  # cameras that repeat their last stamp
        self.same_pixels: set[str] = set()
        self.spoil_state: Callable[[str, Any], None] = lambda key, msg: None
        self.spoil_chunk: Callable[[Any], Any] | None = None
        self.stuck = np.zeros(robot.dof, dtype=bool)  # joints that do not follow
        self.shift = np.zeros(robot.dof)  # what the state is off by
        self.policy_runs = True
        self.latency_s = 0.06
        self.horizon_s = 2.0
        self.period_s = 0.2
        self.instruction, self.contract = INSTRUCTION, CONTRACT
        self.ros_offset_ns = 0
        self.stamp_offset_ns = 0  # of joint states: how late their clock is
        self.button: bool | None = None  # what a stop button says, None while it is silent
        self.estop: EmergencyStop | None = None
        self.recorder: Sign | None = None  # what a trial needs
        self.records = True
        self.now_ns = 0
        self.happenings: list[Happening] = []
        self.sent: list[Sent] = []
        self.fault_ns: int | None = None
        self.first_happening = self.first_sent = 0  # after the fault
        self.witness = Witness(robot)
        self._decoders = {key: StateDecoder(robot, key) for key in robot.file.state_topics}
        self._states, self._commands = state_encoders(robot), command_encoders(robot)
        self._tick_ns = round(S / robot.file.command_rate_hz)
        self._sequence = 0
        self._under_way: list[tuple[int, Any, bool]] = []
        self._infer_at_ns = self._frame_at_ns = self._state_at_ns = 0
        self._frame = 0
        self._stamps = dict.fromkeys(robot.cameras, 0)
        self._seen_frame_ns = 0
        self._was_disarmed = True
        self._reaction, self._held = Reaction.COMMAND, False
        self.sway = Sway(robot)
        self.rest = self.sway.rest
        self.measured = self.rest.copy()
        self.restart_executor()
        self._restart_server()

    def restart_executor(self, mode: str = 'replace') -> None:
        """Begin with an executor that has just started: disarmed, and without a state."""
        self.execution = Execution(self.robot, LIMITS, mode)
        self._clock_watch, self.offsets = ClockWatch(), StampOffsets(self.robot)
        self.execution.expect(self.contract)

    @property
    def ros_ns(self) -> int:
        return ROS + self.ros_offset_ns + self.now_ns

    def predict(self, t_ref_ns: int, ahead_s: np.ndarray) -> np.ndarray:
        """Return where the policy wants the joints some s after ``t_ref_ns``, (times, dof)."""
        return self.sway.ahead(t_ref_ns - ROS - self.ros_offset_ns, ahead_s)

    def arm(self, require: Callable[[], None] = lambda: None) -> None:
        """Arm, if ``require`` raises nothing."""

        def arm() -> None:
            require()
            self.offsets.require_true()
            self.execution.arm(self.now_ns)

        self._try(arm, 'refuse to arm')

    def clear_stop(self) -> None:
        def clear() -> None:
            if self.estop and (problem := self.estop.problem(self.now_ns)):
                raise ValueError(problem)
            self.execution.clear_stop(self.now_ns)

        self._try(clear, 'refuse to clear')

    def move(self) -> None:
        """Arm, and sway until the joints are at speed."""
        self.run(0.1)
        self.arm()
        self.run(1.5)
        assert self.execution.mode is Mode.MOVING, self.execution.reason

    def copy(self) -> 'Rig':
        """Return another rig in the same state, which shares nothing that changes."""
        lock = self.buffer._lock  # cannot be copied
        return deepcopy(self, {id(lock): threading.Lock(), id(self.robot): self.robot})

    def quiet(self) -> None:
        """Let the policy say nothing more, and what is under way arrive."""
        self.policy_runs = False
        self.run(self.latency_s)

    def silence(self) -> None:
        """Let the policy say nothing more, and lose what is under way."""
        self.policy_runs = False
        self._under_way.clear()

    def fault(self, **changes) -> None:
        """The fault comes now: set attributes of the rig, and judge what follows."""
        self.fault_ns = self.now_ns
        self.first_happening, self.first_sent = len(self.happenings), len(self.sent)
        for name, value in changes.items():
            assert hasattr(self, name), name
            setattr(self, name, value)

    def spoil_once(self, spoil: Callable[[Any], Any]) -> None:
        """Let ``spoil`` change the next chunk's message; the fault comes when that arrives."""

        def once(msg: Any) -> Any:
            self.spoil_chunk = None
            return spoil(msg)

        self.spoil_chunk = once

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * S / self._tick_ns)):
            self.tick()

    def run_until(self, mode: Mode, within_s: float = 10.0) -> None:
        deadline_ns = self.now_ns + within_s * S
        while self.execution.mode is not mode:
            assert self.now_ns < deadline_ns, f'not {mode}: {self.execution.reason}'
            self.tick()

    def tick(self, late_s: float = 0.0) -> None:
        """Let one period pass, and ``late_s`` more in which the executor does not run."""
        passed_ns = self._tick_ns + round(late_s * S)
        self.now_ns += passed_ns
        was_moving = self.execution.mode is Mode.MOVING
        self._sense()
        self._deliver()
        self._execute()
        is_moving = was_moving and self.execution.mode is Mode.MOVING
        self.sway.go_on(self.now_ns, self.execution.chunks.speed * passed_ns / S, is_moving)
        if self.policy_runs and self.now_ns >= self._infer_at_ns:
            self._infer_at_ns = self.now_ns + round(max(self.period_s, self.latency_s) * S)
            self._infer()

    def offer(self, chunk: ActionChunk, is_spoiled: bool = False) -> None:
        """Give the executor a chunk now, by way of its message; a spoiled one is the fault."""
        self._receive(chunk_to_msg(chunk, self.robot.joints, self.ros_ns), is_spoiled)

    def chunk(self, t_ref_ns: int | None = None, **changes) -> ActionChunk:
        """Return what the policy would send for an observation at ``t_ref_ns``, or of now."""
        t_ref_ns = self.ros_ns if t_ref_ns is None else t_ref_ns
        rate_hz = self.robot.file.policy_rate_hz
        ahead_s = np.arange(max(2, round(self.horizon_s * rate_hz))) / rate_hz
        self._sequence += 1
        known = {
            'positions': self.predict(t_ref_ns, ahead_s),
            't_ref_ns': t_ref_ns,
            'rate_hz': rate_hz,
            'sequence': self._sequence,
            'contract_digest': self.contract,
            'instruction': self.instruction,
        }
        return ActionChunk(**{**known, **changes})

    def note(self, reaction: str, reason: str) -> None:
        self.happenings.append(Happening(self.now_ns, reaction, reason))

    def _restart_server(self) -> None:
        self.buffer = ObservationBuffer(self.robot)
        self._frozen_watch = FrozenWatch(FROZEN_AFTER_S)
        self._server_clock = ClockWatch()

    def _try(self, act: Callable[[], None], refusal: str) -> None:
        try:
            act()
        except ValueError as error:
            self.note(refusal, str(error))

    def _sense(self) -> None:
        """As nodes/streams.py: decode, push; what cannot be read is dropped."""
        if self.sent and self.sent[-1].now_ns > self.now_ns - 2 * self._tick_ns:
            self.measured = np.where(self.stuck, self.measured, self.sent[-1].positions)
        if self.now_ns >= self._state_at_ns:
            self._state_at_ns = self.now_ns + STATE_NS
            self._measure()
        if self.now_ns >= self._frame_at_ns:
            self._frame_at_ns = self.now_ns + FRAME_NS
            self._frames()

    def _measure(self) -> None:
        for key, encoder in self._states.items():
            if key in self.silent:
                continue
            msg = encoder.encode(self.measured + self.shift, time_msg(self.ros_ns))
            self.spoil_state(key, msg)
            try:
                values = self._decoders[key].decode(msg)
            except ValueError as error:
                self.note('unreadable', str(error))
                continue
            slots = self._decoders[key].slots
            self.offsets.note(key, self.ros_ns - self.stamp_offset_ns, self.ros_ns)
            self.execution.measure(slots, values, self.now_ns)
            self.buffer.push_state(key, slots, values, self.ros_ns, self.ros_ns)

    def _frames(self) -> None:
        self._frame += 1
        for name in self.robot.cameras:
            if name in self.silent:
                continue
            shade = 0 if name in self.same_pixels else self._frame % 256
            if name not in self.same_stamp:
                self._stamps[name] = self.ros_ns
            picture = np.full((2, 2, 3), shade, dtype=np.uint8)
            self.buffer.push_image(name, picture, self._stamps[name], self.ros_ns)

    def _infer(self) -> None:
        """As nodes/policy_server.py: observe at the newest head frame, or hold back."""
        try:
            self._server_clock.check(self.ros_ns, self.now_ns)
            t_ref_ns = self.buffer.newest_head_ns()
            if t_ref_ns is None or t_ref_ns == self._seen_frame_ns:
                raise StaleObservation(f'camera {HEAD}: no new frame')
            observation = self.buffer.observe(t_ref_ns, self.instruction)
            self._frozen_watch.check(observation)
        except ObservationError as error:
            if isinstance(error, ClockStepped):
                self.buffer.clear()
            self.note('no chunk', f'{type(error).__name__}: {error}')
            return
        self._seen_frame_ns = t_ref_ns
        msg = chunk_to_msg(self.chunk(t_ref_ns), self.robot.joints, self.ros_ns)
        spoil, is_spoiled = self.spoil_chunk, self.spoil_chunk is not None
        msg = (spoil(msg) or msg) if spoil else msg
        self._under_way.append((self.now_ns + round(self.latency_s * S), msg, is_spoiled))

    def _deliver(self) -> None:
        due = [entry for entry in self._under_way if entry[0] <= self.now_ns]
        self._under_way = [entry for entry in self._under_way if entry[0] > self.now_ns]
        for _, msg, is_spoiled in due:
            self._receive(msg, is_spoiled)

    def _receive(self, msg: Any, is_spoiled: bool) -> None:
        """As nodes/chunk_executor.py: accept, or count the reason."""
        if is_spoiled and self.fault_ns is None:
            self.fault()
        if is_spoiled and not self.delivers_spoiled:
            return
        try:
            chunk = chunk_from_msg(msg, self.robot)
            self.execution.accept(chunk, self.ros_ns, self.now_ns)
        except RejectedChunk as rejection:
            self.note(f'reject {rejection.reason}', str(rejection))

    def _execute(self) -> None:
        try:
            self._clock_watch.check(self.ros_ns, self.now_ns)
        except ClockStepped as error:
            self.execution.hold(str(error))
        self._obey_interlocks()
        tick = self.execution.tick(self.ros_ns, self.now_ns)
        is_disarmed = self.execution.mode is Mode.DISARMED
        if is_disarmed and not self._was_disarmed:
            self.note('disarm', self.execution.reason)
        self._was_disarmed = is_disarmed
        if tick is None:
            self.witness.begin()
            return
        if tick.decision.reaction not in (Reaction.COMMAND, self._reaction):
            self.note(str(tick.decision.reaction), tick.decision.reason)
        positions, stamp = tick.decision.positions.copy(), time_msg(self.ros_ns)
        self._held = self._held or tick.decision.reaction in HELD
        is_motion = tick.decision.reaction not in HELD and self.sent
        if self._held and is_motion and (positions != self.sent[-1].positions).any():
            self.note('resume', self.execution.reason)
            self._held = False
        self._reaction = tick.decision.reaction
        messages = {
            key: encoder.encode(positions, stamp)
            for key, encoder in self._commands.items()
            if len(self.sent) % self.robot.ticks_between(key) == 0
        }
        self.sent.append(Sent(self.now_ns, positions))
        self.witness.see(positions, messages, self.now_ns)

    def _obey_interlocks(self) -> None:
        """As nodes/chunk_executor.py: a button and a recorder, where they are asked for."""
        if self.estop is not None:
            if self.button is not None:
                self.estop.heard(self.button, self.now_ns)
            if problem := self.estop.problem(self.now_ns):
                self.execution.stop(problem)
        if self.recorder is not None:
            if self.records:
                self.recorder.heard(self.now_ns)
            if problem := self.recorder.missing(self.now_ns):
                self.execution.hold(problem)
