# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
How long a tick of the safety gate and the acceptance of a chunk take.

    python -m benchmarks.control --ticks 5000 --out benchmarks/results/control.json

Beside the time on the wall stands the processor time of the thread: on a busy machine the first
one contains the turns of others. Under `chrt -f 40` it runs as the executor's thread does.
"""

import argparse
import json
import os
from pathlib import Path
import sys
import time

import numpy as np

from benchmarks.machine import describe
from lingbot_policy.chunk import ActionChunk
from lingbot_policy.execution.executor import Execution, ExecutionLimits, Mode
from lingbot_policy.robot import load_robot, Robot
from lingbot_policy.safety.gate import MeasuredState, SafetyGate
from lingbot_policy.sim.detect import Block
from lingbot_policy.sim.expert import plan_handover
from lingbot_policy.sim.stub import KinematicWorld

HORIZON = 50
LIMITS_MS = {'gate tick': 0.3, 'gate tick with distances': 0.3, 'accept a chunk': 1.0}


def handover(robot: Robot) -> np.ndarray:
    """Return the scripted hand-over at policy rate, (steps, dof): both arms work close by."""
    world = KinematicWorld(robot, seed=1, render=False)
    block = Block(*world.layout.blocks[world.layout.target])
    return plan_handover(robot, block, world.positions())


class Stopwatch:
    """Collects wall and processor time of one thread in ns."""

    def __init__(self) -> None:
        self.wall, self.thread = [], []

    def __enter__(self) -> None:
        self._thread, self._wall = time.thread_time_ns(), time.perf_counter_ns()

    def __exit__(self, *_) -> None:
        self.wall.append(time.perf_counter_ns() - self._wall)
        self.thread.append(time.thread_time_ns() - self._thread)

    def figures(self) -> dict[str, float]:
        """Return percentiles in ms."""
        shares = {'p50': 50, 'p99': 99, 'max': 100}
        both = {'': self.wall, 'thread_': self.thread}
        return {
            f'{kind}{name}_ms': round(float(np.percentile(times, share)) * 1e-6, 4)
            for kind, times in both.items()
            for name, share in shares.items()
        }


def time_gate(
    robot: Robot, plan: np.ndarray, ticks: int, distances: bool
) -> tuple[Stopwatch, SafetyGate]:
    """Return the times of a tick, and the gate which drove the plan back and forth."""
    gate, watch = SafetyGate(robot, 0.2, 1.5), Stopwatch()
    if distances:
        gate.guard_space(simulated=True)
    rate = robot.file.command_rate_hz
    per_tick = robot.file.policy_rate_hz / rate
    gate.seed(MeasuredState(plan[0], np.zeros(robot.dof, np.int64)), 0)
    for tick in range(1, ticks + 1):
        # There and back again, so that any number of ticks is a plausible motion.
        step = abs((tick * per_tick) % (2 * len(plan) - 2) - (len(plan) - 1))
        low = min(int(step), len(plan) - 2)
        command = plan[low] + (step - low) * (plan[low + 1] - plan[low])
        now_ns = round(tick / rate * 1e9)
        state = MeasuredState(gate.last + 1e-4, np.full(robot.dof, now_ns))
        with watch:
            gate.check(command, state, now_ns)
    return watch, gate


def time_accept(robot: Robot, plan: np.ndarray, strategy: str, chunks: int) -> Stopwatch:
    execution, watch = Execution(robot, ExecutionLimits(), strategy), Stopwatch()
    execution.expect('bench')
    rate, ros_ns, policy_hz = robot.file.command_rate_hz, 10**18, robot.file.policy_rate_hz
    now_ns, joints = 0, np.arange(robot.dof)
    execution.measure(joints, plan[0], now_ns)
    execution.arm(now_ns)
    for _ in range(chunks):
        first = int(now_ns * 1e-9 * policy_hz) % (len(plan) - HORIZON)
        chunk = ActionChunk(
            plan[first : first + HORIZON],
            t_ref_ns=ros_ns + now_ns,
            rate_hz=policy_hz,
            contract_digest='bench',
        )
        for _ in range(round(0.1 * rate)):  # seen, and 0.1 s later inferred
            now_ns += round(1e9 / rate)
            last = execution.gate.last
            execution.measure(joints, last, now_ns)
            execution.tick(ros_ns + now_ns, now_ns)
        with watch:
            execution.accept(chunk, ros_ns + now_ns, now_ns)
        assert execution.mode in (Mode.HOLDING, Mode.MOVING), execution.reason
    return watch


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--robot', default='realman_rs02', help='16 values at 200 Hz')
    parser.add_argument('--ticks', type=int, default=5000)
    parser.add_argument('--out', type=Path)
    args = parser.parse_args()
    robot = load_robot(args.robot)
    plan = handover(robot)
    machine = describe('cpu')
    is_realtime = os.sched_getscheduler(0) == os.SCHED_FIFO
    watches = {
        'gate tick': time_gate(robot, plan, args.ticks, distances=False)[0],
        'gate tick with distances': time_gate(robot, plan, args.ticks, distances=True)[0],
        'accept a chunk': time_accept(robot, plan, 'replace', max(1, args.ticks // 20)),
    }
    rows = [{'what': name, **watch.figures()} for name, watch in watches.items()]
    write = sys.stdout.write
    write(f'{robot.name}, {robot.dof} values, {args.ticks} ticks; {machine["processor"]}, ')
    write(f'load {machine["load_average"][0]}\n\n')
    write(f'{"ms":26}{"p50":>8}{"p99":>8}{"max":>8}   thread: p50     p99   limit\n')
    for found in rows:
        write(
            f'{found["what"]:26}{found["p50_ms"]:8.3f}{found["p99_ms"]:8.3f}{found["max_ms"]:8.3f}'
            f'{found["thread_p50_ms"]:14.3f}{found["thread_p99_ms"]:8.3f}{LIMITS_MS[found["what"]]:8.1f}\n'
        )
    if args.out:
        report = {
            'robot': robot.name, 'ticks': args.ticks, 'machine': machine,
            'realtime': is_realtime, 'limits_ms': LIMITS_MS,
            'rows': rows,
        }  # fmt: skip
        args.out.write_text(json.dumps(report, indent=2) + '\n', encoding='utf-8')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
