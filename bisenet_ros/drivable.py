# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Computes the drivable area from class ids: its mask, free-space boundary and outline.

Pixel coordinates are x to the right and y down; (0, 0) is the centre of the top left pixel. In a
mask, 255 is drivable and 0 is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt


def drivable_mask(
    labels: npt.NDArray[np.uint8], drivable_ids: Iterable[int]
) -> npt.NDArray[np.uint8]:
    """Computes the mask of the pixels with a drivable class.

    Args:
        labels: (H, W) class ids.
        drivable_ids: Ids of the drivable classes.

    Returns:
        (H, W), 0 or 255.
    """
    table = np.zeros(256, np.uint8)
    table[list(drivable_ids)] = 255
    return np.asarray(cv2.LUT(labels, table), np.uint8)


def without_low_confidence(
    mask: npt.NDArray[np.uint8], confidence: npt.NDArray[np.uint8], lowest: int
) -> npt.NDArray[np.uint8]:
    """Removes the pixels of a mask whose confidence is below `lowest`, 0 to 255.

    Args:
        mask: (H, W), 0 or 255.
        confidence: (H, W), 0 to 255.
        lowest: The lowest confidence that is kept.
    """
    _, sure = cv2.threshold(confidence, lowest - 1, 255, cv2.THRESH_BINARY)
    return np.asarray(cv2.bitwise_and(mask, sure), np.uint8)


def without_small_areas(mask: npt.NDArray[np.uint8], min_area: float) -> npt.NDArray[np.uint8]:
    """Removes the small components of a mask; returns the mask itself if `min_area` is 0.

    Args:
        mask: (H, W), 0 or 255.
        min_area: A connected component (of 8 neighbours) with fewer than `min_area * H * W` pixels
            is removed; 0 keeps all.
    """
    if min_area <= 0:
        return mask
    # Labelling and counting separately is faster than connectedComponentsWithStats.
    count, labelled = cv2.connectedComponents(mask, connectivity=8)
    components = np.asarray(labelled, np.int32)  # (H, W); 0 is the background
    areas = np.bincount(components.ravel(), minlength=count)
    values = np.zeros(count, np.uint8)
    values[areas >= min_area * mask.size] = 255
    values[0] = 0
    return np.take(values, components)


def mean_confidence(mask: npt.NDArray[np.uint8], confidence: npt.NDArray[np.uint8]) -> float:
    """Returns the mean confidence, 0 to 1, of the drivable pixels; NaN if nothing is drivable.

    Args:
        mask: (H, W), 0 or 255.
        confidence: (H, W), 0 to 255.
    """
    # cv2.mean returns 0 for an empty mask, which would be a confidence of 0.
    return cv2.mean(confidence, mask)[0] / 255 if cv2.countNonZero(mask) else float('nan')


def free_space_boundary(
    mask: npt.NDArray[np.uint8], ego: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.int32]:
    """Computes how far up each column the drivable area reaches without a gap.

    Args:
        mask: (H, W), 0 or 255.
        ego: (H, W), where the vehicle itself is visible: neither drivable nor a gap.

    Returns:
        (W,) the top row of each column's drivable run that starts at the bottom edge, or above the
        vehicle there; 0 if the whole column is drivable, H if none of it is.
    """
    if ego is not None:
        return _boundary_behind(mask, ego)
    # (W, H): each row is a column of the mask from the bottom up. argmax stops at the first True,
    # and so reads contiguous memory.
    blocked = cv2.rotate(mask, cv2.ROTATE_90_CLOCKWISE) == 0
    run = np.argmax(blocked, axis=1)
    run[~blocked[np.arange(run.size), run]] = mask.shape[0]  # nothing blocks
    return np.asarray(mask.shape[0] - run, np.int32)


def _boundary_behind(
    mask: npt.NDArray[np.uint8], ego: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int32]:
    boundary = free_space_boundary(np.where(ego, np.uint8(255), mask))
    # If such a run ends inside the vehicle, the free space ends at the first drivable pixel below.
    ends = np.flatnonzero(boundary < mask.shape[0])
    ends = ends[mask[boundary[ends], ends] == 0]
    below = (mask[:, ends] > 0) & (np.arange(mask.shape[0])[:, np.newaxis] >= boundary[ends])
    boundary[ends] = np.where(below.any(axis=0), below.argmax(axis=0), mask.shape[0])
    return boundary


def outline(mask: npt.NDArray[np.uint8], max_points: int = 128) -> npt.NDArray[np.float32]:
    """Computes the outer boundary of the largest drivable component as a polygon.

    Components are 8-connected. The largest is the one whose boundary encloses the largest area,
    holes included; holes are not part of the outline. The vertices are centres of border pixels, so
    a rectangle of w x h pixels has sides of w - 1 and h - 1, and a component of one pixel is one
    point. The polygon follows the boundary exactly if `max_points` vertices suffice; otherwise it
    is simplified (Douglas-Peucker) until they do.

    Args:
        mask: (H, W), 0 or 255.
        max_points: Maximum number of vertices, at least 4.

    Returns:
        (N, 2) x, y in pixels, in order around the component; N is 0 if nothing is drivable.
    """
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return np.empty((0, 2), np.float32)
    contour = polygon = max(contours, key=cv2.contourArea)
    tolerance = 0.5  # pixels
    while len(polygon) > max_points:
        polygon = cv2.approxPolyDP(contour, tolerance, closed=True)
        tolerance *= 1.5
    return polygon.reshape(-1, 2).astype(np.float32)


@dataclass(frozen=True)
class DrivableArea:
    """Measurements of a drivable mask, as in the message DrivableArea.

    Attributes:
        size: (width, height) of the mask.
        fraction: Fraction of the pixels that are drivable, 0 to 1.
        confidence: See `mean_confidence`.
        free_space_boundary: (W,) see `free_space_boundary`.
        outline: (N, 2) see `outline`.
    """

    size: tuple[int, int]
    fraction: float
    confidence: float
    free_space_boundary: npt.NDArray[np.int32]
    outline: npt.NDArray[np.float32]


def measure_area(
    mask: npt.NDArray[np.uint8],
    confidence: npt.NDArray[np.uint8],
    ego: npt.NDArray[np.bool_] | None = None,
) -> DrivableArea:
    """Measures a mask.

    Args:
        mask: (H, W), 0 or 255.
        confidence: (H, W), 0 to 255.
        ego: (H, W), where the vehicle itself is visible.
    """
    height, width = mask.shape
    return DrivableArea(
        size=(width, height),
        fraction=cv2.countNonZero(mask) / mask.size,
        confidence=mean_confidence(mask, confidence),
        free_space_boundary=free_space_boundary(mask, ego),
        outline=outline(mask),
    )
