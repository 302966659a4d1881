# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Faults in what the policy sends."""

import math

import numpy as np

from tests.faults.rig import Rig, S
from tests.faults.row import data_row

RUN_S = 0.5


def spoil_chunk(rig: Rig, spoil) -> None:
    """Spoil the next chunk's message, and go on."""
    rig.spoil_once(spoil)
    rig.run(RUN_S)


def spoil_value(rig: Rig, value: float, joint: int = 0, step: int = 3) -> None:
    def spoil(msg) -> None:
        msg.trajectory.points[step].positions[joint] = value

    spoil_chunk(rig, spoil)


@data_row('reject not_finite', 'one value of a chunk is NaN')
def action_nan(rig: Rig) -> None:
    spoil_value(rig, math.nan)


@data_row('reject not_finite', 'one value of a chunk is infinite')
def action_infinite(rig: Rig) -> None:
    spoil_value(rig, math.inf, joint=rig.robot.dof // 2)


@data_row('reject not_finite', "only the left gripper's last value is NaN")
def gripper_nan(rig: Rig) -> None:
    spoil_value(rig, math.nan, joint=rig.robot.slots('left')[1], step=-1)


@data_row('reject shape', 'one step of a chunk lacks a joint')
def wrong_length(rig: Rig) -> None:
    def spoil(msg) -> None:
        msg.trajectory.points[2].positions = msg.trajectory.points[2].positions[:-1]

    spoil_chunk(rig, spoil)


@data_row('reject empty', 'a chunk without steps')
def empty_chunk(rig: Rig) -> None:
    def spoil(msg) -> None:
        msg.trajectory.points = []

    spoil_chunk(rig, spoil)


@data_row('reject short', 'a chunk of one step')
def chunk_of_one_step(rig: Rig) -> None:
    def spoil(msg) -> None:
        msg.trajectory.points = msg.trajectory.points[:1]

    spoil_chunk(rig, spoil)


@data_row('brake, hold', 'a chunk of 0.2 s, and then no other', 'no_chunk')
def short_chunk(rig: Rig) -> None:
    rig.fault(policy_runs=False)
    rig.offer(rig.chunk(positions=rig.chunk().positions[: _steps(rig, 0.2)]))
    rig.run(1.5)


@data_row('reject duplicate', 'the same chunk comes twice')
def duplicate_chunk(rig: Rig) -> None:
    rig.quiet()
    chunk = rig.chunk()
    rig.offer(chunk)
    rig.offer(chunk, is_spoiled=True)
    rig.run(RUN_S)


@data_row('reject out_of_order', 'a chunk seen before the one which is executed')
def chunk_out_of_order(rig: Rig) -> None:
    rig.quiet()
    older = rig.chunk(rig.ros_ns - S // 2)
    rig.offer(rig.chunk())
    rig.offer(older, is_spoiled=True)
    rig.run(RUN_S)


@data_row('reject late', 'a chunk whose last step was due 0.1 s ago')
def late_chunk(rig: Rig) -> None:
    rig.quiet()
    chunk = rig.chunk()
    rig.execution.hold('waiting')
    rig.run(0.5)
    rig.offer(rig.chunk(rig.ros_ns - (chunk.end_ns - chunk.t_ref_ns) - S // 10), is_spoiled=True)


@data_row('reject future', 'a chunk stamped 0.2 s ahead of now')
def future_chunk(rig: Rig) -> None:
    rig.offer(rig.chunk(rig.ros_ns + S // 5), is_spoiled=True)
    rig.run(RUN_S)


@data_row('reject names', 'a joint of the chunk has another name')
def wrong_joint_name(rig: Rig) -> None:
    def spoil(msg) -> None:
        msg.trajectory.joint_names[0] = 'elbow'

    spoil_chunk(rig, spoil)


@data_row('reject names', 'a chunk with the joints in reversed order')
def reversed_order(rig: Rig) -> None:
    def spoil(msg) -> None:
        msg.trajectory.joint_names = msg.trajectory.joint_names[::-1]

    spoil_chunk(rig, spoil)


@data_row('reject names', 'a chunk with the right arm in place of the left')
def left_and_right_swapped_in_the_chunk(rig: Rig) -> None:
    def spoil(msg) -> None:
        half = len(msg.trajectory.joint_names) // 2
        names = list(msg.trajectory.joint_names)
        msg.trajectory.joint_names = names[half:] + names[:half]

    spoil_chunk(rig, spoil)


@data_row('reject contract', 'a chunk of another policy contract')
def wrong_contract(rig: Rig) -> None:
    def spoil(msg) -> None:
        msg.contract_hash = 'c2'

    spoil_chunk(rig, spoil)


@data_row('reject rate', 'a chunk at 0 Hz')
def rate_of_zero(rig: Rig) -> None:
    def spoil(msg) -> None:
        msg.rate_hz = 0.0

    spoil_chunk(rig, spoil)


@data_row('reject rate', 'a chunk whose first step is due at NaN')
def offset_nan(rig: Rig) -> None:
    def spoil(msg) -> None:
        msg.first_step_offset = math.nan

    spoil_chunk(rig, spoil)


@data_row('reject disarmed', 'a chunk before the arms are armed', moving=False)
def chunk_while_disarmed(rig: Rig) -> None:
    rig.run(0.2)
    rig.offer(rig.chunk(), is_spoiled=True)
    rig.run(0.1)


@data_row('reject stopped', 'chunks come while stopped')
def chunk_while_stopped(rig: Rig) -> None:
    rig.quiet()
    rig.execution.stop('button')
    rig.run(0.5)
    rig.offer(rig.chunk(), is_spoiled=True)


@data_row('reject instruction, disarm', 'after a hold a chunk answers another instruction')
def another_instruction_after_a_hold(rig: Rig) -> None:
    rig.quiet()
    rig.execution.hold('waiting')
    rig.run(0.5)
    rig.offer(rig.chunk(instruction='put it away'), is_spoiled=True)
    rig.run(0.1)


@data_row('goes on', 'the instruction changes in the middle of a chunk')
def another_instruction_in_motion(rig: Rig) -> None:
    rig.fault(instruction='put it away')
    rig.run(RUN_S)


@data_row('reject old_instruction', 'a chunk for the instruction before comes in motion')
def chunk_of_the_instruction_before(rig: Rig) -> None:
    before = rig.chunk()
    rig.fault(instruction='put it away')
    rig.execution.instruct('put it away')
    rig.offer(before, is_spoiled=True)
    rig.run(RUN_S)


@data_row('clamp', "a step of the chunk jumps by many times what a joint's speed allows")
def joint_jump(rig: Rig) -> None:
    chunk = rig.chunk()
    jump = np.where(rig.measured < chunk.positions.mean(axis=0), 0.5, -0.5)
    rig.fault(policy_runs=False)
    rig.offer(
        rig.chunk(positions=np.clip(chunk.positions + jump, rig.robot.lower, rig.robot.upper))
    )
    rig.run(RUN_S)


@data_row('clamp', 'a chunk leads every joint beyond its upper limit', 'position')
def beyond_the_limits(rig: Rig) -> None:
    rig.fault(predict=lambda _, ahead_s: np.tile(rig.robot.upper + 0.3, (len(ahead_s), 1)))
    rig.run(3.0)
    assert (rig.sent[-1].positions > rig.robot.upper - 0.2).any()


@data_row('clamp', 'a gripper is asked for 1.4 of its stroke', 'position')
def gripper_out_of_range(rig: Rig) -> None:
    wanted, is_gripper = rig.predict, rig.robot.is_gripper
    rig.fault(predict=lambda t_ref, ahead: np.where(is_gripper, 1.4, wanted(t_ref, ahead)))
    rig.run(1.0)


@data_row('brake, hold', 'the server dies in the middle of a chunk', 'deadman')
def server_dies(rig: Rig) -> None:
    rig.fault(policy_runs=False)
    rig.run(2.0)


@data_row('brake, hold, reject late', 'every inference takes longer than the horizon')
def policy_slower_than_its_horizon(rig: Rig) -> None:
    rig.fault(latency_s=2.5)
    rig.run(2.8)


@data_row('brake, disarm', 'the contract of the server changes in motion', 'contract changed')
def contract_changes_in_motion(rig: Rig) -> None:
    rig.fault(policy_runs=False)
    rig.execution.expect('c2')
    rig.run(1.0)


def _steps(rig: Rig, seconds: float) -> int:
    return max(2, round(seconds * rig.robot.file.policy_rate_hz) + 1)
