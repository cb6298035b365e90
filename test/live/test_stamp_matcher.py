# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages are joined by stamp, in whatever order they come."""

from __future__ import annotations

from itertools import permutations

import pytest

from bisenet_ros.live.stamp_matcher import StampMatcher


@pytest.mark.parametrize('order', list(permutations(['labels', 'drivable', 'truth'])))
def test_a_stamp_is_complete_with_its_last_message(order: tuple[str, ...]) -> None:
    matcher: StampMatcher[str] = StampMatcher(('labels', 'drivable', 'truth'))
    assert matcher.add(order[0], 7, f'{order[0]} of 7') is None
    assert matcher.add(order[0], 8, f'{order[0]} of 8') is None
    assert matcher.add(order[1], 7, f'{order[1]} of 7') is None
    found = matcher.add(order[2], 7, f'{order[2]} of 7')
    assert found == {topic: f'{topic} of 7' for topic in order}


def test_stamps_that_are_never_complete_make_room() -> None:
    matcher: StampMatcher[int] = StampMatcher(('labels', 'truth'), depth=3)
    for stamp in range(5):
        matcher.add('truth', stamp, stamp)
    assert matcher.add('labels', 1, 1) is None  # forgotten, and now waiting in its turn
    assert matcher.add('labels', 4, 4) == {'truth': 4, 'labels': 4}
