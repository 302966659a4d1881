# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
What the policy server adds to an inference: from the last frame to it, and from it to the chunk.

    python -m benchmarks.server --robots agilex_cobot_magic --chunks 300 --out server.json

The server is the real node in a process of its own, its robot is `benchmarks.sensors`, and the
figures are those of its own `inference_record`.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
import ctypes
from datetime import datetime, UTC
from itertools import product
import json
import multiprocessing
import os
from pathlib import Path
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

from benchmarks.jitter import saturate
from benchmarks.machine import describe
from lingbot_policy.isolation import isolated_environment, private_domain

PATIENCE_S = 120.0
WARM_UP = 10  # chunks
PR_CAPBSET_DROP, CAP_SYS_NICE = 24, 23  # as linux/prctl.h and linux/capability.h number them
LIMIT_MS = 8.0
RATE_HZ = 20.0  # of chunks: every second frame of a 30 Hz camera
PERCENTILES = {'p50': 50, 'p95': 95, 'p99': 99, 'max': 100}


def measure(
    robot: str, chunks: int, *, realtime: bool = True, cameras: str = 'together', policy='hold'
) -> dict:
    """Return percentiles of wait, publication and their sum in ms, of so many chunks."""
    load = round(os.getloadavg()[0], 2)
    with _graph() as env, tempfile.TemporaryFile('w+') as log:
        sensors = [sys.executable, '-m', 'benchmarks.sensors', robot, '--cameras', cameras]
        server = [sys.executable, '-m', 'lingbot_policy.nodes.policy_server', '--ros-args']
        server += [
            '-p',
            f'robot:={robot}',
            '-p',
            f'policy:={policy}',
            '-p',
            f'max_rate_hz:={RATE_HZ}',
        ]
        forbid = None if realtime else forbid_realtime
        with _process(sensors, env, log), _process(server, env, log, forbid):
            try:
                records = _records(WARM_UP + chunks)
            except TimeoutError as error:
                log.seek(0)
                raise TimeoutError(f'{error}:\n{log.read()[-4000:]}') from None
    wait, publish = (1e3 * np.array(records[WARM_UP:])).T
    parts = {'wait': wait, 'publish': publish, 'overhead': wait + publish}
    figures = {
        f'{name}_ms': {p: round(float(np.percentile(v, q)), 3) for p, q in PERCENTILES.items()}
        for name, v in parts.items()
    }
    return {'chunks': len(wait), 'load_average': load, **figures}


def forbid_realtime() -> None:
    """Take from this process what real-time scheduling needs, as an ordinary user lacks it."""
    resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_NICE)


@contextmanager
def saturated() -> Iterator[None]:
    """Keep every core busy with products of matrices."""
    context = multiprocessing.get_context('spawn')
    stop = context.Event()
    busy = [context.Process(target=saturate, args=(stop,)) for _ in range(os.cpu_count())]
    for process in busy:
        process.start()
    time.sleep(3.0)
    try:
        yield
    finally:
        stop.set()
        for process in busy:
            process.join()


@contextmanager
def _graph() -> Iterator[dict[str, str]]:
    """Put this process and those it starts on a ROS graph of their own."""
    before = dict(os.environ)
    with private_domain() as domain, tempfile.TemporaryDirectory() as folder:
        os.environ.update(isolated_environment(domain, Path(folder)))
        for name in ('ROS_LOCALHOST_ONLY', 'ROS_STATIC_PEERS'):
            os.environ.pop(name, None)
        try:
            yield dict(os.environ)
        finally:
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def _process(command: list[str], env: dict, log, before_exec=None) -> Iterator[None]:
    process = subprocess.Popen(command, env=env, stdout=log, stderr=log, preexec_fn=before_exec)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _records(count: int) -> list[tuple[float, float]]:
    """Return wait and publication in s of the next ``count`` chunks."""
    from lingbot_msgs.msg import InferenceRecord
    import rclpy
    from rclpy.context import Context
    from rclpy.executors import SingleThreadedExecutor

    from lingbot_policy.nodes.qos import qos

    found: list[tuple[float, float]] = []

    def on_record(msg: InferenceRecord) -> None:
        if not msg.error:
            found.append((msg.wait_s, msg.publish_s))

    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node('bench', context=context, enable_rosout=False)
    node.create_subscription(
        InferenceRecord, 'inference_record', on_record, qos('inference_record')
    )
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    deadline = time.monotonic() + PATIENCE_S + count
    try:
        while len(found) < count:
            executor.spin_once(timeout_sec=0.5)
            if time.monotonic() > deadline:
                raise TimeoutError(f'{len(found)} of {count} chunks')
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()
    return found


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Yield a row for each robot, load and scheduling."""
    for load in args.loads.split(','):
        with saturated() if load == 'saturated' else nullcontext():
            for robot, cameras, scheduling in product(
                args.robots.split(','), args.cameras.split(','), args.scheduling.split(',')
            ):
                row = {'load': load, 'robot': robot, 'cameras': cameras}
                row |= {'scheduling': scheduling, 'policy': args.policy}
                options = {'cameras': cameras, 'policy': args.policy}
                yield row | measure(robot, args.chunks, realtime=scheduling == 'fifo', **options)


def line(row: dict) -> str:
    """Return a row as text."""
    parts = '  '.join(
        f'{name} p50 {row[f"{name}_ms"]["p50"]:6.2f} p95 {row[f"{name}_ms"]["p95"]:6.2f} '
        f'p99 {row[f"{name}_ms"]["p99"]:6.2f}'
        for name in ('wait', 'publish', 'overhead')
    )
    return (
        f'{row["load"]:9} {row["robot"]:18} {row["cameras"]:8} {row["scheduling"]:5} ms: {parts}'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--robots', default='agilex_cobot_magic,leju_kuavo4_pro,realman_rs02')
    parser.add_argument('--loads', default='idle,saturated')
    parser.add_argument('--cameras', default='together,free')
    parser.add_argument('--scheduling', default='plain,fifo')
    parser.add_argument('--policy', default='hold', choices=('hold', 'expert'))
    parser.add_argument('--chunks', type=int, default=300)
    parser.add_argument('--out', help='name of a JSON file in results/')
    args = parser.parse_args()
    machine, found = describe('cpu'), []
    for row in rows(args):
        found.append(row)
        print(line(row), flush=True)
    if args.out:
        measured = datetime.now(UTC).isoformat(timespec='seconds')
        report = {'limit_ms': LIMIT_MS, 'machine': machine, 'measured': measured, 'rows': found}
        path = Path(__file__).parent / 'results' / args.out
        path.write_text(json.dumps(report, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
