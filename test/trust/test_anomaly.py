# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Anomalies from logits, against their definition, and what they do to labels and mask."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from calibrated_checkpoint import save_calibrated_checkpoint

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import CAMVID, IGNORE
from bisenet_ros.model_settings import ModelSettings
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.trust.anomaly import HIGHEST, MaxLogits

TWO = MaxLogits(mean=(10.0, 4.0), std=(2.0, 1.0), data='two classes')
FRAME = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)


def logits_of(scores: np.ndarray, winner: int) -> np.ndarray:
    """(2, h, w) logits of which the winner's are the scores."""
    other = np.full_like(scores, scores.min() - 1)
    return np.stack((scores, other) if winner == 0 else (other, scores)).astype(np.float32)


@pytest.mark.parametrize(
    ('winner', 'score', 'deviations'),
    [(0, 10.0, 0.0), (0, 12.0, 0.0), (0, 6.0, 2.0), (1, 6.0, 0.0), (1, 1.0, 3.0), (0, -9.0, 5.0)],
)
def test_it_counts_deviations_below_the_mean_of_the_class(
    winner: int, score: float, deviations: float
) -> None:
    logits = logits_of(np.full((5, 6), score), winner)
    found = TWO.anomaly(logits, (40, 48), (8.0, 8.0))
    assert found.shape == (40, 48)
    np.testing.assert_array_equal(found, round(255 * deviations / HIGHEST))


@pytest.mark.parametrize('axis', [0, 1], ids=['along the height', 'along the width'])
def test_it_is_interpolated_between_the_nodes(axis: int) -> None:
    """At a pixel's centre, linearly between the centres of the nodes; at the edges, the node's."""
    scores = np.tile(np.linspace(10.0, 0.0, 11), (11, 1))  # 0, 0.5, 1 … 5 deviations
    size, scale = [44, 44], [4.0, 4.0]
    size[axis], scale[axis] = 21, 2.0
    logits = logits_of(scores if axis == 1 else scores.T, 0)
    found = TWO.anomaly(logits, (size[0], size[1]), (scale[0], scale[1]))
    nodes = (np.arange(17) + 0.5) / 2 - 0.5
    # Opening cuts the slope's last two nodes down to the third last.
    expected = 255 / HIGHEST * np.maximum(0.5 * nodes, 0)
    for line in np.moveaxis(found, axis, 1):
        np.testing.assert_allclose(line[:17], expected, atol=1)


def test_thin_lines_are_left_out_and_objects_stay() -> None:
    scores = np.full((20, 20), 10.0)
    scores[:, 3:5] = 0.0  # two nodes wide, as an edge between classes is
    scores[8:12, 10:14] = 0.0
    found = TWO.anomaly(logits_of(scores, 0), (160, 160), (8.0, 8.0))
    assert (found[:, :64] == 0).all()
    assert (found[68:92, 84:108] == 255).all()
    assert (found[:56] == 0).all()


def test_padding_of_the_grid_is_cropped() -> None:
    scores = np.full((8, 8), 10.0)
    scores[:, 5:] = 0.0
    found = TWO.anomaly(logits_of(scores, 0), (60, 36), (8.0, 8.0))
    assert found.shape == (60, 36)
    assert (found == 0).all()


def test_statistics_travel_with_the_weights(tmp_path: Path) -> None:
    path = save_calibrated_checkpoint(tmp_path / 'sure.safetensors')
    found = Checkpoint.load(path).max_logits
    assert found is not None
    assert len(found.mean) == len(CAMVID)
    assert MaxLogits.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        ({'mean': [1.0], 'std': [1.0, 2.0], 'data': ''}, '1 means, but 2 deviations'),
        ({'mean': [1.0], 'std': [0.0], 'data': ''}, 'finite means and positive deviations'),
        ({'mean': [1.0, 1.0], 'std': [1.0, float('inf')], 'data': ''}, 'positive deviations'),
        ({'mean': [float('nan')], 'std': [1.0], 'data': ''}, 'finite means'),
        ({'mean': [1.0]}, r"the max logits are damaged: KeyError: 'std'"),
        ({'mean': 3, 'std': [1.0], 'data': ''}, 'the max logits are damaged: TypeError'),
    ],
)
def test_damaged_statistics_are_refused(data: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        MaxLogits.from_dict(data)


@pytest.mark.parametrize('size', [(96, 128), (70, 200)])  # height, width
def test_anomalous_pixels_are_neither_labelled_nor_drivable(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    weights = save_calibrated_checkpoint(tmp_path / 'sure.safetensors')
    segmenter = Segmenter.load(weights, device='cpu', precision='fp32', output_size=size[::-1])
    everything = ModelSettings(
        output_size=size[::-1], drivable_classes=CAMVID.names, drivable_threshold=1e-6
    )
    segmenter.apply(everything)
    before, logits = segmenter.with_logits(FRAME)
    np.testing.assert_array_equal(before.labels, segmenter(FRAME).labels)
    assert before.anomaly is not None
    assert before.anomaly.shape == size
    np.testing.assert_array_equal(
        before.anomaly,
        segmenter.checkpoint.max_logits.anomaly(
            logits, size, (8 * size[0] / 96, 8 * size[1] / 128)
        ),
    )
    level = int(np.median(before.anomaly[before.anomaly > 0]))
    segmenter.apply(replace(everything, anomaly_threshold=level / 255))
    result = segmenter(FRAME)
    unknown = before.anomaly >= level
    assert 0 < unknown.sum() < unknown.size
    np.testing.assert_array_equal(result.labels, np.where(unknown, IGNORE, before.labels))
    np.testing.assert_array_equal(result.drivable, np.where(unknown, 0, 255))
    np.testing.assert_array_equal(result.confidence, before.confidence)


def test_logits_are_those_of_the_frame_without_the_padding(weights: Path) -> None:
    for network_size, size in (((128, 96), (12, 16)), ((130, 72), (9, 17))):
        segmenter = Segmenter.load(weights, device='cpu', network_size=network_size)
        _, logits = segmenter.with_logits(FRAME)
        assert logits.shape == (len(CAMVID), *size)


def test_without_statistics_a_threshold_is_refused(weights: Path) -> None:
    segmenter = Segmenter.load(weights, device='cpu')
    assert segmenter(FRAME).anomaly is None
    with pytest.raises(UserError, match='anomaly_threshold needs weights with statistics'):
        segmenter.apply(ModelSettings(anomaly_threshold=0.5))
    assert segmenter.settings.anomaly_threshold == 0.0
    with pytest.raises(UserError, match='anomaly_threshold needs weights with statistics'):
        Segmenter.load(weights, device='cpu', anomaly_threshold=0.5)
