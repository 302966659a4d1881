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

from lingbot_policy.chunk import ActionChunk, ChunkExecutor, PlannedStep, RejectedChunk
from lingbot_policy.robot import Robot
from lingbot_policy.safety import Decision, MeasuredState, Reaction, SafetyGate


class Mode(StrEnum):
    DISARMED = 'disarmed'
    HOLDING = 'holding'
    MOVING = 'moving'
    STOPPED = 'stopped'


@dataclass(frozen=True)
class ExecutionLimits:
    """Times in s. A hold longer than ``resume_window_s`` disarms."""

    max_state_age_s: float = 0.2
    deadman_s: float = 1.5
    soft_start_s: float = 0.5
    resume_window_s: float = 5.0


@dataclass(frozen=True)
class Tick:
    """
    One command: what the gate decided, of which planned step.

    ``source`` is where it comes from: chunk, soft_start, brake or hold.
    """

    decision: Decision
    source: str
    planned: PlannedStep | None


class Execution:
    """
    The executor's state, driven by one thread through :meth:`tick`.

    Times: ``now_ns`` is monotonic, ``ros_now_ns`` the ROS clock, both in ns. The caller holds a
    lock around every call.
    """

    def __init__(self, robot: Robot, limits: ExecutionLimits, mode: str = 'replace') -> None:
        self.robot = robot
        self.limits = limits
        self.mode = Mode.DISARMED
        self.reason = 'never armed'
        self.chunks = ChunkExecutor(robot.dof, mode)
        self.gate = SafetyGate(robot, limits.max_state_age_s, limits.deadman_s)
        self.state = MeasuredState(np.full(robot.dof, np.nan), np.zeros(robot.dof, dtype=np.int64))
        self._contract_digest = ''
        self._is_winding_down = False
        self._leaving_for = ''  # why motion ends: disarmed as soon as the arms stand still
        self._held_for = ''  # why the caller asked to hold
        self._moving_for = ('', '')  # contract and instruction of the last motion
        self._last_tick_ns: int | None = None
        self._hold_since_ns: int | None = None
        self._soft_from_ns: int | None = None

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is commanded to move: disarmed, or braked to a hold."""
        return self.mode is not Mode.MOVING and self.gate.is_still

    def measure(self, slots: np.ndarray, values: np.ndarray, now_ns: int) -> None:
        """Note measured joints; ``slots`` are their places in a (dof,) vector."""
        positions, received = self.state.positions.copy(), self.state.received_ns.copy()
        positions[slots], received[slots] = values, now_ns
        self.state = MeasuredState(positions, received)

    def expect(self, contract_digest: str) -> None:
        """Take the contract of the policy server; another than before disarms motion."""
        changed = self._contract_digest not in ('', contract_digest)
        self._contract_digest = contract_digest
        if changed and self.mode in (Mode.HOLDING, Mode.MOVING):
            self.leave('the policy contract changed')

    def arm(self, now_ns: int) -> None:
        """
        Begin to command: hold the measured joints until a chunk comes.

        :raises ValueError: without a contract, while stopped, or without a fresh, sane state.
        """
        if self.gate.stop_reason:
            raise ValueError(f'stopped ({self.gate.stop_reason}); clear the stop first')
        if not self._contract_digest:
            raise ValueError('no policy contract received; start the policy server first')
        if self._is_winding_down and self.mode is not Mode.DISARMED:
            raise ValueError('still braking to disarm; arm again when the arms stand still')
        if self.mode is not Mode.DISARMED:
            return
        self.gate.seed(self.state, now_ns)
        self.chunks.clear()
        self._moving_for, self._held_for = ('', ''), ''
        self._is_winding_down, self._leaving_for = False, ''
        self._hold_since_ns, self._soft_from_ns, self._last_tick_ns = None, None, now_ns
        self._set(Mode.HOLDING, 'armed, waiting for a chunk')

    def hold(self, reason: str) -> None:
        """Drop the plan: brake, hold, and wait for a new chunk."""
        self.chunks.clear()
        self._held_for = reason

    def wind_down(self) -> None:
        """Drop the plan and take no other: the last ticks brake before :meth:`disarm`."""
        self.chunks.clear()
        self._is_winding_down = True

    def leave(self, reason: str) -> None:
        """Brake first and disarm when the arms stand still; at once where they do."""
        if self.is_at_rest:
            self.disarm(reason)
            return
        self.wind_down()
        self._leaving_for = reason

    def disarm(self, reason: str) -> None:
        """Fall silent at once."""
        self.chunks.clear()
        if self.mode is not Mode.STOPPED:
            self._set(Mode.DISARMED, reason)

    def stop(self, reason: str) -> None:
        """Brake, hold, and refuse every motion until the stop is cleared."""
        self.gate.stop(reason)
        self.chunks.clear()
        if self.mode is not Mode.DISARMED:
            self._set(Mode.STOPPED, reason)

    def clear_stop(self, now_ns: int) -> None:
        """
        Release a stop; the executor is disarmed afterwards.

        :raises ValueError: while the arms move or the state is not fresh and within limits.
        """
        if not self.gate.stop_reason:
            return
        if not self.gate.is_still:
            raise ValueError('still braking; clear the stop when the arms stand still')
        self.gate.seed(self.state, now_ns)
        self.gate.clear_stop()
        self._set(Mode.DISARMED, 'stop cleared')

    def accept(self, chunk: ActionChunk, ros_now_ns: int, now_ns: int) -> None:
        """
        Take a chunk for execution.

        :raises RejectedChunk: with the reasons of :class:`ChunkExecutor`, or disarmed, stopped,
            contract, instruction (another one than before the hold).
        """
        if self.mode in (Mode.DISARMED, Mode.STOPPED):
            raise RejectedChunk(str(self.mode), self.reason)
        if self._is_winding_down:
            raise RejectedChunk('disarmed', 'braking before disarming')
        if chunk.contract_digest != self._contract_digest:
            raise RejectedChunk(
                'contract', f'found {chunk.contract_digest}, expected {self._contract_digest}'
            )
        identity = (chunk.contract_digest, chunk.instruction)
        resumes = self._hold_since_ns is not None and self._moving_for != ('', '')
        if resumes and identity != self._moving_for:
            self.leave('the instruction changed during a hold')
            raise RejectedChunk('instruction', f'{chunk.instruction!r} is new; arm again')
        # The execution clock stands where the last tick left it.
        since_tick_ns = 0 if self._last_tick_ns is None else now_ns - self._last_tick_ns
        self.chunks.accept(chunk, ros_now_ns - since_tick_ns)
        self.gate.feed(now_ns)
        self._moving_for, self._held_for = identity, ''

    def tick(self, ros_now_ns: int, now_ns: int) -> Tick | None:
        """Return the command due now, or None while disarmed: then nothing is to be sent."""
        if self.mode is Mode.DISARMED:
            self._last_tick_ns = None
            return None
        dt_ns = 0 if self._last_tick_ns is None else now_ns - self._last_tick_ns
        self._last_tick_ns = now_ns
        self.chunks.advance(dt_ns)
        planned = self.chunks.due()
        wanted = None if planned is None else self._softened(planned.positions, now_ns)
        decision = self.gate.check(wanted, self.state, now_ns)
        if self._held_for and decision.reason.startswith('no_chunk'):
            decision = replace(decision, reason=self._held_for)
        self._follow(decision, planned is not None, ros_now_ns, now_ns)
        return Tick(decision, self._source(), planned if self.mode is Mode.MOVING else None)

    def _softened(self, target: np.ndarray, now_ns: int) -> np.ndarray:
        """Blend from where the last command stands into the plan over the soft start's time."""
        if self.mode is Mode.HOLDING and self._soft_from_ns is None:
            self._soft_from_ns = now_ns
        if self._soft_from_ns is None:
            return target
        share = (now_ns - self._soft_from_ns) * 1e-9 / self.limits.soft_start_s
        if share >= 1.0:
            self._soft_from_ns = None
            return target
        last = self.gate.last
        step = self.robot.step_limit * max(share, 0.05)
        return last + np.clip(target - last, -step, step)

    def _follow(self, decision: Decision, is_covered: bool, ros_now_ns: int, now_ns: int) -> None:
        if decision.reaction is Reaction.STOP:
            self._set(Mode.STOPPED, decision.reason)
        elif decision.reaction in (Reaction.COMMAND, Reaction.CLAMP):
            self._hold_since_ns = None
            self._set(Mode.MOVING, decision.reason)
        else:
            self._soft_from_ns = None
            if self.mode is Mode.MOVING:
                self._hold_since_ns = now_ns
                self.chunks.finish(ros_now_ns)
            elif decision.reaction is Reaction.BRAKE and not is_covered:
                self.chunks.finish(ros_now_ns)
            self._set(Mode.HOLDING, decision.reason)
            self._give_up(now_ns)

    def _give_up(self, now_ns: int) -> None:
        if not self.gate.is_still:
            return
        if self._leaving_for:
            self.disarm(self._leaving_for)
        if self._hold_since_ns is None or self.mode is Mode.DISARMED:
            return
        held_s = (now_ns - self._hold_since_ns) * 1e-9
        if held_s > self.limits.resume_window_s:
            self.disarm(f'held for {held_s:.1f} s ({self.reason}); arm again to go on')

    def _source(self) -> str:
        if self.mode is Mode.MOVING:
            return 'chunk' if self._soft_from_ns is None else 'soft_start'
        return 'hold' if self.gate.is_still else 'brake'

    def _set(self, mode: Mode, reason: str) -> None:
        self.mode, self.reason = mode, reason
