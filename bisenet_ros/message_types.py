# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names message types of ROS 2 and their topics, and finds types that may not be installed."""

from __future__ import annotations

import importlib
from typing import Any

IMAGE_TYPE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE_TYPE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO_TYPE = 'sensor_msgs/msg/CameraInfo'
TRANSFORMS_TYPE = 'tf2_msgs/msg/TFMessage'

COMPRESSED = '/compressed'
"""What image_transport appends to the topic of images for the topic of their compressed form."""

COMPRESSED_DEPTH = '/compressedDepth'
"""What it appends for depth images; these are of the type CompressedImage, too."""


def optional_message(package: str, name: str) -> Any:
    """Returns a message type by name; None if its package is missing, not compiled or too old."""
    try:
        return getattr(importlib.import_module(f'{package}.msg'), name)
    except (ImportError, AttributeError):
        return None
