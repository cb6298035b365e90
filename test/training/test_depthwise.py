# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth-wise convolutions in float32 are the same convolutions, with the same weights."""

from __future__ import annotations

import copy

import torch
from torch import nn

from bisenet_ros.network import NETWORKS
from bisenet_training.depthwise import Float32Convolution, keep_depthwise_in_float32


def test_the_network_stays_what_it_is() -> None:
    torch.manual_seed(0)
    usual = NETWORKS['bisenetv2'](3).eval()
    ours = copy.deepcopy(usual)
    parameters = dict(ours.named_parameters())
    keep_depthwise_in_float32(ours)
    assert all(parameters[name] is value for name, value in ours.named_parameters())
    assert ours.state_dict().keys() == usual.state_dict().keys()
    image = torch.randn(2, 3, 64, 64)
    for network in (usual, ours):
        network(image).square().mean().backward()
    for name, parameter in usual.named_parameters():
        torch.testing.assert_close(parameters[name].grad, parameter.grad)


def test_depthwise_convolutions_alone_leave_bf16() -> None:
    network = NETWORKS['bisenetv2'](3).eval()
    keep_depthwise_in_float32(network)
    seen: dict[bool, set[tuple[bool, torch.dtype]]] = {True: set(), False: set()}

    def see(module: nn.Module, _: object, output: torch.Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        seen[module.groups > 1].add((type(module) is Float32Convolution, output.dtype))

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(see)
    with torch.inference_mode(), torch.autocast('cpu', torch.bfloat16):
        network(torch.randn(1, 3, 64, 64))
    # What comes next works in bf16 as it would have done.
    assert seen == {True: {(True, torch.bfloat16)}, False: {(False, torch.bfloat16)}}
