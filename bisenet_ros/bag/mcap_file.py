# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Presents MCAP files that rosbags would refuse as files that it can read, without copying them.

After a power loss a file has no index and no footer, and an interrupted copy may end anywhere. But
every record starts with its length, so the complete records before the cut can be found. They are
presented as a file without an index.

rosbags parses the definition of every message type, and accepts only the profile `ros2`. The types
that are read here are known without the file, so definitions are hidden, and any profile is
presented as `ros2`.
"""

from __future__ import annotations

import io
import os
import struct
from bisect import bisect_right
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from rosbags.rosbag2.storage_mcap import decompress

from bisenet_ros.bag.bounded import BoundedReader

_MAGIC = b'\x89MCAP0\r\n'
_HEADER, _FOOTER, _SCHEMA, _CHANNEL, _CHUNK = 0x01, 0x02, 0x03, 0x04, 0x06
_CHUNK_INDEX, _END_OF_DATA = 0x08, 0x0F
_RECORD = struct.Struct('<BQ')  # opcode, length of the content
_CHUNK_FIELDS = struct.Struct('<QQQII')  # first and last time, size, checksum, length of a name
_CHUNK_INDEX_FIELDS = struct.Struct('<8xQ16xI')  # last time, length of the offsets of its indexes
_LENGTH = struct.Struct('<I')  # of a string
_PROFILE = _LENGTH.pack(4) + b'ros2'
_FOOTER_LENGTH = _RECORD.size + 20 + len(_MAGIC)
# A footer without a summary, so that readers scan the records.
_NO_SUMMARY = _RECORD.pack(_FOOTER, 20) + bytes(20) + _MAGIC


class _Record(NamedTuple):
    opcode: int
    start: int
    end: int


class _Range(NamedTuple):
    """Bytes of the file."""

    start: int
    end: int


_Piece = _Range | bytes


def is_cut(path: Path) -> bool:
    """Returns whether a file begins like an MCAP file but does not end like one."""
    with path.open('rb') as file:
        return _is_mcap(file) and _footer(file) is None


def is_unindexed(path: Path) -> bool:
    """Returns whether rosbags has to scan a file from beginning to end.

    That is the case for a truncated file, for one with messages outside of chunks, and for one with
    a reduced index, which storage options of rosbag2 leave out in part.
    """
    with path.open('rb') as file:
        return _is_mcap(file) and _summary(file) is None


def open_mcap(path: Any) -> BinaryIO:
    """Opens a file in a form that rosbags can read.

    Args:
        path: A path, or an object that rosbags takes as one.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open('rb') as file:
        if not _is_mcap(file):
            pieces: list[_Piece] = [_Range(0, file.seek(0, os.SEEK_END))]
        elif (summary := _summary(file)) is None:
            pieces = [_MAGIC, *_unindexed(file), _NO_SUMMARY]
        else:
            pieces = list(_indexed(file, summary))
    return BoundedReader(_Spliced(path.open('rb'), pieces))


def _is_mcap(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(len(_MAGIC)) == _MAGIC


def _footer(file: BinaryIO) -> bytes | None:
    """Returns the content of the footer; None if the file does not end like an MCAP file."""
    size = file.seek(0, os.SEEK_END)
    if size < len(_MAGIC) + _FOOTER_LENGTH:
        return None
    file.seek(size - _FOOTER_LENGTH)
    footer = file.read()
    return footer[_RECORD.size : -len(_MAGIC)] if footer.endswith(_MAGIC) else None


def _summary(file: BinaryIO) -> _Range | None:
    """Returns the range of the summary; None if rosbags would not find all messages by it."""
    footer = _footer(file)
    start = struct.unpack_from('<Q', footer)[0] if footer else 0
    if not start:
        return None
    summary = _Range(start, file.seek(0, os.SEEK_END) - _FOOTER_LENGTH)
    opcodes = set()
    for record in _whole_records(file, *summary):
        opcodes.add(record.opcode)
        if record.opcode == _CHUNK_INDEX and not _leads_to_messages(_read(file, record)):
            return None
    return summary if opcodes >= {_SCHEMA, _CHANNEL, _CHUNK_INDEX} else None


def _leads_to_messages(chunk_index: bytes) -> bool:
    """Returns whether the index of a chunk has the offsets of its messages, if it has any."""
    if len(chunk_index) < _RECORD.size + _CHUNK_INDEX_FIELDS.size:
        return False
    last_time, length = _CHUNK_INDEX_FIELDS.unpack_from(chunk_index, _RECORD.size)
    return bool(length or not last_time)  # 0: a chunk without messages


def _indexed(file: BinaryIO, summary: _Range) -> Iterator[_Piece]:
    """Yields the pieces of a file with a summary, so that all offsets stay the same."""
    done = 0
    first = next(_whole_records(file, len(_MAGIC), summary.start), None)
    for record in (*filter(None, [first]), *_whole_records(file, *summary)):
        if record.opcode in (_HEADER, _SCHEMA):
            yield _Range(done, record.start)
            yield _shown(_read(file, record))
            done = record.end
    yield _Range(done, file.seek(0, os.SEEK_END))


def _unindexed(file: BinaryIO) -> Iterator[_Piece]:
    """Yields all complete records of a file in order, without those of a summary."""
    size = file.seek(0, os.SEEK_END)
    done = end = len(_MAGIC)
    for record in _whole_records(file, done, size):
        if record.opcode in (_END_OF_DATA, _FOOTER):
            yield _Range(done, end)
            return
        end = record.end
        if record.opcode in (_HEADER, _SCHEMA, _CHUNK):
            whole = _read(file, record)
            shown = _shown(whole)
            if shown != whole:
                yield _Range(done, record.start)
                yield shown
                done = end
    yield _Range(done, end)
    yield _records_of_cut_chunk(file, end, size)


def _whole_records(file: BinaryIO, start: int, stop: int) -> Iterator[_Record]:
    """Yields the records between two offsets, up to the first incomplete one."""
    while start + _RECORD.size <= stop:
        file.seek(start)
        opcode, length = _RECORD.unpack(file.read(_RECORD.size))
        end = start + _RECORD.size + length
        if end > stop:
            return
        yield _Record(opcode, start, end)
        start = end


def _read(file: BinaryIO, record: _Record) -> bytes:
    file.seek(record.start)
    return file.read(record.end - record.start)


def _shown(record: bytes) -> bytes:
    """Replaces the profile of a header, or hides definitions in a schema or chunk.

    Only chunks change their length.
    """
    opcode = record[0]
    if opcode == _CHUNK:
        return _chunk_without_definitions(record)
    content = record[_RECORD.size :]
    if opcode == _HEADER:
        kept = _PROFILE
    elif opcode == _SCHEMA and len(content) >= 2 + _LENGTH.size:
        (length,) = _LENGTH.unpack_from(content, 2)
        kept = content[: 2 + _LENGTH.size + length]
    else:
        return record
    # Zeros are empty strings: the library of a header, encoding and text of a definition.
    return record[: _RECORD.size] + kept.ljust(len(content), b'\0')


def _chunk_without_definitions(record: bytes) -> bytes:
    """Hides the definitions in a chunk; returns the chunk itself if it has none."""
    fields = record[_RECORD.size :]
    first, last, size, checksum, length = _CHUNK_FIELDS.unpack_from(fields)
    name_end = _CHUNK_FIELDS.size + length
    compression = fields[_CHUNK_FIELDS.size : name_end].decode()
    records = decompress(fields[name_end + 8 :], compression, size, checksum)
    shown = _records_without_definitions(records)
    if shown == records:
        return record
    content = _CHUNK_FIELDS.pack(first, last, len(shown), 0, 0)
    content += struct.pack('<Q', len(shown)) + shown
    return _RECORD.pack(_CHUNK, len(content)) + content


def _records_without_definitions(records: bytes) -> bytes:
    file = io.BytesIO(records)
    shown = bytearray(records)
    for record in _whole_records(file, 0, len(records)):
        if record.opcode == _SCHEMA:
            shown[record.start : record.end] = _shown(records[record.start : record.end])
    return bytes(shown)


def _records_of_cut_chunk(file: BinaryIO, start: int, stop: int) -> bytes:
    """Returns the complete records of a truncated chunk; empty if compressed or not a chunk."""
    file.seek(start)
    header = file.read(_RECORD.size + _CHUNK_FIELDS.size)
    if len(header) < _RECORD.size + _CHUNK_FIELDS.size or header[0] != _CHUNK:
        return b''
    *_, compression_length = _CHUNK_FIELDS.unpack_from(header, _RECORD.size)
    if compression_length:
        return b''
    first = file.tell() + 8  # after the length of the records
    last = first
    for record in _whole_records(file, first, stop):
        last = record.end
    file.seek(first)
    return _records_without_definitions(file.read(last - first))


class _Spliced(io.RawIOBase):
    """A read-only stream of pieces of a file and other bytes."""

    def __init__(self, file: BinaryIO, pieces: list[_Piece]) -> None:
        self._file = file
        self._pieces: list[tuple[int, _Piece]] = []  # by the offset at which they end
        self._size = 0
        for piece in pieces:
            self._size += len(piece) if isinstance(piece, bytes) else piece.end - piece.start
            self._pieces.append((self._size, piece))
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}
        self._position = max(0, origin[whence] + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        number = bisect_right(self._pieces, self._position, key=itemgetter(0))
        if number == len(self._pieces):
            return 0
        end, piece = self._pieces[number]
        count = min(len(buffer), end - self._position)
        if isinstance(piece, bytes):
            start = len(piece) - (end - self._position)
            data = piece[start : start + count]
        else:
            self._file.seek(piece.end - (end - self._position))
            data = self._file.read(count)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
