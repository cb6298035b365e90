# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The choice between a batch and one frame after the other, on devices whose speed is known."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from bisenet_ros import batching
from bisenet_ros.batching import choose_batching
from bisenet_ros.segmenter import Segmenter


class Device:
    """Takes as long as it is told, by its own clock, in place of a segmenter.

    Args:
        batch_ms: What a batch takes, whatever its size.
        frame_ms: What a frame alone takes.
        largest: The most frames that it has memory for.
        refusal: The error for more frames than that.
        slow_runs: Which of its runs, counted from 0, take half a second longer.
    """

    network_size = (64, 32)

    def __init__(
        self,
        frame_ms: float,
        batch_ms: float,
        largest: int = 6,
        refusal: RuntimeError | None = None,
        slow_runs: Collection[int] = (),
    ) -> None:
        self._frame_ms = frame_ms
        self._batch_ms = batch_ms
        self._largest = largest
        self._refusal = refusal or torch.cuda.OutOfMemoryError('CUDA out of memory')
        self._slow_runs = slow_runs
        self.sizes: list[int] = []
        self.seconds = 0.0

    def batch(self, frames: Sequence[npt.NDArray[np.uint8]], ego_masks: Sequence[None]) -> None:
        assert len(ego_masks) == len(frames)
        if len(frames) > self._largest:
            raise self._refusal
        self.seconds += 0.5 if len(self.sizes) in self._slow_runs else 0
        self.sizes.append(len(frames))
        self.seconds += (self._frame_ms if len(frames) == 1 else self._batch_ms) / 1e3


def choose(device: Any, cameras: int) -> batching.Batching:
    return choose_batching(device, cameras, lambda: device.seconds)


def test_a_batch_that_takes_as_long_as_one_frame_is_together_and_every_size_was_run() -> None:
    device = Device(frame_ms=3, batch_ms=3)
    choice = choose(device, cameras=4)
    assert choice.together
    assert str(choice) == 'together'
    assert '4 frames take' in choice.reason
    assert {1, 2, 3, 4} == set(device.sizes)


def test_a_batch_that_takes_longer_than_its_frames_is_not_worth_it() -> None:
    choice = choose(Device(frame_ms=1, batch_ms=20), cameras=3)
    assert not choice.together
    assert str(choice) == 'one after the other'
    assert 'one after the other' in choice.reason


def test_a_slow_network_is_not_kept_from_starting() -> None:
    device = Device(frame_ms=200, batch_ms=200)
    choice = choose(device, cameras=3)
    assert not choice.together
    assert choice.reason == 'one frame takes 200 ms, so a batch would save little'
    assert set(device.sizes) == {1}


@pytest.mark.parametrize('frame_ms', [1, 10, 25, 60, 90])
def test_the_measurement_keeps_to_its_budget(frame_ms: float) -> None:
    device = Device(frame_ms=frame_ms, batch_ms=3 * frame_ms)
    assert '3 frames take' in choose(device, cameras=3).reason
    # Two frames that are timed first come on top, and the batch of two takes as long as three.
    assert device.seconds < batching.BUDGET + 3.1 * frame_ms / 1e3


@pytest.mark.parametrize(
    ('frame_ms', 'batch_ms', 'slow_runs', 'together'),
    [
        pytest.param(60, 60, {0, 2, 3}, True, id='the first run of each size, with time for one'),
        pytest.param(10, 10, {0, 4}, True, id='the first batch that is timed'),
        pytest.param(10, 30, {5}, False, id='the first frame of those one after the other'),
    ],
)
def test_runs_slowed_by_other_load_do_not_count(
    frame_ms: float, batch_ms: float, slow_runs: set[int], together: bool
) -> None:
    device = Device(frame_ms, batch_ms, slow_runs=slow_runs)
    assert choose(device, cameras=3).together == together


@pytest.mark.parametrize(
    'refusal',
    [
        torch.cuda.OutOfMemoryError('CUDA out of memory'),
        RuntimeError('CUDA error: out of memory'),
        RuntimeError('cuDNN error: CUDNN_STATUS_ALLOC_FAILED'),
    ],
)
def test_a_device_that_has_no_memory_for_a_batch_takes_one_after_the_other(
    refusal: RuntimeError,
) -> None:
    choice = choose(Device(frame_ms=1, batch_ms=1, largest=2, refusal=refusal), cameras=3)
    assert not choice.together
    assert choice.reason == 'the device has too little memory for a batch of 3'


def test_another_failure_of_the_device_is_not_taken_for_too_little_memory() -> None:
    failed = RuntimeError('CUDA error: unspecified launch failure')
    with pytest.raises(RuntimeError, match='unspecified launch failure'):
        choose(Device(frame_ms=1, batch_ms=1, largest=2, refusal=failed), cameras=3)


def test_one_camera_needs_no_measurement() -> None:
    device = Device(frame_ms=1, batch_ms=1)
    assert not choose(device, cameras=1).together
    assert device.sizes == []


def test_a_real_network_is_measured(weights: Path) -> None:
    ticks = itertools.count()
    segmenter = Segmenter.load(weights, device='cpu')
    choice = choose_batching(segmenter, 3, lambda: 0.01 * next(ticks))
    assert choice.reason == '3 frames take 10.0 ms together and 10.0 ms one after the other'
    assert not choice.together
