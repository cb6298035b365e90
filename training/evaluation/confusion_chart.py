# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draws a confusion matrix."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bisenet_ros.errors import UserError, file_errors
from bisenet_ros.extras import advice
from bisenet_ros.label_space import LabelSpace

_MAX_NUMBERS = 32
"""Maximum number of classes with readable numbers in the cells."""


def check_matplotlib() -> None:
    """Checks before an evaluation that its chart can be drawn.

    Raises:
        UserError: matplotlib is not installed.
    """
    try:
        import_module('matplotlib')
    except ModuleNotFoundError as error:
        raise UserError(f'charts need matplotlib: {advice("matplotlib")}') from error


def draw_confusion(path: Path, counts: npt.NDArray[np.int64], label_space: LabelSpace) -> None:
    """Writes the matrix as a picture, in the format of the file's extension.

    Every row, a true class, adds up to 100 %. A class without pixels has an empty row.

    Args:
        path: The file to write.
        counts: (classes, classes + 1) pixels, as `ConfusionMatrix.counts`.
        label_space: The classes.

    Raises:
        UserError: matplotlib is not installed, or the file cannot be written.
    """
    check_matplotlib()
    from matplotlib.figure import Figure

    columns = list(label_space.names)
    if counts[:, -1].any():
        columns.append('not labelled')
    counts = counts[:, : len(columns)]
    pixels = counts.sum(1, keepdims=True)
    shares = np.full(counts.shape, np.nan)
    np.divide(100.0 * counts, pixels, out=shares, where=pixels > 0)

    inches = max(4.0, min(0.45 * len(columns), 24.0))
    figure = Figure(figsize=(inches + 2.5, inches + 1.5), layout='constrained')
    axes = figure.subplots()
    image = axes.imshow(shares, cmap='Blues', vmin=0, vmax=100)
    figure.colorbar(image, ax=axes, label='% of the true class')
    small = 6 if len(columns) > _MAX_NUMBERS else 8
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=small)
    axes.set_yticks(range(len(label_space)), label_space.names, fontsize=small)
    axes.set_xlabel('labelled as')
    axes.set_ylabel('truth')
    if len(columns) <= _MAX_NUMBERS:
        for (row, column), share in np.ndenumerate(shares):
            if share >= 0.5:  # less is 0 % in whole numbers
                color = 'white' if share > 50 else 'black'
                text = f'{share:.0f}'
                axes.text(column, row, text, ha='center', va='center', color=color, fontsize=7)
    with file_errors(path):
        figure.savefig(path, dpi=150)
