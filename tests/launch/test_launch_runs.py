# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The launch files, run by launch_ros, where it is installed (it is in no package registry)."""

from collections.abc import Callable, Iterator
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip('launch_ros', reason='needs launch_ros, which comes with ROS 2')

from ament_index_python.packages import get_package_prefix, PackageNotFoundError

from lingbot_policy.bags.read import open_bag
from lingbot_policy.bags.replay import recorded_robot

pytestmark = pytest.mark.ros
PATIENCE_S = 90.0
LAUNCH = Path(__file__).parents[2] / 'launch'
RUNNER = """
import signal
import sys

from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

signal.signal(signal.SIGINT, signal.default_int_handler)
arguments = [argument.split(':=', 1) for argument in sys.argv[2:]]
service = LaunchService()
source = PythonLaunchDescriptionSource(sys.argv[1])
service.include_launch_description(
    LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)])
)
sys.exit(service.run())
"""


class Launched:
    """A launch file under way; its output grows in a file."""

    def __init__(self, name: str, arguments: tuple[str, ...], env: dict, output: Path) -> None:
        self._output = output
        with output.open('wb') as stream:
            self.process = subprocess.Popen(
                [sys.executable, '-c', RUNNER, str(LAUNCH / name), *arguments],
                env=env,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._output.read_text(errors='replace')

    def wait_for(self, pattern: str, count: int = 1) -> list[str]:
        """Wait until ``pattern`` stands in the output ``count`` times; return what it found."""
        deadline = time.monotonic() + PATIENCE_S
        while len(found := re.findall(pattern, self.output)) < count:
            runs = self.process.poll() is None and time.monotonic() < deadline
            assert runs, f'no {pattern!r} in:\n{self.output}'
            time.sleep(0.05)
        return found

    def pid(self, executable: str) -> int:
        """Return the process id of the latest start of a node."""
        return int(self.wait_for(rf'\[{executable}-\d+\]: process started with pid \[(\d+)')[-1])

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=PATIENCE_S)


@pytest.fixture
def launch(ros_env: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Launched]]:
    """Run a launch file with arguments like ``world:=kinematic`` until the test ends."""
    try:
        get_package_prefix('lingbot_policy')
    except PackageNotFoundError:
        pytest.skip('lingbot_policy is in no prefix of AMENT_PREFIX_PATH')
    launched: list[Launched] = []

    def run(name: str, *arguments: str) -> Launched:
        launched.append(Launched(name, arguments, ros_env, tmp_path / f'{len(launched)}.txt'))
        return launched[-1]

    yield run
    for each in launched:
        if each.process.poll() is None:
            os.killpg(each.process.pid, signal.SIGKILL)
            each.process.wait()


def test_the_demo_starts_all_nodes_in_its_own_domain_and_ctrl_c_ends_them(launch, ros_env):
    demo = launch('demo_launch.py', 'world:=kinematic', 'namespace:=cell', 'instruction:=on')
    demo.wait_for(r'\[cell\.chunk_executor\]: active')
    demo.wait_for(r'\[cell\.policy_server\]: active')
    demo.wait_for(r'\[cell\.sim_robot\]: simulated')
    (domain,) = demo.wait_for(r'ROS_DOMAIN_ID=(\d+)')
    assert domain != ros_env['ROS_DOMAIN_ID']

    demo.interrupt()
    assert demo.output.count('process has finished cleanly') == 3
    assert 'Caught exception' not in demo.output


def test_a_killed_policy_server_comes_again_and_a_dead_simulation_ends_the_launch(launch):
    demo = launch('demo_launch.py', 'world:=kinematic')
    demo.wait_for(r'\[policy_server\]: active')

    os.kill(demo.pid('policy_server'), signal.SIGKILL)
    demo.wait_for(r'\[policy_server\]: active', count=2)
    os.kill(demo.pid('sim_robot'), signal.SIGKILL)

    demo.process.wait(timeout=PATIENCE_S)
    assert 'process[sim_robot-1] was required' in demo.output


def test_a_deployment_on_an_unknown_robot_ends_with_one_clear_line(launch):
    deploy = launch('deploy_launch.py', 'robot:=nobody', 'policy:=hold')

    deploy.process.wait(timeout=PATIENCE_S)
    assert "[chunk_executor]: on_configure: unknown robot 'nobody'" in deploy.output
    assert 'Traceback' not in deploy.output


def test_a_deployment_needs_an_operator_and_records_where_it_is_asked_to(launch, tmp_path):
    bag = tmp_path / 'bags'
    deploy = launch(
        'deploy_launch.py', 'robot:=agilex_cobot_magic', 'policy:=hold', f'record:={bag}'
    )
    deploy.wait_for(r'\[chunk_executor\]: active')
    deploy.wait_for(r'\[policy_server\]: active')
    assert deploy.pid('episode_recorder')

    plain = launch('deploy_launch.py', 'robot:=agilex_cobot_magic', 'policy:=hold')
    plain.wait_for(r'\[chunk_executor\]: active')
    assert 'episode_recorder' not in plain.output
    deploy.interrupt()
    plain.interrupt()


def test_a_deployment_in_shadow_says_that_nothing_is_commanded(launch):
    deploy = launch(
        'deploy_launch.py', 'robot:=agilex_cobot_magic', 'policy:=hold', 'shadow:=true'
    )
    deploy.wait_for(r'\[chunk_executor\]: active .*in shadow: nothing is commanded')
    deploy.interrupt()


@pytest.mark.parametrize(
    ('robot', 'relays'),
    [
        ('bimanual_franka', []),
        ('leju_kuavo4_pro', ['relay_rosbridge']),
        ('qinglong_openloong', ['relay_rosbridge', 'relay_udp']),
    ],
)
def test_a_robot_behind_a_relay_gets_the_relays_of_its_link(launch, robot, relays):
    deploy = launch('deploy_launch.py', f'robot:={robot}', 'policy:=hold', 'link_host:=127.0.0.1')
    deploy.wait_for(r'\[policy_server\]: active')
    started = re.findall(r'\[(relay_\w+)-\d+\]: process started', deploy.output)
    assert sorted(started) == relays
    assert 'process has died' not in deploy.output
    deploy.interrupt()


def test_a_relay_without_an_address_ends_the_launch(launch):
    deploy = launch('deploy_launch.py', 'robot:=leju_kuavo4_pro', 'policy:=hold')
    deploy.process.wait(timeout=PATIENCE_S)
    assert "parameter host: found '', expected the robot's address" in deploy.output


def test_the_recorder_runs_alone(launch, tmp_path):
    record = launch('record_launch.py', 'robot:=agilex_cobot_magic', f'record:={tmp_path / "b"}')

    record.wait_for(r'\[episode_recorder\]: recording')
    assert 'chunk_executor' not in record.output
    record.interrupt()
    with open_bag(tmp_path / 'b') as bag:
        assert recorded_robot(bag).name == 'agilex_cobot_magic'
