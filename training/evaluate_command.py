# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet evaluate`: how good weights are on a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bisenet_ros.commands.console import is_standard_output, progress_bar, write_json
from bisenet_ros.segmenter import Segmenter
from bisenet_training.datasets import load_camvid
from bisenet_training.evaluate import accuracy, evaluate


def evaluate_weights(
    data: Path,
    split: str,
    *,
    weights: str,
    device: str,
    precision: str,
    json_file: Path | None,
) -> None:
    """Segment a split of CamVid and print IoU by class.

    Args:
        data: CamVid's folder.
        split: Name of a split, a folder in there.
        weights: Name of shipped weights, or a path.
        device: What `Segmenter.load` takes.
        precision: What `Segmenter.load` takes.
        json_file: Where the figures for machines go, `-` for standard output.

    Raises:
        UserError: The data is not there or not right, or the weights are for other classes.
    """
    samples = load_camvid(data, split)
    segmenter = Segmenter.load(weights, device=device, precision=precision)
    with progress_bar() as progress:
        matrix = evaluate(segmenter, progress.track(samples, description='evaluating'))
    figures = {
        'dataset': 'camvid',
        'split': split,
        'frames': len(samples),
        'weights': weights,
        'device': segmenter.device,
        'precision': segmenter.precision,
        'network_size': list(segmenter.network_size),
        **accuracy(matrix, segmenter.label_space),
    }
    if json_file is not None:
        write_json(json_file, figures)
    if not is_standard_output(json_file):
        _print(Console(highlight=False), figures)


def _print(console: Console, figures: dict[str, Any]) -> None:
    table = Table(title=f'CamVid {figures["split"]}, {figures["frames"]} frames, IoU in %')
    table.add_column('class')
    table.add_column('IoU', justify='right')
    for name, iou in figures['iou'].items():
        table.add_row(name, 'does not occur' if iou is None else f'{iou:.2f}')
    table.add_section()
    table.add_row('mean', f'{figures["miou"]:.2f}', style='bold')
    table.add_row('drivable', f'{figures["drivable_iou"]:.2f}')
    table.add_row('pixel accuracy', f'{figures["pixel_accuracy"]:.2f}')
    console.print(table)
