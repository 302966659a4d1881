# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What can be chosen of the chunk executor."""

from dataclasses import dataclass

from lingbot_policy.execution.strategies import STRATEGIES
from lingbot_policy.nodes.parameters import param


@dataclass(frozen=True)
class ChunkExecutorParameters:
    robot: str = param('', 'Name of a file in robot_configs without .yaml, or a path.')
    vendor_namespace: str = param('', "Prefix of the robot's own topics, empty on hardware.")
    simulation: bool = param(False, 'The robot is simulated: its arming steps are not asked for.')
    operator_confirms: bool = param(False, "An operator has done the robot file's arming steps.")
    serial: str = param(
        '', 'Serial number of this robot, under which it was confirmed by jogging.'
    )
    strategy: str = param(
        'replace',
        'How chunks follow each other; may change while the arms hold.',
        choices=tuple(STRATEGIES),
        changes=True,
    )
    blend_steps: float = param(
        5.0, 'Cross-fade of blend and ensemble, policy steps.', bounds=(0.5, 50.0)
    )
    ensemble_decay: float = param(4.0, 'm of the weights exp(-m age), 1/s.', bounds=(0.0, 100.0))
    shadow: bool = param(False, 'Infer, gate and record, and never command the robot.')
    speed: float = param(
        1.0, 'Share of the predicted speed; may change.', bounds=(0.01, 1.0), changes=True
    )
    max_state_age_s: float = param(0.2, 'Oldest joint state in motion, s.', bounds=(0.01, 2.0))
    deadman_s: float = param(1.5, 'Hold after so long without a chunk, s.', bounds=(0.05, 10.0))
    soft_start_s: float = param(0.5, 'Time of the soft start, s.', bounds=(0.05, 10.0))
    resume_window_s: float = param(5.0, 'Longest hold before disarming, s.', bounds=(0.1, 60.0))
    max_chunk_age_s: float = param(
        10.0, 'Oldest observation of the chunk in execution, s.', bounds=(0.1, 60.0)
    )
    estop_topic: str = param(
        '', 'A std_msgs/Bool which says again and again whether the stop button is pressed.'
    )
    estop_max_age_s: float = param(
        1.0, 'Stop after so long without a word of the button, s.', bounds=(0.05, 10.0)
    )
    needs_recorder: bool = param(
        False, 'Hold while nothing is recorded, as in trials whose evidence must be whole.'
    )
    autostart: bool = param(True, 'Configure and activate at start.')
