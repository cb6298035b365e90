# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads size and kind of an image from its file header, before decoding.

A few bytes can claim an image of gigabytes, so `check_size` is called before every decoding.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from bisenet_ros.errors import UserError
from bisenet_ros.limits import exceeded

JPEG_START = b'\xff\xd8\xff'
PNG_START = b'\x89PNG\r\n\x1a\n'

_PNG_CHUNK = 12  # bytes of a chunk without its content
_PNG_ANIMATION, _PNG_END = b'acTL', b'IEND'

_JPEG_2000_STARTS = (b'\0\0\0\x0cjP  ', b'\xff\x4f\xff\x51')
_JPEG_END = b'\xff\xd9'
_SCAN = 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD8)))

_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_LENGTH = 256, 257, 322, 323
_SHORT, _LONG, _LONG8 = 3, 4, 16

_PNM_GAP = rb'(?:\s|#[^\n]*\n)+'
_PNM = re.compile(rb'P[1-6fF]' + _PNM_GAP + rb'(\d{1,19})' + _PNM_GAP + rb'(\d{1,19})')


_GREY = b'\x00'  # colour type of a PNG, the byte after size and bit depth


class HeaderError(UserError):
    """An image file claims a size that is `exceeded`, is an animated PNG, or is truncated."""


class TruncatedError(HeaderError):
    """An image file is truncated.

    Attributes:
        codec: Name of the image format.
    """

    def __init__(self, codec: str, length: int) -> None:
        super().__init__(f'the {codec} is cut short after {length} bytes')
        self.codec = codec


def check_size(data: bytes) -> tuple[int, int] | None:
    """Returns (width, height) of an image file that may be decoded; None for other formats.

    The known formats are JPEG, PNG, WebP, TIFF, BMP, GIF and PNM.

    Raises:
        HeaderError: The size is over a limit, see `exceeded`, or the file is an animated PNG.
        TruncatedError: A PNG ends before its last chunk, or a JPEG before the end of its pixel
            data.
    """
    size = _size(data)
    if size is not None and (limit := exceeded(*size)):
        raise HeaderError(f'the image is {size[0]}x{size[1]}, {limit}: make it smaller')
    if data.startswith(PNG_START):
        _check_chunks(data)
    return size


def grey_bits(data: bytes) -> int | None:
    """Returns the bits per sample of a grey PNG, by its first 26 bytes; None for other files."""
    return data[24] if data.startswith(PNG_START) and data[25:26] == _GREY else None


def lossy_format(data: bytes) -> str:
    """Returns the name of a format whose compression may change pixels; empty for other files."""
    if data.startswith(JPEG_START):
        return 'JPEG'
    if data.startswith(_JPEG_2000_STARTS):
        return 'JPEG 2000'
    return 'AVIF' if data[4:12] in (b'ftypavif', b'ftypavis') else ''


def _size(data: bytes) -> tuple[int, int] | None:
    if data.startswith(JPEG_START):
        return _jpeg_size(data)
    if data.startswith(PNG_START):
        if len(data) < 24:
            raise TruncatedError('PNG', len(data))
        width, height = struct.unpack_from('>II', data, 16)
        return width, height
    try:
        if data[:4] == b'RIFF' and data[8:12] == b'WEBP':
            return _webp_size(data)
        if data[:4] in (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+'):
            return _tiff_size(data)
        if data.startswith(b'BM'):
            return _bmp_size(data)
        if data.startswith((b'GIF87a', b'GIF89a')):
            return struct.unpack_from('<HH', data, 6)
    except struct.error:
        return None  # too short to be decoded
    found = _PNM.match(data)
    return (int(found[1]), int(found[2])) if found else None


def _check_chunks(data: bytes) -> None:
    """Refuses a PNG whose chunks crash OpenCV, or make it take gigabytes.

    Raises:
        HeaderError: The PNG is animated. A damaged one can crash OpenCV 5.0.
        TruncatedError: The PNG ends before its last chunk. OpenCV would allocate and clear what a
            chunk claims, up to 2 GiB, before it notices.
    """
    position, kind = len(PNG_START), b''
    while kind != _PNG_END and position + _PNG_CHUNK <= len(data):
        length, kind = struct.unpack_from('>I4s', data, position)
        if kind == _PNG_ANIMATION:
            raise HeaderError('the PNG is animated: make it a single image')
        position += _PNG_CHUNK + length
    if kind != _PNG_END or position > len(data):
        raise TruncatedError('PNG', len(data))


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Reads the size as libjpeg does, marker by marker.

    Raises:
        TruncatedError: The JPEG ends before its pixel data does. OpenCV may silently fill the rest
            with grey.
    """
    size = None
    position = len(JPEG_START) - 1
    while (position := data.find(b'\xff', position)) >= 0 and position + 9 <= len(data):
        marker, length = struct.unpack_from('>BH', data, position + 1)
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == 0x00 or marker in _WITHOUT_LENGTH:
            position += 2
            continue
        if marker == _SCAN:  # entropy-coded data, which never contains FF D9
            if size is None or data.find(_JPEG_END, position) < 0:
                break
            return size
        if marker in _FRAMES:
            height, width = struct.unpack_from('>HH', data, position + 5)
            size = (width, height)
        position += 2 + max(length, 2)
    raise TruncatedError('JPEG', len(data))


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b'VP8X':  # width and height of the canvas minus one, 24 bits each
        low = struct.unpack_from('<HBHB', data, 24)
        return 1 + low[0] + (low[1] << 16), 1 + low[2] + (low[3] << 16)
    if kind == b'VP8L':
        (bits,) = struct.unpack_from('<I', data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from('<HH', data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _bmp_size(data: bytes) -> tuple[int, int]:
    (header,) = struct.unpack_from('<I', data, 14)
    width, height = struct.unpack_from('<HH' if header == 12 else '<ii', data, 18)
    return abs(width), abs(height)  # a negative height means rows from top to bottom


def _tiff_size(data: bytes) -> tuple[int, int]:
    """Returns the larger of image and tile size, because a decoder allocates memory for both."""
    sides = {_WIDTH: 0, _HEIGHT: 0, _TILE_WIDTH: 0, _TILE_LENGTH: 0}
    for tag, value in _tiff_entries(data):
        if tag in sides:
            sides[tag] = max(sides[tag], value)
    return max(sides[_WIDTH], sides[_TILE_WIDTH]), max(sides[_HEIGHT], sides[_TILE_LENGTH])


def _tiff_entries(data: bytes) -> Iterator[tuple[int, int]]:
    """Yields tags and integer values of the first directory."""
    order = '<' if data.startswith(b'I') else '>'
    big = b'+' in data[:4]
    place = struct.unpack_from(f'{order}Q' if big else f'{order}I', data, 8 if big else 4)[0]
    (count,) = struct.unpack_from(f'{order}Q' if big else f'{order}H', data, place)
    place += 8 if big else 2
    length, value_at = (20, 12) if big else (12, 8)
    formats = {_SHORT: 'H', _LONG: 'I', _LONG8: 'Q'}
    for entry in range(place, min(place + count * length, len(data) - length + 1), length):
        tag, kind = struct.unpack_from(f'{order}HH', data, entry)
        if kind in formats and (kind != _LONG8 or big):
            yield tag, struct.unpack_from(order + formats[kind], data, entry + value_at)[0]
