# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes a network for the 19 classes of Cityscapes with random weights, to measure speed.

python benchmarks/untrained_weights.py untrained.safetensors [--network bisenetv1_resnet18]
bisenet benchmark --weights untrained.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.label_space import CITYSCAPES
from bisenet_ros.network import NETWORKS
from bisenet_ros.preprocess import Normalization


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('output', type=Path)
    parser.add_argument('--network', choices=NETWORKS, default='bisenetv2')
    arguments = parser.parse_args()
    torch.manual_seed(0)
    network = NETWORKS[arguments.network](len(CITYSCAPES))
    Checkpoint(
        network=arguments.network,
        label_space=CITYSCAPES,
        normalization=Normalization(mean=(0.3257, 0.369, 0.3223), std=(0.2112, 0.2148, 0.2115)),
        network_size=(1024, 512),
        upsampling=network.upsampling,
        state_dict=network.state_dict(),
        provenance={'data': 'nothing: untrained'},
    ).save(arguments.output)


if __name__ == '__main__':
    main()
