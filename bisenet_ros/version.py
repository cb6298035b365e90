# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tells the version of the package, and of the packages that results depend on."""

from __future__ import annotations

import platform

VERSION = '0.2.0'


def versions() -> dict[str, str]:
    """Returns the versions of the package, Python, PyTorch, NumPy and OpenCV."""
    # Imported here, because the command line needs only `VERSION` and must start fast.
    import cv2
    import numpy as np
    import torch

    return {
        'bisenet_ros': VERSION,
        'python': platform.python_version(),
        'torch': torch.__version__,
        'numpy': np.__version__,
        'opencv': cv2.__version__,
    }
