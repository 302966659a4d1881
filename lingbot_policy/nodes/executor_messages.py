# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What the chunk executor says of itself: commands, plans, events and figures as messages."""

import math

from builtin_interfaces.msg import Time
from lingbot_msgs.msg import CommittedPlan, ExecutedCommand, SafetyEvent

from lingbot_policy.execution.executor import Execution, Mode, Tick
from lingbot_policy.nodes.command_thread import CommandThread
from lingbot_policy.nodes.encode import time_msg
from lingbot_policy.safety.gate import Decision, MeasuredState

SEVERITY = {
    Mode.DISARMED: SafetyEvent.INFO,
    Mode.MOVING: SafetyEvent.INFO,
    Mode.HOLDING: SafetyEvent.WARN,
    Mode.STOPPED: SafetyEvent.ERROR,
}


def executed_msg(
    tick: Tick, measured: MeasuredState, joints: tuple[str, ...], stamp: Time
) -> ExecutedCommand:
    """Return a tick's command and how it came about."""
    planned, decision = tick.planned, tick.decision
    msg = ExecutedCommand(
        joint_names=list(joints),
        positions=decision.positions.tolist(),
        measured=measured.positions.tolist(),
        chunk_sequence=planned.sequence if planned else 0,
        chunk_step=float(planned.step) if planned else -1.0,
        source=tick.source,
        gate_state=str(decision.reaction),
        reason=decision.reason,
    )
    msg.header.stamp = stamp
    return msg


def plan_msg(execution: Execution) -> CommittedPlan:
    """Return the plan in force; the caller holds the execution's lock."""
    chunks = execution.chunks
    plan, now = chunks.remaining(), chunks.due()
    msg = CommittedPlan(
        joint_names=list(execution.robot.joints),
        chunk_sequence=now.sequence if now else 0,
        rate_hz=chunks.rate_hz,
        positions=plan.ravel().tolist(),
        steps=len(plan),
        speed=chunks.asked_speed,
        strategy=chunks.strategy_name,
        delay_s=execution.delay.p95_s,
    )
    msg.header.stamp = time_msg(chunks.ros_ns)
    return msg


def event_msg(
    mode: Mode, severity: int, reaction: str, reason: str, decision: Decision | None, stamp: Time
) -> SafetyEvent:
    """Return a change of state, or an offence against a limit where there is a decision."""
    msg = SafetyEvent(
        severity=severity,
        source='chunk_executor',
        state=str(mode),
        reaction=str(reaction),
        reason=reason,
        joint=decision.joint if decision else '',
        value=decision.value if decision else math.nan,
        limit=decision.limit if decision else math.nan,
    )
    msg.header.stamp = stamp
    return msg


def execution_values(execution: Execution) -> dict[str, object]:
    """Return figures for diagnostics: of the episode since arming, and the measured delay."""
    cadence = execution.cadence
    values = {
        'mode': execution.mode,
        'strategy': execution.chunks.strategy_name,
        'speed': execution.chunks.asked_speed,
        'delay_p95_s': execution.delay.p95_s,
    }
    values |= {f'episode {name}': value for name, value in vars(cadence.report()).items()}
    values |= {f'episode rejected {reason}': n for reason, n in dict(cadence.rejections).items()}
    return values | {f'episode held {reason}': n for reason, n in dict(cadence.holds).items()}


def thread_values(thread: CommandThread) -> dict[str, object]:
    """Return figures of the thread which commands, for diagnostics, since activation."""
    return {
        'ticks': thread.ticks,
        'missed_ticks': thread.missed,
        'worst_late_ms': thread.worst_late_ns * 1e-6,
        'realtime': thread.is_realtime,
    }
