# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The dialogue of ``lingbot jog``: what is going to move, what moved, what is confirmed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
import os
from pathlib import Path
import select
import sys
import tempfile
import termios
import tty
from typing import TYPE_CHECKING

from rich.console import Console

from lingbot_policy.bringup import Deployment, node_specs, Simulation
from lingbot_policy.cli.interrupts import uninterrupted
from lingbot_policy.commissioning.confirmations import (
    Confirmations,
    load_confirmations,
    save_confirmations,
    shown_by_motion,
    unconfirmed,
    value_text,
)
from lingbot_policy.commissioning.jog import description, Jog, JogSize, judge, plan_jog, Sighting
from lingbot_policy.isolation import isolated_environment, private_domain
from lingbot_policy.robot import Robot

if TYPE_CHECKING:
    from lingbot_policy.nodes.jogger import Jogger

Ask = Callable[[str], str]


@dataclass(frozen=True)
class JogOptions:
    """What the command line says; no joints: those which are not confirmed yet."""

    robot: Robot
    serial: str
    joints: tuple[str, ...]
    simulation: bool


def run_jog(options: JogOptions) -> bool:
    """
    Jog, ask, confirm; return whether nothing is left unconfirmed.

    :raises ValueError: if something the user gave is wrong, or the robot cannot be commanded.
    """
    if not sys.stdin.isatty():
        raise ValueError('lingbot jog needs a terminal: any key stops the robot')
    robot = options.robot
    for joint in options.joints:
        plan_jog(robot, joint, robot.home, JogSize())
    known = load_confirmations(robot, options.serial)
    if known.voided:
        _say(f'What was confirmed of {options.serial} is void: motion fields were edited since.')
        known = replace(known, voided=False)
    joints = options.joints or tuple(j for j in robot.joints if j not in known.joints)
    if joints:
        with ExitStack() as stack:
            if options.simulation:
                stack.enter_context(_simulated(robot))
            known = _jog_all(options, joints, known)
        if known is None:
            return False
    return _confirm_fields(robot, known)


def _jog_all(
    options: JogOptions, joints: tuple[str, ...], known: Confirmations
) -> Confirmations | None:
    from lingbot_policy.nodes.jogger import JogStopped

    robot = options.robot
    _introduce(robot, joints)
    with _jogger(options) as jogger:
        ask = _asking(jogger)
        try:
            ask('Enter begins to command: the robot is to stay where it is.  ')
            jogger.begin()
            if robot.file.arming:
                ask('Commands flow. Finish the arming steps, then Enter.  ')
            for joint in joints:
                if not _jog_one(robot, jogger, joint, ask):
                    return None
                when = datetime.now().astimezone().isoformat(timespec='seconds')
                known = known.with_joint(joint, when)
                save_confirmations(robot, known)
            _disarming(robot, ask)
        except JogStopped as stopped:
            _say(f'\nSTOPPED: {stopped}')
            _say('It holds a moment longer and falls silent. Mend the robot file, and jog again.')
            return None
    return known


def _jog_one(robot: Robot, jogger: 'Jogger', joint: str, ask: Ask) -> bool:
    """Whether the joint moved as commanded, measured and seen."""
    while True:
        plan = jogger.plan(joint)
        _say(f'\nNext: {description(robot, plan)}, and comes back. Any key stops it.')
        if ask('Enter moves it, q ends.  ').startswith('q'):
            return False
        with _key_pressed() as pressed:
            done = jogger.move(joint, pressed)
        answer = ask('Measured: as commanded. Did you see just that? y, n, or r to repeat.  ')
        if not answer.startswith('r'):
            break
    if answer.startswith('y'):
        return True
    problem = _problem(robot, done, ask)
    _say(f'NOT CONFIRMED: {problem}')
    return False


def _problem(robot: Robot, done: Jog, ask: Ask) -> str:
    _say(f'Joints: {", ".join(robot.joints)}')
    while True:
        seen = ask('Which one moved? Its name, or none.  ')
        if seen in ('none', *robot.joints):
            break
    if seen == 'none':
        return judge(robot, done, Sighting(''))
    way = ask('Which way first? + is positive about its axis, or opening; - the other.  ')
    problem = judge(robot, done, Sighting(seen, positive=not way.startswith('-')))
    return problem or f'{seen} moved as it should, and the operator says no'


def _confirm_fields(robot: Robot, known: Confirmations) -> bool:
    """Ask for every assumed field that motion does not show; whether none is left."""
    left = [joint for joint in robot.joints if joint not in known.joints]
    if left:
        _say(
            f'\nNot jogged yet: {", ".join(left)}. What is assumed is confirmed after all of them.'
        )
        return False
    known = known.with_fields(shown_by_motion(robot), 'motion')
    ask = _asking(None)
    open_fields = unconfirmed(robot, known)
    if open_fields:
        _say('\nThe motion does not show these fields, which nobody has verified. Look them up.')
    for path in open_fields:
        if ask(f'{path} = {value_text(robot, path)}\n  Right for this robot? y or n  ').startswith(
            'y'
        ):
            known = known.with_fields((path,), 'operator')
    where = save_confirmations(robot, known)
    still = unconfirmed(robot, known)
    _say(f'\nConfirmed for {known.serial}: {len(known.fields)} fields, in {where}')
    if still:
        _say(f'Open still, and arming is refused: {", ".join(still)}')
    return not still


def _introduce(robot: Robot, joints: tuple[str, ...]) -> None:
    _say(f'{robot.file.title}: the first motion of {len(joints)} joints, one after the other.')
    _say('The first command is the riskiest moment: a wrong unit or order shows at once.')
    _say('Stand clear, a hand on the emergency stop. Ctrl-C ends: brake, silence.')
    for number, step in enumerate(robot.file.arming, start=1):
        _say(f'  {number}. {step.text} {step.name or ""}'.rstrip())


def _disarming(robot: Robot, ask: Ask) -> None:
    for number, step in enumerate(robot.file.disarming, start=1):
        _say(f'  {number}. {step.text} {step.name or ""}'.rstrip())
    ask('\nCommands flow until Enter: do the disarming steps first, if there are any.  ')


def _asking(jogger: 'Jogger | None') -> Ask:
    """Return a way to ask which still notices that the robot was stopped meanwhile."""

    def ask(question: str) -> str:
        sys.stderr.write(question)
        sys.stderr.flush()
        while not select.select([sys.stdin], [], [], 0.1)[0]:
            if jogger is not None:
                jogger.require_going()
        answer = sys.stdin.readline()
        if not answer:
            raise ValueError('the terminal was closed')
        return answer.strip()

    return ask


@contextmanager
def _key_pressed() -> Iterator[Callable[[], bool]]:
    """Give a function which tells whether a key was pressed, without waiting for Enter."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    termios.tcflush(terminal, termios.TCIFLUSH)
    try:
        yield lambda: bool(select.select([terminal], [], [], 0.0)[0])
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)


@contextmanager
def _jogger(options: JogOptions) -> Iterator['Jogger']:
    from lingbot_policy.nodes.jogger import Jogger, MAX_STATE_AGE_S, SIMULATED_STATE_AGE_S

    age_s = SIMULATED_STATE_AGE_S if options.simulation else MAX_STATE_AGE_S
    jogger = Jogger(options.robot, simulated=options.simulation, max_state_age_s=age_s)
    with jogger:
        try:
            yield jogger
        finally:
            with uninterrupted():
                jogger.silence()


@contextmanager
def _simulated(robot: Robot) -> Iterator[None]:
    """Run the simulated robot in a private domain, which this process joins."""
    from lingbot_policy.nodes.supervisor import Supervisor

    logs = Path(tempfile.mkdtemp(prefix='lingbot_jog_'))
    with private_domain(avoid=frozenset({robot.file.domain_hint})) as domain:
        env = isolated_environment(domain, logs)
        os.environ.update(env)
        for name in ('ROS_LOCALHOST_ONLY', 'ROS_STATIC_PEERS'):
            os.environ.pop(name, None)
        world = Simulation('kinematic', width=64, height=48, fps=5.0)
        deployment = Deployment(
            robot.path, vendor_namespace=robot.file.vendor_namespace, simulation=world
        )
        supervisor = Supervisor(node_specs(deployment)[:1], env, logs)
        supervisor.start()
        try:
            yield
        finally:
            with uninterrupted():
                supervisor.stop()


def _say(text: str) -> None:
    Console(stderr=True).print(text, highlight=False, markup=False, soft_wrap=True)
