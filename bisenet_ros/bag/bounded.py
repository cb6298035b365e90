# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads data that state their own length, within bounds.

The lengths in a bag may be wrong, by damage or on purpose: a few bytes claim a record of terabytes,
or decompress to one. rosbags takes them as they are.
"""

from __future__ import annotations

import bz2
import io
import os
import sys
from typing import Any

import lz4.frame
from rosbags.rosbag1 import reader as rosbag1
from rosbags.rosbag2 import storage_mcap

from bisenet_ros.limits import MAX_CHUNK

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


class TooLongError(Exception):
    """What decompresses to more than any part of a bag has."""


class BoundedReader(io.BufferedReader):
    """A buffered file; asked for more than it has, it makes room for what it has.

    `io.BufferedReader` makes room for as many bytes as it is asked for, before it reads.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw)
        self._size = self.seek(0, os.SEEK_END)
        self.seek(0)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return super().read(size)
        return super().read(min(size, max(0, self._size - self.tell())))


def decompress_zstd(data: bytes, size: int = MAX_CHUNK) -> bytes:
    """What is in a Zstandard frame.

    Raises:
        TooLongError: It has more bytes than `size`, or than `MAX_CHUNK`.
    """
    return _within(zstd.ZstdDecompressor(), data, size)


def limit_decompression() -> None:
    """Let rosbags decompress no chunk to more than it says, nor to more than `MAX_CHUNK`."""
    storage_mcap.DECOMPRESSORS['zstd'] = decompress_zstd
    storage_mcap.DECOMPRESSORS['lz4'] = _decompress_lz4
    rosbag1.decompressors['lz4'] = _decompress_lz4
    rosbag1.decompressors['bz2'] = lambda data: _within(bz2.BZ2Decompressor(), data, MAX_CHUNK)


def _decompress_lz4(data: bytes, size: int = MAX_CHUNK) -> bytes:
    return _within(lz4.frame.LZ4FrameDecompressor(), data, size)


def _within(decompressor: Any, data: bytes, size: int) -> bytes:
    found: bytes = decompressor.decompress(data, max_length=min(size, MAX_CHUNK) + 1)
    if len(found) > min(size, MAX_CHUNK):
        raise TooLongError(f'a part that decompresses to more than {min(size, MAX_CHUNK)} bytes')
    return found
