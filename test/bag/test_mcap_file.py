# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An MCAP file cut at any place gives what was recorded before the cut."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from rosbags.rosbag2 import CompressionMode
from small_bags import START, STEP, Entry, InfoEntry, picture, write_bag

from bisenet_ros.bag.bounded import decompress_zstd, zstd
from bisenet_ros.bag.mcap_file import is_cut, is_unindexed
from bisenet_ros.bag.reader import ReplayBag

# Frames of half a megabyte, of which rosbags puts two or three into a chunk.
COUNT = 12
ENTRIES = [
    Entry('/image', START + index * STEP, picture(index, 480, 360), 'bgr8')
    for index in range(COUNT)
]


@pytest.fixture(scope='module', params=[CompressionMode.NONE, CompressionMode.STORAGE])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('bag') / 'bag'
    write_bag(folder, ENTRIES, compression=request.param)
    return folder / 'bag.mcap'


def stamps(bag: Path) -> list[int]:
    return [frame.stamp for frame in ReplayBag(bag)]


def test_a_whole_file_is_not_cut(whole: Path, tmp_path: Path) -> None:
    assert not is_cut(whole)
    assert ReplayBag(whole).damage == ''
    text = tmp_path / 'text.mcap'
    text.write_text('not MCAP at all')
    assert not is_cut(text)


@pytest.mark.parametrize('share', [0.3, 0.5, 0.8, 0.97])
def test_all_before_the_cut_is_read(whole: Path, tmp_path: Path, share: float) -> None:
    data = whole.read_bytes()
    cut = tmp_path / 'cut.mcap'
    cut.write_bytes(data[: int(share * len(data))])
    assert is_cut(cut)
    read = stamps(cut)
    assert read == [entry.stamp for entry in ENTRIES[: len(read)]]
    # Of an uncompressed file every whole frame is there, of a compressed one every whole chunk.
    compressed = len(data) < COUNT * ENTRIES[0].pixels.nbytes
    lost = share * COUNT - len(read)
    assert 0 <= lost < (4 if compressed else 1.1)
    assert str(cut) in ReplayBag(cut).damage


def test_only_the_end_is_missing(whole: Path, tmp_path: Path) -> None:
    cut = tmp_path / 'cut.mcap'
    cut.write_bytes(whole.read_bytes()[:-1])
    assert stamps(cut) == [entry.stamp for entry in ENTRIES]


@pytest.mark.parametrize(
    'compression', [CompressionMode.NONE, CompressionMode.MESSAGE, CompressionMode.FILE]
)
def test_in_its_folder(tmp_path: Path, compression: CompressionMode) -> None:
    folder = write_bag(tmp_path / 'bag', ENTRIES, compression=compression)
    (file,) = folder.glob('bag.mcap*')
    data = file.read_bytes()
    if compression == CompressionMode.FILE:
        data = decompress_zstd(data)
        file.write_bytes(zstd.compress(data[: len(data) // 2]))
    else:
        file.write_bytes(data[: len(data) // 2])
    read = stamps(folder)
    assert read == [entry.stamp for entry in ENTRIES[: len(read)]]
    assert COUNT // 2 - 1 <= len(read) <= COUNT // 2
    assert ReplayBag(folder).damage.startswith(f'{file} is truncated')


def test_a_cut_file_that_is_not_of_the_bag(whole: Path, tmp_path: Path) -> None:
    folder = write_bag(tmp_path / 'bag', ENTRIES)
    (folder / 'copy.mcap').write_bytes(whole.read_bytes()[:-1])
    assert stamps(folder) == [entry.stamp for entry in ENTRIES]
    assert ReplayBag(folder).damage == ''


def test_cameras_that_were_not_written_in_order(tmp_path: Path) -> None:
    # What arrived first may be written last, as recorders with several subscriptions do it.
    entries = [
        Entry(topic, START + index * STEP - late, picture(0), 'bgr8')
        for index in range(5)
        for topic, late in (('/front/image', 0), ('/rear/image', STEP // 2))
    ]
    file = write_bag(tmp_path / 'bag', entries) / 'bag.mcap'
    whole = stamps(file)
    file.write_bytes(file.read_bytes()[:-1])
    assert stamps(file) == whole == sorted(entry.stamp for entry in entries)


def records_of(data: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """The opcode and the content of each record, up to the footer."""
    while data[start] != 0x02:
        opcode, length = struct.unpack_from('<BQ', data, start)
        yield opcode, data[start + 9 : start + 9 + length]
        start += 9 + length


def record(opcode: int, content: bytes) -> bytes:
    return struct.pack('<BQ', opcode, len(content)) + content


def with_summary(file: Path, without: str) -> Path:
    """The same messages with the summary that an option of rosbag2's MCAP storage leaves."""
    data = file.read_bytes()
    magic, (start,) = data[:8], struct.unpack_from('<Q', data, len(data) - 28)
    summary = b''
    for opcode, content in records_of(data, start):
        if opcode == {'noRepeatedChannels': 0x04, 'noChunkIndex': 0x08}.get(without):
            continue
        if opcode == 0x08 and without == 'noMessageIndex':  # no offsets, of length 0
            (length,) = struct.unpack_from('<I', content, 32)
            content = content[:32] + bytes(4 + 8) + content[36 + length + 8 :]
        if opcode != 0x0E:  # where the kinds of records start
            summary += record(opcode, content)
    reduced = file.with_name(f'{without}.mcap')
    footer = record(0x02, struct.pack('<QQI', start, 0, 0))
    reduced.write_bytes(data[:start] + summary + footer + magic)
    return reduced


@pytest.mark.parametrize('without', ['noMessageIndex', 'noRepeatedChannels', 'noChunkIndex'])
def test_a_file_with_a_reduced_index(whole: Path, without: str) -> None:
    reduced = with_summary(whole, without)
    assert (is_unindexed(whole), is_unindexed(reduced)) == (False, True)
    bag = ReplayBag(reduced)
    assert [frame.stamp for frame in bag] == [entry.stamp for entry in ENTRIES]
    assert (bag.damage, bag.cameras[0].frame_count) == ('', COUNT)


def without_chunks(file: Path) -> Path:
    """The same messages one by one, as rosbag2 writes them with its preset `fastwrite`."""
    data = file.read_bytes()
    magic, records = data[:8], b''
    for opcode, content in records_of(data, len(magic)):
        if opcode == 0x0F:  # the end of the data
            break
        if opcode == 0x06:  # a chunk: times, size, checksum, compression (none), records
            records += content[28 + 4 + 8 :]
        elif opcode != 0x07:  # the index of a chunk
            records += record(opcode, content)
    unchunked = file.with_name('unchunked.mcap')
    unchunked.write_bytes(magic + records + record(0x02, bytes(20)) + magic)
    return unchunked


def test_a_file_without_chunks(tmp_path: Path) -> None:
    entries = [
        entry
        for index in range(5)
        for entry in (
            InfoEntry('/camera_info', START + index * STEP, 50.0 + index),
            Entry('/image', START + index * STEP, picture(0), 'bgr8', delay=-1),
        )
    ]
    file = write_bag(tmp_path / 'bag', entries) / 'bag.mcap'
    unchunked = without_chunks(file)
    assert (is_unindexed(file), is_unindexed(unchunked)) == (False, True)
    infos = [frame.camera_info for frame in ReplayBag(unchunked)]
    assert [info.k[0] for info in infos] == [50, 51, 52, 53, 54]
