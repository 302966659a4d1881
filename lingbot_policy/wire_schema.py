# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
The part of a robot file about messages: topics, and where joints stand in them.

Units are those of the wire; ``field`` is a dotted path like ``end_state[0].position``.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Qos = Literal['sensor', 'reliable', 'command', 'latched']
JointUnit = Literal['rad', 'deg']
GripperUnit = Literal['m', 'mm', 'rad', 'deg', 'percent', 'normalized', 'raw']
BodyUnit = Literal['rad', 'deg', 'm', 'mm', 'rad/s', 'm/s', 'raw']
MessageType = Annotated[str, Field(pattern=r'^[a-z][a-z0-9_]*/msg/[A-Z][A-Za-z0-9]*$')]
CommandType = Annotated[str, Field(pattern=r'^[a-z][a-z0-9_]*/(msg|action)/[A-Z][A-Za-z0-9]*$')]
TopicName = Annotated[str, Field(pattern=r'^/[A-Za-z0-9_/]*[A-Za-z0-9_]$')]
FieldPath = Annotated[str, Field(pattern=r'^[a-z_]\w*(\[\d+\])?(\.[a-z_]\w*(\[\d+\])?)*$')]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Vector3 = Annotated[tuple[Finite, ...], Field(min_length=3, max_length=3)]


def _distinct(values: tuple) -> tuple:
    if len(set(values)) != len(values):
        raise ValueError(f'found a repetition in {list(values)}, expected each once')
    return values


Indices = Annotated[
    tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1), AfterValidator(_distinct)
]
Names = Annotated[tuple[str, ...], AfterValidator(_distinct)]


class Strict(BaseModel):
    model_config = ConfigDict(extra='forbid', strict=True, frozen=True, allow_inf_nan=False)


class StateTopic(Strict):
    """One topic the robot publishes its joints on; ``names`` as the robot sends them."""

    topic: TopicName
    type: MessageType
    names: Names = ()
    rate_hz: Positive
    max_age_s: Positive = 0.1
    stamp: Literal['header', 'arrival'] = 'header'
    qos: Qos = 'sensor'


class FaultTopic(Strict):
    """
    One topic on which the robot reports faults of its drives.

    Every number of ``field`` equals ``healthy`` as long as there is none.
    """

    topic: TopicName
    type: MessageType
    field: FieldPath
    healthy: int = 0


class CommandTopic(Strict):
    """
    One topic the robot takes commands on, or the name of an action.

    ``fill`` holds constants for other fields: they have a meaning (speed, force, mode) for the
    vendor's controller. ``allowed_idle_publishers`` are nodes which may exist on the topic while
    we command, because they publish nothing then. ``max_rate_hz`` is for a gripper which takes
    fewer commands than ``command_rate_hz``: it gets every n-th of them, and always the last.
    """

    topic: TopicName
    type: CommandType
    names: Names = ()
    fill: dict[FieldPath, bool | int | float | str | tuple[Finite, ...]] = {}
    stamp: Literal['header', 'none'] = 'header'
    qos: Qos = 'command'
    max_rate_hz: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    allowed_idle_publishers: tuple[str, ...] = ()


class JointReading(Strict):
    """Where the joints of one arm stand in a state message: by wire name or by index."""

    source: str
    field: FieldPath = 'position'
    index: Indices | None = None
    names: Names | None = None
    unit: JointUnit = 'rad'

    @model_validator(mode='after')
    def _one_way(self) -> Self:
        if (self.index is None) == (self.names is None):
            raise ValueError('found both or none of index and names, expected one of them')
        return self

    @property
    def count(self) -> int:
        return len(self.index if self.index is not None else self.names)


class JointWriting(Strict):
    """Where the joints of one arm go in a command message."""

    target: str
    field: FieldPath = 'position'
    index: Indices
    unit: JointUnit = 'rad'


class _GripperScale(Strict):
    """
    A linear map between the wire and 0 closed .. 1 open; ``open < closed`` is legal.

    ``integer`` wires are rounded, and clamped to ``minimum`` .. ``maximum`` where given.
    """

    field: FieldPath = 'position'
    unit: GripperUnit
    closed: Finite
    open: Finite
    integer: bool = False

    @model_validator(mode='after')
    def _has_travel(self) -> Self:
        if self.closed == self.open:
            raise ValueError(
                f'found {self.closed} for closed and open, expected travel between them'
            )
        return self


class GripperReading(_GripperScale):
    source: str
    index: Annotated[int, Field(ge=0)] | None = 0
    name: str | None = None


class GripperWriting(_GripperScale):
    """
    ``one_dof_expansion`` fills the places of a hand from ``index`` on: 'g' is the gripper.

    A Leju hand as a gripper is ``[g, 100, g, g, g, g]``: the thumb's second joint stays put.
    """

    target: str
    index: Annotated[int, Field(ge=0)] | None = 0
    minimum: Finite | None = None
    maximum: Finite | None = None
    one_dof_expansion: tuple[Literal['g'] | Finite, ...] = ()

    @model_validator(mode='after')
    def _fits_the_wire(self) -> Self:
        if self.integer and None in (self.minimum, self.maximum):
            raise ValueError(
                'found integer without minimum and maximum, expected the range of the wire'
            )
        if self.one_dof_expansion and 'g' not in self.one_dof_expansion:
            raise ValueError(
                f'one_dof_expansion: found {list(self.one_dof_expansion)}, expected g somewhere'
            )
        if self.one_dof_expansion and self.index is None:
            raise ValueError('found one_dof_expansion without index, expected its first place')
        return self


class BodyTopic(Strict):
    """Where a body group speaks or listens; ``index`` where one message carries more."""

    topic: TopicName
    type: MessageType
    field: FieldPath | None = None
    index: Indices | None = None
    unit: BodyUnit = 'rad'
