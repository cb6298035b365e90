# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The synthetic drive: the same from the same seed, labelled exactly, true to its camera."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
import pytest

from bisenet_ros.label_space import CAMVID, IGNORE
from bisenet_ros.synthetic import classes
from bisenet_ros.synthetic.camera import NEAR, Camera, clip_near, intrinsics, rotation
from bisenet_ros.synthetic.drive import SyntheticDrive
from bisenet_ros.synthetic.light import make_light
from bisenet_ros.synthetic.painter import Painter, Rectangle
from bisenet_ros.synthetic.street import BLOCK, LEFT, RIGHT, Street
from bisenet_ros.synthetic.textures import Texture
from bisenet_ros.synthetic.things import Thing, box, farthest_first
from bisenet_ros.synthetic.traffic import Traffic

SIZE = (240, 180)


@lru_cache(maxsize=16)
def shared_drive(seed: int) -> SyntheticDrive:
    """A small drive that tests share, since the first frame of a drive takes longest."""
    return SyntheticDrive(seed, SIZE)


def level_camera(size: tuple[int, int] = (400, 300), height: float = 1.5) -> Camera:
    """A camera that looks along world z, ``height`` metres above the world's origin."""
    return Camera(intrinsics(size), rotation(0, 0, 0), np.array([0.0, -height, 0.0]), size)


def test_same_seed_and_index_give_the_same_bytes_in_any_order() -> None:
    first, second = SyntheticDrive(5, SIZE), SyntheticDrive(5, SIZE)
    later = first.frame(70)
    early = first.frame(2)
    again = [second.frame(2), second.frame(70)]
    for (image, labels), (image_again, labels_again) in zip((early, later), again, strict=True):
        assert image.tobytes() == image_again.tobytes()
        assert labels.tobytes() == labels_again.tobytes()


def test_seeds_and_frames_differ() -> None:
    frames = [shared_drive(seed).frame(index) for seed, index in ((1, 0), (2, 0), (1, 15))]
    for first in range(3):
        for second in range(first):
            assert (frames[first][0] != frames[second][0]).mean() > 0.5
            assert (frames[first][1] != frames[second][1]).mean() > 0.02


def test_frames_iterates_from_the_start_index() -> None:
    drive = shared_drive(0)
    images = [image for image, _ in drive.frames(3, start=4)]
    assert len(images) == 3
    np.testing.assert_array_equal(images[1], drive.frame(5)[0])


@pytest.mark.parametrize('size', [(32, 32), (33, 47), (101, 75), (75, 101), (640, 320)])
def test_any_size(size: tuple[int, int]) -> None:
    image, labels = SyntheticDrive(3, size).frame(11)
    assert image.shape == (size[1], size[0], 3)
    assert labels.shape == (size[1], size[0])
    assert image.dtype == labels.dtype == np.uint8
    assert image.flags.c_contiguous
    assert labels.flags.c_contiguous
    assert set(np.unique(labels)) <= {*range(len(CAMVID)), IGNORE}
    assert (labels == classes.ROAD).mean() > 0.1


def test_every_class_occurs_and_road_fills_the_bottom() -> None:
    counts = np.zeros(256, np.int64)
    bottom = []
    for seed in range(4):
        for index in range(0, 120, 12):
            _, labels = shared_drive(seed).frame(index)
            counts += np.bincount(labels.ravel(), minlength=256)
            bottom.append((labels[-10:] == classes.ROAD).mean())
    assert set(np.flatnonzero(counts)) == set(range(len(CAMVID)))
    assert np.mean(bottom) > 0.8
    share = counts / counts.sum()
    assert 0.2 < share[classes.ROAD] < 0.5
    assert share[classes.BUILDING] > 0.08
    assert share[classes.SKY] > 0.05


def test_pinhole_projection_in_closed_form() -> None:
    camera = level_camera()
    focal, middle = 1.13 * np.sqrt(400 * 300), np.array([199.5, 149.5])
    pixels, depth = camera.project(
        np.array([[0.0, -1.5, 7.0], [2.0, 0.0, 10.0], [-1.0, -4.0, 5.0]])
    )
    np.testing.assert_allclose(depth, [7, 10, 5])
    np.testing.assert_allclose(pixels[0], middle)
    np.testing.assert_allclose(pixels[1], middle + focal * np.array([0.2, 0.15]))
    np.testing.assert_allclose(pixels[2], middle + focal * np.array([-0.2, -0.5]))


def test_rotation_looks_right_down_and_leans_right() -> None:
    camera = level_camera()
    ahead = np.array([[0.0, -1.5, 10.0]])

    def seen(yaw: float, pitch: float) -> np.ndarray:
        turned = Camera(camera.matrix, rotation(yaw, pitch, 0), camera.position, camera.size)
        return turned.project(ahead)[0][0] - camera.matrix[:2, 2]

    focal = camera.matrix[0, 0]
    np.testing.assert_allclose(seen(0.1, 0), [-focal * np.tan(0.1), 0], atol=1e-9)
    np.testing.assert_allclose(seen(0, 0.1), [0, -focal * np.tan(0.1)], atol=1e-9)
    leaning = rotation(0, 0, 0.1) @ np.array([0.0, 1.0, 0.0])  # what is below goes to the right
    np.testing.assert_allclose(leaning, [np.sin(0.1), np.cos(0.1), 0], atol=1e-12)


@pytest.mark.parametrize(('pitch', 'roll'), [(0.0, 0.0), (0.04, 0.0), (0.02, 0.03)])
def test_horizon(pitch: float, roll: float) -> None:
    level = level_camera()
    camera = Camera(level.matrix, rotation(0.3, pitch, roll), level.position, level.size)
    left, right = camera.horizon()
    focal, (cx, cy) = camera.matrix[0, 0], camera.matrix[:2, 2]
    # A pitched camera sees the horizon focal tan(pitch) above its middle; roll tilts the line.
    at_middle = left + (right - left) * cx / (camera.size[0] - 1)
    assert at_middle == pytest.approx(cy - focal * np.tan(pitch) / np.cos(roll), abs=1e-6)
    assert (right - left) / (camera.size[0] - 1) == pytest.approx(-np.tan(roll), abs=1e-9)


def test_ground_points_project_back_to_their_pixels() -> None:
    drive = shared_drive(3)
    camera = drive.camera(9)
    first = int(max(camera.horizon())) + 4
    x, z = camera.ground_points(first)
    rows, columns = np.mgrid[first : SIZE[1], 0 : SIZE[0]]
    points = np.stack((x, np.zeros_like(x), z), axis=-1).reshape(-1, 3)
    pixels, depth = camera.project(points.astype(float))
    assert depth.min() > 0
    np.testing.assert_allclose(pixels[:, 0], columns.ravel(), atol=0.05)
    np.testing.assert_allclose(pixels[:, 1], rows.ravel(), atol=0.05)


@pytest.mark.parametrize('seed', [0, 6])
def test_kerbs_are_where_the_pinhole_equations_say(seed: int) -> None:
    drive, street = SyntheticDrive(seed, (480, 360)), Street(seed)
    checked = {classes.ROAD: 0, classes.PAVEMENT: 0}
    hit = dict(checked)
    for index in range(0, 60, 12):
        camera = drive.camera(index)
        _, labels = drive.frame(index)
        for s in camera.position[2] + np.arange(6.0, 16.0, 0.5):
            block = street.block(int(np.floor(s / BLOCK)))
            for side in (LEFT, RIGHT):
                kinds = {p.kind for p in block.plots[side > 0] if p.start - 1 < s < p.end + 1}
                if 'side_street' in kinds:
                    continue
                kerb = street.section.kerb(side)
                for label, distance in ((classes.ROAD, kerb - 0.1), (classes.PAVEMENT, kerb + 0.1)):
                    point = street.centreline.point(s, side * distance)
                    pixels, _ = camera.project(point[None])
                    column, row = np.rint(pixels[0]).astype(int)
                    if 0 <= column < 480 and 0 <= row < 360:
                        found = labels[row, column]
                        other = classes.ROAD + classes.PAVEMENT - label
                        # Things may stand in front; the wrong ground may never show.
                        assert found != other
                        checked[label] += 1
                        hit[label] += int(found == label)
    assert min(checked.values()) > 20
    assert min(hit[label] / checked[label] for label in hit) > 0.3


def test_nothing_but_sky_and_what_rises_is_above_the_horizon() -> None:
    for seed in range(3):
        drive = shared_drive(seed)
        _, labels = drive.frame(3)
        above = int(np.floor(min(drive.camera(3).horizon())))
        assert not np.isin(labels[:above], (classes.ROAD, classes.PAVEMENT)).any()
        below = int(np.ceil(max(drive.camera(3).horizon()))) + 1
        assert not (labels[below:] == classes.SKY).any()


def test_camera_matches_its_description() -> None:
    drive = SyntheticDrive(7, (960, 720), rate=30.0)
    matrix = drive.camera_matrix
    assert matrix[0, 0] == matrix[1, 1] == pytest.approx(1.13 * np.sqrt(960 * 720))
    np.testing.assert_allclose(matrix[:, 2], [479.5, 359.5, 1])
    heights = [drive.camera(index).height for index in range(0, 300, 7)]
    assert np.abs(np.array(heights) - drive.mounting_height).max() < 0.04
    assert 1.2 < drive.mounting_height < 1.8


def test_ego_drives_at_town_speed_in_its_own_lane() -> None:
    for seed in range(5):
        street = Street(seed)
        traffic = Traffic(street, make_light(seed))
        moments = [traffic.ego(time) for time in np.arange(0, 60, 0.5)]
        speeds = np.diff([ego.s for ego in moments]) / 0.5
        assert 7 < speeds.min() <= speeds.max() < 13
        lane = street.section.lane
        for ego in moments:
            assert 0.2 * lane < ego.d * street.section.ego_side < 0.8 * lane


def test_colour_follows_label_in_the_same_pixels() -> None:
    painter = Painter(level_camera(), make_light(1))
    painter.canvas[..., 3] = IGNORE
    texture = Texture(np.full((64, 64, 3), 200, np.uint8))
    place = Rectangle(
        np.array([-1.0, -3.0, 6.0]), np.array([2.0, 0.0, 1.0]), np.array([0.0, 2.0, 0.0])
    )
    painter.panel(texture, place, classes.BUILDING)
    corners = np.array([[2.0, -1.0, 5.0], [3.0, -1.0, 5.0], [2.5, -3.0, 5.0]])
    painter.polygon(corners, np.array([50.0, 60.0, 70.0]), classes.SIGN)
    painted = painter.canvas[..., :3].any(axis=2)
    np.testing.assert_array_equal(painted, painter.canvas[..., 3] != IGNORE)
    assert set(np.unique(painter.canvas[..., 3])) == {classes.BUILDING, classes.SIGN, IGNORE}


def test_panel_covers_its_projection() -> None:
    camera = level_camera()
    painter = Painter(camera, make_light(1))
    texture = Texture(np.full((300, 500, 3), 90, np.uint8))
    place = Rectangle(
        np.array([-1.5, -2.5, 8.0]), np.array([3.0, 0.0, 0.0]), np.array([0.0, 2.0, 0.0])
    )
    painter.panel(texture, place, classes.BUILDING)
    rows, columns = np.nonzero(painter.canvas[..., 3])
    pixels, _ = camera.project(place.corners)
    np.testing.assert_allclose([columns.min(), rows.min()], pixels[0], atol=1.0)
    np.testing.assert_allclose([columns.max(), rows.max()], pixels[2], atol=1.0)


def test_picture_lies_on_its_panel_undistorted() -> None:
    camera = level_camera()
    painter = Painter(camera, make_light(1))
    pixels = np.zeros((200, 200, 3), np.uint8)
    pixels[80:120, 140:180] = 255  # 1.6 to 2.4 m down and 2.8 to 3.6 m across, of 4 m each
    place = Rectangle(
        np.array([-2.0, -4.0, 6.0]), np.array([4.0, 0.0, 3.0]), np.array([0.0, 4.0, 0.0])
    )
    painter.panel(Texture(pixels), place, classes.BUILDING)
    bright = painter.canvas[..., 0] > 120
    rows, columns = np.nonzero(bright)
    spot = place.origin + 0.8 * place.across + 0.5 * place.down
    expected = camera.project(spot[None])[0][0]
    np.testing.assert_allclose([columns.mean(), rows.mean()], expected, atol=1.5)


def test_near_things_hide_far_ones() -> None:
    camera, light = level_camera(), make_light(1)
    spots = [np.array([0.0, 0.0, z]) for z in (9.0, 30.0, 5.0)]
    labels = (classes.CAR, classes.BUILDING, classes.SIGN)
    things = [
        Thing(at, (box((2.0, height, 1.0), at, (90, 90, 90), label, light),))
        for at, label, height in zip(spots, labels, (2.0, 9.0, 1.0), strict=True)
    ]
    painter = Painter(camera, light)
    for thing in farthest_first(things, camera):
        thing.draw(painter)
    # Up the middle column: the low one in front, the car above it, the building above both.
    seen = [painter.canvas[row, 200, 3] for row in (200, 140, 60)]
    assert seen == [classes.SIGN, classes.CAR, classes.BUILDING]


def test_clip_near_cuts_at_the_near_plane() -> None:
    square = np.array([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [1.0, 0.0, -1.0]])
    away = np.array([0.0, 0.0, 5.0])
    clipped = clip_near(square)
    assert clipped[:, 2].min() == pytest.approx(NEAR)
    assert clipped[:, 2].max() == pytest.approx(1.0)
    assert len(clipped) == 4
    assert len(clip_near(square - away)) == 0
    np.testing.assert_array_equal(clip_near(square + away), square + away)


def test_consecutive_frames_agree_where_the_road_is() -> None:
    """What is road now is still road 1/15 s later nearly everywhere: the world does not flicker."""
    drive = shared_drive(1)
    labels = [labels for _, labels in drive.frames(6)]
    for before, after in pairwise(labels):
        road = cv2.erode((before == classes.ROAD).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        assert (after[road] == classes.ROAD).mean() > 0.9
