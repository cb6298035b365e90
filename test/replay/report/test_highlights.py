# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which frames are looked at."""

from __future__ import annotations

from bisenet_ros.replay.report.highlights import Chosen, Moment, choose


def moment(
    frame: int, confidence: float, miou: float | None = None, latency_ms: float = 20.0
) -> Moment:
    return Moment('/image', frame, frame / 10, 0.3, confidence, latency_ms, miou)


def frames(chosen: list[Chosen], kind: str) -> list[int]:
    return [one.moment.frame for one in chosen if one.kind == kind]


def test_worst_typical_and_best_lie_apart() -> None:
    # Confidence rises with the frames: neighbours of the worst are almost as bad.
    chosen = choose([moment(frame, frame / 200) for frame in range(100)])
    assert frames(chosen, 'worst') == [0, 5, 10]
    assert frames(chosen, 'typical') == [45, 50]
    assert frames(chosen, 'best') == [94, 99]


def test_truth_decides_where_there_is_one() -> None:
    moments = [moment(frame, confidence=0.5) for frame in range(50)]
    moments[7] = moment(7, confidence=0.99, miou=0.1)
    moments[30] = moment(30, confidence=0.2, miou=0.9)
    chosen = choose(moments)
    assert {one.moment.frame for one in chosen} == {7, 30}
    assert 7 in frames(chosen, 'worst')


def test_the_slowest() -> None:
    moments = [moment(frame, frame / 200, latency_ms=20 + frame % 60) for frame in range(100)]
    assert frames(choose(moments), 'slowest') == [59]
    moments[0] = moment(0, 0.0, latency_ms=100)  # which is the worst, too
    chosen = choose(moments)
    assert frames(chosen, 'slowest') == []
    assert frames(chosen, 'worst') == [0, 5, 10]


def test_no_frame_is_shown_twice() -> None:
    for count in range(6):
        chosen = choose([moment(frame, 0.5 + frame / 100) for frame in range(count)])
        shown = [one.moment.frame for one in chosen]
        assert len(shown) == len(set(shown)) == count
