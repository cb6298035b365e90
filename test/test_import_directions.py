# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: the layout of docs/design.md as a table, held against every module."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {'bisenet_ros': ROOT / 'bisenet_ros', 'bisenet_training': ROOT / 'training'}

ROS = (
    'ament_index_python builtin_interfaces diagnostic_msgs geometry_msgs lifecycle_msgs '
    'rcl_interfaces rclpy sensor_msgs std_msgs std_srvs vision_msgs'
)


@dataclass(frozen=True)
class Room:
    """A module or a subpackage, and all that its code may import beside the standard library."""

    ours: frozenset[str]
    others: frozenset[str]


def room(ours: str = '', others: str = '') -> Room:
    """A room from two lists of words."""
    return Room(frozenset(ours.split()), frozenset(others.split()))


ROOMS = {
    # What drives.
    'errors': room(),
    'version': room(),
    'process': room(),
    'resources': room(),
    'label_space': room('errors', 'numpy'),
    'torchvision_import': room('errors', 'torch'),
    'network': room('errors torchvision_import', 'torch'),
    'preprocess': room('errors', 'cv2 numpy torch'),
    'checkpoint': room('errors label_space network preprocess', 'safetensors torch'),
    'engine': room(
        'drivable errors label_space network preprocess', 'cv2 numpy openvino torch triton'
    ),
    'drivable': room('', 'cv2 numpy'),
    'image_codec': room('errors', 'cv2 numpy'),
    'overlay': room('label_space', 'cv2 numpy'),
    'metrics': room('drivable errors label_space', 'cv2 numpy'),
    'segmenter': room('checkpoint drivable engine errors label_space network preprocess', 'numpy'),
    'node': room(
        'drivable errors image_codec label_space msg overlay process resources segmenter',
        f'cv2 numpy torch {ROS}',
    ),
    # Offline, and what shows the node at work.
    'importing': room('checkpoint errors label_space network preprocess', 'torch'),
    'media': room('errors', 'cv2 numpy'),
    'yaml_document': room('errors', 'yaml'),
    'bag': room('errors image_codec', 'numpy rosbags'),
    'ros_graph': room('errors node'),
    'replay': room(
        'bag checkpoint drivable errors image_codec label_space media metrics node overlay '
        'process ros_graph segmenter version yaml_document',
        'cv2 numpy pydantic ray rosbags torch',
    ),
    'replay.live': room(
        'bag errors image_codec node replay ros_graph', 'rclpy rosbags sensor_msgs'
    ),
    'demo': room(
        'bag checkpoint commands drivable errors image_codec label_space media metrics node '
        'overlay ros_graph segmenter version',
        f'cv2 numpy rich torch {ROS}',
    ),
    'commands': room(
        'bag checkpoint errors importing label_space media overlay preprocess replay '
        'ros_graph segmenter',
        'cv2 numpy rich torch',
    ),
    'benchmark': room(
        'checkpoint commands demo engine errors image_codec node preprocess process segmenter '
        'version',
        'cv2 numpy onnxruntime openvino rich torch',
    ),
    'cli': room('benchmark commands demo errors process ros_graph training version', 'typer'),
    'training': room(
        'checkpoint commands demo engine errors label_space media metrics network overlay '
        'preprocess resources segmenter torchvision_import version yaml_document',
        'cv2 lightning matplotlib numpy onnx onnxruntime openvino pydantic rich torch torchmetrics '
        'torchvision yaml',
    ),
}
# Every verb is to start as fast as it can: only what a command line needs is imported for all.
CLI_AT_ONCE = room('errors process version', 'typer')


def modules() -> Iterator[tuple[str, Path]]:
    """(room, file) of every module; what the message generators have written is not ours."""
    for package, directory in PACKAGES.items():
        for file in sorted(directory.rglob('*.py')):
            parts = file.relative_to(directory).with_suffix('').parts
            if package == 'bisenet_training':
                yield 'training', file
            elif '.'.join(parts) in ROOMS:
                yield '.'.join(parts), file
            elif parts[0] not in ('__init__', 'msg'):
                yield parts[0], file


def imported_names(tree: ast.AST) -> Iterator[str]:
    """The dotted names that a piece of code imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'line {node.lineno}: write out whom you import'
            assert node.module is not None
            if node.module in PACKAGES:
                yield from (f'{node.module}.{name.name}' for name in node.names)
            else:
                yield node.module


def imports_of(tree: ast.AST) -> Room:
    """What a piece of code imports."""
    ours, others = set(), set()
    for name in imported_names(tree):
        package, *rest = name.split('.')
        if package == 'bisenet_training':
            ours.add('training')
        elif package == 'bisenet_ros':
            ours.add(rest[0])
        elif package not in sys.stdlib_module_names:
            others.add(package)
    return Room(frozenset(ours), frozenset(others))


@pytest.mark.parametrize(
    ('name', 'file'),
    [pytest.param(name, file, id=str(file.relative_to(ROOT))) for name, file in modules()],
)
def test_module_keeps_to_its_room(name: str, file: Path) -> None:
    assert name in ROOMS, f'give {name} a row in ROOMS, and a place in docs/design.md'
    found, allowed = imports_of(ast.parse(file.read_text())), ROOMS[name]
    assert found.ours <= allowed.ours | {name}
    assert found.others <= allowed.others


def test_table_leads_in_one_direction() -> None:
    graph = {name: allowed.ours for name, allowed in ROOMS.items()}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def test_importing_the_package_itself_runs_nothing() -> None:
    # An ament build replaces this file by one that the message generators write.
    assert ast.parse((ROOT / 'bisenet_ros' / '__init__.py').read_text()).body == []


def test_command_line_imports_at_once_only_what_every_verb_needs() -> None:
    tree = ast.parse((ROOT / 'bisenet_ros' / 'cli.py').read_text())
    top = ast.Module([node for node in tree.body if 'mport' in type(node).__name__], [])
    found = imports_of(top)
    assert found.ours <= CLI_AT_ONCE.ours
    assert found.others <= CLI_AT_ONCE.others


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
    *('bisenet_training', 'lightning', 'matplotlib', 'onnx', 'onnxruntime', 'pydantic', 'rich'),
    *('rosbags', 'scipy', 'sympy', 'tensorboard', 'torchmetrics', 'torchvision', 'typer'),
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
    pytest.importorskip('rclpy', reason='ROS 2 is not here')
    loaded = loaded_by('import bisenet_ros.node.segmenter_node')
    assert 'rclpy' in loaded
    assert loaded.isdisjoint(OFFLINE | {'torch', 'openvino', 'triton'})


def test_command_line_starts_without_torch() -> None:
    loaded = loaded_by('import bisenet_ros.cli')
    assert 'typer' in loaded
    assert loaded.isdisjoint({'torch', 'numpy', 'cv2', 'rclpy', 'rosbags'})
