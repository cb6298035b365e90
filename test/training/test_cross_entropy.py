# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cross-entropy in little memory against torch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from bisenet_ros.label_space import IGNORE
from bisenet_training.losses.cross_entropy import pixel_cross_entropy


def test_losses_and_gradients_are_those_of_torch() -> None:
    torch.manual_seed(0)
    logits = (30 * torch.randn(2, 5, 6, 7, dtype=torch.double)).requires_grad_()
    labels = torch.randint(0, 5, (2, 6, 7))
    labels[0, :2] = IGNORE
    expected = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction='none')
    found = pixel_cross_entropy(logits, labels)
    torch.testing.assert_close(found, expected)
    arriving = torch.randn_like(expected)
    wanted, got = (torch.autograd.grad(out, logits, arriving)[0] for out in (expected, found))
    torch.testing.assert_close(got, wanted)
    assert not got[0, :, :2].any()


def test_a_gradient_is_never_wrong_in_silence() -> None:
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = pixel_cross_entropy(logits, torch.zeros(1, 2, 2, dtype=torch.long)).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match='inplace'):
        loss.backward()


def test_a_label_that_is_no_class_is_refused() -> None:
    with pytest.raises(RuntimeError, match='out of bounds'):
        pixel_cross_entropy(torch.zeros(1, 3, 1, 1), torch.full((1, 1, 1), 3))
