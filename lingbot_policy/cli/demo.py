# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""``lingbot demo``: a simulated robot, its policy, a recording and a report of what it reached."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def demo(
    robot: Annotated[
        str, typer.Option(help='Robot: a name, or a .yaml file.')
    ] = 'agilex_cobot_magic',
    policy: Annotated[
        str | None,
        typer.Option(help='expert, lingbot or hold; else expert, then lingbot with a bundle.'),
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help='Policy bundle for lingbot; else the one shipped.')
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(help='How chunks follow: sync, replace, ensemble, blend, rtc, rtc_trained.'),
    ] = 'replace',
    seconds: Annotated[float, typer.Option(min=2.0, help='Motion of each policy, s.')] = 20.0,
    headless: Annotated[bool, typer.Option(help='Plain lines instead of the live view.')] = False,
    as_json: Annotated[bool, typer.Option('--json', help='Print the result as JSON.')] = False,
    out: Annotated[
        Path | None, typer.Option(help='Folder of report and bags; else demo/<time>.')
    ] = None,
    world: Annotated[
        Literal['mujoco', 'kinematic'], typer.Option(help='Physics, or a stub without any.')
    ] = 'mujoco',
    seed: Annotated[int, typer.Option(min=0, help='Seed of the task and of the policy.')] = 0,
    domain: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the whole line in simulation, record it, and write a report of what it reached."""
    from lingbot_policy.cli.demo_run import DemoOptions, run_demo
    from lingbot_policy.cli.interrupts import interruptible

    options = DemoOptions(
        robot=robot,
        policy=policy,
        bundle=bundle,
        strategy=strategy,
        seconds=seconds,
        headless=headless or as_json,
        out=out,
        world=world,
        seed=seed,
        domain=domain,
    )
    with interruptible():
        result = run_demo(options)
    if as_json:
        import json

        typer.echo(json.dumps(result, indent=2))
    raise typer.Exit(0 if result['ok'] else 1)
