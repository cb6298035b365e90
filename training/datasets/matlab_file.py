# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads an integer matrix from a MATLAB file with SciPy, after a check of the file.

SciPy uses the type of a data element as an index without checking it: a damaged type ends the
process with a segmentation fault. The layout is that of "MAT-File Format" (MathWorks), level 5.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bisenet_ros.limits import MAX_PIXELS
from bisenet_training.datasets.sample import DatasetError

_MAX_BYTES = 4 * MAX_PIXELS
"""Maximum size of a file, and of a variable in it."""

_HEADER = 128
_TAG = 8
_ARRAY_FLAGS = 16
_COMPRESSED = 15
_NUMERIC_CLASSES = range(6, 16)
_NUMERIC_TYPES = {1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 16, 17, 18}
_INTEGERS = {f'{sign}int{bits}' for sign in ('', 'u') for bits in (8, 16, 32, 64)}


def read_integer_matrix(path: Path, name: str) -> npt.NDArray[np.generic]:
    """Reads an integer matrix.

    Raises:
        DatasetError: The file or the variable does not exist, is damaged, or is not an integer
            matrix.
    """
    # Imported here, because it takes longer to load than everything else.
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError

    try:
        with path.open('rb') as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise DatasetError(f'{path} is larger than {_MAX_BYTES} bytes')
        variables = whosmat(io.BytesIO(content))
        found = next((one for one in variables if one[0] == name), None)  # what loadmat takes
        if found is None:
            raise DatasetError(f'{path} has no variable {name}')
        _, shape, kind = found
        if math.prod(shape) > MAX_PIXELS:
            raise DatasetError(f'{name} in {path} has over {MAX_PIXELS} elements: {shape}')
        if len(shape) != 2 or kind not in _INTEGERS:
            raise DatasetError(f'{name} in {path} is not a matrix of whole numbers')
        _check_types(content)
        return np.asarray(loadmat(io.BytesIO(content), variable_names=[name])[name])
    except OSError as error:
        raise DatasetError(f'cannot read {path}: {error.strerror or error}') from error
    except NotImplementedError as error:
        raise DatasetError(f'{path} is a MATLAB file of version 7.3: save it with -v7') from error
    except MemoryError as error:
        raise DatasetError(f'{path} is damaged: it claims to be larger than the memory') from error
    except (
        LookupError,
        MatReadError,
        NameError,
        TypeError,
        ValueError,
        struct.error,
        zlib.error,
    ) as error:
        raise DatasetError(f'{path} is not a MATLAB file, or is damaged: {error}') from error


def _check_types(content: bytes) -> None:
    """Refuses numeric matrices of level 5 whose elements have a type that is not numeric.

    Raises:
        ValueError: There is one, or a variable that decompresses to over `_MAX_BYTES`.
        struct.error: A variable is too short.
        zlib.error: A compressed variable is damaged.
    """
    if 0 in content[:4]:  # level 4, which SciPy reads without types of elements
        return
    order = '<' if content[126:128] == b'IM' else '>'
    offset = _HEADER
    while offset + _TAG <= len(content):
        kind, size = struct.unpack_from(f'{order}II', content, offset)
        offset += _TAG
        variable = content[offset : offset + size]
        offset += size
        if kind == _COMPRESSED:
            decompressor = zlib.decompressobj()
            variable = decompressor.decompress(variable, _MAX_BYTES)[_TAG:]
            if decompressor.unconsumed_tail:
                raise ValueError(f'a variable of over {_MAX_BYTES} bytes')
        (flags,) = struct.unpack_from(f'{order}I', variable, _TAG)
        if flags & 0xFF in _NUMERIC_CLASSES:
            for element in _element_types(variable[_ARRAY_FLAGS:], order):
                if element not in _NUMERIC_TYPES:
                    raise ValueError(f'an element of type {element} in a numeric matrix')


def _element_types(data: bytes, order: str) -> Iterator[int]:
    """Yields the type of each element of a variable, after its array flags."""
    offset = 0
    while offset + _TAG <= len(data):
        kind, size = struct.unpack_from(f'{order}II', data, offset)
        if kind >> 16:  # a small element: size and type share a word, and the data follows it
            yield kind & 0xFFFF
            offset += _TAG
        else:
            yield kind
            offset += _TAG + -(-size // 8) * 8
