# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images over half a megabyte on Fast DDS: the profile that they need, and how it is chosen.

Fast DDS sends between processes of one machine through a shared-memory segment of 512 KB. What is
larger and goes out with best effort does not arrive at all. The profile that ships with the package
makes the segment large enough; it counts in the process that *publishes* the image, and it must be
in the environment before ROS starts there.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from pathlib import Path

from bisenet_ros.resources import share_directory

VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
"""What names the profile: the first on Kilted and newer, which warn of the second, the second up
to Jazzy."""

CHOICES = (*VARIABLES, 'FASTDDS_BUILTIN_TRANSPORTS')
"""Where one of these is set, the user has chosen how Fast DDS sends."""


def profile() -> Path:
    """The profile for large images that ships with the package."""
    return share_directory() / 'config' / 'fastdds_large_images.xml'


def variable(environment: Mapping[str, str]) -> str:
    """The variable that the ROS distribution of an environment reads."""
    older = environment.get('ROS_DISTRO', '') in ('humble', 'iron', 'jazzy')
    return VARIABLES[1] if older else VARIABLES[0]


def use_profile(environment: MutableMapping[str, str]) -> None:
    """Choose the profile for a process, unless its user has chosen one; before `rclpy.init`."""
    if not any(environment.get(name) for name in CHOICES):
        environment[variable(environment)] = str(profile())
