# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The demo: one phase for each policy, then the report."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
import json
import os
from pathlib import Path
import shlex
import sys

from lingbot_policy.bags.record_file import free_bytes
from lingbot_policy.bringup import Deployment, require_together, Simulation
from lingbot_policy.cli.live import LiveView
from lingbot_policy.cli.running import RunningDeployment
from lingbot_policy.contract import shipped_bundle
from lingbot_policy.execution.strategies import find_strategy
from lingbot_policy.isolation import isolated_environment, private_domain
from lingbot_policy.policy import POLICIES
from lingbot_policy.reports.figures import failures, Figures, figures
from lingbot_policy.reports.machine import hardware, versions
from lingbot_policy.reports.page import PhaseReport, write_report
from lingbot_policy.reports.series import read_series
from lingbot_policy.robot import load_robot, Robot
from lingbot_policy.sim.tasks import draw_layout, find_task

TASK = 'handover'
IMAGE_BYTES = 3  # a pixel
KEPT_FREE_BYTES = 544 * 2**20  # the recorder begins no bag below, and the report follows


@dataclass(frozen=True)
class DemoOptions:
    """What the command line says; None: the demo's own choice."""

    robot: str
    policy: str | None
    bundle: Path | None
    strategy: str
    seconds: float
    headless: bool
    out: Path | None
    world: str
    seed: int
    domain: int | None


def run_demo(options: DemoOptions) -> dict:
    """
    Run every phase and return the result, which is also written to result.json.

    :raises ValueError: if something the user gave is wrong, or a phase could not run.
    """
    robot = load_robot(options.robot)
    policies = choose_policies(options, robot)
    started = datetime.now()
    folder = options.out or Path('demo') / started.strftime('%Y-%m-%d_%H-%M-%S')
    _require_space(options, robot, len(policies), folder)
    _make_folder(folder)
    view = LiveView(options.headless)
    machine = hardware()  # before our own load
    view.say(f'{robot.file.title}, world {options.world}, policies: {", ".join(policies)}')
    phases, broken = [], []
    with _own_graph(options, robot, folder) as env:
        for policy in policies:
            try:
                with view.phase(f'{robot.name}  {policy}  {options.world}'):
                    phases.append(_run_phase(options, robot, policy, folder, env, view))
            except ValueError as error:
                if not phases:
                    raise
                broken.append(f'{policy}: could not run: {error}')
            else:
                view.say(summary_line(phases[-1]))
    result = _result(options, robot, phases, broken, started, machine)
    report = folder / 'report.html'
    write_report(report, phases, result)
    result['report'] = str(report)
    (folder / 'result.json').write_text(json.dumps(result, indent=2) + '\n', encoding='utf-8')
    for line in result['failed']:
        view.say(f'does not hold: {line}')
    if any(phase.failed for phase in phases) and machine['load_average'] > machine['cores']:
        view.say(
            f'the machine was busy before: load average {machine["load_average"]} on '
            f'{machine["cores"]} cores; end other programs to judge the rates'
        )
    view.say(f'report: {report}')
    return result


def choose_policies(options: DemoOptions, robot: Robot) -> tuple[str, ...]:
    """
    Return which policies run, one after the other.

    :raises ValueError: for an unknown policy or strategy, one that does not go with the other, or
        a bundle that is not there.
    """
    if options.policy not in (None, *POLICIES):
        raise ValueError(
            f'--policy: found {options.policy!r}, expected one of {", ".join(POLICIES)}'
        )
    if options.bundle is not None and not options.bundle.is_dir():
        raise ValueError(
            f'--bundle {options.bundle}: no such folder; expected a policy bundle, which '
            '`lingbot import-weights` makes'
        )
    bundle = options.bundle or shipped_bundle(robot.name)
    has_bundle, policy = bundle.is_dir(), options.policy
    if policy is None and has_bundle and find_strategy(options.strategy).continues_plan:
        policy = 'lingbot'
    require_together(policy or 'expert', options.strategy, bundle)
    if policy is not None:
        return (policy,)
    return ('expert', 'lingbot') if has_bundle else ('expert',)


def summary_line(phase: PhaseReport) -> str:
    """Return what a phase reached, in one line."""
    found: Figures = phase.figures
    infer = found.latency_s['capture_to_publish']
    latency = f'{infer["median"] * 1e3:.0f} ms' if infer else '?'
    task = '' if found.progress is None else f', task {found.progress:.0%}'
    return (
        f'{phase.policy}: {"holds" if not phase.failed else "DOES NOT HOLD"}: '
        f'{found.chunk_hz:.1f} chunks/s, camera to chunk {latency}, '
        f'{found.commands.rate_hz:.1f} commands/s, {found.outside_limits} outside limits{task}'
    )


@contextmanager
def _own_graph(options: DemoOptions, robot: Robot, folder: Path) -> Iterator[dict[str, str]]:
    """Put this process and the nodes to come on a ROS graph of their own."""

    def enter(domain: int) -> dict[str, str]:
        env = isolated_environment(domain, folder / 'log')
        os.environ.update(env)  # this process's monitor reads it there
        for name in ('ROS_LOCALHOST_ONLY', 'ROS_STATIC_PEERS'):
            os.environ.pop(name, None)
        return env

    if options.domain is not None:
        yield enter(options.domain)
        return
    with private_domain(avoid=frozenset({robot.file.domain_hint})) as domain:
        yield enter(domain)


def _run_phase(
    options: DemoOptions, robot: Robot, policy: str, folder: Path, env: dict, view: LiveView
) -> PhaseReport:
    bundle = options.bundle if policy == 'lingbot' else None
    deployment = Deployment(
        robot=str(robot.path) if options.robot.endswith(('.yaml', '.yml')) else robot.name,
        policy=policy,
        strategy=options.strategy,
        bundle=str(bundle.resolve()) if bundle else '',
        instruction=draw_layout(robot, find_task(TASK), options.seed).instruction,
        seed=options.seed,
        record=str((folder / f'bag_{policy}').resolve()),
        simulation=Simulation(world=options.world, task=TASK, seed=options.seed),
    )
    logs = folder / 'log' / policy
    with RunningDeployment(deployment, robot, env, logs, view.show) as running:
        running.arm()
        view.begin(options.seconds)
        running.run(options.seconds)
        running.disarm()
        recording = running.stop_recording()
        incidents = tuple(f'{i.executable} {i.kind}: {i.detail}' for i in running.incidents)
    series = read_series(Path(recording['path']), robot)
    found = figures(series)
    failed = failures(found) + [f'incident: {line}' for line in incidents]
    if recording['failure']:
        failed.append(f'recording: {recording["failure"]}')
    return PhaseReport(policy, series, found, tuple(failed), incidents)


def _result(
    options: DemoOptions,
    robot: Robot,
    phases: list[PhaseReport],
    broken: list[str],
    started: datetime,
    machine: dict,
) -> dict:
    failed = [f'{phase.policy}: {line}' for phase in phases for line in phase.failed] + broken
    return {
        'ok': not failed,
        'failed': failed,
        'robot': robot.name,
        'world': options.world,
        'seconds': options.seconds,
        'seed': options.seed,
        'strategy': options.strategy,
        'command': shlex.join(['lingbot', *sys.argv[1:]]),
        'started': started.astimezone().isoformat(timespec='seconds'),
        'phases': [
            {
                'policy': phase.policy,
                'ok': not phase.failed,
                'failed': list(phase.failed),
                'bag': str(phase.series.bag),
                'instruction': phase.series.instruction,
                **asdict(phase.figures),
                'published_equals_written': bool(phase.series.completeness)
                and not phase.figures.unequal,
                'completeness': phase.series.completeness,
            }
            for phase in phases
        ],
        'hardware': machine,
        'versions': versions(),
    }


def _require_space(options: DemoOptions, robot: Robot, phases: int, folder: Path) -> None:
    simulation = Simulation()
    frame = IMAGE_BYTES * simulation.width * simulation.height
    per_s = frame * simulation.fps * len(robot.cameras) + 1e6
    needed = per_s * (options.seconds + 10.0) * phases + KEPT_FREE_BYTES
    free = free_bytes(folder.resolve())
    if free < needed:
        raise ValueError(
            f'disk: {free / 2**30:.2f} GiB free for {folder}, needed about '
            f'{needed / 2**30:.2f} GiB for {options.seconds:g} s of {phases} recordings; '
            'make room, give --out on another disk, or fewer --seconds'
        )


def _make_folder(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f'--out {folder}: exists and is not empty; give a new folder')
    folder.mkdir(parents=True, exist_ok=True)
