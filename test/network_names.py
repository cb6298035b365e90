# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of networks by what a test of them costs."""

from __future__ import annotations

from bisenet_ros.network import NETWORKS

LARGER = ('bisenetv1_resnet101', 'bisenetv2_large', 'fpn_efficientnet_lite2')
"""Networks that differ from smaller ones by the number and width of their blocks alone."""

SMALLER = tuple(name for name in NETWORKS if name not in LARGER)
