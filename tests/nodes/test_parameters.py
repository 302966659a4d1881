# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of a real node, given as on its command line."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from lingbot_policy.nodes.parameters import declare, param

pytestmark = pytest.mark.ros


@dataclass(frozen=True)
class Dials:
    speed: float = param(0.5, 'Share of the speed.', bounds=(0.1, 1.0))
    seed: int = param(3, 'Seed of the noise.', bounds=(0, 9))
    mode: str = param('replace', 'How chunks follow.', choices=('replace', 'sync'))
    record: bool = param(False, 'Whether to record.')


@contextmanager
def node(*settings: str) -> Iterator[Node]:
    """Give a node started with ``-p`` settings such as ``speed:=0.7``."""
    context = Context()
    rclpy.init(context=context)
    arguments = ['--ros-args', *(part for each in settings for part in ('-p', each))]
    made = Node('dials', context=context, cli_args=arguments, start_parameter_services=False)
    try:
        yield made
    finally:
        made.destroy_node()
        context.try_shutdown()


def refused(*settings: str) -> str:
    with node(*settings) as made, pytest.raises(ValueError) as caught:
        declare(made, Dials)
    return str(caught.value)


def test_without_settings_the_defaults_hold(ros_env):
    with node() as made:
        assert declare(made, Dials) == Dials(speed=0.5, seed=3, mode='replace', record=False)


def test_settings_replace_defaults(ros_env):
    with node('speed:=0.7', 'seed:=9', 'mode:=sync', 'record:=true') as made:
        assert declare(made, Dials) == Dials(speed=0.7, seed=9, mode='sync', record=True)


def test_the_bounds_themselves_are_allowed(ros_env):
    with node('speed:=1.0', 'seed:=0') as made:
        assert declare(made, Dials).speed == 1.0


@pytest.mark.parametrize('setting', ['speed:=1.01', 'speed:=.nan', 'seed:=10', 'seed:=-1'])
def test_a_value_out_of_bounds_is_refused_with_node_and_parameter(ros_env, setting: str):
    name = setting.partition(':')[0]
    assert refused(setting).startswith(f'dials: parameter {name}: ')


@pytest.mark.parametrize('setting', ['speed:=fast', 'seed:=1.5', 'record:=1', 'mode:=7'])
def test_a_value_of_another_type_is_refused_with_node_and_parameter(ros_env, setting: str):
    name = setting.partition(':')[0]
    assert refused(setting).startswith(f'dials: parameter {name}: ')


def test_a_value_which_is_no_choice_is_refused_with_the_choices(ros_env):
    assert refused('mode:=fast') == (
        "dials: parameter mode: found 'fast', expected one of replace, sync"
    )


def test_parameters_tell_what_they_are_and_cannot_be_changed(ros_env):
    with node() as made:
        declare(made, Dials)
        speed, mode = made.describe_parameter('speed'), made.describe_parameter('mode')
        assert speed.description == 'Share of the speed.'
        assert speed.floating_point_range[0].to_value == 1.0
        assert mode.additional_constraints == 'replace, sync'
        [answer] = made.set_parameters([Parameter('speed', value=0.9)])
        assert not answer.successful
        assert made.get_parameter('speed').value == 0.5
