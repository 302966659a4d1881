# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The cadence of the episodes in a recorded run, as figures and on the page."""

from dataclasses import replace
import json

import numpy as np
import pytest

from lingbot_policy.execution.cadence import Cadence, CadenceReport
from lingbot_policy.execution.schedule import Splice
from lingbot_policy.reports.cadence import cadence_table
from lingbot_policy.reports.figures import figures
from lingbot_policy.reports.page import PhaseReport, report_html
from lingbot_policy.reports.series import read_series

DT_NS = 5_000_000


def told(cadence: Cadence, strategy: str) -> dict[str, object]:
    """Return what an executor says of an episode, keys as in its diagnostics."""
    values = {f'episode {name}': value for name, value in vars(cadence.report()).items()}
    held = {f'episode held {reason}': n for reason, n in cadence.holds.items()}
    return {'strategy': strategy, **values, **held}


@pytest.fixture
def two_episodes(robot) -> tuple[list[dict], list[CadenceReport]]:
    """What is told each second of an episode without a stall and of one with two, and both."""
    cadence = Cadence(robot)
    said, reports = [told(cadence, 'replace')], []
    for strategy, jump, stalls in (('replace', 0.5, 0), ('blend', 0.25, 2)):
        cadence.reset()
        for sequence in (1, 2):
            positions = np.full(robot.dof, 0.1 * sequence**3)
            for _ in range(4):
                cadence.tick(positions, True, sequence, DT_NS, 2_000_000)
            cadence.spliced(Splice(np.full(robot.dof, jump), np.zeros(robot.dof)))
            said.append(told(cadence, strategy))
            for _ in range(stalls // 2):
                cadence.held('no_chunk: late')
        reports.append(cadence.report())
    said[-1] = told(cadence, 'blend')
    return said, reports


def test_each_episode_has_the_figures_told_last(record_run, robot, two_episodes):
    said, reports = two_episodes
    found = figures(read_series(record_run(executor=said), robot)).cadence
    assert [episode.strategies for episode in found] == [('replace',), ('blend',)]
    for episode, report in zip(found, reports, strict=True):
        assert episode.figures == pytest.approx(vars(report))
    assert found[0].figures['position_jump_max'] == 0.5
    assert [episode.figures['stalls'] for episode in found] == [0, 2]
    assert [episode.holds for episode in found] == [{}, {'no_chunk': 2}]
    assert found[0].figures['jerk_rms'] > 0.0
    assert json.dumps([vars(episode) for episode in found])


def test_a_strategy_chosen_after_the_last_chunk_is_not_named(record_run, robot, two_episodes):
    first = two_episodes[0][:3]
    said = [*first, first[-1] | {'strategy': 'blend'}, first[-1] | {'strategy': 'blend'}]
    (episode,) = figures(read_series(record_run(executor=said), robot)).cadence
    assert episode.strategies == ('replace',)


def test_every_figure_of_the_executor_is_shown_with_its_unit_and_meaning(
    record_run, robot, two_episodes
):
    series = read_series(record_run(executor=two_episodes[0]), robot)
    found = figures(series)
    head, rows = cadence_table(found.cadence)
    assert head == ('', 'episode 1', 'episode 2', 'unit', 'meaning')
    shown = {name: cells for name, *cells in rows}
    assert shown['strategy'][:2] == ['replace', 'blend']
    assert shown['policy rate'][2] == 'Hz'
    assert shown['servo jitter'][:3] == ['2 / 2 / 2', '2 / 2 / 2', 'ms']
    assert shown['holds'][:2] == ['0', '2: 2 no_chunk']
    assert shown['position jump'][:3] == ['0.5 / 0.5 / 0.5', '0.25 / 0.25 / 0.25', 'rad']
    assert shown['velocity jump'][:3] == ['100 / 100 / 100', '50 / 50 / 50', 'rad/s']
    assert shown['jerk'][2] == 'rad/s\u00b3'
    assert all(row[-1].endswith('.') for row in rows)
    html = page_of(series, found)
    assert all(f'<td>{cell}</td>' in html for row in rows for cell in row)


@pytest.mark.parametrize(
    ('executor', 'cadence', 'words'),
    [
        ([{}] * 5, None, 'Not recorded.'),
        ([{'episode chunks_used': 0}] * 5, (), 'No episode: nothing was commanded.'),
    ],
)
def test_a_bag_without_an_episode_says_so(record_run, robot, executor, cadence, words):
    series = read_series(record_run(executor=executor), robot)
    found = figures(series)
    assert found.cadence == cadence
    assert '<h3>Cadence</h3><p class="note">' in page_of(series, found)
    assert f'<p>{words}</p>' in page_of(series, found)


def test_figures_which_an_older_executor_did_not_tell_are_not_recorded(record_run, robot):
    said = {'episode chunks_used': 7, 'episode late_ms_max': 3.5, 'episode jerk_rms': 'nan'}
    (episode,) = figures(read_series(record_run(executor=[said] * 5), robot)).cadence
    assert episode.strategies == ('not recorded',)
    assert {name for name, figure in episode.figures.items() if figure is not None} == {
        *('chunks_used', 'late_ms_max')
    }
    shown = {name: value for name, value, *_ in cadence_table((episode,))[1]}
    assert shown['servo jitter'] == '? / ? / 3.5'
    assert shown['jerk'] == shown['policy rate'] == 'not recorded'


def page_of(series, found) -> str:
    """Return the page of a phase without its frames."""
    result = {
        'ok': True, 'failed': [], 'robot': series.robot.name, 'world': 'kinematic',
        'command': 'lingbot demo', 'started': '2026-11-21T10:00:00+00:00', 'versions': {},
        'hardware': {'processor': '', 'cores': 2, 'memory_gib': 8, 'load_average': 0.5,
                     'system': ''},
    }  # fmt: skip
    return report_html([PhaseReport('expert', replace(series, frames={}), found, ())], result)
