# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Bags written by BagWriter, read by rosbags, by mcap and by our own reader."""

import json

from mcap.reader import SeekingReader
import numpy as np
import pytest
from rosbags.rosbag2 import Reader
import yaml

from lingbot_policy.bags.definitions import define, share_folders, typestore_for
from lingbot_policy.bags.metadata import OfferedQos
from lingbot_policy.bags.read import open_bag
from lingbot_policy.bags.record_file import BagFull
from lingbot_policy.bags.summary import summarize
from lingbot_policy.bags.write import BagWriter

JOINT_STATE = 'sensor_msgs/msg/JointState'
CHUNK = 'lingbot_msgs/msg/ActionChunk'
STORE = typestore_for((JOINT_STATE, CHUNK))
SENSOR = OfferedQos(reliability='best_effort', depth=5, history='keep_last')


def joint_state(index: int) -> bytes:
    types = STORE.types
    stamp = types['builtin_interfaces/msg/Time'](sec=index, nanosec=7)
    msg = types[JOINT_STATE](
        header=types['std_msgs/msg/Header'](stamp=stamp, frame_id='base_link'),
        name=['joint0', 'joint1'],
        position=np.array([0.5, -0.25]) + index,
        velocity=np.zeros(2),
        effort=np.zeros(2),
    )
    return bytes(STORE.serialize_cdr(msg, JOINT_STATE))


def action_chunk(sequence: int) -> bytes:
    types = STORE.types
    zero = types['builtin_interfaces/msg/Time'](sec=0, nanosec=0)
    msg = types[CHUNK](
        trajectory=types['trajectory_msgs/msg/JointTrajectory'](
            header=types['std_msgs/msg/Header'](stamp=zero, frame_id=''), joint_names=[], points=[]
        ),
        sequence=sequence,
        contract_hash='abc',
        instruction_id=3,
        instruction='fold the towel',
        rate_hz=30.0,
        first_step_offset=0.0,
        created=zero,
        latency_s=0.05,
    )
    return bytes(STORE.serialize_cdr(msg, CHUNK))


def write_bag(path, count: int = 5, compression: str = 'none') -> list[tuple]:
    written = []
    with BagWriter(path, compression=compression, custom={'robot': 'tiny'}) as bag:
        bag.add_topic('/left/state', JOINT_STATE, (SENSOR,))
        bag.attach('robot.yaml', 'name: tiny\n', 'application/yaml')
        for index in range(count):
            for topic, kind, cdr in (
                ('/left/state', JOINT_STATE, joint_state(index)),
                ('/action_chunk', CHUNK, action_chunk(index)),
            ):
                row = (topic, kind, cdr, 1000 + 10 * index, 900 + 10 * index, index + 1)
                bag.write(*row)
                written.append(row)
    return written


@pytest.mark.parametrize('compression', ['none', 'lz4', 'zstd'])
def test_bytes_stamps_and_sequence_numbers_come_back_as_written(tmp_path, compression):
    written = write_bag(tmp_path / 'bag', 40, compression)
    with open_bag(tmp_path / 'bag') as bag:
        read = [
            (m.topic, m.type, m.cdr, m.log_time_ns, m.publish_time_ns, m.sequence)
            for m in bag.raw_messages()
        ]
    assert read == written


def test_the_rosbags_reader_opens_the_folder_and_finds_qos_hash_and_duration(tmp_path):
    write_bag(tmp_path / 'bag')
    with Reader(tmp_path / 'bag') as bag:
        assert bag.message_count == 10
        assert (bag.start_time, bag.duration) == (1000, 41)
        [state] = [c for c in bag.connections if c.topic == '/left/state']
        assert state.digest == define(JOINT_STATE).type_hash
        assert state.ext.offered_qos_profiles[0].reliability.name == 'BEST_EFFORT'
        assert state.ext.offered_qos_profiles[0].deadline == (9223372036, 854775807)
        assert len(list(bag.messages([state]))) == 5


def test_metadata_is_version_9_with_the_fields_of_jazzy_and_is_kept_inside_the_file_too(tmp_path):
    write_bag(tmp_path / 'bag')
    text = (tmp_path / 'bag' / 'metadata.yaml').read_text()
    information = yaml.safe_load(text)['rosbag2_bagfile_information']
    assert information['version'] == 9
    assert information['storage_identifier'] == 'mcap'
    assert information['relative_file_paths'] == ['bag_0.mcap']
    assert information['custom_data'] == {'robot': 'tiny'}
    assert '&id' not in text  # yaml-cpp would read anchors, people should not have to
    with (tmp_path / 'bag' / 'bag_0.mcap').open('rb') as stream:
        [metadata] = SeekingReader(stream).iter_metadata()
    assert yaml.safe_load(metadata.metadata['serialized_metadata']) == information


def test_own_messages_are_decoded_from_the_definitions_in_the_bag_alone(tmp_path):
    write_bag(tmp_path / 'bag', 2)
    for path in (tmp_path / 'bag', tmp_path / 'bag' / 'bag_0.mcap'):
        with open_bag(path) as bag:
            chunks = list(bag.messages(['/action_chunk']))
            [first, _] = bag.messages(['/left/state'])
        assert [c.msg.sequence for c in chunks] == [0, 1]
        assert chunks[1].msg.instruction == 'fold the towel'
        assert chunks[1].log_time_ns == 1010
        assert first.msg.position.tolist() == [0.5, -0.25]


@pytest.mark.parametrize(
    'name',
    ['ActionChunk', 'CommittedPlan', 'ExecutedCommand', 'InferenceRecord', 'SafetyEvent']
    + ['TrialEvent'],
)
def test_the_type_hash_is_the_one_rosidl_gave_the_installed_message(name):
    paths = (folder / 'lingbot_msgs' / 'msg' / f'{name}.json' for folder in share_folders())
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        pytest.skip('lingbot_msgs is not installed')
    hashes = {
        h['type_name']: h['hash_string'] for h in json.loads(path.read_text())['type_hashes']
    }
    type_name = f'lingbot_msgs/msg/{name}'
    assert define(type_name).type_hash == hashes[type_name]


def test_messages_are_selected_by_time_and_topic(tmp_path):
    write_bag(tmp_path / 'bag')
    with open_bag(tmp_path / 'bag') as bag:
        times = [m.log_time_ns for m in bag.messages(['/left/state'], 1010, 1030)]
        assert times == [1010, 1020]
        with pytest.raises(ValueError, match=r'no topic /wrist in this bag; it has /action_chunk'):
            list(bag.messages(['/wrist']))


def test_the_summary_counts_topics_and_attachments(tmp_path):
    write_bag(tmp_path / 'bag')
    summary = summarize(tmp_path / 'bag')
    assert [(t.name, t.count, t.lost) for t in summary.topics] == [
        ('/action_chunk', 5, None),
        ('/left/state', 5, None),
    ]
    assert summary.messages == 10
    assert summary.attachments == {'robot.yaml': 11}
    assert summary.duration_s == pytest.approx(40e-9)


def test_a_bag_without_messages_is_read_as_empty(tmp_path):
    BagWriter(tmp_path / 'bag').close()
    with open_bag(tmp_path / 'bag') as bag:
        assert list(bag.messages()) == []
        assert (bag.topics, bag.start_ns, bag.end_ns) == ((), 0, 0)


def test_a_bag_is_not_overwritten(tmp_path):
    write_bag(tmp_path / 'bag')
    with pytest.raises(ValueError, match='exists already'):
        BagWriter(tmp_path / 'bag')
    assert summarize(tmp_path / 'bag').messages == 10


def test_too_little_space_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(BagFull, match=r'needed, .* free') as caught:
        BagWriter(tmp_path / 'bag', keep_free_bytes=2**62)
    assert caught.value.needed > 2**62 > caught.value.free
    assert not (tmp_path / 'bag').exists()


def test_what_is_no_bag_is_named(tmp_path):
    with pytest.raises(ValueError, match='no such file or folder'):
        open_bag(tmp_path / 'absent')
    with pytest.raises(ValueError, match=r'neither metadata.yaml nor an .mcap file'):
        open_bag(tmp_path)
    (tmp_path / 'notes.txt').write_text('x')
    with pytest.raises(ValueError, match='expected a bag folder or an'):
        open_bag(tmp_path / 'notes.txt')


def test_an_unknown_type_names_its_package():
    with pytest.raises(ValueError, match=r'vendor_msgs/msg/Hand is not installed.*vendor_msgs'):
        define('vendor_msgs/msg/Hand')


def test_a_definition_is_found_with_what_it_contains(tmp_path, monkeypatch):
    folder = tmp_path / 'share' / 'vendor_msgs' / 'msg'
    folder.mkdir(parents=True)
    (folder / 'Hand.msg').write_text('vendor_msgs/Finger[5] fingers\nstd_msgs/Header header\n')
    (folder / 'Finger.msg').write_text('float32 angle # deg\n')
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    text = define('vendor_msgs/msg/Hand').text
    assert 'MSG: vendor_msgs/Finger\nfloat32 angle' in text
    assert 'MSG: builtin_interfaces/Time' in text
