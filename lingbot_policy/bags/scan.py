# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Read an MCAP file from front to end, as far as it is sound, without its index."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mcap.records import Attachment, Channel, Chunk, Footer, McapRecord, Message, Metadata, Schema
from mcap.stream_reader import breakup_chunk, StreamReader

from lingbot_policy.bags.metadata import BagTopic


@dataclass
class Damage:
    """What a scan ran into: chunks it could not read, messages whose topic was in one of them."""

    chunks: int = 0
    orphans: int = 0
    is_truncated: bool = False


@dataclass(frozen=True)
class Contents:
    """What is in the sound part of a file; times are log times in ns, 0 for an empty bag."""

    topics: tuple[BagTopic, ...]
    start_ns: int
    end_ns: int
    attachments: tuple[str, ...]
    compression: str
    damage: Damage

    @property
    def messages(self) -> int:
        return sum(topic.count for topic in self.topics)


def sound_records(path: Path, damage: Damage) -> Iterator[McapRecord]:
    """
    Yield the records of the file in order, chunks opened; faults are counted in ``damage``.

    Every message yielded comes after its channel, and that after its schema.

    :raises ValueError: where the file does not even begin as MCAP.
    """
    schemas, channels, started = set(), set(), False
    with path.open('rb') as stream:
        records = StreamReader(stream, emit_chunks=True, record_size_limit=2**32).records
        while True:
            try:
                record = next(records)
            except StopIteration:
                return
            except Exception as error:  # any parser may fail on cut or overwritten bytes
                if not started:
                    raise ValueError(
                        f'{path}: not an MCAP file, or nothing was written to it ({error})'
                    ) from error
                damage.is_truncated = True
                return
            started = True
            for part in _opened(record, damage):
                if isinstance(part, Schema):
                    schemas.add(part.id)
                elif isinstance(part, Channel):
                    if part.schema_id not in schemas:
                        continue
                    channels.add(part.id)
                elif isinstance(part, Message) and part.channel_id not in channels:
                    damage.orphans += 1
                    continue
                yield part


def scan(path: Path) -> Contents:
    """
    Return what can be read of the file.

    :raises ValueError: where it does not even begin as MCAP.
    """
    damage, counts = Damage(), Counter()
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    start_ns, end_ns, attachments, compression = None, 0, [], ''
    for record in sound_records(path, damage):
        if isinstance(record, Message):
            counts[record.channel_id] += 1
            start_ns = record.log_time if start_ns is None else min(start_ns, record.log_time)
            end_ns = max(end_ns, record.log_time)
        elif isinstance(record, Schema):
            schemas[record.id] = record
        elif isinstance(record, Channel):
            channels[record.id] = record
        elif isinstance(record, Attachment):
            attachments.append(record.name)
        elif isinstance(record, Chunk):
            compression = record.compression
    topics = tuple(
        BagTopic(
            channel.topic,
            schemas[channel.schema_id].name,
            channel.metadata.get('topic_type_hash', ''),
            channel.metadata.get('offered_qos_profiles', ''),
            counts[channel.id],
        )
        for channel in channels.values()
    )
    return Contents(topics, start_ns or 0, end_ns, tuple(attachments), compression, damage)


def _opened(record: McapRecord, damage: Damage) -> list[McapRecord]:
    if isinstance(record, (Schema, Channel, Message, Attachment, Metadata, Footer)):
        return [record]
    if not isinstance(record, Chunk):
        return []
    try:
        return [record, *breakup_chunk(record, validate_crc=True)]
    except Exception:  # a damaged chunk fails in zlib, lz4, zstandard or in the record parsers
        damage.chunks += 1
        return []
