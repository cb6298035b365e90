# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lists optional packages, and tells users how to install a missing one.

They are extras of pyproject.toml. After a build with colcon, the extras cannot be installed by
name: a package index may have no `bisenet_ros`, or somebody else's. So the advice lists the
packages.
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
        *('lightning-fabric', 'matplotlib', 'pillow', 'pydantic', 'pyyaml', 'rich', 'scipy'),
        *('tensorboard', 'torchvision'),
    ),
    'view': ('rerun-sdk',),
}


def advice(*packages: str) -> str:
    """Returns how to install missing packages: a command, and what has to be done before it."""
    command = f'python3 -m pip install {" ".join(packages)}'
    if sys.prefix == sys.base_prefix and 'CONDA_PREFIX' not in os.environ:
        # The Python of Debian and Ubuntu refuses such a command (PEP 668).
        return f'activate the virtual environment that docs/install.md makes, then {command}'
    return command
