# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""With trained weights, the labels of every engine are those of plain PyTorch in float32."""

from __future__ import annotations

import os
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from cpu_marks import needs_bf16

from bisenet_ros.checkpoint import Checkpoint, shipped_weights
from bisenet_ros.engine.hardware import cpu_has_bf16
from bisenet_ros.model_settings import DEFAULT_WEIGHTS
from bisenet_ros.network import COARSE_STRIDE
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.synthetic.drive import SyntheticDrive

FRAMES = [int(number) for number in os.environ.get('BISENET_TEST_FRAMES', '0 30').split()]
"""Frames of the synthetic drive; test_cpu_capabilities.py has one of them in every process."""

pytestmark = pytest.mark.skipif(
    not shipped_weights(), reason='needs the weights that ship with the package'
)

Image = npt.NDArray[np.uint8]


@pytest.fixture(scope='module')
def driven() -> list[tuple[Image, Image]]:
    """Frames of the synthetic drive at the size of the network, each with its labels."""
    checkpoint = Checkpoint.load(DEFAULT_WEIGHTS)
    network = checkpoint.build()
    width, height = checkpoint.network_size
    drive = SyntheticDrive(seed=1, size=(width, height))

    @torch.inference_mode()
    def label(frame: Image) -> Image:
        coarse = network.coarse(checkpoint.normalization(torch.from_numpy(frame[None])))
        scale = float(COARSE_STRIDE)
        logits = F.interpolate(coarse, scale_factor=scale, mode='bilinear', align_corners=False)
        labels: Image = logits[0, :, :height, :width].argmax(0).byte().numpy()
        return labels

    frames = [drive.frame(index)[0] for index in FRAMES]
    return [(frame, label(frame)) for frame in frames]


def share_of_others(segmenter: Segmenter, driven: list[tuple[Image, Image]]) -> float:
    return float(np.mean([segmenter(frame).labels != labels for frame, labels in driven]))


@pytest.mark.parametrize('engine', ['torch', 'openvino'])
@pytest.mark.parametrize(
    ('precision', 'most'), [('fp32', 0.00001), pytest.param('bf16', 0.002, marks=needs_bf16)]
)
def test_labels_are_those_of_plain_torch(
    driven: list[tuple[Image, Image]], engine: str, precision: str, most: float
) -> None:
    if engine == 'openvino' and find_spec('openvino') is None:
        pytest.skip('needs OpenVINO')
    segmenter = Segmenter.load(device='cpu', engine=engine, precision=precision)
    assert (segmenter.engine, segmenter.notes) == (engine, ())
    assert share_of_others(segmenter, driven) < most


def test_what_is_taken_by_default_has_them_too(driven: list[tuple[Image, Image]]) -> None:
    segmenter = Segmenter.load(device='cpu')
    assert segmenter.precision == ('bf16' if cpu_has_bf16() else 'fp32')
    assert segmenter.notes == ()
    assert share_of_others(segmenter, driven) < 0.002
