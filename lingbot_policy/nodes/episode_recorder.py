# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Records every topic of a robot and of the stack, raw, into one bag per episode."""

from dataclasses import dataclass
import json
from pathlib import Path
import sys
import threading
import time

from lingbot_msgs.msg import SafetyEvent
from rclpy.lifecycle import LifecycleNode
from rclpy.serialization import deserialize_message
from std_msgs.msg import String
from std_srvs.srv import Trigger

from lingbot_policy.bags.metadata import OfferedQos
from lingbot_policy.bags.record import Arrival, Recording, RecordingResult
from lingbot_policy.bags.record_file import BagFull
from lingbot_policy.bags.write import (
    BagWriter,
    COMPRESSIONS,
    CONTRACT_ATTACHMENT,
    ROBOT_ATTACHMENT,
)
from lingbot_policy.nodes.command_thread import ask_for_realtime
from lingbot_policy.nodes.diagnostics import Diagnostics, ERROR, OK, WARN
from lingbot_policy.nodes.lifecycle import run, transition
from lingbot_policy.nodes.parameters import declare, param
from lingbot_policy.nodes.qos import qos
from lingbot_policy.nodes.topic_taps import Tapped, TappedTopic, topics_to_record, TopicTaps
from lingbot_policy.robot import load_robot

FOLLOW_S = 0.05
MATCH_S = 0.5  # longest wait for the publishers which are there at the start
SETTLE_S = 0.1  # for what is under way between the executor and the bag at the end
NOTHING = 'nothing is recorded'
RECORDER_PRIORITY = 5  # below the executor's


@dataclass(frozen=True)
class EpisodeRecorderParameters:
    robot: str = param('', 'Name of a file in robot_configs without .yaml, or a path.')
    vendor_namespace: str = param('', "Prefix of the robot's own topics, empty on hardware.")
    folder: str = param('episode', 'Folder of the bag; the next ones get _2, _3 and so on.')
    record_on_activate: bool = param(False, 'Begin to record at once.')
    compression: str = param('none', 'Of the chunks of the file.', choices=tuple(COMPRESSIONS))
    keep_free_mb: int = param(512, 'Space left free on the disk, MB.', bounds=(0, 10**7))
    autostart: bool = param(True, 'Configure and activate at start.')


class EpisodeRecorder(LifecycleNode):
    """Services `~/start`, `~/stop` (answers with JSON: path and completeness), `~/discard`."""

    def __init__(self) -> None:
        super().__init__('episode_recorder')
        self._p = declare(self, EpisodeRecorderParameters)
        self._lock = threading.RLock()  # transitions come from the main thread too
        self._executor_thread = 0
        self._recording: Recording | None = None
        self._problem = ''

    @transition
    def on_configure(self, state) -> None:
        robot = load_robot(self._p.robot)
        self._robot = robot.with_vendor_namespace(self._p.vendor_namespace)
        self._topics = topics_to_record(self, self._robot)
        self._contract_topic = self.resolve_topic_name('policy_contract')
        self._events = self.create_publisher(SafetyEvent, 'safety_events', qos('safety_events'))

    @transition
    def on_activate(self, state) -> None:
        self._own_services = [
            self.create_service(Trigger, '~/start', self._on_start),
            self.create_service(Trigger, '~/stop', self._on_stop),
            self.create_service(Trigger, '~/discard', self._on_discard),
        ]
        self._diagnostics = Diagnostics(self, 'recording', self._robot.name, self._report)
        if self._p.record_on_activate:
            self._start()
        self._follower = self.create_timer(FOLLOW_S, self._follow)

    @transition
    def on_deactivate(self, state) -> None:
        self._take_rest()
        if (recording := self._detach()) is not None:
            self._say_result(recording.stop())
        self.destroy_timer(self._follower)
        self._diagnostics.destroy()
        for service in self._own_services:
            self.destroy_service(service)

    @transition
    def on_cleanup(self, state) -> None:
        self.destroy_publisher(self._events)

    def _on_start(self, request, response) -> Trigger.Response:
        try:
            response.message = json.dumps({'path': str(self._start())})
            response.success = True
        except ValueError as error:
            response.success, response.message = False, str(error)
        return response

    def _on_stop(self, request, response) -> Trigger.Response:
        self._take_rest()
        recording = self._detach()
        if recording is None:
            said = f'nothing is recorded; {self._problem}' if self._problem else NOTHING
            response.success, response.message = False, said
            return response
        result = recording.stop()
        self._say_result(result)
        response.success, response.message = True, result.to_json()
        return response

    def _on_discard(self, request, response) -> Trigger.Response:
        recording = self._detach()
        if recording is None:
            response.success, response.message = False, NOTHING
            return response
        recording.discard()
        response.success, response.message = True, f'{recording.path} is removed'
        self.get_logger().info(response.message)
        return response

    def _start(self) -> Path:
        """
        Open the next bag and subscribe to all that is published.

        :raises ValueError: while a recording runs, or where no bag can be begun.
        """
        if self._recording is not None:
            raise ValueError(f'{self._recording.path} is being recorded; stop it first')
        try:
            writer = BagWriter(
                _next_path(Path(self._p.folder)),
                compression=self._p.compression,
                keep_free_bytes=self._p.keep_free_mb * 2**20,
                custom={'robot': self._robot.name},
            )
        except (BagFull, OSError) as error:
            raise ValueError(str(error)) from error
        self._recording = Recording(writer)
        self._recording.attach(ROBOT_ATTACHMENT, self._robot.text, 'application/yaml')
        self._contract = ''
        self._problem = ''
        self._taps = TopicTaps(self, self._topics, self._receive, self._discovered)
        with self._lock:
            self._taps.follow()
        if not self._taps.wait_matched(MATCH_S):
            self.get_logger().warning('some publishers on the graph do not answer')
        self.get_logger().info(f'recording {writer.path}: {len(self._taps.names)} topics')
        return writer.path

    def _take_rest(self) -> None:
        """Bring what has arrived until now into the bag."""
        if self._recording is None:
            return
        if threading.get_ident() == self._executor_thread:
            self._taps.drain()
        else:
            time.sleep(SETTLE_S)  # the executor empties the queues meanwhile

    def _detach(self) -> Recording | None:
        """End the subscriptions and hand over the recording; None where there is none."""
        with self._lock:
            if self._recording is not None:
                self._taps.destroy()
            recording, self._recording = self._recording, None
        return recording

    def _follow(self) -> None:
        """Tap publishers which appeared, and end a recording which cannot be written."""
        self._executor_thread = threading.get_ident()
        with self._lock:
            if self._recording is None:
                return
            self._taps.follow()
            failed = self._detach() if self._recording.failure is not None else None
        if failed is not None:
            self._end_early(failed.stop())

    def _end_early(self, result: RecordingResult) -> None:
        self._problem = f'recording ended: {result.failure}'
        self.get_logger().error(self._problem)
        self._say_result(result)
        event = SafetyEvent(
            severity=SafetyEvent.ERROR, source='episode_recorder', reason=self._problem
        )
        event.header.stamp = self.get_clock().now().to_msg()
        self._events.publish(event)

    def _discovered(self, topic: TappedTopic, offered: tuple[OfferedQos, ...]) -> None:
        self._recording.add_topic(topic.name, topic.type, offered)

    def _receive(self, tapped: Tapped) -> None:
        arrival = Arrival(
            tapped.topic.name,
            tapped.topic.type,
            tapped.cdr,
            tapped.received_ns,
            tapped.sent_ns,
            tapped.sequence,
            tapped.gid,
        )
        with self._lock:
            if self._recording is None:
                return
            self._recording.put(arrival)
            if arrival.topic == self._contract_topic:
                self._attach_contract(deserialize_message(tapped.cdr, String).data)

    def _attach_contract(self, contract: str) -> None:
        if contract != self._contract:
            self._contract = contract
            self._recording.attach(CONTRACT_ATTACHMENT, contract, 'application/json')

    def _say_result(self, result: RecordingResult) -> None:
        logger = self.get_logger()
        logger.info(f'{result.path}: {result.messages} messages, {result.size_bytes / 1e6:.1f} MB')
        for count in result.incomplete:
            logger.warning(f'incomplete: {count}')
        for topic, number in result.dropped.items():
            logger.error(f'{topic}: {number} messages dropped, the disk is too slow')

    def _report(self) -> tuple:
        recording = self._recording
        if recording is None:
            level = ERROR if self._problem else OK
            return level, self._problem or 'not recording', {}
        dropped = recording.dropped.total()
        values = {
            'path': recording.path,
            'messages': recording.messages,
            'megabytes': recording.size_bytes / 1e6,
            'waiting_mb': recording.waiting_bytes / 1e6,
            'lost': recording.lost(),
            'dropped': dropped,
            'topics': len(self._taps.names),
        }
        problems = '; '.join(self._taps.problems.values())
        is_fine = not (dropped or values['lost'] or problems)
        return (OK if is_fine else WARN), problems or 'recording', values


def _next_path(folder: Path) -> Path:
    path, number = folder, 1
    while path.exists():
        number += 1
        path = folder.with_name(f'{folder.name}_{number}')
    return path


def main() -> int:
    ask_for_realtime(RECORDER_PRIORITY)  # a recorder that waits for a processor loses messages
    return run(EpisodeRecorder, needs_message_info=True)


if __name__ == '__main__':
    sys.exit(main())
