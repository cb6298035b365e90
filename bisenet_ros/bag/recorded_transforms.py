# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the poses of the cameras from a recording of `/tf_static`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from bisenet_ros.bag.reader import StaticTransform
from bisenet_ros.camera_ground import Transform

Quaternion = tuple[float, float, float, float]  # x, y, z, w
Vector = tuple[float, float, float]

_IDENTITY = Transform((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))


class RecordedTransforms:
    """Looks up chains of static transforms; see `camera_ground.Transforms`.

    Args:
        transforms: One transform per frame, to its parent.
    """

    def __init__(self, transforms: Iterable[StaticTransform]) -> None:
        # In ROS 1, frame names may begin with a slash.
        self._frames = {
            one.child.lstrip('/'): (
                one.parent.lstrip('/'),
                Transform(one.translation, _normalized(one.rotation)),
            )
            for one in transforms
        }

    def find(self, parent: str, child: str, stamp: Any) -> Transform | None:
        """Returns the pose of `child` in `parent` at any stamp; None if they are not connected."""
        above_parent = self._above(parent.lstrip('/'))
        for frame, transform in self._above(child.lstrip('/')).items():
            if frame in above_parent:  # the closest common ancestor
                return _composed(_inverse(above_parent[frame]), transform)
        return None

    def _above(self, frame: str) -> dict[str, Transform]:
        """Returns the pose of a frame in itself and in each ancestor, the closest first."""
        found = {frame: _IDENTITY}
        while frame in self._frames:
            parent, transform = self._frames[frame]
            if parent in found:  # a cycle
                break
            found[parent] = _composed(transform, found[frame])
            frame = parent
        return found


def _normalized(rotation: Quaternion) -> Quaternion:
    length = math.hypot(*rotation)
    if not (math.isfinite(length) and length > 0):
        return rotation  # refused when it is used
    x, y, z, w = (part / length for part in rotation)
    return x, y, z, w


def _composed(outer: Transform, inner: Transform) -> Transform:
    """Composes two poses: `inner` of a frame in B, and `outer` of B in A, to the pose in A."""
    x, y, z = np.add(outer.translation, _rotated(outer.rotation, inner.translation)).tolist()
    return Transform((x, y, z), _product(outer.rotation, inner.rotation))


def _inverse(transform: Transform) -> Transform:
    x, y, z, w = transform.rotation
    back = -x, -y, -z, w
    x, y, z = _rotated(back, transform.translation)
    return Transform((-x, -y, -z), back)


def _product(a: Quaternion, b: Quaternion) -> Quaternion:
    (ax, ay, az, aw), (bx, by, bz, bw) = a, b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def _rotated(rotation: Quaternion, vector: Vector) -> Vector:
    x, y, z, w = rotation
    rotated = _product(_product(rotation, (*vector, 0.0)), (-x, -y, -z, w))
    return rotated[:3]
