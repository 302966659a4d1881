# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of the gate drives a motion that goes through, and tells what it measured."""

import json

from benchmarks.control import handover, LIMITS_MS, main, time_gate
from lingbot_policy.robot import load_robot


def test_the_gate_is_timed_with_commands_which_pass(monkeypatch, tmp_path, capsys):
    out = tmp_path / 'control.json'
    monkeypatch.setattr('sys.argv', ['control', '--ticks', '60', '--out', str(out)])
    assert main() == 0
    report = json.loads(out.read_text())
    assert [found['what'] for found in report['rows']] == list(report['limits_ms'])
    assert report['limits_ms'] == LIMITS_MS
    for found in report['rows']:
        assert 0 < found['thread_p50_ms'] <= found['thread_p99_ms'] <= found['thread_max_ms']
    told = capsys.readouterr().out
    assert all(name in told for name in LIMITS_MS)


def test_the_timed_motion_is_never_held():
    robot = load_robot('realman_rs02')
    watch, gate = time_gate(robot, handover(robot), 3000, distances=True)
    assert len(watch.wall) == 3000
    assert gate.counts.keys() <= {'acceleration', 'velocity'}
