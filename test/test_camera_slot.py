# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The slot in which the newest frame wins."""

from __future__ import annotations

import threading

import pytest

from bisenet_ros.camera_slot import CameraSlot, FrameCounts


@pytest.fixture
def slot() -> CameraSlot:
    return CameraSlot('front', threading.Condition())


def test_newest_frame_wins_and_the_older_ones_are_counted(slot: CameraSlot) -> None:
    for number in range(3):
        slot.put(f'frame {number}', now=float(number))
    assert slot.waiting
    assert slot.take() == 'frame 2'
    assert not slot.waiting
    assert slot.take() is None
    assert slot.state.counts == FrameCounts(received=3, dropped=2)
    assert slot.state.last_received == 2.0


def test_a_frame_that_was_taken_is_not_dropped_by_the_next(slot: CameraSlot) -> None:
    slot.put('frame 0', now=0.0)
    slot.take()
    slot.put('frame 1', now=1.0)
    assert slot.state.counts == FrameCounts(received=2)


def test_every_fate_is_counted(slot: CameraSlot) -> None:
    for number in range(4):
        slot.put(f'frame {number}', now=float(number))
        slot.take()
    slot.count_malformed('the image is 0x0', 1.0)
    slot.count_dropped()
    before = slot.state.counts
    slot.count_lost(3)
    counts = slot.count_published()
    assert counts == FrameCounts(received=4, published=1, dropped=1, malformed=1, lost=3)
    assert counts.since(before) == FrameCounts(published=1, lost=3)
    assert slot.state.last_error == 'the image is 0x0'


def test_frames_are_refused_from_the_first_malformed_one_until_one_is_decoded(
    slot: CameraSlot,
) -> None:
    assert slot.state.refused_for == 0
    for now, seconds in [(5.0, 0.0), (6.0, 1.0), (8.5, 3.5)]:
        slot.count_malformed('the image is 0x0', now)
        assert slot.state.refused_for == seconds
    slot.note_decoded()
    assert slot.state.refused_for == 0
    slot.count_malformed('the image is 0x0', 9.0)
    assert slot.state.refused_for == 0


def test_clear_forgets_frame_and_counts(slot: CameraSlot) -> None:
    slot.put('frame', now=1.0)
    slot.clear()
    assert slot.take() is None
    assert slot.state.counts == FrameCounts()
    assert slot.state.last_received is None


def test_a_frame_wakes_who_waits_for_it() -> None:
    arrival = threading.Condition()
    slot = CameraSlot('front', arrival)
    taken: list[object] = []

    def wait_and_take() -> None:
        with arrival:
            arrival.wait_for(lambda: taken.append(slot.take()) or taken[-1] is not None, timeout=90)

    waiter = threading.Thread(target=wait_and_take)
    waiter.start()
    slot.put('frame', now=0.0)
    waiter.join()
    assert taken[-1] == 'frame'


@pytest.mark.parametrize(('name', 'label'), [('', 'camera'), ('front', 'camera front')])
def test_a_camera_is_named_in_messages(name: str, label: str) -> None:
    assert CameraSlot(name, threading.Condition()).label == label
