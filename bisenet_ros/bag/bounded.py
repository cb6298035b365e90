# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bounds the memory that a bag's stated lengths can make a reader allocate.

The lengths in a damaged or malicious bag may be wrong: a few bytes may claim a record of terabytes,
or decompress to one. rosbags does not check them.
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
    """Data decompresses to more bytes than allowed."""


class BoundedReader(io.BufferedReader):
    """A buffered file whose `read` allocates no more memory than the rest of the file needs.

    `io.BufferedReader` allocates the requested number of bytes before it reads.
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
    """Decompresses a Zstandard frame.

    Raises:
        TooLongError: The result has more bytes than `size`, or than `MAX_CHUNK`.
    """
    return _within(zstd.ZstdDecompressor(), data, size)


def limit_decompression() -> None:
    """Limits decompression in rosbags to the size that a chunk states, and to `MAX_CHUNK`."""
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
