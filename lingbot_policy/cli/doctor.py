# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""``lingbot doctor``: go or no-go, piece by piece, and what to do about it."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_ROBOT = 'agilex_cobot_magic'


def doctor(
    robot: Annotated[
        str | None,
        typer.Option(help='Look at this robot on the ROS graph too: a name, or a .yaml file.'),
    ] = None,
    bundle: Annotated[Path | None, typer.Option(help='Policy bundle to check.')] = None,
    seconds: Annotated[float, typer.Option(min=0.5, help='Listen to the robot for so long.')] = 3,
    namespace: Annotated[str, typer.Option(help='Namespace of our own nodes.')] = '',
    vendor_namespace: Annotated[str, typer.Option(help="Prefix of the robot's topics.")] = '',
    offline: Annotated[
        bool, typer.Option('--offline', help='With --robot: its messages only, not the graph.')
    ] = False,
    simulation: Annotated[
        bool, typer.Option('--simulation', help='With --robot: expect a simulated one, scaled.')
    ] = False,
    as_json: Annotated[bool, typer.Option('--json', help='Print JSON instead.')] = False,
) -> None:
    """
    Check this environment and, given --robot, the robot on the ROS graph: go or no-go, row by row.

    Names what is missing or wrong and its remedy; exit 1 if something needed is.
    """
    from dataclasses import asdict
    import json

    from lingbot_policy.commissioning.environment import examine

    findings = examine(robot or DEFAULT_ROBOT, bundle)
    if robot is not None and not offline:
        findings += _live(
            robot, bundle, vendor_namespace, namespace, seconds, simulation, findings
        )
    is_ready = all(finding.verdict != 'no-go' for finding in findings)
    if as_json:
        report = {'ready': is_ready, 'findings': [asdict(finding) for finding in findings]}
        typer.echo(json.dumps(report, indent=2))
    else:
        _show(findings, is_ready)
    raise typer.Exit(0 if is_ready else 1)


def _live(
    robot: str,
    bundle: Path | None,
    vendor_namespace: str,
    namespace: str,
    seconds: float,
    simulation: bool,
    found: list,
) -> list:
    """Return the rows for the robot on the graph; none where what they need is no-go itself."""
    broken = {finding.piece for finding in found if finding.verdict == 'no-go'}
    if broken & {'rclpy', 'robot file'}:
        return []
    from lingbot_policy.commissioning.live_checks import live_findings
    from lingbot_policy.contract import parse_contract, POLICY_FILE
    from lingbot_policy.nodes.probe import collect
    from lingbot_policy.robot import load_robot

    known = load_robot(robot).with_vendor_namespace(vendor_namespace)
    prefix = f'/{namespace.strip("/")}'.rstrip('/')
    contract = None
    if bundle and 'policy bundle' not in broken:
        path = bundle / POLICY_FILE
        contract = parse_contract(path.read_text(encoding='utf-8'), str(path))
    facts = collect(known, seconds, prefix)
    return live_findings(known, facts, f'{prefix}/chunk_executor', contract, simulation)


def _show(findings, is_ready: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    styles = {'go': 'green', 'note': 'yellow', 'no-go': 'bold red'}
    table = Table(box=None, pad_edge=False, header_style='bold')
    table.add_column('')
    table.add_column('piece', no_wrap=True)
    table.add_column('found', overflow='fold')
    table.add_column('remedy', overflow='fold')
    for finding in findings:
        style = styles[finding.verdict]
        table.add_row(
            f'[{style}]{finding.verdict}[/]', finding.piece, finding.found, finding.remedy
        )
    console = Console()
    console.print(table)
    missing = sum(finding.verdict == 'no-go' for finding in findings)
    console.print('[green]Ready.[/]' if is_ready else f'[bold red]{missing} pieces are no-go.[/]')
