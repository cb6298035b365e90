# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The package's own messages, to be written without ROS: what `msg/` says, without its comments."""

from __future__ import annotations

AREA_TYPE = 'bisenet_ros/msg/DrivableArea'
TIMING_TYPE = 'bisenet_ros/msg/SegmentationTiming'

DEFINITIONS = {
    AREA_TYPE: """\
std_msgs/Header header
uint32 height
uint32 width
float32 fraction
float32 confidence
uint32[] free_space_boundary
geometry_msgs/Polygon outline
""",
    TIMING_TYPE: """\
std_msgs/Header header
float32 decode_ms
float32 inference_ms
float32 publish_ms
float32 age_ms
uint64 frames_in
uint64 frames_out
uint64 frames_dropped
uint64 frames_malformed
""",
}
