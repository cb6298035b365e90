# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the frames of several cameras have in common when they are segmented together."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_bags import drive, write_bag

from bisenet_ros.bag.reader import ReplayBag
from bisenet_ros.camera_pipeline import CameraPipeline
from bisenet_ros.replay.measure.evaluator import Evaluator, Taken
from bisenet_ros.replay.measure.frame_lines import FrameLines
from bisenet_ros.replay.measure.output_bag import OutputBag
from bisenet_ros.segmenter import Segmenter


def test_the_time_of_a_shared_inference_counts_once(tmp_path: Path, segmenter: Segmenter) -> None:
    entries = [*drive(1, '/front'), *drive(1, '/left'), *drive(1, '/right')]
    bag = ReplayBag(write_bag(tmp_path / 'bag', entries))
    pipeline = CameraPipeline([camera.name for camera in bag.cameras], segmenter)
    with FrameLines(tmp_path / 'lines') as lines, OutputBag(tmp_path / 'out.mcap') as outputs:
        evaluator = Evaluator(bag, pipeline, 0.5, lines, outputs, None, None)
        frames = list(bag)
        for frame in frames:
            evaluator.arrive(frame)
        evaluator.segment([Taken(frame) for frame in frames])
    figures = evaluator.figures({})
    latency = figures['latency_ms']
    assert latency['inference']['min'] == latency['inference']['max']  # of all three
    busy_ms = 3 * latency['decode']['mean'] + latency['inference']['mean']
    assert figures['fps'] == pytest.approx(3 * 1e3 / busy_ms)
