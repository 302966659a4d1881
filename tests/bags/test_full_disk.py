# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Disks which fill up for real: a small tmpfs, and a limit on the size of a file."""

from pathlib import Path
import subprocess
import sys

import pytest

from lingbot_policy.bags.read import open_bag
from lingbot_policy.bags.record import Arrival, Recording
from lingbot_policy.bags.record_file import BagFull
from lingbot_policy.bags.summary import summarize
from lingbot_policy.bags.write import BagWriter

STRING = 'std_msgs/msg/String'


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / 'disk'
    folder.mkdir()
    mounted = subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', 'size=24m', 'lingbot_test', str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f'no tmpfs can be mounted here: {mounted.stderr.decode().strip()}')
    yield folder
    subprocess.run(['umount', '-l', str(folder)], check=True)


def fill(bag: BagWriter, limit: int = 10_000) -> int:
    for number in range(1, limit):
        try:
            bag.write('/talk', STRING, number.to_bytes(8, 'little') + bytes(50_000), number)
        except BagFull:
            return number
    raise AssertionError('the disk never filled up')


def numbers(path: Path) -> list[int]:
    with open_bag(path) as bag:
        return [int.from_bytes(m.cdr[:8], 'little') for m in bag.raw_messages()]


def test_a_full_disk_raises_and_leaves_every_message_readable(small_disk):
    with BagWriter(small_disk / 'bag') as bag:
        bag.attach('robot.yaml', 'name: tiny', 'application/yaml')
        last = fill(bag)
        with pytest.raises(BagFull, match=r'No space left.*needed.*free') as caught:
            bag.write('/talk', STRING, bytes(8), 0)
    assert caught.value.path == small_disk / 'bag' / 'bag_0.mcap'
    assert caught.value.needed > caught.value.free
    assert last > 100
    assert numbers(small_disk / 'bag') == list(range(1, last + 1))
    assert summarize(small_disk / 'bag').attachments == {'robot.yaml': 10}


def test_recording_ends_before_the_space_that_is_kept_free(small_disk):
    keep = 4 * 2**20
    with BagWriter(small_disk / 'bag', keep_free_bytes=keep) as bag:
        fill(bag)
        with pytest.raises(BagFull, match='kept free'):
            bag.write('/talk', STRING, bytes(8), 0)
    assert len(numbers(small_disk / 'bag')) > 10


def test_a_recording_on_a_full_disk_ends_with_a_reason_and_true_counts(small_disk):
    recording = Recording(BagWriter(small_disk / 'bag'))
    for number in range(1, 1001):
        recording.put(Arrival('/talk', STRING, bytes(50_000), number, number, number, 'a'))
    result = recording.stop()
    [count] = result.counts
    assert 'No space left' in result.failure
    assert (count.published, count.received, count.lost) == (1000, 1000, 0)
    assert count.written == len(numbers(small_disk / 'bag')) == result.messages < 1000
    assert result.incomplete == (count,)
    assert summarize(small_disk / 'bag').completeness['/talk']['written'] == count.written


LIMITED = """
import resource, sys
from lingbot_policy.bags.record_file import BagFull
from lingbot_policy.bags.write import BagWriter
bag = BagWriter(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (5 * 2**20, 5 * 2**20))
try:
    for number in range(1, 10_000):
        cdr = number.to_bytes(8, 'little') + bytes(9990)
        bag.write('/talk', 'std_msgs/msg/String', cdr, number)
except BagFull as error:
    print(error)
bag.close()
print(bag.counts['/talk'])
"""


def test_a_file_which_may_not_grow_is_closed_without_its_last_chunk(tmp_path):
    path = tmp_path / 'bag'
    done = subprocess.run(
        [sys.executable, '-c', LIMITED, str(path)], capture_output=True, text=True, check=True
    )
    reason, counted = done.stdout.splitlines()
    assert 'File too large' in reason
    found = numbers(path)
    assert found == list(range(1, len(found) + 1))
    assert len(found) == int(counted) == summarize(path).messages
    assert 5 * 2**20 - len(found) * 10_040 < 2 * 2**20
