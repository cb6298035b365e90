# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The items of a data set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bisenet_ros.errors import UserError


class DatasetError(UserError):
    """A data set is missing, incomplete or invalid; the message names the file."""


@dataclass(frozen=True)
class Sample:
    """One frame and its ground truth.

    Attributes:
        name: Name in messages.
        image: (H, W, 3) uint8 BGR.
        labels: (H, W) uint8 class ids, `IGNORE` for unlabelled pixels.
    """

    name: str
    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
