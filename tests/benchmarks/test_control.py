# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of the gate drives a motion that goes through, and tells what it measured."""

from argparse import Namespace
from contextlib import nullcontext
import json

import pytest

from benchmarks import control, server
from benchmarks.control import handover, LIMITS_MS, main, time_gate
from lingbot_policy.robot import load_robot

SERVED = {'overhead_ms': {'p50': 2.0, 'p95': 3.0, 'p99': 8.1, 'max': 9.0}}


def test_the_gate_is_timed_with_commands_which_pass(monkeypatch, tmp_path, capsys):
    out = tmp_path / 'control.json'
    arguments = ['control', '--parts', 'gate', '--ticks', '60', '--out', str(out)]
    monkeypatch.setattr('sys.argv', arguments)
    assert main() == 0
    report = json.loads(out.read_text())
    names = ['gate tick', 'gate tick with distances', 'accept a chunk']
    assert [found['what'] for found in report['rows']] == names
    assert report['machine']['processor']
    for found in report['rows']:
        assert 0 < found['thread_p50_ms'] <= found['thread_p99_ms'] <= found['thread_max_ms']
    told = capsys.readouterr().out
    assert all(name in told for name in names)


def test_the_99th_percentile_is_held_against_the_limit():
    within, beyond = (
        control.row('accept a chunk', 'odd', 'idle', 'fifo', {'p99_ms': p99, 'max_ms': 9.0})
        for p99 in (1.0, 1.001)
    )
    assert within['is_met'] and not beyond['is_met']
    assert within['limit_ms'] == LIMITS_MS['accept a chunk'] == 1.0


def test_all_that_has_a_limit_is_one_table(monkeypatch):
    late = {'missing': [], 'late_ms': {'p50': 0.1, 'p99': 0.2, 'max': 0.3}}
    monkeypatch.setattr(server, 'measure', lambda *_, **__: SERVED)
    monkeypatch.setattr(server, 'saturated', nullcontext)
    monkeypatch.setattr(control, '_late', lambda *_: late)
    asked = Namespace(
        parts='gate,server,commands', robot='realman_rs02', ticks=60, chunks=1, seconds=0.0
    )
    found = list(control.rows(asked))
    assert {each['what'].partition(',')[0] for each in found} == set(LIMITS_MS)
    assert {each['is_met'] for each in found if each['what'].startswith('server')} == {False}
    pictures = {'server, JPEG 640x480', 'server, raw 640x480', 'server, JPEG 1280x720'}
    assert pictures < {each['what'] for each in found}
    assert all(control.line(each).startswith(each['what']) for each in found)


@pytest.mark.ros
def test_the_server_is_measured_with_pictures_on_its_own_topics():
    pytest.importorskip('rclpy', reason='needs ROS 2')
    found = server.measure('leju_kuavo4_pro', 3)
    assert found['chunks'] == 3
    parts = found['wait_ms'], found['publish_ms'], found['overhead_ms']
    assert all(0 < part['p50'] <= part['p99'] <= part['max'] for part in parts)
    assert parts[2]['max'] <= parts[0]['max'] + parts[1]['max'] + 0.002  # as they are rounded


def test_the_timed_motion_is_never_held():
    robot = load_robot('realman_rs02')
    watch, gate = time_gate(robot, handover(robot), 3000, distances=True)
    assert len(watch.wall) == 3000
    assert gate.counts.keys() <= {'acceleration', 'velocity'}
