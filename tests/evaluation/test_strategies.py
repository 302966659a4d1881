# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Strategies under scripted delays, in virtual time: what they are for is what they do."""

import json

import pytest

from lingbot_policy.backends.expert import ExpertPolicy
from lingbot_policy.evaluation.strategies import (
    compare,
    Comparison,
    markdown,
    scripted_delays,
    write_json,
)
from lingbot_policy.robot import load_robot
from lingbot_policy.sim.worlds import make_world, World

ROBOT = load_robot('agilex_cobot_magic')


@pytest.fixture(scope='module')
def kinematic() -> World:
    return make_world('kinematic', ROBOT, 'handover', 0, (160, 120))


def run(world: World, load, names: tuple[str, ...], seconds: float) -> dict[str, Comparison]:
    compared = compare(world, load, names, [0.2], [0], seconds)
    return {each.strategy: each for each in compared}


@pytest.fixture(scope='module')
def scripted(kinematic) -> dict[str, Comparison]:
    names = ('sync', 'replace', 'ensemble', 'blend', 'rtc_trained')
    return run(kinematic, lambda guidance: ExpertPolicy(ROBOT), names, 6.0)


def test_the_same_delays_come_each_time_and_the_first_is_a_warm_up():
    delays = scripted_delays(0.1)
    assert delays == scripted_delays(0.1)
    assert delays[0] == pytest.approx(0.5)
    assert all(0.08 <= delay <= 0.12 for delay in delays[1:])


def test_every_strategy_moves_and_only_sync_waits_between_chunks(scripted):
    assert {name: each.progress > 0.0 for name, each in scripted.items()} == {
        'sync': True, 'replace': True, 'ensemble': True, 'blend': True,
    }  # fmt: skip
    holds = {name: each.mean('holds') for name, each in scripted.items()}
    assert holds.pop('sync') >= 2
    assert set(holds.values()) == {0}


def test_weights_which_cannot_continue_a_plan_are_left_out(scripted):
    assert 'rtc_trained' not in scripted


def test_delays_are_measured_from_seeing_to_commanding(scripted):
    (rollout,) = scripted['replace'].rollouts
    assert 0.2 < rollout.delay_p95_s < 0.25  # 0.16 .. 0.24; the warm-up is forgotten


def test_an_episode_is_the_same_each_time(kinematic, scripted):
    again = run(kinematic, lambda guidance: ExpertPolicy(ROBOT), ('blend',), 6.0)
    assert again['blend'] == scripted['blend']


def test_the_table_and_the_file_hold_what_was_found(scripted, tmp_path):
    text = markdown(list(scripted.values()))
    assert len(text.splitlines()) == 2 + len(scripted)
    write_json(list(scripted.values()), tmp_path / 'out.json', world='kinematic')
    result = json.loads((tmp_path / 'out.json').read_text())
    assert [row['strategy'] for row in result['rows']] == list(scripted)
    assert result['machine']['cores'] >= 1
    (episode,) = result['rows'][1]['episodes']
    assert episode['cadence']['edges'] > 10


@pytest.mark.timeout(600)
def test_chunks_that_continue_the_plan_ask_for_half_the_velocity_jump_at_most():
    torch = pytest.importorskip('torch')
    from lingbot_policy.backends.lingbot import LingBotPolicy

    torch.set_num_threads(1)
    world = make_world('mujoco', ROBOT, 'handover', 0, (320, 240))
    found = run(
        world,
        lambda guidance: LingBotPolicy.load(ROBOT, guidance=guidance),
        ('replace', 'rtc', 'rtc_trained'),
        4.0,
    )
    jumps = {name: each.mean('velocity_jump_median') for name, each in found.items()}
    assert jumps['rtc'] <= 0.5 * jumps['replace']
    assert jumps['rtc_trained'] <= 0.5 * jumps['replace']
