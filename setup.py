# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adds to the pip build what pyproject.toml cannot express: two package trees and compiled parts.

colcon ignores this file and builds from CMakeLists.txt.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from setuptools import Command, Distribution, find_packages, setup
from setuptools.command.build import build

PACKAGE = Path('bisenet_ros')
ENGINE = PACKAGE / 'engine'
LIBRARY = '_native.so'
# Only explicit FMAs in the source are fused, so that the result is exact on every machine.
C_FLAGS = ('-O3', '-ffp-contract=off', '-fPIC', '-pthread', '-shared')
MESSAGE_BUILDER = Path('build_support', 'messages.py')


class BuildNative(Command):
    """Compiles the C library of the engine and the ROS 2 messages, if possible.

    Neither is needed to segment an image, so what cannot be compiled is left out with a warning.
    An editable install puts the products into the source tree, where git ignores them.
    """

    description = 'compile the C library and the ROS 2 messages'
    user_options: ClassVar[list[tuple[str, str | None, str]]] = []
    editable_mode = False

    def initialize_options(self) -> None:
        self.build_lib: str | None = None

    def finalize_options(self) -> None:
        self.set_undefined_options('build_py', ('build_lib', 'build_lib'))

    def run(self) -> None:
        if self.editable_mode:
            package = PACKAGE
        else:
            assert self.build_lib, 'setuptools has finalized the options'
            package = Path(self.build_lib) / PACKAGE
        self._build_library(package / 'engine')
        self._build_messages(package)

    def _build_library(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        compiler = shlex.split(os.environ.get('CC', 'cc'))
        sources = (str(path) for path in sorted(ENGINE.glob('*.c')))
        self._attempt(
            [*compiler, *C_FLAGS, *sources, '-o', str(directory / LIBRARY)],
            otherwise='inference on CPUs is slower',
        )

    def _build_messages(self, package: Path) -> None:
        self._attempt(
            [sys.executable, str(MESSAGE_BUILDER), str(package)],
            otherwise='the node runs without its topics drivable_area and timing',
        )

    def _attempt(self, command: list[str], otherwise: str) -> None:
        """Runs a build step; if it fails, warns why and continues."""
        try:
            subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True)
        except FileNotFoundError as error:
            reason = str(error)
        except subprocess.CalledProcessError as error:
            reason = error.stderr.strip()
        else:
            return
        self.warn(f'{" ".join(command)} failed, so {otherwise}. The reason:\n{reason}')

    def get_source_files(self) -> list[str]:
        """Returns the files that this command needs in a source distribution."""
        return [
            *(str(path) for path in sorted(ENGINE.glob('*.[ch]'))),
            str(MESSAGE_BUILDER),
            *(str(path) for path in sorted(Path('msg').glob('*.msg'))),
        ]

    def get_outputs(self) -> list[str]:
        return []

    def get_output_mapping(self) -> dict[str, str]:
        return {}


class Build(build):
    """Runs the build of setuptools, then `build_native`."""

    sub_commands: ClassVar = [*build.sub_commands, ('build_native', None)]


class NativeDistribution(Distribution):
    """A distribution whose wheel is for one Python and one platform, due to compiled messages."""

    def has_ext_modules(self) -> bool:
        return True

    def has_data(self) -> bool:
        """Returns whether there are data files; an editable install calls this to install them."""
        return bool(self.has_data_files())


setup(
    cmdclass={'build': Build, 'build_native': BuildNative},
    distclass=NativeDistribution,
    # bisenet_ros.msg is always built, never copied from an editable install of this tree.
    packages=[
        *find_packages(include=['bisenet_ros', 'bisenet_ros.*'], exclude=['bisenet_ros.msg']),
        'bisenet_training',
        *(f'bisenet_training.{name}' for name in find_packages('training')),
    ],
    package_dir={'bisenet_training': 'training'},
)
