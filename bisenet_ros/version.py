# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tells the version of the package, and of the packages that results depend on."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from contextlib import suppress

VERSION = '0.2.0'


def versions(optional: Sequence[str] = ('openvino', 'triton')) -> dict[str, str]:
    """Returns the versions of the package, Python, PyTorch, NumPy, OpenCV and installed packages.

    Args:
        optional: Packages that may be installed; by default those whose engines compute labels.
    """
    # Imported here, because the command line needs only `VERSION` and must start fast.
    from importlib.metadata import PackageNotFoundError, version

    import cv2
    import numpy as np
    import torch

    found = {
        'bisenet_ros': VERSION,
        'python': platform.python_version(),
        'torch': torch.__version__,
        'numpy': np.__version__,
        'opencv': cv2.__version__,
    }
    for package in optional:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
