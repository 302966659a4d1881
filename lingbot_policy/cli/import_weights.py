# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""``lingbot import-weights``: released weights become a sealed bundle for one robot."""

from pathlib import Path
from typing import Annotated

import typer


def import_weights(
    source: Annotated[Path, typer.Argument(help='Folder with config.json and *.safetensors.')],
    out: Annotated[Path, typer.Argument(help='Folder of the bundle; it must not exist yet.')],
    robot: Annotated[str, typer.Option(help='Robot the bundle is for: a name, or a .yaml file.')],
    stats: Annotated[Path | None, typer.Option(help='Statistics (norm_stats.json).')] = None,
    tokenizer: Annotated[Path | None, typer.Option(help='Folder of the tokenizer.')] = None,
    cli: Annotated[
        Path | None, typer.Option(help='Training options, lingbotvla_cli.yaml.')
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help='Where joints stand: concat_groups, pretrain, raw_14.')
    ] = None,
    normalization: Annotated[
        str | None, typer.Option(help='Formula, or two: arms,grippers.')
    ] = None,
    prompt_length: Annotated[int | None, typer.Option(min=1, help='Tokens of a prompt.')] = None,
    relative_arms: Annotated[
        bool | None,
        typer.Option('--relative-arms/--absolute-arms', help='What the arm actions mean.'),
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0.1, help='Steps per second, Hz.')] = None,
) -> None:
    """Make a policy bundle from released weights; what no file says has to be given."""
    from typing import get_args

    from lingbot_policy.contract import Layout
    from lingbot_policy.import_facts import Choices
    from lingbot_policy.import_weights import import_weights as make_bundle
    from lingbot_policy.robot import load_robot

    if layout is not None and layout not in get_args(Layout):
        raise ValueError(
            f'--layout: found {layout!r}, expected one of {", ".join(get_args(Layout))}'
        )
    choices = Choices(
        layout=layout,
        normalization=normalization,
        stats=stats,
        tokenizer=tokenizer,
        cli=cli,
        prompt_length=prompt_length,
        relative_arms=relative_arms,
        rate_hz=rate,
    )
    imported = make_bundle(source, load_robot(robot), out, choices)
    width = max(len(name) for name in imported.origins)
    for name, origin in imported.origins.items():
        typer.echo(f'{name:{width}}  {origin}')
    typer.echo(f'{out}: sealed, contract {imported.contract.digest}')
