# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Read bags without ROS: types come from the definitions which every bag carries itself."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mcap.exceptions import McapError
from mcap.reader import SeekingReader
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.typesys.store import Typestore
import yaml

from lingbot_policy.bags.metadata import FILE_NAME


@dataclass(frozen=True)
class TopicInfo:
    name: str
    type: str
    count: int


@dataclass(frozen=True)
class BagMessage:
    """A decoded message; ``msg`` has the fields of its type, arrays are numpy's."""

    topic: str
    type: str
    msg: Any
    log_time_ns: int


@dataclass(frozen=True)
class RawMessage:
    """A message as it was on the wire."""

    topic: str
    type: str
    cdr: bytes
    log_time_ns: int
    publish_time_ns: int
    sequence: int


class BagReader:
    """
    An open bag folder or .mcap file; a context manager.

    :raises ValueError: where there is no bag at ``path`` or it was never closed.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._files = _mcap_files(self.path)
        self._stack = ExitStack()
        try:
            self._reader = self._stack.enter_context(AnyReader([self.path]))
        except (AnyReaderError, OSError, TypeError, ValueError, AssertionError) as error:
            # Past the checks of _mcap_files only the content can be at fault.
            raise ValueError(_unreadable(self.path, str(error))) from error

    @property
    def typestore(self) -> Typestore:
        return self._reader.typestore

    @property
    def topics(self) -> tuple[TopicInfo, ...]:
        return tuple(
            TopicInfo(c.topic, c.msgtype, c.msgcount)
            for c in sorted(self._reader.connections, key=lambda c: c.topic)
        )

    @property
    def start_ns(self) -> int:
        """Log time of the first message, 0 for an empty bag."""
        return self._reader.start_time if self._reader.message_count else 0

    @property
    def end_ns(self) -> int:
        """Log time of the last message, 0 for an empty bag."""
        return self._reader.end_time - 1 if self._reader.message_count else 0

    @property
    def duration_s(self) -> float:
        return (self.end_ns - self.start_ns) / 1e9

    def messages(
        self,
        topics: Iterable[str] = (),
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[BagMessage]:
        """
        Yield the messages in the order of their log times, decoded.

        :param topics: which topics; all if empty.
        :param stop_ns: first log time which is not read any more.
        :raises ValueError: where the bag has no such topic.
        """
        wanted = self._known(topics)
        connections = [c for c in self._reader.connections if c.topic in wanted]
        if not connections:
            return
        for connection, log_time_ns, cdr in self._reader.messages(connections, start_ns, stop_ns):
            msg = self._reader.deserialize(cdr, connection.msgtype)
            yield BagMessage(connection.topic, connection.msgtype, msg, log_time_ns)

    def raw_messages(self, topics: Iterable[str] = ()) -> Iterator[RawMessage]:
        """
        Yield the messages of an MCAP bag in the order of their log times, as CDR bytes.

        :raises ValueError: where the bag has no such topic.
        """
        wanted = self._known(topics)
        for path in self._files:
            with path.open('rb') as stream:
                for schema, channel, message in SeekingReader(stream).iter_messages(wanted):
                    yield RawMessage(
                        channel.topic,
                        schema.name,
                        message.data,
                        message.log_time,
                        message.publish_time,
                        message.sequence,
                    )

    def attachments(self) -> dict[str, str]:
        """Return the attached texts by name; the last one of a name counts."""
        found = {}
        for path in self._files:
            with path.open('rb') as stream:
                for attachment in SeekingReader(stream).iter_attachments():
                    found[attachment.name] = attachment.data.decode(errors='replace')
        return found

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _known(self, topics: Iterable[str]) -> set[str]:
        known = {topic.name for topic in self.topics}
        wanted = set(topics)
        if missing := sorted(wanted - known):
            raise ValueError(
                f'{self.path}: no topic {", ".join(missing)} in this bag; '
                f'it has {", ".join(sorted(known)) or "none"}'
            )
        return wanted or known


def open_bag(path: str | Path) -> BagReader:
    """
    Return the bag at ``path``, a folder or an .mcap file, open for reading.

    :raises ValueError: where there is no bag, or it was not closed and has to be recovered.
    """
    return BagReader(path)


def _mcap_files(path: Path) -> tuple[Path, ...]:
    """Return the MCAP files of a bag in order; none for a bag of another storage."""
    if not path.exists():
        raise ValueError(f'{path}: no such file or folder; give a bag folder or an .mcap file')
    if path.is_file():
        if path.suffix != '.mcap':
            raise ValueError(f'{path}: not a bag; expected a bag folder or an .mcap file')
        files = (path,)
    elif (path / FILE_NAME).is_file():
        files = tuple(file for file in _listed_files(path) if file.suffix == '.mcap')
    elif any(path.glob('*.mcap')) or any(path.glob('*.mcap.broken')):
        raise ValueError(_unreadable(path, f'no {FILE_NAME}, so its recorder was killed'))
    else:
        raise ValueError(f'{path}: not a bag: neither {FILE_NAME} nor an .mcap file in it')
    for file in files:
        if not file.is_file():
            raise ValueError(_unreadable(path, f'{file.name} is missing'))
        try:
            with file.open('rb') as stream:
                SeekingReader(stream).get_summary()
        except (McapError, OSError, ValueError, EOFError, StopIteration) as error:
            raise ValueError(_unreadable(path, f'{file.name} is cut short')) from error
    return files


def _listed_files(folder: Path) -> list[Path]:
    try:
        whole = yaml.safe_load((folder / FILE_NAME).read_text(encoding='utf-8'))
        names = whole['rosbag2_bagfile_information']['relative_file_paths']
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ValueError(_unreadable(folder, f'{FILE_NAME} is damaged')) from error
    return [folder / Path(name).name for name in names]


def _unreadable(path: Path, why: str) -> str:
    return f'{path}: cannot be read: {why}. Run: lingbot bag recover {path}'
