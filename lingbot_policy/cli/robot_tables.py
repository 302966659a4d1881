# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A robot file as tables for a terminal."""

from collections.abc import Iterator
import json

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lingbot_policy.bringup import environment
from lingbot_policy.robot import Robot, SIDES
from lingbot_policy.robot_schema import Step

GIGABIT_MB = 110  # per second, what TCP leaves of it


def robot_tables(robot: Robot) -> Iterator[RenderableType]:
    """Yield what an operator wants to know of a robot, part by part."""
    file = robot.file
    yield Text.assemble((file.title, 'bold'), f'  {robot.name}', ('  ' + robot.path, 'dim'))
    yield Text(
        f'{robot.dof} joints, chunks at {file.policy_rate_hz:g} Hz, commands at '
        f'{file.command_rate_hz:g} Hz, servo {file.servo_rate_hz:g} Hz, link {file.link}, '
        f'drivers for ROS 2 {file.ros_distro}'
    )
    yield from _part('Joints (rad; grippers 0 closed .. 1 open)', _joints(robot))
    yield from _part('Topics', _topics(robot))
    yield from _part('Cameras', _cameras(robot))
    yield from _part('Bringing it up (docs/bringup.md)', _lines(bringing_up(robot)))
    yield from _part('Arming', _steps(file.arming))
    yield from _part('Disarming', _steps(file.disarming))
    motion = robot.assumed_motion_fields
    others = tuple(path for path in file.assumed if path not in motion)
    yield from _part('Assumed, and asked for by `lingbot jog` before arming', _lines(motion))
    yield from _part('Assumed, to be checked on the robot', _lines(others))
    yield from _part('Drivers (public ones: ros2_ws/drivers.repos)', _lines(file.drivers))
    yield from _part('Sources', _lines(file.sources))


def bringing_up(robot: Robot) -> tuple[str, ...]:
    """Return what a newcomer asks first, in the order in which it is needed."""
    file = robot.file
    lines = [f'Link {file.link}: docs/links.md says how, for drivers of ROS 2 {file.ros_distro}.']
    if file.domain_hint is not None:
        whose = 'use it too' if file.link == 'native' else 'use another one on our side'
        lines.append(f"The robot's ROS_DOMAIN_ID is {file.domain_hint}: {whose}.")
    if file.rmw_hint not in (None, 'rmw_fastrtps_cpp'):
        lines.append(f'The vendor uses {file.rmw_hint}; ours is rmw_fastrtps_cpp.')
    lines += _camera_advice(robot)
    if file.teleoperation is not None:
        lines.append(f'Teleoperation ({file.teleoperation.method}): {file.teleoperation.stop}.')
    lines += [
        f'lingbot doctor --robot {robot.name}',
        f'lingbot jog --robot {robot.name} --serial <number>',
        f'lingbot up --robot {robot.name} --policy hold --serial <number> --operator-confirms',
    ]
    return tuple(lines)


def _camera_advice(robot: Robot) -> Iterator[str]:
    raw = [camera for camera in robot.cameras.values() if camera.transport == 'raw']
    if not raw:
        yield 'Cameras send compressed pictures: no special transport is needed.'
        return
    rate = sum(3 * camera.width * camera.height * camera.fps for camera in raw) / 1e6
    profile = environment()['FASTRTPS_DEFAULT_PROFILES_FILE']
    yield (
        f'Raw cameras: {rate:.0f} MB/s. Start their processes with '
        f'FASTRTPS_DEFAULT_PROFILES_FILE={profile}, or frames are lost at the sender.'
    )
    if rate > GIGABIT_MB:
        yield 'That is more than a gigabit link carries: take compressed topics across a network.'


def _part(title: str, content: Table) -> Iterator[RenderableType]:
    if content.row_count:
        yield Text(f'\n{title}', 'bold cyan')
        yield Padding(content, (0, 0, 0, 2))


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style='dim')
    for heading in headings:
        table.add_column(heading, overflow='fold')
    return table


def _joints(robot: Robot) -> Table:
    table = _table('joint', 'lower', 'upper', 'speed', 'home', 'state from', 'command to')
    for side in SIDES:
        arm, gripper = robot.file.arms[side], robot.file.grippers[side]
        places = arm.state.names or arm.state.index
        for i, joint in enumerate(arm.joints):
            table.add_row(
                joint,
                f'{arm.lower[i]:.3f}',
                f'{arm.upper[i]:.3f}',
                f'{arm.safe_max_velocity[i]:g}/s',
                f'{arm.home[i]:g}',
                f'{arm.state.source}.{arm.state.field}[{places[i]}] {arm.state.unit}',
                f'{arm.command.target}.{arm.command.field}[{arm.command.index[i]}] '
                f'{arm.command.unit}',
            )
        state, command = gripper.state, gripper.command
        table.add_row(
            gripper.joint,
            '0',
            '1',
            f'{gripper.max_speed:g}/s',
            f'{gripper.home:g}',
            f'{state.source}.{state.field}{_place(state.name or state.index)} '
            f'{state.closed:g}..{state.open:g} {state.unit}',
            f'{command.target}.{command.field}{_place(command.index)} '
            f'{command.closed:g}..{command.open:g} {command.unit}',
        )
    return table


def _place(place: str | int | None) -> str:
    return '' if place is None else f'[{place}]'


def _topics(robot: Robot) -> Table:
    table = _table('', 'topic', 'type', 'rate')
    for key, state in robot.file.state_topics.items():
        table.add_row(
            f'state {key}', robot.topic(state.topic), state.type, f'{state.rate_hz:g} Hz'
        )
    for key, command in robot.file.command_topics.items():
        rate = f'{robot.file.command_rate_hz / robot.ticks_between(key):g} Hz'
        table.add_row(f'command {key}', robot.topic(command.topic), command.type, rate)
    return table


def _cameras(robot: Robot) -> Table:
    table = _table('camera', 'topic', 'type', 'size', 'rate', 'encoding', 'oldest used')
    for name, camera in robot.cameras.items():
        table.add_row(
            name,
            robot.topic(camera.topic),
            camera.type,
            f'{camera.width}x{camera.height}',
            f'{camera.fps:g} Hz',
            camera.encoding,
            f'{camera.max_age_s:g} s',
        )
    return table


def _steps(steps: tuple[Step, ...]) -> Table:
    table = _table('', '', '')
    table.show_header = False
    for number, step in enumerate(steps, start=1):
        table.add_row(f'{number}.', step.kind, f'{step.text} {_command(step)}'.strip())
    return table


def _command(step: Step) -> str:
    """Return what to type for a step, where there is something to type."""
    value = json.dumps(step.value)
    if step.kind == 'service':
        return f"ros2 service call {step.name} {step.type} '{value}'"
    if step.kind == 'topic':
        return f"ros2 topic pub --once {step.name} {step.type} '{value}'"
    if step.kind == 'wait':
        return f'ros2 topic echo {step.name} {step.type}, until {value}'
    return step.name or ''


def _lines(lines: tuple[str, ...]) -> Table:
    table = _table('')
    table.show_header = False
    for line in lines:
        table.add_row(line)
    return table
