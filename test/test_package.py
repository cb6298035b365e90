# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What pip and colcon make of the source tree. Everything is built from a copy of it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from catkin_pkg.package import parse_package

from bisenet_ros.version import VERSION

ROOT = Path(__file__).parents[1]
DATA_FILES = 'bisenet_ros/engine/*.png', 'bisenet_ros/templates/*.j2', 'bisenet_ros/weights/*'
DATA = f'bisenet_ros-{VERSION}.data/data'
COMPILED = {
    'bisenet_ros/engine/_native.so',
    'bisenet_ros/libbisenet_ros__rosidl_typesupport_fastrtps_c.so',
    'bisenet_ros/libbisenet_ros__rosidl_typesupport_introspection_c.so',
    'bisenet_ros/bisenet_ros_s__rosidl_typesupport_c' + sysconfig.get_config_var('EXT_SUFFIX'),
}
GENERATED = {
    'bisenet_ros/msg/__init__.py',
    'bisenet_ros/msg/_drivable_area.py',
    'bisenet_ros/msg/_segmentation_timing.py',
}

HAS_COMPILERS = shutil.which('cc') is not None and shutil.which('c++') is not None
needs_compilers = pytest.mark.skipif(not HAS_COMPILERS, reason='needs a C and a C++ compiler')
CMAKE_PREFIXES = os.environ.get('CMAKE_PREFIX_PATH', '').split(os.pathsep)
needs_ament_cmake = pytest.mark.skipif(
    not any(Path(prefix, 'share', 'ament_cmake').is_dir() for prefix in CMAKE_PREFIXES),
    reason='needs ament_cmake, which comes with ROS 2 but not with its wheels',
)


def not_source(directory: str, names: list[str]) -> Iterator[str]:
    """What to leave out of a copy of the source tree: environments, results, compiled parts."""
    at_root, in_package = Path(directory) == ROOT, Path(directory) == ROOT / 'bisenet_ros'
    for name in names:
        if (
            name.endswith(('.egg-info', '.pyc', '.so'))
            or (at_root and name in ('build', 'install', 'log', 'out'))
            or (at_root and name.startswith('.'))
            or (in_package and name == 'msg')
        ):
            yield name


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the source tree, with the remains of an earlier editable install in it."""
    tree = tmp_path / 'source'
    shutil.copytree(ROOT, tree, ignore=lambda *arguments: set(not_source(*arguments)))
    add_remains(tree)
    return tree


def add_remains(tree: Path) -> None:
    """Puts remains of an earlier editable install into a source tree."""
    (tree / 'bisenet_ros' / 'msg').mkdir()
    (tree / 'bisenet_ros' / 'msg' / '_left_over.py').touch()


def contents(directory: Path) -> dict[str, str]:
    """Hash of every file under a directory, by relative path."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob('*')
        if path.is_file()
    }


def sources(*patterns: str) -> set[str]:
    """Relative paths of the source tree."""
    return {str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern)}


def output(command: list[str], cwd: Path, **environment: str) -> str:
    """What a command prints, which must succeed."""
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def unpacked_sdist(tree: Path) -> Path:
    """The folder in the source distribution of a tree."""
    archives = tree.parent / 'sdist'
    build = f'from setuptools import build_meta; print(build_meta.build_sdist({str(archives)!r}))'
    archive = output([sys.executable, '-c', build], cwd=tree).splitlines()[-1]
    assert archive == f'bisenet_ros-{VERSION}.tar.gz'
    shutil.unpack_archive(archives / archive, archives, filter='data')
    return archives / f'bisenet_ros-{VERSION}'


def build_wheel(tree: Path, **environment: str) -> tuple[zipfile.ZipFile, str]:
    """The wheel that pip builds in this environment, and what the build said."""
    target = tree.parent / 'wheel'
    pip = [sys.executable, '-m', 'pip', 'wheel', '-v', '--no-build-isolation', '--no-deps']
    result = subprocess.run(
        [*pip, '-w', str(target), str(tree)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert result.returncode == 0, result.stdout
    (wheel,) = target.iterdir()
    return zipfile.ZipFile(wheel), result.stdout


def test_manifest_is_what_ros_expects() -> None:
    warnings: list[str] = []
    manifest = parse_package(str(ROOT), warnings=warnings)
    assert warnings == []
    assert manifest.package_format == 3
    assert [group.name for group in manifest.member_of_groups] == ['rosidl_interface_packages']
    assert manifest.get_build_type() == 'ament_cmake'
    assert manifest.version == VERSION


def test_cmake_names_what_is_there() -> None:
    text = (ROOT / 'CMakeLists.txt').read_text()
    named = set(re.findall(r'[\w/]+/\w+\.\w+', text)) | set(re.findall(r'scripts/\w+', text))
    assert named >= sources('msg/*.msg', 'scripts/*', 'bisenet_ros/engine/*.c')
    assert [name for name in named if not (ROOT / name).is_file()] == []
    for directory in re.findall(r'DIRECTORY ([\w/ ]+?) (?:DESTINATION|PATTERN)', text):
        assert all((ROOT / name).is_dir() for name in directory.split())


def test_a_wheel_from_an_sdist_holds_everything_and_runs_in_an_empty_folder(tree: Path) -> None:
    unpacked = unpacked_sdist(tree)
    add_remains(unpacked)
    before = contents(unpacked)
    wheel, _ = build_wheel(unpacked)
    after = contents(unpacked)

    derived = ('build/', 'bisenet_ros.egg-info/')
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert {name for name in changed if not name.startswith(derived)} == set()
    names = set(wheel.namelist())
    if HAS_COMPILERS:
        assert names >= COMPILED | GENERATED
    assert 'bisenet_ros/msg/_left_over.py' not in names
    assert names >= sources('bisenet_ros/**/[!_]*.py', *DATA_FILES) - sources('bisenet_ros/msg/*')
    training = {
        name.replace('training/', 'bisenet_training/') for name in sources('training/**/*.py')
    }
    assert names >= training
    share = {
        f'{DATA}/share/bisenet_ros/{name}'
        for name in {'package.xml'} | sources('launch/*.py', 'config/**/*.*')
    }
    assert names >= share
    assert f'{DATA}/share/ament_index/resource_index/packages/bisenet_ros' in names
    for script in sources('scripts/*'):
        program = wheel.getinfo(f'{DATA}/lib/bisenet_ros/{Path(script).name}')
        assert program.external_attr >> 16 & 0o111, f'{script} is not executable'
        assert wheel.read(program).startswith(b'#!/usr/bin/env python3\n')

    installed, empty = tree.parent / 'installed', tree.parent / 'empty'
    pip = [sys.executable, '-m', 'pip', 'install', '-q', '--no-deps']
    subprocess.run([*pip, '--target', str(installed), str(wheel.filename)], check=True)
    empty.mkdir()
    script = """if True:
        import numpy as np
        import bisenet_ros, bisenet_training
        from bisenet_ros.engine.upsample_argmax import backend
        from bisenet_ros.segmenter import Segmenter

        result = Segmenter.load(device='cpu')(np.zeros((96, 128, 3), np.uint8))
        print(bisenet_ros.__path__[0], backend(), result.labels.shape)
    """
    said = output([sys.executable, '-c', script], cwd=empty, PYTHONPATH=str(installed))
    library = 'native' if shutil.which('cc') else 'torch'
    assert said.strip() == f'{installed}/bisenet_ros {library} (96, 128)'


def test_wheel_without_compilers_lacks_only_what_is_compiled(tree: Path) -> None:
    wheel, output = build_wheel(tree, CC='no-c-compiler', CXX='no-cxx-compiler')

    names = set(wheel.namelist())
    assert names.isdisjoint(COMPILED | GENERATED)
    assert {'bisenet_ros/node/segmenter_node.py', 'bisenet_ros/engine/torch_engine.py'} <= names
    assert 'no-c-compiler' in output
    assert 'so inference on CPUs is slower' in output
    assert 'so the node runs without its topics drivable_area and timing' in output


def test_editable_install_has_the_files_that_ros_looks_for(tree: Path) -> None:
    target = tree.parent / 'wheel'
    target.mkdir()
    subprocess.run(
        [
            sys.executable,
            '-c',
            f'from setuptools import build_meta; build_meta.build_editable({str(target)!r})',
        ],
        cwd=tree,
        env={**os.environ, 'CC': 'no-c-compiler', 'CXX': 'no-cxx-compiler'},
        check=True,
    )
    (wheel,) = target.iterdir()
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f'{DATA}/share/bisenet_ros/{name}' for name in sources('launch/*.py')} <= names
    assert f'{DATA}/share/ament_index/resource_index/packages/bisenet_ros' in names


@needs_ament_cmake
@needs_compilers
def test_ament_cmake_builds_and_installs_a_package_that_imports(tree: Path) -> None:
    build, prefix = tree.parent / 'build', tree.parent / 'install'
    configure = ['cmake', '-S', str(tree), '-B', str(build), f'-DCMAKE_INSTALL_PREFIX={prefix}']
    for command in (
        [*configure, f'-DPython3_EXECUTABLE={sys.executable}', '-DBUILD_TESTING=OFF'],
        ['cmake', '--build', str(build), '--parallel', '2'],
        ['cmake', '--install', str(build)],
    ):
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr

    (package,) = prefix.glob('**/bisenet_ros/engine')
    script = """if True:
        from pathlib import Path
        import bisenet_training
        from bisenet_ros.engine.upsample_argmax import backend
        from bisenet_ros.msg import DrivableArea
        from bisenet_ros.resources import share_directory
        from rclpy.serialization import deserialize_message, serialize_message

        assert backend() == 'native'
        message = DrivableArea(width=3)
        assert deserialize_message(serialize_message(message), DrivableArea) == message
        print(share_directory())
    """

    def before(variable: str, path: Path) -> str:
        return os.pathsep.join([str(path), os.environ.get(variable, '')])

    result = subprocess.run(
        [sys.executable, '-c', script],
        env={
            **os.environ,
            'PYTHONPATH': before('PYTHONPATH', package.parents[1]),
            'LD_LIBRARY_PATH': before('LD_LIBRARY_PATH', prefix / 'lib'),
        },
        cwd=tree.parent,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == str(prefix / 'share' / 'bisenet_ros')
    installed = contents(prefix)
    assert {f'share/bisenet_ros/{name}' for name in sources('launch/*', 'config/**/*.*')} <= set(
        installed
    )
    python = package.parents[1].relative_to(prefix)
    assert {f'{python}/{name}' for name in sources(*DATA_FILES)} <= set(installed)
    assert {'lib/bisenet_ros/bisenet', 'lib/bisenet_ros/segmenter_node'} <= set(installed)
    assert not any(name.endswith('_left_over.py') for name in installed)
