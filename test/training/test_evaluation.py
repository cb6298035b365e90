# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Averaged views against plain PyTorch, figures against counting with NumPy."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import CAMVID, IGNORE, LabelSpace
from bisenet_ros.model_settings import ModelSettings
from bisenet_ros.resizing import resize
from bisenet_ros.segmenter import Segmenter
from bisenet_training.datasets import Dataset, Sample
from bisenet_training.evaluation import EvaluatedFrame, MultiViewPredictor, Views, evaluate
from bisenet_training.evaluation.predictor import id_table
from bisenet_training.evaluation.views import window_slices
from bisenet_training.evaluation.worst_frames import PANEL_WIDTH, WorstFrames, draw_frame

Pixels = npt.NDArray[np.uint8]

FP32 = ModelSettings(device='cpu', precision='fp32')


@pytest.fixture(scope='module')
def checkpoint(weights: Path) -> Checkpoint:
    return Checkpoint.load(weights)


def make_frame(width: int, height: int, seed: int = 0) -> Pixels:
    """Soft patches of colour."""
    patches = np.random.default_rng(seed).integers(0, 256, (height // 16, width // 16, 3), np.uint8)
    return resize(patches, (width, height))


def shown(view: Pixels, checkpoint: Checkpoint) -> Tensor:
    """(1, 3, H, W) from the definition: RGB, scaled to 0..1, mean and standard deviation."""
    normalization = checkpoint.normalization
    rgb = (view[..., ::-1] / 255.0 - normalization.mean) / normalization.std
    return torch.from_numpy(rgb.astype(np.float32)).permute(2, 0, 1)[None]


# ---- views ----


@pytest.mark.parametrize('flip', [False, True])
@pytest.mark.parametrize('scales', [(1.0,), (0.75, 1.0, 1.25)])
@torch.inference_mode()
def test_scales_and_flip_average_probabilities_at_the_size_of_the_frame(
    checkpoint: Checkpoint, scales: tuple[float, ...], flip: bool
) -> None:
    frame, network = make_frame(256, 192), checkpoint.build()
    expected = []
    for scale in scales:
        # 96x72 and 160x120 are no multiples of 32: what is padded is left out.
        width, height = round(128 * scale), round(96 * scale)
        view = shown(resize(frame, (width, height)), checkpoint)
        for mirrored in (False, True)[: 1 + flip]:
            coarse = network.coarse(view.flip(3) if mirrored else view)
            upsampled = F.interpolate(
                coarse,
                scale_factor=(8 * 192 / height, 8 * 256 / width),
                mode='bilinear',
                recompute_scale_factor=False,
            )
            probabilities = upsampled[:, :, :192, :256].softmax(1)
            expected.append(probabilities.flip(3) if mirrored else probabilities)
    predictor = MultiViewPredictor(checkpoint, Views(scales, flip), FP32)
    probabilities = predictor.probabilities(frame)
    torch.testing.assert_close(probabilities, torch.cat(expected).mean(0), atol=1e-5, rtol=0)
    prediction = predictor(frame)
    np.testing.assert_array_equal(prediction.labels, probabilities.argmax(0).numpy())
    best = 255 * probabilities.amax(0).numpy()
    np.testing.assert_allclose(prediction.confidence, best, atol=0.51)


@pytest.mark.parametrize('flip', [False, True])
@torch.inference_mode()
def test_a_sliding_crop_averages_what_each_pixel_is_seen_in(
    checkpoint: Checkpoint, flip: bool
) -> None:
    """A crop of 64x48, two thirds of that from one to the next; at half the size it sees all."""
    frame, network = make_frame(256, 192), checkpoint.build()
    expected = []
    for (width, height), lefts, tops in (
        ((128, 96), (0, 43, 64), (0, 32, 48)),
        ((64, 48), (0,), (0,)),
    ):
        scaled = resize(frame, (width, height))
        total, windows = torch.zeros(11, height, width), torch.zeros(height, width)
        for top in tops:
            for left in lefts:
                rows, columns = slice(top, top + 48), slice(left, left + 64)
                view = shown(scaled[rows, columns], checkpoint)
                seen = network(view).softmax(1)
                if flip:
                    seen = (seen + network(view.flip(3)).flip(3).softmax(1)) / 2
                total[:, rows, columns] += seen[0]
                windows[rows, columns] += 1
        mean = (total / windows)[None]
        expected.append(F.interpolate(mean, (192, 256), mode='bilinear')[0])
    views = Views((1.0, 0.5), flip, (64, 48))
    predictor = MultiViewPredictor(checkpoint, views, FP32)
    probabilities = predictor.probabilities(frame)
    torch.testing.assert_close(probabilities, sum(expected) / 2, atol=1e-5, rtol=0)


@pytest.mark.parametrize('size', [(128, 96), (200, 333), (60, 40)])
def test_one_view_is_what_the_vehicle_sees(weights: Path, size: tuple[int, int]) -> None:
    frame = make_frame(*size)
    predictor = MultiViewPredictor(Checkpoint.load(weights), Views(), FP32)
    segmenter = Segmenter.load(weights, device='cpu', precision='fp32', engine='torch')
    averaged, driven = predictor(frame), segmenter(frame)
    assert np.mean(averaged.labels != driven.labels) < 0.001  # rounding alone
    np.testing.assert_allclose(averaged.confidence, driven.confidence.astype(int), atol=1)


def test_windows_end_with_the_image() -> None:
    def starts(length: int, window: int, stride: float) -> list[int]:
        return [place.start for place in window_slices(length, window, stride)]

    # Cityscapes, 1024x1024, as published: three columns and one row.
    assert starts(2048, 1024, 2 / 3) == [0, 683, 1024]
    assert starts(1024, 1024, 2 / 3) == [0]
    assert starts(300, 100, 1.0) == [0, 100, 200]
    assert list(window_slices(80, 100, 0.5)) == [slice(0, 80)]


@pytest.mark.parametrize(
    ('views', 'message'),
    [
        ({'scales': ()}, 'scales must be numbers above 0'),
        ({'scales': (1.0, -1.0)}, 'scales must be numbers above 0'),
        ({'scales': (math.inf,)}, 'scales must be numbers above 0'),
        ({'crop': (512, 16)}, 'a crop must be at least 32 pixels wide and high, not 512x16'),
        ({'crop': (64, 64), 'stride': 1.5}, 'stride must be a fraction of the crop'),
        ({'crop': (64, 64), 'stride': 0.0}, 'stride must be a fraction of the crop'),
    ],
)
def test_views_out_of_range_are_named(views: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Views(**views)


def test_a_scale_too_small_or_large_for_the_network_is_named(checkpoint: Checkpoint) -> None:
    with pytest.raises(UserError, match=r'a scale of 0\.25 makes frames 32x24, but the network'):
        MultiViewPredictor(checkpoint, Views((0.25,)), FP32)
    with pytest.raises(UserError, match=r'1e\+09 makes frames .*, over the limit of 8192'):
        MultiViewPredictor(checkpoint, Views((1e9,)), FP32)


# ---- figures ----


@dataclass(frozen=True)
class Found:
    """What a predictor gives."""

    labels: Pixels
    confidence: Pixels | None


class Lookup:
    """A predictor that knows what it is going to find in each frame."""

    def __init__(self, label_space: LabelSpace, found: list[Found]) -> None:
        self.label_space = label_space
        self._found = found

    def __call__(self, frame: Pixels) -> Found:
        return self._found[frame[0, 0, 0]]


class Frames(Dataset):
    """Truths whose images hold their index."""

    description = 'frames'

    def __init__(self, label_space: LabelSpace, truths: list[Pixels]) -> None:
        self.label_space = label_space
        self._truths = truths

    def __len__(self) -> int:
        return len(self._truths)

    def name_of(self, index: int) -> str:
        return f'frame {index}'

    def __getitem__(self, index: int) -> Sample:
        truth = self._truths[index]
        return Sample(self.name_of(index), np.full((*truth.shape, 3), index, np.uint8), truth)


SPACE = LabelSpace(
    names=('grass', 'road', 'sky', 'unicorn'),
    colors=((0, 255, 0), (128, 128, 128), (0, 0, 255), (255, 255, 255)),
    drivable=('grass', 'road'),
)
REVERSED = LabelSpace(SPACE.names[::-1], SPACE.colors[::-1], ('road',))


def test_figures_equal_counting_whatever_the_order_of_the_classes() -> None:
    rng = np.random.default_rng(0)
    truths = list(rng.choice([0, 1, 2, IGNORE], (3, 40, 50)).astype(np.uint8))
    labels = list(rng.choice([0, 1, 2, IGNORE], (3, 40, 50)).astype(np.uint8))
    confidence = rng.integers(0, 256, (3, 40, 50), np.uint8)
    found = [
        # The predictor's ids count from the other end.
        Found(np.where(ids == IGNORE, IGNORE, 3 - ids).astype(np.uint8), sure)
        for ids, sure in zip(labels, confidence, strict=True)
    ]
    seen: list[EvaluatedFrame] = []
    result = evaluate(Lookup(REVERSED, found), Frames(SPACE, truths), seen.append)
    figures = result.figures()

    assert [frame.sample.name for frame in seen] == ['frame 0', 'frame 1', 'frame 2']
    for frame, expected in zip(seen, labels, strict=True):
        np.testing.assert_array_equal(frame.labels, expected)
    truth, label = np.stack(truths), np.stack(labels)
    known = truth != IGNORE

    def iou(*classes: int) -> float:
        predicted, true = np.isin(label, classes) & known, np.isin(truth, classes)
        return float((predicted & true).sum() / (predicted | true).sum())

    ious = [iou(index) for index in range(3)]
    shares = [(truth[known] == index).mean() for index in range(3)]
    assert figures['frames'] == 3
    assert list(figures['iou'].values())[:3] == pytest.approx(ious, abs=1e-9)
    assert figures['iou']['unicorn'] is None
    assert figures['miou'] == pytest.approx(np.mean(ious), abs=1e-9)
    assert figures['frequency_weighted_iou'] == pytest.approx(np.dot(shares, ious), abs=1e-9)
    assert figures['drivable_iou'] == pytest.approx(iou(0, 1), abs=1e-9)
    sure = evaluate(
        Lookup(REVERSED, found), Frames(SPACE, truths), min_drivable_confidence=128
    ).figures()
    mask, drivable = np.isin(label, (0, 1)) & (confidence >= 128) & known, np.isin(truth, (0, 1))
    assert sure['drivable_iou'] == (mask & drivable).sum() / (mask | drivable).sum()
    assert sure['miou'] == figures['miou']
    accuracy = (truth == label)[known].mean()
    assert figures['pixel_accuracy'] == pytest.approx(accuracy, abs=1e-9)
    assert figures['confusion'][0][4] == ((truth == 0) & (label == IGNORE)).sum()
    assert figures['boundary_f_by_class']['unicorn'] is None
    assert 0 < figures['boundary_f'] <= 1
    labelled = known & (label != IGNORE)
    bins, right = confidence.astype(int) * 15 // 256, label == truth
    error = sum(
        abs(right[inside].mean() - confidence[inside].mean() / 255) * inside.sum()
        for inside in (labelled & (bins == index) for index in range(15))
    )
    assert figures['ece'] == pytest.approx(error / labelled.sum(), abs=1e-9)


def test_without_confidence_there_is_no_calibration() -> None:
    truth = np.zeros((8, 8), np.uint8)
    figures = evaluate(Lookup(SPACE, [Found(truth, None)]), Frames(SPACE, [truth])).figures()
    assert figures['ece'] is None
    assert figures['miou'] == 1


def test_other_classes_are_refused() -> None:
    other = replace(SPACE, names=('grass', 'road', 'sky', 'horse'))
    message = 'the weights lack unicorn; the data set lacks horse'
    with pytest.raises(UserError, match=message):
        id_table(other, SPACE)
    with pytest.raises(UserError, match='for other classes'):
        evaluate(Lookup(CAMVID, []), Frames(SPACE, []))


# ---- pictures ----


def test_the_worst_frames_are_kept_and_drawn() -> None:
    worst = WorstFrames(2)
    truth = np.zeros((60, 80), np.uint8)
    truth[:30], truth[:, :8] = 1, IGNORE
    for index, miou in enumerate([0.5, math.nan, 0.2, 0.9, 0.2]):
        sample = Sample(f'frame {index}', np.full((60, 80, 3), 100, np.uint8), truth)
        worst.offer(EvaluatedFrame(index, sample, np.zeros_like(truth), miou))
    kept = worst.frames
    assert [frame.index for frame in kept] == [2, 4]
    picture = draw_frame(kept[0], SPACE)
    height = 60 * PANEL_WIDTH // 80
    assert picture.shape[1] == 4 * PANEL_WIDTH
    errors = picture[-height:, 3 * PANEL_WIDTH :]
    assert (errors[10, -10] == (0, 0, 255)).all()
    assert (errors[-10, -10] == 100 // 2 + 64).all()
    assert (errors[:, 10] == 0).all()
