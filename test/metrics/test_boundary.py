# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The boundary F-score against measuring every distance, and on pictures that can be counted."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from seen_frames import classes, labelled

from bisenet_ros.label_space import IGNORE
from bisenet_ros.metrics import BoundaryScore

Ids = npt.NDArray[np.uint8]
Place = tuple[int, int]


def blocks(seed: int, height: int, width: int) -> Ids:
    """(H, W) ids 0 to 3 in slanted areas, with some that have none."""
    coarse = np.random.default_rng(seed).choice([0, 1, 2, 3, IGNORE], (4, 5)).astype(np.uint8)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 20, 1)
    large = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST)
    turned = cv2.warpAffine(large, turn, (width, height), flags=cv2.INTER_NEAREST)
    return np.asarray(turned, np.uint8)


def neighbours(ids: Ids, row: int, column: int) -> Iterator[int]:
    height, width = ids.shape
    for y, x in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
        if 0 <= y < height and 0 <= x < width:
            yield int(ids[y, x])


def boundary_of(ids: Ids, class_id: int) -> list[Place]:
    places = [(int(row), int(column)) for row, column in np.argwhere(ids == class_id)]
    return [p for p in places if any(n not in (class_id, IGNORE) for n in neighbours(ids, *p))]


def is_near(place: Place, others: list[Place], tolerance: float) -> bool:
    return any(math.dist(place, other) <= tolerance for other in others)


def f_score_by_hand(images: list[tuple[Ids, Ids]], class_id: int) -> float:
    """Of (labels, truth), by the distance of every pixel from every other one."""
    pixels, matched = [0, 0], [0, 0]
    for labels, truth in images:
        tolerance = 0.0075 * math.hypot(*truth.shape)
        void = [(int(row), int(column)) for row, column in np.argwhere(truth == IGNORE)]
        sides = [boundary_of(labels, class_id), boundary_of(truth, class_id)]
        for side, (own, other) in enumerate((sides, sides[::-1])):
            counted = [place for place in own if not is_near(place, void, tolerance)]
            pixels[side] += len(counted)
            matched[side] += sum(is_near(place, other, tolerance) for place in counted)
    if not any(pixels):
        return math.nan
    precision, recall = (m / max(1, p) for m, p in zip(matched, pixels, strict=True))
    return 2 * precision * recall / (precision + recall) if precision and recall else 0.0


def test_equals_measuring_every_distance() -> None:
    # Tolerances of 1.5 and 1.2 pixels.
    sizes = [(160, 120), (120, 160), (96, 128)]
    images = []
    together = BoundaryScore(classes(5))
    for seed, size in enumerate(sizes):
        truth = blocks(seed, *size)
        labels = np.roll(truth, (seed, 1), axis=(0, 1))
        labels[20:40, 30:50] = seed
        labels[labels == IGNORE] = 2
        images.append((labels, truth))
        one = BoundaryScore(classes(5))
        one.update(labelled(labels, truth))
        together.add(one)
    scores = together.f_scores()
    by_hand = [f_score_by_hand(images, class_id) for class_id in range(5)]
    np.testing.assert_allclose(scores, by_hand)
    assert 0.2 < np.nanmin(scores[:4]) < np.nanmax(scores[:4]) < 1
    assert np.isnan(scores[4])
    assert together.mean() == pytest.approx(np.nanmean(by_hand))


@pytest.mark.parametrize('size', [(2, 500), (500, 2)])
def test_a_tolerance_larger_than_the_image(size: Place) -> None:
    rng = np.random.default_rng(0)
    labels, truth = (np.sort(rng.integers(0, 3, size), axis=np.argmax(size)) for _ in range(2))
    labels, truth = labels.astype(np.uint8), truth.astype(np.uint8)
    boundary = BoundaryScore(classes(3))
    boundary.update(labelled(labels, truth))
    scores = boundary.f_scores()
    by_hand = [f_score_by_hand([(labels, truth)], class_id) for class_id in range(3)]
    np.testing.assert_allclose(scores, by_hand)
    assert scores.max() > 0
    assert scores.min() < 1


def halves(column: int) -> Ids:
    """(60, 80): class 0 up to a column, class 1 from there; the tolerance is 0.75 pixels."""
    ids = np.zeros((60, 80), np.uint8)
    ids[:, column:] = 1
    return ids


@pytest.mark.parametrize(('shift', 'score'), [(0, 1.0), (6, 1.0), (7, 0.0)])
def test_the_tolerance_itself_is_near_enough(shift: int, score: float) -> None:
    # 640 x 480 has a diagonal of 800 pixels, and a tolerance of 6.
    truth, labels = np.zeros((480, 640), np.uint8), np.zeros((480, 640), np.uint8)
    truth[:, 300:] = 1
    labels[:, 300 + shift :] = 1
    boundary = BoundaryScore(classes(2))
    boundary.update(labelled(labels, truth))
    assert boundary.f_scores().tolist() == [score, score]


def test_a_class_that_only_one_side_has_scores_nothing() -> None:
    boundary = BoundaryScore(classes(3))
    labels = halves(40)
    labels[:, 60:] = 2
    boundary.update(labelled(labels, halves(40)))
    zero, one, two = boundary.f_scores()
    assert (zero, two) == (1, 0)
    assert one == pytest.approx(2 * 0.5 / 1.5)  # half of what was found, all of what is there
    assert boundary.mean() == pytest.approx((zero + one + two) / 3)


def test_what_is_next_to_no_truth_does_not_count() -> None:
    truth = halves(40)
    truth[:, 39:41] = IGNORE
    boundary = BoundaryScore(classes(2))
    boundary.update(labelled(halves(40), truth))  # may be there, nobody knows
    assert np.isnan(boundary.f_scores()).all()
    assert np.isnan(boundary.mean())
    boundary.update(labelled(halves(30), truth))  # is not there
    assert boundary.f_scores().tolist() == [0, 0]
