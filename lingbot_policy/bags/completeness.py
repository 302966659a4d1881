# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
What was published against what was recorded, counted from the writers' own sequence numbers.

A DDS writer numbers its messages from 1 and a reader gets them in that order. So a gap is a loss,
and a number which does not rise belongs to another writer. rclpy hands out the number but not the
writer's GID; where a topic has several writers at once, their numbers are told apart by fit, and
the topic's counts are marked as not certain.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class TopicCount:
    """
    Messages of one topic. ``before`` were published before the first one received.

    ``published`` counts from the first received to the last received, ``lost`` never arrived,
    ``unwritten`` arrived and are not in the bag.
    """

    topic: str
    before: int
    published: int
    received: int
    written: int
    writers: int
    certain: bool

    @property
    def lost(self) -> int:
        return self.published - self.received

    @property
    def unwritten(self) -> int:
        return self.received - self.written

    @property
    def is_complete(self) -> bool:
        return self.lost == 0 and self.unwritten == 0

    def as_json(self) -> dict:
        counts = asdict(self)
        del counts['topic']
        return {**counts, 'lost': self.lost, 'unwritten': self.unwritten}

    def __str__(self) -> str:
        certain = '' if self.certain else ' (several writers at once: counts are a best fit)'
        return (
            f'{self.topic}: {self.published} published, {self.received} received, '
            f'{self.written} written, {self.lost} lost{certain}'
        )


@dataclass(eq=False)
class _Stream:
    gid: str
    first: int
    last: int
    received: int = 1


@dataclass
class _Topic:
    streams: list[_Stream] = field(default_factory=list)  # most recently heard last
    certain: bool = True


class Completeness:
    """Counts of all topics; fed with every message as it arrives."""

    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}

    def receive(self, topic: str, gid: str, sequence: int) -> None:
        """
        Count one arrival.

        :param gid: the writer's GID, or '' where several writers make it unknown.
        :param sequence: its publication sequence number, 1 for its first message.
        """
        counted = self._topics.setdefault(topic, _Topic())
        streams = counted.streams
        below = [
            stream
            for stream in streams
            if stream.last < sequence and (not gid or stream.gid in ('', gid))
        ]
        if below:
            stream = max(reversed(below), key=lambda candidate: candidate.last)
            stream.last = sequence
            stream.received += 1
            stream.gid = gid or stream.gid
            streams.remove(stream)
        else:
            stream = _Stream(gid, sequence, sequence)
        streams.append(stream)
        if not gid and len(streams) > 1:
            counted.certain = False

    def report(self, written: Mapping[str, int]) -> tuple[TopicCount, ...]:
        """Return the counts of every topic; ``written`` is the number in the bag, by topic."""
        return tuple(
            TopicCount(
                topic=topic,
                before=sum(stream.first - 1 for stream in counted.streams),
                published=sum(stream.last - stream.first + 1 for stream in counted.streams),
                received=sum(stream.received for stream in counted.streams),
                written=written.get(topic, 0),
                writers=len(counted.streams),
                certain=counted.certain,
            )
            for topic, counted in sorted(self._topics.items())
        )
