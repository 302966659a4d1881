# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Who runs real-time: frames and chunks do, what computes never does."""

from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path
import threading

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2')

import rclpy

from lingbot_policy.backends.hold import HoldPolicy
from lingbot_policy.nodes import policy_server
from lingbot_policy.nodes.command_thread import (
    ask_for_realtime,
    ordinary_scheduling,
    realtime_scheduling,
)
from lingbot_policy.policy import POLICIES
from lingbot_policy.robot import load_robot, Robot

ROBOT = 'agilex_cobot_magic'
PATIENCE_S = 90.0
SEEN: dict[str, int] = {}  # what ran under which scheduling policy
PUBLISHED = threading.Event()


def now_scheduled() -> int:
    return os.sched_getscheduler(threading.get_native_id())


def started_scheduled() -> int:
    """Return how a thread is scheduled which is started now."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(now_scheduled).result()


def in_realtime_thread(task):
    """Return what ``task`` returns in a thread which asked for real-time."""

    def run():
        if not ask_for_realtime(1):
            pytest.skip('no permission for SCHED_FIFO here')
        return task()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


def test_a_block_and_its_threads_are_ordinary_and_what_follows_is_as_before():
    def task() -> list[int]:
        with ordinary_scheduling():
            within = [now_scheduled(), started_scheduled()]
        return [*within, now_scheduled(), started_scheduled()]

    other, fifo = os.SCHED_OTHER, os.SCHED_FIFO
    assert in_realtime_thread(task) == [other, other, fifo, fifo]


def test_scheduling_is_restored_after_an_error():
    def task() -> int:
        with pytest.raises(ValueError), ordinary_scheduling():
            raise ValueError
        return now_scheduled()

    assert in_realtime_thread(task) == os.SCHED_FIFO


def test_an_ordinary_thread_is_realtime_for_one_block():
    def task() -> list[int]:
        with ordinary_scheduling():
            with realtime_scheduling(2):
                within = [now_scheduled(), os.sched_getparam(0).sched_priority]
            return [*within, now_scheduled()]

    assert in_realtime_thread(task) == [os.SCHED_FIFO, 2, os.SCHED_OTHER]


def test_without_permission_a_block_runs_as_before(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_) -> None:
        raise PermissionError

    monkeypatch.setattr(os, 'sched_setscheduler', refuse)
    with realtime_scheduling(1):
        assert now_scheduled() == os.SCHED_OTHER


def test_an_ordinary_thread_stays_one():
    with ordinary_scheduling():
        assert now_scheduled() == os.SCHED_OTHER
    assert now_scheduled() == os.SCHED_OTHER


class SpyPolicy(HoldPolicy):
    """Notes how it is loaded and run."""

    @classmethod
    def load(cls, robot: Robot, bundle: Path | None = None, seed: int = 0) -> 'SpyPolicy':
        SEEN['load'] = now_scheduled()
        return super().load(robot, bundle, seed)

    def infer(self, observation, prefix=None):
        SEEN['infer'] = now_scheduled()
        SEEN['a thread of infer'] = started_scheduled()
        return super().infer(observation, prefix)


def push_observation(buffer, now_ns: int) -> None:
    """Push the frames and joints of one instant."""
    robot = load_robot(ROBOT)
    for key, joints in {'left': range(7), 'right': range(7, 14)}.items():
        slots = np.array(joints)
        buffer.push_state(key, slots, robot.home[slots], now_ns, now_ns)
    for name in reversed(robot.cameras):
        buffer.push_image(name, np.zeros((4, 4, 3), np.uint8), now_ns, now_ns)


@pytest.mark.ros
def test_the_server_observes_and_publishes_in_realtime_and_infers_as_all_others(
    ros_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    def spy_on_check(*args):
        SEEN['observe'] = now_scheduled()

    def spy_on_chunk(*args):
        SEEN['publish'] = now_scheduled()
        PUBLISHED.set()
        return chunk_to_msg(*args)

    chunk_to_msg = policy_server.chunk_to_msg
    monkeypatch.setattr(policy_server, 'chunk_to_msg', spy_on_chunk)
    monkeypatch.setattr(policy_server.FrozenWatch, 'check', spy_on_check)
    monkeypatch.setitem(POLICIES, 'spy', f'{__name__}:SpyPolicy')

    def task() -> None:
        rclpy.init(args=['--ros-args', '-p', f'robot:={ROBOT}', '-p', 'policy:=spy'])
        node = policy_server.PolicyServer()
        try:
            node.trigger_configure()
            node.trigger_activate()
            push_observation(node._buffer, node._now_ns())
            assert PUBLISHED.wait(PATIENCE_S), node._problem
            node.trigger_deactivate()
            node.trigger_cleanup()
        finally:
            node.destroy_node()
            rclpy.try_shutdown()

    in_realtime_thread(task)
    ordinary = dict.fromkeys(('load', 'infer', 'a thread of infer'), os.SCHED_OTHER)
    realtime = dict.fromkeys(('observe', 'publish'), os.SCHED_FIFO)
    assert ordinary | realtime == SEEN
