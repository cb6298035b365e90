# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluates one bag after another with the same segmenter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import torch

from bisenet_ros.bag.reader import ReplayBag
from bisenet_ros.errors import UserError, file_errors
from bisenet_ros.replay.many.jobs import Job, Outcome, Progress, ReplayOptions
from bisenet_ros.replay.measure.evaluation import together
from bisenet_ros.replay.measure.run import ReplayResult, replay
from bisenet_ros.segmenter import Segmenter


class BagEvaluator:
    """Evaluates bags.

    Args:
        options: How to evaluate them.

    Raises:
        UserError: The model cannot be loaded with these settings.
    """

    def __init__(self, options: ReplayOptions) -> None:
        torch.set_num_threads(options.threads)
        cv2.setNumThreads(options.threads)
        self._options = options
        self._segmenter = Segmenter.from_settings(options.settings)

    def evaluate(self, job: Job, listen: Callable[[Progress], None]) -> Outcome:
        """Evaluates a bag. Errors are part of the outcome, not raised.

        Args:
            job: The bag.
            listen: Called after every frame.
        """
        try:
            with file_errors(job.output):
                return Outcome(job, self._replay(job, listen))
        except UserError as error:
            return Outcome(job, None, str(error))

    def _replay(self, job: Job, listen: Callable[[Progress], None]) -> ReplayResult:
        options = self._options
        bag = ReplayBag(job.bag, options.image_topic, options.labels_topic)
        job.output.mkdir(parents=True, exist_ok=True)
        frames = 0

        def advance() -> None:
            nonlocal frames
            frames += 1
            listen(Progress(job, frames, bag.frame_count))

        result = replay(
            bag,
            self._segmenter,
            options.settings,
            job.output,
            advance,
            rate=options.rate,
            camera_images=options.camera_images,
            video=options.video,
        )
        counts = {
            # Only the counts: an evaluation also holds the previous frame.
            topic: together([evaluation], self._segmenter.label_space)
            for topic, evaluation in result.evaluations.items()
        }
        return replace(result, evaluations=counts)
