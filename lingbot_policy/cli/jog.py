# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""``lingbot jog``: the first motion of a robot, one joint at a time, seen by an operator."""

from typing import Annotated

import typer


def jog(
    robot: Annotated[str, typer.Option(help='Robot: a name, or a .yaml file.')],
    serial: Annotated[
        str, typer.Option(help="The robot's serial number: confirmations are kept by it.")
    ] = '',
    joint: Annotated[
        list[str] | None, typer.Option(help='Only this joint or gripper; may be repeated.')
    ] = None,
    vendor_namespace: Annotated[str, typer.Option(help="Prefix of the robot's topics.")] = '',
    simulation: Annotated[
        bool, typer.Option('--simulation', help='Try it on a simulated robot of its own.')
    ] = False,
) -> None:
    """
    Move each joint by 3 degrees, each gripper by a tenth, at 2 % of its speed, and ask what moved.

    Any key stops. Confirms what the robot file only assumes; arming asks for that.
    """
    from lingbot_policy.cli.interrupts import interruptible
    from lingbot_policy.cli.jog_run import JogOptions, run_jog
    from lingbot_policy.commissioning.confirmations import SIMULATION
    from lingbot_policy.robot import load_robot

    if simulation and serial:
        raise ValueError('--simulation: takes no --serial: it confirms nothing of a real robot')
    if not simulation and serial in ('', SIMULATION):
        raise ValueError(
            f'--serial: found {serial!r}, expected the serial number of the robot; '
            'or try it with --simulation'
        )
    known = load_robot(robot).with_vendor_namespace(vendor_namespace)
    options = JogOptions(known, serial or SIMULATION, tuple(joint or ()), simulation)
    with interruptible():
        raise typer.Exit(0 if run_jog(options) else 1)
