# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Make a bag readable again whose recorder was killed or lost its power."""

from dataclasses import dataclass
import os
from pathlib import Path

from mcap.records import Attachment, Channel, Message, Schema
from mcap.writer import CompressionType, Writer
from rosbags.rosbag2 import Reader, ReaderError
import yaml

from lingbot_policy.bags.metadata import bag_information, FILE_NAME, write_metadata
from lingbot_policy.bags.record_file import is_recording, RESERVE_NAME
from lingbot_policy.bags.scan import Contents, Damage, scan, sound_records

_COMPRESSIONS = {'lz4': CompressionType.LZ4, 'zstd': CompressionType.ZSTD}


@dataclass(frozen=True)
class RecoveryReport:
    """
    What came back. ``was_sound`` bags are left as they are; else ``broken`` is the original.

    ``damaged_chunks`` and ``orphaned_messages`` were in the file and could not be read.
    """

    path: str
    was_sound: bool
    messages: int
    duration_s: float
    topics: dict[str, int]
    damaged_chunks: int = 0
    orphaned_messages: int = 0
    broken: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.was_sound:
            return f'{self.path}: sound, {self.messages} messages in {self.duration_s:.1f} s'
        unread = ''
        if self.damaged_chunks or self.orphaned_messages:
            unread = (
                f'; {self.damaged_chunks} damaged chunks and {self.orphaned_messages} messages '
                'of unknown topics left out'
            )
        kept = f'; the original is {", ".join(self.broken)}' if self.broken else ''
        return (
            f'{self.path}: recovered {self.messages} messages in {self.duration_s:.1f} s'
            f'{unread}{kept}'
        )


def recover(path: str | Path) -> RecoveryReport:
    """
    Rewrite a bag folder or .mcap file which was not closed; a sound one is not touched.

    The original stays beside it as ``.broken``. May be repeated, also when it was interrupted.

    :raises ValueError: where there is no bag, or nothing in it that can be read.
    """
    path = Path(path)
    if path.is_dir():
        return _recover_folder(path)
    if path.suffix != '.mcap' or not (path.exists() or _broken(path).exists()):
        raise ValueError(f'{path}: expected a bag folder or an .mcap file')
    contents, was_sound = _recover_file(path)
    return _report(path, contents, was_sound, (path,))


def _recover_folder(folder: Path) -> RecoveryReport:
    files = {p.with_suffix('') if p.suffix == '.broken' else p for p in folder.iterdir()}
    files = tuple(sorted(file for file in files if file.suffix == '.mcap'))
    if not files:
        raise ValueError(f'{folder}: not a bag: no .mcap file in it')
    was_closed = (folder / FILE_NAME).exists()
    if len(files) > 1 and not was_closed:
        raise ValueError(f'{folder}: {len(files)} .mcap files and no {FILE_NAME}; give each file')
    results = [_recover_file(file) for file in files]
    (folder / RESERVE_NAME).unlink(missing_ok=True)
    was_sound = was_closed and all(sound for _, sound in results)
    if not was_sound and len(files) == 1:
        write_metadata(folder, _information(files[0], results[0][0]))
    topics = tuple(topic for contents, _ in results for topic in contents.topics)
    damage = Damage(
        sum(contents.damage.chunks for contents, _ in results),
        sum(contents.damage.orphans for contents, _ in results),
    )
    starts = [contents.start_ns for contents, _ in results if contents.messages]
    end_ns = max(contents.end_ns for contents, _ in results)
    whole = Contents(topics, min(starts, default=end_ns), end_ns, (), '', damage)
    return _report(folder, whole, was_sound, files)


def _recover_file(path: Path) -> tuple[Contents, bool]:
    """Return the contents of the file, readable now, and whether it was so before."""
    source = path if path.exists() else _broken(path)
    if is_recording(source):
        raise ValueError(f'{path}: is being recorded; stop the recorder first')
    contents = scan(source)
    if source == path and contents.damage.chunks == 0 and _is_readable(path):
        return contents, True
    if not contents.topics and not contents.attachments:
        raise ValueError(f'{source}: nothing in it to recover; its recorder wrote no message')
    partial = path.with_name(f'{path.name}.recovering')
    _copy(source, partial, contents.compression)
    if source == path:
        path.rename(_broken(path))
    partial.replace(path)
    return contents, False


def _copy(source: Path, target: Path, compression: str) -> None:
    schemas: dict[int, int] = {}
    channels: dict[int, int] = {}
    with target.open('wb') as stream:
        writer = Writer(stream, compression=_COMPRESSIONS.get(compression, CompressionType.NONE))
        writer.start(profile='ros2', library='lingbot_policy')
        for record in sound_records(source, Damage()):
            if isinstance(record, Message):
                writer.add_message(
                    channels[record.channel_id],
                    record.log_time,
                    record.data,
                    record.publish_time,
                    record.sequence,
                )
            elif isinstance(record, Schema) and record.id not in schemas:
                schemas[record.id] = writer.register_schema(
                    record.name, record.encoding, record.data
                )
            elif isinstance(record, Channel) and record.id not in channels:
                channels[record.id] = writer.register_channel(
                    record.topic,
                    record.message_encoding,
                    schemas[record.schema_id],
                    record.metadata,
                )
            elif isinstance(record, Attachment):
                writer.add_attachment(
                    record.create_time,
                    record.log_time,
                    record.name,
                    record.media_type,
                    record.data,
                )
        writer.finish()
        stream.flush()
        os.fsync(stream.fileno())


def _information(path: Path, contents: Contents) -> dict:
    custom = {'recovered': 'true'} | _custom(path.parent)
    return bag_information(path.name, contents.topics, contents.start_ns, contents.end_ns, custom)


def _custom(folder: Path) -> dict:
    try:
        whole = yaml.safe_load((folder / FILE_NAME).read_text(encoding='utf-8'))
        return whole['rosbag2_bagfile_information']['custom_data'] or {}
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return {}


def _is_readable(path: Path) -> bool:
    try:
        with Reader(path):
            return True
    except (ReaderError, OSError, TypeError, ValueError, AssertionError):
        return False


def _broken(path: Path) -> Path:
    return path.with_name(f'{path.name}.broken')


def _report(
    path: Path, contents: Contents, was_sound: bool, files: tuple[Path, ...]
) -> RecoveryReport:
    topics: dict[str, int] = {}
    for topic in contents.topics:
        topics[topic.name] = topics.get(topic.name, 0) + topic.count
    kept = () if was_sound else tuple(str(_broken(f)) for f in files if _broken(f).exists())
    return RecoveryReport(
        path=str(path),
        was_sound=was_sound,
        messages=contents.messages,
        duration_s=(contents.end_ns - contents.start_ns) / 1e9,
        topics=topics,
        damaged_chunks=contents.damage.chunks,
        orphaned_messages=contents.damage.orphans,
        broken=kept,
    )
