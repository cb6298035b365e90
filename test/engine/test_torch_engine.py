# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network runs as it was built, whatever the precision, and in the layout that saves copies."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kernel_calls import build

from bisenet_ros.engine.torch_engine import TorchEngine
from bisenet_ros.preprocess import Normalization

NORMALIZATION = Normalization(mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
CPU = torch.device('cpu')


@pytest.mark.parametrize('name', ['bisenetv2', 'bisenetv1_xception39'])
@pytest.mark.parametrize(('precision', 'tolerance'), [('fp32', 1e-4), ('bf16', 0.2)])
def test_logits_are_those_of_the_network(name: str, precision: str, tolerance: float) -> None:
    network = build(name)
    frames = list(np.random.default_rng(0).integers(0, 256, (2, 70, 100, 3), np.uint8))
    with torch.inference_mode():
        expected = network.coarse(NORMALIZATION(torch.from_numpy(np.stack(frames))))
    logits = TorchEngine(network, NORMALIZATION, (100, 70), CPU, precision)(frames)
    assert logits.shape == (2, 7, 12, 16)  # 70x100 is padded to 96x128
    assert logits.dtype == torch.float32
    assert logits[0].permute(1, 2, 0).is_contiguous()
    error = (logits - expected).abs().max() / expected.std()
    assert error < tolerance


@pytest.mark.parametrize('precision', ['fp32', 'bf16'])
@pytest.mark.parametrize('size', [(100, 70), (256, 128), (320, 256)])
def test_logits_of_a_frame_do_not_depend_on_the_frames_beside_it(
    precision: str, size: tuple[int, int]
) -> None:
    engine = TorchEngine(build('bisenetv2'), NORMALIZATION, size, CPU, precision)
    frames = list(np.random.default_rng(0).integers(0, 256, (3, 70, 100, 3), np.uint8))
    for frame, batched in zip(frames, engine(frames), strict=True):
        torch.testing.assert_close(batched, engine([frame])[0], rtol=0, atol=0)


def test_the_network_that_was_given_is_not_changed() -> None:
    network = build('bisenetv2')
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    TorchEngine(network, NORMALIZATION, (100, 70), CPU, 'bf16')
    after = network.state_dict()
    assert after.keys() == before.keys()
    for name, tensor in before.items():
        assert after[name].dtype == tensor.dtype
        torch.testing.assert_close(after[name], tensor, rtol=0, atol=0)
