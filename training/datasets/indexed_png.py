# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The indices of PNG files with a palette, which OpenCV only shows in the palette's colours.

Label tools like to write such files: the index is the class id, and any viewer shows colours. The
indices are stored just as the values of a grey image, so without the palette they are one (PNG
specification, 11.2: colour type 3 is indexed, 0 is greyscale).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_DATA = 8
"""Place of the data in a chunk, after its length and its type; a checksum follows."""
_BIT_DEPTH, _COLOR_TYPE = 8, 9
"""Places in the data of the header chunk."""
_INDEXED, _GREY = 3, 0


def is_indexed_png(content: bytes) -> bool:
    """Whether a file's content is a PNG with a palette."""
    place = len(_SIGNATURE) + _DATA + _COLOR_TYPE
    return content.startswith(_SIGNATURE) and content[place : place + 1] == bytes((_INDEXED,))


def decode_indices(content: bytes) -> npt.NDArray[np.uint8] | None:
    """(H, W) uint8 indices of a PNG with a palette; None if it is damaged."""
    grey, depth = bytearray(_SIGNATURE), 8
    for kind, chunk in _chunks(content):
        if kind == b'IHDR':
            depth = chunk[_DATA + _BIT_DEPTH]
            header = bytearray(chunk[:-4])
            header[_DATA + _COLOR_TYPE] = _GREY
            grey += header + struct.pack('>I', zlib.crc32(header[4:]))
        elif kind in (b'IDAT', b'IEND'):
            grey += chunk
    values = cv2.imdecode(np.frombuffer(grey, np.uint8), cv2.IMREAD_GRAYSCALE)
    if values is None:
        return None
    # Grey of fewer bits is stretched to 0 to 255.
    return np.asarray(values // (255 // (2**depth - 1)), np.uint8)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, all bytes) of every chunk."""
    offset = len(_SIGNATURE)
    while offset + _DATA <= len(content):
        size, kind = struct.unpack_from('>I4s', content, offset)
        end = offset + _DATA + size + 4
        yield kind, content[offset:end]
        offset = end
