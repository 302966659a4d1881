# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Moves one joint at a time by a little, through the encoders and the gate of the executor."""

from collections.abc import Callable
import os
import threading
import time
from typing import Any

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from lingbot_policy.bringup import environment
from lingbot_policy.commissioning.jog import diagnose, Jog, JogSize, plan_jog, unexpected
from lingbot_policy.nodes.command_thread import CommandThread
from lingbot_policy.nodes.command_topics import CommandTopics
from lingbot_policy.nodes.encode import command_encoders, time_msg
from lingbot_policy.nodes.graph import require_simulated
from lingbot_policy.nodes.monitor import DISCOVERY_S
from lingbot_policy.nodes.streams import RobotStreams
from lingbot_policy.robot import Robot
from lingbot_policy.safety.gate import MeasuredState, Reaction, SafetyGate

NAME = 'lingbot_jog'
MAX_STATE_AGE_S = 0.2
SIMULATED_STATE_AGE_S = 1.5  # a simulated robot shares a busy computer
STATE_S = 10.0
LAST_TICKS_S = 0.2  # the gate's brake takes one tick at this speed
POLL_S = 0.02


class JogStopped(Exception):
    """Motion has ended before its end; the text says why."""


class Jogger:
    """
    A context manager which commands a robot: nothing before :meth:`begin`, then it holds.

    Whatever is not as it should be stops it at once: a stale joint, motion which was not asked
    for, another publisher. A stop is final; leaving the block ends in silence.

    :param simulated: refuse to run where anything else is on the robot's topics.
    :param discovery_s: how long to look for other publishers before the first command.
    :param max_state_age_s: a joint that was not heard for longer is stale.
    """

    def __init__(
        self,
        robot: Robot,
        size: JogSize | None = None,
        simulated: bool = False,
        discovery_s: float = DISCOVERY_S,
        max_state_age_s: float = MAX_STATE_AGE_S,
    ) -> None:
        self._discovery_s = discovery_s
        self._robot = robot
        self._size = size or JogSize()
        self._simulated = simulated
        self._lock = threading.Lock()
        self._state = MeasuredState(np.full(robot.dof, np.nan), np.zeros(robot.dof, np.int64))
        self._gate = SafetyGate(robot, max_state_age_s, deadman_s=1.0)  # never fed: it waits not
        self._jog: Jog | None = None
        self._jogged_s = 0.0
        self._rest = self._state.positions
        self._thread: CommandThread | None = None

    def __enter__(self) -> 'Jogger':
        encoders = command_encoders(self._robot)
        for name, value in environment().items():
            os.environ.setdefault(name, value)
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node(
            NAME, context=self._context, enable_rosout=False, start_parameter_services=False
        )
        self._started_s = time.monotonic()
        self._commands = CommandTopics(self._node, self._robot, encoders, self._on_other)
        self._streams = RobotStreams(self._node, self._robot, self._on_state, None)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._spinner = threading.Thread(target=self._spin, name='jogger', daemon=True)
        self._spinner.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.silence()
        self._context.try_shutdown()
        self._spinner.join(timeout=2.0)
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()

    @property
    def positions(self) -> np.ndarray:
        """The measured joints (dof,), NaN where none was received."""
        return self._state.positions.copy()

    def begin(self) -> None:
        """
        Command the robot to stay where it is.

        :raises ValueError: while somebody else commands it, or joints are unknown or stale.
        """
        self._wait_for_joints()
        time.sleep(max(0.0, self._started_s + self._discovery_s - time.monotonic()))
        if others := self._commands.others():
            raise ValueError(f'others publish commands: {"; ".join(others)}. Stop them first')
        if self._simulated:
            require_simulated(self._node, self._robot)
        with self._lock:
            self._gate.seed(self._state, time.monotonic_ns())
            self._rest = self._state.positions
        self._thread = CommandThread(self._robot.file.command_rate_hz, self._tick, self._on_fault)
        self._thread.start()

    def hold(self, seconds: float, pressed: Callable[[], bool]) -> None:
        """
        Hold for so long.

        :raises JogStopped: when ``pressed()``, or for any reason of its own.
        """
        end_s = time.monotonic() + seconds
        self._wait(lambda: time.monotonic() > end_s, pressed)

    def plan(self, joint: str) -> Jog:
        """Return what :meth:`move` would do now."""
        return plan_jog(self._robot, joint, self._gate.last, self._size)

    def move(self, joint: str, pressed: Callable[[], bool]) -> Jog:
        """
        Jog one joint, and return what was done when all joints answered as they should.

        :raises JogStopped: as :meth:`hold`, with a diagnosis where an answer was wrong.
        """
        with self._lock:
            jog = self.plan(joint)
            rest = self._rest = self._state.positions
            self._jog, self._jogged_s = jog, 0.0
        self._wait(lambda: self._jogged_s > jog.out_s - 2 * POLL_S, pressed)
        moved = self._state.positions - rest
        if wrong := diagnose(self._robot, self._size, jog, moved, jog.travel):
            self.stop(wrong)
        self._wait(lambda: self._jogged_s > jog.duration_s, pressed)
        back = self._state.positions - rest
        if wrong := diagnose(self._robot, self._size, None, back, 0.0):
            self.stop(f'{joint} did not come back: {wrong}')
        self.require_going()
        with self._lock:
            self._jog, self._rest = None, self._state.positions
        return jog

    def stop(self, reason: str) -> None:
        """Brake and hold, for good."""
        with self._lock:
            self._gate.stop(reason)

    def silence(self) -> None:
        """Brake, hold for a moment, and command no more."""
        if self._thread is not None:
            self.stop('ended')
            time.sleep(LAST_TICKS_S)
            self._thread.stop()
            self._commands.flush()
            self._thread = None

    def require_going(self) -> None:
        """
        Return while nothing has stopped it.

        :raises JogStopped: with the first reason.
        """
        if self._gate.stop_reason:
            raise JogStopped(self._gate.stop_reason)

    def _wait(self, is_over: Callable[[], bool], pressed: Callable[[], bool]) -> None:
        while not is_over():
            self.require_going()
            if pressed():
                self.stop('a key was pressed')
            time.sleep(POLL_S)
        self.require_going()

    def _wait_for_joints(self) -> None:
        deadline = time.monotonic() + STATE_S
        while not np.isfinite(self._state.positions).all():
            if time.monotonic() > deadline:
                missing = np.flatnonzero(~np.isfinite(self._state.positions))
                names = ', '.join(self._robot.joints[i] for i in missing)
                raise ValueError(
                    f'no state of {names} within {STATE_S:.0f} s; see '
                    f'lingbot doctor --robot {self._robot.name}'
                )
            time.sleep(POLL_S)

    def _tick(self, now_ns: int) -> None:
        with self._lock:
            # As in the gate, a tick is nominal: a late one makes the motion late, not faster.
            self._jogged_s += 1.0 / self._robot.file.command_rate_hz
            jog = self._jog
            wanted = self._gate.last.copy() if jog is None else jog.command(self._jogged_s)
            decision = self._gate.check(wanted, self._state, now_ns)
            # A jog may start more gently than planned; anything else was not asked for.
            if decision.reaction is not Reaction.COMMAND and decision.word != 'acceleration':
                self._gate.stop(decision.reason)
            elif unexpected(self._robot, self._size, self._rest, jog, self._state.positions):
                self._gate.stop(self._diagnosis())
            self._commands.publish(decision.positions, time_msg(self._ros_ns()))

    def _diagnosis(self) -> str:
        jog, moved = self._jog, self._state.positions - self._rest
        commanded = 0.0 if jog is None else jog.way(self._jogged_s)
        found = diagnose(self._robot, self._size, jog, moved, commanded)
        return found or 'a joint moved further than commanded'

    def _on_state(self, key: str, slots: Any, values: Any, stamp_ns: int, arrival_ns: int) -> None:
        positions, received = self._state.positions.copy(), self._state.received_ns.copy()
        positions[slots], received[slots] = values, time.monotonic_ns()
        with self._lock:
            self._state = MeasuredState(positions, received)

    def _on_other(self, text: str, is_named: bool) -> None:
        if self._thread is not None:
            self.stop(text)

    def _on_fault(self, error: BaseException) -> None:
        self.stop(f'command thread: {type(error).__name__}: {error}')

    def _ros_ns(self) -> int:
        return self._node.get_clock().now().nanoseconds

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return
