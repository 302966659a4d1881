# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Bags whose recorder was killed, cut or damaged, made readable again."""

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

from lingbot_policy.bags.read import open_bag
from lingbot_policy.bags.recover import recover
from lingbot_policy.bags.summary import summarize
from lingbot_policy.bags.write import BagWriter, CHUNK_S

STRING = 'std_msgs/msg/String'
# Writes numbered messages of 10 kB and says each number once it was handed to the writer.
RECORDER = """
import sys, time
from lingbot_policy.bags.write import BagWriter
bag = BagWriter(sys.argv[1], compression=sys.argv[2])
bag.attach('robot.yaml', 'name: tiny', 'application/yaml')
for number in range(1, 100_000):
    cdr = number.to_bytes(8, 'little') + bytes(10_000)
    bag.write('/talk', 'std_msgs/msg/String', cdr, number * 1_000_000, None, number)
    print(number, flush=True)
    time.sleep(float(sys.argv[3]))
"""


def killed_bag(path: Path, compression: str = 'none', period_s: float = 0.001) -> int:
    """Kill a process which writes a bag, and return the number it wrote last."""
    process = subprocess.Popen(
        [sys.executable, '-c', RECORDER, str(path), compression, str(period_s)],
        stdout=subprocess.PIPE,
        text=True,
    )
    started = None
    for line in process.stdout:
        started = started or time.monotonic()
        last = int(line)
        if time.monotonic() - started > 1.3 * CHUNK_S and last * period_s > 0.25:
            os.kill(process.pid, signal.SIGKILL)
            break
    rest = process.stdout.read().split()
    assert process.wait() == -signal.SIGKILL
    return int(rest[-1]) if rest else last


def numbers(path: Path) -> list[int]:
    with open_bag(path) as bag:
        return [int.from_bytes(m.cdr[:8], 'little') for m in bag.raw_messages()]


def small_bag(path: Path, count: int = 300) -> Path:
    with BagWriter(path) as bag:
        for number in range(1, count + 1):
            cdr = number.to_bytes(8, 'little') + bytes(10_000)
            bag.write('/talk', STRING, cdr, number, None, number)
    return path / f'{path.name}_0.mcap'


@pytest.mark.parametrize('compression', ['none', 'zstd'])
def test_kill_9_loses_at_most_the_open_chunk(tmp_path, compression):
    path = tmp_path / 'bag'
    last = killed_bag(path, compression)
    with pytest.raises(ValueError, match=f'lingbot bag recover {path}'):
        open_bag(path)
    report = recover(path)
    found = numbers(path)
    assert not report.was_sound
    assert found == list(range(1, len(found) + 1))
    assert last - len(found) <= 2**20 // 10_000 + 1
    assert report.messages == len(found) == summarize(path).messages
    assert (path / 'bag_0.mcap.broken').is_file()
    assert summarize(path).attachments == {'robot.yaml': 10}
    assert {p.name for p in path.iterdir()} == {
        'bag_0.mcap',
        'bag_0.mcap.broken',
        'metadata.yaml',
    }


def test_kill_9_loses_no_more_than_the_time_of_a_chunk_at_a_low_rate(tmp_path):
    last = killed_bag(tmp_path / 'bag', period_s=0.02)
    recover(tmp_path / 'bag')
    assert 0 < len(numbers(tmp_path / 'bag')) <= last
    assert (last - len(numbers(tmp_path / 'bag'))) * 0.02 <= CHUNK_S + 0.1


def test_recovering_twice_changes_nothing_the_second_time(tmp_path):
    small_bag(tmp_path / 'bag')
    (tmp_path / 'bag' / 'metadata.yaml').unlink()
    assert not recover(tmp_path / 'bag').was_sound
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / 'bag').iterdir()}
    assert recover(tmp_path / 'bag').was_sound
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / 'bag').iterdir()} == before


def test_a_sound_bag_is_left_as_it_is(tmp_path):
    file = small_bag(tmp_path / 'bag')
    content = file.read_bytes()
    report = recover(tmp_path / 'bag')
    assert (report.was_sound, report.messages, report.topics) == (True, 300, {'/talk': 300})
    assert file.read_bytes() == content


def test_a_bag_still_being_recorded_is_refused(tmp_path):
    with (
        BagWriter(tmp_path / 'bag') as bag,
        pytest.raises(ValueError, match='is being recorded'),
    ):
        bag.write('/talk', STRING, bytes(8), 1)
        recover(tmp_path / 'bag')
    assert summarize(tmp_path / 'bag').messages == 1


@pytest.mark.parametrize('share', [0.5, 0.77])
def test_a_bare_file_cut_anywhere_is_recovered_up_to_the_cut(tmp_path, share):
    file = small_bag(tmp_path / 'bag')
    cut = tmp_path / 'cut.mcap'
    cut.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(ValueError, match='is cut short'):
        open_bag(cut)
    report = recover(cut)
    found = numbers(cut)
    assert found == list(range(1, len(found) + 1))
    assert 300 * share - 106 <= report.messages == len(found) < 300 * share


def test_a_damaged_chunk_is_left_out_and_counted(tmp_path):
    file = small_bag(tmp_path / 'bag')
    content = bytearray(file.read_bytes())
    content[1_500_000:1_500_004] = b'oops'
    file.write_bytes(content)
    report = recover(tmp_path / 'bag')
    assert (report.was_sound, report.damaged_chunks) == (False, 1)
    found = numbers(tmp_path / 'bag')
    assert len(found) == report.messages
    assert 300 - 106 <= report.messages < 300
    assert (found[0], found[-1]) == (1, 300)


def test_an_interrupted_recovery_is_taken_up_again(tmp_path):
    file = small_bag(tmp_path / 'bag')
    (tmp_path / 'bag' / 'metadata.yaml').unlink()
    file.rename(file.with_name('bag_0.mcap.broken'))
    (tmp_path / 'bag' / 'bag_0.mcap.recovering').write_bytes(b'half')
    assert recover(tmp_path / 'bag').messages == 300
    assert len(numbers(tmp_path / 'bag')) == 300


def test_what_holds_no_bag_cannot_be_recovered(tmp_path):
    with pytest.raises(ValueError, match='expected a bag folder'):
        recover(tmp_path / 'absent')
    with pytest.raises(ValueError, match=r'no .mcap file in it'):
        recover(tmp_path)
    (tmp_path / 'empty.mcap').touch()
    with pytest.raises(ValueError, match='not an MCAP file'):
        recover(tmp_path / 'empty.mcap')
