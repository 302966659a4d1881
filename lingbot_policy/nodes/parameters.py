# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of a node as one frozen dataclass: type, default, description, range."""

from dataclasses import field, fields
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node

Parameters = TypeVar('Parameters')


def param(
    default: Any,
    description: str,
    *,
    bounds: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
    changes: bool = False,
) -> Any:
    """
    Return a dataclass field for a parameter; ``bounds`` are inclusive, units in the text.

    :param changes: it may change while the node runs, which the node has to see to.
    """
    return field(
        default=default,
        metadata={
            'description': description,
            'bounds': bounds,
            'choices': choices,
            'changes': changes,
        },
    )


def declare(node: Node, parameters: type[Parameters]) -> Parameters:
    """
    Declare every field as a parameter, read-only unless it changes, and return their values.

    :raises ValueError: for a value of the wrong type, out of range or not among the choices.
    """
    values = {}
    for spec in fields(parameters):
        try:
            parameter = node.declare_parameter(spec.name, spec.default, _descriptor(spec))
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            raise ValueError(f'{node.get_name()}: parameter {spec.name}: {error}') from error
        values[spec.name] = parameter.value
        choices = spec.metadata['choices']
        if choices and parameter.value not in choices:
            raise ValueError(
                f'{node.get_name()}: parameter {spec.name}: found {parameter.value!r}, '
                f'expected one of {", ".join(choices)}'
            )
    return parameters(**values)


def _descriptor(spec) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=spec.metadata['description'], read_only=not spec.metadata['changes']
    )
    descriptor.additional_constraints = ', '.join(spec.metadata['choices'])
    if bounds := spec.metadata['bounds']:
        if isinstance(spec.default, float):
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(bounds[0]), to_value=float(bounds[1]))
            ]
        else:
            descriptor.integer_range = [
                IntegerRange(from_value=int(bounds[0]), to_value=int(bounds[1]), step=1)
            ]
    return descriptor
