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


class Moment(NamedTuple):
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


class Chosen(NamedTuple):
    """A frame to look at, and as what."""

    kind: Kind
    moment: Moment


def choose(moments: Sequence[Moment]) -> list[Chosen]:
    """The worst, typical and best frames: by mIoU where there is truth, else by confidence.

    And of those that are ranked so, the one that took longest. No frame is chosen twice; a short
    drive has fewer of them, and there is no slowest where it is one of the worst.
    """
    compared = [moment for moment in moments if moment.miou is not None]
    ranked = sorted(compared or moments, key=_quality)
    middle = len(ranked) // 2
    # Typical are those next to the median, on both sides in turn.
    around = sorted(range(len(ranked)), key=lambda rank: abs(rank - middle))
    span = max((moment.time for moment in moments), default=0.0)
    orders: dict[Kind, Iterable[Moment]] = {
        'worst': ranked,
        'slowest': sorted(ranked, key=lambda moment: -moment.latency_ms)[:1],
        'best': reversed(ranked),
        'typical': (ranked[rank] for rank in around),
    }
    chosen: list[Chosen] = []
    for kind, order in orders.items():
        chosen += _take(kind, order, span, chosen)
    kinds = list(SHOWN)
    return sorted(chosen, key=lambda one: (kinds.index(one.kind), one.moment.time))


def _take(
    kind: Kind, order: Iterable[Moment], span: float, others: Sequence[Chosen]
) -> list[Chosen]:
    taken: list[Chosen] = []
    used = {(one.moment.camera, one.moment.frame) for one in others}
    for moment in order:
        if len(taken) == SHOWN[kind]:
            break
        near = any(
            one.moment.camera == moment.camera
            and abs(one.moment.time - moment.time) < _APART * span
            for one in taken
        )
        if not near and (moment.camera, moment.frame) not in used:
            taken.append(Chosen(kind, moment))
    return taken


def _quality(moment: Moment) -> tuple[float, float]:
    return (moment.confidence if moment.miou is None else moment.miou, moment.time)
