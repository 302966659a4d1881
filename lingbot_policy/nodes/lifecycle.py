# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
How every node starts, configures itself, and ends.

The executor spins in a thread of its own while the main thread waits for a signal. After Ctrl-C
that thread runs the node's own deactivation (brake, close the bag) while ROS is still alive: an
EventsExecutor which spins while another thread destroys what it serves crashes in rclpy 7.1.6.
"""

from collections.abc import Callable
import contextlib
import ctypes
import functools
import os
import queue
import signal
import sys
import threading
import traceback

import rclpy
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.experimental import EventsExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from lingbot_policy.bringup import environment

LIFE_FD = 'LINGBOT_LIFE_FD'  # a pipe on which a supervisor hears that we are active, and live
ACTIVE, FAILED, BEAT = b'active', b'failed', b'.'
BEAT_S = 1.0
PARENT_PID = 'LINGBOT_PARENT_PID'  # of the supervisor: its end is ours
PR_SET_PDEATHSIG = 1
NOT_STARTED = 2  # exit code for what another start would not mend: parameters, configuration
_wishes: queue.SimpleQueue[None] = queue.SimpleQueue()  # to end, from signals and threads
_stop = threading.Event()
_failed = threading.Event()
SPIN_SLICE_S = 0.05  # EventsExecutor.spin() without a timeout burns a core in rclpy 7.1.5


def transition(callback: Callable) -> Callable:
    """
    Make a transition callback report what goes wrong: rclpy swallows its exceptions.

    A ValueError is the user's to mend: one line, FAILURE. Anything else is a bug: a traceback.
    """

    @functools.wraps(callback)
    def guarded(self: LifecycleNode, state) -> TransitionCallbackReturn:
        try:
            callback(self, state)
        except ValueError as error:
            self.get_logger().error(f'{callback.__name__}: {error}')
            return TransitionCallbackReturn.FAILURE
        except Exception:
            self.get_logger().fatal(f'{callback.__name__}: {traceback.format_exc()}')
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    return guarded


def run(make_node: Callable[[], LifecycleNode], *, needs_message_info: bool = False) -> int:
    """
    Run a node until SIGINT or SIGTERM and return the exit code of its process.

    :param needs_message_info: callbacks take ``(msg, info)``, which EventsExecutor cannot do.
    """
    for name, value in environment().items():
        os.environ.setdefault(name, value)  # however the node was started, as by `ros2 run`
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # An Event's lock deadlocks when a signal comes while it is held; this put is reentrant.
        signal.signal(number, lambda *_: _wishes.put(None))
    _end_with_parent()
    try:
        node = make_node()
    except ValueError as error:
        sys.stderr.write(f'{error}\n')
        rclpy.try_shutdown()
        return NOT_STARTED
    executor = SingleThreadedExecutor() if needs_message_info else EventsExecutor()
    executor.add_node(node)
    spinner = threading.Thread(target=_spin, args=(executor, node), name='executor', daemon=True)
    spinner.start()
    code, supervisor = 0, _supervisor()
    try:
        if node.get_parameter('autostart').value:
            code = _start(node)
            _tell(supervisor, ACTIVE if code == 0 else FAILED)
        while code == 0 and not _is_asked_to_end(within_s=BEAT_S):
            _tell(supervisor, BEAT)
            if not spinner.is_alive():
                fail(node, 'the executor has stopped')
    finally:
        _stop.set()
        spinner.join()
        _bring_down(node)  # where the executor has failed
        node.destroy_node()
        rclpy.try_shutdown()
    return 1 if _failed.is_set() else code


def fail(node: LifecycleNode, problem: str) -> None:
    """End the process with an error, from any thread; the node still deactivates."""
    node.get_logger().fatal(problem)
    _failed.set()
    _wishes.put(None)


def finish() -> None:
    """End the process in good order, from any thread: its work is done."""
    _wishes.put(None)


def _end_with_parent() -> None:
    """Have the kernel send SIGTERM when the supervisor which started this process has ended."""
    parent = os.environ.pop(PARENT_PID, '')
    if not parent:
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it ended before
        _wishes.put(None)


def _is_asked_to_end(within_s: float) -> bool:
    try:
        _wishes.get(timeout=within_s)
    except queue.Empty:
        return False
    return True


def _start(node: LifecycleNode) -> int:
    for trigger in (node.trigger_configure, node.trigger_activate):
        if not _wishes.empty():
            return 0
        if trigger() != TransitionCallbackReturn.SUCCESS:
            return NOT_STARTED
    return 0


def _supervisor() -> int | None:
    """Return the pipe to the supervisor which started this process, if one did."""
    descriptor = os.environ.pop(LIFE_FD, '')
    if not descriptor:
        return None
    os.set_blocking(int(descriptor), False)
    return int(descriptor)


def _tell(supervisor: int | None, word: bytes) -> None:
    if supervisor is None:
        return
    with contextlib.suppress(BlockingIOError, BrokenPipeError):  # it reads no more, or has ended
        os.write(supervisor, word)


def _spin(executor: Executor, node: LifecycleNode) -> None:
    # A private future which never completes: the timeout is what ends each slice.
    while not _stop.is_set():
        try:
            executor.spin_until_future_complete(Future(), timeout_sec=SPIN_SLICE_S)
        except ExternalShutdownException:
            return
    _bring_down(node)


def state_label(node: LifecycleNode) -> str:
    """Return the node's lifecycle state: unconfigured, inactive, active or finalized."""
    return node._state_machine.current_state[1]


def _bring_down(node: LifecycleNode) -> None:
    if state_label(node) == 'active':
        node.trigger_deactivate()
    if state_label(node) == 'inactive':
        node.trigger_cleanup()
    if state_label(node) == 'unconfigured':
        node.trigger_shutdown()
