# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The interface of predictors: `Segmenter`, averages over views, and exported models."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from bisenet_ros.errors import UserError
from bisenet_ros.label_space import LabelSpace

Pixels = npt.NDArray[np.uint8]


class Prediction(Protocol):
    """The prediction for a frame, at its size (H, W)."""

    @property
    def labels(self) -> Pixels:
        """(H, W) ids in the label space of the predictor, `IGNORE` for unlabelled pixels."""

    @property
    def confidence(self) -> Pixels | None:
        """(H, W) probability of the label times 255; None from a model that gives only labels."""


class Predictor(Protocol):
    """Labels frames."""

    @property
    def label_space(self) -> LabelSpace:
        """The label space of the ids."""

    def __call__(self, frame: Pixels) -> Prediction:
        """Labels a frame, (H, W, 3) uint8 BGR."""


class LoadedPredictor(Predictor, Protocol):
    """A predictor with details of how it runs."""

    @property
    def network_size(self) -> tuple[int, int]:
        """(width, height) of the network's input at scale 1."""

    @property
    def device(self) -> str:
        """`cpu` or `cuda:N`."""

    @property
    def precision(self) -> str:
        """`fp16`, `bf16` or `fp32`."""

    @property
    def drivable_threshold(self) -> float:
        """The setting in effect."""

    @property
    def engine(self) -> str:
        """The engine, or the format of an exported model."""


def id_table(found: LabelSpace, wanted: LabelSpace) -> Pixels:
    """Returns a (256,) table from ids of `found` to ids of `wanted`, by name; keeps `IGNORE`.

    Raises:
        UserError: The two do not have the same classes.
    """
    missing = [name for name in wanted.names if name not in found.names]
    unknown = [name for name in found.names if name not in wanted.names]
    if missing or unknown:
        differences = [
            f'{which} {", ".join(names)}'
            for which, names in (
                ('the weights lack', missing),
                ('the data set lacks', unknown),
            )
            if names
        ]
        raise UserError(f'these weights are for other classes: {"; ".join(differences)}')
    table = np.arange(256, dtype=np.uint8)
    table[: len(found)] = wanted.ids_of(found.names)
    return table
