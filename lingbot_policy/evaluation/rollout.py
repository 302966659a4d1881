# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
An episode in virtual time: the line's own executor and gate, and delays as they are scripted.

Nothing here depends on how fast the machine is, so that two strategies meet the same delays.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lingbot_policy.chunk import ActionChunk, NS, RejectedChunk
from lingbot_policy.execution.cadence import CadenceReport
from lingbot_policy.execution.executor import Execution, ExecutionLimits
from lingbot_policy.observation import Observation
from lingbot_policy.policy import Policy, Prefix
from lingbot_policy.sim.worlds import World

START_NS = 1_000 * NS  # virtual time at the start; any time will do


@dataclass(frozen=True)
class Rollout:
    """What came of an episode; ``progress`` is the share of the task's checkpoints reached."""

    cadence: CadenceReport
    progress: float
    success: bool
    delay_p95_s: float
    rejections: dict[str, int]


def roll_out(
    world: World,
    policy: Policy,
    strategy: str,
    delays_s: Sequence[float],
    seed: int,
    seconds: float,
    instruction: str,
) -> Rollout:
    """
    Run one episode of a simulated robot.

    :param delays_s: from seeing to having the chunk, one for each inference, repeated from the
        start when they are used up. The next observation is made when the chunk has arrived.
    :param seed: of the task; the policy's noise is its own.
    """
    world.reset(seed)
    policy.reset()
    episode = _Episode(world, policy, strategy, instruction)
    robot = world.robot
    dt_ns = round(NS / robot.file.command_rate_hz)
    arriving: tuple[int, ActionChunk] | None = None
    inferences, best = 0, 0.0
    for tick in range(round(seconds * NS / dt_ns)):
        now_ns = START_NS + tick * dt_ns
        if arriving is not None and now_ns >= arriving[0]:
            episode.accept(arriving[1], now_ns)
            arriving = None
        if arriving is None and episode.may_infer:
            chunk = episode.infer(now_ns)
            delay_s = delays_s[inferences % len(delays_s)]
            arriving = now_ns + round(delay_s * NS), chunk
            inferences += 1
        episode.tick(now_ns)
        world.step(dt_ns / NS)
        best = max(best, world.progress())
    execution = episode.execution
    return Rollout(
        execution.cadence.report(),
        best,
        world.success(),
        execution.delay.p95_s,
        dict(episode.rejections),
    )


class _Episode:
    """The line between a world and a policy, without its processes."""

    def __init__(self, world: World, policy: Policy, strategy: str, instruction: str) -> None:
        self.world, self.policy = world, policy
        self.rejections: Counter[str] = Counter()
        self._instruction = instruction
        self._slots = np.arange(world.robot.dof)
        self.execution = Execution(world.robot, ExecutionLimits(), strategy)
        contract = policy.contract
        self.execution.expect(contract.digest, contract.rtc_trained)
        self._measure(START_NS)
        self.execution.arm(START_NS)

    @property
    def may_infer(self) -> bool:
        """Whether the strategy wants a new observation: ``sync`` waits for the arms to rest."""
        schedule = self.execution.chunks
        return not schedule.strategy.waits or schedule.due() is None

    def infer(self, now_ns: int) -> ActionChunk:
        robot = self.world.robot
        images = {name: self.world.render(name) for name in robot.cameras}
        observation = Observation(
            now_ns,
            images,
            dict.fromkeys(images, now_ns),
            self.world.positions(),
            self._instruction,
        )
        return self.policy.infer(observation, self._committed())

    def accept(self, chunk: ActionChunk, now_ns: int) -> None:
        try:
            self.execution.accept(chunk, now_ns, now_ns)
        except RejectedChunk as rejection:
            self.rejections[rejection.reason] += 1

    def tick(self, now_ns: int) -> None:
        self._measure(now_ns)
        if not self.may_infer:  # a policy server goes on sending meanwhile
            self.execution.gate.hear(now_ns)
        tick = self.execution.tick(now_ns, now_ns)
        if tick is None:
            raise RuntimeError(f'disarmed in mid-episode: {self.execution.reason}')
        self.world.command(tick.decision.positions)

    def _measure(self, now_ns: int) -> None:
        self.execution.measure(self._slots, self.world.positions(), now_ns)

    def _committed(self) -> Prefix | None:
        schedule, delay = self.execution.chunks, self.execution.delay
        positions = schedule.remaining()
        if not schedule.strategy.continues_plan or not len(positions):
            return None
        return Prefix(positions, schedule.ros_ns, schedule.rate_hz, schedule.speed, delay.p95_s)
