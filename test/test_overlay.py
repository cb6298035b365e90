# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from bisenet_ros.label_space import CAMVID, IGNORE, LabelSpace
from bisenet_ros.overlay import overlay

SPACE = LabelSpace(names=('road', 'car'), colors=((200, 100, 0), (0, 40, 240)), drivable=('road',))


@pytest.fixture
def frame() -> npt.NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 256, (36, 50, 3), np.uint8)


@pytest.fixture
def labels() -> npt.NDArray[np.uint8]:
    return np.random.default_rng(4).choice([0, 1, IGNORE], (36, 50)).astype(np.uint8)


@pytest.mark.parametrize('alpha', [0.0, 0.25, 0.5, 1.0])
def test_blends_the_colour_of_the_class(
    alpha: float, frame: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]
) -> None:
    before = frame.copy()
    expected = frame.astype(float)
    for label, (red, green, blue) in enumerate(SPACE.colors):
        where = labels == label
        expected[where] = (1 - alpha) * expected[where] + alpha * np.array([blue, green, red])

    drawn = overlay(frame, labels, SPACE, alpha)

    assert drawn.dtype == np.uint8
    np.testing.assert_allclose(drawn, expected, atol=0.51)
    np.testing.assert_array_equal(drawn[labels == IGNORE], frame[labels == IGNORE])
    np.testing.assert_array_equal(frame, before)
    assert not np.shares_memory(drawn, frame)


def test_takes_read_only_windows(
    frame: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]
) -> None:
    wide_frame, wide_labels = (
        np.pad(frame, ((0, 0), (0, 7), (0, 0))),
        np.pad(labels, ((0, 0), (3, 0))),
    )
    wide_frame.flags.writeable = wide_labels.flags.writeable = False
    drawn = overlay(wide_frame[:, :50], wide_labels[:, 3:], SPACE, 0.5)
    np.testing.assert_array_equal(drawn, overlay(frame, labels, SPACE, 0.5))


def test_every_class_has_its_colour() -> None:
    labels = np.arange(len(CAMVID), dtype=np.uint8)[np.newaxis]
    drawn = overlay(np.zeros((1, len(CAMVID), 3), np.uint8), labels, CAMVID, 1.0)
    assert [tuple(pixel[::-1]) for pixel in drawn[0].tolist()] == list(CAMVID.colors)


def test_draws_the_edge_of_the_drivable_area(frame: npt.NDArray[np.uint8]) -> None:
    labels = np.full((36, 50), IGNORE, np.uint8)
    drivable = np.zeros((36, 50), np.uint8)
    drivable[10:30, 5:45] = 255
    drivable[15:25, 20:30] = 0  # a hole has an edge too
    edge = np.zeros((36, 50), bool)
    edge[10:30, 5:45] = True
    edge[11:29, 6:44] = False
    edge[14:26, 19:31] = True
    edge[15:25, 20:30] = False

    drawn = overlay(frame, labels, SPACE, 0.5, drivable=drivable)

    hole_corners = np.s_[[14, 14, 25, 25], [19, 30, 19, 30]]  # drawn or cut, as OpenCV has it
    edge[hole_corners] = (drawn[hole_corners] == 255).all(axis=-1)
    assert (drawn[edge] == 255).all()
    np.testing.assert_array_equal(drawn[~edge], frame[~edge])


def test_the_edge_is_wider_in_large_pictures() -> None:
    found = []
    for height, width in ((100, 1000), (719, 40), (1080, 40)):
        labels = np.full((height, width), IGNORE, np.uint8)
        drivable = np.zeros_like(labels)
        drivable[:, 20:] = 255
        frame = np.zeros((height, width, 3), np.uint8)
        row = overlay(frame, labels, SPACE, 0.5, drivable=drivable)[height // 2, 10:30, 0]
        found.append(int((row == 255).sum()))
    assert found[:2] == [1, 1]
    assert 3 <= found[2] <= 5  # OpenCV draws a thickness of 3 with rounded corners


def test_without_opacity_the_frame_is_alone(frame: npt.NDArray[np.uint8]) -> None:
    labels = np.zeros((36, 50), np.uint8)
    drawn = overlay(frame, labels, SPACE, 0.0, drivable=np.full_like(labels, 255))
    np.testing.assert_array_equal(drawn, frame)
