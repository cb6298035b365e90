# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Upsampling for the loss against torch's interpolation, in double precision."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from bisenet_training.losses.upsampling import upsample


@pytest.mark.parametrize('scale', [1, 2, 4, 5, 8, 16, 32])
@pytest.mark.parametrize('shape', [(2, 3, 4, 7), (1, 19, 1, 2), (3, 2, 5, 1)])
def test_logits_and_gradients_are_those_of_interpolation(
    shape: tuple[int, int, int, int], scale: int
) -> None:
    torch.manual_seed(0)
    logits = torch.randn(shape, dtype=torch.double, requires_grad=True)
    size = (scale * shape[2], scale * shape[3])
    expected = F.interpolate(logits, size, mode='bilinear', align_corners=False)
    found = upsample(logits, size)
    torch.testing.assert_close(found, expected)
    arriving = torch.randn_like(expected)
    wanted, got = (torch.autograd.grad(out, logits, arriving)[0] for out in (expected, found))
    torch.testing.assert_close(got, wanted)
