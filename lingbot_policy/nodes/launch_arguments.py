# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The arguments of all launch files: each described once, with its type and its default."""

from dataclasses import dataclass

from lingbot_policy.bringup import Deployment, Simulation
from lingbot_policy.execution.strategies import STRATEGIES
from lingbot_policy.policy import POLICIES
from lingbot_policy.sim.worlds import WORLDS


@dataclass(frozen=True)
class Argument:
    """One argument; a ``default`` of None: it has to be given."""

    description: str
    default: str | None = ''
    kind: type = str
    choices: tuple[str, ...] = ()


ARGUMENTS = {
    'robot': Argument('Name of a file in robot_configs without .yaml, or a path.', None),
    'policy': Argument('Policy backend.', 'lingbot', choices=tuple(POLICIES)),
    'bundle': Argument("Folder of the policy bundle; empty: the backend's own default."),
    'instruction': Argument('Instruction until one arrives on the topic `instruction`.'),
    'seed': Argument('Seed of the noise of every chunk, and of a simulated task.', '0', int),
    'strategy': Argument(
        'How chunks follow each other; sync is for a slow policy.',
        Deployment.strategy,
        choices=tuple(STRATEGIES),
    ),
    'speed': Argument('Share of the predicted speed, 0.01 to 1.', '1.0', float),
    'shadow': Argument(
        'Infer, gate and record, and never command the robot.', 'false', bool, ('false', 'true')
    ),
    'operator_confirms': Argument(
        "An operator has done the robot file's arming steps.", 'false', bool, ('false', 'true')
    ),
    'serial': Argument('Serial number under which this robot was jogged and confirmed.'),
    'record': Argument('Folder for a bag; where it is empty, nothing is recorded.'),
    'namespace': Argument('Namespace of all nodes, one per robot.'),
    'vendor_namespace': Argument("Prefix of the robot's own topics, empty on hardware."),
    'link_host': Argument("Address of the robot's own computer, for a relay."),
    'world': Argument(
        'Physics, or a kinematic stub without them.', Simulation.world, choices=tuple(WORLDS)
    ),
    'width': Argument('Image width in pixels.', str(Simulation.width), int),
    'height': Argument('Image height in pixels.', str(Simulation.height), int),
    'fps': Argument('Frames per second of every camera.', str(Simulation.fps), float),
}
