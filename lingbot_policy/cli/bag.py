# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""``lingbot bag``: what is in a recording, and how to make a broken one readable."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help='Look into recordings and recover them.', no_args_is_help=True)
BagPath = Annotated[Path, typer.Argument(help='A bag folder, or an .mcap file.')]


@app.command('info')
def info(path: BagPath) -> None:
    """Show topics, counts, rates and losses of a bag."""
    from rich.console import Console
    from rich.table import Table

    from lingbot_policy.bags.summary import summarize

    summary = summarize(path)
    console = Console()
    console.print(
        f'{summary.path}: {summary.messages} messages in {summary.duration_s:.1f} s, '
        f'{summary.size_bytes / 2**20:.1f} MiB, lost {summary.lost}'
    )
    table = Table(box=None, pad_edge=False, header_style='bold')
    for heading in ('topic', 'type', 'messages', 'rate', 'lost'):
        table.add_column(heading, justify='left' if heading in ('topic', 'type') else 'right')
    for topic in summary.topics:
        lost = 'not counted' if topic.lost is None else str(topic.lost)
        table.add_row(topic.name, topic.type, str(topic.count), f'{topic.rate_hz:.1f} Hz', lost)
    console.print(table)
    if summary.attachments:
        console.print('attached: ' + ', '.join(sorted(summary.attachments)))


@app.command('recover')
def recover_bag(path: BagPath) -> None:
    """Rewrite a bag whose recorder was killed; the original is kept as *.broken."""
    from lingbot_policy.bags.recover import recover

    typer.echo(str(recover(path)))
