# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compares labels of each engine and precision on a data set with those of plain torch.

python benchmarks/label_agreement.py CAMVID --split val
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np

from bisenet_ros.benchmark.baselines import exact
from bisenet_ros.benchmark.candidates import load_exactly
from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.engine.hardware import DTYPES
from bisenet_ros.engine.registry import ENGINES
from bisenet_ros.errors import UserError
from bisenet_ros.metrics import ConfusionMatrix
from bisenet_ros.model_settings import ModelSettings
from bisenet_training.datasets.camvid import CamvidSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('data', type=Path, help='folder of CamVid')
    parser.add_argument('--split', default='val')
    parser.add_argument('--weights', default='camvid')
    arguments = parser.parse_args()
    dataset = CamvidSettings(root=arguments.data, split=arguments.split).open()

    candidates = {}
    for engine, precision in product(ENGINES, DTYPES):
        try:
            candidates[f'{engine}, {precision}'] = load_exactly(
                ModelSettings(weights=arguments.weights, engine=engine, precision=precision)
            )
        except UserError as error:
            print(f'{engine}, {precision}: skipped, {error}')
    checkpoint = Checkpoint.load(arguments.weights)
    reference = exact(checkpoint, checkpoint.network_size)

    matrices = {name: ConfusionMatrix(len(dataset.label_space)) for name in candidates}
    shares: dict[str, list[float]] = {name: [] for name in candidates}
    for sample in dataset:
        expected = reference(sample.image)
        for name, segmenter in candidates.items():
            labels = segmenter(sample.image).labels
            matrices[name].update(labels, sample.labels)
            shares[name].append(float(np.mean(labels != expected)))

    print(f'{dataset.description}, weights {arguments.weights}, against plain torch, fp32\n')
    print(
        '| engine, precision | pixels that differ: mean | worst frame | mIoU |\n|---|---|---|---|'
    )
    for name, found in shares.items():
        print(f'| {name} | {np.mean(found):.4%} | {max(found):.4%} | {matrices[name].miou():.2%} |')


if __name__ == '__main__':
    main()
