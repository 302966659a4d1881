# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What is in a bag, at a glance."""

from dataclasses import dataclass
import json
from pathlib import Path

from lingbot_policy.bags.read import open_bag
from lingbot_policy.bags.write import COMPLETENESS_ATTACHMENT


@dataclass(frozen=True)
class TopicSummary:
    """``rate_hz`` is the mean over the whole bag; ``lost`` is None where it was not counted."""

    name: str
    type: str
    count: int
    rate_hz: float
    lost: int | None


@dataclass(frozen=True)
class BagSummary:
    """``attachments`` holds the length of each attached text."""

    path: str
    size_bytes: int
    start_ns: int
    duration_s: float
    topics: tuple[TopicSummary, ...]
    attachments: dict[str, int]
    completeness: dict[str, dict]

    @property
    def messages(self) -> int:
        return sum(topic.count for topic in self.topics)

    @property
    def lost(self) -> int:
        return sum(topic.lost or 0 for topic in self.topics)


def summarize(path: str | Path) -> BagSummary:
    """
    Return the summary of a bag folder or .mcap file.

    :raises ValueError: where there is no bag, or it was not closed.
    """
    with open_bag(path) as bag:
        attachments = bag.attachments()
        counted = json.loads(attachments.get(COMPLETENESS_ATTACHMENT, '{}'))
        duration_s = bag.duration_s
        topics = tuple(
            TopicSummary(
                topic.name,
                topic.type,
                topic.count,
                topic.count / duration_s if duration_s > 0 else 0.0,
                _lost(counted.get(topic.name)),
            )
            for topic in bag.topics
        )
        return BagSummary(
            path=str(path),
            size_bytes=_size_bytes(bag.path),
            start_ns=bag.start_ns,
            duration_s=duration_s,
            topics=topics,
            attachments={name: len(text) for name, text in attachments.items()},
            completeness=counted,
        )


def _lost(counts: dict | None) -> int | None:
    return None if counts is None else counts['lost'] + counts['unwritten']


def _size_bytes(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.iterdir() if file.is_file()]
    return sum(file.stat().st_size for file in files)
