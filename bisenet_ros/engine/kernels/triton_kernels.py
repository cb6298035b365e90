# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Defines the kernels in Triton's language; `in_triton` launches them.

The kernels are not specialised on anything that depends on a camera. So `Segmenter.load` compiles
everything, and a camera of another size that appears later does not wait for compilation.

Fused multiply-add is used only where it is written: results are bit-identical to those of OpenCV
and of `_upsample_argmax.c`.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit(
    do_not_specialize=[
        'frame_height',
        'frame_width',
        'width',
        'row_stride',
        'pixel_stride',
        'x_count',
        'y_count',
    ]
)
def prepare_kernel(
    frame,  # (frame_height, frame_width, 3) uint8
    target,  # (height, width, 3), rows `row_stride` and pixels `pixel_stride` apart
    x_first,
    x_weights,
    y_first,
    y_weights,
    frame_height,
    frame_width,
    width,
    row_stride,
    pixel_stride,
    x_count,
    y_count,
    scale,
    bias,
    factor0,
    offset0,
    factor1,
    offset1,
    factor2,
    offset2,
    reverse: tl.constexpr,
    truncate: tl.constexpr,
    block: tl.constexpr,
):
    """Resizes, reorders the colours and normalises `block` values of one row of the target.

    A row is treated as 3 * width consecutive values, so that adjacent threads write adjacent memory
    and read almost adjacent memory.
    """
    y = tl.program_id(1)
    value = tl.program_id(0) * block + tl.arange(0, block)
    inside = value < 3 * width
    x = value // 3
    channel = value % 3
    first_x = tl.load(x_first + x, mask=inside, other=0)
    first_y = tl.load(y_first + y)
    color = 2 - channel if reverse else channel

    # Whole numbers have up to 27 bits on the way, of which float32 would keep 24.
    number: tl.constexpr = tl.int32 if truncate else tl.float32
    total = tl.full([block], 0, number)
    for j in range(y_count):
        row = tl.minimum(tl.maximum(first_y + j, 0), frame_height - 1) * frame_width
        along_x = tl.full([block], 0, number)
        for i in range(x_count):
            column = tl.minimum(tl.maximum(first_x + i, 0), frame_width - 1)
            pixel = tl.load(frame + (row + column) * 3 + color, mask=inside, other=0)
            weight = tl.load(x_weights + x * x_count + i, mask=inside, other=0)
            along_x += weight * pixel.to(number)
        weight = tl.load(y_weights + y * y_count + j)
        if truncate:
            total += (weight * (along_x >> 4)) >> 16
        else:
            total += weight * along_x
    if truncate:
        pixel = ((total + 2) >> 2).to(tl.float32)
    else:
        # The sum is so large that no bit is left for a fraction: it is rounded to nearest, ties to
        # even.
        pixel = (total * scale + bias + 12582912.0) - 12582912.0  # 1.5 * 2^23
    factor = tl.where(channel == 0, factor0, tl.where(channel == 1, factor1, factor2))
    offset = tl.where(channel == 0, offset0, tl.where(channel == 1, offset1, offset2))
    place = y * row_stride + x * pixel_stride + channel
    tl.store(target + place, pixel * factor + offset, mask=inside)


@triton.jit(
    do_not_specialize=[
        'class_stride',
        'row_stride',
        'column_stride',
        'height',
        'width',
        'classes',
        'min_confidence',
        'min_drivable_confidence',
    ]
)
def draw_kernel(
    logits,
    class_stride,
    row_stride,
    column_stride,
    tiles,
    below_weights,
    columns,
    right_weights,
    drivable,  # (256,) uint8
    planes,  # (2 or 3, height, width) uint8
    height,
    width,
    classes,
    min_confidence,
    min_drivable_confidence,
    with_confidence: tl.constexpr,
    ignored: tl.constexpr,
    tile_rows: tl.constexpr,
    tile_columns: tl.constexpr,
):
    """Upsamples and finds the best class, in `tile_columns` columns of one tile of rows.

    All pixels of a tile lie between the same two rows of the grid, so a class is interpolated along
    x only twice for the whole tile. The arithmetic is that of `_upsample_argmax.c`.
    """
    tile = tiles + 4 * tl.program_id(1)
    above = logits + tl.load(tile) * row_stride
    below = logits + tl.load(tile + 1) * row_stride
    y = tl.load(tile + 2) + tl.arange(0, tile_rows)
    y_inside = y < tl.load(tile + 3)
    below_weight = tl.load(below_weights + y, mask=y_inside, other=0)
    above_weight = 1 - below_weight

    x = tl.program_id(0) * tile_columns + tl.arange(0, tile_columns)
    x_inside = x < width
    left = tl.load(columns + x, mask=x_inside, other=0) * column_stride
    right = tl.load(columns + width + x, mask=x_inside, other=0) * column_stride
    right_weight = tl.load(right_weights + x, mask=x_inside, other=0)
    left_weight = 1 - right_weight

    best = tl.full([tile_rows, tile_columns], float('-inf'), tl.float32)
    label = tl.full([tile_rows, tile_columns], 0, tl.int32)
    total = tl.full([tile_rows, tile_columns], 0, tl.float32)  # sum(exp(score - best))
    for index in range(classes):
        upper = tl.fma(
            tl.load(above + left).to(tl.float32),
            left_weight,
            tl.load(above + right).to(tl.float32) * right_weight,
        )
        lower = tl.fma(
            tl.load(below + left).to(tl.float32),
            left_weight,
            tl.load(below + right).to(tl.float32) * right_weight,
        )
        score = tl.fma(
            tl.broadcast_to(upper[None, :], [tile_rows, tile_columns]),
            tl.broadcast_to(above_weight[:, None], [tile_rows, tile_columns]),
            lower[None, :] * below_weight[:, None],
        )
        label = tl.where(score > best, index, label)
        if with_confidence:
            higher = tl.maximum(best, score)
            total = total * tl.exp(best - higher) + tl.exp(score - higher)
            best = higher
        else:
            best = tl.maximum(best, score)
        above += class_stride
        below += class_stride

    output = planes + y[:, None] * width + x[None, :]
    inside = y_inside[:, None] & x_inside[None, :]
    if with_confidence:
        confidence = (255 / total + 0.5).to(tl.int32)
        label = tl.where(confidence < min_confidence, ignored, label)
        tl.store(output + 2 * height * width, confidence.to(tl.uint8), mask=inside)
    tl.store(output, label.to(tl.uint8), mask=inside)
    value = tl.load(drivable + label)
    if with_confidence:
        value = tl.where(confidence < min_drivable_confidence, 0, value)
    tl.store(output + height * width, value, mask=inside)


@triton.jit(do_not_specialize=['height', 'width', 'out_height', 'out_width'])
def depthwise_kernel(
    images,  # (B, height, width, channels / multiplier)
    weights,  # (9, channels)
    biases,  # (channels,)
    out,  # (B, out_height, out_width, channels)
    height,
    width,
    out_height,
    out_width,
    channels,
    multiplier: tl.constexpr,
    stride: tl.constexpr,
    relu: tl.constexpr,
    tile_pixels: tl.constexpr,
    tile_channels: tl.constexpr,
):
    """Computes a depth-wise 3x3 convolution in one row: `tile_pixels` by `tile_channels`.

    Sums are in float32 and rounded once, after bias and ReLU.
    """
    x = tl.program_id(0) * tile_pixels + tl.arange(0, tile_pixels)
    channel = tl.program_id(1) * tile_channels + tl.arange(0, tile_channels)
    row = tl.program_id(2)
    image = row // out_height
    y = row % out_height + tl.full([tile_pixels], 0, tl.int32)
    channel_inside = channel < channels
    source = channel // multiplier
    sources = channels // multiplier

    total = tl.full([tile_pixels, tile_channels], 0, tl.float32)
    for i in tl.static_range(3):
        from_y = y * stride + i - 1
        y_inside = (from_y >= 0) & (from_y < height)
        line = (image * height + from_y) * width
        for j in tl.static_range(3):
            from_x = x * stride + j - 1
            inside = y_inside & (from_x >= 0) & (from_x < width)
            value = tl.load(
                images + (line + from_x)[:, None] * sources + source[None, :],
                mask=inside[:, None] & channel_inside[None, :],
                other=0,
            )
            weight = tl.load(weights + (3 * i + j) * channels + channel, mask=channel_inside)
            total += value.to(tl.float32) * weight.to(tl.float32)[None, :]
    total += tl.load(biases + channel, mask=channel_inside).to(tl.float32)[None, :]
    if relu:
        total = tl.where(total < 0, 0, total)  # keeps NaN
    tl.store(
        out + (row * out_width + x)[:, None] * channels + channel[None, :],
        total,
        mask=(x < out_width)[:, None] & channel_inside[None, :],
    )


@triton.jit
def _sigmoid(x):
    return 1 / (1 + tl.exp(-x))


@triton.jit(do_not_specialize=['height', 'width', 'coarse_height', 'coarse_width'])
def aggregate_kernel(
    fine,  # (B, height, width, channels)
    gate,  # (B, coarse_height, coarse_width, channels), like the next two
    coarse,
    coarse_gate,
    out,  # (B, height, width, channels)
    height,
    width,
    coarse_height,
    coarse_width,
    channels,
    bilinear: tl.constexpr,
    tile_pixels: tl.constexpr,
    tile_channels: tl.constexpr,
):
    """Aggregates one row: `tile_pixels` by `tile_channels`, in float32, rounded once."""
    x = tl.program_id(0) * tile_pixels + tl.arange(0, tile_pixels)
    channel = tl.program_id(1) * tile_channels + tl.arange(0, tile_channels)
    row = tl.program_id(2)
    image = row // height
    y = row % height
    channel_inside = channel < channels
    inside = (x < width)[:, None] & channel_inside[None, :]

    if bilinear:
        from_y = tl.maximum((y.to(tl.float32) + 0.5) * 0.25 - 0.5, 0.0)
        from_x = tl.maximum((x.to(tl.float32) + 0.5) * 0.25 - 0.5, 0.0)
    else:
        from_y = (y // 4).to(tl.float32)
        from_x = (x // 4).to(tl.float32)
    upper = from_y.to(tl.int32)
    left = from_x.to(tl.int32)
    below = from_y - upper.to(tl.float32)
    right = (from_x - left.to(tl.float32))[:, None]

    opened = tl.full([tile_pixels, tile_channels], 0, tl.float32)
    added = tl.full([tile_pixels, tile_channels], 0, tl.float32)
    for i in tl.static_range(2 if bilinear else 1):
        line = (image * coarse_height + tl.minimum(upper + i, coarse_height - 1)) * coarse_width
        along_y = below if i == 1 else 1 - below
        for j in tl.static_range(2 if bilinear else 1):
            node = line + tl.minimum(left + j, coarse_width - 1)
            place = node[:, None] * channels + channel[None, :]
            weight = along_y * (right if j == 1 else 1 - right)
            opened += weight * tl.load(gate + place, mask=inside, other=0).to(tl.float32)
            value = tl.load(coarse + place, mask=inside, other=0).to(tl.float32)
            keep = tl.load(coarse_gate + place, mask=inside, other=0).to(tl.float32)
            added += weight * value * _sigmoid(keep)
    place = (row * width + x)[:, None] * channels + channel[None, :]
    value = tl.load(fine + place, mask=inside, other=0).to(tl.float32)
    tl.store(out + place, value * _sigmoid(opened) + added, mask=inside)


@triton.jit(do_not_specialize=['height', 'width', 'out_height', 'out_width'])
def concatenate_pooled_kernel(
    features,  # (B, out_height, out_width, channels)
    images,  # (B, height, width, channels)
    out,  # (B, out_height, out_width, 2 * channels)
    height,
    width,
    out_height,
    out_width,
    channels,
    tile_pixels: tl.constexpr,
    tile_channels: tl.constexpr,
):
    """Copies and pools in one row: `tile_pixels` by `tile_channels`."""
    x = tl.program_id(0) * tile_pixels + tl.arange(0, tile_pixels)
    channel = tl.program_id(1) * tile_channels + tl.arange(0, tile_channels)
    row = tl.program_id(2)
    image = row // out_height
    y = row % out_height + tl.full([tile_pixels], 0, tl.int32)
    channel_inside = channel < channels
    inside = (x < out_width)[:, None] & channel_inside[None, :]
    pixel = (row * out_width + x)[:, None]

    feature = tl.load(features + pixel * channels + channel[None, :], mask=inside)
    place = out + pixel * 2 * channels + channel[None, :]
    tl.store(place, feature, mask=inside)

    largest = tl.full([tile_pixels, tile_channels], float('-inf'), tl.float32)
    for i in tl.static_range(3):
        from_y = y * 2 + i - 1
        y_inside = (from_y >= 0) & (from_y < height)
        line = (image * height + from_y) * width
        for j in tl.static_range(3):
            from_x = x * 2 + j - 1
            from_inside = y_inside & (from_x >= 0) & (from_x < width)
            value = tl.load(
                images + (line + from_x)[:, None] * channels + channel[None, :],
                mask=from_inside[:, None] & channel_inside[None, :],
                other=float('-inf'),
            ).to(tl.float32)
            # As in torch: of equal values, such as 0 and -0, the first one; of NaNs, the last one.
            largest = tl.where((value > largest) | (value != value), value, largest)
    tl.store(place + channels, largest, mask=inside)
