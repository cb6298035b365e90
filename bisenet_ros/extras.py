# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names optional packages, and says how to install the one that is missing.

They are the extras of pyproject.toml. Whoever built with colcon cannot install these by name: an
index may know no `bisenet_ros`, or a stranger's. So users are told the packages.
"""

from __future__ import annotations

import os
import sys

EXTRAS: dict[str, tuple[str, ...]] = {
    'onnx': ('onnx', 'onnxruntime', 'onnxscript'),
    'openvino': ('openvino',),
    'ray': ('ray',),
    'tools': (
        *('apsw', 'backports.zstd', 'jinja2', 'lz4', 'pillow', 'pydantic', 'pyyaml', 'rich'),
        *('rosbags', 'typer'),
    ),
    'train': (
        *('lightning', 'matplotlib', 'pillow', 'pydantic', 'pyyaml', 'rich', 'scipy'),
        *('tensorboard', 'torchvision'),
    ),
    'view': ('rerun-sdk',),
}


def advice(*packages: str) -> str:
    """What a user is to do who lacks packages: a command, and where it does not work as it is."""
    command = f'python3 -m pip install {" ".join(packages)}'
    if sys.prefix == sys.base_prefix and 'CONDA_PREFIX' not in os.environ:
        # Debian's and Ubuntu's Python refuses it (PEP 668).
        return f'activate the virtual environment that docs/install.md makes, then {command}'
    return command
