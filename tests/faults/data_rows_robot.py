# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Faults in what the robot says of its joints."""

from collections.abc import Callable
import math
from typing import Any

import numpy as np

from lingbot_policy.execution.executor import Mode
from lingbot_policy.kinematics import table_height
from lingbot_policy.robot import Robot
from lingbot_policy.safety.clearance import Clearance
from lingbot_policy.wire import read_field, state_maps
from tests.faults.rig import Rig
from tests.faults.row import data_row

RUN_S = 0.8
HOLDS = 'no chunk, brake, hold'


def spoil_field(rig: Rig, key: str, spoil: Callable[[list], list]) -> Callable[[str, Any], None]:
    """Return what changes the numbers of one state topic, in the field which holds its joints."""
    path = state_maps(rig.robot, key)[0].field
    parent, _, name = path.rpartition('.')

    def change(topic: str, msg: Any) -> None:
        if topic == key:
            holder = read_field(msg, parent, key) if parent else msg
            setattr(holder, name, spoil(list(getattr(holder, name))))

    return change


def put_into_the_state(rig: Rig, value: float) -> None:
    """Let the left arm's state have ``value`` for its second joint from now on."""
    place = (state_maps(rig.robot, left_arm(rig))[0].index or (0, 1))[1]
    spoil = spoil_field(
        rig, left_arm(rig), lambda values: [*values[:place], value, *values[place + 1 :]]
    )
    rig.fault(spoil_state=spoil)


def is_off_zero(robot: Robot) -> str:
    arm = robot.slots('left')[0]
    is_off = np.abs(robot.home[arm]) > robot.state_tolerance[arm]
    return '' if is_off.any() else "every joint's home is zero"


def try_to_arm(rig: Rig) -> None:
    rig.policy_runs = False
    rig.run(0.2)
    rig.arm()
    rig.run(0.2)


def left_arm(rig: Rig) -> str:
    return rig.robot.file.arms['left'].state.source


def has_a_topic_per_arm(robot: Robot) -> str:
    arms = robot.file.arms
    apart = arms['left'].state.source != arms['right'].state.source
    return '' if apart else 'both arms stand in one message'


def has_a_gripper_topic(robot: Robot) -> str:
    file = robot.file
    arms = {arm.state.source for arm in file.arms.values()}
    return '' if file.grippers['left'].state.source not in arms else 'the arm carries its gripper'


def has_names(robot: Robot) -> str:
    source = robot.file.arms['left'].state.source
    named = state_maps(robot, source)[0].names is not None
    return '' if named else 'joints go by their place, not by names'


@data_row(HOLDS, 'a joint is missing in the state of an arm', 'stale_state')
def joint_missing_in_the_state(rig: Rig) -> None:
    rig.fault(spoil_state=spoil_field(rig, left_arm(rig), lambda values: values[:5]))
    rig.run(RUN_S)
    assert any(h.reaction == 'unreadable' for h in rig.happenings)


@data_row(HOLDS, 'another joint by the name of one of the arm', 'stale_state', needs=has_names)
def joint_renamed_in_the_state(rig: Rig) -> None:
    def rename(key: str, msg: Any) -> None:
        if key == left_arm(rig):
            msg.name = ['strange', *msg.name[1:]]

    rig.fault(spoil_state=rename)
    rig.run(RUN_S)


@data_row(HOLDS, 'the state of an arm holds NaN', 'stale_state')
def state_nan(rig: Rig) -> None:
    put_into_the_state(rig, math.nan)
    rig.run(RUN_S)


@data_row(HOLDS, 'the state of an arm holds infinity', 'stale_state')
def state_infinite(rig: Rig) -> None:
    put_into_the_state(rig, -math.inf)
    rig.run(RUN_S)


@data_row(
    HOLDS,
    "one arm's driver dies: both arms hold",
    'stale_state',
    needs=has_a_topic_per_arm,
)
def one_arm_stale(rig: Rig) -> None:
    rig.fault(silent={left_arm(rig)})
    rig.run(RUN_S)


@data_row(HOLDS, 'only a gripper is silent', 'stale_state', needs=has_a_gripper_topic)
def gripper_stale(rig: Rig) -> None:
    rig.fault(silent={rig.robot.file.grippers['right'].state.source})
    rig.run(RUN_S)


@data_row(HOLDS, 'no joint state arrives any more', 'stale_state')
def every_state_stale(rig: Rig) -> None:
    rig.fault(silent=set(rig.robot.file.state_topics))
    rig.run(RUN_S)


@data_row('no chunk', 'joint states stay away for 0.15 s')
def state_late_but_not_stale(rig: Rig) -> None:
    rig.fault(silent=set(rig.robot.file.state_topics))
    rig.run(0.14)
    rig.silent = set()
    rig.run(RUN_S)
    assert rig.execution.mode is Mode.MOVING


@data_row('stop', 'the driver of an arm starts anew and reports zeros', 'state_zero')
def state_all_zero(rig: Rig) -> None:
    source = left_arm(rig)
    rig.fault(spoil_state=spoil_field(rig, source, lambda values: [0.0] * len(values)))
    rig.run(RUN_S)


@data_row('stop', 'a joint is measured 1 rad elsewhere at once', 'state_jump')
def state_jumps(rig: Rig) -> None:
    slot = rig.robot.slots('left')[0].start
    rig.run(0.01)
    rig.fault(shift=np.where(np.arange(rig.robot.dof) == slot, 1.0, 0.0))
    rig.run(RUN_S)


@data_row('brake, hold, stop', 'an arm is blocked: it no longer follows', 'following')
def arm_blocked(rig: Rig) -> None:
    left, _ = rig.robot.slots('left')
    stuck = np.zeros(rig.robot.dof, dtype=bool)
    stuck[left] = True
    rig.fault(stuck=stuck)
    rig.run(3.0)


@data_row(
    'refuse to arm', 'a joint stands beyond its limit and tolerance', 'outside', moving=False
)
def state_outside_limits_at_arming(rig: Rig) -> None:
    slot = rig.robot.slots('right')[0].start
    beyond = rig.robot.upper[slot] + 0.2 - rig.rest[slot]
    rig.fault(shift=np.where(np.arange(rig.robot.dof) == slot, beyond, 0.0))
    try_to_arm(rig)


@data_row('refuse to arm', 'the driver reports degrees for radians', 'outside', moving=False)
def degrees_for_radians(rig: Rig) -> None:
    middle = 0.5 * (rig.robot.lower + rig.robot.upper)
    rig.measured = np.where(rig.robot.is_gripper, 0.5, middle + 0.3)
    rig.fault(spoil_state=spoil_field(rig, left_arm(rig), lambda v: [math.degrees(x) for x in v]))
    try_to_arm(rig)


@data_row(
    'refuse to arm', 'a state topic has never brought a message', 'never received', moving=False
)
def state_never_received(rig: Rig) -> None:
    rig.fault(silent={left_arm(rig)})
    try_to_arm(rig)


@data_row('refuse to arm', 'the last joint state is 0.3 s old', 'fresh', moving=False)
def state_stale_at_arming(rig: Rig) -> None:
    rig.run(0.2)
    rig.quiet()
    rig.fault(silent=set(rig.robot.file.state_topics))
    rig.run(0.3)
    try_to_arm(rig)


@data_row('refuse to arm', 'an arm far from zero measures zeros', moving=False, needs=is_off_zero)
def zeros_at_arming(rig: Rig) -> None:
    source = left_arm(rig)
    rig.fault(spoil_state=spoil_field(rig, source, lambda values: [0.0] * len(values)))
    try_to_arm(rig)


@data_row('refuse to arm', 'the arms are moved by hand', 'moving', moving=False)
def arms_in_motion_at_arming(rig: Rig) -> None:
    rig.policy_runs = False
    rig.run(0.2)
    rig.fault()
    for _ in range(10):
        rig.shift = rig.shift + np.where(rig.robot.is_gripper, 0.0, 0.01 * np.sign(rig.sway.way))
        rig.run(0.04)
    rig.arm()


@data_row('brake, hold', 'the policy leads the arms into each other or the table', 'clearance')
def arms_too_close(rig: Rig) -> None:
    rig.execution.gate.guard_space(simulated=True)
    rig.quiet()
    rig.execution.hold('to begin from rest')
    rig.run(0.5)
    rig.sway.lead(rig.sent[-1].positions, too_close(rig.robot))
    rig.policy_runs = True
    rig.run_until(Mode.MOVING)
    rig.run(0.3)
    rig.fault()
    rig.run_until(Mode.HOLDING)
    rig.silence()
    rig.run(0.5)
    room = Clearance(rig.robot, table_height(rig.robot)).room(rig.sent[-1].positions[None])
    assert room.min() > -1e-6, room.min()


def too_close(robot: Robot) -> np.ndarray:
    """Return a posture within limits in which a distance is far too short."""
    random = np.random.default_rng(0)
    margin = 0.1 * (robot.upper - robot.lower)
    low, high = robot.lower + margin, robot.upper - margin
    postures = random.uniform(low, high, (400, robot.dof))
    room = Clearance(robot, table_height(robot)).room(postures).min(axis=1)
    return postures[room.argmin()]
