# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Quality of service by purpose, named once.

A reader asks and a writer offers: a reliable reader gets nothing from a best-effort camera, and
nothing says so. So readers of vendor topics ask for best effort, writers offer reliable.
"""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

_DEPTH_RELIABLE_LATCHED = {
    'image': (5, False, False),  # the newest counts, stamps tell; four bridge a busy moment
    'joint_state': (50, False, False),  # interpolation needs every sample around a frame
    'vendor_state': (10, True, False),  # offered by the simulated robot, serves every reader
    'action_chunk': (1, True, False),  # a lost chunk costs a horizon, an old one is worthless
    'command': (1, True, False),
    'instruction': (1, True, True),
    'policy_contract': (1, True, True),
    'committed_plan': (10, True, True),  # a restarted server learns of strategy and plan
    'executed_command': (400, True, False),
    'inference_record': (10, True, False),
    'safety_events': (100, True, True),
    'trial_events': (100, True, True),
    'stop': (1, True, True),
    'diagnostics': (10, True, False),
}


def qos(purpose: str) -> QoSProfile:
    """
    Return the profile for a purpose of the table above.

    :raises ValueError: for an unknown purpose.
    """
    if purpose not in _DEPTH_RELIABLE_LATCHED:
        raise ValueError(f'no QoS {purpose!r}; known: {", ".join(_DEPTH_RELIABLE_LATCHED)}')
    depth, reliable, latched = _DEPTH_RELIABLE_LATCHED[purpose]
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )
