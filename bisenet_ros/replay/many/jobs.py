# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Defines the messages to and from a process that evaluates bags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bisenet_ros.settings import Settings

if TYPE_CHECKING:  # a process makes its settings before it loads torch
    from bisenet_ros.replay.measure.run import ReplayResult


@dataclass(frozen=True)
class ReplayOptions:
    """How every bag is evaluated.

    Attributes:
        settings: Node settings.
        image_topic: Evaluate this camera only; None for all cameras.
        labels_topic: Topic of its ground truth; None for `ground_truth/labels` if it exists.
        rate: None to evaluate every frame. A number simulates arrival at that multiple of the
            recorded speed and leaves out the frames that the node would have dropped.
        camera_images: Copy the images of the bag to output.mcap.
        video: Write an overlay video for each camera.
        threads: Threads of each process for network and images; set by the code that starts the
            processes.
    """

    settings: Settings
    image_topic: str | None
    labels_topic: str | None
    rate: float | None
    camera_images: bool = False
    video: bool = False
    threads: int = 1


@dataclass(frozen=True)
class Job:
    """A bag to be evaluated.

    Attributes:
        bag: The path of the bag.
        output: A folder for its results; created if needed.
    """

    bag: Path
    output: Path


@dataclass(frozen=True)
class Progress:
    """Progress of a bag.

    Attributes:
        job: The bag.
        frames: Frames evaluated so far.
        total: Frames in the bag.
    """

    job: Job
    frames: int
    total: int


@dataclass(frozen=True)
class Outcome:
    """The outcome of a bag.

    Attributes:
        job: The bag.
        result: The figures of the bag; None if nothing could be evaluated.
        failure: Why there is no result; empty if there is one.
    """

    job: Job
    result: ReplayResult | None
    failure: str = ''

    @property
    def problems(self) -> list[str]:
        """Problems of the bag, one sentence each; none if the results are complete."""
        return [self.failure] if self.result is None else self.result.problems

    @property
    def named_problems(self) -> list[str]:
        """The same sentences, each naming the bag."""
        return self._named(self.problems)

    @property
    def named_notes(self) -> list[str]:
        """Notes on the results, one sentence each, each naming the bag."""
        return [] if self.result is None else self._named(self.result.metrics['notes'])

    def _named(self, sentences: Sequence[str]) -> list[str]:
        bag = str(self.job.bag)
        return [line if line.startswith(bag) else f'{bag}: {line}' for line in sentences]


@dataclass(frozen=True)
class Refusal:
    """The reason why no bag can be evaluated with these settings."""

    reason: str
