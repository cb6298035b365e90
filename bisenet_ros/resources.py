# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the files lie that come with the package and are not Python: config/, launch/."""

from __future__ import annotations

from pathlib import Path


def share_directory(module: Path = Path(__file__)) -> Path:
    """The folder that holds config/ and launch/.

    That is the source tree, or share/bisenet_ros under the prefix that colcon or pip installed to,
    whether or not that prefix has been sourced.

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
