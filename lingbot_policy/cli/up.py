# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""``lingbot up``: a policy on a real robot. Arming stays the operator's own act."""

from pathlib import Path
from typing import Annotated

import typer


def up(
    robot: Annotated[str, typer.Option(help='Robot: a name, or a .yaml file.')],
    policy: Annotated[str, typer.Option(help='Policy: lingbot, expert or hold.')],
    bundle: Annotated[Path | None, typer.Option(help='Policy bundle for lingbot.')] = None,
    instruction: Annotated[str, typer.Option(help='What the robot is to do.')] = '',
    namespace: Annotated[str, typer.Option(help='Namespace of our nodes.')] = '',
    vendor_namespace: Annotated[str, typer.Option(help="Prefix of the robot's topics.")] = '',
    link_host: Annotated[
        str, typer.Option(help="Address of the robot's own computer, for a relay.")
    ] = '',
    record: Annotated[Path | None, typer.Option(help='Record to this folder.')] = None,
    speed: Annotated[
        float, typer.Option(min=0.01, max=1.0, help='Share of the predicted speed.')
    ] = 1.0,
    strategy: Annotated[
        str,
        typer.Option(help='How chunks follow: sync, replace, ensemble, blend, rtc, rtc_trained.'),
    ] = 'replace',
    shadow: Annotated[
        bool, typer.Option('--shadow', help='Infer, gate and record; never command the robot.')
    ] = False,
    operator_confirms: Annotated[
        bool, typer.Option('--operator-confirms', help="The robot's arming steps are done.")
    ] = False,
    serial: Annotated[
        str, typer.Option(help='Serial number under which this robot was jogged and confirmed.')
    ] = '',
    seed: Annotated[int, typer.Option(min=0, help='Seed of the policy.')] = 0,
    headless: Annotated[bool, typer.Option(help='Plain lines instead of the live view.')] = False,
) -> None:
    """Bring a policy up on a robot, disarmed. Ctrl-C brakes, disarms and brings all down."""
    from lingbot_policy.bringup import Deployment
    from lingbot_policy.cli.interrupts import interruptible
    from lingbot_policy.cli.up_run import run_up

    known = _checked(robot, policy, bundle, strategy, link_host)
    deployment = Deployment(
        robot=str(Path(robot).resolve()) if robot.endswith(('.yaml', '.yml')) else robot,
        policy=policy,
        bundle=str(bundle.resolve()) if bundle else '',
        instruction=instruction,
        namespace=namespace,
        vendor_namespace=vendor_namespace,
        seed=seed,
        strategy=strategy,
        link=known.file.link,
        link_host=link_host,
        record=str(record.resolve()) if record else '',
        executor={
            'operator_confirms': operator_confirms,
            'serial': serial,
            'speed': speed,
            'shadow': shadow,
        },
    )
    with interruptible():
        run_up(deployment, known.with_vendor_namespace(vendor_namespace), headless)


def _checked(robot: str, policy: str, bundle: Path | None, strategy: str, link_host: str):
    """
    Return the robot; everything that was given fits it and each other.

    :raises ValueError: naming the option that does not, and what it takes.
    """
    from lingbot_policy.bringup import RELAYS, require_together
    from lingbot_policy.contract import shipped_bundle
    from lingbot_policy.policy import POLICIES
    from lingbot_policy.robot import load_robot

    known = load_robot(robot)
    if policy not in POLICIES:
        raise ValueError(f'--policy: found {policy!r}, expected one of {", ".join(POLICIES)}')
    require_together(policy, strategy, bundle or shipped_bundle(known.name))
    if bundle is not None and not bundle.is_dir():
        raise ValueError(f'--bundle {bundle}: no such folder; expected a policy bundle')
    if RELAYS.get(known.file.link) and not link_host:
        raise ValueError(
            f'--link-host: found none; {known.name} is linked by {known.file.link}: give the '
            "address of the robot's own computer (docs/links.md)"
        )
    return known
