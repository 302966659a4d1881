# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Strategy, speed, the way home and shadow mode of a running line."""

from dataclasses import replace

from diagnostic_msgs.msg import DiagnosticArray
from lingbot_msgs.msg import CommittedPlan
import numpy as np
import pytest
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters

from lingbot_policy.bringup import node_specs
from lingbot_policy.nodes.qos import qos
from lingbot_policy.robot import load_robot

pytestmark = pytest.mark.ros
ROBOT = load_robot('agilex_cobot_magic')


def set_parameter(probe, name: str, value: str | float) -> tuple[bool, str]:
    """Set a parameter of the executor as `ros2 param set` does; return success and reason."""
    kind = {str: 'STRING', float: 'DOUBLE'}[type(value)]
    field = {str: 'string_value', float: 'double_value'}[type(value)]
    given = ParameterValue(type=getattr(ParameterType, f'PARAMETER_{kind}'), **{field: value})
    client = probe.node.create_client(SetParameters, 'chunk_executor/set_parameters')
    probe.wait('the parameter service', client.service_is_ready)
    request = SetParameters.Request(parameters=[Parameter(name=name, value=given)])
    future = client.call_async(request)
    (result,) = probe.wait('an answer', lambda: future.done() and future.result()).results
    probe.node.destroy_client(client)
    return result.successful, result.reason


@pytest.fixture
def plans(probe) -> list[CommittedPlan]:
    heard: list[CommittedPlan] = []
    probe.node.create_subscription(
        CommittedPlan, 'committed_plan', heard.append, qos('committed_plan')
    )
    return heard


@pytest.fixture
def figures(probe) -> dict[str, dict[str, str]]:
    """Return the newest diagnostics, by the name of the node."""
    heard: dict[str, dict[str, str]] = {}

    def on_diagnostics(msg: DiagnosticArray) -> None:
        for status in msg.status:
            values = {pair.key: pair.value for pair in status.values}
            heard[status.name.partition(':')[0]] = values | {'message': status.message}

    probe.node.create_subscription(
        DiagnosticArray, '/diagnostics', on_diagnostics, qos('diagnostics')
    )
    return heard


def test_strategy_and_speed_change_at_run_time_and_the_plan_tells(start, probe, deployment, plans):
    start(deployment())
    probe.wait_event('disarmed', 'never armed')
    assert set_parameter(probe, 'strategy', 'blend') == (True, '')
    success, reason = set_parameter(probe, 'strategy', 'fast')
    assert not success
    assert 'known: sync, replace, ensemble, blend, rtc, rtc_trained' in reason
    probe.arm()
    probe.wait_motion()

    success, reason = set_parameter(probe, 'strategy', 'replace')
    assert not success
    assert 'the arms move; choose it while they hold' in reason
    assert set_parameter(probe, 'speed', 0.3) == (True, '')
    assert not set_parameter(probe, 'speed', 1.5)[0]
    assert not set_parameter(probe, 'deadman_s', 9.0)[0]
    plan = probe.wait(
        'a plan at 0.3 of the speed',
        lambda: next((p for p in plans if p.steps and p.speed == pytest.approx(0.3)), None),
    )
    assert plan.strategy == 'blend'
    assert 0.0 < plan.delay_s < 60.0


def test_diagnostics_tell_the_cadence_of_the_episode(start, probe, deployment, figures):
    start(deployment())
    probe.arm()
    probe.wait_motion()
    wanted = ('episode policy_hz', 'episode late_ms_p99', 'episode edges', 'delay_p95_s')

    def has_cadence() -> bool:
        values = figures.get('chunk_executor', {})
        return all(float(values.get(name, 0.0)) > 0.0 for name in wanted)

    probe.wait('a cadence report', has_cadence)


def test_rtc_without_guidance_moves_nothing_and_is_said(start, probe, deployment, figures):
    start(deployment('hold', strategy='rtc'))
    probe.wait('an error', lambda: any('guidance:=off' in r.error for r in probe.records))
    probe.arm()
    known = probe.chunks
    probe.wait(
        'diagnostics of it',
        lambda: 'guidance:=off' in figures.get('policy_server', {}).get('message', ''),
    )
    assert probe.chunks == known
    assert {command.source for command in probe.commands} <= {'hold'}


@pytest.mark.parametrize('strategy', ['rtc', 'rtc_trained'])
def test_rtc_continues_the_plan_and_counts_how(start, probe, deployment, figures, plans, strategy):
    """The first chunk has no plan to continue; those that follow have one."""
    asked = replace(deployment('lingbot', deadman_s=9.0), instruction='hand over the red block')
    start(replace(asked, strategy=strategy))
    probe.arm()
    probe.wait('plans', lambda: any(plan.steps and plan.delay_s for plan in plans))

    def has_continued() -> bool:
        values = figures.get('policy_server', {})
        return int(values.get('prefix within_horizon', 0)) > 3

    probe.wait('chunks which continue the plan', has_continued)
    assert {plan.strategy for plan in plans} == {strategy}


def test_the_arms_go_home_from_a_hold_and_stay_there(start, probe, deployment):
    line = start(deployment(resume_window_s=60.0))
    probe.arm()
    probe.wait_motion(0.2)
    success, message = probe.call('chunk_executor/go_home')
    assert not success
    assert 'only from a hold' in message

    line.is_looked_after = False  # a fast machine has it back before the deadman
    line.kill('policy_server')
    probe.wait_event('holding')

    def is_home() -> bool:  # a late state of a busy machine ends the way: then once more
        arrived = any('at home' in event.reason for event in probe.events)
        return arrived or (probe.call('chunk_executor/go_home'), False)[1]

    probe.wait('the arms at home', is_home)
    commands = [c for c in probe.commands if c.source == 'go_home']
    arms = ~ROBOT.is_gripper
    np.testing.assert_allclose(commands[-1].positions[arms], ROBOT.home[arms], atol=1e-4)
    assert (commands[-1].positions[~arms] == commands[0].positions[~arms]).all()
    steps = np.abs(np.diff([c.positions for c in commands], axis=0))
    assert (steps <= ROBOT.step_limit + 1e-9).all()

    line.is_looked_after = True
    line.wait_incidents('restarted')
    probe.wait_chunks(5)
    assert probe.commands[-1].source == 'hold'
    assert probe.call('chunk_executor/arm')[0]
    probe.wait_motion()


def test_in_shadow_all_is_recorded_and_nothing_is_commanded(start, probe, deployment):
    specs = node_specs(deployment(shadow=True))
    start(specs)
    probe.arm()
    probe.wait('commands in shadow', lambda: len(probe.commands) > 400)
    probe.wait_motion(0.003)  # each chunk begins anew where the real arms are, and they rest
    assert {command.source for command in probe.commands} == {'shadow'}
    probe.wait('a report of the robot', lambda: probe.sim)
    assert {topic['messages'] for topic in probe.sim['commands'].values()} == {0}
    for entry in ROBOT.file.command_topics.values():
        assert probe.node.get_publishers_info_by_topic(ROBOT.topic(entry.topic)) == []
