# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Selects the frames of a drive that the report shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from bisenet_ros.replay.measure.evaluation import FrameId
from bisenet_ros.replay.report.spacing import spaced

Kind = Literal['worst', 'slowest', 'typical', 'best']

SHOWN: dict[Kind, int] = {'worst': 3, 'slowest': 1, 'typical': 2, 'best': 2}
"""Number of frames of each kind that are shown."""


class FrameSummary(NamedTuple):
    """The figures of a frame that are drawn over time.

    Attributes:
        id: The frame.
        time: Seconds since the first frame.
        drivable_fraction: Drivable fraction of the image, 0 to 1.
        confidence: Mean confidence, 0 to 1.
        latency_ms: Time of decoding and inference.
        miou: mIoU of this frame; None without ground truth.
    """

    id: FrameId
    time: float
    drivable_fraction: float
    confidence: float
    latency_ms: float
    miou: float | None


class Highlight(NamedTuple):
    """A frame to show, and why."""

    kind: Kind
    summary: FrameSummary


def find_highlights(frames: Sequence[FrameSummary]) -> list[Highlight]:
    """Selects the worst, typical and best frames, by mIoU with ground truth, else by confidence.

    The slowest of the ranked frames is added, unless it is one of the worst. No frame is selected
    twice, so a short drive has fewer highlights.
    """
    compared = [frame for frame in frames if frame.miou is not None]
    ranked = sorted(compared or frames, key=_quality)
    middle = len(ranked) // 2
    # Typical frames are those closest to the median, alternating between both sides.
    around = sorted(range(len(ranked)), key=lambda rank: abs(rank - middle))
    span = max((frame.time for frame in frames), default=0.0)
    orders: dict[Kind, Iterable[FrameSummary]] = {
        'worst': ranked,
        'slowest': sorted(ranked, key=lambda frame: -frame.latency_ms)[:1],
        'best': reversed(ranked),
        'typical': (ranked[rank] for rank in around),
    }
    highlights: list[Highlight] = []
    for kind, order in orders.items():
        used = {one.summary.id for one in highlights}
        unused = (frame for frame in order if frame.id not in used)
        taken = spaced(unused, SHOWN[kind], span, lambda frame: (frame.id.camera, frame.time))
        highlights += [Highlight(kind, frame) for frame in taken]
    kinds = list(SHOWN)
    return sorted(highlights, key=lambda one: (kinds.index(one.kind), one.summary.time))


def _quality(frame: FrameSummary) -> tuple[float, float]:
    return (frame.confidence if frame.miou is None else frame.miou, frame.time)
