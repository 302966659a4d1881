# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Turns the description of a deployment into launch_ros actions, its values into arguments."""

from collections.abc import Mapping, Sequence

from launch import Condition, LaunchContext
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration, PythonExpression
from launch_ros.actions import LifecycleNode, PushROSNamespace
from launch_ros.parameter_descriptions import ParameterValue

from lingbot_policy.bringup import environment, guidance_for, NodeSpec, PACKAGE, RELAYS
from lingbot_policy.execution.strategies import STRATEGIES
from lingbot_policy.nodes.launch_arguments import ARGUMENTS
from lingbot_policy.nodes.lifecycle import NOT_STARTED
from lingbot_policy.robot import load_robot

RESPAWN_DELAY_S = 1.0


def declare(*names: str, **defaults: str | None) -> list[DeclareLaunchArgument]:
    """
    Return the declarations of arguments.

    :param defaults: where a launch file has another; None: the argument has to be given.
    """
    return [
        DeclareLaunchArgument(
            name,
            description=ARGUMENTS[name].description,
            default_value=defaults.get(name, ARGUMENTS[name].default),
            choices=ARGUMENTS[name].choices or None,
        )
        for name in names
    ]


def argument(name: str) -> ParameterValue:
    """Return the value of a launch argument as a parameter of the argument's type."""
    # Without a type, launch_ros would read an instruction like "on" as a boolean.
    return ParameterValue(LaunchConfiguration(name), value_type=ARGUMENTS[name].kind)


def relay_conditions() -> dict[str, Condition]:
    """Return for each relay the condition that the file of the argument ``robot`` needs it."""

    def needs(relay: str) -> Condition:
        def is_linked_by_it(context: LaunchContext) -> bool:
            try:
                robot = load_robot(LaunchConfiguration('robot').perform(context))
            except ValueError:  # the executor says the same, and ends the launch
                return False
            return relay in RELAYS.get(robot.file.link, ())

        return Condition(predicate=is_linked_by_it)

    return {relay: needs(relay) for relays in RELAYS.values() for relay in relays}


def guidance_argument(name: str) -> ParameterValue:
    """Return what the strategy in a launch argument asks of the policy server."""
    cases = {strategy: guidance_for(strategy) for strategy in STRATEGIES}
    chosen = PythonExpression([f'{cases}["', LaunchConfiguration(name), '"]'])
    return ParameterValue(chosen, value_type=str)


def bring_up(
    specs: Sequence[NodeSpec], conditions: Mapping[str, Condition] | None = None
) -> GroupAction:
    """
    Return the action which runs nodes in the namespace of the argument ``namespace``.

    :param conditions: by executable, for nodes which do not always run.
    """
    conditions = conditions or {}
    return GroupAction(
        [
            PushROSNamespace(LaunchConfiguration('namespace')),
            *(SetEnvironmentVariable(name, value) for name, value in environment().items()),
            *(_node(spec, conditions.get(spec.executable)) for spec in specs),
        ]
    )


def _node(spec: NodeSpec, condition: Condition | None) -> LifecycleNode:
    def on_exit(event: ProcessExited, context: LaunchContext) -> Shutdown | None:
        cannot_go_on = event.returncode == NOT_STARTED or not spec.restarts
        if context.is_shutdown or not (spec.essential and cannot_go_on):
            return None
        return Shutdown(reason=f'{spec.executable} ended with exit code {event.returncode}')

    return LifecycleNode(
        package=PACKAGE,
        executable=spec.executable,
        name=spec.executable,
        namespace='',
        parameters=[dict(spec.parameters)],
        respawn=spec.restarts,
        respawn_delay=RESPAWN_DELAY_S,
        on_exit=on_exit,
        output='screen',
        condition=condition,
    )
