# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Geometry against closed forms, and against loops that follow the definitions."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from bisenet_ros.drivable import (
    drivable_mask,
    free_space_boundary,
    measure_area,
    outline,
    without_low_confidence,
    without_small_areas,
)
from bisenet_ros.label_space import IGNORE

Mask = npt.NDArray[np.uint8]

HEIGHT, WIDTH = 48, 64


def mask_of(*rectangles: tuple[int, int, int, int]) -> Mask:
    """A mask with (left, top, width, height) drivable."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for left, top, width, height in rectangles:
        mask[top : top + height, left : left + width] = 255
    return mask


def random_masks() -> list[Mask]:
    """Masks from speckle to large blobs, of odd sizes too."""
    rng = np.random.default_rng(11)
    masks = []
    for height, width in [(1, 1), (1, 20), (20, 1), (33, 47), (48, 64)]:
        for block in (1, 3, 8):
            coarse = rng.random((height // block + 1, width // block + 1)) < 0.6
            fine = coarse.repeat(block, axis=0).repeat(block, axis=1)[:height, :width]
            masks.append(np.where(fine, 255, 0).astype(np.uint8))
    return masks


def components_of(mask: Mask) -> list[set[tuple[int, int]]]:
    """The (row, column) sets of the components of 8 neighbours, by flood fill."""
    left = {(int(row), int(column)) for row, column in np.argwhere(mask)}
    components = []
    while left:
        component, frontier = set(), {next(iter(left))}
        while frontier:
            component |= frontier
            left -= frontier
            around = {
                (row + i, column + j)
                for row, column in frontier
                for i in (-1, 0, 1)
                for j in (-1, 0, 1)
            }
            frontier = around & left
        components.append(component)
    return components


@pytest.mark.parametrize('lowest', [0, 1, 100, 255])
def test_doubtful_pixels_are_removed(lowest: int) -> None:
    confidence = np.arange(256, dtype=np.uint8).reshape(16, 16)
    mask = np.where(np.random.default_rng(0).random((16, 16)) < 0.5, 255, 0).astype(np.uint8)
    expected = np.where(confidence >= lowest, mask, 0)
    np.testing.assert_array_equal(without_low_confidence(mask, confidence, lowest), expected)


def test_mask_is_where_the_class_is_drivable() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 12, (HEIGHT, WIDTH), np.uint8)
    labels[labels == 11] = IGNORE
    mask = drivable_mask(labels, (3, 7))
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, np.where((labels == 3) | (labels == 7), 255, 0))


def test_mask_of_a_window_without_drivable_classes_and_of_all() -> None:
    labels = np.full((HEIGHT + 2, WIDTH + 2), 3, np.uint8)[1:-1, 1:-1]
    labels.flags.writeable = False
    assert (drivable_mask(labels, ()) == 0).all()
    assert (drivable_mask(labels, (3,)) == 255).all()


@pytest.mark.parametrize(('pixels', 'kept'), [(63, False), (64, True), (65, True)])
def test_min_area_is_a_fraction_of_the_image(pixels: int, kept: bool) -> None:
    labels = np.zeros((64, 64), np.uint8)
    labels[10, :pixels] = 1  # a run of 63 or 64 pixels; the 65th is diagonal to the last
    if pixels == 65:
        labels[11, 0] = 1
    labels[30:, :] = 1
    mask = without_small_areas(drivable_mask(labels, (1,)), 1 / 64)
    assert (mask[:12] == np.where(labels[:12] & kept, 255, 0)).all()
    assert (mask[30:] == 255).all()


@pytest.mark.parametrize('min_area', [0.0, 0.002, 0.02, 0.3, 1.0])
def test_min_area_on_random_masks(min_area: float) -> None:
    for labels in random_masks():
        expected = np.zeros_like(labels)
        for component in components_of(labels):
            if len(component) >= min_area * labels.size:
                rows, columns = zip(*component, strict=True)
                expected[rows, columns] = 255
        mask = drivable_mask(labels, (255,))
        np.testing.assert_array_equal(without_small_areas(mask, min_area), expected)


def test_min_area_never_makes_the_background_drivable() -> None:
    assert (without_small_areas(np.zeros((HEIGHT, WIDTH), np.uint8), 0.5) == 0).all()


@pytest.mark.parametrize(
    ('rectangles', 'expected'),
    [
        pytest.param([], {}, id='empty'),
        pytest.param([(0, 0, WIDTH, HEIGHT)], dict.fromkeys(range(WIDTH), 0), id='full'),
        pytest.param([(10, 20, 5, 28)], dict.fromkeys(range(10, 15), 20), id='rectangle'),
        pytest.param([(10, 20, 5, 27)], {}, id='does not reach the bottom'),
        pytest.param(
            [(10, 30, 5, 18), (10, 0, 5, 29)], dict.fromkeys(range(10, 15), 30), id='gap of one row'
        ),
        pytest.param([(7, HEIGHT - 1, 1, 1)], {7: HEIGHT - 1}, id='one pixel'),
    ],
)
def test_boundary_of_rectangles(
    rectangles: list[tuple[int, int, int, int]], expected: dict[int, int]
) -> None:
    boundary = free_space_boundary(mask_of(*rectangles))
    assert boundary.dtype == np.int32
    assert boundary.tolist() == [expected.get(x, HEIGHT) for x in range(WIDTH)]


def test_boundary_of_a_triangle() -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    mask = np.where(y >= x, 255, 0).astype(np.uint8)
    assert free_space_boundary(mask).tolist() == [min(x, HEIGHT) for x in range(WIDTH)]


def test_boundary_on_random_masks() -> None:
    for mask in random_masks():
        height, width = mask.shape
        expected = []
        for x in range(width):
            top = height
            while top > 0 and mask[top - 1, x]:
                top -= 1
            expected.append(top)
        assert free_space_boundary(mask).tolist() == expected


def test_boundary_above_the_vehicle() -> None:
    # From the bottom up: v the vehicle, . drivable, # not; and how many rows up it is free.
    columns = {
        'vvv....##': 7,
        'vvv#.....': 0,
        '...vv.##.': 6,  # a bull bar
        '...vv##..': 3,
        'v..v.vv#.': 5,
        'vvvvvvvvv': 0,
        'vvv......': 9,
        '#vv......': 0,
        '.......vv': 7,
    }
    pixels = np.array([list(column[::-1]) for column in columns]).T  # (H, W)
    mask = np.where(pixels == '.', 255, 0).astype(np.uint8)
    boundary = free_space_boundary(mask, pixels == 'v')
    assert boundary.dtype == np.int32
    assert (len(pixels) - boundary).tolist() == list(columns.values())


def test_boundary_above_the_vehicle_on_random_masks() -> None:
    rng = np.random.default_rng(12)
    for mask in random_masks():
        height, width = mask.shape
        ego = rng.random(mask.shape) < rng.uniform(0, 0.6)
        mask[ego] = 0
        expected = []
        for x in range(width):
            top = height
            for y in reversed(range(height)):
                if not ego[y, x] and not mask[y, x]:
                    break
                top = y if mask[y, x] else top
            expected.append(top)
        assert free_space_boundary(mask, ego).tolist() == expected


def test_measures_of_random_masks() -> None:
    rng = np.random.default_rng(13)
    for mask in [*random_masks(), mask_of()]:
        confidence = rng.integers(0, 256, mask.shape, np.uint8)
        ego = (mask == 0) & (rng.random(mask.shape) < 0.5)
        area = measure_area(mask, confidence, ego)
        drivable = confidence[mask == 255]
        mean = drivable.mean() / 255 if drivable.size else float('nan')
        assert area.size == mask.shape[::-1]
        assert area.fraction == drivable.size / mask.size
        assert area.confidence == pytest.approx(mean, rel=1e-12, nan_ok=True)
        assert area.free_space_boundary.tolist() == free_space_boundary(mask, ego).tolist()
        assert area.outline.tolist() == outline(mask).tolist()


def corners(left: int, top: int, width: int, height: int) -> set[tuple[float, float]]:
    right, bottom = left + width - 1, top + height - 1
    return {(left, top), (right, top), (right, bottom), (left, bottom)}


def vertices(polygon: npt.NDArray[np.float32]) -> set[tuple[float, float]]:
    return {(x, y) for x, y in polygon.tolist()}


@pytest.mark.parametrize(
    ('rectangles', 'largest'),
    [
        pytest.param([(5, 6, 20, 10)], (5, 6, 20, 10), id='rectangle'),
        pytest.param([(0, 0, WIDTH, HEIGHT)], (0, 0, WIDTH, HEIGHT), id='full'),
        pytest.param([(5, 6, 20, 10), (40, 6, 9, 9)], (5, 6, 20, 10), id='island'),
        pytest.param([(5, 6, 9, 9), (40, 6, 20, 10)], (40, 6, 20, 10), id='island first'),
        pytest.param([(12, 9, 1, 1)], (12, 9, 1, 1), id='pixel'),
        pytest.param([(12, 9, 30, 1)], (12, 9, 30, 1), id='row'),
    ],
)
def test_outline_of_rectangles(
    rectangles: list[tuple[int, int, int, int]], largest: tuple[int, int, int, int]
) -> None:
    polygon = outline(mask_of(*rectangles))
    assert polygon.dtype == np.float32
    assert vertices(polygon) == corners(*largest)
    assert len(polygon) == len(corners(*largest))


def test_outline_ignores_holes() -> None:
    mask = mask_of((5, 6, 40, 30))
    mask[10:20, 10:20] = 0
    assert vertices(outline(mask)) == corners(5, 6, 40, 30)


def test_outline_of_nothing() -> None:
    polygon = outline(mask_of())
    assert polygon.shape == (0, 2)
    assert polygon.dtype == np.float32


def test_outline_of_a_triangle() -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    mask = np.where((x <= y) & (y < 40), 255, 0).astype(np.uint8)
    assert vertices(outline(mask)) == {(0, 0), (39, 39), (0, 39)}


def test_outline_encloses_its_component_and_no_more() -> None:
    for mask in filter(np.any, random_masks()):
        polygon = outline(mask, max_points=10_000)
        inside = np.zeros_like(mask)
        cv2.fillPoly(inside, [polygon.astype(np.int32)], 255)
        enclosing = [
            component
            for component in components_of(mask)
            if all(inside[row, column] for row, column in component)
            and any((column, row) in vertices(polygon) for row, column in component)
        ]
        assert len(enclosing) == 1
        # What is inside and not of the component is a hole: it does not reach the edge.
        rows, columns = zip(*enclosing[0], strict=True)
        outside = np.ones((mask.shape[0] + 2, mask.shape[1] + 2), np.uint8)
        outside[1:-1, 1:-1][rows, columns] = 0
        cv2.floodFill(outside, None, (0, 0), 2)
        np.testing.assert_array_equal(inside == 255, outside[1:-1, 1:-1] != 2)


@pytest.mark.parametrize('max_points', [128, 32, 8, 4])
def test_outline_has_at_most_max_points_and_keeps_the_shape(max_points: int) -> None:
    rng = np.random.default_rng(5)
    angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    radii = 150 + rng.normal(0, 3, angles.size)
    points = np.stack([200 + radii * np.cos(angles), 180 + radii * np.sin(angles)], axis=-1)
    mask = np.zeros((360, 400), np.uint8)
    cv2.fillPoly(mask, [points.round().astype(np.int32)], 255)
    assert len(outline(mask, max_points=10_000)) > 128

    polygon = outline(mask, max_points)

    assert 3 <= len(polygon) <= max_points
    drawn = np.zeros_like(mask)
    cv2.fillPoly(drawn, [polygon.astype(np.int32)], 255)
    iou = np.count_nonzero(drawn & mask) / np.count_nonzero(drawn | mask)
    assert iou > {128: 0.97, 32: 0.95, 8: 0.85, 4: 0.55}[max_points]
