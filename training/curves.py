# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draws loss, learning rate and accuracy of a run over its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bisenet_ros.formatting import percent
from bisenet_training.extra import Figure

_SMOOTH = 50
"""Number of steps over which the loss is averaged, limited to a tenth of all steps."""


def draw_curves(
    file: Path, steps: Sequence[Mapping[str, str]], evaluations: Sequence[Mapping[str, str]]
) -> None:
    """Writes the curves as a PNG file.

    Args:
        file: The file to write.
        steps: Rows of `steps.csv`, at least one.
        evaluations: Rows of `evaluations.csv`.
    """
    numbers = np.array([int(row['step']) for row in steps])
    loss = np.array([float(row['loss']) for row in steps])
    width = max(1, min(_SMOOTH, len(loss) // 10))
    smooth = np.convolve(loss, np.full(width, 1 / width), 'valid')
    figure = Figure(figsize=(8, 9))
    # Margins that suit every run: a computed layout takes as long as all of the drawing.
    figure.subplots_adjust(left=0.12, right=0.98, bottom=0.06, top=0.97, hspace=0.09)
    top, middle, bottom = figure.subplots(3, sharex=True)
    top.plot(numbers, loss, color='tab:blue', alpha=0.25, linewidth=0.8)
    top.plot(numbers[width - 1 :], smooth, color='tab:blue', label=f'mean of {width} steps')
    top.set(ylabel='loss', ylim=(0, None))
    top.legend()
    for name, title in (
        ('miou', 'mIoU'),
        ('drivable_iou', 'drivable IoU'),
        ('pixel_accuracy', 'pixel accuracy'),
    ):
        known = [row for row in evaluations if row[name]]
        places, values = ([float(row[key]) for row in known] for key in ('step', name))
        middle.plot(places, values, marker='.', label=title)
    middle.set(ylabel='validation', ylim=(0, 1))
    middle.yaxis.set_major_formatter(lambda share, _: percent(share, 0))
    middle.legend()
    bottom.plot(numbers, [float(row['lr']) for row in steps], color='tab:gray')
    bottom.set(ylabel='learning rate', xlabel='step', ylim=(0, None))
    for axes in (top, middle, bottom):
        axes.grid(alpha=0.3)
    figure.savefig(file, dpi=110)
