# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A recording under way: messages come in on one thread and are written on another."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
import json
from pathlib import Path
import queue
import threading

from lingbot_policy.bags.completeness import Completeness, TopicCount
from lingbot_policy.bags.metadata import OfferedQos
from lingbot_policy.bags.record_file import BagFull
from lingbot_policy.bags.write import BagWriter, COMPLETENESS_ATTACHMENT

FLUSH_IDLE_S = 0.5


@dataclass(frozen=True)
class Arrival:
    """A message as it came in; ``gid`` is '' where the topic has several publishers."""

    topic: str
    type: str
    cdr: bytes
    log_time_ns: int
    publish_time_ns: int
    sequence: int
    gid: str


@dataclass(frozen=True)
class _Topic:
    name: str
    type: str
    qos: tuple[OfferedQos, ...]


@dataclass(frozen=True)
class _Attachment:
    name: str
    content: str
    media_type: str


_END, _IDLE = object(), object()


@dataclass(frozen=True)
class RecordingResult:
    """A closed bag; ``failure`` says why it ended early, '' if it did not."""

    path: Path
    messages: int
    size_bytes: int
    counts: tuple[TopicCount, ...]
    dropped: Mapping[str, int]
    failure: str

    @property
    def incomplete(self) -> tuple[TopicCount, ...]:
        return tuple(count for count in self.counts if not count.is_complete)

    def to_json(self) -> str:
        return json.dumps(
            {
                'path': str(self.path),
                'messages': self.messages,
                'size_bytes': self.size_bytes,
                'complete': not self.incomplete and not self.failure,
                'failure': self.failure,
                'dropped': dict(self.dropped),
                'topics': _as_json(self.counts),
            }
        )


class Recording:
    """
    Writes arrivals to a bag. :meth:`put` and :meth:`stop` are called from one thread.

    At most ``queue_bytes`` wait for the disk; what comes on top is dropped, counted and reported.
    """

    def __init__(self, writer: BagWriter, queue_bytes: int = 256 * 2**20) -> None:
        self.path = writer.path
        self.failure: Exception | None = None
        self.dropped: Counter[str] = Counter()
        self._writer = writer
        self._completeness = Completeness()
        self._queue: queue.SimpleQueue = queue.SimpleQueue()
        self._queue_bytes = queue_bytes
        self._bytes_in = 0  # written by the putting thread only
        self._bytes_out = 0  # written by the writing thread only
        self._thread = threading.Thread(target=self._write, name='bag_writer', daemon=True)
        self._thread.start()

    @property
    def waiting_bytes(self) -> int:
        return self._bytes_in - self._bytes_out

    @property
    def size_bytes(self) -> int:
        return self._writer.size_bytes

    @property
    def messages(self) -> int:
        return self._writer.counts.total()

    def lost(self) -> int:
        """Return how many messages never arrived, so far."""
        return sum(count.lost for count in self._completeness.report({}))

    def add_topic(self, topic: str, type_name: str, qos: tuple[OfferedQos, ...]) -> None:
        """Make a topic and its publishers' QoS known, before its first message."""
        self._queue.put(_Topic(topic, type_name, qos))

    def attach(self, name: str, content: str, media_type: str) -> None:
        self._queue.put(_Attachment(name, content, media_type))

    def put(self, arrival: Arrival) -> None:
        """Take a message; it is dropped where the disk is too slow or has failed."""
        self._completeness.receive(arrival.topic, arrival.gid, arrival.sequence)
        size = len(arrival.cdr)
        if self.failure or self.waiting_bytes + size > self._queue_bytes:
            self.dropped[arrival.topic] += 1
            return
        self._bytes_in += size
        self._queue.put(arrival)

    def stop(self) -> RecordingResult:
        """Write what waits, close the bag and return what is in it."""
        self._queue.put(_END)
        self._thread.join()
        counts = self._completeness.report(self._writer.counts)
        try:
            self._writer.attach(
                COMPLETENESS_ATTACHMENT, json.dumps(_as_json(counts)), 'application/json'
            )
        except (BagFull, OSError) as error:
            self.failure = self.failure or error
        try:
            self._writer.close()
        except OSError as error:
            self.failure = self.failure or error
        counts = self._completeness.report(self._writer.counts)
        return RecordingResult(
            path=self.path,
            messages=self.messages,
            size_bytes=self.size_bytes,
            counts=counts,
            dropped=dict(self.dropped),
            failure=str(self.failure or ''),
        )

    def discard(self) -> None:
        """Stop and remove the bag."""
        self._queue.put(_END)
        self._thread.join()
        self._writer.discard()

    def _write(self) -> None:
        while (item := self._next()) is not _END:
            if self.failure is None:
                try:
                    self._write_item(item)
                except Exception as error:  # nobody would hear of a writer that died silently
                    self.failure = error
            if isinstance(item, Arrival):
                self._bytes_out += len(item.cdr)

    def _next(self) -> object:
        try:
            return self._queue.get(timeout=FLUSH_IDLE_S)
        except queue.Empty:
            return _IDLE

    def _write_item(self, item: object) -> None:
        match item:
            case Arrival():
                self._writer.write(
                    item.topic,
                    item.type,
                    item.cdr,
                    item.log_time_ns,
                    item.publish_time_ns,
                    item.sequence,
                )
            case _Topic():
                self._writer.add_topic(item.name, item.type, item.qos)
            case _Attachment():
                self._writer.attach(item.name, item.content, item.media_type)
            case _:
                self._writer.flush()


def _as_json(counts: tuple[TopicCount, ...]) -> dict:
    return {count.topic: count.as_json() for count in counts}
