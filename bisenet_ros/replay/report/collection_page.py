# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes report.html over many bags: figures of all frames, and links to each bag's report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bisenet_ros.label_space import LabelSpace
from bisenet_ros.replay.report.page import calibration_chart
from bisenet_ros.templates import render


def write_collection_page(path: Path, metrics: Mapping[str, Any], label_space: LabelSpace) -> None:
    """Writes the report; it links to the reports of the bags, in folders beside it.

    Args:
        path: The file to write.
        metrics: The content of the metrics.json over all bags.
        label_space: Label space of the model.

    Raises:
        OSError: The file cannot be written.
    """
    page = render(
        'collection',
        subject=f'{len(metrics["bags"])} bags',
        metrics=metrics,
        label_space=label_space,
        calibration=calibration_chart(metrics['accuracy']),
    )
    path.write_text(page, encoding='utf-8')
