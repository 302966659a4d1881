# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
What the stack adds to a command and to an inference, against its limits, in one table.

    python -m benchmarks.control --out benchmarks/results/control.json

A tick of the safety gate and the acceptance of a chunk, what the policy server adds to an
inference (`benchmarks.server`), and how late commands are while all cores are taken
(`benchmarks.jitter`). All times are on the wall: on a busy machine they contain the turns of
others. The file also has the processor time of the gate's thread.
"""

import argparse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, UTC
import gc
from itertools import product
import json
import multiprocessing
from operator import itemgetter
import os
from pathlib import Path
import sys
import time

import numpy as np

from benchmarks import jitter, server
from benchmarks.machine import describe
from lingbot_policy.chunk import ActionChunk
from lingbot_policy.execution.executor import Execution, ExecutionLimits, Mode
from lingbot_policy.nodes.command_thread import ask_for_realtime, COMMAND_PRIORITY
from lingbot_policy.robot import load_robot, Robot
from lingbot_policy.safety.gate import MeasuredState, SafetyGate
from lingbot_policy.sim.detect import Block
from lingbot_policy.sim.expert import plan_handover
from lingbot_policy.sim.stub import KinematicWorld

PASSES = 5
HORIZON = 50
LIMITS_MS = {
    'gate tick': 0.3,
    'gate tick with distances': 0.3,
    'accept a chunk': 1.0,
    'server': server.LIMIT_MS,
    'command': 1.0,
}
SERVER_ROBOTS = ('leju_kuavo4_pro', 'agilex_cobot_magic', 'realman_rs02')
COMMAND_RATES_HZ = (100.0, 250.0)
COMMAND_REMEDIES = ('plain', 'fifo', 'fifo, mlockall')


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
        if tick % 1000 == 0:
            time.sleep(0.02)  # Linux stops a real-time thread which never pauses
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


def gate_rows(robot_name: str, ticks: int) -> Iterator[dict]:
    """
    Yield rows of the gate and of acceptance, timed under the priority of the command thread.

    Each is the pass of :data:`PASSES` whose p99 is in the middle: what else a host does to a
    virtual core moves the p99 of one pass by half.
    """
    robot = load_robot(robot_name)
    plan = handover(robot)

    timed = {
        'gate tick': lambda: time_gate(robot, plan, ticks, distances=False)[0],
        'gate tick with distances': lambda: time_gate(robot, plan, ticks, distances=True)[0],
        'accept a chunk': lambda: time_accept(robot, plan, 'replace', max(1, ticks // 20)),
    }

    def measured() -> tuple[bool, dict[str, list[dict[str, float]]]]:
        realtime = ask_for_realtime(COMMAND_PRIORITY)
        gc.collect()
        gc.freeze()  # as the command thread does
        return realtime, {
            name: [run().figures() for _ in range(PASSES)] for name, run in timed.items()
        }

    with ThreadPoolExecutor(1) as pool:
        realtime, found = pool.submit(measured).result()
    scheduling = 'fifo' if realtime else 'plain'
    for name, passes in found.items():
        ordered = sorted(passes, key=itemgetter('p99_ms'))
        spread = {'p99_of_passes_ms': [each['p99_ms'] for each in ordered]}
        yield row(name, robot_name, 'idle', scheduling, ordered[PASSES // 2] | spread)


def server_row(robot_name: str, load: str, scheduling: str, chunks: int) -> dict:
    """Return the row of what the policy server adds to an inference."""
    found = server.measure(robot_name, chunks, realtime=scheduling == 'fifo')
    figures = {f'{name}_ms': found['overhead_ms'][name] for name in ('p50', 'p99', 'max')}
    return row(f'server, {_pictures(robot_name)}', robot_name, load, scheduling, figures)


def command_rows(robot_name: str, load: str, seconds: float) -> Iterator[dict]:
    """Yield rows of how late the ticks of the command thread are."""
    for rate_hz, remedy in product(COMMAND_RATES_HZ, COMMAND_REMEDIES):
        found = _late(robot_name, rate_hz, jitter.REMEDIES[remedy], seconds)
        figures = {f'{name}_ms': round(value, 4) for name, value in found['late_ms'].items()}
        lacks = {'lacks': found['missing']} if found['missing'] else {}
        yield row(f'command, {rate_hz:g} Hz', robot_name, load, remedy, figures) | lacks


def _late(robot_name: str, rate_hz: float, remedies: tuple[str, ...], seconds: float) -> dict:
    """Return what the command thread says after so long in a process of its own."""
    context = multiprocessing.get_context('spawn')
    out = context.Queue()
    arguments = (robot_name, rate_hz, remedies, seconds, out)
    process = context.Process(target=jitter.measure, args=arguments)
    process.start()
    found = out.get(timeout=seconds + 60.0)
    process.join()
    return found


def row(what: str, robot: str, load: str, scheduling: str, figures: dict) -> dict:
    """Return a row of the table: its 99th percentile is held against the limit."""
    limit = LIMITS_MS[what.partition(',')[0]]
    return {
        'what': what,
        'robot': robot,
        'load': load,
        'scheduling': scheduling,
        'load_average': round(os.getloadavg()[0], 2),
        **figures,
        'limit_ms': limit,
        'is_met': figures['p99_ms'] <= limit,
    }


def line(found: dict) -> str:
    """Return a row as text."""
    lacks = f'  without {", ".join(found["lacks"])}' if 'lacks' in found else ''
    return (
        f'{found["what"]:26}{found["load"]:11}{found["scheduling"]:16}{found["p50_ms"]:8.3f}'
        f'{found["p99_ms"]:9.3f}{found["max_ms"]:9.3f}{found["limit_ms"]:7.1f}  '
        f'{"yes" if found["is_met"] else "no"}{lacks}'
    )


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Yield every row asked for, first those of a machine which does nothing else."""
    parts = args.parts.split(',')
    if 'gate' in parts:
        yield from gate_rows(args.robot, args.ticks)
    if 'server' in parts:
        yield server_row(SERVER_ROBOTS[0], 'idle', 'plain', args.chunks)
        yield from (server_row(name, 'idle', 'fifo', args.chunks) for name in SERVER_ROBOTS)
    if not {'server', 'commands'} & set(parts):
        return
    with server.saturated():
        if 'server' in parts:
            for scheduling in ('plain', 'fifo'):
                yield server_row(SERVER_ROBOTS[0], 'saturated', scheduling, args.chunks)
        if 'commands' in parts:
            yield from command_rows(args.robot, 'saturated', args.seconds)


def _pictures(robot_name: str) -> str:
    camera = load_robot(robot_name).cameras['head']
    kind = 'raw' if camera.transport == 'raw' else 'JPEG'
    return f'{kind} {camera.width}x{camera.height}'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--robot', default='realman_rs02', help='16 values at 200 Hz')
    parser.add_argument('--parts', default='gate,server,commands')
    parser.add_argument('--ticks', type=int, default=5000)
    parser.add_argument('--chunks', type=int, default=200)
    parser.add_argument('--seconds', type=float, default=5.0, help='of each row of commands')
    parser.add_argument('--out', type=Path)
    args = parser.parse_args()
    machine, found = describe('cpu'), []
    write = sys.stdout.write
    write(f'{machine["processor"]}, {machine["cores"]} cores, load {machine["load_average"][0]}\n')
    write(
        f'{"ms":26}{"load":11}{"scheduling":16}{"p50":>8}{"p99":>9}{"max":>9}  limit  p99 in it\n'
    )
    for each in rows(args):
        found.append(each)
        write(line(each) + '\n')
        sys.stdout.flush()
    if args.out:
        measured = datetime.now(UTC).isoformat(timespec='seconds')
        report = {'machine': machine, 'measured': measured, 'rows': found}
        args.out.write_text(json.dumps(report, indent=1) + '\n', encoding='utf-8')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
