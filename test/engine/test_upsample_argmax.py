# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Upsampling and argmax in one are `interpolate` and `argmax`, to the last pixel."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bisenet_ros.engine import upsample_argmax as module
from bisenet_ros.engine.hardware import CAPABILITY_VARIABLE, cpu_has
from bisenet_ros.engine.upsample_argmax import (
    Scale,
    Shape,
    backend,
    upsample_argmax,
    upsample_confidence,
)

# Where scores are nearly equal, the label depends on how every operation is rounded.
TORCH_FUSES = torch.backends.cpu.get_cpu_capability() in ('AVX2', 'AVX512')


def smooth(classes: int, height: int, width: int) -> Tensor:
    """Large areas with a clear winner, as a network that has learnt something gives them."""
    noise = torch.randn(1, classes, height, width) * 8
    return F.avg_pool2d(noise, 7, stride=1, padding=3)[0] * 6


def near_ties(classes: int, height: int, width: int) -> Tensor:
    """Every class within a few units in the last place of every other."""
    return torch.randn(height, width) + torch.randint(-2, 3, (classes, height, width)) * 1e-7


LOGITS: dict[str, Callable[[int, int, int], Tensor]] = {
    'random': lambda *shape: torch.randn(shape),
    'large': lambda *shape: torch.randn(shape) * 1e6,
    'smooth': smooth,
    'integers': lambda *shape: torch.randint(-2, 3, shape).float(),
    'bf16': lambda *shape: torch.randn(shape).bfloat16().float(),
    'equal': lambda *shape: torch.full(shape, 0.3),
    'two winners': lambda *shape: torch.randn(shape[1:]).expand(shape).contiguous(),
    'near ties': near_ties,
}

Geometry = tuple[int, Shape, Scale, Shape]
"""Classes, grid (h, w), scale (y, x), rows and columns cropped."""

GEOMETRIES: list[Geometry] = [
    *((19, (16, 28), (float(scale), float(scale)), (0, 0)) for scale in range(3, 17)),
    (19, (128, 64), (1.0, 1.0), (0, 0)),
    (19, (32, 40), (2.0, 2.0), (0, 0)),
    (5, (64, 80), (1.02, 1.3), (1, 24)),  # as large as the grid, but not the grid
    (11, (48, 60), (16.0, 16.0), (48, 0)),  # 480x360 padded to 480x384, shown at 960x720
    (11, (48, 60), (7.3, 8.9), (31, 17)),
    (11, (12, 16), (20.5, 33.25), (0, 5)),
    (1, (20, 30), (5.5, 5.0), (3, 0)),
    (2, (20, 30), (8.0, 3.3), (0, 1)),
    (171, (16, 20), (8.0, 9.1), (4, 4)),
    (255, (8, 8), (16.0, 16.0), (0, 0)),
    (19, (96, 120), (0.7, 0.9), (2, 3)),
    (11, (64, 40), (0.4, 6.0), (0, 0)),
    (11, (128, 256), (0.5, 0.3125), (0, 0)),  # 2048x1024 shown at 80x64
]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(params=['avx512', 'avx2', 'default', 'torch'])
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """One of the builds of the library, or torch."""
    name: str = request.param
    if name == 'torch':
        monkeypatch.setattr(module, 'tasks', lambda _: None)
        assert backend() == 'torch'
        return name
    if backend() != 'native':
        assert shutil.which('gcc') is None, 'there is a compiler: install the package again'
        pytest.skip('needs the C library')
    if not cpu_has(name):
        pytest.skip(f'needs a CPU with {name}')
    monkeypatch.setenv(CAPABILITY_VARIABLE, name)
    return name


def rounds_like_torch(implementation: str) -> bool:
    """Whether both multiply and add in one rounding, or both are torch."""
    return implementation == 'torch' or (TORCH_FUSES and implementation != 'default')


def upsampled(logits: Tensor, scale: Scale, crop: Shape) -> Tensor:
    """The definition: (C, height, width) float32."""
    whole = F.interpolate(
        logits[None].contiguous(),
        scale_factor=scale,
        mode='bilinear',
        align_corners=False,
        recompute_scale_factor=False,
    )[0]
    height, width = whole.shape[1] - crop[0], whole.shape[2] - crop[1]
    assert height + width > 128, 'torch rounds small outputs in another order'
    return whole[:, :height, :width]


def confidence_of(scores: Tensor) -> npt.NDArray[np.uint8]:
    confidence: npt.NDArray[np.uint8] = (scores.softmax(0).amax(0) * 255).round().byte().numpy()
    return confidence


@cache
def labelled(geometry: Geometry, kind: str) -> tuple[Tensor, npt.NDArray[np.uint8]]:
    """Logits, and the ids of (height, width) pixels: the same in all tests, and computed once."""
    classes, grid, scale, crop = geometry
    torch.manual_seed(0)
    logits = LOGITS[kind](classes, *grid)
    return logits, upsampled(logits, scale, crop).argmax(0).byte().numpy()


@pytest.mark.parametrize('kind', LOGITS)
def test_labels_are_the_argmax_of_interpolate(implementation: str, kind: str) -> None:
    wrong: list[str] = []
    for geometry in GEOMETRIES:
        _, _, scale, crop = geometry
        logits, expected = labelled(geometry, kind)
        height, width = expected.shape
        labels = upsample_argmax(logits, (height, width), scale)
        assert labels.dtype == np.uint8
        others = int(np.count_nonzero(labels != expected))
        if others and not rounds_like_torch(implementation):
            # Then they are those of scores that differ by rounding alone.
            scores = upsampled(logits, scale, crop)
            chosen = scores.gather(0, torch.from_numpy(labels)[None].long())[0]
            others = int((~torch.isclose(chosen, scores.amax(0), rtol=1e-5, atol=1e-6)).sum())
        if others:
            wrong.append(f'{others} pixels of {geometry}')
    assert not wrong


@pytest.mark.parametrize('kind', ['random', 'large', 'smooth', 'equal'])
def test_confidence_is_the_softmax_of_interpolate(implementation: str, kind: str) -> None:
    for classes, grid, scale, crop in GEOMETRIES[-10:]:
        logits = LOGITS[kind](classes, *grid)
        scores = upsampled(logits, scale, crop)
        height, width = scores.shape[1:]
        confidence = upsample_confidence(logits, (height, width), scale)
        assert confidence.dtype == np.uint8
        difference = confidence.astype(int) - confidence_of(scores)
        # The last digit of a logit of a million is a sixteenth.
        most = 1 if rounds_like_torch(implementation) else 4
        assert np.abs(difference).max() <= most, (classes, grid, scale, crop)
        assert np.mean(difference != 0) < 0.001, (classes, grid, scale, crop)


def test_memory_layout_does_not_matter(implementation: str) -> None:
    logits = smooth(11, 24, 32)
    channels_last = logits.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    view = torch.cat((logits, logits), dim=2)[:, :, 32:]
    for draw in (upsample_argmax, upsample_confidence):
        expected = draw(logits, (192, 256), (8.0, 8.0))
        np.testing.assert_array_equal(draw(channels_last, (192, 256), (8.0, 8.0)), expected)
        np.testing.assert_array_equal(draw(view, (192, 256), (8.0, 8.0)), expected)


def test_padding_of_the_grid_is_not_shown(implementation: str) -> None:
    """Only the nodes beside the last pixels matter, whatever the padding beyond them holds."""
    logits = smooth(11, 48, 60)
    other_padding = logits.clone()
    other_padding[:, 46:] = 1000
    size, scale = (720, 960), (16.0, 16.0)  # 45 of 48 rows
    np.testing.assert_array_equal(
        upsample_argmax(other_padding, size, scale), upsample_argmax(logits, size, scale)
    )


def test_scale_need_not_divide_the_size(implementation: str) -> None:
    """720 / 7 rows per node, seven times, fall short of 720 in floating point."""
    logits = smooth(5, 7, 9)
    labels = upsample_argmax(logits, (720, 1000), (720 / 7, 1000 / 9))
    by_size = F.interpolate(logits[None], size=(720, 1000), mode='bilinear', align_corners=False)
    assert np.mean(labels != by_size[0].argmax(0).numpy()) < 1e-4  # its scale is rounded elsewhere


def test_threads_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = smooth(11, 50, 40)
    labels = upsample_argmax(logits, (400, 320), (8.0, 8.0))
    for threads in (1, 2, 3, 16):
        monkeypatch.setattr(torch, 'get_num_threads', lambda threads=threads: threads)
        np.testing.assert_array_equal(upsample_argmax(logits, (400, 320), (8.0, 8.0)), labels)


@pytest.mark.parametrize('bad', [torch.nan, torch.inf, -torch.inf])
def test_logits_that_are_not_finite_still_give_classes(implementation: str, bad: float) -> None:
    logits = torch.randn(11, 24, 32)
    logits[torch.rand(logits.shape) < 0.1] = bad
    assert upsample_argmax(logits, (192, 256), (8.0, 8.0)).max() < 11
    assert upsample_confidence(logits, (192, 256), (8.0, 8.0)).shape == (192, 256)


@pytest.mark.parametrize(
    ('logits', 'size', 'scale'),
    [
        (torch.zeros(256, 4, 4), (32, 32), (8.0, 8.0)),
        (torch.zeros(0, 4, 4), (32, 32), (8.0, 8.0)),
        (torch.zeros(1, 3, 4, 4), (32, 32), (8.0, 8.0)),
        (torch.zeros(3, 4, 4, dtype=torch.float16), (32, 32), (8.0, 8.0)),
        (torch.zeros(3, 4, 4), (33, 32), (8.0, 8.0)),
        (torch.zeros(3, 4, 4), (32, 32), (8.0, 0.0)),
        (torch.zeros(3, 4, 4), (0, 32), (8.0, 8.0)),
    ],
)
def test_contradictory_arguments_are_refused(logits: Tensor, size: Shape, scale: Scale) -> None:
    for draw in (upsample_argmax, upsample_confidence):
        with pytest.raises(ValueError, match=r'logits must be|do not make'):
            draw(logits, size, scale)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs an NVIDIA GPU')
def test_gpu_agrees_with_the_cpu() -> None:
    logits = smooth(11, 48, 60)
    size, scale = (720, 960), (16.0, 16.0)
    labels = upsample_argmax(logits.cuda(), size, scale)
    assert np.mean(labels != upsample_argmax(logits, size, scale)) < 1e-4
    confidence = upsample_confidence(logits.cuda(), size, scale).astype(int)
    assert np.abs(confidence - upsample_confidence(logits, size, scale)).max() <= 1
