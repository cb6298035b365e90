# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Poses: the conventions of REP 103 in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bisenet_ros.ground.pose import Pose, PoseError


@pytest.mark.parametrize(
    ('mounting', 'point', 'optical'),
    [
        # The point 10 m ahead is in the middle, below by the height.
        ((0, 0, 1.5, 0, 0, 0), (10, 0), (0, 1.5, 10)),
        ((2, 0.5, 1.5, 0, 0, 0), (12, 0.5), (0, 1.5, 10)),
        # What is on the left is at negative x.
        ((0, 0, 1.5, 0, 0, 0), (10, 2), (-2, 1.5, 10)),
        # A camera that is turned to the left has what is ahead on its right.
        ((0, 0, 1, 0, 0, math.pi / 2), (10, 0), (10, 1, 0)),
        # Pitched down so far that it looks at the point: it is on the optical axis.
        ((0, 0, 2, 0, math.atan(0.2), 0), (10, 0), (0, 0, math.hypot(10, 2))),
        # Rolled to the right by 90 degrees, what is below is on the right... of the image.
        ((0, 0, 1, math.pi / 2, 0, 0), (10, 0), (1, 0, 10)),
    ],
)
def test_where_the_ground_is_for_the_camera(
    mounting: tuple[float, ...], point: tuple[float, float], optical: tuple[float, ...]
) -> None:
    pose = Pose.from_mounting(mounting)
    found = pose.to_optical(np.float64(point[0]), np.float64(point[1]))
    np.testing.assert_allclose(found, optical, atol=1e-12)


def test_fixed_axes_and_a_transform_of_tf() -> None:
    x, y, z, roll, pitch, yaw = mounting = (1.0, -0.5, 1.2, 0.1, 0.2, -0.3)

    def about(axis: int, angle: float) -> np.ndarray:
        c, s = math.cos(angle), math.sin(angle)
        turn = np.eye(3)
        others = [other for other in range(3) if other != axis]
        turn[np.ix_(others, others)] = [[c, -s], [s, c]] if axis != 1 else [[c, s], [-s, c]]
        return turn

    body = about(2, yaw) @ about(1, pitch) @ about(0, roll)
    optical = body @ np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    pose = Pose.from_mounting(mounting)
    np.testing.assert_allclose(pose.matrix, optical, atol=1e-12)
    assert pose.heading == pytest.approx(yaw)

    w = math.sqrt(1 + np.trace(optical)) / 2
    i, j, k = ((optical[b, a] - optical[a, b]) / (4 * w) for a, b in ((1, 2), (2, 0), (0, 1)))
    # TF's quaternions are of length 1 only as far as somebody's rounding went.
    of_tf = Pose.from_transform((x, y, z), tuple(1.001 * part for part in (i, j, k, w)))
    np.testing.assert_allclose(of_tf.matrix, optical, atol=1e-12)
    assert of_tf.translation == (x, y, z)


def test_a_camera_that_looks_straight_down_has_no_heading() -> None:
    assert Pose.from_mounting((0, 0, 1, 0, math.pi / 2, 1)).heading == 0


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(PoseError, match='z = 0 m in base_frame, which is not above the ground'):
        Pose.from_mounting((0, 0, 0, 0, 0, 0))
    with pytest.raises(PoseError, match='quaternion'):
        Pose.from_transform((0, 0, 1), (0, 0, 0, 0))
    with pytest.raises(PoseError, match='quaternion'):
        Pose.from_transform((0, 0, 1), (0, 0, 0, math.inf))
    with pytest.raises(PoseError, match=r'position of the camera is not finite: \[nan, 0, 1\]'):
        Pose.from_transform((float('nan'), 0, 1), (0, 0, 0, 1))
