# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Observes, infers, publishes chunks. One worker thread; callbacks only push."""

from collections import Counter
from dataclasses import dataclass
import gc
from pathlib import Path
import sys
import threading
import time
import traceback
import zlib

from lingbot_msgs.msg import ActionChunk as ActionChunkMsg
from lingbot_msgs.msg import CommittedPlan, InferenceRecord
import numpy as np
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import String
from std_srvs.srv import Trigger

from lingbot_policy.backends.committed import continuation, CONTINUED, with_past
from lingbot_policy.decode import stamp_ns
from lingbot_policy.execution.strategies import find_strategy
from lingbot_policy.nodes.command_thread import (
    ask_for_realtime,
    ordinary_scheduling,
    realtime_scheduling,
)
from lingbot_policy.nodes.diagnostics import Diagnostics, ERROR, OK, WARN
from lingbot_policy.nodes.encode import chunk_to_msg, time_msg
from lingbot_policy.nodes.lifecycle import fail, run, transition
from lingbot_policy.nodes.parameters import declare, param
from lingbot_policy.nodes.qos import qos
from lingbot_policy.nodes.streams import RobotStreams
from lingbot_policy.observation import (
    ClockStepped,
    ClockWatch,
    FrozenWatch,
    HEAD,
    Observation,
    ObservationBuffer,
    ObservationError,
    StaleObservation,
)
from lingbot_policy.policy import load_policy, Prefix
from lingbot_policy.robot import load_robot

# Of all but the policy, below recorder and executor: frames and chunks do not wait for what
# computes, and what computes keeps nobody waiting.
PRIORITY = 3
SWITCH_S = 0.0005  # the interpreter's own 5 ms would be the delay of a frame behind a callback
# Longest wait for the executor's plan after a chunk; on one machine it takes a few ms.
ANSWER_S = 0.1


@dataclass(frozen=True)
class PolicyServerParameters:
    robot: str = param('', 'Name of a file in robot_configs without .yaml, or a path.')
    vendor_namespace: str = param('', "Prefix of the robot's own topics, empty on hardware.")
    policy: str = param('hold', 'Policy backend: hold, expert, lingbot.')
    bundle: str = param('', "Folder of the policy bundle; empty: the backend's own default.")
    instruction: str = param('', 'Instruction until one arrives on the topic `instruction`.')
    seed: int = param(0, 'Seed of the noise of every chunk.', bounds=(0, 2**31 - 1))
    path: str = param(
        'auto',
        'How lingbot runs its model; auto: a CUDA graph on a GPU, eager on a CPU.',
        choices=('auto', 'eager', 'compiled', 'graph', 'compiled_graph'),
    )
    precision: str = param(
        'auto',
        'Numbers lingbot computes with; auto: bf16 where the hardware has it, else float32.',
        choices=('auto', 'reference', 'bf16'),
    )
    guidance: str = param(
        'off',
        'How chunks of lingbot follow the committed plan (real-time chunking).',
        choices=('off', 'full', 'identity_jacobian', 'trained'),
    )
    max_rate_hz: float = param(10.0, 'Most chunks per second.', bounds=(0.1, 100.0))
    settle_s: float = param(
        0.02, 'Longest wait, in s, for frames and joints of t_ref to arrive.', bounds=(0.0, 1.0)
    )
    frozen_after_s: float = param(
        2.0, 'A camera with the same pixels for longer, in s, is frozen.', bounds=(0.1, 3600.0)
    )
    autostart: bool = param(True, 'Configure and activate at start.')


class PolicyServer(LifecycleNode):
    """Subscribes cameras, joints, `instruction`, `committed_plan`; publishes `action_chunk`."""

    def __init__(self) -> None:
        super().__init__('policy_server')
        self._p = declare(self, PolicyServerParameters)
        self._active = threading.Event()
        self._worker: threading.Thread | None = None
        self._instruction = self._p.instruction
        self._plan: tuple[str, Prefix | None] = ('', None)  # strategy, what is committed
        self._is_answered = threading.Event()  # the executor has the last chunk
        self._continued: Counter[str] = Counter()
        self._problem = 'not active'
        self._last_latency_s = 0.0

    @transition
    def on_configure(self, state) -> None:
        p = self._p
        self._robot = load_robot(p.robot).with_vendor_namespace(p.vendor_namespace)
        bundle = Path(p.bundle) if p.bundle else None
        started = time.monotonic()
        with ordinary_scheduling():
            self._policy = load_policy(p.policy, self._robot, bundle, p.seed, **_engine_options(p))
        self._policy.contract.require(self._robot)
        self._sequence = 0  # as the policy's own count: (seed, sequence) names the noise
        self._chunks = self.create_publisher(ActionChunkMsg, 'action_chunk', qos('action_chunk'))
        self._records = self.create_publisher(
            InferenceRecord, 'inference_record', qos('inference_record')
        )
        self._contract = self.create_publisher(String, 'policy_contract', qos('policy_contract'))
        self._diagnostics = Diagnostics(self, 'inference', self._robot.name, self._report)
        self._reset = self.create_service(Trigger, '~/reset', self._on_reset)
        self.get_logger().info(
            f'policy {p.policy} for {self._robot.name} loaded in '
            f'{time.monotonic() - started:.1f} s, contract {self._policy.contract.digest}'
        )

    @transition
    def on_activate(self, state) -> None:
        self._clock_watch = ClockWatch()
        self._frozen_watch = FrozenWatch(self._p.frozen_after_s)
        self._buffer = ObservationBuffer(self._robot)
        self._streams = RobotStreams(
            self, self._robot, self._buffer.push_state, self._buffer.push_image
        )
        self._others = [
            self.create_subscription(
                String, 'instruction', self._on_instruction, qos('instruction')
            ),
            self.create_subscription(
                CommittedPlan, 'committed_plan', self._on_plan, qos('committed_plan')
            ),
        ]
        self._contract.publish(String(data=self._policy.contract.to_json()))
        self._active.set()
        gc.collect()
        gc.freeze()  # no collection walks over what the policy has loaded
        self._worker = threading.Thread(target=self._work, name='inference', daemon=True)
        with ordinary_scheduling():  # a model under SCHED_FIFO would keep the cores from others
            self._worker.start()
        self.get_logger().info(f'active: {len(self._robot.cameras)} cameras')

    @transition
    def on_deactivate(self, state) -> None:
        self._active.clear()
        self._worker.join(timeout=30.0)
        self._streams.destroy()
        for subscription in self._others:
            self.destroy_subscription(subscription)
        self._problem = 'not active'

    @transition
    def on_cleanup(self, state) -> None:
        self._diagnostics.destroy()
        self.destroy_service(self._reset)
        for publisher in (self._chunks, self._records, self._contract):
            self.destroy_publisher(publisher)
        self._policy = None

    def _on_instruction(self, msg: String) -> None:
        if msg.data != self._instruction:
            self.get_logger().info(f'instruction: {msg.data!r}')
            self._instruction = msg.data

    def _on_plan(self, msg: CommittedPlan) -> None:
        plan = None
        if msg.steps and tuple(msg.joint_names) != self._robot.joints:
            self._continued['of_other_joints'] += 1
        elif msg.steps:
            positions = np.array(msg.positions).reshape(msg.steps, len(msg.joint_names))
            plan = Prefix(positions, stamp_ns(msg), msg.rate_hz, msg.speed, msg.delay_s)
            plan = with_past(plan, self._plan[1])
        self._plan = (msg.strategy, plan)
        self._is_answered.set()

    def _await_answer(self) -> None:
        """
        Wait for the plan after the last chunk, where the next one is to continue it.

        Without an answer nobody knows what is executed: then there is no plan to continue.
        """
        name, _ = self._plan
        if not name or not find_strategy(name).continues_plan:
            return
        if not self._is_answered.wait(ANSWER_S):
            self._plan = (name, None)
            self._continued['unanswered'] += 1

    def _prefix(self, t_ref_ns: int) -> Prefix | None:
        """
        Return the plan which a chunk seen at ``t_ref_ns`` is to continue, None for none.

        :raises ValueError: if the executor's strategy asks for what this server cannot do.
        """
        name, prefix = self._plan
        if not name or not (strategy := find_strategy(name)).continues_plan:
            return None
        if self._p.guidance not in strategy.guidances:
            raise ValueError(
                f"the executor's strategy is {name}, and this server was started with "
                f'guidance:={self._p.guidance}; start it with guidance:={strategy.guidances[0]}, '
                'or choose blend or replace'
            )
        result = continuation(prefix, self._policy.contract, t_ref_ns, strategy.trained)
        self._continued[result] += 1
        return prefix if result in CONTINUED else None

    def _on_reset(self, request, response) -> Trigger.Response:
        self._policy.reset()
        response.success, response.message = True, 'the policy forgot the episode'
        return response

    def _work(self) -> None:
        period_s, last_ns = 1.0 / self._p.max_rate_hz, 0
        while self._active.is_set():
            started = time.monotonic()
            try:
                last_ns = self._infer_once(last_ns)
            except ObservationError as error:
                self._hold_back(error)
            except ValueError as error:
                self._publish_failure(str(error))
            except Exception:
                return fail(self, traceback.format_exc())
            rest_s = period_s - (time.monotonic() - started)
            if rest_s > 0:
                # Then wait for a frame that is new at that time, not for one which waited too.
                time.sleep(rest_s)
                last_ns = self._buffer.newest_head_ns() or last_ns

    def _infer_once(self, last_ns: int) -> int:
        """Publish a chunk for the newest head frame; return its stamp, or the last one's."""
        with realtime_scheduling(PRIORITY):
            t_ref_ns = self._wait_for_frame(last_ns)
            if t_ref_ns is None:
                return last_ns
            started = time.monotonic()
            self._clock_watch.check(self._now_ns(), time.monotonic_ns())
            observation = self._buffer.observe(t_ref_ns, self._instruction)
            self._frozen_watch.check(observation)
            prefix = self._prefix(t_ref_ns)
            timing = {'observe': time.monotonic() - started}
        timing['wait'] = (self._now_ns() - observation.arrived_ns) * 1e-9
        chunk = self._policy.infer(observation, prefix)
        inferred = time.monotonic()
        self._sequence += 1
        with realtime_scheduling(PRIORITY):
            msg = chunk_to_msg(chunk, self._robot.joints, self._now_ns())
            msg.sequence = self._sequence
            msg.instruction_id = zlib.crc32(observation.instruction.encode())
            self._is_answered.clear()
            self._chunks.publish(msg)
            timing['publish'] = time.monotonic() - inferred
        self._last_latency_s = msg.latency_s
        self._problem = ''
        timing['total'] = time.monotonic() - started
        self._records.publish(self._record(observation, msg, {**chunk.timing, **timing}))
        self._await_answer()
        return t_ref_ns

    def _wait_for_frame(self, last_ns: int) -> int | None:
        """Return the stamp of a new head frame once its streams have settled, or None."""
        patience_s = self._robot.cameras[HEAD].max_age_s
        newest_ns = self._buffer.wait_head(last_ns, patience_s)
        if newest_ns is not None:
            self._buffer.wait_settled(newest_ns, self._p.settle_s)
        elif self._active.is_set():
            self._hold_back(StaleObservation(f'camera head: no new frame for {patience_s} s'))
        return newest_ns

    def _hold_back(self, error: ObservationError) -> None:
        """Send no chunk and say why; the executor's deadman holds the arms."""
        self._problem = str(error)
        if isinstance(error, ClockStepped):
            self._buffer.clear()
        kind = type(error).__name__
        self.get_logger().warning(f'no chunk: {kind}: {error}', throttle_duration_sec=2.0)

    def _publish_failure(self, problem: str) -> None:
        self._problem = problem
        self.get_logger().error(f'no chunk: {problem}', throttle_duration_sec=2.0)
        record = InferenceRecord(policy=self._p.policy, error=problem)
        record.header.stamp = self.get_clock().now().to_msg()
        self._records.publish(record)

    def _record(
        self, observation: Observation, chunk: ActionChunkMsg, timing: dict
    ) -> InferenceRecord:
        contract = self._policy.contract
        record = InferenceRecord(
            sequence=chunk.sequence,
            policy=contract.policy,
            contract_hash=contract.digest,
            instruction_id=chunk.instruction_id,
            instruction=observation.instruction,
            seed=self._p.seed,
            path=getattr(self._policy, 'path', 'scripted'),
            time_grid=contract.time_grid,
            steps=contract.steps,
            camera_names=list(observation.images),
            camera_stamps=[time_msg(ns) for ns in observation.image_stamps_ns.values()],
            state=observation.state.tolist(),
            observation_digest=observation.digest,
            wait_s=timing['wait'],
            observe_s=timing['observe'],
            preprocess_s=timing.get('preprocess', 0.0),
            infer_s=timing.get('infer', 0.0),
            postprocess_s=timing.get('postprocess', 0.0),
            publish_s=timing['publish'],
            total_s=timing['total'],
            capture_to_publish_s=chunk.latency_s,
        )
        record.header.stamp = time_msg(observation.t_ref_ns)
        return record

    def _report(self) -> tuple:
        values = {'chunks': self._sequence, 'latency_s': self._last_latency_s}
        if not self._active.is_set():
            return WARN, 'not active', values
        values |= {f'prefix {k}': v for k, v in dict(self._continued).items()}
        values |= {f'received {k}': v for k, v in self._buffer.received().items()}
        values |= {f'offset_s {k}': v for k, v in self._buffer.offsets_s().items()}
        values |= {f'unreadable {k}': v for k, v in self._streams.unreadable.items()}
        return (ERROR, self._problem, values) if self._problem else (OK, 'inferring', values)

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds


def _engine_options(p: PolicyServerParameters) -> dict[str, str]:
    """Return those choices of the engine which were made; other policies have none."""
    chosen = {'path': p.path, 'precision': p.precision, 'guidance': p.guidance}
    options = {name: value for name, value in chosen.items() if value not in ('auto', 'off')}
    if options and p.policy != 'lingbot':
        raise ValueError(
            f'policy {p.policy!r} has no engine for {", ".join(options)}; leave these alone, and '
            'choose a strategy other than rtc'
        )
    return options


def main() -> int:
    ask_for_realtime(PRIORITY)
    sys.setswitchinterval(SWITCH_S)
    return run(PolicyServer)


if __name__ == '__main__':
    sys.exit(main())
