# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How good an output is, measured: one figure's counts per module.

Each class counts frame by frame, adds up with others of its kind, and keeps no frame.
"""

from __future__ import annotations

from bisenet_ros.metrics.boundary import BoundaryScore
from bisenet_ros.metrics.calibration import Calibration
from bisenet_ros.metrics.confusion import ConfusionMatrix
from bisenet_ros.metrics.false_drivable import FalseDrivable
from bisenet_ros.metrics.flicker import Flicker, still_pixels
from bisenet_ros.metrics.free_space import FreeSpaceError

__all__ = [
    'BoundaryScore',
    'Calibration',
    'ConfusionMatrix',
    'FalseDrivable',
    'Flicker',
    'FreeSpaceError',
    'still_pixels',
]
