# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
What users of other stacks reported of executing chunks, as tests of this one.

`odd` at 100 Hz; chunks at 10 Hz. "Truth" is the motion a perfect policy wants: a ramp in time.
"""

import numpy as np
import pytest

from lingbot_policy.backends.committed import committed_steps, Continuation, TAKEOVER_STEPS
from lingbot_policy.chunk import ActionChunk
from lingbot_policy.contract import scripted_contract
from lingbot_policy.execution.delay import DelayEstimate, WINDOW
from lingbot_policy.execution.executor import Mode
from lingbot_policy.execution.schedule import Schedule
from lingbot_policy.execution.strategies import StrategyOptions
from lingbot_policy.policy import Prefix

MS = 1_000_000
S = 1_000 * MS
STEP = 100 * MS


def ramp(home: np.ndarray, first: float, steps: int, rad_per_step: float = 0.03) -> np.ndarray:
    """Return a chunk's positions: l1 goes on at constant velocity from step ``first``."""
    positions = np.tile(home, (steps, 1))
    positions[:, 0] = home[0] + rad_per_step * (first + np.arange(steps))
    return positions


def l1(ticks) -> np.ndarray:
    return np.array([tick.decision.positions[0] for tick in ticks if tick])


def test_lerobot_4223_and_4454_a_latency_estimate_makes_no_jump_from_standstill(driver):
    """
    Steps were skipped by an estimated latency that the arm had not lived through.

    The first inference took 0.7 s, so the first seven steps of the first chunk counted as
    executed although the arm had stood still: it jumped 0.7 s ahead.
    """
    driver.follows = True
    driver.arm()
    driver.run(70)
    home = driver.execution.robot.home
    driver.accept(positions=ramp(home, 0, 30), t_ref_ns=driver.ros_ns - 700 * MS)
    ticks = driver.run(40)
    assert ticks[0].planned.step == pytest.approx(0.1)
    due = home[0] + 0.03 * np.array([tick.planned.step for tick in ticks])
    assert np.abs(l1(ticks) - due).max() < 0.2 * (0.7 * 0.3)  # of what 0.7 s of it would be
    assert l1(ticks)[-1] == pytest.approx(due[-1])


def test_lerobot_4056_a_prefix_is_never_padded_with_the_mean_of_the_data_set():
    """
    A prefix shorter than the horizon was padded with zeros in normalised units.

    Zero is the mean of the data set: the guided chunk was drawn towards a pose nobody asked for.
    """
    from lingbot_policy.model.guidance import step_weights
    from lingbot_policy.robot import load_robot

    contract = scripted_contract('tiny', load_robot('agilex_cobot_magic'), 50)
    plan = Prefix(np.full((6, 14), 0.7), 2 * S, contract.rate_hz, delay_s=0.05)
    committed = committed_steps(plan, contract, 2 * S)
    end = committed.known.sum()
    weights = step_weights(50, committed.frozen, end) * committed.known
    assert end == 6
    assert (weights[6:] == 0.0).all() and (weights[:4] == 1.0).all()
    assert (committed.positions == 0.7).all()


def test_lerobot_2541_the_latency_of_warming_up_is_forgotten(driver):
    """The first inference, five times slower, stayed in the latency estimate for ever."""
    delay = DelayEstimate()
    for delay_ms in [1500] + [300] * WINDOW:
        delay.accepted(S)
        delay.commanded(S + delay_ms * MS)
        assert delay.p95_s >= 0.3
    assert delay.p95_s == pytest.approx(0.3)


def test_lerobot_a_delay_longer_than_the_overlap_stalls_but_never_for_good(driver):
    """
    Chunks of 0.6 s that arrive 0.5 s after what they saw: execution stopped and never went on.

    Here the arms come to rest between chunks, and every chunk carries them on from where the
    last one ended; each such stall is counted.
    """
    driver.follows = True
    driver.arm()
    home = driver.execution.robot.home
    reached = []
    for sequence in range(1, 6):
        seen_ns = driver.ros_ns
        at = driver.execution.gate.last
        driver.run(50)
        driver.accept(positions=ramp(at, 0, 7), t_ref_ns=seen_ns, sequence=sequence)
        driver.run(61)
        driver.run_until(lambda: driver.execution.is_at_rest)
        reached.append(driver.execution.gate.last[0])
    assert (np.diff([home[0], *reached]) > 0.05).all()
    assert driver.execution.cadence.report().stalls == 5
    assert driver.execution.mode is Mode.HOLDING


def test_lerobot_a_delay_longer_than_the_overlap_has_a_name_for_the_engine():
    """The engine is told that all it knows of the plan will be over when its chunk arrives."""
    from lingbot_policy.robot import load_robot

    contract = scripted_contract('tiny', load_robot('agilex_cobot_magic'), 50)
    plan = Prefix(np.zeros((3, 14)), S, contract.rate_hz, delay_s=0.5)
    assert committed_steps(plan, contract, S).result is Continuation.DELAY_BEYOND_OVERLAP


def edge_jerk(strategy: str, delay_steps: int) -> tuple[float, float]:
    """
    Return jerk (rms) and the velocity jump of one scripted edge between two chunks at 10 Hz.

    The second, seen three steps later, is the same motion with a fifth of it less. For
    ``rtc`` it is what guidance makes of it: the plan for the steps which are executed anyway,
    and then ever less of it.
    """
    from lingbot_policy.model.guidance import step_weights

    first = np.sin(np.arange(21) * 0.15)
    second = 0.8 * np.sin((3 + np.arange(21)) * 0.15)
    if strategy == 'rtc':
        weights = step_weights(21, delay_steps + TAKEOVER_STEPS, 18)
        known = np.append(first[3:], [0.0] * 3)
        second = weights * known + (1.0 - weights) * second
    schedule = Schedule(1, strategy, StrategyOptions(blend_steps=5))
    schedule.accept(ActionChunk(first[:, None], 0, 10.0), 0, 0)
    ros_ns, found, splice = 0, [], None
    for tick in range(150):
        if tick == 10 * (3 + delay_steps):
            seen = ActionChunk(second[:, None], 3 * STEP, 10.0)
            splice = schedule.accept(seen, ros_ns, ros_ns)
        found.append(schedule.due().positions.item())
        ros_ns += 10 * MS
        schedule.advance(10 * MS, ros_ns, ros_ns)
    jerk = np.diff(found, n=3) * 100.0**3
    return float(np.sqrt(np.mean(jerk**2))), abs(splice.velocities.item())


@pytest.mark.parametrize('delay_steps', [1, 2, 3])
def test_openpi_393_and_gr00t_272_the_edge_of_two_chunks_is_no_jerk(delay_steps):
    """Arms jerked at every chunk edge; blending and real-time chunking exist to mend that."""
    jerk, jump = edge_jerk('replace', delay_steps)
    for strategy in ('blend', 'rtc'):
        smoother, softer = edge_jerk(strategy, delay_steps)
        assert smoother < 0.2 * jerk
        assert softer <= 0.5 * jump


def test_gr00t_272_a_new_chunk_does_not_take_the_arm_back_a_few_steps(driver):
    """Every chunk was executed from its first step, which lay as far back as inference took."""
    driver.follows = True
    driver.arm()
    home = driver.execution.robot.home
    driver.accept(positions=ramp(home, 0, 40))
    begun_ns, positions = driver.ros_ns, []
    for sequence in range(2, 7):
        seen_ns = driver.ros_ns
        positions += l1(driver.run(30)).tolist()
        seen_step = (seen_ns - begun_ns) / STEP
        driver.accept(positions=ramp(home, seen_step, 40), t_ref_ns=seen_ns + 1, sequence=sequence)
    assert (np.diff(positions) >= -1e-9).all()
    assert driver.execution.cadence.report().position_jump_max < 1e-6


def test_lingbot_38_no_abrupt_jump_every_50_steps(sync_driver):
    """
    Chunks were executed to their end and the next one commanded as it came.

    The pose it began with was another one: an abrupt jump every 50 steps.
    """
    driver = sync_driver
    driver.follows = True
    driver.arm()
    home = driver.execution.robot.home
    ticks = []
    for sequence in range(3):
        driver.run(2)
        away = np.array([0.25 * (-1) ** sequence, 0, 0, 0, 0])
        driver.accept(positions=np.tile(home + away, (10, 1)), sequence=sequence)
        ticks += driver.run(90)
        ticks += driver.run_until(lambda: driver.execution.is_at_rest)
    steps = np.diff(l1(ticks), prepend=home[0])
    assert np.abs(steps).max() <= driver.execution.robot.step_limit[0] + 1e-9
    assert np.abs(np.diff(steps)).max() <= 0.0011  # 10 rad/s^2 at 100 Hz
    assert np.ptp(l1(ticks)) > 0.4


def test_strands_an_empty_chunk_is_refused_and_the_loop_goes_on(driver):
    """An empty chunk made the executor ask for its next step for ever."""
    driver.arm()
    assert driver.rejection(positions=np.empty((0, 5))) == 'empty'
    assert driver.tick().source == 'hold'
    driver.accept(seconds=2.0)
    driver.run(20)
    driver.now_ns += 1
    assert driver.rejection(positions=np.empty((0, 5)), t_ref_ns=driver.ros_ns) == 'empty'
    assert driver.tick().source == 'chunk'


def test_dynamicvla_24_and_axol_191_a_jump_at_a_splice_is_detected_and_told(driver):
    """Chunks were spliced where they did not meet, and nothing noticed; here it is measured."""
    driver.follows = True
    driver.arm()
    home = driver.execution.robot.home
    driver.accept(positions=ramp(home, 0, 40), sequence=1)
    driver.run(100)
    report = driver.execution.cadence.report()
    assert (report.edges, report.jumps_too_far) == (0, 0)
    before = driver.execution.gate.last[0]
    driver.accept(positions=ramp(home, 15, 40), t_ref_ns=driver.ros_ns, sequence=2)
    report = driver.execution.cadence.report()
    assert report.position_jump_max == pytest.approx(5 * 0.03, abs=1e-6)
    assert (report.edges, report.jumps_too_far) == (1, 1)
    assert abs(l1([driver.tick()])[0] - before) <= driver.execution.robot.step_limit[0] + 1e-9
