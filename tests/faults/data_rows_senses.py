# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of cameras, clocks and ticks."""

import numpy as np

from tests.faults.rig import Rig, S
from tests.faults.row import data_row

RUN_S = 2.0  # longer than the deadman and what is still under way
HOLDS = 'no chunk, brake, hold'


@data_row(HOLDS, 'the head camera stops', 'StaleObservation: camera head')
def head_camera_stops(rig: Rig) -> None:
    rig.fault(silent={'head'})
    rig.run(RUN_S)


@data_row(HOLDS, 'the head camera repeats its last stamp', 'StaleObservation: camera head')
def head_camera_repeats_its_stamp(rig: Rig) -> None:
    rig.fault(same_stamp={'head'})
    rig.run(RUN_S)


@data_row(HOLDS, 'a wrist camera stops', 'StaleObservation: camera left_wrist')
def wrist_camera_stops(rig: Rig) -> None:
    rig.fault(silent={'left_wrist'})
    rig.run(RUN_S)


@data_row(HOLDS, 'a wrist camera repeats its last stamp', 'FrozenObservation: right_wrist')
def wrist_camera_repeats_its_stamp(rig: Rig) -> None:
    rig.fault(same_stamp={'right_wrist'})
    rig.run(RUN_S)


@data_row(HOLDS, 'the head camera sends the same pixels with fresh stamps', 'the same pixels')
def head_camera_frozen(rig: Rig) -> None:
    rig.fault(same_pixels={'head'})
    rig.run(RUN_S + 0.5)


@data_row(HOLDS, 'a wrist camera sends the same pixels with fresh stamps', 'the same pixels')
def wrist_camera_frozen(rig: Rig) -> None:
    rig.fault(same_pixels={'right_wrist'})
    rig.run(RUN_S + 0.5)


@data_row(HOLDS, 'every camera stops', 'StaleObservation')
def every_camera_stops(rig: Rig) -> None:
    rig.fault(silent=set(rig.robot.cameras))
    rig.run(RUN_S)


@data_row(
    'no chunk, hold', 'a wrist camera has never sent a frame', 'left_wrist: no frame', moving=False
)
def wrist_camera_never_came(rig: Rig) -> None:
    rig.fault(silent={'left_wrist'})
    rig.run(0.2)
    rig.arm()
    rig.run(0.5)


@data_row('goes on', 'a wrist camera stays away for 0.15 s')
def camera_pause(rig: Rig) -> None:
    rig.fault(silent={'right_wrist'})
    rig.run(0.15)
    rig.silent = set()
    rig.run(0.5)


@data_row(
    'brake, no chunk, hold, resume',
    'the ROS clock steps back by 2 s',
    'the ROS clock stepped by -2',
)
def clock_steps_back(rig: Rig) -> None:
    rig.fault(ros_offset_ns=-2 * S)
    rig.run(0.8)


@data_row(
    'brake, no chunk, hold, resume',
    'the ROS clock steps forward by 2 s',
    'the ROS clock stepped by +2',
)
def clock_steps_forward(rig: Rig) -> None:
    rig.fault(ros_offset_ns=2 * S)
    rig.run(0.8)


@data_row('goes on', 'the ROS clock drifts by 5 us each tick')
def clock_drifts(rig: Rig) -> None:
    rig.fault()
    for _ in range(100):
        rig.ros_offset_ns += S // 200_000
        rig.tick()


@data_row('clamp', 'one tick comes 0.1 s late', 'velocity')
def late_tick(rig: Rig) -> None:
    rig.fault()
    rig.tick(late_s=0.1)
    rig.run(0.5)


@data_row('brake, hold', 'the executor is stopped for 3 s, and continued')
def executor_stopped_for_long(rig: Rig) -> None:
    rig.quiet()
    rig.fault()
    rig.tick(late_s=3.0)
    rig.run(0.5)


@data_row('clamp', 'ticks come 0.2 to 3 periods apart')
def ticks_jitter(rig: Rig) -> None:
    random = np.random.default_rng(0)
    period_s = 1.0 / rig.robot.file.command_rate_hz
    rig.fault()
    for late in random.uniform(-0.8, 2.0, 100):
        rig.tick(late_s=late * period_s)
