# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
What runs in a deployment, as data: the one description of it.

``launch/`` turns it into launch_ros actions, ``nodes/supervisor.py`` into supervised processes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from lingbot_policy.contract import parse_contract, POLICY_FILE
from lingbot_policy.execution.strategies import find_strategy

Value = bool | int | float | str

PACKAGE = 'lingbot_policy'
# By the link of a robot file. The UDP SDK carries no cameras: those come through rosbridge.
RELAYS = {'rosbridge': ('relay_rosbridge',), 'udp': ('relay_udp', 'relay_rosbridge')}
ANY_LINK = 'any'  # for a launch file, which learns the robot only while it runs


@dataclass(frozen=True)
class NodeSpec:
    """
    One node: ``executable`` is its module in ``nodes`` and its script in ``lib/lingbot_policy``.

    ``restarts``: it is started again when it dies; otherwise its end, where it is ``essential``,
    ends the deployment.
    """

    executable: str
    namespace: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    restarts: bool = False
    essential: bool = True


@dataclass(frozen=True)
class Simulation:
    """A simulated robot: size in pixels, rate in Hz; motion needs no operator."""

    world: str = 'mujoco'
    task: str = 'handover'
    seed: int = 0
    width: int = 320
    height: int = 240
    fps: float = 15.0


@dataclass(frozen=True)
class Deployment:
    """
    One robot, one policy, and whether to record (``record`` is the folder of the bag).

    ``link`` is the robot file's, or ANY_LINK; a relay reaches the robot at ``link_host``.
    ``strategy`` says how chunks follow each other; ``guidance``, empty, is what that asks of the
    policy server. ``executor`` holds other parameters of the chunk executor than its defaults.
    """

    robot: str
    policy: str = 'hold'
    bundle: str = ''
    instruction: str = ''
    namespace: str = ''
    vendor_namespace: str = ''
    seed: int = 0
    record: str = ''
    link: str = 'native'
    link_host: str = ''
    strategy: str = 'replace'
    guidance: str = ''
    simulation: Simulation | None = None
    executor: Mapping[str, Value] = field(default_factory=dict)


def node_specs(deployment: Deployment) -> tuple[NodeSpec, ...]:
    """Return the nodes in the order in which they start; they stop in :func:`stop_order`."""
    common = {
        'robot': deployment.robot,
        'vendor_namespace': deployment.vendor_namespace,
        'autostart': True,
    }
    simulation = deployment.simulation
    specs = []
    if simulation is not None:
        world = {name: getattr(simulation, name) for name in Simulation.__dataclass_fields__}
        specs.append(NodeSpec('sim_robot', deployment.namespace, {**common, **world}))
    else:
        relay = {**common, 'host': deployment.link_host}
        specs += [
            NodeSpec(name, deployment.namespace, relay, restarts=True)
            for name in _relays(deployment.link)
        ]
    if deployment.record:
        recorder = {**common, 'folder': deployment.record, 'record_on_activate': True}
        specs.append(NodeSpec('episode_recorder', deployment.namespace, recorder, essential=False))
    executor = {
        **common,
        'simulation': simulation is not None,
        'strategy': deployment.strategy,
        **deployment.executor,
    }
    specs.append(NodeSpec('chunk_executor', deployment.namespace, executor, restarts=True))
    server = {
        **common,
        'policy': deployment.policy,
        'bundle': deployment.bundle,
        'instruction': deployment.instruction,
        'seed': deployment.seed,
        'guidance': deployment.guidance or guidance_for(deployment.strategy),
    }
    specs.append(NodeSpec('policy_server', deployment.namespace, server, restarts=True))
    return tuple(specs)


def _relays(link: str) -> tuple[str, ...]:
    """Return what a link needs, in the order in which it starts."""
    if link == ANY_LINK:
        return tuple(dict.fromkeys(name for names in RELAYS.values() for name in names))
    return RELAYS.get(link, ())


def guidance_for(strategy: str) -> str:
    """Return the guidance which a policy server needs for a strategy."""
    return find_strategy(strategy).guidances[0]


def require_together(policy: str, strategy: str, bundle: Path | None = None) -> None:
    """
    Refuse a strategy which the policy cannot follow.

    :param bundle: of the policy; None: not known here.
    :raises ValueError: if it is unknown, or asks the policy to continue a plan and it cannot.
    """
    if find_strategy(strategy).continues_plan and policy != 'lingbot':
        raise ValueError(
            f'--strategy {strategy}: policy {policy!r} cannot continue a plan, lingbot can; '
            'choose that one, or blend or replace'
        )
    contract = bundle / POLICY_FILE if bundle is not None else None
    if find_strategy(strategy).trained and contract is not None and contract.is_file():
        parse_contract(contract.read_text(encoding='utf-8'), str(contract)).require_rtc_trained()


def stop_order(specs: tuple[NodeSpec, ...]) -> tuple[str, ...]:
    """Return executables in the order they stop: motion first, the recording last."""
    relays = ('relay_udp', 'relay_rosbridge')
    order = ('chunk_executor', 'policy_server', 'sim_robot', *relays, 'episode_recorder')
    present = {spec.executable for spec in specs}
    return tuple(name for name in order if name in present)


def environment() -> dict[str, str]:
    """
    Return variables every node of ours needs beside those of its ROS installation.

    The profile gives a sender 64 MB of shared memory. With the default of 512 KB three raw
    cameras at 30 Hz arrive at 10 Hz, and no setting of the receiver can repair it.
    """
    profile = files(PACKAGE) / 'data' / 'fastdds_shm.xml'
    return {'FASTRTPS_DEFAULT_PROFILES_FILE': str(profile)}
