# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the final weights of a run, and the report on their accuracy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.console import progress_bar, warn
from bisenet_ros.output_files import make_folder, write_json
from bisenet_training.datasets import Dataset
from bisenet_training.evaluation import EvaluatedFrame, evaluate
from bisenet_training.evaluation.report import write_report
from bisenet_training.evaluation.worst_frames import SHOWN, WorstFrames
from bisenet_training.run_folder import RunFolder
from bisenet_training.validation import make_segmenter


def export(
    checkpoint: Checkpoint, folder: RunFolder, validation: Dataset | None, device: torch.device
) -> None:
    """Writes the weights, with their accuracy if there is validation data.

    Args:
        checkpoint: The weights.
        folder: Folder of the run.
        validation: Validation data; None for no evaluation.
        device: Device for the evaluation.
    """
    partial = folder.weights.with_suffix('.partial')
    try:
        kept = checkpoint.save(partial)
        if kept:
            warn(
                f'{len(kept)} tensors are kept in float32, because their values exceed float16; '
                f'first: {kept[0]}. A lower optimizer.lr avoids this'
            )
        written = Checkpoint.load(partial)  # evaluate the file, not the weights in memory
        if validation is not None:
            figures = _report(folder, written, device, validation)
            names = ('miou', 'drivable_iou', 'pixel_accuracy', 'iou')
            accuracy = {validation.description: {name: figures[name] for name in names}}
            replace(checkpoint, accuracy=accuracy).save(partial)
        partial.replace(folder.weights)
    finally:
        partial.unlink(missing_ok=True)


def _report(
    folder: RunFolder, checkpoint: Checkpoint, device: torch.device, dataset: Dataset
) -> dict[str, Any]:
    """Evaluates the exported weights, writes tables and pictures, and returns the figures."""
    segmenter = make_segmenter(checkpoint, device)
    worst = WorstFrames(SHOWN)
    with progress_bar() as bar:
        task = bar.add_task(f'evaluating on {dataset.description}', total=len(dataset))

        def count(frame: EvaluatedFrame) -> None:
            worst.offer(frame)
            bar.advance(task)

        result = evaluate(segmenter, dataset, count)
    facts = {
        'weights': str(folder.weights),
        'network': checkpoint.network,
        'network size': 'x'.join(map(str, segmenter.network_size)),
        'steps': checkpoint.provenance['steps'],
    }
    make_folder(folder.report)
    figures: dict[str, Any] = result.figures()
    title = dataset.description
    write_report(folder.report, title, facts, figures, worst.frames, result.label_space)
    write_json(folder.report / 'figures.json', {**facts, **figures})
    return figures
