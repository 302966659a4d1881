# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A deployment on a real robot, from the first node to the last."""

import os
from pathlib import Path
import signal
import sys
import tempfile
from typing import TYPE_CHECKING

from lingbot_policy.bringup import Deployment
from lingbot_policy.cli.interrupts import Interrupted
from lingbot_policy.cli.keys import HELP, Keys, read_keys
from lingbot_policy.cli.live import LiveView
from lingbot_policy.cli.running import RunningDeployment
from lingbot_policy.robot import Robot

if TYPE_CHECKING:
    from lingbot_policy.nodes.monitor import Monitor

FOREVER_S = float('inf')
LOOK_S = 0.1
HOLDING = 'holding meanwhile'  # as the executor says it
OPERATE_S = 2.0


def run_up(deployment: Deployment, robot: Robot, headless: bool) -> None:
    """
    Keep the deployment up until it is interrupted or a node without which nothing goes on ends.

    :raises ValueError: with the failing node's own error.
    """
    view = LiveView(headless)
    for line in arming_text(deployment, robot):
        view.say(line)
    if sys.stdin.isatty():
        view.say(f'  {HELP}')
    logs = Path(tempfile.mkdtemp(prefix='lingbot_up_'))
    view.say(f'logs: {logs}')
    with read_keys() as keys:
        operator = _Operator(view, keys)
        with (
            view.phase(f'{robot.name}  {deployment.policy}'),
            RunningDeployment(deployment, robot, {}, logs, operator.look) as running,
        ):
            view.begin()
            view.say('all nodes are active')
            try:
                running.run(FOREVER_S)
            except Interrupted as interruption:
                if interruption.number == signal.SIGINT and sys.stdin.isatty():
                    operator.leave(running)
                raise


class _Operator:
    """Does what the keys ask for; once the operator leaves, any key ends the hold."""

    def __init__(self, view: LiveView, keys: Keys) -> None:
        self._view, self._keys = view, keys
        self._is_leaving = self._has_left = False

    def look(self, monitor: 'Monitor') -> None:
        self._view.show(monitor)
        for act in self._keys.acts():
            if self._is_leaving:
                self._has_left = True
            else:
                self._view.say(_operate(monitor, act))

    def leave(self, running: RunningDeployment) -> None:
        """Hold the arms as long as it takes to do what has to be done before silence."""
        answer = _operate(running.monitor, 'disarm')
        self._view.say(answer)
        if HOLDING not in answer:
            return
        self._view.say('  Commands flow until a key or Ctrl-C.')
        self._is_leaving = True
        while not self._has_left:
            running.run(LOOK_S)


def _operate(monitor: 'Monitor', act: str) -> str:
    if act == 'stop':
        monitor.stop('keyboard of lingbot up')
        return 'stop asked for'
    try:
        return monitor.call(f'chunk_executor/{act}', OPERATE_S)
    except ValueError as error:
        return str(error)


def arming_text(deployment: Deployment, robot: Robot) -> list[str]:
    """Return what an operator has to do and to know before arming."""
    domain = os.environ.get('ROS_DOMAIN_ID', '0')
    lines = [
        f'{robot.file.title}: {deployment.policy}, ROS_DOMAIN_ID {domain}. It starts disarmed.'
    ]
    hint = robot.file.domain_hint
    if hint is not None and str(hint) != domain:
        lines.append(f'  The robot file expects ROS_DOMAIN_ID {hint}.')
    if deployment.executor.get('shadow'):
        lines.append('  In shadow: it infers, checks and records, and never commands the robot.')
    else:
        lines += _conditions(deployment, robot)
    where = f' --namespace {deployment.namespace}' if deployment.namespace else ''
    lines += [f'  {act}: lingbot operate {act}{where}' for act in ('arm', 'disarm', 'stop')]
    return lines


def _conditions(deployment: Deployment, robot: Robot) -> list[str]:
    """Return the steps before arming, and for what it is refused."""
    lines = [f'  {i}. {step.text}' for i, step in enumerate(robot.file.arming, start=1)]
    if robot.file.assumed:
        lines.append(f'  Assumed, to be checked: {", ".join(robot.file.assumed)}')
    if not deployment.executor.get('operator_confirms'):
        lines.append('  Arming is refused until you start it with --operator-confirms.')
    if robot.assumed_motion_fields and not deployment.executor.get('serial'):
        lines.append('  It is refused without --serial: `lingbot jog` confirms what is assumed.')
    return lines
