# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Bags as `ros2 bag record` makes them on Jazzy: a folder with an MCAP file and metadata.yaml."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
import shutil
import time
from types import TracebackType
from typing import Self

from mcap.writer import CompressionType, Writer
import yaml

from lingbot_policy.bags.definitions import define
from lingbot_policy.bags.metadata import (
    bag_information,
    BagTopic,
    OfferedQos,
    qos_yaml,
    write_metadata,
)
from lingbot_policy.bags.record_file import BagFull, free_bytes, RecordFile, RESERVE_BYTES
from lingbot_policy.bags.scan import scan

CHUNK_BYTES = 2**20
CHUNK_S = 1.0  # an open chunk is lost with a killed process: never more than this much time
COMPRESSIONS = {
    'none': CompressionType.NONE,
    'lz4': CompressionType.LZ4,
    'zstd': CompressionType.ZSTD,
}
ROBOT_ATTACHMENT = 'robot.yaml'
CONTRACT_ATTACHMENT = 'policy_contract.json'
COMPLETENESS_ATTACHMENT = 'completeness.json'


class BagWriter:
    """
    Writes one bag. Messages come as CDR bytes and are stored untouched.

    :raises ValueError: where the folder exists already or ``compression`` is unknown.
    :raises BagFull: where less than ``keep_free_bytes`` and the writer's reserve is free.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        compression: str = 'none',
        keep_free_bytes: int = 0,
        custom: Mapping[str, str] | None = None,
    ) -> None:
        if compression not in COMPRESSIONS:
            raise ValueError(
                f'compression {compression!r}: expected one of {", ".join(COMPRESSIONS)}'
            )
        self.path = Path(path)
        needed, free = keep_free_bytes + RESERVE_BYTES, free_bytes(self.path.absolute())
        if free < needed:
            raise BagFull(self.path, needed, free, 'too little space to begin a bag')
        try:
            self.path.mkdir(parents=True)
        except FileExistsError as error:
            raise ValueError(
                f'{self.path} exists already; bags are not overwritten, give another name'
            ) from error
        self.counts: Counter[str] = Counter()
        self._custom = dict(custom or {})
        self._topics: dict[tuple[str, str], int] = {}
        self._listed: dict[int, BagTopic] = {}
        self._channel_counts: Counter[int] = Counter()
        self._schemas: dict[str, int] = {}
        self._start_ns, self._end_ns = 2**63 - 1, 0
        self._flushed = time.monotonic()
        self._is_open = True
        try:
            self._file = RecordFile(self.path / f'{self.path.name}_0.mcap', keep_free_bytes)
            self._writer = Writer(
                self._file, chunk_size=CHUNK_BYTES, compression=COMPRESSIONS[compression]
            )
            self._writer.start(profile='ros2', library='lingbot_policy')
        except (BagFull, OSError):
            shutil.rmtree(self.path)
            raise

    @property
    def size_bytes(self) -> int:
        return self._file.tell()

    def add_topic(self, topic: str, type_name: str, qos: tuple[OfferedQos, ...] = ()) -> int:
        """
        Make a topic known before its first message, with the QoS its publishers offer.

        :raises ValueError: where the definition of the type is not found.
        """
        if (topic, type_name) in self._topics:
            return self._topics[topic, type_name]
        definition = define(type_name)
        if type_name not in self._schemas:
            self._schemas[type_name] = self._writer.register_schema(
                type_name, 'ros2msg', definition.text.encode()
            )
        offered = qos_yaml(qos)
        channel = self._writer.register_channel(
            topic,
            'cdr',
            self._schemas[type_name],
            {'offered_qos_profiles': offered, 'topic_type_hash': definition.type_hash},
        )
        self._topics[topic, type_name] = channel
        self._listed[channel] = BagTopic(topic, type_name, definition.type_hash, offered, 0)
        return channel

    def write(
        self,
        topic: str,
        type_name: str,
        cdr: bytes,
        log_time_ns: int,
        publish_time_ns: int | None = None,
        sequence: int = 0,
    ) -> None:
        """
        Append a message.

        :raises BagFull: where the disk is full; all messages so far are safe, close the bag.
        """
        if self._file.full:
            raise self._file.full
        channel = self.add_topic(topic, type_name)
        self._writer.add_message(
            channel,
            log_time_ns,
            cdr,
            log_time_ns if publish_time_ns is None else publish_time_ns,
            sequence & 0xFFFFFFFF,
        )
        self.counts[topic] += 1
        self._channel_counts[channel] += 1
        self._start_ns = min(self._start_ns, log_time_ns)
        self._end_ns = max(self._end_ns, log_time_ns)
        if time.monotonic() - self._flushed > CHUNK_S:
            self.flush()
        if self._file.full:
            raise self._file.full

    def flush(self) -> None:
        """End the open chunk, so that nothing written before is lost with the process."""
        self._writer.flush()
        self._flushed = time.monotonic()

    def attach(self, name: str, content: str, media_type: str) -> None:
        """Store a text beside the messages, e.g. the robot's file."""
        now_ns = time.time_ns()
        self._writer.add_attachment(now_ns, now_ns, name, media_type, content.encode())

    def close(self) -> None:
        """Write the index and metadata.yaml. After a full disk this drops the least it can."""
        if not self._is_open:
            return
        self._is_open = False
        self._file.prepare_end()
        if not self._file.is_broken:
            try:
                self._writer.add_metadata('rosbag2', self._embedded_metadata())
                self._writer.finish()
            except BagFull:
                pass
        if self._file.is_broken:
            self._file.end_without_summary()
            self._recount()
        self._file.close()
        write_metadata(self.path, self._information())

    def discard(self) -> None:
        """Remove the bag, open or closed."""
        if self._is_open:
            self._is_open = False
            self._file.abandon()
        shutil.rmtree(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _information(self) -> dict:
        topics = tuple(
            replace(topic, count=self._channel_counts[channel])
            for channel, topic in self._listed.items()
        )
        return bag_information(
            self._file.path.name, topics, self._start_ns, self._end_ns, self._custom
        )

    def _embedded_metadata(self) -> dict[str, str]:
        # rosbag2 reads this where metadata.yaml was lost.
        return {'serialized_metadata': yaml.safe_dump(self._information(), sort_keys=False)}

    def _recount(self) -> None:
        contents = scan(self._file.path)
        self._listed = dict(enumerate(contents.topics))
        self._channel_counts = Counter({i: t.count for i, t in self._listed.items()})
        self._start_ns, self._end_ns = contents.start_ns, contents.end_ns
        self.counts = Counter()
        for topic in contents.topics:
            self.counts[topic.name] += topic.count
