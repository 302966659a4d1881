# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
How late commands are while inference takes every core, and what each remedy brings.

``python -m benchmarks.jitter --rates 100,250 --seconds 10 --out control_jitter.json``: the line's
own command thread with the executor's whole tick (plan and gate), in a process of its own.
"""

import argparse
from datetime import datetime, UTC
import json
import multiprocessing
import os
from pathlib import Path
import time

import numpy as np
import torch

from benchmarks.machine import describe
from lingbot_policy.chunk import ActionChunk
from lingbot_policy.execution.executor import Execution, ExecutionLimits
from lingbot_policy.nodes.command_thread import ask_for_realtime, CommandThread, lock_memory
from lingbot_policy.robot import load_robot, Robot

# What is done before the thread starts: real-time scheduling of the process and thread, memory
# locked, the last core kept for commands.
REMEDIES = {
    'plain': (),
    'mlockall': ('lock',),
    'affinity': ('pin',),
    'fifo': ('fifo',),
    'fifo, mlockall': ('fifo', 'lock'),
    'fifo, mlockall, affinity': ('fifo', 'lock', 'pin'),
}
NS = 1_000_000_000
HORIZON = 50


class Motion:
    """An executor which always moves: its tick accepts a new chunk ten times a second."""

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        self._execution = Execution(robot, ExecutionLimits(), 'blend')
        self._slots = np.arange(robot.dof)
        self._execution.expect('bench')
        self._sequence = 0
        self._next_ns = 0
        self.tick_ns: list[int] = []

    def begin(self) -> None:
        now_ns = time.monotonic_ns()
        self._execution.measure(self._slots, self._robot.home, now_ns)
        self._execution.arm(now_ns)

    def tick(self, now_ns: int) -> None:
        started = time.perf_counter_ns()
        execution = self._execution
        execution.measure(self._slots, execution.gate.last, now_ns)
        if now_ns >= self._next_ns:
            self._next_ns = now_ns + NS // 10
            self._accept(now_ns)
        execution.tick(now_ns, now_ns)
        self.tick_ns.append(time.perf_counter_ns() - started)

    def _accept(self, now_ns: int) -> None:
        self._sequence += 1
        rate_hz = self._robot.file.policy_rate_hz
        seconds = (now_ns % (60 * NS)) / NS + np.arange(HORIZON) / rate_hz
        sway = 0.1 * np.sin(2.0 * np.pi * 0.25 * seconds)[:, None]
        middle = 0.5 * (self._robot.lower + self._robot.upper)
        inwards = np.sign(middle - self._robot.home)
        chunk = ActionChunk(
            self._robot.home + inwards * (0.1 + sway),
            now_ns,
            rate_hz,
            sequence=self._sequence,
            contract_digest='bench',
        )
        self._execution.accept(chunk, now_ns, now_ns)


def saturate(stop) -> None:
    """Multiply matrices, as inference does, until told to stop."""
    torch.set_num_threads(1)
    a = torch.randn(512, 512)
    while not stop.is_set():
        for _ in range(10):
            a @ a


def measure(robot_name: str, rate_hz: float, remedies: tuple[str, ...], seconds: float, out):
    """Run the command thread for so long, and put its figures into the queue ``out``."""
    missing = []
    if 'pin' in remedies:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if 'lock' in remedies and not lock_memory():
        missing.append('mlockall')
    if 'fifo' in remedies and not ask_for_realtime():
        missing.append('SCHED_FIFO')
    motion = Motion(load_robot(robot_name))
    late_ns: list[int] = []
    faults: list[BaseException] = []

    def tick(now_ns: int) -> None:
        late_ns.append(thread.late_ns)
        motion.tick(now_ns)

    thread = CommandThread(rate_hz, tick, faults.append, realtime='fifo' in remedies)
    motion.begin()
    thread.start()
    time.sleep(seconds)
    thread.stop()
    if faults:
        raise faults[0]
    late_ms, tick_ms = np.array(late_ns[1:]) * 1e-6, np.array(motion.tick_ns[1:]) * 1e-6
    out.put(
        {
            'missing': missing,
            'ticks': len(late_ms),
            'missed': int(thread.missed),
            'late_ms': {p: float(np.percentile(late_ms, q)) for p, q in PERCENTILES.items()},
            'tick_ms': {p: float(np.percentile(tick_ms, q)) for p, q in PERCENTILES.items()},
        }
    )


PERCENTILES = {'p50': 50, 'p99': 99, 'max': 100}


def run(args: argparse.Namespace) -> dict:
    """Return a row for each rate and remedy, loaded and not."""
    context = multiprocessing.get_context('spawn')
    before = describe('cpu')
    rows = []
    for load in args.loads.split(','):
        stop = context.Event()
        count = os.cpu_count() if load == 'saturated' else 0
        busy = [context.Process(target=saturate, args=(stop,)) for _ in range(count)]
        for process in busy:
            process.start()
        time.sleep(3.0 if busy else 0.0)
        for rate_hz in map(float, args.rates.split(',')):
            for name, remedies in REMEDIES.items():
                out = context.Queue()
                arguments = (args.robot, rate_hz, remedies, args.seconds, out)
                process = context.Process(target=measure, args=arguments)
                process.start()
                found = out.get(timeout=args.seconds + 60.0)
                process.join()
                rows.append({'load': load, 'rate_hz': rate_hz, 'remedy': name, **found})
                print(line(rows[-1]), flush=True)
        stop.set()
        for process in busy:
            process.join()
    return {
        'robot': args.robot,
        'seconds': args.seconds,
        'machine': before,
        'measured': datetime.now(UTC).isoformat(timespec='seconds'),
        'rows': rows,
    }


def line(row: dict) -> str:
    """Return a row as text."""
    late, tick = row['late_ms'], row['tick_ms']
    missing = f'  without {", ".join(row["missing"])}' if row['missing'] else ''
    return (
        f'{row["load"]:10} {row["rate_hz"]:5.0f} Hz  {row["remedy"]:26} late ms '
        f'p50 {late["p50"]:6.3f} p99 {late["p99"]:7.3f} max {late["max"]:8.3f}  missed '
        f'{row["missed"]:4d}/{row["ticks"]}  tick ms p50 {tick["p50"]:.3f} p99 {tick["p99"]:.3f}'
        f'{missing}'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description='Measure how late commands are under load.')
    parser.add_argument('--robot', default='bimanual_franka')
    parser.add_argument('--rates', default='100,250')
    parser.add_argument('--loads', default='idle,saturated')
    parser.add_argument('--seconds', type=float, default=10.0)
    parser.add_argument('--out', help='name of a JSON file in results/')
    args = parser.parse_args()
    result = run(args)
    if args.out:
        path = Path(__file__).parent / 'results' / args.out
        path.write_text(json.dumps(result, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
