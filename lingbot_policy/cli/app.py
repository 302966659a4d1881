# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The table of commands. Their modules import at the top only what ``--help`` needs."""

import typer

from lingbot_policy.cli import (
    bag,
    demo,
    doctor,
    import_weights,
    jog,
    operate,
    robots,
    strategies,
    up,
)

app = typer.Typer(
    name='lingbot',
    help='Run LingBot-VLA on dual-arm robots through ROS 2: simulate, deploy, record, check.',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich takes 0.1 s to load
)
app.command('demo')(demo.demo)
app.command('up')(up.up)
app.command('operate')(operate.operate)
app.add_typer(robots.app, name='robots')
app.command('doctor')(doctor.doctor)
app.command('jog')(jog.jog)
app.add_typer(bag.app, name='bag')
app.command('strategies')(strategies.strategies)
app.command('import-weights')(import_weights.import_weights)


def run(arguments: list[str] | None = None) -> int:
    """
    Run one command and return its exit code.

    :raises ValueError: for a mistake of the user which the command found.
    """
    try:
        app(arguments, prog_name='lingbot')
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0
