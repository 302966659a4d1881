# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""An executor which takes its robot for a real one arms nothing that nobody has confirmed."""

import pytest

from lingbot_policy.bringup import node_specs
from lingbot_policy.commissioning.confirmations import (
    Confirmations,
    motion_digest,
    save_confirmations,
)
from lingbot_policy.robot import load_robot

pytestmark = pytest.mark.ros
SERIAL = 'PIPER-07'


def test_what_is_assumed_is_refused_as_one_checklist_until_it_is_confirmed(
    ros_env, monkeypatch, tmp_path, start, probe, deployment, specs_with
):
    monkeypatch.setenv('LINGBOT_CONFIG_DIR', str(tmp_path / 'config'))
    robot = load_robot('agilex_cobot_magic')
    hardware = {'simulation': False, 'operator_confirms': True, 'serial': SERIAL}
    wanted = node_specs(deployment('hold'))
    executor = specs_with(wanted, 'chunk_executor', **hardware)
    start(tuple(spec for spec in wanted if spec.executable != 'chunk_executor') + executor)
    probe.wait('a contract and joints', lambda: probe.chunks > 0)

    success, message = probe.call('chunk_executor/arm')
    assert not success
    assert 'operator_confirms' not in message
    for path in robot.assumed_motion_fields:
        assert f'[ ] assumed: {path} = ' in message
    assert f'lingbot jog --robot {robot.name} --serial {SERIAL}' in message
    assert probe.commands == []

    known = Confirmations(robot.name, SERIAL, motion_digest(robot))
    save_confirmations(robot, known.with_fields(robot.assumed_motion_fields, 'operator'))
    probe.arm()
    probe.wait('commands', lambda: probe.commands)

    held, message = probe.call('chunk_executor/disarm')
    assert held
    assert 'holding meanwhile: 1. Support both arms' in message
    known = len(probe.commands)
    probe.wait('commands while the operator disarms', lambda: len(probe.commands) > known + 50)
    assert {command.source for command in probe.commands[known:]} == {'hold'}
    assert probe.call('chunk_executor/disarm') == (True, 'disarmed')
    probe.wait_event('disarmed', 'asked for')
