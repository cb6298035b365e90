# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What goes to a process that evaluates bags, and what comes back from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bisenet_ros.replay.measure.extras import NO_EXTRAS, Extras
from bisenet_ros.settings import Settings

if TYPE_CHECKING:  # a process makes its settings before it loads torch
    from bisenet_ros.replay.measure.run import Result


@dataclass(frozen=True)
class ReplayOptions:
    """How every bag is evaluated.

    Attributes:
        settings: The node's.
        image_topic: The only camera to take; None for all.
        labels_topic: The truth of the only camera; None for `ground_truth/labels` if it is there.
        rate: None for every frame; a number for those that the node would have taken if they had
            arrived so many times as fast as they were recorded.
        extras: What is written beside the usual files.
        threads: Of each process, for network and images; set by what starts the processes.
    """

    settings: Settings
    image_topic: str | None
    labels_topic: str | None
    rate: float | None
    extras: Extras = NO_EXTRAS
    threads: int = 1


@dataclass(frozen=True)
class Job:
    """A bag to be evaluated.

    Attributes:
        bag: Its path.
        output: A folder for its results; made if it is not there.
    """

    bag: Path
    output: Path


@dataclass(frozen=True)
class Progress:
    """How far a bag has come.

    Attributes:
        job: Which.
        frames: Evaluated so far.
        total: Frames of the bag.
    """

    job: Job
    frames: int
    total: int


@dataclass(frozen=True)
class Outcome:
    """What became of a bag.

    Attributes:
        job: Which.
        result: Its figures; None where nothing could be evaluated.
        failure: Why there is no result; empty where there is one.
    """

    job: Job
    result: Result | None
    failure: str = ''

    @property
    def problems(self) -> list[str]:
        """What was wrong with the bag, one sentence each; none if its results are complete."""
        return [self.failure] if self.result is None else self.result.problems

    @property
    def named_problems(self) -> list[str]:
        """The same sentences, to stand beside those of other bags."""
        bag = str(self.job.bag)
        return [line if line.startswith(bag) else f'{bag}: {line}' for line in self.problems]


@dataclass(frozen=True)
class Refusal:
    """Settings that cannot be used, for whatever bag; the reason."""

    reason: str
