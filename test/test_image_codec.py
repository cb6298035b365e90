# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages are built here byte by byte, and compared with closed forms and with OpenCV."""

from __future__ import annotations

import array
import itertools
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from bisenet_ros.image_codec import (
    ImageError,
    decode_compressed,
    decode_image,
    decode_labels,
    image_fields,
    jpeg_fields,
    png_fields,
)
from bisenet_ros.limits import MAX_IMAGE_SIDE, MAX_PIXELS

Pixels = npt.NDArray[np.uint8]

SIZES = [(32, 32), (33, 35), (70, 32), (61, 48)]  # width, height
PADDINGS = [0, 1, 13, 64]
PACKED_COLOR = {
    'bgr8': 'bgr',
    'rgb8': 'rgb',
    'bgra8': 'bgra',
    'rgba8': 'rgba',
    '8UC3': 'bgr',
    '8UC4': 'bgra',
    'bgr16': 'bgr',
    'rgb16': 'rgb',
    'bgra16': 'bgra',
    'rgba16': 'rgba',
}
YUV422 = {'yuv422': 'uyvy', 'uyvy': 'uyvy', 'yuv422_yuy2': 'yuyv', 'yuyv': 'yuyv'}
ALL_ENCODINGS = [
    *PACKED_COLOR,
    *YUV422,
    'mono8',
    'mono16',
    '8UC1',
    'nv12',
    'nv21',
    'nv24',
    *(f'bayer_{p}{b}' for p in ('rggb', 'bggr', 'gbrg', 'grbg') for b in (8, 16)),
]


@dataclass
class Image:
    """The fields of sensor_msgs/Image."""

    width: int
    height: int
    encoding: str
    step: int
    data: Any
    is_bigendian: int = 0


@dataclass
class CompressedImage:
    """The fields of sensor_msgs/CompressedImage."""

    format: str
    data: Any


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def image_of_rows(
    rows: Pixels, size: tuple[int, int], encoding: str, padding: int = 0, is_bigendian: bool = False
) -> Image:
    """A message of (rows, bytes) whose rows are followed by bytes that must not be looked at."""
    garbage = np.random.default_rng(3).integers(0, 256, (len(rows), padding), np.uint8)
    data = array.array('B', np.hstack([rows, garbage]).tobytes())
    return Image(*size, encoding, rows.shape[1] + padding, data, int(is_bigendian))


def sample_bytes(samples: Pixels, bits: int, is_bigendian: bool) -> Pixels:
    """(H, N) bytes of a row of samples; 16 bits get a low byte that must not matter."""
    if bits == 8:
        return samples.reshape(len(samples), -1)
    low = np.random.default_rng(5).integers(0, 256, samples.shape)
    wide = (samples.astype(np.uint16) * 256 + low).astype('>u2' if is_bigendian else '<u2')
    return wide.reshape(len(samples), -1).view(np.uint8)


def bgr_of_yuv(y: Pixels, u: Pixels, v: Pixels) -> npt.NDArray[np.float64]:
    """ITU-R BT.601, limited range: luma from 16 to 235."""
    luma = (y.astype(float) - 16) * 255 / 219
    cb, cr = (u.astype(float) - 128) * 255 / 224, (v.astype(float) - 128) * 255 / 224
    red = luma + 1.402 * cr
    blue = luma + 1.772 * cb
    green = (luma - 0.299 * red - 0.114 * blue) / 0.587
    return np.stack([blue, green, red], axis=-1).clip(0, 255)


LAYOUTS = list(itertools.product(SIZES, PADDINGS))
ORDERED_LAYOUTS = [(*layout, big) for layout in LAYOUTS for big in (False, True)]


@pytest.mark.parametrize('encoding', PACKED_COLOR)
def test_packed_colour_channels_arrive_as_blue_green_red(
    encoding: str, rng: np.random.Generator
) -> None:
    for layout in ORDERED_LAYOUTS:
        size, padding, is_bigendian = layout
        channels = {c: rng.integers(0, 256, size[::-1], np.uint8) for c in 'bgra'}
        samples = np.stack([channels[c] for c in PACKED_COLOR[encoding]], axis=-1)
        rows = sample_bytes(samples, 16 if encoding.endswith('16') else 8, is_bigendian)

        frame = decode_image(image_of_rows(rows, size, encoding, padding, is_bigendian))

        assert frame.dtype == np.uint8
        expected = np.stack([channels[c] for c in 'bgr'], axis=-1)
        np.testing.assert_array_equal(frame, expected, err_msg=str(layout))


@pytest.mark.parametrize('encoding', ['mono8', 'mono16', '8UC1'])
def test_grey_becomes_three_equal_channels(encoding: str, rng: np.random.Generator) -> None:
    for layout in ORDERED_LAYOUTS:
        size, padding, is_bigendian = layout
        gray = rng.integers(0, 256, size[::-1], np.uint8)
        rows = sample_bytes(gray, 16 if encoding == 'mono16' else 8, is_bigendian)

        frame = decode_image(image_of_rows(rows, size, encoding, padding, is_bigendian))

        expected = np.stack([gray, gray, gray], axis=-1)
        np.testing.assert_array_equal(frame, expected, err_msg=str(layout))


@pytest.mark.parametrize(('bits', 'is_bigendian'), [(8, False), (16, False), (16, True)])
@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_a_bayer_mosaic_gives_back_ramps_of_each_colour(
    pattern: str, bits: int, is_bigendian: bool
) -> None:
    # Each colour is another ramp: bilinear demosaicing gives ramps back exactly, and a pattern
    # that is shifted or swapped gives another colour everywhere.
    encoding = f'bayer_{pattern}{bits}'
    for layout in LAYOUTS:
        size, padding = layout
        width, height = size
        y, x = np.mgrid[:height, :width]
        scene = {'b': x, 'g': 90 + x + y, 'r': 250 - 2 * y}
        mosaic = np.empty((height, width), np.uint8)
        for (row, column), color in zip(itertools.product((0, 1), (0, 1)), pattern, strict=True):
            mosaic[row::2, column::2] = scene[color][row::2, column::2]
        rows = sample_bytes(mosaic, bits, is_bigendian)

        frame = decode_image(image_of_rows(rows, size, encoding, padding, is_bigendian))

        assert frame.shape == (height, width, 3)
        inside = np.s_[1:-1, 1:-1]  # at the border there is nothing to interpolate with
        expected = np.stack([scene[c] for c in 'bgr'], axis=-1)[inside]
        np.testing.assert_array_equal(frame[inside], expected, err_msg=str(layout))


@pytest.mark.parametrize('encoding', YUV422)
def test_yuv422_is_converted_by_bt_601(encoding: str, rng: np.random.Generator) -> None:
    for layout in LAYOUTS:
        size, padding = layout
        width, height = size
        pairs = (width + 1) // 2
        luma = rng.integers(16, 236, (height, pairs, 2), np.uint8)
        u, v = rng.integers(0, 256, (2, height, pairs), np.uint8)
        samples = {'u': [u], 'v': [v], 'y': [luma[..., 0], luma[..., 1]]}
        rows = np.stack([samples[c].pop(0) for c in YUV422[encoding]], axis=-1).reshape(height, -1)

        frame = decode_image(image_of_rows(rows, size, encoding, padding))

        y = rows[:, (1 if YUV422[encoding] == 'uyvy' else 0) :: 2]
        expected = bgr_of_yuv(y, u.repeat(2, axis=1), v.repeat(2, axis=1))[:, :width]
        np.testing.assert_allclose(frame, expected, atol=1.01, err_msg=str(layout))


@pytest.mark.parametrize('encoding', ['nv12', 'nv21'])
def test_yuv420_is_converted_by_bt_601(encoding: str, rng: np.random.Generator) -> None:
    for layout in LAYOUTS:
        size, padding = layout
        width, height = size
        half = ((height + 1) // 2, (width + 1) // 2)
        y = rng.integers(16, 236, (height, width), np.uint8)
        u, v = rng.integers(0, 256, (2, *half), np.uint8)
        chroma = np.stack([u, v] if encoding == 'nv12' else [v, u], axis=-1).reshape(half[0], -1)
        luma = np.pad(y, ((0, 0), (0, width % 2)))  # a chroma row is a byte longer for odd widths

        frame = decode_image(image_of_rows(np.vstack([luma, chroma]), size, encoding, padding))

        u_full, v_full = (
            plane.repeat(2, axis=0).repeat(2, axis=1)[:height, :width] for plane in (u, v)
        )
        expected = bgr_of_yuv(y, u_full, v_full)
        np.testing.assert_allclose(frame, expected, atol=1.01, err_msg=str(layout))


def test_yuv444_is_converted_by_bt_601(rng: np.random.Generator) -> None:
    for layout in LAYOUTS:
        (width, height), padding = layout
        y = rng.integers(16, 236, (height, width), np.uint8)
        u, v = rng.integers(0, 256, (2, height, width), np.uint8)
        luma_rows = np.pad(y, ((0, 0), (0, padding)))
        chroma_rows = np.stack([u, v], axis=-1).reshape(height, -1)
        chroma_rows = np.pad(chroma_rows, ((0, 0), (0, 2 * padding)))
        data = luma_rows.tobytes() + chroma_rows.tobytes()

        frame = decode_image(Image(width, height, 'nv24', width + padding, data))

        expected = bgr_of_yuv(y, u, v)
        np.testing.assert_allclose(frame, expected, atol=1.01, err_msg=str(layout))


@pytest.mark.parametrize(
    ('encoding', 'shape', 'code'),
    [
        ('bayer_rggb8', (48, 64), cv2.COLOR_BayerBG2BGR),
        ('bayer_bggr8', (48, 64), cv2.COLOR_BayerRG2BGR),
        ('bayer_gbrg8', (48, 64), cv2.COLOR_BayerGR2BGR),
        ('bayer_grbg8', (48, 64), cv2.COLOR_BayerGB2BGR),
        ('yuv422', (48, 64, 2), cv2.COLOR_YUV2BGR_UYVY),
        ('yuv422_yuy2', (48, 64, 2), cv2.COLOR_YUV2BGR_YUY2),
        ('nv12', (72, 64), cv2.COLOR_YUV2BGR_NV12),
        ('nv21', (72, 64), cv2.COLOR_YUV2BGR_NV21),
    ],
)
def test_mosaics_and_yuv_equal_the_conversions_of_opencv(
    encoding: str, shape: tuple[int, ...], code: int, rng: np.random.Generator
) -> None:
    pixels = rng.integers(0, 256, shape, np.uint8)
    image = image_of_rows(pixels.reshape(shape[0], -1), (64, 48), encoding)
    np.testing.assert_array_equal(decode_image(image), cv2.cvtColor(pixels, code))


@pytest.mark.parametrize(
    ('encoding', 'pixel_bytes', 'atol'),
    [
        ('bgr8', 3, 0),
        ('rgb8', 3, 0),
        ('bgra8', 4, 0),
        ('rgba8', 4, 0),
        ('mono8', 1, 0),
        ('bayer_rggb8', 1, 0),
        ('bayer_bggr8', 1, 0),
        ('bayer_gbrg8', 1, 0),
        ('bayer_grbg8', 1, 0),
        ('yuv422', 2, 0),
        ('yuv422_yuy2', 2, 0),
        # cv_bridge rounds to 8 bits where the high byte is kept here.
        ('mono16', 2, 1),
        ('bgr16', 6, 1),
        ('rgb16', 6, 1),
        ('bgra16', 8, 1),
        ('rgba16', 8, 1),
        ('bayer_rggb16', 2, 1),
        ('bayer_bggr16', 2, 1),
        ('bayer_gbrg16', 2, 1),
        ('bayer_grbg16', 2, 1),
    ],
)
@pytest.mark.parametrize('is_bigendian', [0, 1])
def test_every_encoding_equals_the_conversion_of_cv_bridge(
    encoding: str, pixel_bytes: int, atol: int, is_bigendian: int, rng: np.random.Generator
) -> None:
    cv_bridge = pytest.importorskip('cv_bridge', reason='needs cv_bridge')
    messages = pytest.importorskip('sensor_msgs.msg', reason='needs ROS 2')
    if is_bigendian and not hasattr(np.ndarray, 'newbyteorder'):
        pytest.skip('needs NumPy 1: cv_bridge fails on big-endian images with NumPy 2')
    for padding in (0, 2):  # pixels, because cv_bridge shears an image with another padding
        image = messages.Image(width=64, height=48, encoding=encoding, is_bigendian=is_bigendian)
        image.step = (64 + padding) * pixel_bytes
        image.data = array.array('B', rng.bytes(48 * image.step))

        theirs = cv_bridge.CvBridge().imgmsg_to_cv2(image, 'bgr8')

        ours = decode_image(image)
        np.testing.assert_allclose(
            ours.astype(int), theirs.astype(int), atol=atol, err_msg=f'padding {padding}'
        )


@pytest.mark.parametrize(
    'buffer',
    [
        pytest.param(lambda raw: array.array('B', raw), id='array'),
        pytest.param(bytes, id='bytes'),
        pytest.param(bytearray, id='bytearray'),
        pytest.param(memoryview, id='memoryview'),
        pytest.param(lambda raw: np.frombuffer(raw, np.uint8), id='ndarray'),
    ],
)
@pytest.mark.parametrize('padding', [0, 7])
def test_bgr8_is_a_view(
    buffer: Callable[[bytes], Any], padding: int, rng: np.random.Generator
) -> None:
    image = image_of_rows(rng.integers(0, 256, (40, 120), np.uint8), (40, 40), 'bgr8', padding)
    image.data = buffer(bytes(image.data))
    frame = decode_image(image)
    assert np.shares_memory(frame, np.frombuffer(image.data, np.uint8))


def test_the_smallest_and_the_largest_sizes_are_decoded() -> None:
    for width, height in [(32, 32), (MAX_IMAGE_SIDE, 32), (32, MAX_IMAGE_SIDE), (4096, 3072)]:
        image = Image(width, height, 'mono8', width, np.full(width * height, 9, np.uint8))
        frame = decode_image(image)
        assert frame.shape == (height, width, 3)
        assert (frame == 9).all()


GOOD = Image(width=64, height=48, encoding='bgr8', step=192, data=bytes(48 * 192))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'encoding': '32FC1'}, "32FC1 is a depth image; use the colour camera's topic"),
        ({'encoding': '32SC1'}, "32SC1 is a depth image; use the colour camera's topic"),
        ({'encoding': '8SC1'}, "8SC1 is a depth image; use the colour camera's topic"),
        ({'encoding': 'rgb32'}, "encoding 'rgb32' is not supported; publish one of bgr8,"),
        ({'encoding': ''}, "encoding '' is not supported"),
        ({'encoding': 'bayer_rggb32'}, 'not supported'),
        ({'width': 0}, '0x48; the driver must set width and height'),
        ({'height': 0}, '64x0; the driver must set width and height'),
        ({'width': 31}, '31x48; a frame must be at least 32x32'),
        ({'height': 1}, '64x1; a frame must be at least 32x32'),
        ({'width': 2**32 - 1, 'height': 2**32 - 1}, f'over the limit of {MAX_PIXELS} pixels'),
        ({'width': 32767, 'height': 32}, '32767x32, over the limit of 32766 pixels per side'),
        ({'width': 32, 'height': 32767}, '32x32767, over the limit of 32766 pixels per side'),
        ({'step': 0}, 'step is 0, but a row takes 192 bytes'),
        ({'step': 191}, 'step is 191, but a row takes 192 bytes'),
        ({'encoding': 'rgba16'}, 'step is 192, but a row takes 512 bytes'),
        ({'step': 2**32 - 1}, 'data holds 9216 bytes, but 48 rows of 4294967295 bytes'),
        ({'data': b''}, 'data holds 0 bytes, but 48 rows of 192 bytes .* are 9216'),
        ({'data': bytes(48 * 192 - 1)}, 'data holds 9215 bytes, but 48 rows of 192 bytes'),
        ({'data': [0] * 48 * 192}, 'must be an array of bytes, not list'),
        ({'data': None}, 'must be an array of bytes, not NoneType'),
        ({'data': np.zeros(2 * 48 * 192, np.uint8)[::2]}, 'must be an array of bytes, not ndarray'),
        # An odd width: the last pair of pixels is not there as a whole.
        ({'encoding': 'uyvy', 'width': 65, 'step': 130}, 'step is 130, but a row takes 132'),
        ({'encoding': 'nv12', 'width': 65, 'step': 65}, 'step is 65, but a row takes 66'),
        # The chroma plane is missing, or nobody knows where it starts.
        ({'encoding': 'nv12', 'step': 64, 'data': bytes(64 * 48)}, 'but 72 rows of 64 bytes'),
        ({'encoding': 'nv21', 'step': 64, 'data': bytes(64 * 84)}, 'data holds 5376 bytes, but 72'),
        ({'encoding': 'nv24', 'step': 64, 'data': bytes(64 * 143)}, 'but 144 rows of 64 bytes'),
    ],
)
def test_a_malformed_image_is_refused_with_the_reason(
    changes: dict[str, Any], message: str
) -> None:
    decode_image(GOOD)
    with pytest.raises(ImageError, match=message) as error:
        decode_image(replace(GOOD, **changes))
    assert '\n' not in str(error.value)


def test_more_data_than_rows_is_ignored() -> None:
    assert decode_image(replace(GOOD, data=bytes(48 * 192 + 5))).shape == (48, 64, 3)


@pytest.mark.parametrize('encoding', ALL_ENCODINGS)
def test_any_header_is_decoded_or_refused(encoding: str, rng: np.random.Generator) -> None:
    outcomes = set()
    for _ in range(300):
        width, height = rng.integers(30, 80, 2).tolist()
        step = int(rng.choice([1, 1.5, 2, 3, 4, 8]) * width) + int(rng.integers(0, 4))
        length = int(step * height * rng.choice([0.5, 1, 1.5, 3])) + int(rng.integers(-1, 2))
        image = Image(width, height, encoding, step, bytes(max(0, length)), int(rng.integers(0, 2)))
        try:
            frame = decode_image(image)
        except ImageError:
            outcomes.add('refused')
        else:
            outcomes.add('decoded')
            assert frame.shape == (height, width, 3)
    assert outcomes == {'decoded', 'refused'}


@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
@pytest.mark.parametrize('padding', [0, 5])
def test_labels_are_a_view_without_the_padding(
    encoding: str, padding: int, rng: np.random.Generator
) -> None:
    labels = rng.integers(0, 256, (7, 9), np.uint8)
    image = image_of_rows(labels, (9, 7), encoding, padding)
    np.testing.assert_array_equal(decode_labels(image), labels)
    assert np.shares_memory(decode_labels(image), np.frombuffer(image.data, np.uint8))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'encoding': 'bgr8'}, "labels are mono8 or 8UC1, one class id per pixel, not 'bgr8'"),
        ({'width': 0}, 'must set width and height'),
        ({'step': 8}, 'step is 8, but a row takes 9 bytes'),
        ({'data': bytes(62)}, 'data holds 62 bytes'),
    ],
)
def test_malformed_labels_are_refused_with_the_reason(
    changes: dict[str, Any], message: str
) -> None:
    image = Image(9, 7, 'mono8', 9, bytes(63))
    with pytest.raises(ImageError, match=message):
        decode_labels(replace(image, **changes))


@pytest.mark.parametrize(
    ('encoding', 'shape'),
    [
        ('mono8', (5, 9)),
        ('mono8', (5, 9, 1)),
        ('8UC1', (5, 9)),
        ('rgb8', (5, 9, 3)),
        ('bgr8', (5, 9, 3)),
        ('rgba8', (5, 9, 4)),
    ],
)
@pytest.mark.parametrize(
    'layout',
    [
        pytest.param(lambda pixels: pixels, id='contiguous'),
        pytest.param(lambda pixels: np.asfortranarray(pixels), id='fortran'),
        pytest.param(lambda pixels: np.pad(pixels, [(1, 1)] * pixels.ndim)[
            tuple(slice(1, -1) for _ in pixels.shape)], id='window'),
    ],
)  # fmt: skip
def test_a_ros_message_holds_the_pixels_row_by_row(
    layout: Callable[[Pixels], Pixels],
    encoding: str,
    shape: tuple[int, ...],
    rng: np.random.Generator,
) -> None:
    messages = pytest.importorskip('sensor_msgs.msg', reason='needs ROS 2')
    from bisenet_ros.node.publishers import to_message

    pixels = rng.integers(0, 256, shape, np.uint8)
    image = to_message(messages.Image, image_fields(layout(pixels), encoding))

    assert (image.width, image.height, image.encoding) == (9, 5, encoding)
    assert image.step == 9 * (shape[2] if len(shape) == 3 else 1)
    assert image.is_bigendian == 0
    assert isinstance(image.data, array.array)
    assert bytes(image.data) == pixels.tobytes()


@pytest.mark.parametrize(
    ('encoding', 'pixels'),
    [
        ('rgb8', np.zeros((4, 4), np.uint8)),
        ('mono8', np.zeros((4, 4, 3), np.uint8)),
        ('mono16', np.zeros((4, 4), np.uint8)),
        ('mono8', np.zeros((4, 4), np.int64)),
        ('nv12', np.zeros((6, 4), np.uint8)),
    ],
)
def test_pixels_that_are_not_of_the_encoding_are_refused(
    encoding: str, pixels: npt.NDArray[Any]
) -> None:
    with pytest.raises(ValueError, match=f'are not {encoding}'):
        image_fields(pixels, encoding)


def smooth_frame(width: int = 96, height: int = 64) -> Pixels:
    """(H, W, 3) that survives JPEG: blue grows to the right, green down, red is 200."""
    y, x = np.mgrid[:height, :width]
    return np.stack([2 * x, 3 * y, np.full_like(x, 200)], axis=-1).astype(np.uint8)


def encoded(pixels: npt.NDArray[Any], extension: str, *options: int) -> bytes:
    ok, data = cv2.imencode(extension, pixels, options)
    assert ok
    return data.tobytes()


@pytest.mark.parametrize(
    'image_format', ['bgr8; jpeg compressed bgr8', 'rgb8; jpeg compressed bgr8', 'jpeg', 'png', '']
)
@pytest.mark.parametrize(
    ('extension', 'options', 'atol'),
    [
        ('.png', [], 0),
        ('.jpg', [cv2.IMWRITE_JPEG_QUALITY, 98], 6),
        ('.jpg', [cv2.IMWRITE_JPEG_QUALITY, 98, cv2.IMWRITE_JPEG_PROGRESSIVE, 1], 6),
        ('.jpg', [cv2.IMWRITE_JPEG_QUALITY, 98, cv2.IMWRITE_JPEG_RST_INTERVAL, 2], 6),
    ],
)
def test_colour_images_are_decompressed_whatever_the_format_says(
    extension: str, options: list[int], atol: int, image_format: str
) -> None:
    frame = smooth_frame(97, 65)
    data = array.array('B', encoded(frame, extension, *options))
    decoded = decode_compressed(CompressedImage(image_format, data))
    assert decoded.dtype == np.uint8
    np.testing.assert_allclose(decoded.astype(int), frame, atol=atol)


def test_the_format_says_if_colours_were_swapped_before_compression() -> None:
    frame = smooth_frame()
    swapped = encoded(np.ascontiguousarray(frame[..., ::-1]), '.png')
    image = CompressedImage('rgb8; png compressed rgb8', swapped)
    np.testing.assert_array_equal(decode_compressed(image), frame)


def test_compressed_grey_alpha_and_16_bits_become_8_bits_of_colour(
    rng: np.random.Generator,
) -> None:
    frame = smooth_frame()
    gray = frame[..., 1]
    alpha = np.dstack([frame, rng.integers(0, 256, gray.shape, np.uint8)])
    low_bytes = rng.integers(0, 256, frame.shape, np.uint16)
    cases = {
        'mono8; png compressed ': (gray, np.dstack([gray] * 3)),
        'bgra8; png compressed bgr8': (alpha, frame),
        'bgr16; png compressed bgr16': (frame * np.uint16(256) + low_bytes, frame),
        'mono16; png compressed ': (
            gray * np.uint16(256) + low_bytes[..., 0],
            np.dstack([gray] * 3),
        ),
    }
    for image_format, (pixels, expected) in cases.items():
        decoded = decode_compressed(CompressedImage(image_format, encoded(pixels, '.png')))
        np.testing.assert_array_equal(decoded, expected, err_msg=image_format)


@pytest.mark.parametrize('bits', [8, 16])
def test_a_compressed_bayer_mosaic_is_demosaiced(bits: int) -> None:
    mosaic = np.empty((64, 96), np.uint8)
    mosaic[0::2, 0::2], mosaic[1::2, 1::2] = 210, 40  # red, blue
    mosaic[0::2, 1::2] = mosaic[1::2, 0::2] = 120
    pixels = mosaic if bits == 8 else mosaic * np.uint16(256)
    image = CompressedImage(f'bayer_rggb{bits}; png compressed ', encoded(pixels, '.png'))
    frame = decode_compressed(image)
    assert frame.shape == (64, 96, 3)
    assert (frame == (40, 120, 210)).all()


def exif_segment(content: bytes) -> bytes:
    payload = b'Exif\0\0' + content
    return b'\xff\xe1' + struct.pack('>H', len(payload) + 2) + payload


def test_exif_orientation_is_not_applied() -> None:
    frame = smooth_frame()
    rotated = b'MM\0*\0\0\0\x08\0\x01' + struct.pack('>HHIHH', 0x0112, 3, 1, 6, 0) + bytes(4)
    jpeg = encoded(frame, '.jpg', cv2.IMWRITE_JPEG_QUALITY, 98)
    jpeg = jpeg[:2] + exif_segment(rotated) + jpeg[2:]
    turned = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert turned is not None
    assert turned.shape == (96, 64, 3)
    decoded = decode_compressed(CompressedImage('jpeg', jpeg))
    np.testing.assert_allclose(decoded.astype(int), frame, atol=6)


@pytest.mark.parametrize('kept', [0.001, 0.05, 0.2, 0.5, 0.8, 0.99])
@pytest.mark.parametrize('extension', ['.jpg', '.png'])
def test_a_truncated_image_is_refused_in_one_line(
    extension: str, kept: float, rng: np.random.Generator
) -> None:
    data = encoded(rng.integers(0, 256, (120, 160, 3), np.uint8), extension)
    with pytest.raises(ImageError, match=r'cut short|is corrupt|neither JPEG nor PNG') as error:
        decode_compressed(CompressedImage('jpeg', data[: int(kept * len(data))]))
    assert '\n' not in str(error.value)


def test_fill_bytes_before_a_marker_of_a_jpeg_are_skipped() -> None:
    frame = smooth_frame()
    jpeg = encoded(frame, '.jpg').replace(b'\xff\xc0', b'\xff\xff\xff\xff\xc0', 1)
    assert decode_compressed(CompressedImage('jpeg', jpeg)).shape == frame.shape


def test_a_whole_thumbnail_does_not_hide_that_a_jpeg_is_truncated() -> None:
    frame = smooth_frame()
    jpeg = encoded(frame, '.jpg')
    jpeg = jpeg[:2] + exif_segment(encoded(frame[::2, ::2], '.jpg')) + jpeg[2:]
    assert decode_compressed(CompressedImage('jpeg', jpeg)).shape == frame.shape
    with pytest.raises(ImageError, match='the JPEG is cut short after'):
        decode_compressed(CompressedImage('jpeg', jpeg[:-2]))
    assert decode_compressed(CompressedImage('jpeg', jpeg + bytes(9))).shape == frame.shape


def png_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', checksum)


@pytest.mark.parametrize('position', [8, 33, -12], ids=['first', 'second', 'last'])
def test_a_chunk_that_claims_a_gigabyte_is_refused_before_decoding(position: int) -> None:
    png = bytearray(encoded(smooth_frame(), '.png'))
    struct.pack_into('>I', png, position, 1 << 30)
    with pytest.raises(ImageError, match=f'the PNG is cut short after {len(png)} bytes'):
        decode_compressed(CompressedImage('png', png))


def test_an_animated_png_is_refused_before_decoding() -> None:
    png = encoded(smooth_frame(), '.png')
    after_size = 33
    animation = png_chunk(b'acTL', struct.pack('>II', 2, 0))
    with pytest.raises(ImageError, match='the PNG is animated'):
        decode_compressed(CompressedImage('png', png[:after_size] + animation + png[after_size:]))
    text = png_chunk(b'tEXt', b'Comment\0acTL')
    commented = CompressedImage('png', png[:after_size] + text + png[after_size:])
    np.testing.assert_array_equal(decode_compressed(commented), smooth_frame())


@pytest.mark.parametrize('extension', ['.jpg', '.png'])
def test_damaged_data_is_decoded_or_refused(extension: str, rng: np.random.Generator) -> None:
    good = encoded(rng.integers(0, 256, (48, 64, 3), np.uint8), extension)
    for _ in range(150):
        damaged = bytearray(good)
        start = int(rng.integers(0, len(good) - 8))
        damaged[start : start + 8] = rng.bytes(8)
        with suppress(ImageError):
            assert decode_compressed(CompressedImage('', damaged)).ndim == 3


DISTANCES = encoded(np.full((48, 64), 1500, np.uint16), '.png')
"""An image of a depth camera, as cv_bridge compresses it without an encoding."""


@pytest.mark.parametrize('image_format', ['mono16; png compressed ', 'bayer_rggb16 ; png'])
def test_a_png_of_16_bits_with_the_encoding_of_a_camera_is_no_depth_image(
    image_format: str,
) -> None:
    frame = decode_compressed(CompressedImage(image_format, DISTANCES))
    assert frame.shape == (48, 64, 3)
    assert (frame == 1500 >> 8).all()


@pytest.mark.parametrize(
    ('image_format', 'data', 'message'),
    [
        ('jpeg', b'', r"format 'jpeg', 0 bytes\) is neither JPEG nor PNG"),
        ('h264', bytes(100), r"format 'h264', 100 bytes\) is neither JPEG nor PNG"),
        ('16UC1; png compressed ', bytes(100), "use the colour camera's topic"),
        ('16UC1; compressedDepth png', bytes(100), "use the colour camera's topic"),
        *(
            (name, DISTANCES, '16 bits, begin the format with mono16')
            for name in ('png', '', 'mono8; png', 'bgr8')
        ),
        *((f'{name} ; png', b'', 'is a depth') for name in ('16UC1', '16uc1', '32SC1', '16UC2')),
        ('png', b'\x89PNG\r\n\x1a\n', 'the PNG is cut short after 8 bytes'),
        ('jpeg', b'\xff\xd8\xff\xd9', 'the JPEG is cut short after 4 bytes'),
        ('jpeg', b'\xff\xd8\xff' + b'\xff' * 50, 'the JPEG is cut short'),
        ('jpeg', None, 'must be an array of bytes, not NoneType'),
        ('png', encoded(smooth_frame(31, 40), '.png'), '31x40; a frame must be at least 32x32'),
    ],
)
def test_a_malformed_compressed_image_is_refused_with_the_reason(
    image_format: str, data: object, message: str
) -> None:
    with pytest.raises(ImageError, match=message) as error:
        decode_compressed(CompressedImage(image_format, data))
    assert '\n' not in str(error.value)


def test_a_size_that_would_take_gigabytes_is_refused_before_decoding() -> None:
    png = bytearray(encoded(smooth_frame(), '.png'))
    png[16:24] = struct.pack('>II', 30000, 30000)
    jpeg = bytearray(encoded(smooth_frame(), '.jpg'))
    size_at = jpeg.index(b'\xff\xc0') + 5
    jpeg[size_at : size_at + 4] = struct.pack('>HH', 30000, 30000)
    for data in (png, jpeg):
        with pytest.raises(ImageError, match='30000x30000, over the limit'):
            decode_compressed(CompressedImage('', data))


@pytest.mark.parametrize(
    ('fields', 'shape'), [(png_fields, (1, 1_000_001)), (jpeg_fields, (1, 65_501, 3))]
)
def test_the_longest_side_is_compressed_and_what_the_codec_cannot_hold_is_an_error(
    fields: Callable[[Pixels], dict[str, Any]], shape: tuple[int, ...]
) -> None:
    for height, width in ((32, MAX_IMAGE_SIDE), (MAX_IMAGE_SIDE, 32)):
        pixels = np.full((height, width, *shape[2:]), 7, np.uint8)
        compressed = fields(pixels)
        decoded = decode_compressed(CompressedImage(compressed['format'], compressed['data']))
        assert (decoded == 7).all()
        assert decoded.shape == (height, width, 3)
    with pytest.raises(ValueError, match='cannot encode pixels of shape'):
        fields(np.zeros(shape, np.uint8))


def test_an_exception_of_opencv_becomes_an_image_error() -> None:
    program = """
from types import SimpleNamespace
import cv2, numpy
from bisenet_ros.image_codec import ImageError, decode_compressed
data = cv2.imencode('.png', numpy.zeros((64, 64, 3), numpy.uint8))[1].tobytes()
try:
    decode_compressed(SimpleNamespace(format='png', data=data))
except ImageError as error:
    print(error)
"""
    process = subprocess.run(
        [sys.executable, '-c', program],
        env={**os.environ, 'OPENCV_IO_MAX_IMAGE_PIXELS': '1000'},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert process.stdout.startswith('the PNG cannot be decoded: ')
    assert len(process.stdout.splitlines()) == 1
