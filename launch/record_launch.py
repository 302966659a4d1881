# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The recorder alone, for teleoperation: everything the robot's file binds goes into a bag."""

from launch import LaunchDescription

from lingbot_policy.bringup import Deployment, node_specs
from lingbot_policy.nodes.launch_actions import argument, bring_up, declare


def generate_launch_description() -> LaunchDescription:
    """Return the arguments and the node; it records from its activation to Ctrl-C."""
    deployment = Deployment(
        robot=argument('robot'),
        vendor_namespace=argument('vendor_namespace'),
        record=argument('record'),
    )
    recorder = [s for s in node_specs(deployment) if s.executable == 'episode_recorder']
    return LaunchDescription(
        [
            *declare('robot', 'record', 'namespace', 'vendor_namespace', record=None),
            bring_up(recorder),
        ]
    )
