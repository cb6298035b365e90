# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Augmentation moves image and labels alike, to where geometry says."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from pydantic import ValidationError

from bisenet_ros.label_space import IGNORE
from bisenet_ros.torchvision_import import import_torchvision
from bisenet_training.augment import Augmentation, AugmentationSettings
from bisenet_training.augment.random_window import RandomWindow

Image = npt.NDArray[np.uint8]

tv_tensors = import_torchvision('tv_tensors')

HEIGHT, WIDTH = 90, 120
PLAIN: dict[str, float] = {
    'min_scale': 1,
    'max_scale': 1,
    'max_class_share': 1,
    'flip': 0,
    'brightness': 0,
    'contrast': 0,
    'saturation': 0,
}


def augment(image: Image, labels: Image, crop: tuple[int, int], seed: int, **settings: Any) -> Any:
    """A view of a frame with nothing switched on but what is said."""
    augmentation = Augmentation(AugmentationSettings.model_validate({**PLAIN, **settings}))
    return augmentation(image, labels, crop, torch.Generator().manual_seed(seed))


@pytest.fixture(scope='module')
def image() -> Image:
    """(90, 120, 3): a pixel's column and row, twice each so that they stay apart, in B and G."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack((2 * columns, 2 * rows, np.full_like(rows, 90)), axis=2).astype(np.uint8)


@pytest.fixture(scope='module')
def labels() -> Image:
    """(90, 120): 12 squares of 30 x 30."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return ((rows // 30) * 4 + columns // 30).astype(np.uint8)


@pytest.mark.parametrize('seed', range(10))
def test_without_changes_a_crop_is_a_window(image: Image, labels: Image, seed: int) -> None:
    view, truth = augment(image, labels, (64, 48), seed)
    column, row = view[0, 0, 0] // 2, view[0, 0, 1] // 2
    np.testing.assert_array_equal(view, image[row : row + 48, column : column + 64])
    np.testing.assert_array_equal(truth, labels[row : row + 48, column : column + 64])


def test_windows_are_anywhere(image: Image, labels: Image) -> None:
    corners = {tuple(augment(image, labels, (118, 88), seed)[0][0, 0, :2]) for seed in range(60)}
    assert corners == {(2 * column, 2 * row) for column in range(3) for row in range(3)}


@pytest.mark.parametrize('seed', range(10))
@pytest.mark.parametrize(('min_scale', 'max_scale'), [(0.3, 0.9), (0.9, 1.1), (1.1, 3)])
def test_points_come_to_lie_where_the_window_says(
    image: Image, labels: Image, seed: int, min_scale: float, max_scale: float
) -> None:
    settings = AugmentationSettings.model_validate(
        {**PLAIN, 'min_scale': min_scale, 'max_scale': max_scale, 'aspect': 1.3}
    )
    window = RandomWindow(settings, (75, 61))
    torch.manual_seed(seed)
    frame = tv_tensors.Image(torch.from_numpy(image).permute(2, 0, 1))
    params = window.make_params([frame, tv_tensors.Mask(torch.from_numpy(labels))])
    view = window.transform(frame, params).numpy()
    truth = window.transform(tv_tensors.Mask(torch.from_numpy(labels)), params).numpy()
    assert view.shape == (3, 61, 75)
    assert truth.shape == (61, 75)
    x, y = params['x'], params['y']
    assert min_scale / 1.2 < x.size / x.length < max_scale * 1.2
    # The centres of the crop's pixels, in pixels of the frame.
    columns = x.start + (np.arange(75) - x.offset + 0.5) * x.length / x.size
    rows = y.start + (np.arange(61) - y.offset + 0.5) * y.length / y.size
    within_x = slice(x.offset, x.offset + x.size)
    within_y = slice(y.offset, y.offset + y.size)
    inside = np.zeros((61, 75), bool)
    inside[within_y, within_x] = True
    assert (truth[~inside] == IGNORE).all()
    assert (view[:, ~inside] == 114).all()
    # A centre that lies on the border of two pixels of the frame may take either.
    for seen, places, within in (
        (truth[inside].reshape(y.size, x.size) % 4, columns, within_x),
        (truth[inside].reshape(y.size, x.size).T // 4, rows, within_y),
    ):
        assert (seen >= (places[within] - 1e-3) // 30).all()
        assert (seen <= (places[within] + 1e-3) // 30).all()
    # Interpolation of a gradient is exact but for the frame's borders and rounding along each axis;
    # half a pixel off would be a step of 1 everywhere.
    inner = (slice(y.offset + 4, within_y.stop - 4), slice(x.offset + 4, within_x.stop - 4))
    for seen, places in ((view[0], columns[None, inner[1]]), (view[1], rows[inner[0], None])):
        errors = seen[inner] - 2 * (places - 0.5)
        assert np.abs(errors).max() < 1.1
        assert abs(errors.mean()) < 0.3


def test_a_shrunk_image_is_not_aliased() -> None:
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    void = np.zeros((128, 128), np.uint8)
    view, _ = augment(stripes, void, (64, 64), 0, min_scale=0.5, max_scale=0.5)
    assert np.abs(view[4:-4, 4:-4].astype(int) - 127).max() < 10


@pytest.mark.parametrize('seed', range(20))
def test_image_and_labels_stay_together(labels: Image, seed: int) -> None:
    image = np.repeat(labels[..., None] * 20, 3, axis=2)
    settings = {'min_scale': 0.5, 'max_scale': 2, 'aspect': 1.2, 'flip': 0.5, 'balanced': 0.5}
    view, truth = augment(image, labels, (96, 96), seed, **settings)
    # Away from borders of squares and of the frame, the colour tells the label.
    inside = truth != IGNORE
    for axis in (0, 1):
        for step in range(-3, 4):
            inside &= np.roll(truth, step, axis) == truth
    assert inside.any()
    assert (view[inside] == truth[inside][:, None] * 20).all()


def test_a_flip_mirrors_both(image: Image, labels: Image) -> None:
    view, truth = augment(image, labels, (WIDTH, HEIGHT), 0, flip=1)
    np.testing.assert_array_equal(view, image[:, ::-1])
    np.testing.assert_array_equal(truth, labels[:, ::-1])


def test_scales_are_even_on_a_log_axis() -> None:
    settings = AugmentationSettings(min_scale=0.25, max_scale=1)
    window = RandomWindow(settings, (1000, 1000))
    torch.manual_seed(0)
    labels = tv_tensors.Mask(torch.zeros(1000, 1000, dtype=torch.uint8))
    sizes = [window.make_params([labels])['x'].size for _ in range(400)]
    assert np.quantile(sizes, (0, 0.25, 0.5, 0.75, 1)) == pytest.approx(
        [250, 354, 500, 707, 1000], rel=0.1
    )


def share_of(labels: Image, label: int, **settings: Any) -> float:
    """In how many of 100 crops, 64 a side, there is a label."""
    image = np.zeros((*labels.shape, 3), np.uint8)
    views = (augment(image, labels, (64, 64), seed, **settings)[1] for seed in range(100))
    return float(np.mean([(truth == label).any() for truth in views]))


def test_balanced_crops_show_rare_classes_more_often() -> None:
    labels = np.zeros((200, 200), np.uint8)
    labels[3:9, 190:196] = 1
    assert share_of(labels, 1, balanced=1) > 0.4 > 2 * share_of(labels, 1)


def test_a_pixel_of_a_balanced_crop_is_in_its_middle_half() -> None:
    labels = np.full((200, 160), IGNORE, np.uint8)
    labels[70, 100] = 1
    views = [
        augment(np.zeros((200, 160, 3), np.uint8), labels, (64, 48), seed, balanced=1)
        for seed in range(100)
    ]
    places = np.concatenate([np.argwhere(truth == 1) for _, truth in views])
    assert len(places) == len(views)
    for side, places_along in zip((48, 64), places.T, strict=True):
        assert places_along.min() == pytest.approx(side / 4, abs=2)
        assert places_along.max() == pytest.approx(3 * side / 4, abs=2)


def test_crops_of_one_class_are_drawn_again() -> None:
    labels = np.zeros((200, 200), np.uint8)
    labels[:, 170:] = 1
    assert share_of(labels, 1, max_class_share=0.75, attempts=40) > 0.9 > 2 * share_of(labels, 1)
    # Where no crop is better, the last one is taken.
    assert share_of(np.zeros((200, 200), np.uint8), 0, max_class_share=0.75) == 1


def test_no_labelled_pixel_is_no_trouble(image: Image) -> None:
    void = np.full((HEIGHT, WIDTH), IGNORE, np.uint8)
    _, truth = augment(image, void, (32, 32), 0, balanced=1, max_class_share=0.75)
    assert (truth == IGNORE).all()


def test_chance_comes_from_the_generator_alone(image: Image, labels: Image) -> None:
    augmentation = Augmentation(
        AugmentationSettings(
            aspect=1.2,
            hue=0.1,
            white_balance=1.5,
            gamma=1.5,
            rain=0.5,
            blur=0.5,
            jpeg=0.5,
            noise=0.5,
            cutout=0.5,
        )
    )
    # As a DataLoader's worker gets it.
    again = pickle.loads(pickle.dumps(augmentation))  # noqa: S301

    def views(augment: Augmentation, disturbance: int) -> list[tuple[Image, Image]]:
        generator = torch.Generator().manual_seed(5)
        torch.manual_seed(disturbance)
        return [augment(image, labels, (64, 64), generator) for _ in range(4)]

    first, second = views(augmentation, 0), views(again, 1)
    np.testing.assert_equal(first, second)
    assert not np.array_equal(first[0][0], first[1][0])
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    augmentation(image, labels, (64, 64), torch.Generator())
    assert torch.rand(1) == expected


@pytest.mark.parametrize(
    'settings',
    [
        {'brightness': 0.5},
        {'contrast': 0.5},
        {'saturation': 0.5},
        {'hue': 0.3},
        {'white_balance': 2},
        {'gamma': 2},
        {'blur': 1},
        {'jpeg': 1},
        {'rain': 1},
        {'noise': 1},
    ],
    ids=str,
)
def test_colour_changes_but_not_geometry(labels: Image, settings: dict[str, float]) -> None:
    image = np.stack((labels * 20, 240 - labels * 20, labels * 5 + 80), axis=2)
    for seed in range(3):
        view, truth = augment(image, labels, (WIDTH, HEIGHT), seed, **settings)
        assert not np.array_equal(view, image)
        assert view.flags.c_contiguous
        assert view.dtype == np.uint8
        np.testing.assert_array_equal(truth, labels)
        # Still the same squares: green falls with the label.
        means = [view[labels == label][:, 1].mean() for label in range(12)]
        assert np.corrcoef(means, np.arange(12))[0, 1] < -0.8


def test_what_is_hidden_has_no_labels(labels: Image) -> None:
    image = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
    for seed in range(10):
        view, truth = augment(image, labels, (WIDTH, HEIGHT), seed, cutout=1)
        hidden = truth == IGNORE
        np.testing.assert_array_equal(view, np.where(hidden, 114, 30)[..., None].repeat(3, 2))
        np.testing.assert_array_equal(truth[~hidden], labels[~hidden])
        rows, columns = hidden.any(1).sum(), hidden.any(0).sum()
        assert hidden.sum() == rows * columns  # a rectangle
        assert HEIGHT / 8 - 1 <= rows <= HEIGHT / 2 + 1
        assert WIDTH / 8 - 1 <= columns <= WIDTH / 2 + 1


def test_channels_are_not_confused() -> None:
    """Red is darker than green to ITU-R 601, blue the darkest: grey shows who is who."""
    for channel, weight in enumerate((0.114, 0.587, 0.299)):
        image = np.zeros((32, 32, 3), np.uint8)
        image[..., channel] = 200
        greyest = min(
            (augment(image, image[..., 0], (32, 32), seed, saturation=1)[0] for seed in range(40)),
            key=lambda view: int(np.ptp(view[0, 0])),
        )
        assert greyest[0, 0].astype(int).min() == pytest.approx(200 * weight, rel=0.2, abs=3)


def test_brightness_scales_and_contrast_keeps_the_mean() -> None:
    image = np.full((32, 32, 3), 20, np.uint8)
    image[:16] = 100
    for seed in range(10):
        bright, contrasting = (
            augment(image, image[..., 0], (32, 32), seed, **{name: 0.5})[0].astype(int)
            for name in ('brightness', 'contrast')
        )
        assert bright[0, 0] == pytest.approx(5 * bright[31, 0], abs=5)
        assert contrasting[0, 0] + contrasting[31, 0] == pytest.approx(np.full(3, 120), abs=2)


def test_white_balance_keeps_the_brightness_of_grey() -> None:
    image = np.full((32, 32, 3), 100, np.uint8)
    red_to_green, blue_to_green = [], []
    for seed in range(40):
        blue, green, red = augment(image, image[..., 0], (32, 32), seed, white_balance=1.5)[0][0, 0]
        assert 0.114 * blue + 0.587 * green + 0.299 * red == pytest.approx(100, abs=0.6)
        red_to_green.append(red / green)
        blue_to_green.append(blue / green)
    for gains in (red_to_green, blue_to_green):
        assert 1 / 1.52 < min(gains) < 1 / 1.3
        assert 1.3 < max(gains) < 1.52


def test_noise_is_bounded_and_never_makes_black_white() -> None:
    image = np.zeros((90, 90, 3), np.uint8)
    image[30:60], image[60:] = 128, 255
    deviations = []
    for seed in range(20):
        view = augment(image, image[..., 0], (90, 90), seed, noise=1)[0]
        assert view[:30].max() < 128 < view[60:].min()
        assert view[:30].min() == 0
        assert view[60:].max() == 255
        deviations.append(view[30:60].std())
    assert 15 < max(deviations) < 20.5
    assert min(deviations) < 5


def test_rain_is_everywhere_and_no_brighter_than_the_sky() -> None:
    black = np.zeros((96, 128, 3), np.uint8)
    views = [augment(black, black[..., 0], (128, 96), seed, rain=1)[0] for seed in range(40)]
    assert 150 < max(view.max() for view in views) <= 200
    wet = np.mean([view[..., 0] > view[..., 0].min() for view in views], axis=0)  # (96, 128)
    quarters = [half.mean() for rows in np.vsplit(wet, 2) for half in np.hsplit(rows, 2)]
    assert min(quarters) > 0.04
    assert max(quarters) < 0.1


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match='min_scale is greater than max_scale'):
        AugmentationSettings(min_scale=2, max_scale=1)
    with pytest.raises(ValidationError, match='unknown key; did you mean saturation'):
        AugmentationSettings.model_validate({'rotation': 10})
