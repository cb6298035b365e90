# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Camera models against OpenCV's own projection, and what is refused of a CameraInfo."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from bisenet_ros.ground.camera_model import CameraInfoError, CameraModel

SIZE = (640, 480)
K = np.array([[420.0, 0, 318.5], [0, 410.0, 241.0], [0, 0, 1]])


def camera_info(**changes: Any) -> SimpleNamespace:
    """A CameraInfo of a camera without distortion."""
    fields = {
        'width': SIZE[0],
        'height': SIZE[1],
        'k': K.reshape(-1),
        'd': (),
        'distortion_model': 'plumb_bob',
        'binning_x': 0,
        'binning_y': 0,
        'roi': SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0),
    }
    return SimpleNamespace(**{**fields, **changes})


def directions(widest: float) -> np.ndarray:
    """(N, 3) up to an angle in degrees from the optical axis."""
    angle, around = np.meshgrid(np.radians(np.linspace(0, widest, 40)), np.linspace(0, 6.2, 40))
    x, y = np.sin(angle) * np.cos(around), np.sin(angle) * np.sin(around)
    return np.stack([x, y, np.cos(angle)], -1).reshape(-1, 3) * 7.5


def test_a_mask_of_another_size_shows_the_same_from_edge_to_edge() -> None:
    camera = CameraModel.from_info(camera_info(), SIZE)
    u, v = camera.project(*directions(40).T)
    smaller_u, smaller_v = camera.resized((160, 240)).project(*directions(40).T)
    np.testing.assert_allclose(smaller_u + 0.5, (u + 0.5) / 4)
    np.testing.assert_allclose(smaller_v + 0.5, (v + 0.5) / 2)


@pytest.mark.parametrize(
    ('model', 'd'),
    [
        ('plumb_bob', ()),
        ('plumb_bob', (-0.28, 0.07, 0.0012, -0.0009, 0.0)),
        ('plumb_bob', (0.1, -0.2, 0.0012, -0.0009)),
        ('rational_polynomial', (0.9, 0.3, 1e-4, -2e-4, 0.02, 1.25, 0.45, 0.08)),
        ('rational_polynomial', (0.1, 0.01, 1e-3, 1e-3, 0.0, 0.2, 0.0, 0.0, 2e-3, 1e-4, -1e-3, 0)),
        ('rational_polynomial', (0.1, 0.01, 1e-3, 1e-3, *8 * (0.0,), 0.02, -0.03)),
        ('equidistant', (-0.02, 0.004, -0.003, 0.0006)),
        ('fisheye', (0.1, 0.01, 0.0, 0.0)),
    ],
)
def test_pixels_are_those_of_opencv_and_come_back(model: str, d: tuple[float, ...]) -> None:
    camera = CameraModel.from_info(camera_info(distortion_model=model, d=d), SIZE)
    points = directions(40)
    u, v = camera.project(*points.T)
    nowhere = np.zeros(3)
    if model in ('equidistant', 'fisheye'):
        expected, _ = cv2.fisheye.projectPoints(points[:, None], nowhere, nowhere, K, np.array(d))
    else:
        expected, _ = cv2.projectPoints(points, nowhere, nowhere, K, np.array(d or [0.0] * 4))
    np.testing.assert_allclose(np.stack([u, v], -1), expected.reshape(-1, 2), atol=1e-6)

    x, y, z = camera.directions(u, v)
    found = np.stack([x, y, z], -1)
    found *= (7.5 / np.linalg.norm(found, axis=-1))[:, None]
    np.testing.assert_allclose(found, points, atol=1e-5)


def test_each_coefficient_alone_is_that_of_opencv() -> None:
    points, nowhere = directions(40), np.zeros(3)
    for model, count in (('rational_polynomial', 14), ('equidistant', 4)):
        project = cv2.fisheye.projectPoints if count == 4 else cv2.projectPoints
        for index in range(count):
            d = np.zeros(count)
            d[index] = 0.02
            camera = CameraModel.from_info(camera_info(distortion_model=model, d=d), SIZE)
            expected, _ = project(points[:, None], nowhere, nowhere, K, d)
            np.testing.assert_allclose(
                np.stack(camera.project(*points.T), -1),
                expected.reshape(-1, 2),
                atol=1e-6,
                err_msg=f'{model}, coefficient {index}',
            )


def test_nothing_is_folded_into_the_image() -> None:
    barrel = CameraModel.from_info(camera_info(d=(-0.3, 0.0, 0.0, 0.0)), SIZE)
    # r (1 - 0.3 r^2) grows up to r = 1 / sqrt(0.9), 46.5 degrees.
    u, _ = barrel.project(np.tan(np.radians([46.0, 47.0, 75.0])), np.zeros(3), np.ones(3))
    assert np.isfinite(u).tolist() == [True, False, False]
    u, _ = barrel.project(np.zeros(2), np.zeros(2), np.array([-1.0, 0.0]))
    assert np.isnan(u).all()
    edge = 1 / np.sqrt(0.9) * (1 - 0.3 / 0.9) * K[0, 0] + K[0, 2]
    x, _, _ = barrel.directions(np.array([edge - 1, edge + 1]), np.full(2, K[1, 2]))
    assert np.isfinite(x).tolist() == [True, False]


def test_a_fisheye_sees_behind_itself() -> None:
    camera = CameraModel.from_info(camera_info(distortion_model='equidistant', d=4 * [0.0]), SIZE)
    angle = np.radians(100)
    u, v = camera.project(*np.array([[np.sin(angle)], [0.0], [np.cos(angle)]]))
    assert (u[0], v[0]) == pytest.approx((angle * K[0, 0] + K[0, 2], K[1, 2]))


def test_binning_and_region_of_interest_are_applied() -> None:
    roi = SimpleNamespace(x_offset=100, y_offset=40, width=400, height=300)
    info = camera_info(binning_x=2, binning_y=3, roi=roi)
    camera = CameraModel.from_info(info, (200, 100))
    assert camera.focal == (210.0, pytest.approx(410 / 3))
    assert camera.center == (109.25, 67.0)
    binned = CameraModel.from_info(camera_info(binning_x=2, binning_y=2), (320, 240))
    assert binned.center == (159.25, 120.5)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'k': [0.0] * 9}, 'zeros in K: the camera is not calibrated'),
        ({'k': [0.0, *K.reshape(-1)[1:]]}, 'invalid focal lengths: fx 0'),
        ({'k': [420, 0, np.nan, 0, 410, 241, 0, 0, 1]}, 'K that are not finite: [420.0, 0.0, nan'),
        ({'d': [np.inf] * 5}, 'invalid distortion coefficients D'),
        ({'d': [0.1] * 3}, '3 numbers in D: plumb_bob has one of 0, 4, 5, 8, 12, 14'),
        ({'distortion_model': 'equidistant', 'd': [0.1] * 5}, 'equidistant has 4'),
        ({'distortion_model': 'omni'}, "'omni', which is not supported: use plumb_bob"),
        ({'width': 1280, 'height': 960}, 'is for 1280x960, but the image has 640x480'),
        (
            {'roi': SimpleNamespace(x_offset=10, y_offset=0, width=640, height=480)},
            'a roi of 640x480 at (10, 0), which is not within its 640x480',
        ),
        ({'binning_x': 2, 'binning_y': 2}, '640x480 binned by 2x2, but the image has 640x480'),
    ],
)
def test_what_is_refused_says_why_in_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CameraInfoError) as refused:
        CameraModel.from_info(camera_info(**changes), SIZE)
    assert message in str(refused.value)
    assert '\n' not in str(refused.value)
