# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The others compute what we do: where nothing is resized, their labels are ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bisenet_ros.benchmark import baselines
from bisenet_ros.benchmark.baselines import Labeller, Pixels
from bisenet_ros.benchmark.candidates import load_candidates
from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.errors import UserError
from bisenet_ros.model_settings import ModelSettings
from bisenet_ros.segmenter import Segmenter

SIZE = (128, 96)
Make = Callable[[Checkpoint], Labeller]


def eager(checkpoint: Checkpoint) -> Labeller:
    return baselines.eager(checkpoint, SIZE, torch.device('cpu'), torch.float32)


@pytest.fixture(scope='module')
def openvino(weights: Path) -> Make:
    """OpenVINO for the weights, which are converted once, in whatever order their channels are."""
    pytest.importorskip('openvino', reason='needs OpenVINO')
    model = baselines.openvino_model(Checkpoint.load(weights), SIZE)
    return lambda checkpoint: baselines.openvino_labeller(
        model, SIZE, checkpoint.normalization, 'fp32'
    )


def onnx_runtime(checkpoint: Checkpoint) -> Labeller:
    for package in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(package, reason=f'needs {package}')
    return baselines.onnx_runtime(checkpoint, SIZE)


def ours(checkpoint: Checkpoint) -> Segmenter:
    settings = ModelSettings(device='cpu', precision='fp32', engine='torch', network_size=SIZE)
    return Segmenter(checkpoint, settings)


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Make:
    """The function, or the fixture of the name, that is the parameter."""
    make: Make | str = request.param
    return request.getfixturevalue(make) if isinstance(make, str) else make


@pytest.fixture(scope='module')
def frame() -> Pixels:
    coarse = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, SIZE), np.uint8)


def test_exact_labels_are_those_of_torch(weights: Path, frame: Pixels) -> None:
    checkpoint = Checkpoint.load(weights)
    shown = np.asarray(cv2.resize(frame, (256, 192)), np.uint8)
    labels = baselines.exact(checkpoint, SIZE)(shown)

    resized = torch.from_numpy(np.asarray(cv2.resize(shown, SIZE), np.uint8))
    with torch.inference_mode():
        coarse = checkpoint.build().coarse(checkpoint.normalization(resized[None]))
        logits = F.interpolate(coarse, scale_factor=16.0, mode='bilinear', align_corners=False)
    np.testing.assert_array_equal(labels, logits[0].argmax(0).numpy())


@pytest.mark.parametrize('make', [eager, 'openvino', onnx_runtime], indirect=True)
def test_labels_at_the_networks_size_are_ours(make: Make, weights: Path, frame: Pixels) -> None:
    checkpoint = Checkpoint.load(weights)
    label = make(checkpoint)
    labels = label(frame)
    expected = ours(checkpoint)(frame).labels
    assert labels.dtype == np.uint8
    assert len(np.unique(expected)) > 2
    assert np.mean(labels != expected) < 0.002  # scores that round to the same number
    # A larger frame has larger pixels of the same labels.
    doubled = np.asarray(cv2.resize(frame, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST))
    enlarged = label(doubled)
    assert enlarged.shape == (192, 256)
    assert np.mean(enlarged[::2, ::2] != expected) < 0.002
    np.testing.assert_array_equal(enlarged[::2, ::2], enlarged[1::2, 1::2])


def test_logits_can_be_enlarged_in_place_of_labels(weights: Path, frame: Pixels) -> None:
    checkpoint = Checkpoint.load(weights)
    cpu = torch.device('cpu')
    label = baselines.eager(checkpoint, SIZE, cpu, torch.float32, upsamples_logits=True)
    doubled = np.asarray(cv2.resize(frame, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST))
    exact, enlarged = ours(checkpoint)(doubled).labels, eager(checkpoint)(doubled)
    # To enlarge twice is not quite what to enlarge once is, but it comes nearer than big pixels.
    assert np.mean(label(doubled) != exact) < 0.5 * np.mean(enlarged != exact)


@pytest.mark.parametrize('make', [eager, 'openvino'], indirect=True)
def test_the_order_of_channels_is_the_networks(make: Make, weights: Path, frame: Pixels) -> None:
    rgb = Checkpoint.load(weights)
    uneven = replace(rgb.normalization, mean=(0.2, 0.4, 0.6), std=(0.2, 0.3, 0.4))
    rgb = replace(rgb, normalization=uneven)
    bgr = replace(rgb, normalization=replace(uneven, channel_order='bgr'))
    labels = make(bgr)(frame)
    assert np.mean(labels != ours(bgr)(frame).labels) < 0.002
    assert np.mean(labels != make(rgb)(frame)) > 0.01


def test_what_is_asked_for_must_run(weights: Path) -> None:
    with pytest.raises(UserError, match="not 'warp'"):
        load_candidates(ModelSettings(weights=str(weights), device='cpu', engine='warp'))
