# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluates a model on a data set.

result = evaluate(Segmenter.load('camvid'), settings.open())
result.figures()['miou']
"""

from __future__ import annotations

from bisenet_training.evaluation.predictor import Prediction, Predictor
from bisenet_training.evaluation.result import EvaluatedFrame, evaluate
from bisenet_training.evaluation.views import MultiViewPredictor, Views

__all__ = [
    'EvaluatedFrame',
    'MultiViewPredictor',
    'Prediction',
    'Predictor',
    'Views',
    'evaluate',
]
