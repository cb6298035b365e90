# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Defines the networks as plain torch modules. Importing it needs only torch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from bisenet_ros.network.base import (
    COARSE_STRIDE,
    STRIDE,
    NetworkConstructor,
    SegmentationNetwork,
)
from bisenet_ros.network.fpn import FeaturePyramid
from bisenet_ros.network.layers import (
    ConvNorm,
    SegmentationHead,
    Upsampling,
    fold_batch_norm,
)
from bisenet_ros.network.v1 import BiSeNetV1
from bisenet_ros.network.v2 import BiSeNetV2

NETWORKS: dict[str, NetworkConstructor] = {
    'bisenetv1_xception39': partial(BiSeNetV1, backbone='xception39'),
    'bisenetv1_resnet18': partial(BiSeNetV1, backbone='resnet18'),
    'bisenetv1_resnet101': partial(BiSeNetV1, backbone='resnet101'),
    'bisenetv2': BiSeNetV2,
    'bisenetv2_large': partial(BiSeNetV2, width=2, depth=3),
    'fpn_efficientnet_lite0': FeaturePyramid,
    'fpn_efficientnet_lite2': partial(FeaturePyramid, width=1.1, depth=1.2),
}
"""Every network, by its name in checkpoints: a class, or a class with some arguments given."""


def options_of(name: str) -> Mapping[str, tuple[str | bool, ...]]:
    """Returns the `options` of a network: see `SegmentationNetwork`."""
    constructor = NETWORKS[name]
    network = constructor.func if isinstance(constructor, partial) else constructor
    options: Mapping[str, tuple[str | bool, ...]] = getattr(network, 'options', {})
    return options


__all__ = [
    'COARSE_STRIDE',
    'NETWORKS',
    'STRIDE',
    'BiSeNetV1',
    'BiSeNetV2',
    'ConvNorm',
    'FeaturePyramid',
    'NetworkConstructor',
    'SegmentationHead',
    'SegmentationNetwork',
    'Upsampling',
    'fold_batch_norm',
    'options_of',
]
