# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The networks as plain torch modules. Importing this needs torch alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import get_args

from bisenet_ros.network.base import (
    COARSE_STRIDE,
    STRIDE,
    NetworkConstructor,
    SegmentationNetwork,
    Upsampling,
)
from bisenet_ros.network.layers import ConvNorm, SegmentationHead, fold_batch_norm
from bisenet_ros.network.v1 import BiSeNetV1, Gate
from bisenet_ros.network.v2 import BiSeNetV2

NETWORKS: dict[str, NetworkConstructor] = {
    'bisenetv1_xception39': partial(BiSeNetV1, backbone='xception39'),
    'bisenetv1_resnet18': partial(BiSeNetV1, backbone='resnet18'),
    'bisenetv1_resnet101': partial(BiSeNetV1, backbone='resnet101'),
    'bisenetv2': BiSeNetV2,
    'bisenetv2_large': partial(BiSeNetV2, width=2, depth=3),
}
"""Every network by the name that a checkpoint gives."""

_V1_OPTIONS = {'gate': get_args(Gate)}
_V2_OPTIONS = {'aggregation_bias': (False, True)}

OPTIONS: dict[str, Mapping[str, tuple[str | bool, ...]]] = {
    'bisenetv1_xception39': _V1_OPTIONS,
    'bisenetv1_resnet18': _V1_OPTIONS,
    'bisenetv1_resnet101': _V1_OPTIONS,
    'bisenetv2': _V2_OPTIONS,
    'bisenetv2_large': _V2_OPTIONS,
}
"""What weights from elsewhere may need otherwise, by network: the arguments of its constructor and
their values, of which the first is the default."""

__all__ = [
    'COARSE_STRIDE',
    'NETWORKS',
    'OPTIONS',
    'STRIDE',
    'BiSeNetV1',
    'BiSeNetV2',
    'ConvNorm',
    'NetworkConstructor',
    'SegmentationHead',
    'SegmentationNetwork',
    'Upsampling',
    'fold_batch_norm',
]
