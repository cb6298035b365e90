# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One set of tests for every network."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bisenet_ros.network import NETWORKS, BiSeNetV2, fold_batch_norm
from bisenet_ros.network.v2 import COARSE_STRIDE, STRIDE

NUM_CLASSES = 11
# Millions of parameters and GMAC at 1024x512 of the inference network with 19 classes.
PUBLISHED_WORK = {'bisenetv2': (3.36, 24.6)}

every_network = pytest.mark.parametrize('name', sorted(NETWORKS))


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(2, 3, 96, 128, generator=torch.Generator().manual_seed(1))


def lived_in(network: nn.Module) -> nn.Module:
    """The network as after training: batch norms have seen something, none is the identity."""
    generator = torch.Generator().manual_seed(2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, 0, 0.1, generator=generator)
    return network.eval()


@every_network
@pytest.mark.parametrize('size', [(32, 32), (33, 47), (360, 480), (65, 200)])
def test_any_size_from_32_gives_logits_of_that_size(name: str, size: tuple[int, int]) -> None:
    network = NETWORKS[name](NUM_CLASSES).eval()
    with torch.inference_mode():
        logits = network(torch.randn(1, 3, *size))
    assert logits.shape == (1, NUM_CLASSES, *size)
    assert logits.isfinite().all()


@every_network
def test_an_odd_size_is_aligned_like_the_padded_image(name: str) -> None:
    network = lived_in(NETWORKS[name](NUM_CLASSES))
    image = torch.randn(1, 3, 70, 100)
    padded = F.pad(image, (0, -100 % STRIDE, 0, -70 % STRIDE))
    with torch.inference_mode():
        torch.testing.assert_close(network(image), network(padded)[:, :, :70, :100])


@every_network
def test_full_logits_are_the_coarse_ones_upsampled(name: str, image: torch.Tensor) -> None:
    network = lived_in(NETWORKS[name](NUM_CLASSES))
    with torch.inference_mode():
        coarse = network.coarse(image)
        assert coarse.shape == (2, NUM_CLASSES, 96 // COARSE_STRIDE, 128 // COARSE_STRIDE)
        upsampled = F.interpolate(coarse, (96, 128), mode='bilinear', align_corners=False)
        torch.testing.assert_close(network(image), upsampled)


@every_network
def test_every_parameter_of_the_training_form_learns(name: str, image: torch.Tensor) -> None:
    # With fixed statistics: a batch's own would cancel the shift of a norm behind another norm.
    network = lived_in(NETWORKS[name](NUM_CLASSES, boosters=True))
    sum(logits.square().mean() for logits in network.coarse_heads(image)).backward()
    idle = [
        parameter_name
        for parameter_name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert idle == []


@every_network
def test_boosters_exist_only_in_the_training_form(name: str) -> None:
    inference = NETWORKS[name](NUM_CLASSES).state_dict().keys()
    training = NETWORKS[name](NUM_CLASSES, boosters=True).state_dict().keys()
    assert inference < training
    assert {key.split('.')[0] for key in training - inference} == {'boosters'}


@every_network
def test_size_and_work_are_the_published_ones(name: str) -> None:
    megaparameters, gmac = PUBLISHED_WORK[name]
    network = NETWORKS[name](19).eval()
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(
        megaparameters, abs=0.01
    )
    with FlopCounterMode(display=False) as counter, torch.device('meta'):
        copy.deepcopy(network).to('meta')(torch.empty(1, 3, 512, 1024))
    assert counter.get_total_flops() / 2e9 == pytest.approx(gmac, abs=0.05)


@every_network
def test_folding_batch_norms_changes_nothing(name: str, image: torch.Tensor) -> None:
    network = lived_in(NETWORKS[name](NUM_CLASSES))
    folded = fold_batch_norm(network)
    with torch.inference_mode():
        torch.testing.assert_close(folded(image), network(image), rtol=1e-4, atol=1e-4)
    assert len(folded.state_dict()) < len(network.state_dict())
    assert not any(parameter.requires_grad for parameter in folded.parameters())


@every_network
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_agrees(name: str, dtype: torch.dtype, image: torch.Tensor) -> None:
    network = fold_batch_norm(lived_in(NETWORKS[name](NUM_CLASSES)))
    half = copy.deepcopy(network).to(dtype)
    with torch.inference_mode():
        exact, approximate = network(image), half(image.to(dtype)).float()
    error = (approximate - exact).norm() / exact.norm()
    assert error < (0.02 if dtype == torch.bfloat16 else 0.003)


def test_the_bilateral_upsampling_modes_differ() -> None:
    smooth = lived_in(BiSeNetV2(NUM_CLASSES))
    blocky = lived_in(BiSeNetV2(NUM_CLASSES, upsampling='nearest'))
    blocky.load_state_dict(smooth.state_dict())
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert not torch.allclose(smooth(image), blocky(image))
