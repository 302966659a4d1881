# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""``lingbot robots``: what is known of each robot, and whether a file of one's own is sound."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help='List, show and check robot files.', add_completion=False)


@app.callback(invoke_without_command=True)
def robots(context: typer.Context) -> None:
    """List, show and check robot files."""
    if context.invoked_subcommand is None:
        list_robots()


@app.command('list')
def list_robots() -> None:
    """List the robots that come with the package."""
    from rich.console import Console
    from rich.table import Table

    from lingbot_policy.robot import load_robot, robot_names

    table = Table(box=None, pad_edge=False, header_style='bold')
    for heading in ('robot', 'what it is', 'joints', 'cameras', 'command', 'link', 'assumed'):
        table.add_column(heading, no_wrap=heading == 'robot')
    for name in robot_names():
        robot = load_robot(name)
        table.add_row(
            name,
            robot.file.title,
            str(robot.dof),
            str(len(robot.cameras)),
            f'{robot.file.command_rate_hz:g} Hz',
            robot.file.link,
            f'{len(robot.file.assumed)} fields',
        )
    Console().print(table)


@app.command('show')
def show(
    name: Annotated[str, typer.Argument(help='Name of a robot, or the path of a .yaml file.')],
) -> None:
    """Show joints, topics, cameras and arming steps of one robot."""
    from rich.console import Console

    from lingbot_policy.cli.robot_tables import robot_tables
    from lingbot_policy.robot import load_robot

    console = Console()
    for part in robot_tables(load_robot(name)):
        console.print(part)


@app.command('check')
def check(
    files: Annotated[list[Path], typer.Argument(help='Robot files, *.yaml.')],
) -> None:
    """Check robot files and name every fault of each: file, field, found, expected."""
    from lingbot_policy.robot import load_robot

    faulty = 0
    for path in files:
        try:
            if path.suffix not in ('.yaml', '.yml'):
                raise ValueError(f'{path}: found suffix {path.suffix!r}, expected .yaml')
            robot = load_robot(path)
        except ValueError as error:
            faulty += 1
            typer.echo(str(error), err=True)
        else:
            assumed = len(robot.file.assumed)
            typer.echo(f'{path}: sound ({robot.name}, {robot.dof} joints, {assumed} assumed)')
    if faulty:
        raise typer.Exit(1)
