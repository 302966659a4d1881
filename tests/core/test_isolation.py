# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Domains of one's own, taken from a folder of locks which only these tests see."""

from contextlib import ExitStack
from pathlib import Path
import subprocess
import sys
import tempfile

import pytest

from lingbot_policy.isolation import DOMAINS, isolated_environment, private_domain

TAKE = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from lingbot_policy.isolation import private_domain
with private_domain(avoid=frozenset(range(1, 98))) as domain:
    print(domain, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    monkeypatch.delenv('ROS_DOMAIN_ID', raising=False)
    return tmp_path


def only(*domains: int) -> frozenset[int]:
    """Return what to avoid so that ``domains`` remain."""
    return frozenset(DOMAINS) - {*domains}


def test_processes_at_the_same_time_never_get_the_same_domain(own_locks: Path):
    command = [sys.executable, '-c', TAKE, str(own_locks)]
    pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'text': True}
    takers = [subprocess.Popen(command, **pipes) for _ in range(4)]
    try:
        # Four domains are left for four processes: each must wait for none and share none.
        taken = [int(taker.stdout.readline()) for taker in takers]
        assert sorted(taken) == [98, 99, 100, 101]
    finally:
        for taker in takers:
            taker.communicate('\n', timeout=30)


def test_a_domain_is_free_again_after_its_block():
    for _ in range(2):
        with private_domain(only(7)) as domain:
            assert domain == 7


def test_a_domain_is_free_again_after_an_error_in_its_block():
    with pytest.raises(KeyError), private_domain(only(7)):
        raise KeyError
    with private_domain(only(7)) as domain:
        assert domain == 7


@pytest.mark.parametrize(('shell', 'free'), [('8', 9), ('9', 8)])
def test_the_domain_of_the_shell_is_never_given(monkeypatch, shell: str, free: int):
    monkeypatch.setenv('ROS_DOMAIN_ID', shell)
    with private_domain(only(8, 9)) as domain:
        assert domain == free


@pytest.mark.parametrize('shell', ['', '0', 'none'])
def test_a_shell_without_a_domain_bars_none_of_ours(monkeypatch, shell: str):
    monkeypatch.setenv('ROS_DOMAIN_ID', shell)
    with private_domain(only(1)) as domain:
        assert domain == 1


def test_where_every_domain_is_taken_it_says_so_and_what_to_do():
    with ExitStack() as stack:
        for _ in DOMAINS:
            stack.enter_context(private_domain())
        with pytest.raises(
            ValueError, match=r'no free ROS domain in 1\.\.101: .* end other demos'
        ):
            stack.enter_context(private_domain())


def test_the_environment_keeps_nodes_in_the_domain_on_this_machine(tmp_path: Path):
    assert isolated_environment(42, tmp_path) == {
        'ROS_DOMAIN_ID': '42',
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'ROS_LOG_DIR': str(tmp_path),
    }
