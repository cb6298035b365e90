# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Damaged files of every kind are read or refused, in memory that is limited; and bombs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hostile_files import KINDS
from mutations import with_png_checksums
from PIL import Image

from bisenet_ros.__main__ import LIMITS
from bisenet_ros.bag.bounded import TooLongError, decompress_zstd, zstd
from bisenet_ros.errors import UserError
from bisenet_ros.image_codec import decode_compressed
from bisenet_ros.label_image import read_labels
from bisenet_ros.limits import MAX_IMAGE_SIDE, MAX_PIXELS
from bisenet_ros.media import read_image
from bisenet_ros.yaml_document import Document, DocumentError

COUNTS = {
    'bag': 100,
    'checkpoint': 30,
    'replay results': 60,
    'training configuration': 100,
    'training run': 100,
    'video': 200,
}
"""How many are tried of kinds of which each takes tens of milliseconds, or whose libraries take
seconds to load; 300 of all others."""

WITH_TORCH = {
    'checkpoint',
    'label space',
    'published weights',
    'replay results',
    'training configuration',
    'training run',
}
"""The kinds that need torch, and share the process that loads it."""


@pytest.mark.parametrize('kinds', [WITH_TORCH, KINDS.keys() - WITH_TORCH], ids=['torch', 'others'])
def test_damaged_files(kinds: Set[str]) -> None:
    counts = {kind: COUNTS.get(kind, 300) for kind in sorted(kinds)}
    program = Path(__file__).with_name('hostile_files.py')
    result = subprocess.run(
        [sys.executable, str(program), *counts, '--count', *map(str, counts.values())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    for line, (kind, count) in zip(result.stdout.splitlines(), counts.items(), strict=True):
        ends = json.loads(line)
        assert ends['kind'] == kind
        assert ends['read'] + ends['refused'] == count
        assert ends['refused'] > count // 10
        assert ends['read']


def bomb_of(kind: str, folder: Path) -> Path:
    """A file of 30,000 x 30,000 pixels by its header."""
    path = folder / f'bomb.{kind}'
    Image.new('L', (64, 64)).save(path)
    content = bytearray(path.read_bytes())
    if kind == 'png':
        content[16:24] = (30_000).to_bytes(4, 'big') * 2
        content = bytearray(with_png_checksums(bytes(content)))
    elif kind == 'jpg':
        place = content.index(b'\xff\xc0') + 5
        content[place : place + 4] = (30_000).to_bytes(2, 'big') * 2
    elif kind == 'bmp':
        content[18:26] = (30_000).to_bytes(4, 'little') * 2
    elif kind == 'gif':
        content[6:10] = (30_000).to_bytes(2, 'little') * 2
    elif kind == 'webp':
        assert content[12:16] == b'VP8 '
        content[26:30] = (16_000).to_bytes(2, 'little') * 2
    elif kind == 'tiff':
        for tag in (256, 257):
            place = content.index(tag.to_bytes(2, 'little') + b'\x04\0\x01\0\0\0')
            content[place + 8 : place + 12] = (30_000).to_bytes(4, 'little')
    else:
        content = content.replace(b'64 64', b'30000 30000')
    path.write_bytes(content)
    return path


@pytest.mark.parametrize('kind', ['png', 'jpg', 'bmp', 'gif', 'webp', 'tiff', 'ppm'])
def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(
    kind: str, tmp_path: Path
) -> None:
    path = bomb_of(kind, tmp_path)
    message = SimpleNamespace(format='', data=path.read_bytes())
    readers: list[Callable[[], object]] = [lambda: read_image(path), lambda: read_labels(path)]
    if kind in ('png', 'jpg'):
        readers.append(lambda: decode_compressed(message))
    for read in readers:
        tracemalloc.start()
        with pytest.raises(UserError, match=f'over the limit of {MAX_PIXELS} pixels'):
            read()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 4 << 20


@pytest.mark.parametrize('marker', [b'\xff\x00', b'\xff\xd0', b'\xff\x01'])
def test_the_size_of_a_jpeg_is_the_one_that_libjpeg_finds(marker: bytes, tmp_path: Path) -> None:
    bomb = bomb_of('jpg', tmp_path).read_bytes()
    place = bomb.index(b'\xff\xc0')
    length = 2 + int.from_bytes(bomb[place + 2 : place + 4], 'big')
    header, rest = bomb[place : place + length], bomb[place + length :]
    harmless = header[:5] + (64).to_bytes(2, 'big') * 2 + header[9:]
    comment = b'\xff\xfe' + (2 + length).to_bytes(2, 'big') + harmless
    # These markers have no length. Who reads one behind them lands in the comment.
    hidden = bomb[:place] + marker + (2 + length + 4).to_bytes(2, 'big') + header + comment + rest
    with pytest.raises(UserError, match='30000x30000, over the limit'):
        decode_compressed(SimpleNamespace(format='', data=hidden))


def printed_with(limits: Mapping[str, str], program: str, path: Path) -> str:
    """What a program prints about a file; OpenCV reads its limits when it is loaded."""
    return subprocess.run(
        [sys.executable, '-c', program, str(path)],
        env={**os.environ, **limits},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize('kind', ['png', 'jpg', 'hdr'])
@pytest.mark.parametrize('shape', [(1, MAX_IMAGE_SIDE + 1, 3), (MAX_IMAGE_SIDE + 1, 1, 3)])
def test_an_image_with_too_long_a_side_is_refused(
    kind: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    path = tmp_path / f'long.{kind}'
    cv2.imwrite(str(path), np.zeros(shape, np.float32 if kind == 'hdr' else np.uint8))
    program = """
import sys
from pathlib import Path
from bisenet_ros.media import MediaError, read_image
try:
    read_image(Path(sys.argv[1]))
except MediaError as error:
    print(error)
"""
    printed = printed_with(LIMITS, program, path)
    height, width, _ = shape
    reason = f'the image is {width}x{height}, over the limit of {MAX_IMAGE_SIDE} pixels per side'
    if kind == 'hdr':  # whose header only OpenCV reads
        reason = 'not an image that OpenCV can read'
    assert printed.startswith(f'{path}: {reason}')


def test_a_list_of_other_files_is_no_video(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(
        str(tmp_path / 'real.webm'), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*'VP80'), 10, (64, 48)
    )
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    listing = tmp_path / 'list.mp4'
    listing.write_text('ffconcat version 1.0\nfile real.webm\n')
    program = """
import sys
from pathlib import Path
from bisenet_ros.media import MediaError, Video
try:
    print(len(list(Video(Path(sys.argv[1])))))
except MediaError as error:
    print(error)
"""
    for limits, expected in ({}, '1'), (LIMITS, f'{listing}: not a video that OpenCV can read'):
        assert printed_with(limits, program, listing).strip() == expected


def test_what_decompresses_to_too_much_is_not_decompressed() -> None:
    bomb = zstd.compress(bytes(1 << 26))
    assert len(bomb) < 1 << 14
    with pytest.raises(TooLongError, match='more than 1048576 bytes'):
        decompress_zstd(bomb, 1 << 20)
    assert decompress_zstd(zstd.compress(b'some'), 4) == b'some'


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a: &a [x, x]\n' + ''.join(f'{c}: &{c} [*{p}, *{p}, *{p}, *{p}, *{p}, *{p}]\n'
         for p, c in zip('abcdefghijk', 'bcdefghijkl', strict=True)), 'over 100000 values'),
        ('a: &a [*a]', r':1: \*a refers to the value that contains it'),
        ('[' * 60 + ']' * 60, ':1: over 50 levels deep'),
        ('number: 0b_', ":1: not YAML: '0b_' is no int"),
        ('number: ' + '9' * 5000, ':1: not YAML: '),
        ('x' * (1 << 23), 'larger than 4 MiB, the limit'),
    ],
    ids=['laughs', 'cycle', 'deep', 'no number', 'long number', 'large'],
)  # fmt: skip
def test_a_document_that_grows_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / 'file.yaml'
    path.write_text(text)
    with pytest.raises(DocumentError, match=message):
        Document.load(path)


def test_a_message_is_one_line_whatever_it_quotes() -> None:
    assert str(UserError('no \x1b[2J\nclass \ud800ä')) == r'no \x1b[2J\nclass \ud800ä'
    assert len(str(UserError('x' * 10**6))) < 2100
