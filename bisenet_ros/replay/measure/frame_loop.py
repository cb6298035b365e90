# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Passes the frames of a bag to an evaluator: every one, those a node takes, or recorded ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from bisenet_ros.bag.messages import BagError
from bisenet_ros.bag.reader import RecordedFrame, ReplayBag
from bisenet_ros.bag.recorded_outputs import RecordedOutputs
from bisenet_ros.replay.measure.evaluator import Evaluator, Taken
from bisenet_ros.replay.measure.simulated_arrival import simulate_arrival


class FrameLoop:
    """Reads a bag once, in one of three ways.

    Attributes:
        dropped: Number of frames that the node dropped for a newer one, by image topic.
        damage: Why frames of the bag are missing; empty if none are.

    Args:
        bag: The frames.
        evaluator: Segments and measures them.
        advance: Called after every frame.
    """

    def __init__(self, bag: ReplayBag, evaluator: Evaluator, advance: Callable[[], None]) -> None:
        self._bag = bag
        self._evaluator = evaluator
        self._advance = advance
        self.dropped: Counter[str] = Counter()
        self.damage = ''

    def evaluate_all(self) -> None:
        """Segments every frame, however long it takes."""
        for frame in self._arriving():
            self._evaluator.segment([Taken(frame)])

    def evaluate_taken(self, rate: float, *, together: bool, max_rate: float) -> None:
        """Simulates arrival, and segments the frames that the node would not have dropped.

        Args:
            rate: Speed of arrival, relative to the recording.
            together: Whether frames of different cameras form one batch.
            max_rate: The node's parameter, Hz.
        """
        dropped = simulate_arrival(
            self._arriving(),
            self._bag.cameras,
            rate,
            self._evaluator.segment,
            together=together,
            max_rate=max_rate,
        )
        self.dropped.update(dropped)

    def evaluate_recorded(self, outputs: RecordedOutputs) -> None:
        """Measures the recorded outputs of a running node instead."""
        for frame in self._arriving():
            if self._evaluator.measure_recorded(frame, outputs.of(frame)):
                self.dropped[frame.camera.image_topic] += 1

    def _arriving(self) -> Iterator[RecordedFrame]:
        try:
            for frame in self._bag:
                self._evaluator.arrive(frame)
                yield frame
                self._advance()
        except BagError as error:
            self.damage = str(error)
