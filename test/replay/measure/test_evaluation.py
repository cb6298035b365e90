# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of frames against counting by hand, and several cameras against all frames at once."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from small_bags import picture, truth_of

from bisenet_ros.drivable import drivable_mask
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import CAMVID
from bisenet_ros.metrics import ConfusionMatrix
from bisenet_ros.replay.measure.evaluation import Confidence, Evaluation, FrameId, Samples, together
from bisenet_ros.segmentation import Segmentation
from bisenet_ros.segmenter import Segmenter

LATENCY = {'decode': 1.0, 'inference': 20.0, 'total': 21.0}


def test_samples() -> None:
    samples = Samples()
    assert samples.figures() is None
    for value in range(101):
        samples.append(value)
    assert samples.figures() == {
        'mean': 50, 'p50': 50, 'p95': 95, 'p99': 99, 'min': 0, 'max': 100,
    }  # fmt: skip


def test_the_frames_of_the_lowest_confidence_are_named() -> None:
    confidence, other = Confidence(), Confidence()
    means = {}
    for index, level in enumerate(np.random.default_rng(0).permutation(200)[:30]):
        part = confidence if index % 2 else other
        means[index] = part.update(np.full((2, 2), level, np.uint8), FrameId('/image', index, 0))
        assert means[index] == pytest.approx(level / 255)
    confidence.add(other)
    figures = confidence.figures()
    assert figures is not None
    lowest = [frame['frame'] for frame in figures['lowest_frames']]
    assert lowest == sorted(means, key=means.__getitem__)[:10]
    assert figures['mean'] == pytest.approx(np.mean(list(means.values())))
    assert figures['below_half'] == np.mean([mean < 0.5 for mean in means.values()])


def test_percentiles_of_confidence() -> None:
    confidence = Confidence()
    assert confidence.figures() is None
    levels = np.arange(100, 200, dtype=np.uint8).reshape(10, 10)
    confidence.update(levels, FrameId('/image', 0, 0))
    figures = confidence.figures()
    assert figures is not None
    assert figures['p05'] == 104 / 255
    assert figures['p50'] == 149 / 255


def test_a_frame(segmenter: Segmenter) -> None:
    evaluation = Evaluation(CAMVID)
    image, truth = picture(0), truth_of(0)
    result = segmenter(image)
    line = evaluation.update(FrameId('/image', 0, 5), image, result, LATENCY)
    assert line['drivable_fraction'] == (result.drivable == 255).mean()
    assert line['confidence'] == pytest.approx(result.confidence.mean() / 255)
    assert line['flicker'] is None  # nothing came before
    assert line['total_ms'] == 21.0
    compared = evaluation.compare(truth)
    known = truth != 255
    assert compared['pixel_accuracy'] == (result.labels == truth)[known].mean()
    confusion = ConfusionMatrix(len(CAMVID))
    confusion.update(result.labels, truth)
    assert compared['confusion'] == confusion.counts.tolist()
    road = result.labels == CAMVID.ids_of(['road'])[0], truth == CAMVID.ids_of(['road'])[0]
    assert compared['drivable_iou'] == (
        (road[0] & road[1]).sum() / ((road[0] & known) | road[1]).sum()
    )
    figures = evaluation.figures()
    assert figures['accuracy']['pixel_accuracy'] == compared['pixel_accuracy']
    assert figures['fps'] == pytest.approx(1000 / 21)
    assert figures['drivable_fraction']['mean'] == line['drivable_fraction']
    # Frames of another size cannot be compared with those before.
    larger = picture(1, width=96)
    line = evaluation.update(FrameId('/image', 1, 6), larger, segmenter(larger), LATENCY)
    assert line['flicker'] is None


def test_a_truth_of_the_cameras_size_is_brought_to_that_of_the_labels() -> None:
    image, truth = picture(0), truth_of(0)  # 64x48
    labels = truth[1::3, 2::4]  # 16x16: of 4x3 pixels the one in which their centre lies
    labels = np.where(labels == 255, 0, labels)
    drivable = drivable_mask(labels, CAMVID.ids_of(CAMVID.drivable))
    drawn = SimpleNamespace(labels=labels, confidence=labels, drivable=drivable)
    evaluation = Evaluation(CAMVID)
    for index in range(2):
        result = Segmentation(drawn, CAMVID, 0.0)
        line = evaluation.update(FrameId('/image', index, index), image, result, LATENCY)
    assert line['flicker'] == 0
    for given in (truth, truth[1::3, 2::4]):
        compared = evaluation.compare(given)
        assert compared['pixel_accuracy'] == compared['drivable_iou'] == 1
        assert np.sum(compared['confusion']) == np.count_nonzero(truth[1::3, 2::4] != 255)
    with pytest.raises(UserError, match='labels are 16x16, but the ground truth is 63x48'):
        evaluation.compare(truth[:, 1:])


def test_the_vehicle_itself_does_not_count() -> None:
    truth = np.where(truth_of(0) == 255, 1, truth_of(0))
    ego = np.zeros(truth.shape, bool)
    ego[40:, 10:50] = True
    drivable = drivable_mask(truth, CAMVID.ids_of(CAMVID.drivable))
    confidence = np.full_like(truth, 204)
    drawn = SimpleNamespace(labels=truth, confidence=confidence, drivable=drivable)
    evaluation = Evaluation(CAMVID)
    result = Segmentation(drawn, CAMVID, 0.0, ego)
    line = evaluation.update(FrameId('/image', 0, 0), picture(0), result, LATENCY)
    assert line['confidence'] == pytest.approx(0.8)
    compared = evaluation.compare(truth)
    assert compared['pixel_accuracy'] == compared['drivable_iou'] == 1
    assert np.sum(compared['confusion']) == truth.size - ego.sum()
    assert compared['free_space_error_px'] == 0
    with pytest.raises(UserError, match='labels are 64x48, but the ground truth is 63x48'):
        evaluation.compare(truth[:, 1:])


def test_a_frame_that_shows_only_the_vehicle_has_the_confidence_0_of_the_node(
    weights: Path, tmp_path: Path
) -> None:
    mask = np.full((480, 640), 255, np.uint8)
    mask[0, 0] = 0  # the only free pixel, which is lost when the mask is resized
    path = tmp_path / 'ego.png'
    cv2.imwrite(str(path), mask)
    found = Segmenter.load(weights, device='cpu', ego_mask=path)(picture(0))
    evaluation = Evaluation(CAMVID)
    line = evaluation.update(FrameId('/image', 0, 0), picture(0), found, LATENCY)
    assert line['confidence'] == found.mean_confidence == 0
    assert evaluation.compare(truth_of(0))['drivable_iou'] is None
    assert evaluation.figures()['confidence']['mean'] == 0


def test_drivable_accuracy_is_that_of_the_mask_that_is_published(segmenter: Segmenter) -> None:
    evaluation = Evaluation(CAMVID)
    image, truth = picture(0), truth_of(0)
    found = segmenter(image)
    cut = np.zeros_like(found.drivable)  # as if all areas were too small
    drawn = SimpleNamespace(labels=found.labels, confidence=found.confidence, drivable=cut)
    evaluation.update(FrameId('/image', 0, 5), image, Segmentation(drawn, CAMVID, 0.0), LATENCY)
    assert evaluation.compare(truth)['drivable_iou'] == 0.0


def test_the_same_image_again_does_not_flicker(segmenter: Segmenter) -> None:
    evaluation = Evaluation(CAMVID)
    for index, image in enumerate([picture(0), picture(0)]):
        evaluation.update(FrameId('/image', index, 0), image, segmenter(image), LATENCY)
    assert evaluation.figures()['flicker'] == 0


def test_cameras_together_are_all_their_frames(segmenter: Segmenter) -> None:
    cameras = {topic: Evaluation(CAMVID) for topic in ('/front', '/rear')}
    single = Evaluation(CAMVID)
    for index in range(4):
        topic = '/front' if index < 2 else '/rear'
        image = picture(index)
        result = segmenter(image)
        for evaluation in (cameras[topic], single):
            evaluation.update(FrameId(topic, index, 0), image, result, LATENCY)
            evaluation.compare(truth_of(index))
    total = together(cameras.values(), CAMVID).figures()
    expected = single.figures()
    # Frame 2 follows frame 1 in the single one, but is its camera's first.
    assert total.pop('flicker') is not None
    expected.pop('flicker')
    assert total == expected


def test_nothing_seen_is_nothing_and_not_zero() -> None:
    figures = Evaluation(CAMVID).figures()
    assert figures['evaluated_frames'] == 0
    for name in ('accuracy', 'drivable_fraction', 'confidence', 'flicker', 'fps'):
        assert figures[name] is None
    assert not any(isinstance(value, float) and math.isnan(value) for value in figures.values())
