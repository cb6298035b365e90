# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Chains of recorded static transforms against products of matrices."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from bisenet_ros.bag.reader import StaticTransform
from bisenet_ros.bag.recorded_transforms import RecordedTransforms
from bisenet_ros.ground.pose import Pose, PoseError

Quaternion = tuple[float, float, float, float]

OPTICAL = (-0.5, 0.5, -0.5, 0.5)


def about(axis: int, angle: float) -> Quaternion:
    parts = [0.0, 0.0, 0.0, math.cos(angle / 2)]
    parts[axis] = math.sin(angle / 2)
    x, y, z, w = parts
    return x, y, z, w


def matrix(one: StaticTransform) -> npt.NDArray[np.float64]:
    """(4, 4) from the child's coordinates to the parent's."""
    x, y, _ = one.translation
    pose = Pose.from_transform((x, y, 1.0), one.rotation)
    found = np.eye(4)
    found[:3, :3], found[:3, 3] = pose.matrix, one.translation
    return found


@pytest.mark.parametrize('seed', range(5))
def test_a_chain_through_a_tree(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def placed(parent: str, child: str) -> StaticTransform:
        """Anywhere, turned about any axis; its quaternion need not have the length 1."""
        return StaticTransform(parent, child, tuple(rng.normal(size=3)), tuple(rng.normal(size=4)))

    # base_footprint hangs below base_link, as many robots have it; the camera on another branch.
    footprint = placed('base_link', 'base_footprint')
    mast = placed('base_link', 'mast')
    camera = placed('mast', 'camera')
    optical = placed('/camera', '/optical')
    transforms = RecordedTransforms([optical, footprint, camera, mast])
    found = transforms.find('base_footprint', 'optical', None)
    assert found is not None
    expected = np.linalg.inv(matrix(footprint)) @ matrix(mast) @ matrix(camera) @ matrix(optical)
    np.testing.assert_allclose(matrix(StaticTransform('', '', *found)), expected, atol=1e-12)


def test_a_quaternion_of_length_0_is_refused_when_it_is_used() -> None:
    known = [StaticTransform('base_footprint', 'camera', (0, 0, 1), (0, 0, 0, 0))]
    found = RecordedTransforms(known).find('base_footprint', 'camera', None)
    assert found is not None
    with pytest.raises(PoseError, match='invalid quaternion'):
        Pose.from_transform(*found)


def test_one_step_is_the_mounting() -> None:
    # Pitch, then the optical axes: what a robot's description has for a camera that looks down.
    x, y, z, w = about(1, 0.2)
    camera = StaticTransform(
        'base_footprint', 'camera', (0.3, 0.0, 1.2), (2 * x, 2 * y, 2 * z, 2 * w)
    )
    optical = StaticTransform('camera', 'optical', (0.0, 0.0, 0.0), OPTICAL)
    found = RecordedTransforms([camera, optical]).find('base_footprint', 'optical', None)
    assert found is not None
    mounted = Pose.from_mounting((0.3, 0.0, 1.2, 0.0, 0.2, 0.0))
    np.testing.assert_allclose(Pose.from_transform(*found).matrix, mounted.matrix, atol=1e-12)


@pytest.mark.parametrize(
    'known',
    [
        [],
        [StaticTransform('base_link', 'camera', (0, 0, 1), OPTICAL)],
        [
            StaticTransform('camera', 'mast', (0, 0, 1), OPTICAL),
            StaticTransform('mast', 'camera', (0, 0, 1), OPTICAL),
        ],
    ],
    ids=['nothing', 'another tree', 'a circle'],
)
def test_no_chain(known: list[StaticTransform]) -> None:
    assert RecordedTransforms(known).find('base_footprint', 'camera', None) is None
