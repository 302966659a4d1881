# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A recorded run with known figures, written message by message."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.interfaces import Nodetype

from lingbot_policy.bags.definitions import typestore_for
from lingbot_policy.bags.write import BagWriter, COMPLETENESS_ATTACHMENT
from lingbot_policy.robot import load_robot, Robot

START_NS = 1_800_000_000_000_000_000
SECONDS, FPS, CHUNK_HZ, HORIZON = 4.0, 15.0, 5.0, 50
IMAGE, CHUNK = 'sensor_msgs/msg/Image', 'lingbot_msgs/msg/ActionChunk'
EXECUTED, RECORD = 'lingbot_msgs/msg/ExecutedCommand', 'lingbot_msgs/msg/InferenceRecord'
EVENT, STRING = 'lingbot_msgs/msg/SafetyEvent', 'std_msgs/msg/String'
POINT, TIME = 'trajectory_msgs/msg/JointTrajectoryPoint', 'builtin_interfaces/msg/Time'
DIAGNOSTICS = 'diagnostic_msgs/msg/DiagnosticArray'
STATUS, PAIR = 'diagnostic_msgs/msg/DiagnosticStatus', 'diagnostic_msgs/msg/KeyValue'
JOINTS = 'sensor_msgs/msg/JointState'
TYPES = (IMAGE, CHUNK, EXECUTED, RECORD, EVENT, STRING, DIAGNOSTICS, JOINTS)


@pytest.fixture(scope='session')
def robot() -> Robot:
    return load_robot('agilex_cobot_magic')


@pytest.fixture
def record_run(tmp_path: Path, robot: Robot) -> Callable[..., Path]:
    """Give a function which writes a bag of 4 s and returns its path; see :class:`Run`."""

    def record(**defects: Any) -> Path:
        path = tmp_path / f'bag_{len(list(tmp_path.iterdir()))}'
        Run(robot, **defects).write(path)
        return path

    return record


class Run:
    """
    A run of 4 s: cameras 15 Hz, 5 chunks/s, commands at command rate, all sines.

    :param lost: share of the head camera's frames that never arrived.
    :param command_rate: relative to the robot file.
    :param violations: which the simulation counts.
    :param unwritten: messages of ``action_chunk`` that were received and not written.
    :param told: one in so many commands goes to the command topics, by key; 1 by default.
    :param lost_commands: every n-th message of ``executed_command`` never arrived; 0: none.
    :param executor: what the executor's diagnostics say beside its missed ticks, each second.
    :param hardware_id: whose diagnostics they are.
    """

    def __init__(
        self,
        robot: Robot,
        lost: float = 0.0,
        command_rate: float = 1.0,
        violations: int = 0,
        unwritten: int = 0,
        lost_commands: int = 0,
        told: dict[str, int] | None = None,
        executor: Sequence[dict[str, object]] = ({},) * 5,
        hardware_id: str = '',
    ) -> None:
        self.robot = robot
        self.lost, self.violations, self.unwritten = lost, violations, unwritten
        self.lost_commands = lost_commands
        self.told = told or {}
        self.executor, self.hardware_id = executor, hardware_id
        self.command_hz = robot.file.command_rate_hz * command_rate
        self.store = typestore_for(TYPES)

    def write(self, path: Path) -> None:
        rows = sorted(self._rows(), key=lambda row: row[2])
        counts = Counter(topic for topic, *_ in rows)
        with BagWriter(path) as bag:
            for topic, kind, at_ns, msg in rows:
                bag.write(topic, kind, bytes(self.store.serialize_cdr(msg, kind)), at_ns)
            attached = {topic: self._counted(topic, n) for topic, n in counts.items()}
            bag.attach(COMPLETENESS_ATTACHMENT, json.dumps(attached), 'application/json')

    def _counted(self, topic: str, written: int) -> dict:
        head = topic == self.robot.topic(self.robot.cameras['head'].topic)
        lost = round(written * self.lost / (1 - self.lost)) if head else 0
        if topic == '/executed_command' and self.lost_commands:
            lost = round(3.0 * self.command_hz) + 1 - written
        unwritten = self.unwritten if topic == '/action_chunk' else 0
        received = written + unwritten
        return {
            'before': 0,
            'published': received + lost,
            'received': received,
            'written': written,
            'writers': 1,
            'certain': topic != '/diagnostics',
            'lost': lost,
            'unwritten': unwritten,
        }

    def _rows(self) -> Iterator[tuple[str, str, int, Any]]:
        """Yield (topic, type, log time, message)."""
        for at_ns in ticks(FPS):
            for number, camera in enumerate(self.robot.cameras.values()):
                yield self.robot.topic(camera.topic), IMAGE, at_ns, self._image(at_ns, number)
        for number, at_ns in enumerate(ticks(CHUNK_HZ)):
            yield '/action_chunk', CHUNK, at_ns + 40_000_000, self._chunk(at_ns, number + 1)
            yield '/inference_record', RECORD, at_ns + 40_000_000, self._record(at_ns)
        for number, at_ns in enumerate(ticks(self.command_hz, 0.5, 3.5)):
            for key, entry in self.robot.file.command_topics.items():
                if number % self.told.get(key, 1) == 0:
                    yield self.robot.topic(entry.topic), JOINTS, at_ns, self._joints(at_ns)
            if self.lost_commands and number % self.lost_commands == 1:
                continue
            yield '/executed_command', EXECUTED, at_ns, self._executed(at_ns)
        for at_s, state, reason in (
            (0.1, 'disarmed', 'never armed'),
            (0.5, 'holding', 'armed, waiting for a chunk'),
            (0.6, 'moving', '<b>soft</b> start'),
            (3.5, 'disarmed', 'asked for'),
        ):
            at_ns = START_NS + round(at_s * 1e9)
            header = self.make('std_msgs/msg/Header', stamp=self.time(at_ns))
            msg = self.make(EVENT, header=header, state=state, reason=reason)
            yield '/safety_events', EVENT, at_ns, msg
        for at_ns in ticks(2.0):
            yield '/sim_report', STRING, at_ns, self.make(STRING, data=self._report())
        for number, at_ns in enumerate(ticks(1.0)):
            yield '/diagnostics', DIAGNOSTICS, at_ns, self._diagnostics(at_ns, number)

    def make(self, type_name: str, **values: Any) -> Any:
        """Return a message with zeros where no value is given."""
        fields = {}
        for name, (kind, value) in self.store.fielddefs[type_name][1]:
            if name in values:
                fields[name] = values[name]
            elif kind == Nodetype.NAME:
                fields[name] = self.make(value)
            elif kind == Nodetype.BASE:
                fields[name] = '' if value[0] == 'string' else 0
            else:
                fields[name] = []
        return self.store.types[type_name](**fields)

    def time(self, at_ns: int) -> Any:
        return self.make(TIME, sec=at_ns // 10**9, nanosec=at_ns % 10**9)

    def positions(self, at_ns: int) -> np.ndarray:
        phase = (at_ns - START_NS) * 1e-9 + np.arange(self.robot.dof)
        middle, half = (
            (self.robot.upper + self.robot.lower) / 2,
            np.ptp([self.robot.upper, self.robot.lower], axis=0),
        )
        return middle + 0.2 * half * np.sin(phase)

    def _image(self, at_ns: int, number: int) -> Any:
        height, width = 48, 64
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[:, :, number] = np.linspace(0, 255, width, dtype=np.uint8)
        pixels[:, (at_ns // 50_000_000) % width] = 255
        header = self.make('std_msgs/msg/Header', stamp=self.time(at_ns))
        return self.make(
            IMAGE, header=header, height=height, width=width, encoding='rgb8', step=3 * width,
            data=pixels.ravel(),
        )  # fmt: skip

    def _chunk(self, at_ns: int, sequence: int) -> Any:
        steps = (at_ns + round(i * 1e9 / 30.0) for i in range(HORIZON))
        zeros = np.zeros(self.robot.dof)
        points = [
            self.make(POINT, positions=self.positions(t), velocities=zeros, accelerations=zeros,
                      effort=zeros)
            for t in steps
        ]  # fmt: skip
        trajectory = self.make(
            'trajectory_msgs/msg/JointTrajectory',
            header=self.make('std_msgs/msg/Header', stamp=self.time(at_ns)),
            points=points,
        )
        return self.make(
            CHUNK, trajectory=trajectory, sequence=sequence, rate_hz=30.0,
            created=self.time(at_ns + 40_000_000),
        )  # fmt: skip

    def _record(self, at_ns: int) -> Any:
        return self.make(
            RECORD,
            header=self.make('std_msgs/msg/Header', stamp=self.time(at_ns)),
            policy='expert', instruction='lift the <red> block', state=np.zeros(self.robot.dof),
            wait_s=0.001, publish_s=0.003, observe_s=0.001, preprocess_s=0.004, infer_s=0.030,
            postprocess_s=0.002, total_s=0.037, capture_to_publish_s=0.040,
        )  # fmt: skip

    def _joints(self, at_ns: int) -> Any:
        positions = self.positions(at_ns)[: self.robot.dof // 2]
        none = np.array([])
        return self.make(JOINTS, position=positions, velocity=none, effort=none)

    def _executed(self, at_ns: int) -> Any:
        return self.make(
            EXECUTED,
            header=self.make('std_msgs/msg/Header', stamp=self.time(at_ns)),
            positions=self.positions(at_ns),
            measured=self.positions(at_ns - 50_000_000),
            source='chunk',
            gate_state='command',
        )

    def _report(self) -> str:
        report = {'real_time_factor': 0.99, 'fps': 15.0, 'size': [64, 48], 'progress': 0.6}
        return json.dumps(report | {'success': False, 'violations': self.violations})

    def _diagnostics(self, at_ns: int, number: int) -> Any:
        received = {f'received {name}': round(number * FPS) for name in self.robot.cameras}
        values = {
            'policy_server: inference': received,
            'chunk_executor: commands': {'missed_ticks': number, **self.executor[number]},
        }
        statuses = [
            self.make(
                STATUS,
                name=name,
                hardware_id=self.hardware_id,
                values=[self.make(PAIR, key=k, value=str(v)) for k, v in v.items()],
            )
            for name, v in values.items()
        ]
        header = self.make('std_msgs/msg/Header', stamp=self.time(at_ns))
        return self.make(DIAGNOSTICS, header=header, status=statuses)


def ticks(rate_hz: float, first_s: float = 0.0, last_s: float = SECONDS) -> Iterator[int]:
    """Yield the times, ns, at which something happens ``rate_hz`` times a second."""
    for i in range(int((last_s - first_s) * rate_hz) + 1):
        yield START_NS + round((first_s + i / rate_hz) * 1e9)
