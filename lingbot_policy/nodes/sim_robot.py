# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated robot on the robot's own topics and types: cameras, joints, commands."""

from dataclasses import dataclass
from functools import partial
import json
import sys
import threading
import time

import numpy as np
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import String
from std_srvs.srv import Trigger

from lingbot_policy.decode import stamp_ns
from lingbot_policy.nodes.command_thread import CommandThread
from lingbot_policy.nodes.encode import message_type, picture_msg, state_encoders
from lingbot_policy.nodes.lifecycle import fail, run, transition
from lingbot_policy.nodes.parameters import declare, param
from lingbot_policy.nodes.qos import qos
from lingbot_policy.robot import load_robot
from lingbot_policy.sim.wire_limits import WireLimits
from lingbot_policy.sim.worlds import make_world, WORLDS

NOBODY_COMMANDS_AFTER_NS = 500_000_000
MAX_STATE_HZ = 250.0  # robots publish up to 1 kHz; the line commands at 250 Hz at most


@dataclass(frozen=True)
class SimRobotParameters:
    robot: str = param('', 'Name of a file in robot_configs without .yaml, or a path.')
    vendor_namespace: str = param('', "Prefix of the robot's own topics.")
    world: str = param('mujoco', 'Physics: mujoco, or a kinematic stub.', choices=tuple(WORLDS))
    task: str = param('handover', 'Task laid out on the table.')
    seed: int = param(0, 'Seed of the task.', bounds=(0, 2**31 - 1))
    width: int = param(320, 'Image width in pixels.', bounds=(16, 1920))
    height: int = param(240, 'Image height in pixels.', bounds=(16, 1080))
    fps: float = param(15.0, 'Frames per second of every camera.', bounds=(0.5, 60.0))
    autostart: bool = param(True, 'Configure and activate at start.')


class SimRobot(LifecycleNode):
    """Publishes what the robot's file says it publishes; obeys and checks its command topics."""

    def __init__(self) -> None:
        super().__init__('sim_robot')
        self._p = declare(self, SimRobotParameters)
        self._lock = threading.Lock()

    @transition
    def on_configure(self, state) -> None:
        p = self._p
        self._robot = load_robot(p.robot).with_vendor_namespace(p.vendor_namespace)
        self._encoders = state_encoders(self._robot)
        self._limits = {
            key: WireLimits(self._robot, key) for key in self._robot.file.command_topics
        }
        self._commanded: np.ndarray | None = None
        self._heard: tuple[int, str] | None = None  # the last command: when, on which topic
        self._sent_frames = 0
        self._reports = self.create_publisher(String, 'sim_report', qos('instruction'))

    @transition
    def on_activate(self, state) -> None:
        file = self._robot.file
        self._states = {
            key: self._publisher(topic, 'vendor_state') for key, topic in file.state_topics.items()
        }
        self._cameras = {
            name: self._publisher(camera, 'vendor_state')
            for name, camera in self._robot.cameras.items()
        }
        self._own_subscriptions = [
            self.create_subscription(
                message_type(topic.type),
                self._robot.topic(topic.topic),
                partial(self._on_command, key),
                qos('vendor_state'),
            )
            for key, topic in file.command_topics.items()
        ]
        self._reset = self.create_service(Trigger, '~/reset', self._on_reset)
        self._report_timer = self.create_timer(0.5, self._publish_report)
        rate_hz = min(max(t.rate_hz for t in file.state_topics.values()), MAX_STATE_HZ)
        self._thread = CommandThread(rate_hz, self._tick, self._on_fault)
        self._world = None
        self._reset_asked = False
        self._thread.start()
        p = self._p
        self.get_logger().info(
            f'simulated {self._robot.name} ({p.world}, {file.geometry.provenance}): '
            f'{len(self._cameras)} cameras {p.width}x{p.height} at {p.fps:g} Hz, '
            f'joints at {rate_hz:g} Hz'
        )

    @transition
    def on_deactivate(self, state) -> None:
        self._thread.stop()
        self._publish_report()
        self.destroy_timer(self._report_timer)
        self.destroy_service(self._reset)
        for subscription in self._own_subscriptions:
            self.destroy_subscription(subscription)
        for publisher in (*self._states.values(), *self._cameras.values()):
            self.destroy_publisher(publisher)

    @transition
    def on_cleanup(self, state) -> None:
        self.destroy_publisher(self._reports)

    def _publisher(self, topic, purpose: str):
        return self.create_publisher(
            message_type(topic.type), self._robot.topic(topic.topic), qos(purpose)
        )

    def _on_command(self, key: str, msg) -> None:
        self._heard = (time.monotonic_ns(), key)
        with self._lock:
            if self._commanded is None:
                return
            is_stamped = self._robot.file.command_topics[key].stamp == 'header'
            sent_ns = stamp_ns(msg) if is_stamped else time.monotonic_ns()
            found = self._limits[key].check(msg, sent_ns)
            if found is not None:
                slots, values = found
                self._commanded[slots] = values

    def _on_reset(self, request, response) -> Trigger.Response:
        try:
            self._require_no_commands()
        except ValueError as error:
            response.success, response.message = False, str(error)
        else:
            self._reset_asked = True
            response.success = True
            response.message = 'joints at home, the task is laid out anew'
        self.get_logger().info(f'reset: {response.message}')
        return response

    def _require_no_commands(self) -> None:
        """Refuse to let the joints leap under someone's commands, who would have to stop."""
        if self._heard is None or time.monotonic_ns() - self._heard[0] > NOBODY_COMMANDS_AFTER_NS:
            return
        topic = self._robot.topic(self._robot.file.command_topics[self._heard[1]].topic)
        raise ValueError(
            f'commands arrive on {topic}, and the joints would leap under them: '
            '`lingbot operate disarm` first, after a stop `lingbot operate clear_stop`'
        )

    def _open_world(self) -> None:
        # Here and not in on_configure: an OpenGL context belongs to the thread that made it.
        p = self._p
        self._world = make_world(p.world, self._robot, p.task, p.seed, (p.width, p.height))
        self._started_ns = self._stepped_ns = time.monotonic_ns()
        self._next_frame_ns = self._started_ns
        with self._lock:
            self._commanded = self._world.positions().copy()

    def _tick(self, now_ns: int) -> None:
        if self._world is None:
            self._open_world()
            return
        if self._reset_asked:
            self._reset_asked = False
            self._world.reset(self._p.seed)
            with self._lock:
                self._commanded = self._world.positions().copy()
        with self._lock:
            self._world.command(self._commanded.copy())
        self._world.step((now_ns - self._stepped_ns) * 1e-9)
        self._stepped_ns = now_ns
        stamp = self.get_clock().now().to_msg()
        positions = self._world.positions()
        for key, encoder in self._encoders.items():
            self._states[key].publish(encoder.encode(positions, stamp))
        if now_ns >= self._next_frame_ns:
            self._publish_frames(stamp)
            period_ns = 1e9 / self._p.fps
            behind = (now_ns - self._next_frame_ns) // period_ns
            self._next_frame_ns += (behind + 1) * period_ns

    def _publish_frames(self, stamp) -> None:
        # The head camera last: its arrival is what starts an inference.
        for name in reversed(self._robot.cameras):
            pixels = self._world.render(name)
            msg = picture_msg(pixels, self._robot.cameras[name], stamp)
            self._cameras[name].publish(msg)
        self._sent_frames += 1

    def _publish_report(self) -> None:
        if self._world is None:
            return
        now_ns = time.monotonic_ns()
        wall_s = max((now_ns - self._started_ns) * 1e-9, 1e-9)
        with self._lock:
            limits = {key: limit.summary() for key, limit in self._limits.items()}
        report = {
            'wall_s': round(wall_s, 3),
            'real_time_factor': round(self._world.time_s / wall_s, 4),
            'frames': self._sent_frames,
            'fps': round(self._sent_frames / wall_s, 2),
            'size': [self._p.width, self._p.height],
            'state_hz': round(self._thread.ticks / wall_s, 1),
            'commands': limits,
            'violations': sum(entry['violations'] for entry in limits.values()),
            'progress': round(float(self._world.progress()), 3),
            'success': bool(self._world.success()),
        }
        self._reports.publish(String(data=json.dumps(report)))

    def _on_fault(self, error: BaseException) -> None:
        text = str(error) if isinstance(error, ValueError) else f'{type(error).__name__}: {error}'
        fail(self, text)


def main() -> int:
    return run(SimRobot)


if __name__ == '__main__':
    sys.exit(main())
