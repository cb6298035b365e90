# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CameraInfos that come long before their images."""

from __future__ import annotations

from types import SimpleNamespace

from bisenet_ros.bag.messages import RecordedMessage
from bisenet_ros.bag.stamp_join import with_camera_infos


def recorded(topic: str, number: int) -> RecordedMessage:
    header = SimpleNamespace(stamp=SimpleNamespace(sec=number, nanosec=0))
    return RecordedMessage(topic, 0, SimpleNamespace(header=header, number=number))


def test_the_last_thousand_camera_infos_are_kept() -> None:
    infos = [recorded('/camera_info', number) for number in range(1500)]
    images = [recorded('/image', number) for number in range(0, 1500, 100)]
    found = list(with_camera_infos(iter([*infos, *images]), {'/image': '/camera_info'}))
    assert [one.camera_info and one.camera_info.number for one in found] == [
        None if number < 500 else number for number in range(0, 1500, 100)
    ]
    assert {one.latest_info.number for one in found} == {1499}
