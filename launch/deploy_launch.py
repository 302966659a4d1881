# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A real robot: the relays of its link, chunk executor, policy server, and a recorder if asked."""

from launch import LaunchDescription
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, NotEqualsSubstitution

from lingbot_policy.bringup import ANY_LINK, Deployment, node_specs
from lingbot_policy.nodes.launch_actions import (
    argument,
    bring_up,
    declare,
    guidance_argument,
    relay_conditions,
)


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the nodes; nothing moves until ``chunk_executor/arm`` is called."""
    deployment = Deployment(
        robot=argument('robot'),
        policy=argument('policy'),
        bundle=argument('bundle'),
        instruction=argument('instruction'),
        vendor_namespace=argument('vendor_namespace'),
        seed=argument('seed'),
        record=argument('record'),
        link=ANY_LINK,
        link_host=argument('link_host'),
        strategy=argument('strategy'),
        guidance=guidance_argument('strategy'),
        executor={
            'operator_confirms': argument('operator_confirms'),
            'serial': argument('serial'),
            'speed': argument('speed'),
            'shadow': argument('shadow'),
        },
    )
    is_recorded = IfCondition(NotEqualsSubstitution(LaunchConfiguration('record'), ''))
    return LaunchDescription(
        [
            *declare('robot', 'policy', 'bundle', 'instruction', 'seed', 'strategy', 'speed'),
            *declare('shadow', 'operator_confirms', 'serial', 'record', 'link_host'),
            *declare('namespace', 'vendor_namespace'),
            bring_up(
                node_specs(deployment), {'episode_recorder': is_recorded, **relay_conditions()}
            ),
        ]
    )
