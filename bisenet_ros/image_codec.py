# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Converts image messages to NumPy arrays and back, without a copy where that is possible.

A message is any object with the fields of `sensor_msgs/Image` or `sensor_msgs/CompressedImage`
whose `data` supports the buffer protocol, such as those of rclpy and rosbags.

Every message is either decoded or refused with an `ImageError`; no byte outside `data` is read.
16-bit samples keep their most significant byte. YUV is ITU-R BT.601, limited range, as in OpenCV
and cv_bridge.
"""

from __future__ import annotations

import array
import re
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.errors import UserError
from bisenet_ros.image_header import (
    JPEG_START,
    PNG_START,
    HeaderError,
    check_size,
    grey_bits,
)
from bisenet_ros.limits import MIN_SIDE, exceeded

# Measured on labels, masks and confidences: of the fast settings, the one with the fewest bytes.
_PNG_SETTINGS = [
    cv2.IMWRITE_PNG_COMPRESSION,
    1,
    cv2.IMWRITE_PNG_STRATEGY,
    cv2.IMWRITE_PNG_STRATEGY_RLE,
]
if hasattr(cv2, 'IMWRITE_PNG_FILTER'):  # OpenCV before 4.12 tries five filters for each row
    _PNG_SETTINGS += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
_JPEG_SETTINGS = [cv2.IMWRITE_JPEG_QUALITY, 80]


class ImageError(UserError):
    """An image message cannot be decoded; the error says why, and what to change."""


class ImageMessage(Protocol):
    """The fields of `sensor_msgs/Image` that are used; `data` supports the buffer protocol."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class CompressedImageMessage(Protocol):
    """The fields of `sensor_msgs/CompressedImage`; `data` supports the buffer protocol."""

    format: str
    data: Any


class _Packed(NamedTuple):
    """An encoding with interleaved channels."""

    channels: int
    sample_bytes: int
    to_bgr: int | None  # OpenCV's conversion code; None if the channels are already BGR


# ROS names a Bayer pattern by the top left 2 x 2 pixels, OpenCV by the second and third pixel of
# the second row: bayer_rggb is BayerBG.
_PIXELS: dict[str, tuple[int, int | None]] = {
    'bgr': (3, None),
    'rgb': (3, cv2.COLOR_RGB2BGR),
    'bgra': (4, cv2.COLOR_BGRA2BGR),
    'rgba': (4, cv2.COLOR_RGBA2BGR),
    'mono': (1, cv2.COLOR_GRAY2BGR),
    'bayer_rggb': (1, cv2.COLOR_BayerBG2BGR),
    'bayer_bggr': (1, cv2.COLOR_BayerRG2BGR),
    'bayer_gbrg': (1, cv2.COLOR_BayerGR2BGR),
    'bayer_grbg': (1, cv2.COLOR_BayerGB2BGR),
}
_PACKED = {
    f'{pixel}{bits}': _Packed(channels, bits // 8, to_bgr)
    for bits in (8, 16)
    for pixel, (channels, to_bgr) in _PIXELS.items()
}
_PACKED |= {'8UC1': _PACKED['mono8'], '8UC3': _PACKED['bgr8'], '8UC4': _PACKED['bgra8']}

# Two pixels share one pair of chroma samples: four bytes.
_YUV422 = {
    'yuv422': cv2.COLOR_YUV2BGR_UYVY,
    'uyvy': cv2.COLOR_YUV2BGR_UYVY,
    'yuv422_yuy2': cv2.COLOR_YUV2BGR_YUY2,
    'yuyv': cv2.COLOR_YUV2BGR_YUY2,
}
# A luma plane, then a plane in which 2 x 2 pixels share one pair of chroma samples.
_YUV420 = {'nv12': cv2.COLOR_YUV2BGR_NV12, 'nv21': cv2.COLOR_YUV2BGR_NV21}
# A luma plane, then a plane with a pair of chroma samples per pixel.
_YUV444 = 'nv24'

_DEPTH = re.compile(r'(8S|16[US]|32[SF]|64F)C[12]', re.IGNORECASE)
"""Encodings of numbers that are no colours, as depth and stereo cameras publish them."""

_LABEL_ENCODINGS = ('mono8', '8UC1')


def decode(msg: Any) -> npt.NDArray[np.uint8]:
    """Decodes an Image or a CompressedImage to (H, W, 3) BGR.

    Raises:
        ImageError: See `decode_image` and `decode_compressed`.
    """
    return decode_compressed(msg) if hasattr(msg, 'format') else decode_image(msg)


def is_depth(msg: Any) -> bool:
    """Returns whether an image is a depth image by its encoding or format.

    A PNG with one channel of 16 bits is one, too, unless its format names a camera's encoding.

    Raises:
        ImageError: The data of a compressed image is not an array of bytes.
    """
    if not hasattr(msg, 'format'):
        return _DEPTH.fullmatch(msg.encoding) is not None
    encoding = _encoding_of(msg)
    if 'compressedDepth' in msg.format or _DEPTH.fullmatch(encoding):
        return True
    packed = _PACKED.get(encoding)
    is_grey_camera = packed is not None and (packed.channels, packed.sample_bytes) == (1, 2)
    return not is_grey_camera and grey_bits(_buffer(msg.data)[:26].tobytes()) == 16


def decode_image(msg: ImageMessage) -> npt.NDArray[np.uint8]:
    """Decodes an `Image` message.

    Rows may be padded (`step`) and 16-bit samples may have either byte order (`is_bigendian`). Odd
    sizes are accepted in every encoding. If pixels share chroma samples, the last group of pixels
    must be complete, as V4L2 defines it.

    Returns:
        (H, W, 3) BGR. For bgr8 and 8UC3 this is a view of `msg.data`, writable if that is;
        otherwise it is a new array.

    Raises:
        ImageError: The encoding is unknown, the size is out of range, or `step` and the length of
            `data` contradict the size.
    """
    _check_frame_size(msg.width, msg.height)
    if msg.encoding in _PACKED:
        return _decode_packed(msg, _PACKED[msg.encoding])
    if msg.encoding in _YUV422:
        return _decode_yuv422(msg, _YUV422[msg.encoding])
    if msg.encoding in _YUV420:
        return _decode_yuv420(msg, _YUV420[msg.encoding])
    if msg.encoding == _YUV444:
        return _decode_yuv444(msg)
    if is_depth(msg):
        raise ImageError(f"{msg.encoding} is a depth image; use the colour camera's topic")
    supported = ', '.join([*_PACKED, *_YUV422, *_YUV420, _YUV444])
    raise ImageError(f'encoding {msg.encoding!r} is not supported; publish one of {supported}')


def decode_labels(msg: ImageMessage) -> npt.NDArray[np.uint8]:
    """Returns the class ids of an `Image` message in mono8 or 8UC1.

    Returns:
        (H, W), a view of `msg.data`.

    Raises:
        ImageError: The encoding is not one of these, the size is out of range, or `step` and the
            length of `data` contradict the size.
    """
    if msg.encoding not in _LABEL_ENCODINGS:
        raise ImageError(f'labels are mono8 or 8UC1, one class id per pixel, not {msg.encoding!r}')
    _check_size(msg.width, msg.height)
    return _rows(msg, msg.width)[:, : msg.width]


def decode_compressed(msg: CompressedImageMessage) -> npt.NDArray[np.uint8]:
    """Decodes a `CompressedImage` message that holds a JPEG or a PNG.

    `format` is parsed as compressed_image_transport writes it ('rgb8; jpeg compressed bgr8'). It
    tells whether red and blue are swapped, and whether the image is a Bayer mosaic, which that
    transport compresses unchanged. The codec is detected from the data. An EXIF orientation is not
    applied, so that the pixels match the camera's calibration.

    Damage inside a JPEG's entropy-coded data cannot be detected if the end is intact: the frame
    decodes with errors.

    Returns:
        (H, W, 3) BGR, a new array.

    Raises:
        ImageError: The data is not a JPEG or PNG, is truncated or corrupt, or the size is out of
            range.
    """
    if is_depth(msg):
        raise ImageError(
            f"format {msg.format.strip()!r} is a depth image; use the colour camera's topic, or,"
            ' for a grey camera with 16 bits, begin the format with mono16'
        )
    data = bytes(_buffer(msg.data))
    codec = 'JPEG' if data.startswith(JPEG_START) else 'PNG'
    if not data.startswith((JPEG_START, PNG_START)):
        raise ImageError(
            f'the compressed image (format {msg.format!r}, {len(data)} bytes) is neither JPEG nor '
            'PNG; publish one of these or a raw image'
        )
    try:
        size = check_size(data)
    except HeaderError as error:
        raise ImageError(f'{error}; check the transport from the camera') from error
    assert size is not None  # because it is a JPEG or a PNG
    _check_frame_size(*size)
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f'the {codec} cannot be decoded: {error.err}') from error
    if pixels is None:
        raise ImageError(
            f'the {codec} of {len(data)} bytes is corrupt; check the transport from the camera'
        )

    encoding = _encoding_of(msg)
    if pixels.ndim == 2:
        is_mosaic = encoding.startswith('bayer_') and encoding in _PACKED
        return _convert(pixels, _PACKED[encoding].to_bgr if is_mosaic else cv2.COLOR_GRAY2BGR)
    # The transport may have passed RGB to an encoder that expects BGR.
    is_swapped = 'compressed rgb' in msg.format.partition(';')[2]
    return _convert(pixels, cv2.COLOR_RGB2BGR if is_swapped else None)


def image_fields(pixels: npt.NDArray[np.uint8], encoding: str) -> dict[str, Any]:
    """Returns the fields of `sensor_msgs/Image` except the header; `data` is (N,) uint8, unpadded.

    Args:
        pixels: (H, W) or (H, W, C), contiguous or not.
        encoding: A packed 8-bit encoding with C channels, such as mono8 or rgb8.

    Raises:
        ValueError: The encoding does not fit the pixels.
    """
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    packed = _PACKED.get(encoding)
    if pixels.dtype != np.uint8 or packed is None or packed[:2] != (channels, 1):
        raise ValueError(f'{pixels.dtype} pixels of shape {pixels.shape} are not {encoding}')
    height, width = pixels.shape[:2]
    return {
        'height': height,
        'width': width,
        'encoding': encoding,
        'is_bigendian': 0,
        'step': width * channels,
        'data': np.ascontiguousarray(pixels).reshape(-1),
    }


def png_fields(pixels: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """Returns the fields of `sensor_msgs/CompressedImage` except the header, for a PNG of mono8.

    The compression is lossless. `format` is what compressed_image_transport writes for mono8
    (ros-perception/image_transport_plugins, compressed_publisher.cpp). It ends in a space because
    only colour images name the encoding in the file there.

    Args:
        pixels: (H, W).

    Raises:
        ValueError: A side is too long for a PNG.
    """
    return _compressed_fields('mono8; png compressed ', '.png', pixels, _PNG_SETTINGS)


def jpeg_fields(pixels: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """Returns the same fields for a JPEG of a colour image, which subscribers decode as rgb8.

    Args:
        pixels: (H, W, 3) BGR.

    Raises:
        ValueError: A side is too long for a JPEG.
    """
    return _compressed_fields('rgb8; jpeg compressed bgr8', '.jpg', pixels, _JPEG_SETTINGS)


def _encoding_of(msg: CompressedImageMessage) -> str:
    """Returns the encoding of the image before its compression, as the format names it."""
    return msg.format.partition(';')[0].strip()


def _compressed_fields(
    form: str, suffix: str, pixels: npt.NDArray[np.uint8], settings: list[int]
) -> dict[str, Any]:
    done, data = cv2.imencode(suffix, pixels, settings)
    if not done:
        raise ValueError(f'OpenCV cannot encode pixels of shape {pixels.shape} as {suffix}')
    return {'format': form, 'data': data.reshape(-1)}


def to_array(values: npt.NDArray[Any]) -> array.array[Any]:
    """Converts a (N,) array to the type that rclpy's setters accept without checking each value."""
    filled: array.array[Any] = array.array(values.dtype.char)
    filled.frombytes(np.ascontiguousarray(values).view(np.uint8).data)
    return filled


def _decode_packed(msg: ImageMessage, packed: _Packed) -> npt.NDArray[np.uint8]:
    """Decodes interleaved channels to (H, W, 3) BGR."""
    samples = msg.width * packed.channels
    row_bytes = samples * packed.sample_bytes
    rows = _rows(msg, row_bytes)[:, :row_bytes]
    if packed.sample_bytes == 2:
        high_byte = 0 if msg.is_bigendian else 1
        sample_bytes = rows.reshape(msg.height, samples, 2)
        rows = np.asarray(cv2.extractChannel(sample_bytes, high_byte), np.uint8)
    if packed.channels == 1:
        return _convert(rows, packed.to_bgr)
    return _convert(rows.reshape(msg.height, msg.width, packed.channels), packed.to_bgr)


def _decode_yuv422(msg: ImageMessage, to_bgr: int) -> npt.NDArray[np.uint8]:
    """Decodes packed 4:2:2, which stores pixels in pairs, to (H, W, 3) BGR."""
    even_width = _round_up_to_even(msg.width)
    pixels = _rows(msg, 2 * even_width)[:, : 2 * even_width].reshape(msg.height, even_width, 2)
    return _convert(pixels, to_bgr)[:, : msg.width]


def _decode_yuv420(msg: ImageMessage, to_bgr: int) -> npt.NDArray[np.uint8]:
    """Decodes a luma plane and a chroma plane of half its size, rounded up, to (H, W, 3) BGR."""
    even_width, even_height = _round_up_to_even(msg.width), _round_up_to_even(msg.height)
    rows = _rows(msg, even_width, total_rows=msg.height + even_height // 2)
    luma = rows[: msg.height, : msg.width]
    chroma = rows[msg.height :, :even_width].reshape(even_height // 2, even_width // 2, 2)
    if luma.shape != (even_height, even_width):  # OpenCV wants whole blocks of 2 x 2 pixels
        missing = ((0, even_height - msg.height), (0, even_width - msg.width))
        luma = np.pad(luma, missing)
    bgr = np.asarray(cv2.cvtColorTwoPlane(luma, chroma, to_bgr), np.uint8)
    return bgr[: msg.height, : msg.width]


def _decode_yuv444(msg: ImageMessage) -> npt.NDArray[np.uint8]:
    """Decodes a luma plane and a chroma plane with rows of twice its length to (H, W, 3) BGR."""
    rows = _rows(msg, msg.width, total_rows=3 * msg.height)
    luma = rows[: msg.height, : msg.width]
    chroma = rows[msg.height :].reshape(msg.height, 2 * msg.step)[:, : 2 * msg.width]
    # OpenCV has no conversion for limited-range 4:4:4, so each pixel becomes a 4:2:2 pair.
    pairs = np.empty((msg.height, msg.width, 4), np.uint8)  # (H, W, Y U Y V)
    planes = [luma, chroma.reshape(msg.height, msg.width, 2)]
    cv2.mixChannels(planes, [pairs], [0, 0, 1, 1, 0, 2, 2, 3])
    doubled = _convert(pairs.reshape(msg.height, 2 * msg.width, 2), cv2.COLOR_YUV2BGR_YUY2)
    size = (msg.width, msg.height)
    bgr = cv2.resize(doubled, size, interpolation=cv2.INTER_NEAREST)  # every other column
    return np.asarray(bgr, np.uint8)


def _convert(pixels: npt.NDArray[Any], code: int | None) -> npt.NDArray[np.uint8]:
    """Applies an OpenCV colour conversion; returns the pixels themselves for None."""
    return np.asarray(pixels if code is None else cv2.cvtColor(pixels, code), np.uint8)


def _rows(
    msg: ImageMessage, row_bytes: int, total_rows: int | None = None
) -> npt.NDArray[np.uint8]:
    """Returns a view of `msg.data` as (rows, step), padding included.

    Args:
        msg: The message.
        row_bytes: Minimum number of bytes in a row.
        total_rows: Rows of all planes together; None for a single plane. With several planes, the
            length of the data must match exactly: otherwise the start of the second is unknown.

    Raises:
        ImageError: `step` is under `row_bytes`, or the length of `data` does not fit the rows.
    """
    image = f'{msg.width}x{msg.height} {msg.encoding} image'
    if msg.step < row_bytes:
        raise ImageError(
            f'{image}: step is {msg.step}, but a row takes {row_bytes} bytes; the driver must set '
            'step to the bytes of a row, padding included'
        )
    rows = msg.height if total_rows is None else total_rows
    data = _buffer(msg.data)
    expected = rows * msg.step
    if data.size < expected or (total_rows is not None and data.size != expected):
        raise ImageError(
            f'{image}: data holds {data.size} bytes, but {rows} rows of {msg.step} bytes (step) '
            f'are {expected}; check the driver and what lies between it and this node'
        )
    return data[:expected].reshape(rows, msg.step)


def _buffer(data: Any) -> npt.NDArray[np.uint8]:
    """Returns a view of an object with the buffer protocol as (N,) bytes.

    Raises:
        ImageError: It has no buffer, or the buffer is not contiguous.
    """
    try:
        return np.frombuffer(data, np.uint8)
    except (TypeError, ValueError, BufferError) as error:
        raise ImageError(
            f'image data must be an array of bytes, not {type(data).__name__}: {error}'
        ) from error


def _check_size(width: int, height: int) -> None:
    """Refuses invalid sizes.

    Raises:
        ImageError: The size is zero or over a limit; see `exceeded`.
    """
    if width <= 0 or height <= 0:
        raise ImageError(f'the image is {width}x{height}; the driver must set width and height')
    if limit := exceeded(width, height):
        raise ImageError(
            f'the image is {width}x{height}, {limit}; if the camera is that large, publish a '
            'smaller image'
        )


def _check_frame_size(width: int, height: int) -> None:
    """Refuses invalid sizes, and sizes that are too small for the network.

    Raises:
        ImageError: A side is under `MIN_SIDE`, or the size is over a limit; see `exceeded`.
    """
    _check_size(width, height)
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f'the image is {width}x{height}; a frame must be at least {MIN_SIDE}x{MIN_SIDE}'
        )


def _round_up_to_even(number: int) -> int:
    return number + number % 2
