# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""``lingbot strategies``: how chunks follow each other, compared in virtual time."""

from pathlib import Path
from typing import Annotated

import typer


def strategies(
    robot: Annotated[str, typer.Option(help='Robot: a name, or a .yaml file.')] = (
        'agilex_cobot_magic'
    ),
    bundle: Annotated[
        Path | None, typer.Option(help="Policy bundle; default: the robot's small one.")
    ] = None,
    names: Annotated[str, typer.Option(help='Strategies, with commas; default: all.')] = '',
    delays: Annotated[str, typer.Option(help='Delays in s, with commas.')] = '0.1,0.2,0.3',
    seeds: Annotated[int, typer.Option(min=1, help='Episodes of each, seeds 0 .. n-1.')] = 3,
    seconds: Annotated[float, typer.Option(min=1.0, help='Length of an episode.')] = 12.0,
    world: Annotated[str, typer.Option(help='Physics: mujoco or kinematic.')] = 'mujoco',
    out: Annotated[Path | None, typer.Option(help='JSON file for every figure.')] = None,
) -> None:
    """Run the same episodes with the same delays under each strategy, and compare the motion."""
    from lingbot_policy.backends.lingbot import LingBotPolicy
    from lingbot_policy.evaluation.strategies import ALL, compare, markdown, write_json
    from lingbot_policy.robot import load_robot
    from lingbot_policy.sim.worlds import make_world

    try:
        delays_s = [float(text) for text in delays.split(',')]
    except ValueError:
        raise ValueError(f'--delays: found {delays!r}, expected numbers with commas') from None
    known = load_robot(robot)
    chosen = tuple(names.split(',')) if names else ALL
    compared = compare(
        make_world(world, known, 'handover', 0, (320, 240)),
        lambda guidance: LingBotPolicy.load(known, bundle, guidance=guidance),
        chosen,
        delays_s,
        range(seeds),
        seconds,
        lambda line: typer.echo(line, err=True),
    )
    typer.echo(markdown(compared))
    if out is not None:
        run = {'robot': known.name, 'bundle': str(bundle or 'default'), 'world': world}
        write_json(compared, out, **run, seconds=seconds, seeds=seeds)
