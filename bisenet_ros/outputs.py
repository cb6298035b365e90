# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Declares every output topic of a frame: its type and how its message is filled.

The node publishes these topics (node/publishers.py). Replay writes them into a bag
(replay/measure/output_bag.py), with the exception of compressed images, which it writes raw. Fields
have plain types: numbers, strings, NumPy arrays, and mappings or lists of mappings for nested
messages. The writers add the header. It is that of the image, except that outputs on the ground
have `base_frame` as frame_id.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.camera_info import Sizes, scaled
from bisenet_ros.camera_pipeline import SegmentedFrame
from bisenet_ros.camera_slot import FrameCounts
from bisenet_ros.ground.tables import SCAN_BEARINGS
from bisenet_ros.image_codec import image_fields, jpeg_fields, png_fields
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.message_types import (
    CAMERA_INFO_TYPE,
    COMPRESSED,
    COMPRESSED_IMAGE_TYPE,
    IMAGE_TYPE,
)
from bisenet_ros.overlay import overlay

NAMESPACE = 'segmentation'
"""Namespace of every output, inside the camera's namespace."""

Fields = Mapping[str, Any]


def output_topic(camera: str, name: str) -> str:
    """Returns the topic of a camera's output in the node's namespace: `front/segmentation/labels`.

    Args:
        camera: Name of the camera; empty for one without a name.
        name: Name of the output.
    """
    return posixpath.join(camera, NAMESPACE, name)


@dataclass
class FrameResult:
    """A segmented frame with its timing: the input for all outputs.

    Attributes:
        frame: The frame.
        overlay_alpha: Opacity of the overlay's colours, 0 to 1.
        age_ms: Time from the image's stamp to the publication of its labels; NaN if that has no
            meaning.
        publish_ms: Time to compute, fill and publish all outputs except the timing; NaN if nothing
            is published.
        counts: The camera's frame counts so far, this frame included.
    """

    frame: SegmentedFrame
    overlay_alpha: float
    age_ms: float = float('nan')
    publish_ms: float = float('nan')
    counts: FrameCounts = field(default_factory=FrameCounts)

    @cached_property
    def overlay(self) -> npt.NDArray[np.uint8]:
        """(H, W, 3) BGR, as large as the labels: the frame tinted by class, the mask outlined."""
        segmentation = self.frame.segmentation
        return overlay(
            self.frame.pixels,
            segmentation.labels,
            segmentation.label_space,
            self.overlay_alpha,
            drivable=segmentation.drivable,
        )


@dataclass(frozen=True)
class Output:
    """One topic of a camera.

    Attributes:
        name: Topic name after `<camera>/segmentation/`.
        type: Message type.
        fill: Returns the fields of a message except its header, or a complete message to pass on,
            or None if there is nothing to send.
        on_ground: Whether it is in `base_frame` instead of the camera's frame.
        recent: Whether late subscribers get the last message if it is recent.
    """

    name: str
    type: str
    fill: Callable[[FrameResult], Fields | Any]
    on_ground: bool = False
    recent: bool = False

    def frame_id(self, result: FrameResult) -> str:
        """Returns the frame_id of a message."""
        ground = result.frame.ground
        if self.on_ground and ground is not None:
            return ground.base_frame
        frame: str = result.frame.message.header.frame_id
        return frame

    @property
    def recorded(self) -> bool:
        """Whether replay writes it into a bag; images are only written raw."""
        return self.type != COMPRESSED_IMAGE_TYPE


def _area(result: FrameResult) -> Fields:
    area = result.frame.segmentation.area
    ground = result.frame.ground
    ranges = np.full(area.size[0], np.nan, np.float32)
    if ground is not None:
        ranges = ground.free_space_range
    return {
        'height': area.size[1],
        'width': area.size[0],
        'fraction': area.fraction,
        'confidence': area.confidence,
        'free_space_boundary': area.free_space_boundary.astype(np.uint32),
        'free_space_range': ranges,
        'outline': {'points': [{'x': x, 'y': y, 'z': 0.0} for x, y in area.outline.tolist()]},
    }


def _anomaly(result: FrameResult) -> Fields | None:
    anomaly = result.frame.segmentation.anomaly
    return None if anomaly is None else image_fields(anomaly, 'mono8')


def _camera_info(result: FrameResult) -> Any:
    frame = result.frame
    if frame.camera_info is None:
        return None
    return scaled(frame.camera_info, Sizes(frame.size, frame.segmentation.size))


def _grid(result: FrameResult) -> Fields | None:
    ground = result.frame.ground
    if ground is None:
        return None
    stamp = result.frame.message.header.stamp
    rows, columns = ground.layout.shape
    return {
        'info': {
            'map_load_time': {'sec': stamp.sec, 'nanosec': stamp.nanosec},
            'resolution': ground.layout.resolution,
            'width': columns,
            'height': rows,
            'origin': {
                'position': {'x': 0.0, 'y': ground.layout.right, 'z': 0.0},
                'orientation': {'x': 0.0, 'y': 0.0, 'z': 0.0, 'w': 1.0},
            },
        },
        'data': ground.grid.reshape(-1),
    }


def _scan(result: FrameResult) -> Fields | None:
    ground = result.frame.ground
    if ground is None:
        return None
    return {
        'angle_min': float(SCAN_BEARINGS[0]),
        'angle_max': float(SCAN_BEARINGS[-1]),
        'angle_increment': float(SCAN_BEARINGS[1] - SCAN_BEARINGS[0]),
        'time_increment': 0.0,
        'scan_time': 0.0,
        'range_min': 0.0,
        'range_max': ground.range_max,
        'ranges': ground.scan,
        'intensities': np.empty(0, np.float32),
    }


def _timing(result: FrameResult) -> Fields:
    return {
        'decode_ms': result.frame.decode_ms,
        'inference_ms': result.frame.inference_ms,
        'publish_ms': result.publish_ms,
        'age_ms': result.age_ms,
        'frames_in': result.counts.received,
        'frames_out': result.counts.published,
        'frames_dropped': result.counts.dropped,
        'frames_malformed': result.counts.malformed,
    }


def _rgb(bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    # NumPy takes twenty times as long to reverse the channels.
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _compressed(name: str, fill: Callable[[FrameResult], Fields]) -> Output:
    """Declares the compressed form of an image topic, named as image_transport expects."""
    return Output(f'{name}{COMPRESSED}', COMPRESSED_IMAGE_TYPE, fill)


LABELS = Output('labels', IMAGE_TYPE, lambda r: image_fields(r.frame.segmentation.labels, 'mono8'))
GRID = Output('grid', 'nav_msgs/msg/OccupancyGrid', _grid, on_ground=True, recent=True)
SCAN = Output('free_space_scan', 'sensor_msgs/msg/LaserScan', _scan, on_ground=True)
TIMING = Output('timing', 'bisenet_ros/msg/SegmentationTiming', _timing)

OUTPUTS = (
    LABELS,
    Output('drivable', IMAGE_TYPE, lambda r: image_fields(r.frame.segmentation.drivable, 'mono8')),
    Output('camera_info', CAMERA_INFO_TYPE, _camera_info),
    GRID,
    SCAN,
    Output('drivable_area', 'bisenet_ros/msg/DrivableArea', _area),
    Output(
        'confidence', IMAGE_TYPE, lambda r: image_fields(r.frame.segmentation.confidence, 'mono8')
    ),
    Output('anomaly', IMAGE_TYPE, _anomaly),
    Output('overlay', IMAGE_TYPE, lambda r: image_fields(_rgb(r.overlay), 'rgb8')),
    _compressed('labels', lambda r: png_fields(r.frame.segmentation.labels)),
    _compressed('drivable', lambda r: png_fields(r.frame.segmentation.drivable)),
    _compressed('confidence', lambda r: png_fields(r.frame.segmentation.confidence)),
    _compressed('overlay', lambda r: jpeg_fields(r.overlay)),
    TIMING,
)
"""Every topic of a frame in the order of publication: labels first, then more expensive outputs,
and the timing last."""

LABEL_INFO = ('label_info', 'vision_msgs/msg/LabelInfo')
"""Name and type of the topic with the class names: latched, sent when a network is loaded."""


def label_info(label_space: LabelSpace, threshold: float) -> Fields:
    """Returns the fields of `vision_msgs/LabelInfo`.

    Args:
        label_space: The classes.
        threshold: The confidence below which pixels are not labelled, 0 to 1.
    """
    classes = [{'class_id': i, 'class_name': name} for i, name in enumerate(label_space.names)]
    return {'class_map': classes, 'threshold': threshold}
