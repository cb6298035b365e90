# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads calibrations of cameras in YAML, as camera_calibration_parsers of ROS writes them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from pydantic import BaseModel, Field, ValidationError

from bisenet_ros.yaml_document import Document

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
    document = Document.load(path)
    try:
        found = _Calibration.model_validate(document.value)
    except ValidationError as error:
        first = error.errors()[0]
        raise document.error(first['loc'], first['msg']) from error
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
