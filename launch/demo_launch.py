# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated robot and the stack on it, in a ROS domain of their own: no real arm can hear it."""

from contextlib import ExitStack
from pathlib import Path

from launch import LaunchDescription
from launch.actions import LogInfo, SetEnvironmentVariable
import launch.logging

from lingbot_policy.bringup import Deployment, node_specs, Simulation
from lingbot_policy.isolation import isolated_environment, private_domain
from lingbot_policy.nodes.launch_actions import argument, bring_up, declare

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
        seed=argument('seed'),
        simulation=Simulation(
            world=argument('world'),
            seed=argument('seed'),
            width=argument('width'),
            height=argument('height'),
            fps=argument('fps'),
        ),
    )
    return LaunchDescription(
        [
            *declare('robot', 'policy', robot='agilex_cobot_magic', policy='expert'),
            *declare('bundle', 'instruction', 'seed', 'namespace'),
            *declare('world', 'width', 'height', 'fps'),
            *(SetEnvironmentVariable(name, value) for name, value in isolated.items()),
            LogInfo(
                msg=f'Watch with ROS_DOMAIN_ID={domain} ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST; '
                'move with `ros2 service call chunk_executor/arm std_srvs/srv/Trigger`.'
            ),
            bring_up(node_specs(deployment)),
        ]
    )
