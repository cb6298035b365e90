# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measures how unlike any known class a pixel is, by standardised max logits.

Jung et al., "Standardized Max Logits", ICCV 2021: a network gives objects that it has never seen
lower logits than objects that it knows. How low is low depends on the class, so the maximum logit
is standardised by its mean and deviation for that class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.errors import UserError, printable

HIGHEST = 5.0
"""Deviations below the mean that have the highest anomaly, 255; the mean and above have 0."""


@dataclass(frozen=True)
class MaxLogits:
    """What the highest logit of a pixel is like, by its class, on frames of known objects.

    Attributes:
        mean: Its mean for each class.
        std: Its standard deviation for each class.
        data: Description of the frames.

    Raises:
        UserError: The lengths differ, or a value is invalid.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    data: str

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std):
            raise UserError(
                f'max logits have {len(self.mean)} means, but {len(self.std)} deviations'
            )
        if not all(map(math.isfinite, self.mean)) or not all(0 < s < math.inf for s in self.std):
            raise UserError('max logits must have finite means and positive deviations')

    def to_dict(self) -> dict[str, Any]:
        """Converts the statistics to JSON types; the inverse of `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MaxLogits:
        """Creates the statistics; the inverse of `to_dict`.

        Raises:
            UserError: A value is missing, has the wrong type, or is invalid.
        """
        try:
            return cls(
                mean=tuple(float(value) for value in data['mean']),
                std=tuple(float(value) for value in data['std']),
                data=printable(str(data['data'])),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UserError(
                f'the max logits are damaged: {type(error).__name__}: {error}'
            ) from error

    def anomaly(
        self,
        logits: npt.NDArray[np.float32],
        size: tuple[int, int],
        scale: tuple[float, float],
    ) -> npt.NDArray[np.uint8]:
        """Computes the anomaly of every pixel, 0 to 255.

        It is computed for the nodes of the grid and interpolated. Next to the edge between two
        classes, logits are low, too: what is thinner than three nodes is removed by opening.

        Args:
            logits: (C, h, w), on a grid that covers at least `size`.
            size: (height, width) of the output.
            scale: Output pixels per node of the grid, along the height and the width.

        Returns:
            (height, width).
        """
        labels = logits.argmax(axis=0)
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        deviations = (mean[labels] - logits.max(axis=0)) / std[labels]
        coarse = np.clip(deviations * (255 / HIGHEST), 0, 255).astype(np.float32)
        opened = cv2.morphologyEx(coarse, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        (height, width), (along_y, along_x) = size, scale
        # Maps a pixel of the output to the grid; both have their centres at half a unit.
        to_grid = np.array(
            [[1 / along_x, 0, 0.5 / along_x - 0.5], [0, 1 / along_y, 0.5 / along_y - 0.5]]
        )
        pixels = cv2.warpAffine(
            opened,
            to_grid,
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(np.rint(pixels), np.uint8)
