# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which CameraInfo and which ground the frames of each camera get."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from small_bags import picture

from bisenet_ros.camera_ground import CameraGround
from bisenet_ros.camera_pipeline import CameraPipeline
from bisenet_ros.image_codec import image_fields
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.settings import Settings

HEADER = SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=2), frame_id='optical')


def camera_info(focal_length: float, header: Any = HEADER) -> Any:
    return SimpleNamespace(
        header=header,
        width=64,
        height=48,
        k=[focal_length, 0, 32, 0, focal_length, 24, 0, 0, 1],
        d=[],
        distortion_model='plumb_bob',
        binning_x=0,
        binning_y=0,
        roi=SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0),
    )


def test_each_camera_has_its_camera_info_and_ground_until_all_is_cleared(
    segmenter: Segmenter,
) -> None:
    cameras = ['front', 'rear', 'inside']
    settings = Settings(mounting=(0.0, 0.0, 1.5, 0.0, 0.3, 0.0))
    grounds = {name: CameraGround(name, lambda: settings) for name in ('front', 'rear')}
    pipeline = CameraPipeline(cameras, segmenter, grounds=grounds)
    message = SimpleNamespace(header=HEADER, **image_fields(picture(0), 'bgr8'))
    infos = {name: camera_info(40.0 + index) for index, name in enumerate(cameras)}

    def segment() -> dict[str, tuple[Any, bool]]:
        """By camera, its CameraInfo and whether it has a ground."""
        frames = pipeline.segment([pipeline.decode(name, message) for name in cameras])
        return {frame.camera: (frame.camera_info, frame.ground is not None) for frame in frames}

    for name in cameras:
        assert pipeline.take_camera_info(name, infos[name]) is None  # its frame is yet to come
    assert segment() == {
        'front': (infos['front'], True),
        'rear': (infos['rear'], True),
        'inside': (infos['inside'], False),
    }
    pipeline.clear()
    assert segment() == dict.fromkeys(cameras, (None, False))
    assert pipeline.take_camera_info('rear', infos['rear']) is infos['rear']  # for that frame
    pipeline.clear()
    later = SimpleNamespace(stamp=SimpleNamespace(sec=2, nanosec=0), frame_id='optical')
    assert pipeline.take_camera_info('front', camera_info(40.0, later)) is None
    # The lens of another frame is known, but that frame's CameraInfo is not this one's.
    assert segment()['front'] == (None, True)
