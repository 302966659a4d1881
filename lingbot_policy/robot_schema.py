# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
The shape of a file in ``robot_configs``: what has to be known before a robot may be moved.

Units in the file are those of the wire where a field says ``unit``; everything else is SI.
Every model refuses unknown keys, so that a misspelt limit is an error and not a missing limit.
"""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from lingbot_policy.wire_schema import (
    BodyTopic,
    CommandTopic,
    FaultTopic,
    Finite,
    GripperReading,
    GripperWriting,
    JointReading,
    JointWriting,
    MessageType,
    Names,
    Positive,
    Qos,
    StateTopic,
    Strict,
    TopicName,
    Vector3,
)

Sides = Literal['left', 'right']


class Arm(Strict):
    """Joints from base to tool, URDF names; lists are in joint order; rad, rad/s, rad/s^2."""

    joints: Names
    lower: tuple[Finite, ...]
    upper: tuple[Finite, ...]
    safe_max_velocity: tuple[Positive, ...]
    motor_max_velocity: tuple[Positive, ...] | None = None
    max_acceleration: tuple[Positive, ...]
    home: tuple[Finite, ...]
    state: JointReading
    command: JointWriting

    @model_validator(mode='after')
    def _agrees(self) -> Self:
        dof = len(self.joints)
        problems = [
            f'{name}: found {len(values)} values, expected {dof}, one for each joint'
            for name, values in (
                ('lower', self.lower),
                ('upper', self.upper),
                ('safe_max_velocity', self.safe_max_velocity),
                ('motor_max_velocity', self.motor_max_velocity or (1,) * dof),
                ('max_acceleration', self.max_acceleration),
                ('home', self.home),
                ('command.index', self.command.index),
            )
            if len(values) != dof
        ]
        if self.state.count != dof:
            problems.append(
                f'state: found {self.state.count} values, expected {dof}, one for each joint'
            )
        problems += [
            f'{joint}: found lower {low}, expected less than upper {high}'
            for joint, low, high in zip(self.joints, self.lower, self.upper, strict=False)
            if low >= high
        ]
        problems += [
            f"{joint}: found safe_max_velocity {safe}, expected at most the motor's {motor}"
            for joint, safe, motor in zip(
                self.joints, self.safe_max_velocity, self.motor_max_velocity or (), strict=False
            )
            if safe > motor
        ]
        if problems:
            raise ValueError('; '.join(problems))
        return self


class Gripper(Strict):
    """
    One gripper of 1 DoF; ``max_speed`` in full strokes per second.

    ``carrier``: ``embedded`` in the arm's message, a ``topic`` of its own, one message for the
    ``topic_pair`` of both, or an ``action``.
    """

    joint: str
    carrier: Literal['embedded', 'topic', 'topic_pair', 'action']
    max_speed: Positive
    home: Annotated[float, Field(ge=0, le=1)]
    state: GripperReading
    command: GripperWriting


class Camera(Strict):
    """
    A colour camera. ``aliases`` are topics which other firmware uses for the same picture.

    The policy takes one eye: where the camera has two, ``stereo`` says which eye ``topic`` is,
    and ``right_topic`` where the other one is published. ``encoding`` gives the colour order.
    """

    topic: TopicName
    type: MessageType
    transport: Literal['raw', 'compressed', 'raw_jpeg'] = 'raw'
    encoding: str
    width: Annotated[int, Field(gt=0)]
    height: Annotated[int, Field(gt=0)]
    fps: Positive
    max_age_s: Positive = 0.2
    stamp: Literal['header', 'arrival'] = 'header'
    qos: Qos = 'sensor'
    aliases: tuple[TopicName, ...] = ()
    stereo: Literal['left'] | None = None
    right_topic: TopicName | None = None
    depth_topic: TopicName | None = None

    @model_validator(mode='after')
    def _agrees(self) -> Self:
        carrier = 'CompressedImage' if self.transport == 'compressed' else 'Image'
        if self.type != f'sensor_msgs/msg/{carrier}':
            raise ValueError(
                f'type: found {self.type}, expected sensor_msgs/msg/{carrier} for transport '
                f'{self.transport}'
            )
        if self.right_topic is not None and self.stereo is None:
            raise ValueError('found right_topic without stereo, expected stereo: left')
        return self


class BodyGroup(Strict):
    """
    Joints beside the arms (torso, lift, head, chassis) and what may be done with them.

    ``hold``: the vendor's controller holds them, we send nothing. ``command``: a policy moves
    them. ``ignore``: they may move while the arms work. Limits in rad and m.
    """

    role: Literal['hold', 'command', 'ignore']
    joints: Names = ()
    lower: tuple[Finite, ...] = ()
    upper: tuple[Finite, ...] = ()
    max_velocity: tuple[Positive, ...] = ()
    state: BodyTopic | None = None
    command: BodyTopic | None = None

    @model_validator(mode='after')
    def _agrees(self) -> Self:
        for name in ('lower', 'upper', 'max_velocity'):
            if getattr(self, name) and len(getattr(self, name)) != len(self.joints):
                raise ValueError(
                    f'{name}: found {len(getattr(self, name))} values, expected '
                    f'{len(self.joints)}, one for each joint'
                )
        if self.role == 'command' and self.command is None:
            raise ValueError('found role command without a command, expected one, or role hold')
        return self


class Teleoperation(Strict):
    """Who else commands this robot: it has to be ended before we do (``stop``)."""

    method: str
    topics: tuple[TopicName, ...] = ()
    stop: str = ''


class Step(Strict):
    """
    One step of arming or disarming; ``text`` tells the operator what to do or to look at.

    ``service`` calls ``name`` of ``type`` with ``value``, ``topic`` publishes it, ``wait`` waits
    until the topic ``name`` holds it, ``operator`` asks, ``ssh`` has the command in ``name``.
    """

    kind: Literal['service', 'topic', 'wait', 'operator', 'ssh']
    text: str
    name: str | None = None
    type: str | None = None
    value: dict[str, bool | int | float | str] = {}
    timeout_s: Positive = 5.0

    @model_validator(mode='after')
    def _can_be_done(self) -> Self:
        needed = {'service': ('name', 'type'), 'topic': ('name', 'type'), 'wait': ('name', 'type')}
        lacking = [f for f in needed.get(self.kind, ()) if getattr(self, f) is None]
        if lacking:
            raise ValueError(
                f'found a {self.kind} step without {" and ".join(lacking)}, expected its name '
                'and type; or kind operator'
            )
        return self


class Watchdog(Strict):
    """
    What the vendor's controller does when commands stop for ``timeout_s``.

    ``stamp_required``: it judges their age by the header's stamp, so both clocks have to agree.
    """

    timeout_s: Positive | None = None
    reaction: Literal['hold', 'exit', 'limp', 'unknown'] = 'unknown'
    stamp_required: bool = False


class Safety(Strict):
    """
    Tolerances in rad and s; grippers use the ``gripper_`` values in strokes.

    ``step_limit_rad`` bounds one command step; commands stay ``position_margin_rad`` inside the
    limits; ``following_error`` compares the command with the measured joint. ``clearance_m`` lies
    between the capsules of both arms, ``hand_clearance_m`` where one of them is a hand: the last
    ``hand_links`` of an arm, which may touch the other hand.
    """

    step_limit_rad: Positive | None = None
    position_margin_rad: Annotated[float, Field(ge=0)] = 0.0
    state_tolerance_rad: Positive = 0.05
    gripper_tolerance: Positive = 0.1
    following_error_rad: Positive = 0.3
    following_error_s: Positive = 0.5
    clearance_m: Positive = 0.03
    hand_clearance_m: Positive = 0.005
    hand_links: Annotated[int, Field(ge=0)] = 3
    watchdog: Watchdog = Watchdog()


class Link(Strict):
    """
    A joint's axis and its origin, both in the frame of the joint before; metres.

    ``radius`` is that of the capsule from this joint to the next, or to the tool point.
    """

    offset: Vector3
    axis: Vector3
    radius: Positive = 0.025


class ArmGeometry(Strict):
    """Base in the robot's frame, links in joint order, tool point in the last joint's frame."""

    base: Vector3
    yaw: Finite = 0.0
    links: tuple[Link, ...]
    tool: Vector3


class CameraGeometry(Strict):
    """Pose in the parent's frame (``base`` or the last link of an arm); vertical view in rad."""

    parent: Literal['base', 'left', 'right']
    position: Vector3
    target: Vector3
    fov: Positive


class Box(Strict):
    """Two corners in the robot's frame, m."""

    lower: Vector3
    upper: Vector3


class Geometry(Strict):
    """
    Lengths for simulation, and for distances where they are not a ``stand_in``.

    ``model`` replaces links; ``table_z`` is the height of a table the arms keep clear of,
    ``workspace`` where the tool points may be.
    """

    provenance: str
    stand_in: bool
    model: str | None = None
    table_z: Finite | None = None
    workspace: Box | None = None
    arms: dict[Sides, ArmGeometry]
    cameras: dict[str, CameraGeometry]


class RobotFile(Strict):
    """
    The whole file. Order of everything bimanual: left, then right.

    Rates: the policy's steps, our commands, the vendor's servo loop. Between the policy's steps
    we interpolate (``stack``); a vendor's tracker (``vendor``) smooths what it receives as well.
    """

    schema_version: Literal[1]
    name: Annotated[str, Field(pattern=r'^[a-z][a-z0-9_]*$')]
    title: str
    link: Literal['native', 'zenoh', 'rosbridge', 'udp']
    ros_distro: str
    domain_hint: Annotated[int, Field(ge=0, le=232)] | None = None
    rmw_hint: str | None = None
    vendor_namespace: str = ''
    drivers: tuple[str, ...] = ()
    base_frame: str
    policy_rate_hz: Positive
    command_rate_hz: Annotated[float, Field(gt=0, le=250)]
    servo_rate_hz: Positive
    interpolation: Literal['stack', 'vendor'] = 'stack'
    state_topics: dict[str, StateTopic]
    command_topics: dict[str, CommandTopic]
    fault_topics: dict[str, FaultTopic] = {}
    arms: dict[Sides, Arm]
    grippers: dict[Sides, Gripper]
    body: dict[str, BodyGroup] = {}
    cameras: dict[Literal['head', 'left_wrist', 'right_wrist'], Camera]
    safety: Safety
    teleoperation: Teleoperation | None = None
    arming: tuple[Step, ...] = ()
    disarming: tuple[Step, ...] = ()
    geometry: Geometry
    assumed: tuple[str, ...] = ()
    sources: Annotated[tuple[str, ...], Field(min_length=1)]

    @model_validator(mode='after')
    def _agrees(self) -> Self:
        problems = [f'assumed: found {p!r}, expected a field of this file' for p in self._lost()]
        if self.servo_rate_hz < self.command_rate_hz:
            problems.append(
                f'servo_rate_hz: found {self.servo_rate_hz:g}, expected at least '
                f'command_rate_hz, {self.command_rate_hz:g}'
            )
        problems += [*self._carrier_faults(), *self._watchdog_faults()]
        if problems:
            raise ValueError('; '.join(problems))
        return self

    def _carrier_faults(self) -> Iterator[str]:
        """Each gripper's carrier has to be what its topic says."""
        arms = [arm.command.target for arm in self.arms.values()]
        ours = [gripper.command.target for gripper in self.grippers.values()]
        for side, gripper in self.grippers.items():
            target = gripper.command.target
            topic = self.command_topics.get(target)
            found = 'action' if topic and '/action/' in topic.type else 'topic'
            found = 'topic_pair' if ours.count(target) > 1 else found
            found = 'embedded' if target in arms else found
            if gripper.carrier != found:
                yield (
                    f'grippers.{side}.carrier: found {gripper.carrier}, expected {found}, as '
                    f'command.target {target} has it'
                )

    def _watchdog_faults(self) -> Iterator[str]:
        """A controller which judges stamps would end on the first command without one."""
        if self.safety.watchdog.stamp_required:
            for key in {arm.command.target for arm in self.arms.values()}:
                if key in self.command_topics and self.command_topics[key].stamp != 'header':
                    yield (
                        f'command_topics.{key}.stamp: found none, expected header: '
                        'safety.watchdog.stamp_required'
                    )
        period_s = 1.0 / self.command_rate_hz
        if self.safety.watchdog.timeout_s and self.safety.watchdog.timeout_s < 3 * period_s:
            yield (
                f'safety.watchdog.timeout_s: found {self.safety.watchdog.timeout_s:g}, expected '
                f'at least three commands at command_rate_hz, {3 * period_s:g}'
            )

    def _lost(self) -> tuple[str, ...]:
        """Return the paths in ``assumed`` that lead nowhere."""

        def exists(path: str) -> bool:
            node = self
            for key in path.split('.'):
                if isinstance(node, dict) and key in node:
                    node = node[key]
                elif isinstance(node, BaseModel) and key in type(node).model_fields:
                    node = getattr(node, key)
                else:
                    return False
            return True

        return tuple(path for path in self.assumed if not exists(path))
