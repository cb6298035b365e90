# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Loads the model of a verb from its settings."""

from __future__ import annotations

from bisenet_ros.console import warn
from bisenet_ros.model_settings import ModelSettings
from bisenet_ros.segmenter import Segmenter


def load_segmenter(settings: ModelSettings) -> Segmenter:
    """Loads a segmenter, and warns of its engine's notes and of a claim that does not apply.

    Raises:
        UserError: The settings name weights, an engine or a device that is not available.
    """
    segmenter = Segmenter.from_settings(settings)
    for note in segmenter.notes:
        warn(note)
    if segmenter.claim_problem:
        warn(
            f'the error rate that {settings.weights} states does not apply: '
            f'{segmenter.claim_problem}'
        )
    return segmenter
