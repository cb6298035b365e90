# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the package's files that are not Python: config/, launch/, msg/."""

from __future__ import annotations

from pathlib import Path


def message_definition(kind: str) -> str:
    """Returns the text of one of the package's .msg files.

    Args:
        kind: The type, such as `bisenet_ros/msg/DrivableArea`.

    Raises:
        FileNotFoundError: The package was copied without these files.
    """
    file = share_directory() / 'msg' / f'{kind.rpartition("/")[2]}.msg'
    return file.read_text(encoding='utf-8')


def share_directory(module: Path = Path(__file__)) -> Path:
    """Returns the folder that holds config/, launch/ and msg/.

    That is the source tree, or share/bisenet_ros under the install prefix of colcon or pip, whether
    or not that prefix has been sourced.

    Args:
        module: A file of the package.

    Raises:
        FileNotFoundError: The package was copied without these files.
    """
    for parent in module.parents:
        for directory in (parent, parent / 'share' / 'bisenet_ros'):
            if (directory / 'package.xml').is_file():
                return directory
    raise FileNotFoundError(f'no package.xml of bisenet_ros above {module}: install it again')
