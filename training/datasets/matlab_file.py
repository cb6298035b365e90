# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One matrix of whole numbers out of a MATLAB file (level 5, which MATLAB 5 to 7 write).

Written after MathWorks' "MAT-File Format": a header of 128 bytes, and then elements. An element is
a tag of two 32-bit numbers, the type and the size in bytes, followed by the data; one of up to four
bytes has both numbers and its data in eight bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bisenet_training.datasets.sample import DatasetError

_HEADER_SIZE = 128
_MATRIX, _COMPRESSED = 14, 15
_WHOLE_NUMBERS = {1: '<i1', 2: '<u1', 3: '<i2', 4: '<u2', 5: '<i4', 6: '<u4'}
"""NumPy's names of the types that a matrix may be stored in."""


def read_matrix(path: Path, name: str) -> npt.NDArray[np.int64]:
    """Read a two-dimensional matrix of whole numbers.

    Args:
        path: The file.
        name: Of the variable.

    Returns:
        (rows, columns) int64.

    Raises:
        DatasetError: There is no such file or variable, or it is not as this module can read it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f'cannot read {path}: {error.strerror}') from error
    if content[124:128] != b'\x00\x01IM':
        raise DatasetError(f'{path} is not a MATLAB file of level 5: save it with -v7')
    try:
        for matrix in _matrices(content[_HEADER_SIZE:]):
            _flags, (_, sizes), (_, label), *parts = _elements(matrix)
            if label == name.encode():
                kind, values = parts[0]
                rows, columns = struct.unpack('<2i', sizes)
                if kind not in _WHOLE_NUMBERS:
                    raise DatasetError(f'{name} in {path} is not a matrix of whole numbers')
                flat = np.frombuffer(values, _WHOLE_NUMBERS[kind]).astype(np.int64)
                return flat.reshape((rows, columns), order='F')
    except (IndexError, ValueError, struct.error, zlib.error) as error:
        raise DatasetError(f'{path} is damaged: {error}') from error
    raise DatasetError(f'{path} has no variable {name}')


def _matrices(content: bytes) -> Iterator[bytes]:
    """The data of every variable."""
    for kind, data in _elements(content):
        if kind == _COMPRESSED:
            yield from _matrices(zlib.decompress(data))
        elif kind == _MATRIX:
            yield data


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, data) of elements that follow each other."""
    offset = 0
    while offset < len(content):
        kind, size = struct.unpack_from('<2I', content, offset)
        start = offset + 8
        if kind >> 16:
            kind, size, start = kind & 0xFFFF, kind >> 16, offset + 4
        yield kind, content[start : start + size]
        offset = max(start + size, offset + 8)
        if kind != _COMPRESSED:  # the others begin at multiples of 8
            offset += -offset % 8
