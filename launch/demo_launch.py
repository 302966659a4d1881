# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated robot and the stack on it, in a ROS domain of their own: no real arm can hear it."""

from contextlib import ExitStack
from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo, SetEnvironmentVariable
import launch.logging

from lingbot_policy.bringup import Deployment, node_specs, Simulation
from lingbot_policy.isolation import isolated_environment, private_domain
from lingbot_policy.nodes.launch_actions import argument, bring_up
from lingbot_policy.policy import POLICIES
from lingbot_policy.sim.worlds import WORLDS

_HELD = ExitStack()  # the domain is ours until this process ends


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the nodes; motion begins with ``chunk_executor/arm``."""
    domain = _HELD.enter_context(private_domain())
    isolated = isolated_environment(domain, Path(launch.logging.launch_config.log_dir))
    deployment = Deployment(
        robot=argument('robot'),
        policy=argument('policy'),
        bundle=argument('bundle'),
        instruction=argument('instruction'),
        seed=argument('seed', int),
        simulation=Simulation(
            world=argument('world'),
            seed=argument('seed', int),
            width=argument('width', int),
            height=argument('height', int),
            fps=argument('fps', float),
        ),
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'robot',
                description='Name of a file in robot_configs without .yaml, or a path.',
                default_value='agilex_cobot_magic',
            ),
            DeclareLaunchArgument(
                'policy',
                description='Policy backend.',
                default_value='expert',
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
                'seed', description='Seed of the task and of the policy.', default_value='0'
            ),
            DeclareLaunchArgument(
                'world',
                description='Physics, or a kinematic stub without them.',
                default_value=Simulation.world,
                choices=list(WORLDS),
            ),
            DeclareLaunchArgument(
                'width', description='Image width in pixels.', default_value=str(Simulation.width)
            ),
            DeclareLaunchArgument(
                'height',
                description='Image height in pixels.',
                default_value=str(Simulation.height),
            ),
            DeclareLaunchArgument(
                'fps',
                description='Frames per second of every camera.',
                default_value=str(Simulation.fps),
            ),
            DeclareLaunchArgument(
                'namespace', description='Namespace of all nodes.', default_value=''
            ),
            *(SetEnvironmentVariable(name, value) for name, value in isolated.items()),
            LogInfo(
                msg=f'Watch with ROS_DOMAIN_ID={domain} ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST; '
                'move with `ros2 service call chunk_executor/arm std_srvs/srv/Trigger`.'
            ),
            bring_up(node_specs(deployment)),
        ]
    )
