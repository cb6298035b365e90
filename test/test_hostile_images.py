# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Any image message is decoded as a plain reference does it, or refused; memory beyond it is safe.

`--hypothesis-profile million` tries many more than `make test`.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from bisenet_ros.image_codec import ImageError, decode_image, decode_labels
from bisenet_ros.limits import MAX_IMAGE_SIDE, MAX_PIXELS, MIN_SIDE

Pixels = npt.NDArray[np.uint8]

# Where blue, green and red are among the samples of a pixel, and how many there are.
SAMPLES = {
    'bgr': (0, 1, 2, 3),
    'rgb': (2, 1, 0, 3),
    'bgra': (0, 1, 2, 4),
    'rgba': (2, 1, 0, 4),
    'mono': (0, 0, 0, 1),
}
PACKED = {f'{name}{bits}': (*of, bits) for name, of in SAMPLES.items() for bits in (8, 16)}
PACKED |= {'8UC1': PACKED['mono8'], '8UC3': PACKED['bgr8'], '8UC4': PACKED['bgra8']}
BAYER = {f'bayer_{p}{b}': (p, b) for p in ('rggb', 'bggr', 'gbrg', 'grbg') for b in (8, 16)}
# Where the first pixel's Y, U, V and the second pixel's Y are among four bytes.
YUV422 = {'yuv422': (1, 0, 2, 3), 'uyvy': (1, 0, 2, 3)}
YUV422 |= {'yuv422_yuy2': (0, 1, 3, 2), 'yuyv': (0, 1, 3, 2)}
YUV420 = {'nv12': (0, 1), 'nv21': (1, 0)}
ENCODINGS = (*PACKED, *BAYER, *YUV422, *YUV420, 'nv24')

# Of a pixel in a mosaic: itself, those beside it, those at its corners.
NEIGHBOURS = (
    [(0, 0)],
    [(-1, 0), (1, 0), (0, -1), (0, 1)],
    [(-1, -1), (-1, 1), (1, -1), (1, 1)],
)

_CAPACITY = 1 << 16


@dataclass
class Message:
    """The fields of sensor_msgs/Image."""

    width: int
    height: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


def _memory_before_a_forbidden_page() -> Pixels:
    memory = mmap.mmap(-1, _CAPACITY + mmap.PAGESIZE)
    bytes_ = np.frombuffer(memory, np.uint8)
    libc = ctypes.CDLL(None, use_errno=True)
    forbidden = ctypes.c_void_p(bytes_.ctypes.data + _CAPACITY)
    assert libc.mprotect(forbidden, ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    return bytes_[:_CAPACITY]


MEMORY = _memory_before_a_forbidden_page()


def row_bytes(encoding: str, width: int) -> int:
    """What a row of the first plane takes at least."""
    if encoding in PACKED:
        return width * PACKED[encoding][3] * PACKED[encoding][4] // 8
    if encoding in BAYER:
        return width * BAYER[encoding][1] // 8
    even = width + width % 2
    return {**dict.fromkeys(YUV422, 2 * even), **dict.fromkeys(YUV420, even)}.get(encoding, width)


def rows_of(encoding: str, height: int) -> int:
    """The rows of all planes."""
    if encoding in YUV420:
        return height + (height + 1) // 2
    return 3 * height if encoding == 'nv24' else height


def fits(message: Message) -> bool:
    """Whether the fields do not contradict each other."""
    expected = rows_of(message.encoding, message.height) * message.step
    several = message.encoding in YUV420 or message.encoding == 'nv24'
    return (
        message.encoding in ENCODINGS
        and min(message.width, message.height) >= MIN_SIDE
        and max(message.width, message.height) <= MAX_IMAGE_SIDE
        and message.width * message.height <= MAX_PIXELS
        and message.step >= row_bytes(message.encoding, message.width)
        and (message.data.size == expected if several else message.data.size >= expected)
    )


# Most lie around sizes that are usual; a few are anything that the fields can hold.
SIDES = st.integers(MIN_SIDE, 70) | st.integers(MIN_SIDE - 2, 70) | st.integers(0, 2**32 - 1)


@st.composite
def messages(draw: st.DrawFn, encodings: Sequence[str]) -> Message:
    encoding = draw(st.sampled_from(encodings) | st.sampled_from(encodings) | st.text(max_size=12))
    width, height = draw(SIDES), draw(SIDES)
    least = row_bytes(encoding, width)
    padding = st.sampled_from((0, 0, 1, 13, -1, 64)).map(lambda extra: max(0, least + extra))
    step = draw(st.one_of(padding, padding, padding, st.integers(0, 2**32 - 1)))
    whole = rows_of(encoding, height) * step
    surplus = st.sampled_from((0, 0, 0, -1, 1, -step, step)).map(lambda extra: whole + extra)
    length = draw(st.one_of(surplus, surplus, surplus, st.integers(0, _CAPACITY)))
    length = max(0, min(length, _CAPACITY))
    data = MEMORY[_CAPACITY - length :]
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    data[:] = rng.integers(0, 256, length, np.uint8)
    return Message(width, height, encoding, draw(st.integers(0, 2)), step, data)


def reference(message: Message) -> tuple[npt.NDArray[np.float64], float]:
    """(H, W, 3) BGR, byte by byte where the standards say that they are, and the tolerance."""
    data, step, encoding = message.data, message.step, message.encoding
    y, x = np.mgrid[: message.height, : message.width]
    high = 0 if message.is_bigendian else 1
    if encoding in PACKED:
        blue, green, red, channels, bits = PACKED[encoding]
        first = y * step + x * channels * bits // 8
        offset = high if bits == 16 else 0
        planes = [data[first + sample * bits // 8 + offset] for sample in (blue, green, red)]
        return np.stack(planes, axis=-1).astype(float), 0
    if encoding in BAYER:
        pattern, bits = BAYER[encoding]
        mosaic = data[y * step + x * bits // 8 + (high if bits == 16 else 0)]
        return demosaiced(mosaic.astype(int), pattern), 0
    if encoding in YUV422:
        luma, u, v, second = YUV422[encoding]
        pair = y * step + x // 2 * 4
        bright = data[pair + np.where(x % 2, second, luma)]
        return bgr_of_yuv(bright, data[pair + u], data[pair + v])
    chroma = data[message.height * step :]
    if encoding in YUV420:
        u, v = YUV420[encoding]
        pair = y // 2 * step + x // 2 * 2
    else:
        u, v = 0, 1
        pair = 2 * y * step + 2 * x
    return bgr_of_yuv(data[y * step + x], chroma[pair + u], chroma[pair + v])


def bgr_of_yuv(y: Pixels, u: Pixels, v: Pixels) -> tuple[npt.NDArray[np.float64], float]:
    """ITU-R BT.601, limited range; what is below black is black."""
    luma = np.maximum(y.astype(float) - 16, 0) * 255 / 219
    cb, cr = (u.astype(float) - 128) * 255 / 224, (v.astype(float) - 128) * 255 / 224
    red, blue = luma + 1.402 * cr, luma + 1.772 * cb
    green = luma - (0.299 * 1.402 * cr + 0.114 * 1.772 * cb) / 0.587
    return np.stack([blue, green, red], axis=-1).clip(0, 255), 1.01


def demosaiced(mosaic: npt.NDArray[np.int_], pattern: str) -> npt.NDArray[np.float64]:
    """(H, W, 3): each colour the rounded mean of the closest; the border repeats its neighbours."""
    height, width = mosaic.shape
    color = np.array([[pattern[0], pattern[1]], [pattern[2], pattern[3]]])
    colors = np.tile(color, (height // 2 + 1, width // 2 + 1))[:height, :width]
    found = np.zeros((height, width, 3))
    for channel, name in enumerate('bgr'):
        known = colors == name
        missing = np.ones_like(known)
        for reach in NEIGHBOURS:
            total = sum(np.roll(np.where(known, mosaic, 0), place, (0, 1)) for place in reach)
            count = sum(np.roll(known, place, (0, 1)).astype(int) for place in reach)
            fill = missing & (count > 0)
            mean = (total + count // 2) // np.maximum(count, 1)
            found[..., channel] = np.where(fill, mean, found[..., channel])
            missing &= ~fill
    found[0], found[-1] = found[1], found[-2]
    found[:, 0], found[:, -1] = found[:, 1], found[:, -2]
    return found


def read(decode: Callable[[Any], Pixels], message: Message) -> Pixels | str:
    """What is read of a message, or why it is refused."""
    try:
        return decode(message)
    except ImageError as error:
        return str(error)


@given(messages(ENCODINGS))
def test_any_message_is_decoded_right_or_refused(message: Message) -> None:
    frame = read(decode_image, message)
    if isinstance(frame, str):
        assert not fits(message), frame
        assert frame.isprintable()
        return
    assert fits(message)
    bgr, tolerance = reference(message)
    assert (frame.dtype, frame.shape) == (np.uint8, bgr.shape)
    assert np.abs(frame - bgr).max() <= tolerance


@given(messages(('mono8', '8UC1')))
def test_any_labels_are_read_right_or_refused(message: Message) -> None:
    labels = read(decode_labels, message)
    expected = (
        message.encoding in ('mono8', '8UC1')
        and 0 < message.width * message.height <= MAX_PIXELS
        and max(message.width, message.height) <= MAX_IMAGE_SIDE
        and message.step >= message.width
        and message.data.size >= message.height * message.step
    )
    assert isinstance(labels, str) != expected, labels
    if expected:
        y, x = np.mgrid[: message.height, : message.width]
        assert (labels == message.data[y * message.step + x]).all()
