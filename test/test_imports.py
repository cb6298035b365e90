# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who imports whom, as the contracts in pyproject.toml allow it, and what a start loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_contracts_are_kept() -> None:
    command = [Path(sys.executable).with_name('lint-imports'), '--no-cache', '--no-logo']
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_importing_the_package_itself_runs_nothing() -> None:
    # An ament build replaces this file by one that the message generators write.
    assert ast.parse((ROOT / 'bisenet_ros' / '__init__.py').read_text()).body == []


def loaded_by(statement: str, after: str = 'pass') -> set[str]:
    """The top-level packages, standard library apart, that a statement loads in a new process."""
    script = (
        f'import sys; {after}; before = set(sys.modules); {statement}; '
        'print(*{name.split(".")[0] for name in set(sys.modules) - before})'
    )
    result = subprocess.run([sys.executable, '-c', script], stdout=-1, text=True, check=True)
    return set(result.stdout.split()) - sys.stdlib_module_names


def test_network_needs_torch_alone() -> None:
    loaded = loaded_by('import bisenet_ros.network', after='import torch')
    assert loaded <= {'bisenet_ros', 'torch'}


OFFLINE = {
    *('bisenet_training', 'lightning_fabric', 'matplotlib', 'onnx', 'onnxruntime', 'pydantic'),
    *('rich', 'rosbags', 'scipy', 'sympy', 'tensorboard', 'torchvision', 'typer'),
}
"""What no start of the node is to wait for."""


def test_segmenter_needs_neither_ros_nor_offline_tools() -> None:
    loaded = loaded_by('import bisenet_ros.segmenter')
    assert 'torch' in loaded
    assert loaded.isdisjoint(OFFLINE | {'rclpy', 'sensor_msgs', 'openvino', 'triton'})


def test_segmenting_loads_one_engine_and_no_offline_tools() -> None:
    loaded = loaded_by(
        'from bisenet_ros.segmenter import Segmenter; import numpy; '
        "Segmenter.load(device='cpu', engine='torch')(numpy.zeros((64, 64, 3), 'uint8')).drivable"
    )
    assert loaded.isdisjoint(OFFLINE | {'openvino', 'triton'})


def test_node_is_in_the_graph_before_it_loads_torch() -> None:
    pytest.importorskip('rclpy', reason='needs ROS 2')
    loaded = loaded_by('import bisenet_ros.node.lifecycle_node')
    assert 'rclpy' in loaded
    assert loaded.isdisjoint(OFFLINE | {'torch', 'openvino', 'triton'})


def test_command_line_starts_without_torch() -> None:
    loaded = loaded_by('import bisenet_ros.cli')
    assert 'typer' in loaded
    assert loaded.isdisjoint({'torch', 'numpy', 'cv2', 'rclpy', 'rosbags'})
