# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A Qinglong on our ROS 2 wire, through the frames of its manipulation SDK over UDP."""

from collections import Counter
from dataclasses import dataclass
import socket
import sys
import threading
import time

from rclpy.lifecycle import LifecycleNode

from lingbot_policy.nodes.command_thread import CommandThread
from lingbot_policy.nodes.diagnostics import Diagnostics, ERROR, OK, Report, WARN
from lingbot_policy.nodes.lifecycle import fail, run, transition
from lingbot_policy.nodes.parameters import declare, param
from lingbot_policy.nodes.relay_topics import RelayParameters, RelayTopics
from lingbot_policy.relays.qinglong import command_frame, HAND_UNIT, JOINTS, PORT, StateFrame
from lingbot_policy.relays.udp_state import StateReceiver
from lingbot_policy.relays.wire import ENABLE, relay_wire

LARGEST_DATAGRAM = 65535
RECEIVE_TIMEOUT_S = 0.1
FEWEST = 2  # commands in the time for which each is sent again: else it pauses between them


@dataclass(frozen=True)
class RelayUdpParameters:
    port: int = param(PORT, 'Port of the manipulation SDK.', bounds=(1, 65535))
    filter_level: int = param(2, "The robot's own smoothing: 0 strongest, 5 none.", bounds=(0, 5))


class RelayUdp(LifecycleNode):
    """Publishes the robot's frames; sends the newest fresh command at the command rate."""

    def __init__(self) -> None:
        super().__init__('relay_udp')
        self._p = declare(self, RelayParameters)
        self._sdk = declare(self, RelayUdpParameters)

    @transition
    def on_configure(self, state) -> None:
        self._robot = self._p.checked_robot()
        if self._robot.file.link != 'udp':
            raise ValueError(
                f'{self._robot.path}: link: found {self._robot.file.link}, expected udp'
            )
        # The SDK moves fingers, in degrees; grippers in mm have ROS 1 topics (relay_rosbridge).
        has_hands = self._robot.file.grippers['left'].state.unit == HAND_UNIT
        carried = ('arms', 'grippers') if has_hands else ('arms',)
        self._wire = relay_wire(self._robot, carried, JOINTS, HAND_UNIT)
        for pair in filter(None, (self._wire.joint_commands, self._wire.gripper_commands)):
            if pair.rate_hz * self._p.max_command_age_s < FEWEST:
                raise ValueError(
                    f'parameter max_command_age_s: found {self._p.max_command_age_s:g}, expected '
                    f'{FEWEST} commands of {pair.topic} in it, at {pair.rate_hz:g} Hz'
                )

    @transition
    def on_activate(self, state) -> None:
        p = self._p
        self._counts: Counter[str] = Counter()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(RECEIVE_TIMEOUT_S)
        try:
            self._socket.connect((p.host, self._sdk.port))  # takes datagrams of this peer only
        except OSError as error:
            self._socket.close()
            raise ValueError(f'parameter host: {p.host!r}: {error}') from error
        self._gate = p.gate()
        joints = self._wire.joint_states
        self._receiver = StateReceiver(
            self._gate, round(1e9 / joints.rate_hz), round(p.silence_s * 1e9)
        )
        self._topics = RelayTopics(
            self,
            self._robot,
            self._wire,
            service=ENABLE,
            max_command_age_s=p.max_command_age_s,
            switch=self._switch,
        )
        self._stop = threading.Event()
        self._listener = threading.Thread(target=self._listen, name='udp', daemon=True)
        self._sender = CommandThread(self._wire.joint_commands.rate_hz, self._send, self._on_fault)
        self._listener.start()
        self._sender.start()
        self._diagnostics = Diagnostics(self, 'link', self._robot.name, self._report)

    @transition
    def on_deactivate(self, state) -> None:
        self._gate.disable('deactivated')
        self._sender.stop()
        self._put(command_frame(None, None, self._sdk.filter_level))
        self._stop.set()
        self._listener.join(timeout=2.0)
        self._socket.close()
        self._diagnostics.destroy()
        self._topics.destroy()

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                datagram = self._socket.recv(LARGEST_DATAGRAM)
            except TimeoutError:
                continue
            except OSError:  # nobody listens on the robot's port
                self._counts['refused by the host'] += 1
                self._stop.wait(RECEIVE_TIMEOUT_S)
                continue
            arrival_ns = self.get_clock().now().nanoseconds
            frame = self._receiver.receive(datagram, arrival_ns, time.monotonic_ns())
            if frame is not None:
                self._publish(frame)

    def _publish(self, frame: StateFrame) -> None:
        self._topics.publish(self._wire.joint_states, frame.stamp_ns, frame.joints)
        if self._wire.gripper_states:
            self._topics.publish(self._wire.gripper_states, frame.stamp_ns, frame.grippers)

    def _send(self, now_ns: int) -> None:
        arms = grippers = None
        if self._gate.passes(now_ns):
            arms = self._topics.fresh('joint_commands', now_ns)
            grippers = self._topics.fresh('gripper_commands', now_ns)
        kind = 'idle frames' if arms is None and grippers is None else 'command frames'
        self._counts[kind] += 1
        self._put(command_frame(arms, grippers, self._sdk.filter_level))

    def _put(self, frame: bytes) -> None:
        try:
            self._socket.send(frame)
        except OSError:  # a full buffer, or the host's refusal of an earlier one
            self._counts['frames not sent'] += 1

    def _switch(self, enable: bool) -> None:
        if not enable:
            self._gate.disable('disabled by an operator')
            return
        self._topics.forget()
        self._gate.enable(time.monotonic_ns())

    def _on_fault(self, error: BaseException) -> None:
        fail(self, f'sending stopped: {type(error).__name__}: {error}')

    def _report(self) -> Report:
        receiver, gate = self._receiver, self._gate
        values = {
            **self._counts,
            **receiver.counts,
            'last fault': receiver.last_fault,
            'driver errors': [error for error in receiver.driver_errors if error],
            'clock offset ms, at most': (receiver.offset.offset_ns or 0) * 1e-6,
            'commands refused': self._topics.refused,
        }
        if trouble := gate.trouble(time.monotonic_ns()):
            return ERROR, trouble, values
        if gate.closed_because:
            return WARN, f'no commands pass: {gate.closed_because}', values
        return OK, 'commands pass', values


def main() -> int:
    return run(RelayUdp)


if __name__ == '__main__':
    sys.exit(main())
