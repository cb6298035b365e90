# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The slot in which the newest frame wins, and the pairing of frames with CameraInfos."""

from __future__ import annotations

import threading

import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from bisenet_ros.camera_info import CameraInfoMatcher, Sizes
from bisenet_ros.camera_slot import CameraSlot, FrameCounts

SIZES = Sizes(image=(640, 480), found=(640, 480))


@pytest.fixture
def slot() -> CameraSlot:
    return CameraSlot('front', threading.Condition())


def stamped(sec: int, nanosec: int = 0) -> CameraInfo:
    return CameraInfo(header=Header(stamp=Time(sec=sec, nanosec=nanosec)))


def test_newest_frame_wins_and_the_older_ones_are_counted(slot: CameraSlot) -> None:
    for number in range(3):
        slot.put(f'frame {number}', now=float(number))
    assert slot.take() == 'frame 2'
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
    assert slot.count_published() == FrameCounts(received=4, published=1, dropped=1, malformed=1)
    assert slot.state.last_error == 'the image is 0x0'


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


def test_info_before_its_frame() -> None:
    matcher = CameraInfoMatcher()
    info = stamped(1, 500)
    assert matcher.arrived(info) is None
    assert matcher.match(stamped(1, 500), SIZES) is info


def test_info_after_its_frame() -> None:
    matcher = CameraInfoMatcher()
    info = stamped(1, 500)
    assert matcher.match(stamped(1, 500), SIZES) is None
    assert matcher.arrived(info) is info
    assert matcher.arrived(info) is None, 'a frame has one info'


@pytest.mark.parametrize('info_first', [True, False])
def test_frames_of_one_stamp_have_the_same_info(info_first: bool) -> None:
    matcher, info = CameraInfoMatcher(), stamped(0)
    if info_first:
        matcher.arrived(info)
        assert matcher.match(stamped(0), SIZES) is info
    else:
        matcher.match(stamped(0), SIZES)
        assert matcher.arrived(info) is info
    assert matcher.match(stamped(0), SIZES) is info
    newer = stamped(0)
    assert matcher.arrived(newer) is None
    assert matcher.match(stamped(0), SIZES) is newer


def test_info_of_another_stamp_is_never_given() -> None:
    matcher = CameraInfoMatcher()
    matcher.arrived(stamped(1, 499))
    assert matcher.match(stamped(1, 500), SIZES) is None
    assert matcher.arrived(stamped(1, 501)) is None


def test_only_the_last_infos_and_frames_are_remembered() -> None:
    matcher = CameraInfoMatcher(depth=2)
    for sec in range(3):
        matcher.arrived(stamped(sec))
    assert matcher.match(stamped(0), SIZES) is None
    assert matcher.match(stamped(1), SIZES) is not None
    for sec in range(10, 13):
        matcher.match(stamped(sec), SIZES)
    assert matcher.arrived(stamped(10)) is None
    assert matcher.arrived(stamped(12)) is not None


def test_an_info_is_there_when_a_slow_device_took_ten_seconds_for_its_frame() -> None:
    matcher = CameraInfoMatcher()
    for number in range(60 * 10):  # of a camera with 60 frames per second
        matcher.arrived(stamped(number))
    assert matcher.match(stamped(0), SIZES) is not None


def test_clear_forgets_infos_and_frames() -> None:
    matcher = CameraInfoMatcher()
    matcher.arrived(stamped(1))
    matcher.match(stamped(2), SIZES)
    matcher.clear()
    assert matcher.match(stamped(1), SIZES) is None
    assert matcher.arrived(stamped(2)) is None
