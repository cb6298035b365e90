# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What headers say is what Pillow has written."""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest

from bisenet_ros.image_header import TruncatedError, check_size, grey_bits, lossy_format

Image = pytest.importorskip('PIL.Image', reason='needs Pillow, of the extra tools')


def written(kind: str, mode: str, size: tuple[int, int] = (70, 300), **options: Any) -> bytes:
    """An image file of a colour that compresses well."""
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind, **options)
    return file.getvalue()


FILES = {
    'JPEG': ('JPEG', 'RGB', {}),
    'JPEG, progressive': ('JPEG', 'RGB', {'progressive': True}),
    'JPEG with comments': ('JPEG', 'L', {'comment': b'\xff\xc0' * 99}),
    'PNG': ('PNG', 'RGB', {}),
    'WebP': ('WEBP', 'RGB', {}),
    'WebP with alpha': ('WEBP', 'RGBA', {'exif': b'Exif\0\0'}),
    'WebP without loss': ('WEBP', 'RGB', {'lossless': True}),
    'TIFF': ('TIFF', 'RGB', {}),
    'TIFF, most significant byte first': ('TIFF', 'I;16B', {}),
    'BMP': ('BMP', 'RGB', {}),
    'GIF': ('GIF', 'P', {}),
    'PNM': ('PPM', 'RGB', {}),
}


@pytest.mark.parametrize('name', FILES)
def test_sizes(name: str) -> None:
    kind, mode, options = FILES[name]
    for size in ((33, 300), (300, 33), (1025, 256)):
        data = written(kind, mode, size, **options)
        assert check_size(data) == size
        if kind == 'WEBP':
            of_form = {'WebP': b'VP8 ', 'WebP with alpha': b'VP8X', 'WebP without loss': b'VP8L'}
            assert data[12:16] == of_form[name]


def test_a_bmp_from_top_to_bottom_is_no_smaller() -> None:
    data = bytearray(written('BMP', 'RGB', (70, 300)))
    struct.pack_into('<i', data, 22, -300)
    assert check_size(bytes(data)) == (70, 300)


def test_headers_that_pillow_does_not_write() -> None:
    core = struct.pack('<IHH', 12, 70, 300)  # of OS/2
    assert check_size(b'BM' + bytes(12) + core) == (70, 300)
    sides = struct.pack('<HHHIII', 2, 256, 3, 1, 70, 257 | 4 << 16) + struct.pack('<II', 1, 300)
    assert check_size(b'II*\0' + struct.pack('<I', 8) + sides) == (70, 300)  # 16 and 32 bits
    tiles = struct.pack('<QHHQQHHQQ', 2, 322, 16, 1, 70, 323, 16, 1, 300)  # of no image
    assert check_size(b'II+\0' + struct.pack('<HHQ', 8, 0, 16) + tiles) == (70, 300)  # BigTIFF


@pytest.mark.parametrize('kind', ['JPEG', 'PNG'])
def test_files_that_are_cut_short_are_refused(kind: str) -> None:
    data = written(kind, 'RGB')
    for length in (len(data) - 1, len(data) // 2, 20):
        with pytest.raises(TruncatedError, match=f'the {kind} is cut short after {length} bytes'):
            check_size(data[:length])


def test_grey_pngs_have_bits_per_sample() -> None:
    bits = [grey_bits(written('PNG', mode)) for mode in ('1', 'L', 'I;16', 'RGB', 'P', 'LA')]
    assert bits == [1, 8, 16, None, None, None]
    assert grey_bits(written('TIFF', 'L')) is None


def test_formats_with_loss() -> None:
    assert lossy_format(written('JPEG', 'L')) == 'JPEG'
    assert lossy_format(b'\0\0\0\x0cjP  \r\n\x87\n') == 'JPEG 2000'
    assert lossy_format(b'\0\0\0\x1cftypavif\0\0\0\0') == 'AVIF'
    assert not any(lossy_format(written(kind, 'L')) for kind in ('PNG', 'BMP', 'TIFF', 'GIF'))
