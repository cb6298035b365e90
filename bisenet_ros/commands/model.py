# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The model of a verb, loaded as the settings say."""

from __future__ import annotations

from bisenet_ros.console import warn
from bisenet_ros.model_settings import ModelSettings
from bisenet_ros.segmenter import Segmenter


def load_segmenter(settings: ModelSettings) -> Segmenter:
    """A segmenter; a line on standard error where it does not run as it was meant to.

    Raises:
        UserError: The settings ask for what is not here.
    """
    segmenter = Segmenter.from_settings(settings)
    for note in segmenter.notes:
        warn(note)
    return segmenter
