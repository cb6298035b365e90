# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames reach a network as the closed form says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from bisenet_ros.errors import UserError
from bisenet_ros.preprocess import Normalization
from bisenet_ros.resizing import resize

MEAN, STD = (0.1, 0.2, 0.3), (0.5, 0.25, 0.125)


@pytest.mark.parametrize(('order', 'channels'), [('rgb', [2, 1, 0]), ('bgr', [0, 1, 2])])
def test_normalization_is_the_closed_form(order: str, channels: list[int]) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), np.uint8)
    rgb = frames[..., ::-1] / 255.0
    expected = ((rgb - MEAN) / STD)[..., ::-1][..., channels].transpose(0, 3, 1, 2)
    out = Normalization(MEAN, STD, order)(torch.from_numpy(frames))  # type: ignore[arg-type]
    assert out.dtype == torch.float32
    assert out.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(out.numpy(), expected, atol=1e-5)


def test_a_frame_of_the_right_size_is_not_touched() -> None:
    frame = np.zeros((4, 6, 3), np.uint8)
    assert resize(frame, (6, 4)) is frame


def test_shrinking_averages_and_growing_keeps_centres() -> None:
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (resize(stripes, (4, 4)) == 100).all()
    ramp = np.broadcast_to(np.arange(0, 80, 10, dtype=np.uint8)[None, :, None], (2, 8, 3))
    # Half-pixel centres: output pixel 1 lies at input coordinate 0.25.
    grown = resize(np.ascontiguousarray(ramp), (16, 2))
    np.testing.assert_allclose(grown[0, 1:15, 0], np.arange(2.5, 70, 5), atol=1)


IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def times_255(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(255 * value for value in values)


@pytest.mark.parametrize(
    ('mean', 'std', 'advice'),
    [
        (times_255(IMAGENET_MEAN), times_255(IMAGENET_STD), '0.229 0.224 0.225'),
        (times_255(IMAGENET_MEAN), (1, 1, 1), '0.003922 0.003922 0.003922'),
        (IMAGENET_MEAN, times_255(IMAGENET_STD), '0.229 0.224 0.225'),
    ],
)
def test_mean_and_std_of_another_scale_are_refused(mean: Any, std: Any, advice: str) -> None:
    with pytest.raises(UserError, match=f'the mean 0.485 0.456 0.406 and the std {advice}$'):
        Normalization(mean, std)


@pytest.mark.parametrize(
    ('mean', 'std', 'message'),
    [
        ((0.5, 0.5, math.nan), STD, 'must be finite numbers'),
        (MEAN, (0.5, 0.5, math.inf), 'must be finite numbers'),
        (MEAN, (0.5, 0.5, 0.0), 'must be positive'),
    ],
)
def test_mean_and_std_that_cannot_be_are_refused(mean: Any, std: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Normalization(mean, std)


def test_mean_and_std_may_be_0_and_1() -> None:
    assert Normalization((0, 1, 0), (1, 1, 1)).affine[0] == (1 / 255, 0)
