# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The policy which stays where it is."""

import numpy as np
import pytest

from lingbot_policy.observation import Observation
from lingbot_policy.policy import load_policy


def test_every_step_is_the_measured_state(robot):
    policy = load_policy('hold', robot)
    state = np.linspace(0.1, 0.9, robot.dof)
    chunk = policy.infer(Observation(5_000, {}, {}, state, 'wait'))
    assert chunk.positions.shape == (policy.contract.horizon, robot.dof)
    assert (chunk.positions == state).all()
    assert (chunk.t_ref_ns, chunk.rate_hz) == (5_000, robot.file.policy_rate_hz)
    assert chunk.contract_digest == policy.contract.digest


def test_a_state_that_is_no_number_is_not_held(robot):
    state = np.zeros(robot.dof)
    state[3] = np.nan
    with pytest.raises(ValueError, match='expected 14 finite values'):
        load_policy('hold', robot).infer(Observation(0, {}, {}, state, ''))
