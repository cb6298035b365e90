# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Loads the predictor for `bisenet evaluate`."""

from __future__ import annotations

import os
from pathlib import Path

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.console import warn
from bisenet_ros.errors import UserError
from bisenet_ros.model_settings import MODEL_PARAMETERS, ModelSettings
from bisenet_ros.segmenter import Segmenter
from bisenet_training.evaluation.predictor import LoadedPredictor
from bisenet_training.evaluation.views import MultiViewPredictor, Views
from bisenet_training.export.formats import format_of
from bisenet_training.export.runner import ExportedSegmenter

_OF_EXPORTED = ('weights', 'device', 'ego_mask', 'drivable_classes', 'min_drivable_area')
"""Settings that apply to an exported model, too."""


def unused_settings(predictor: LoadedPredictor) -> tuple[str, ...]:
    """Returns the settings that a predictor does not use, and whose default would say it does."""
    if isinstance(predictor, ExportedSegmenter):
        return ('cpu_threads', 'self_check')
    return ('self_check',) if isinstance(predictor, MultiViewPredictor) else ()


def load_predictor(settings: ModelSettings, views: Views) -> LoadedPredictor:
    """Returns the vehicle's segmenter, a predictor over several views, or an exported model.

    Args:
        settings: What to load, and how; `weights` may be the path of an exported model.
        views: The views of each frame.

    Raises:
        UserError: The file is missing or invalid, or does not support these settings.
    """
    path = Path(os.path.expanduser(settings.weights))
    if format_of(path) is not None:
        for name, declared in MODEL_PARAMETERS.items():
            if name not in _OF_EXPORTED and getattr(settings, name) != declared.default:
                option = name.replace('_', '-')
                raise UserError(
                    f'--{option} does not apply to {path}: an exported model has fixed settings'
                )
        if not views.plain:
            raise UserError(
                '--scales, --flip and --crop need a checkpoint: '
                f'{path} is an exported model, with a fixed input size'
            )
        exported = ExportedSegmenter.load(path, device=settings.device)
        if exported.claim is not None:
            warn(
                f'{path} has no drivable_threshold, so the error rate that its checkpoint states '
                'does not hold for it'
            )
        return exported
    if views.plain:
        return Segmenter.from_settings(settings)
    if settings.output_size:
        raise UserError(
            '--output-size does not go with --scales, --flip and --crop, which are averaged at the '
            'size of the frame'
        )
    if settings.anomaly_threshold:
        raise UserError(
            '--anomaly-threshold does not go with --scales, --flip and --crop: anomalies are those '
            'of a single view'
        )
    if settings.engine not in ('auto', MultiViewPredictor.engine):
        raise UserError(
            f'--engine {settings.engine} does not go with --scales, --flip and --crop, which run '
            f'on {MultiViewPredictor.engine}'
        )
    return MultiViewPredictor(Checkpoint.load(settings.weights), views, settings)
