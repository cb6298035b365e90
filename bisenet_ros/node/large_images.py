# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses the Fast DDS profile that images over half a megabyte need.

Fast DDS sends between processes of one machine through a shared-memory segment of 512 KB. Larger
messages sent with best effort do not arrive at all. The profile that ships with the package makes
the segment large enough. It must be set for the process that *publishes* the image, in its
environment, before ROS starts there.

If /dev/shm has no room for the segment, as with the 64 MB of a Docker container, Fast DDS sends
over UDP. Its message about that ("not supported in the current platform") needs an explanation.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from bisenet_ros.resources import share_directory

VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
"""Environment variables for the path of the profile: the first on Kilted and newer, which warn
about the second; the second up to Jazzy."""

CHOICES = (*VARIABLES, 'FASTDDS_BUILTIN_TRANSPORTS')
"""If one of these is set, the user has chosen how Fast DDS sends."""

SHARED_MEMORY = Path('/dev/shm')  # noqa: S108
"""The folder that ROS 2 and Fast DDS use."""

SEGMENT_MB = 64
"""Size of the segment in the profile, MB."""

ROS_MB = 0.1
"""Shared memory that importing rclpy needs for its tracing (LTTng), MB."""

MAKE_ROOM = (
    'Make room (in Docker: --shm-size=1g; after processes that were killed: fastdds shm clean) '
    'and start again'
)


def profile() -> Path:
    """Returns the path of the profile for large images that ships with the package."""
    return share_directory() / 'config' / 'fastdds_large_images.xml'


def variable(environment: Mapping[str, str]) -> str:
    """Returns the variable that the ROS distribution of an environment reads."""
    older = environment.get('ROS_DISTRO', '') in ('humble', 'iron', 'jazzy')
    return VARIABLES[1] if older else VARIABLES[0]


def use_profile(environment: MutableMapping[str, str]) -> None:
    """Sets the profile, unless the user has chosen one; call it before `rclpy.init`."""
    if not any(environment.get(name) for name in CHOICES):
        environment[variable(environment)] = str(profile())


def shortage(free_mb: float, environment: Mapping[str, str]) -> str | None:
    """Returns why images go over UDP, and what to do; None if shared memory has room for them.

    Args:
        free_mb: Free shared memory before `rclpy.init`.
        environment: Environment variables of this process. The result is None if the user has
            chosen another DDS, or how Fast DDS sends.
    """
    fast_dds = environment.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp').startswith('rmw_fastrtps')
    chosen = environment.get(variable(environment)) != str(profile())
    if not fast_dds or chosen or free_mb > SEGMENT_MB:
        return None
    return (
        f'{SHARED_MEMORY} has {free_mb:.0f} MB free, and Fast DDS needs {SEGMENT_MB} MB there: '
        f'images go over UDP, which is slower. {MAKE_ROOM}'
    )


def free_shared_memory() -> float:
    """Returns the free shared memory in MB; infinite if there is no folder to ask."""
    try:
        space = os.statvfs(SHARED_MEMORY)
    except FileNotFoundError:
        return math.inf
    return space.f_bavail * space.f_frsize / 2**20
