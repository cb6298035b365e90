# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The networks as plain torch modules. Importing this needs torch alone."""

from __future__ import annotations

from bisenet_ros.network.layers import fold_batch_norm
from bisenet_ros.network.v2 import BiSeNetV2, Upsampling

NETWORKS = {'bisenetv2': BiSeNetV2}
"""Every network by the name that a checkpoint gives."""

__all__ = ['NETWORKS', 'BiSeNetV2', 'Upsampling', 'fold_batch_norm']
