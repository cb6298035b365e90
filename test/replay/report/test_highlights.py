# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which frames are looked at."""

from __future__ import annotations

from bisenet_ros.replay.measure.evaluation import FrameId
from bisenet_ros.replay.report.highlights import FrameSummary, Highlight, find_highlights


def summary(
    frame: int, confidence: float, miou: float | None = None, latency_ms: float = 20.0
) -> FrameSummary:
    return FrameSummary(
        FrameId('/image', frame, frame), frame / 10, 0.3, confidence, latency_ms, miou
    )


def frames(found: list[Highlight], kind: str) -> list[int]:
    return [one.summary.id.frame for one in found if one.kind == kind]


def test_worst_typical_and_best_lie_apart() -> None:
    # Confidence rises with the frames: neighbours of the worst are almost as bad.
    found = find_highlights([summary(frame, frame / 200) for frame in range(100)])
    assert frames(found, 'worst') == [0, 5, 10]
    assert frames(found, 'typical') == [45, 50]
    assert frames(found, 'best') == [94, 99]


def test_truth_decides_where_there_is_one() -> None:
    summaries = [summary(frame, confidence=0.5) for frame in range(50)]
    summaries[7] = summary(7, confidence=0.99, miou=0.1)
    summaries[30] = summary(30, confidence=0.2, miou=0.9)
    found = find_highlights(summaries)
    assert {one.summary.id.frame for one in found} == {7, 30}
    assert 7 in frames(found, 'worst')


def test_the_slowest() -> None:
    summaries = [summary(frame, frame / 200, latency_ms=20 + frame % 60) for frame in range(100)]
    assert frames(find_highlights(summaries), 'slowest') == [59]
    summaries[0] = summary(0, 0.0, latency_ms=100)  # which is the worst, too
    found = find_highlights(summaries)
    assert frames(found, 'slowest') == []
    assert frames(found, 'worst') == [0, 5, 10]


def test_no_frame_is_shown_twice() -> None:
    for count in range(6):
        found = find_highlights([summary(frame, 0.5 + frame / 100) for frame in range(count)])
        shown = [one.summary.id.frame for one in found]
        assert len(shown) == len(set(shown)) == count
