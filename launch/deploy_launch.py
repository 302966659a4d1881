# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A real robot: chunk executor, policy server and, where `record` names a folder, a recorder."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, NotEqualsSubstitution

from lingbot_policy.bringup import Deployment, node_specs
from lingbot_policy.nodes.launch_actions import argument, bring_up, guidance_argument
from lingbot_policy.policy import POLICIES
from lingbot_policy.strategies import STRATEGIES


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the nodes; nothing moves until ``chunk_executor/arm`` is called."""
    deployment = Deployment(
        robot=argument('robot'),
        policy=argument('policy'),
        bundle=argument('bundle'),
        instruction=argument('instruction'),
        vendor_namespace=argument('vendor_namespace'),
        seed=argument('seed', int),
        record=argument('record'),
        strategy=argument('strategy'),
        guidance=guidance_argument('strategy'),
        executor={
            'operator_confirms': argument('operator_confirms', bool),
            'serial': argument('serial'),
            'speed': argument('speed', float),
        },
    )
    is_recorded = IfCondition(NotEqualsSubstitution(LaunchConfiguration('record'), ''))
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'robot', description='Name of a file in robot_configs without .yaml, or a path.'
            ),
            DeclareLaunchArgument(
                'policy',
                description='Policy backend.',
                default_value='lingbot',
                choices=list(POLICIES),
            ),
            DeclareLaunchArgument(
                'bundle',
                description="Folder of the policy bundle; empty: the backend's own default.",
                default_value='',
            ),
            DeclareLaunchArgument(
                'instruction',
                description='Instruction until one arrives on the topic `instruction`.',
                default_value='',
            ),
            DeclareLaunchArgument(
                'seed', description='Seed of the noise of every chunk.', default_value='0'
            ),
            DeclareLaunchArgument(
                'operator_confirms',
                description="An operator has done the robot file's arming steps.",
                default_value='false',
                choices=['false', 'true'],
            ),
            DeclareLaunchArgument(
                'serial',
                description='Serial number under which this robot was jogged and confirmed.',
                default_value='',
            ),
            DeclareLaunchArgument(
                'strategy',
                description='How chunks follow each other; sync is for a slow policy.',
                default_value=Deployment.strategy,
                choices=list(STRATEGIES),
            ),
            DeclareLaunchArgument(
                'speed',
                description='Share of the predicted speed, 0.01 to 1.',
                default_value='1.0',
            ),
            DeclareLaunchArgument(
                'record', description='Folder for a bag; empty: no recording.', default_value=''
            ),
            DeclareLaunchArgument(
                'namespace', description='Namespace of all nodes, one per robot.', default_value=''
            ),
            DeclareLaunchArgument(
                'vendor_namespace',
                description="Prefix of the robot's own topics, empty on hardware.",
                default_value='',
            ),
            bring_up(node_specs(deployment), {'episode_recorder': is_recorded}),
        ]
    )
