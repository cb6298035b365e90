# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From what the command line names to what labels frames."""

from __future__ import annotations

from pathlib import Path

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.errors import UserError
from bisenet_ros.segmenter import Segmenter
from bisenet_training.evaluation.predictor import LoadedPredictor
from bisenet_training.evaluation.views import MultiViewPredictor, Views
from bisenet_training.export.formats import format_of
from bisenet_training.export.runner import ExportedSegmenter


def load_predictor(weights: str, views: Views, *, device: str, precision: str) -> LoadedPredictor:
    """Weights as they drive, or shown more than the vehicle has time for; or an exported model.

    Args:
        weights: Name of shipped weights, or path of a checkpoint or an exported model.
        views: What of each frame the network is shown.
        device: As `Segmenter.load` takes it.
        precision: As `Segmenter.load` takes it; an exported model has its own.

    Raises:
        UserError: The file is not there or not right, or cannot be used like this.
    """
    path = Path(weights).expanduser()
    if format_of(path) is not None:
        if precision != 'auto':
            raise UserError(f'--precision does not go with {path}: an exported model has its own')
        if not views.plain:
            raise UserError(
                '--scales, --flip and --crop need a checkpoint: '
                f'{path} is a model for one size that was exported'
            )
        return ExportedSegmenter.load(path, device=device)
    if views.plain:
        return Segmenter.load(weights, device=device, precision=precision)
    return MultiViewPredictor(Checkpoint.load(weights), views, device=device, precision=precision)
