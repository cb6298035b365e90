# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MCAP files that end before they should: read up to the cut.

A recorder that lost power leaves no index and no footer, and a copy that was interrupted ends
anywhere. Records follow each other with their lengths, though, so everything before the cut can
still be found: what is whole is shown to rosbags as a file without an index, and nothing is copied.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

_MAGIC = b'\x89MCAP0\r\n'
_MESSAGE, _CHUNK = 0x05, 0x06
_HEADER = struct.Struct('<BQ')  # of every record: opcode, length of what follows
_CHUNK_FIELDS = struct.Struct('<QQQII')  # first and last time, size, checksum, length of a name
# A footer that says that there is no summary, so that readers go through the records.
_FOOTER = _HEADER.pack(0x02, 20) + bytes(20)


class _Record(NamedTuple):
    opcode: int
    start: int
    end: int


def is_cut(path: Path) -> bool:
    """Whether a file begins as MCAP files do and does not end as they do."""
    with path.open('rb') as file:
        begin = file.read(len(_MAGIC))
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(_MAGIC)))
        return begin == _MAGIC and (size < 2 * len(_MAGIC) or file.read() != _MAGIC)


def is_unchunked(path: Path) -> bool:
    """Whether an MCAP file has messages outside chunks, for which there is no index."""
    with path.open('rb') as file:
        size = file.seek(0, os.SEEK_END)
        opcodes = (record.opcode for record in _whole_records(file, len(_MAGIC), size))
        return next((code for code in opcodes if code in (_MESSAGE, _CHUNK)), None) == _MESSAGE


class CutMcap:
    """What rosbags needs of a path, for an MCAP file without its end.

    Args:
        path: A file for which `is_cut` holds.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.suffix = path.suffix
        self.stem = path.stem
        with path.open('rb') as file:
            size = file.seek(0, os.SEEK_END)
            self._end = len(_MAGIC)
            for record in _whole_records(file, self._end, size):
                self._end = record.end
            self._tail = _records_of_cut_chunk(file, self._end, size) + _FOOTER + _MAGIC

    def __str__(self) -> str:
        return str(self._path)

    def exists(self) -> bool:
        """It was there when its end was looked for."""
        return True

    def is_dir(self) -> bool:
        """It is a file."""
        return False

    def open(self, mode: str) -> BinaryIO:
        """The whole records and an end; to be read only."""
        if mode != 'rb':
            raise ValueError(f'a cut file is only read, not opened with {mode!r}')
        return io.BufferedReader(_Spliced(self._path, self._end, self._tail))


def _whole_records(file: BinaryIO, start: int, stop: int) -> Iterator[_Record]:
    """The records between two offsets, up to one that is not there as a whole."""
    while start + _HEADER.size <= stop:
        file.seek(start)
        opcode, length = _HEADER.unpack(file.read(_HEADER.size))
        end = start + _HEADER.size + length
        if end > stop:
            return
        yield _Record(opcode, start, end)
        start = end


def _records_of_cut_chunk(file: BinaryIO, start: int, stop: int) -> bytes:
    """The whole records in what there is of an uncompressed chunk; empty where it is none."""
    file.seek(start)
    header = file.read(_HEADER.size + _CHUNK_FIELDS.size)
    if len(header) < _HEADER.size + _CHUNK_FIELDS.size or header[0] != _CHUNK:
        return b''
    *_, compression_length = _CHUNK_FIELDS.unpack_from(header, _HEADER.size)
    if compression_length:
        return b''
    first = file.tell() + 8  # after the length of the records
    last = first
    for record in _whole_records(file, first, stop):
        last = record.end
    file.seek(first)
    return file.read(last - first)


class _Spliced(io.RawIOBase):
    """The begin of a file, and other bytes after it."""

    def __init__(self, path: Path, size: int, tail: bytes) -> None:
        self._file = path.open('rb', buffering=0)
        self._size = size
        self._tail = tail
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {
            os.SEEK_SET: 0,
            os.SEEK_CUR: self._position,
            os.SEEK_END: self._size + len(self._tail),
        }
        self._position = max(0, origin[whence] + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        if self._position < self._size:
            self._file.seek(self._position)
            data = self._file.read(min(len(buffer), self._size - self._position))
        else:
            start = self._position - self._size
            data = self._tail[start : start + len(buffer)]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
