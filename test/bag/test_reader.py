# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which cameras a bag has, which truth is theirs, and every form that a bag comes in."""

from __future__ import annotations

import gc
import re
import shutil
import sqlite3
import weakref
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from permissions import permissions_count
from rosbags.rosbag1 import Writer as Rosbag1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Rosbag2Writer
from rosbags.typesys import Stores, get_typestore
from small_bags import (
    FORMS,
    IMAGE,
    START,
    STEP,
    AnyEntry,
    Entry,
    InfoEntry,
    TransformEntry,
    drive,
    message_of,
    picture,
    truth_of,
    write_bag,
    write_bag_of_ros_1,
)

from bisenet_ros.bag.messages import BagError, open_bag
from bisenet_ros.bag.reader import Camera, RecordedFrame, ReplayBag, StaticTransform, main_camera
from bisenet_ros.bag.rosbags_readers import BagReader
from bisenet_ros.bag.stamp_join import LATEST_INFO
from bisenet_ros.label_space import CAMVID
from bisenet_ros.media import MediaError, write_image


@pytest.mark.parametrize('form', FORMS)
def test_frames_and_truth_of_every_form(form: str, tmp_path: Path) -> None:
    bag = ReplayBag(FORMS[form](tmp_path))
    assert bag.cameras == (Camera('', '/image', '/ground_truth/labels', 4),)
    assert all(file.is_relative_to(tmp_path) and file.is_file() for file in bag.files)
    for _ in range(2):  # each iteration starts at the first frame
        frames = list(bag)
        assert [frame.index for frame in frames] == [0, 1, 2, 3]
        for index, frame in enumerate(frames):
            assert frame.stamp == frame.received == START + index * STEP
            np.testing.assert_array_equal(frame.image(), picture(index))
            np.testing.assert_array_equal(frame.truth(CAMVID), truth_of(index))


@pytest.mark.parametrize('form', FORMS)
def test_damage_is_reported_in_one_line(form: str, tmp_path: Path) -> None:
    bag = FORMS[form](tmp_path)
    files = sorted(bag.iterdir()) if bag.is_dir() else [bag]
    rng = np.random.default_rng(0)
    complaints: list[str] = []
    for attempt in range(12):
        file = files[attempt % len(files)]
        whole = file.read_bytes()
        damaged = np.frombuffer(whole, np.uint8)[: rng.integers(1, len(whole))].copy()
        damaged[rng.integers(0, len(damaged), 20)] = rng.integers(0, 256, 20)
        file.write_bytes(damaged.tobytes())
        try:
            for _ in ReplayBag(bag):
                pass
        except BagError as error:
            complaints.append(str(error))
        file.write_bytes(whole)
    assert complaints
    assert '\n' not in ''.join(complaints)


STATUS = 'my_msgs/msg/Status'


def with_other_topics(path: Path, definitions: Sequence[tuple[str, bool]], **options: Any) -> Path:
    """Two frames of a camera, and before each a message of every type that is one's own.

    Args:
        path: Where the bag is to be.
        definitions: Of each type, and whether its messages are JSON.
        options: Storage and compression; the topic, if not `/status`.
    """
    store = get_typestore(Stores.ROS2_HUMBLE)
    writer = Rosbag2Writer(path, version=8, storage_plugin=options['storage'])
    if 'compression' in options:
        writer.set_compression(options['compression'], CompressionFormat.ZSTD)
    with writer:
        others = [
            writer.add_connection(
                f'{options.get("topic", "/status")}{number or ""}',
                f'{STATUS}{number or ""}',
                msgdef=definition,
                rihs01='RIHS01_0',
                serialization_format='json' if json else 'cdr',
            )
            for number, (definition, json) in enumerate(definitions)
        ]
        images = writer.add_connection('/image', IMAGE, typestore=store)
        for entry in drive(2, truth=False):
            for other in others:
                writer.write(other, entry.stamp, b'{"speed": 1}')
            kind, message = message_of(store.types, entry)
            writer.write(images, entry.stamp, store.serialize_cdr(message, kind))
    return path


def replace_bytes(folder: Path, pattern: bytes, replacement: bytes) -> None:
    """In the files of a bag, by as many others."""
    for file in (*folder.glob('*.mcap'), *folder.glob('*.db3')):
        data = file.read_bytes()
        found, count = re.subn(pattern, replacement, data, flags=re.DOTALL)
        assert count
        assert len(found) == len(data)
        file.write_bytes(found)


DEFINITIONS = {
    'carriage returns': 'float64 speed\r\nstring name\r\n',
    'byte-order mark': '\ufefffloat64 speed\n',
    'not of this format': 'syntax = "proto3"; message Status { double speed = 1; }',
    'cut off': 'float64 speed\nstring na',
    'without what it uses': 'other_msgs/Unknown[] field\n',
    'empty': '',
}
STORAGES: dict[str, dict[str, Any]] = {
    'mcap': {'storage': StoragePlugin.MCAP},
    'mcap, compressed': {
        'storage': StoragePlugin.MCAP,
        'compression': CompressionMode.STORAGE,
    },
    'sqlite3': {'storage': StoragePlugin.SQLITE3},
}


@pytest.mark.parametrize('storage', STORAGES)
def test_topics_that_nobody_reads_need_not_be_understood(tmp_path: Path, storage: str) -> None:
    definitions = [(each, json) for each in DEFINITIONS.values() for json in (False, True)]
    path = with_other_topics(tmp_path / 'bag', definitions, **STORAGES[storage])
    for bag in (path, *path.glob('bag.*')):
        assert [frame.stamp for frame in ReplayBag(bag)] == [START, START + STEP]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_definition_of_another_encoding_or_alphabet_hides_no_frame(
    tmp_path: Path, storage: str
) -> None:
    definition = ('float64 speed # XXX\n', False)
    path = with_other_topics(tmp_path / 'bag', [definition], **STORAGES[storage])
    replace_bytes(path, b'XXX', b'm\xe9t')
    replace_bytes(path, b'(Status.{0,4})ros2msg', b'\\1protobu')
    for bag in (path, *path.glob('bag.*')):
        assert [frame.stamp for frame in ReplayBag(bag)] == [START, START + STEP]


@pytest.mark.parametrize('storage', ['mcap', 'mcap, compressed'])
def test_a_cut_file_is_read_whatever_its_definitions(tmp_path: Path, storage: str) -> None:
    definition = (DEFINITIONS['byte-order mark'], True)
    path = with_other_topics(tmp_path / 'bag', [definition], **STORAGES[storage])
    file = path / 'bag.mcap'
    file.write_bytes(file.read_bytes()[:-1])
    assert [frame.stamp for frame in ReplayBag(file)] == [START, START + STEP]


@pytest.mark.parametrize('profile', [b'\0\0\0\0', b'\4\0\0\0demo'])
def test_an_mcap_file_of_any_profile_is_read(tmp_path: Path, profile: bytes) -> None:
    path = write_bag(tmp_path / 'bag', drive(2))
    replace_bytes(path, b'^(.{17})\4\0\0\0ros2(.{4})', b'\\1' + profile.ljust(12, b'\0'))
    assert len(list(ReplayBag(path / 'bag.mcap'))) == 2


def test_topics_of_another_serialisation_are_named_where_no_images_are_left(
    tmp_path: Path,
) -> None:
    path = write_bag(tmp_path / 'bag', drive(2, truth=False))
    replace_bytes(path, b'cdr', b'xdr')
    reason = 'no images in this bag; its topics: none; not read, because not serialised as cdr: '
    with pytest.raises(BagError, match=re.escape(f'{reason}/image (xdr)')):
        ReplayBag(path / 'bag.mcap')


def test_a_definition_of_ros_1_in_another_alphabet_hides_no_frame(tmp_path: Path) -> None:
    path = tmp_path / 'drive.bag'
    store = get_typestore(Stores.ROS1_NOETIC)
    with Rosbag1Writer(path) as writer:
        status = writer.add_connection(
            '/status', STATUS, msgdef='float64 speed\r\n# XXX', md5sum='0' * 32
        )
        images = writer.add_connection('/image', IMAGE, typestore=store)
        for entry in drive(2, truth=False):
            writer.write(status, entry.stamp, bytes(8))
            kind, message = message_of(store.types, entry, seq=0)
            writer.write(images, entry.stamp, store.serialize_ros1(message, kind))
    path.write_bytes(path.read_bytes().replace(b'XXX', b'm\xe9t'))
    assert [frame.stamp for frame in ReplayBag(path)] == [START, START + STEP]


def test_compressed_images_are_decoded(tmp_path: Path) -> None:
    entries = [Entry('/front/compressed', START, picture(0), 'png')]
    (frame,) = ReplayBag(write_bag(tmp_path / 'bag', entries))
    np.testing.assert_array_equal(frame.image(), picture(0))
    assert frame.truth(CAMVID) is None


def test_all_cameras_each_with_its_truth(tmp_path: Path) -> None:
    entries = [*drive(2, '/front'), *drive(3, '/rear', truth=False)]
    bag = ReplayBag(write_bag(tmp_path / 'bag', sorted(entries, key=lambda entry: entry.stamp)))
    assert bag.cameras == (
        Camera('front', '/front/image', '/front/ground_truth/labels', 2),
        Camera('rear', '/rear/image', None, 3),
    )
    frames = [(frame.camera.name, frame.index, frame.truth(CAMVID) is None) for frame in bag]
    assert frames == [
        ('front', 0, False),
        ('rear', 0, True),
        ('front', 1, False),
        ('rear', 1, True),
        ('rear', 2, True),
    ]


def test_what_is_no_camera_is_left_out(tmp_path: Path) -> None:
    labels = np.zeros((48, 64), np.uint8)
    entries = [
        Entry('/front/image_raw', START, picture(0), 'bgr8'),
        Entry('/front/image_raw/compressed', START, picture(0), 'jpeg'),
        Entry('/segmentation/labels', START, labels, 'mono8'),
        Entry('/front/segmentation/overlay/compressed', START, picture(0), 'jpeg'),
        Entry('/depth/compressedDepth', START, picture(0), 'png'),
        Entry('/truth', START, labels, 'mono8'),
    ]
    path = write_bag(tmp_path / 'bag', entries)
    assert ReplayBag(path, labels_topic='truth').cameras == (
        Camera('', '/front/image_raw', '/truth', 1),
    )
    named = ReplayBag(path, 'front/image_raw/compressed')
    assert [camera.image_topic for camera in named.cameras] == ['/front/image_raw/compressed']


@pytest.mark.parametrize(
    ('topic', 'encoding'),
    [
        ('/depth/image_rect_raw', '16UC1'),
        ('/depth/depth_registered', '32FC1'),
        ('/depth/image_rect_raw/compressed', '16UC1; png compressed '),
        ('/depth/image', '16UC1; compressedDepth png'),
        ('/depth/image/compressedDepth', 'png'),
        ('/depth/compressed', 'png'),
    ],
)
def test_depth_images_are_no_camera(tmp_path: Path, topic: str, encoding: str) -> None:
    distances = np.full((48, 64), 1500, np.float32 if encoding == '32FC1' else np.uint16)
    depth = Entry(topic, START, distances, encoding)
    path = write_bag(tmp_path / 'bag', [*drive(1, '/color', truth=False), depth])
    bag = ReplayBag(path)
    assert [camera.image_topic for camera in bag.cameras] == ['/color/image']
    assert bag.notes == (f'{path}: depth images are left out: {topic}',)
    assert main_camera(path) == '/color/image'
    with pytest.raises(BagError, match=f'{topic} has depth images'):
        ReplayBag(path, topic)
    alone = write_bag(tmp_path / 'alone', [depth])
    with pytest.raises(BagError, match='no images in this bag but depth images'):
        ReplayBag(alone)


def test_ground_truth_is_no_camera_even_if_named(tmp_path: Path) -> None:
    path = write_bag(tmp_path / 'bag', drive(1, '/front'))
    with pytest.raises(BagError, match='/front/ground_truth/labels has ground truth: choose'):
        ReplayBag(path, 'front/ground_truth/labels')


def test_cameras_of_one_namespace_are_told_apart(tmp_path: Path) -> None:
    entries = [Entry(f'/rig/{side}', START, picture(0), 'bgr8') for side in ('left', 'right')]
    bag = ReplayBag(write_bag(tmp_path / 'bag', entries))
    assert [camera.name for camera in bag.cameras] == ['rig/left', 'rig/right']


def test_truth_is_matched_by_stamp(tmp_path: Path) -> None:
    entries = drive(4)
    del entries[3]  # the truth of frame 1
    entries.insert(0, Entry('/ground_truth/labels', START - STEP, truth_of(9), 'mono8'))
    bag = ReplayBag(write_bag(tmp_path / 'bag', entries))
    assert [frame.truth(CAMVID) is None for frame in bag] == [False, True, False, False]


@pytest.mark.parametrize('wild', ['image', 'truth'])
@pytest.mark.parametrize('years', [-10, 10])
def test_a_stamp_that_is_far_off_hides_no_other_truth(
    tmp_path: Path, wild: str, years: int
) -> None:
    entries = drive(10)
    off = years * 365 * 86400 * 10**9
    which = 6 if wild == 'image' else 7  # of frame 3
    entries[which] = entries[which]._replace(stamp=entries[which].stamp + off, delay=-off)
    bag = ReplayBag(write_bag(tmp_path / 'bag', entries))
    for _ in range(2):
        for frame in bag:
            if frame.index == 3:
                assert frame.truth(CAMVID) is None
            else:
                np.testing.assert_array_equal(frame.truth(CAMVID), truth_of(frame.index))
        assert bag.truth_problems() == []
        assert bag.truth_notes() == [
            '/ground_truth/labels: 1 of 10 messages belong to no frame of /image; '
            f'first: stamp {entries[7].stamp}'
        ]


@pytest.mark.parametrize('form', ['mcap', 'mcap file without index', 'sqlite3', 'ROS 1'])
def test_truths_may_be_recorded_in_any_order_and_after_all_images(
    tmp_path: Path, form: str
) -> None:
    frames = drive(6)
    order = [4, 1, 5, 0, 3, 2]
    truths = [
        frames[2 * index + 1]._replace(delay=(10 + place // 2 - index) * STEP)
        for place, index in enumerate(order)  # always two at the same time
    ]
    entries = [*frames[::2], *truths]
    if form == 'ROS 1':
        path = write_bag_of_ros_1(tmp_path / 'drive.bag', entries)
    else:
        storage = StoragePlugin.SQLITE3 if form == 'sqlite3' else StoragePlugin.MCAP
        path = write_bag(tmp_path / 'bag', entries, storage=storage)
    if form == 'mcap file without index':
        path /= 'bag.mcap'
        path.write_bytes(path.read_bytes()[:-1])
    bag = ReplayBag(path)
    for frame in bag:
        np.testing.assert_array_equal(frame.truth(CAMVID), truth_of(frame.index))
    assert bag.truth_problems() == bag.truth_notes() == []


def test_a_damaged_truth_leaves_the_frames(tmp_path: Path) -> None:
    path = write_bag(tmp_path / 'bag', drive(4))
    file = path / 'bag.mcap'
    data = bytearray(file.read_bytes())
    encoding = data.rindex(b'\x06\x00\x00\x00mono8\x00')
    data[encoding : encoding + 4] = b'\xff\xff\xff\x7f'  # an encoding that long
    file.write_bytes(data)
    frames: list[RecordedFrame] = []
    with pytest.raises(BagError, match='the bag is damaged'):
        frames.extend(ReplayBag(path))
    assert [frame.truth(CAMVID) is None for frame in frames] == [False, False, False, True]


def stamped(entries: list[Entry], stamps: list[int]) -> list[Entry]:
    """Frames and their truths in turn, with other stamps but recorded when they were."""
    return [
        entry._replace(stamp=stamps[i // 2], delay=entry.stamp - stamps[i // 2] + i % 2 * 1_000_000)
        for i, entry in enumerate(entries)
    ]


def test_without_stamps_the_reception_stands_in(tmp_path: Path) -> None:
    entries = stamped(drive(4), [0, 0, 0, 0])
    del entries[3]  # the truth of frame 1
    bag = ReplayBag(write_bag(tmp_path / 'bag', entries))
    (note,) = bag.notes
    assert 'times of recording are used: /ground_truth/labels, /image' in note
    frames = list(bag)
    assert [frame.stamp for frame in frames] == [START + i * STEP for i in range(4)]
    assert frames[1].truth(CAMVID) is None
    for index in (0, 2, 3):
        np.testing.assert_array_equal(frames[index].truth(CAMVID), truth_of(index))


def test_images_that_were_recorded_at_the_same_time_are_noted(tmp_path: Path) -> None:
    entries = [entry._replace(delay=START - entry.stamp) for entry in drive(4, truth=False)]
    (note,) = ReplayBag(write_bag(tmp_path / 'bag', entries)).notes
    assert note.endswith('--rate and --live drop all but the newest: /image')


def test_an_unstamped_camera_has_the_camera_info_before_it(tmp_path: Path) -> None:
    images = [entry._replace(stamp=0, delay=entry.stamp) for entry in drive(4, truth=False)]
    infos = [info._replace(stamp=0, delay=info.stamp - 1) for info in infos_of('/camera_info', 0)]
    path = write_bag(tmp_path / 'bag', in_order(*images, *infos))
    assert focals(path) == [50, 51, 52, 53]


@pytest.mark.parametrize(
    'stamps',
    [[START] * 4, [START, START + 1, START, START + 1], [STEP * i for i in range(4)]],
    ids=['all equal', 'a clock that loops', 'a clock that starts at zero'],
)
def test_truths_find_their_frames_where_stamps_are_not_unique(
    tmp_path: Path, stamps: list[int]
) -> None:
    bag = ReplayBag(write_bag(tmp_path / 'bag', stamped(drive(4), stamps)))
    assert not bag.notes
    frames = list(bag)
    assert [frame.stamp for frame in frames] == stamps
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.truth(CAMVID), truth_of(index))


def test_truths_of_equal_stamps_and_times_are_used_once_each(tmp_path: Path) -> None:
    later = START + STEP
    truths = [
        Entry('/ground_truth/labels', stamp, truth_of(seed), 'mono8')
        for seed, stamp in enumerate((START, later, later))
    ]
    images = [
        Entry('/image', stamp, picture(index), 'bgr8', START + index * STEP - stamp)
        for index, stamp in enumerate((later, START, later), 2)
    ]
    bag = ReplayBag(write_bag(tmp_path / 'bag', [*truths, *images]))
    for frame, seed in zip(bag, (1, 0, 2), strict=True):
        np.testing.assert_array_equal(frame.truth(CAMVID), truth_of(seed))
    assert bag.truth_problems() == bag.truth_notes() == []


def in_order(*entries: AnyEntry) -> list[AnyEntry]:
    """As a recorder writes them."""
    return sorted(entries, key=lambda entry: entry.stamp + entry.delay)


def focals(bag: Path, image_topic: str | None = None) -> list[float | None]:
    """The focal length in the CameraInfo of each frame."""
    infos = [frame.camera_info for frame in ReplayBag(bag, image_topic)]
    return [None if info is None else info.k[0] for info in infos]


def infos_of(topic: str, delay: int) -> list[InfoEntry]:
    """CameraInfos of four frames, each with a focal length of its own."""
    return [InfoEntry(topic, START + i * STEP, 50.0 + i, delay) for i in range(4)]


@pytest.mark.parametrize('delay', [-STEP // 3, 0, LATEST_INFO])
@pytest.mark.parametrize(
    ('image', 'encoding', 'info'),
    [
        ('/image', 'bgr8', '/camera_info'),
        ('/image/compressed', 'png', '/camera_info'),
        ('/front/image_raw', 'bgr8', '/front/camera_info'),
        ('/front/image_raw/compressed', 'png', '/front/camera_info'),
    ],
)
def test_a_camera_info_is_matched_by_stamp(
    tmp_path: Path, image: str, encoding: str, info: str, delay: int
) -> None:
    images = [Entry(image, START + i * STEP, picture(i), encoding) for i in range(4)]
    infos = infos_of(info, delay)
    del infos[1]
    path = write_bag(tmp_path / 'bag', in_order(*images, *infos))
    (camera,) = ReplayBag(path).cameras
    assert camera.camera_info_topic == info
    assert focals(path) == [50, None, 52, 53]


def test_a_camera_info_of_ros_1_has_the_fields_of_ros_2(tmp_path: Path) -> None:
    entries = in_order(*drive(4), *infos_of('/camera_info', 0))
    path = write_bag_of_ros_1(tmp_path / 'drive.bag', entries)
    assert focals(path) == [50, 51, 52, 53]
    (first, *_) = ReplayBag(path)
    assert (first.camera_info.width, first.camera_info.distortion_model) == (64, 'plumb_bob')
    assert len(first.camera_info.p) == 12


def test_an_image_has_the_latest_camera_info_before_it(tmp_path: Path) -> None:
    late = [info._replace(stamp=info.stamp - 1000) for info in infos_of('/front/camera_info', 0)]
    infos = [*late[1:3], InfoEntry('/rear/camera_info', START, 9.0)]
    entries = in_order(*drive(4, '/front'), *drive(4, '/rear', truth=False), *infos)
    bag = ReplayBag(write_bag(tmp_path / 'bag', entries))
    latest: dict[str, list[float | None]] = {'front': [], 'rear': []}
    for frame in bag:
        info = frame.latest_info
        latest[frame.camera.name].append(None if info is None else info.k[0])
    assert latest['front'] == [None, 51, 52, 52]
    assert latest['rear'][1:] == [9, 9, 9]
    assert [frame.camera_info for frame in bag if frame.camera.name == 'front'] == [None] * 4


def test_each_camera_has_its_camera_info(tmp_path: Path) -> None:
    entries = in_order(
        *drive(4, '/front'),
        *drive(4, '/rear', truth=False),
        *infos_of('/front/camera_info', 0),
        Entry('/rear/camera_info', START, picture(0), 'bgr8'),  # by name alone
    )
    path = write_bag(tmp_path / 'bag', entries)
    frames = [(frame.camera.name, frame.camera_info is None) for frame in ReplayBag(path)]
    names = [camera.name for camera in ReplayBag(path).cameras]
    assert names == ['front/image', 'rear/camera_info', 'rear/image']
    assert frames.count(('front/image', False)) == 4
    assert frames.count(('rear/image', True)) == 4


def test_two_images_of_a_camera_share_its_camera_info(tmp_path: Path) -> None:
    both = [
        Entry(f'/front/{name}', START + i * STEP, picture(i), 'bgr8')
        for i in range(4)
        for name in ('image_raw', 'image_rect')
    ]
    path = write_bag(tmp_path / 'bag', in_order(*both, *infos_of('/front/camera_info', 1)))
    assert focals(path) == [50, 50, 51, 51, 52, 52, 53, 53]
    assert focals(path, '/front/image_rect') == [50, 51, 52, 53]


def test_a_camera_info_that_is_too_late_is_not_used(tmp_path: Path) -> None:
    infos = infos_of('/camera_info', LATEST_INFO + 3 * STEP // 2)
    path = write_bag(tmp_path / 'bag', in_order(*drive(4), *infos))
    assert focals(path) == [None] * 4


def test_stamps_that_start_again_have_their_camera_infos(tmp_path: Path) -> None:
    hour = 3600 * 10**9
    again = [entry._replace(delay=hour) for entry in drive(4, truth=False)]
    infos = infos_of('/camera_info', 0)
    later = [info._replace(delay=hour, focal=info.focal + 10) for info in infos]
    path = write_bag(tmp_path / 'bag', in_order(*drive(4, truth=False), *infos, *again, *later))
    assert focals(path)[:4] == [50, 51, 52, 53]
    assert None not in focals(path)[4:]


@pytest.mark.parametrize('storage', StoragePlugin)
def test_a_single_file_with_compressed_messages_needs_its_metadata(
    storage: StoragePlugin, tmp_path: Path
) -> None:
    folder = write_bag(
        tmp_path / 'bag', drive(2), storage=storage, compression=CompressionMode.MESSAGE
    )
    (file,) = ReplayBag(folder).files
    with pytest.raises(BagError, match=f'{file}: each message is compressed by itself.* folder'):
        list(ReplayBag(file))


def test_a_damaged_bag_gives_the_frames_before_the_damage(tmp_path: Path) -> None:
    path = write_bag(
        tmp_path / 'bag', in_order(*drive(4, truth=False), *infos_of('/camera_info', 9))
    )
    file = path / 'bag.mcap'
    data = bytearray(file.read_bytes())
    last_header = data.rindex(b'\x07\x00\x00\x00camera\x00')
    data[last_header : last_header + 4] = b'\xff\xff\xff\x7f'  # a frame id that long
    file.write_bytes(data)
    frames: list[RecordedFrame] = []
    with pytest.raises(BagError, match='the bag is damaged'):
        frames.extend(ReplayBag(path))
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.camera_info is None for frame in frames] == [False, False, False, True]


@pytest.mark.parametrize('form', ['mcap', 'sqlite3', 'split'])
def test_fewer_frames_than_the_bag_states_are_an_error(tmp_path: Path, form: str) -> None:
    path = FORMS[form](tmp_path)
    metadata = yaml.safe_load((path / 'metadata.yaml').read_text())
    for topic in metadata['rosbag2_bagfile_information']['topics_with_message_count']:
        topic['message_count'] += 1
    (path / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    frames: list[RecordedFrame] = []
    with pytest.raises(BagError, match='only 4 of the 5 images of /image were found'):
        frames.extend(ReplayBag(path))
    assert len(frames) == 4


def test_the_last_static_transform_of_a_frame_counts(tmp_path: Path) -> None:
    forward = (1.5, 0.0, 1.25), (-0.5, 0.5, -0.5, 0.5)
    entries = in_order(
        *drive(1),
        TransformEntry(START, 'base_link', 'front', (9.0, 9.0, 9.0), (0.0, 0.0, 0.0, 1.0)),
        TransformEntry(START + 1, 'base_footprint', 'base_link', (0, 0, 0.5), (0, 0, 0, 1)),
        TransformEntry(START + 2, 'base_link', 'front', *forward),
    )
    expected = {
        StaticTransform('base_link', 'front', *forward),
        StaticTransform('base_footprint', 'base_link', (0, 0, 0.5), (0, 0, 0, 1)),
    }
    assert set(ReplayBag(write_bag(tmp_path / 'bag', entries)).static_transforms()) == expected
    of_ros_1 = write_bag_of_ros_1(tmp_path / 'drive.bag', drive(1))
    assert ReplayBag(of_ros_1).static_transforms() == []


def test_static_transforms_of_another_type_are_none(tmp_path: Path) -> None:
    entries = [*drive(1), InfoEntry('/tf_static', START, 50.0)]
    assert ReplayBag(write_bag(tmp_path / 'infos', entries)).static_transforms() == []
    definitions = [(DEFINITIONS['carriage returns'], False)]
    path = with_other_topics(
        tmp_path / 'own', definitions, topic='/tf_static', storage=StoragePlugin.MCAP
    )
    assert ReplayBag(path).static_transforms() == []


def test_the_main_camera_is_ours_or_that_with_most_frames(tmp_path: Path) -> None:
    labels = np.zeros((48, 64), np.uint8)
    entries = [
        Entry('/front/image', START, picture(0), 'bgr8'),
        *(Entry('/rear/image', START + i, picture(0), 'bgr8') for i in range(2)),
        *(Entry('/side/image/compressed', START + i, picture(0), 'png') for i in range(3)),
        *(Entry('/front/segmentation/labels', START + i, labels, 'mono8') for i in range(4)),
    ]
    assert main_camera(write_bag(tmp_path / 'most frames', entries)) == '/rear/image'
    entries.append(Entry('/image', START, picture(0), 'bgr8'))
    assert main_camera(write_bag(tmp_path / 'ours', entries)) == '/image'


def test_truth_in_a_folder_is_found_by_number_or_stamp(tmp_path: Path) -> None:
    path = write_bag(tmp_path / 'bag', drive(4))  # the folder comes before the topic
    folder = tmp_path / 'labels'
    folder.mkdir()
    write_image(folder / 'drive2_000001_labels.png', truth_of(11))
    write_image(folder / f'{START + 3 * STEP}.png', truth_of(13))
    bag = ReplayBag(path, labels_folder=folder)
    first, second, third, fourth = [frame.truth(CAMVID) for frame in bag]
    assert first is third is None
    np.testing.assert_array_equal(second, truth_of(11))
    np.testing.assert_array_equal(fourth, truth_of(13))
    assert bag.labels_folder is not None
    assert bag.labels_folder.problems() == []
    write_image(folder / '77.png', truth_of(7))
    write_image(folder / 'drive_77.png', truth_of(7))
    with pytest.raises(MediaError, match=r'drive_77\.png: the same number as 77\.png'):
        ReplayBag(path, labels_folder=folder)
    (folder / 'drive_77.png').rename(folder / 'drive.png')
    with pytest.raises(MediaError, match=r'drive\.png: the name has no number'):
        ReplayBag(path, labels_folder=folder)
    with pytest.raises(MediaError, match='no label images in this folder'):
        ReplayBag(path, labels_folder=tmp_path / 'bag')


def test_compressed_truth_is_no_camera_and_not_read(tmp_path: Path) -> None:
    truth = Entry('/ground_truth/labels/compressed', START, truth_of(0), 'png')
    path = write_bag(tmp_path / 'bag', [*drive(1, truth=False), truth])
    bag = ReplayBag(path)
    assert [camera.image_topic for camera in bag.cameras] == ['/image']
    assert bag.notes == (
        f'{path}: ground truth is read from raw images only, not from compressed ones: '
        '/ground_truth/labels/compressed',
    )
    with pytest.raises(BagError, match='has sensor_msgs/msg/CompressedImage, not sensor_msgs'):
        ReplayBag(path, labels_topic='/ground_truth/labels/compressed')
    both = ReplayBag(write_bag(tmp_path / 'both', [*drive(1), truth]))
    assert both.notes == ()
    assert both.cameras == (Camera('', '/image', '/ground_truth/labels', 1),)


def test_a_topic_is_found_with_and_without_its_slash(tmp_path: Path) -> None:
    for recorded, wanted in (('/image', 'image'), ('image', '/image')):
        entry = Entry(recorded, START, picture(0), 'bgr8')
        bag = ReplayBag(write_bag(tmp_path / f'bag_{len(recorded)}', [entry]), wanted)
        assert [camera.image_topic for camera in bag.cameras] == [recorded]


def test_what_may_not_be_read_is_named(tmp_path: Path) -> None:
    bags = [
        write_bag(tmp_path / 'mcap', drive(1)),
        write_bag(tmp_path / 'sqlite3', drive(1), storage=StoragePlugin.SQLITE3),
        write_bag_of_ros_1(tmp_path / 'drive.bag', drive(1)),
    ]
    files = [bags[0] / 'mcap.mcap', bags[1] / 'sqlite3.db3', bags[2]]
    for bag, file in zip(bags, files, strict=True):
        for what in {bag, file}:
            what.chmod(0)
            for path in (bag, file):
                with permissions_count(), pytest.raises(BagError) as refused:
                    ReplayBag(path)
                assert str(what) in str(refused.value)
                assert '\n' not in str(refused.value)
            what.chmod(0o700)


def test_a_truth_that_two_cameras_may_have_needs_a_choice(tmp_path: Path) -> None:
    entries = [*drive(1), Entry('/rear/image', START, picture(1), 'bgr8')]
    path = write_bag(tmp_path / 'bag', entries)
    with pytest.raises(BagError, match='choose the camera with --image-topic'):
        ReplayBag(path)
    with pytest.raises(BagError, match='there are 2 '):
        ReplayBag(path, labels_topic='/ground_truth/labels')
    (camera,) = ReplayBag(path, '/rear/image').cameras
    assert camera.labels_topic == '/ground_truth/labels'


def test_what_is_no_bag_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BagError, match='no such file or folder'):
        ReplayBag(tmp_path / 'nowhere')
    for name in ('text.bag', 'text.mcap', 'text.db3'):
        (tmp_path / name).write_text('not a bag')
        with pytest.raises(BagError, match='not a bag that can be read'):
            ReplayBag(tmp_path / name)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(BagError, match=r'not a bag: this folder has no metadata\.yaml'):
        ReplayBag(tmp_path / 'empty')


@pytest.mark.parametrize('storage', [StoragePlugin.SQLITE3, StoragePlugin.MCAP])
def test_for_a_folder_without_metadata_the_file_is_proposed(
    tmp_path: Path, storage: StoragePlugin
) -> None:
    path = write_bag(tmp_path / 'bag', drive(1), storage=storage)
    (path / 'metadata.yaml').unlink()
    with pytest.raises(BagError, match=r'no metadata\.yaml .* give the file .*/bag\.(db3|mcap)'):
        ReplayBag(path)


def test_for_parts_of_a_bag_without_metadata_reindexing_is_proposed(tmp_path: Path) -> None:
    path = write_bag(tmp_path / 'bag', drive(1))
    (path / 'metadata.yaml').unlink()
    shutil.copy((path / 'bag.mcap').rename(path / 'bag_0.mcap'), path / 'bag_1.mcap')
    with pytest.raises(BagError, match="reindex', or, if its 2 files are separate"):
        ReplayBag(path)


@pytest.mark.parametrize(
    ('metadata', 'message'),
    [
        ('', r'an empty metadata\.yaml .* give the file .*bag\.mcap'),
        ("rosbag2_bagfile_information:\n  storage_identifier: ''\n", 'an empty storage_identifier'),
        ('rosbag2_bagfile_information:\n  storage_identifier:\n', 'an empty storage_identifier'),
    ],
)
def test_metadata_that_says_nothing_is_refused(tmp_path: Path, metadata: str, message: str) -> None:
    path = write_bag(tmp_path / 'bag', drive(1))
    (path / 'metadata.yaml').write_text(metadata)
    with pytest.raises(BagError, match=message):
        ReplayBag(path)


def test_a_camera_is_not_its_own_ground_truth(tmp_path: Path) -> None:
    path = write_bag(tmp_path / 'bag', drive(1))
    with pytest.raises(
        BagError, match='no images in this bag but those on /image, which was given'
    ):
        ReplayBag(path, labels_topic='image')
    with pytest.raises(BagError, match='/image was given for the images and for the ground truth'):
        ReplayBag(path, 'image', '/image')


def test_bags_that_have_to_be_made_whole_first(tmp_path: Path) -> None:
    path = write_bag(
        tmp_path / 'bag', drive(1), storage=StoragePlugin.SQLITE3, compression=CompressionMode.FILE
    )
    with pytest.raises(BagError, match=r'give bag\.db3, or give the folder that it is in$'):
        ReplayBag(path / 'bag.db3.zstd')
    (path / 'metadata.yaml').unlink()
    with pytest.raises(BagError, match=r'no metadata\.yaml .* decompress bag\.db3\.zstd with zstd'):
        ReplayBag(path)
    with pytest.raises(BagError, match=r'decompress it with zstd -d, and give bag\.db3$'):
        ReplayBag(path / 'bag.db3.zstd')
    active = write_bag_of_ros_1(tmp_path / 'drive.bag', drive(1)).rename(
        tmp_path / 'drive.bag.active'
    )
    with pytest.raises(BagError, match=r"rosbag reindex .*drive\.bag\.active'"):
        ReplayBag(active)


def test_a_bag_of_ros_1_without_its_index(tmp_path: Path) -> None:
    path = write_bag_of_ros_1(tmp_path / 'drive.bag', drive(2))
    whole = path.read_bytes()
    position = whole.index(b'index_pos=') + len(b'index_pos=')
    unfinished = whole[:position] + bytes(8) + whole[position + 8 :]
    for content in (whole[: len(whole) // 2], whole[:-1], whole[:-500], unfinished):
        path.write_bytes(content)
        with pytest.raises(BagError, match=f"truncated: repair it with 'rosbag reindex {path}'$"):
            ReplayBag(path)


def test_a_database_with_a_write_ahead_log(tmp_path: Path) -> None:
    path = write_bag(tmp_path / 'bag', drive(4), storage=StoragePlugin.SQLITE3)
    file, recorded = path / 'bag.db3', tmp_path / 'recorded.db3'
    file.rename(recorded)
    # As rosbag2 records with its preset `resilient`, up to a power loss.
    with closing(sqlite3.connect(recorded)) as recorder:
        recorder.execute('PRAGMA journal_mode = WAL')
        recorder.execute('UPDATE messages SET timestamp = timestamp + 1')
        recorder.commit()
        for ending in ('', '-wal'):
            shutil.copyfile(f'{recorded}{ending}', f'{file}{ending}')
    for bag in (path, file):
        with pytest.raises(BagError, match=r'not finished, and .*/bag\.db3-wal has messages of it'):
            ReplayBag(bag)
    with closing(sqlite3.connect(file)) as database:
        database.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    for bag in (path, file):
        assert [frame.received for frame in ReplayBag(bag)] == [
            START + i * STEP + 1 for i in range(4)
        ]


def test_unusable_topics_are_refused(tmp_path: Path) -> None:
    path = write_bag(tmp_path / 'bag', [drive(1)[1]], topics=['/silent'])
    with pytest.raises(BagError, match='no messages on /silent'):
        ReplayBag(path)
    with pytest.raises(BagError, match='no messages on /silent'):
        ReplayBag(path, '/silent')
    with pytest.raises(
        BagError, match=r'no topic /else; its topics: /ground_truth/labels \(.*\), /silent \('
    ):
        ReplayBag(path, '/else')
    path = write_bag(tmp_path / 'truth', [drive(1)[1]])
    with pytest.raises(BagError, match='no images in this bag; its topics: /ground_truth/labels'):
        ReplayBag(path)
    entries = [Entry('/front/compressed', START, picture(0), 'png')]
    path = write_bag(tmp_path / 'compressed', entries)
    with pytest.raises(BagError, match='has sensor_msgs/msg/CompressedImage, not sensor_msgs'):
        ReplayBag(path, labels_topic='/front/compressed')


def test_a_bag_that_was_read_keeps_no_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = []

    def open_and_note(path: Path) -> BagReader:
        opened = open_bag(path)
        readers.append(weakref.ref(opened))
        return opened

    monkeypatch.setattr('bisenet_ros.bag.reader.open_bag', open_and_note)
    bag = ReplayBag(write_bag(tmp_path / 'bag', drive(2)))
    assert all(frame.truth(CAMVID) is not None for frame in bag)
    gc.collect()
    assert readers
    assert not any(reader() for reader in readers)
    assert bag.truth_problems() == bag.truth_notes() == []
