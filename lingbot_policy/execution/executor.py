# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
What the executor does at each tick: which chunk, through which gate, in which state.

Disarmed it commands nothing. Armed it holds until a chunk covers now, starts softly, and after a
hold goes on only for the same policy, the same instruction, within the resume window.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from lingbot_policy.chunk import ActionChunk, RejectedChunk
from lingbot_policy.execution.cadence import Cadence
from lingbot_policy.execution.delay import DelayEstimate
from lingbot_policy.execution.licence import Licence
from lingbot_policy.execution.motions import Motion
from lingbot_policy.execution.schedule import PlannedStep, Schedule
from lingbot_policy.execution.strategies import StrategyOptions
from lingbot_policy.robot import Robot
from lingbot_policy.safety.gate import Decision, MeasuredState, Reaction, SafetyGate


class Mode(StrEnum):
    DISARMED = 'disarmed'
    HOLDING = 'holding'
    MOVING = 'moving'
    STOPPED = 'stopped'


@dataclass(frozen=True)
class ExecutionLimits:
    """
    Times in s. A hold longer than ``resume_window_s`` disarms.

    ``max_chunk_age_s`` is since the observation of the chunk which is executed.
    """

    max_state_age_s: float = 0.2
    deadman_s: float = 1.5
    soft_start_s: float = 0.5
    resume_window_s: float = 5.0
    max_chunk_age_s: float = 10.0


@dataclass(frozen=True)
class Tick:
    """
    One command: what the gate decided, of which planned step.

    ``source`` is where it comes from: chunk, soft_start, go_home, brake, hold; shadow for all of
    them where nothing is commanded.
    """

    decision: Decision
    source: str
    planned: PlannedStep | None


class Execution:
    """
    The executor's state, driven by one thread through :meth:`tick`.

    Times: ``now_ns`` is monotonic, ``ros_now_ns`` the ROS clock, both in ns. The caller holds a
    lock around every call. ``shadow``: nobody obeys the commands, so they count as followed.
    """

    def __init__(
        self,
        robot: Robot,
        limits: ExecutionLimits,
        strategy: str = 'replace',
        options: StrategyOptions | None = None,
        shadow: bool = False,
    ) -> None:
        self.robot = robot
        self.limits = limits
        self.mode = Mode.DISARMED
        self.reason = 'never armed'
        self.chunks = Schedule(robot.dof, strategy, options)
        self.gate = SafetyGate(
            robot, limits.max_state_age_s, limits.deadman_s, limits.max_chunk_age_s
        )
        self.cadence = Cadence(robot)
        self.state = MeasuredState(np.full(robot.dof, np.nan), np.zeros(robot.dof, dtype=np.int64))
        self._shadow = shadow
        self._motion = Motion(robot, self.chunks, limits.soft_start_s)
        self._licence = Licence(limits.resume_window_s)
        self._is_sent_home = False  # until armed again no chunk moves the arms
        self._is_winding_down = False
        self._yields = False  # to another who commands: silent as soon as the arms stand still
        self._is_stop_told = False  # by a tick: nobody is to miss it
        self._leaving_for = ''  # why motion ends: disarmed as soon as the arms stand still
        self._held_for = ''  # why the caller asked to hold
        self._last_tick_ns: int | None = None

    @property
    def delay(self) -> DelayEstimate:
        """How late commands are after what was seen for them."""
        return self._motion.delay

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is commanded to move: disarmed, or braked to a hold."""
        return self.mode is not Mode.MOVING and self.gate.is_still

    @property
    def is_parked(self) -> bool:
        """Whether it holds for as long as the operator needs to disarm the robot."""
        return self._is_winding_down and self.mode is Mode.HOLDING and self.gate.is_still

    def measure(self, slots: np.ndarray, values: np.ndarray, now_ns: int) -> None:
        """Note measured joints; ``slots`` are their places in a (dof,) vector."""
        positions, received = self.state.positions.copy(), self.state.received_ns.copy()
        positions[slots], received[slots] = values, now_ns
        self.state = MeasuredState(positions, received)

    def expect(self, contract_digest: str, rtc_trained: bool = False) -> None:
        """
        Take the contract of the policy server; another than before disarms motion.

        :raises ValueError: for weights which the strategy is not for.
        """
        is_another = self._licence.expect(contract_digest, rtc_trained)
        if is_another and self.mode in (Mode.HOLDING, Mode.MOVING):
            self.leave('the policy contract changed')
        self._licence.require_weights_for(self.chunks.strategy_name)

    def instruct(self, instruction: str) -> None:
        """Take the newest instruction: chunks for another are refused."""
        self._licence.instruct(instruction)

    def set_strategy(self, name: str) -> None:
        """
        Let chunks follow each other by another strategy.

        :raises ValueError: unknown, not one for these weights, or the arms are in motion.
        """
        self._licence.require_weights_for(name)
        if not self.is_at_rest:
            raise ValueError(f'strategy {name}: the arms move; choose it while they hold')
        self.chunks.use(name)

    def set_speed(self, share: float) -> None:
        """Take another share of the predicted speed, 0.01 to 1; in motion it is approached."""
        self.chunks.asked_speed = share
        if self.is_at_rest and not self.chunks.rate_hz:  # a plan may wait for its first tick
            self.chunks.speed = share

    def arm(self, now_ns: int) -> None:
        """
        Begin to command: hold the measured joints until a chunk comes.

        :raises ValueError: without a contract, while stopped, without a fresh, sane state, or
            for weights which the strategy is not for.
        """
        if self.gate.stop_reason:
            raise ValueError(f'stopped ({self.gate.stop_reason}); clear the stop first')
        self._licence.require_contract()
        self._licence.require_weights_for(self.chunks.strategy_name)
        if self._is_winding_down and not self.is_parked and self.mode is not Mode.DISARMED:
            raise ValueError('still braking to disarm; arm again when the arms stand still')
        if self._motion.is_going_home:
            raise ValueError('on the way home; arm again when the arms stand still')
        if self.mode is not Mode.DISARMED and not self._is_sent_home and not self.is_parked:
            return
        if self.mode is Mode.DISARMED:  # else it goes on where it commands them to be
            self.gate.seed(self.state, now_ns)
        self._motion.drop()
        self._licence.begin()
        self.cadence.reset()
        self._held_for, self._leaving_for = '', ''
        self._is_winding_down, self._is_sent_home = False, False
        self._last_tick_ns = now_ns
        self._set(Mode.HOLDING, 'armed, waiting for a chunk')

    def hold(self, reason: str) -> None:
        """Drop the plan: brake, hold, and wait for a new chunk."""
        self._motion.drop()
        self._held_for = reason

    def go_home(self) -> float:
        """
        Move the arms to the robot file's home and hold there; return how many s that takes.

        Chunks are refused until the executor is armed again. A stop or a hold ends it.

        :raises ValueError: unless the arms hold.
        """
        if self.mode is not Mode.HOLDING or self._is_winding_down or not self.gate.is_still:
            raise ValueError(f'{self.mode}; the arms go home only from a hold')
        self.hold('on the way home')
        self._is_sent_home = True
        return self._motion.begin_way_home(self.gate.last)

    def wind_down(self) -> None:
        """Drop the plan and take no other: brake, and hold until :meth:`disarm` or arming."""
        self._motion.drop()
        self._is_winding_down = True

    def leave(self, reason: str) -> None:
        """Brake first and disarm when the arms stand still; at once where they do."""
        if self.is_at_rest:
            self.disarm(reason)
            return
        self.wind_down()
        self._leaving_for = reason

    def disarm(self, reason: str) -> None:
        """Fall silent at once; stopped, go on holding until the stop is cleared."""
        if self.mode is not Mode.STOPPED:
            self.silence(reason)

    def silence(self, reason: str) -> None:
        """Fall silent at once, even if stopped: then the stop stays, and arming refuses."""
        self._motion.drop()
        self._set(Mode.DISARMED, reason)

    def stop(self, reason: str, yields: bool = False) -> None:
        """
        Brake, hold, and refuse every motion until the stop is cleared.

        :param yields: fall silent after braking: someone else commands the arms.
        """
        self.gate.stop(reason)
        self._motion.drop()
        self._yields, self._is_stop_told = yields, False
        if self.mode is not Mode.DISARMED:
            self._set(Mode.STOPPED, reason)

    def clear_stop(self, now_ns: int) -> None:
        """
        Release a stop; the executor is disarmed afterwards.

        :raises ValueError: while the arms move, were not seen to stand still for 0.1 s, or the
            state is not fresh and within limits.
        """
        if not self.gate.stop_reason:
            return
        self._yields = False
        self.gate.release(self.state, now_ns)
        self._set(Mode.DISARMED, 'stop cleared')

    def accept(self, chunk: ActionChunk, ros_now_ns: int, now_ns: int) -> None:
        """
        Take a chunk for execution.

        :raises RejectedChunk: with the reasons of :class:`Schedule`, or disarmed, stopped, home,
            contract, old_instruction, instruction (another one than before the hold).
        """
        if self.mode in (Mode.DISARMED, Mode.STOPPED):
            raise RejectedChunk(str(self.mode), self.reason)
        if self._is_winding_down:
            raise RejectedChunk('disarmed', 'braking before disarming')
        if self._is_sent_home:
            raise RejectedChunk('home', 'the arms were sent home; arm again to go on')
        self._licence.require_same_contract(chunk)
        if self._licence.is_new_after_hold(chunk):
            self.leave('the instruction changed during a hold')
            raise RejectedChunk('instruction', f'{chunk.instruction!r} is new; arm again')
        self._licence.require_newest_instruction(chunk)
        since_tick_ns = 0 if self._last_tick_ns is None else now_ns - self._last_tick_ns
        try:
            splice = self.chunks.accept(chunk, ros_now_ns, now_ns, since_tick_ns)
        except RejectedChunk as rejection:
            if rejection.reason == 'busy':  # sync: whoever sends it is alive
                self.gate.hear(now_ns)
            raise
        self.cadence.spliced(splice)
        self.delay.accepted(chunk.t_ref_ns)
        self.gate.feed(now_ns, now_ns - (ros_now_ns - chunk.t_ref_ns))
        self._licence.moves_for(chunk)
        self._held_for = ''

    def tick(self, ros_now_ns: int, now_ns: int, late_ns: int = 0) -> Tick | None:
        """Return the command due now, or None while disarmed: then nothing is to be sent."""
        if self.mode is Mode.DISARMED:
            self._last_tick_ns = None
            self.gate.observe(self.state, now_ns)
            return None
        dt_ns = 0 if self._last_tick_ns is None else now_ns - self._last_tick_ns
        self._last_tick_ns = now_ns
        is_going_home = self._motion.is_going_home
        begins = self.mode is Mode.HOLDING
        planned, wanted = self._motion.advance(dt_ns, ros_now_ns, now_ns, begins)
        if is_going_home:  # a plan of its own, which nobody has to feed
            self.gate.feed(now_ns)
            self._held_for = '' if wanted is not None else 'at home'
        share = self._motion.speed_share(now_ns)
        decision = self.gate.check(wanted, self._followed_state(), now_ns, share)
        self._motion.follow(wanted, decision.positions)
        if self._held_for and decision.reason.startswith('no_chunk'):
            decision = replace(decision, reason=self._held_for)
        self._follow(decision, planned is not None, ros_now_ns, now_ns)
        is_moving = self.mode is Mode.MOVING
        sequence = planned.sequence if is_moving and planned else 0
        moves = is_moving or not self.gate.is_still
        self.cadence.tick(decision.positions, moves, sequence, dt_ns, late_ns)
        return Tick(decision, self._source(), planned if is_moving else None)

    def _followed_state(self) -> MeasuredState:
        if not self._shadow:
            return self.state
        return MeasuredState(self.gate.last, self.state.received_ns)

    def _follow(self, decision: Decision, is_covered: bool, ros_now_ns: int, now_ns: int) -> None:
        if decision.reaction is Reaction.STOP:
            self._motion.drop()
            ends = self._yields and self._is_stop_told and self.gate.is_still
            self._set(Mode.STOPPED, decision.reason)
            self._is_stop_told = True
            if ends:
                self.silence(decision.reason)
        elif decision.reaction in (Reaction.COMMAND, Reaction.CLAMP):
            self._licence.moved()
            self._set(Mode.MOVING, decision.reason)
        else:
            ends = self.mode is Mode.MOVING
            if ends:
                self._licence.held(now_ns)
                self.cadence.held(decision.reason)
            self._motion.end(ros_now_ns, ends or is_covered or decision.reaction is Reaction.BRAKE)
            self._set(Mode.HOLDING, decision.reason)
            self._give_up(now_ns)

    def _give_up(self, now_ns: int) -> None:
        if not self.gate.is_still:
            return
        if self._leaving_for:
            self.disarm(self._leaving_for)
        held_s = self._licence.overdue_s(now_ns)
        if held_s and self.mode is not Mode.DISARMED and not self._is_winding_down:
            self.disarm(f'held for {held_s:.1f} s ({self.reason}); arm again to go on')

    def _source(self) -> str:
        if self._shadow:
            return 'shadow'
        if self.mode is not Mode.MOVING:
            return 'hold' if self.gate.is_still else 'brake'
        return self._motion.source

    def _set(self, mode: Mode, reason: str) -> None:
        self.mode, self.reason = mode, reason
