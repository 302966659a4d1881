# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""``lingbot operate``: what an operator does to a deployment that runs, from another terminal."""

from typing import Annotated, Literal

import typer


def operate(
    act: Annotated[
        Literal['arm', 'disarm', 'go_home', 'stop', 'clear_stop'],
        typer.Argument(help='arm, disarm, go_home (from a hold), stop (latched), or clear_stop.'),
    ],
    namespace: Annotated[str, typer.Option(help='Namespace of the deployment.')] = '',
) -> None:
    """Arm, disarm, stop a running deployment; ROS_DOMAIN_ID and discovery are the shell's."""
    from lingbot_policy.nodes.monitor import Monitor

    monitor = Monitor(namespace)
    try:
        typer.echo(monitor.call(f'chunk_executor/{act}'))
    finally:
        monitor.close()
