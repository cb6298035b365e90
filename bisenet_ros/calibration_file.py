# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads calibrations of cameras in YAML, as camera_calibration_parsers of ROS writes them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import yaml
from pydantic import BaseModel, Field, ValidationError

from bisenet_ros.yaml_document import Document, DocumentError

_EXPECTED = (
    'expected is YAML as camera_calibration of ROS writes it, with image_width, image_height, '
    'camera_matrix: {data: [fx, 0, cx, 0, fy, cy, 0, 0, 1]}, distortion_model and '
    'distortion_coefficients: {data: [k1, k2, p1, p2, k3]}'
)
"""Files of other programs have the same numbers under other names."""

_NO_REGION = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)


class _Matrix(BaseModel):
    data: list[float]


class _CameraMatrix(BaseModel):
    data: list[float] = Field(min_length=9, max_length=9)


class _Calibration(BaseModel):
    """The fields of a calibration file that are used; the file has more."""

    image_width: int = Field(gt=0)
    image_height: int = Field(gt=0)
    camera_matrix: _CameraMatrix
    distortion_model: str = 'plumb_bob'
    distortion_coefficients: _Matrix = _Matrix(data=[])


def read_calibration(path: Path) -> SimpleNamespace:
    """Returns a calibration with the fields of sensor_msgs/CameraInfo that are used.

    Raises:
        DocumentError: The file cannot be read, or is not a calibration.
    """
    try:
        document = Document.load(path)
    except DocumentError as error:
        if isinstance(error.__cause__, yaml.YAMLError):
            raise DocumentError(f'{error}; {_EXPECTED}') from error
        raise
    try:
        found = _Calibration.model_validate(document.value)
    except ValidationError as error:
        first = error.errors()[0]
        raise document.error(first['loc'], f'{first["msg"]}; {_EXPECTED}') from error
    return SimpleNamespace(
        width=found.image_width,
        height=found.image_height,
        k=found.camera_matrix.data,
        d=found.distortion_coefficients.data,
        distortion_model=found.distortion_model,
        binning_x=0,
        binning_y=0,
        roi=_NO_REGION,
    )
