# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The metadata.yaml of rosbag2, version 9, which is Jazzy's."""

from dataclasses import dataclass
import os
from pathlib import Path

import yaml

FILE_NAME = 'metadata.yaml'
INFINITE_NS = 2**63 - 1


@dataclass(frozen=True)
class OfferedQos:
    """What a publisher offers; names are those of rmw in lower case, durations in ns."""

    reliability: str = 'reliable'
    durability: str = 'volatile'
    history: str = 'unknown'
    depth: int = 0
    deadline_ns: int = INFINITE_NS
    lifespan_ns: int = INFINITE_NS
    liveliness: str = 'automatic'
    liveliness_lease_duration_ns: int = INFINITE_NS


@dataclass(frozen=True)
class BagTopic:
    """One topic of a bag; ``qos`` is YAML, as both metadata.yaml and the MCAP channel hold it."""

    name: str
    type: str
    type_hash: str
    qos: str
    count: int


def qos_yaml(offered: tuple[OfferedQos, ...]) -> str:
    """Return the offered QoS of a topic's publishers as rosbag2 writes it."""
    profiles = [
        {
            'history': qos.history,
            'depth': qos.depth,
            'reliability': qos.reliability,
            'durability': qos.durability,
            'deadline': _duration(qos.deadline_ns),
            'lifespan': _duration(qos.lifespan_ns),
            'liveliness': qos.liveliness,
            'liveliness_lease_duration': _duration(qos.liveliness_lease_duration_ns),
            'avoid_ros_namespace_conventions': False,
        }
        for qos in offered
    ]
    return yaml.safe_dump(profiles, sort_keys=False).strip() if profiles else ''


def bag_information(
    file_name: str, topics: tuple[BagTopic, ...], start_ns: int, end_ns: int, custom: dict
) -> dict:
    """Return the content of metadata.yaml for a bag of one file; times are log times."""
    count = sum(topic.count for topic in topics)
    start = {'nanoseconds_since_epoch': start_ns if count else 0}
    duration = {'nanoseconds': end_ns - start_ns if count else 0}
    return {
        'version': 9,
        'storage_identifier': 'mcap',
        'duration': duration,
        'starting_time': start,
        'message_count': count,
        'topics_with_message_count': [
            {
                'topic_metadata': {
                    'name': topic.name,
                    'type': topic.type,
                    'serialization_format': 'cdr',
                    'offered_qos_profiles': yaml.safe_load(topic.qos) if topic.qos else [],
                    'type_description_hash': topic.type_hash,
                },
                'message_count': topic.count,
            }
            for topic in topics
        ],
        'compression_format': '',
        'compression_mode': '',
        'relative_file_paths': [file_name],
        'files': [
            {
                'path': file_name,
                'starting_time': dict(start),
                'duration': dict(duration),
                'message_count': count,
            }
        ],
        'custom_data': custom or None,
        'ros_distro': 'jazzy',
    }


def write_metadata(folder: Path, information: dict) -> None:
    """Write metadata.yaml whole or not at all: its presence says that the bag was closed."""
    text = yaml.safe_dump({'rosbag2_bagfile_information': information}, sort_keys=False)
    partial = folder / f'{FILE_NAME}.tmp'
    with partial.open('w', encoding='utf-8') as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(folder / FILE_NAME)


def _duration(duration_ns: int) -> dict:
    seconds, nanoseconds = divmod(min(duration_ns, INFINITE_NS), 1_000_000_000)
    return {'sec': seconds, 'nsec': nanoseconds}
