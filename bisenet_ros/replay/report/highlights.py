# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The drive as a row of numbers per frame, and the frames of it that are worth a look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

Kind = Literal['worst', 'slowest', 'typical', 'best']

SHOWN: dict[Kind, int] = {'worst': 3, 'slowest': 1, 'typical': 2, 'best': 2}
"""How many frames of each kind are looked at."""

# Neighbours look alike: frames of a kind are at least this share of the drive apart.
_APART = 0.05


class FrameSummary(NamedTuple):
    """What a frame's line says, as far as it is drawn over time.

    Attributes:
        camera: The image topic.
        frame: How many frames of the camera came before.
        time: Seconds since the first frame.
        drivable_fraction: Share of the frame.
        confidence: Mean, 0 to 1.
        latency_ms: Decoding and inference.
        miou: Of this frame; None where there is no truth.
    """

    camera: str
    frame: int
    time: float
    drivable_fraction: float
    confidence: float
    latency_ms: float
    miou: float | None


class Highlight(NamedTuple):
    """A frame that is worth a look, and as what."""

    kind: Kind
    summary: FrameSummary


def find_highlights(frames: Sequence[FrameSummary]) -> list[Highlight]:
    """The worst, typical and best frames: by mIoU where there is truth, else by confidence.

    And of those that are ranked so, the one that took longest. No frame is taken twice; a short
    drive has fewer of them, and there is no slowest where it is one of the worst.
    """
    compared = [frame for frame in frames if frame.miou is not None]
    ranked = sorted(compared or frames, key=_quality)
    middle = len(ranked) // 2
    # Typical are those next to the median, on both sides in turn.
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
        highlights += _take(kind, order, span, highlights)
    kinds = list(SHOWN)
    return sorted(highlights, key=lambda one: (kinds.index(one.kind), one.summary.time))


def _take(
    kind: Kind, order: Iterable[FrameSummary], span: float, others: Sequence[Highlight]
) -> list[Highlight]:
    taken: list[Highlight] = []
    used = {(one.summary.camera, one.summary.frame) for one in others}
    for frame in order:
        if len(taken) == SHOWN[kind]:
            break
        near = any(
            one.summary.camera == frame.camera
            and abs(one.summary.time - frame.time) < _APART * span
            for one in taken
        )
        if not near and (frame.camera, frame.frame) not in used:
            taken.append(Highlight(kind, frame))
    return taken


def _quality(frame: FrameSummary) -> tuple[float, float]:
    return (frame.confidence if frame.miou is None else frame.miou, frame.time)
