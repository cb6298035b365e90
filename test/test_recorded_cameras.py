# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded cameras get the settings of the node's cameras that they are."""

from __future__ import annotations

from bisenet_ros.recorded_cameras import settings_for_recorded, unmatched_cameras
from bisenet_ros.settings import Settings


def test_recorded_cameras_have_the_parameters_of_the_cameras_that_they_are() -> None:
    low, high = (0.0, 0.0, 1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 2.0, 0.0, 0.0, 0.0)
    settings = Settings(
        cameras=('front', 'front/left'),
        mounting=low,
        max_rate=3.0,
        of_cameras={'front/left.mounting': high},
    )
    topics = {'a': '/car/front/left/image_raw', 'b': '/front/image', 'c': '/rear/image'}
    found = settings_for_recorded(settings, topics)
    assert found.max_rate == 3.0
    assert [found.for_camera(name).mounting for name in 'abc'] == [high, low, low]

    assert settings_for_recorded(settings, {'': '/front/left/image/compressed'}).mounting == high
    alone = settings.changed({'cameras': ('front/left',)})
    assert settings_for_recorded(alone, {'': '/image'}).mounting == high


def test_one_camera_is_not_every_camera_of_a_recording() -> None:
    pose = (0.0, 0.0, 2.0, 0.0, 0.0, 0.0)
    settings = Settings(cameras=('front',), of_cameras={'front.mounting': pose})
    topics = {'front': '/front/image_raw', 'rear': '/rear/image_raw'}
    found = settings_for_recorded(settings, topics)
    assert found.for_camera('front').mounting == pose
    assert found.for_camera('rear').mounting == ()
    assert unmatched_cameras(settings.cameras, topics) == ['/rear/image_raw']
    assert unmatched_cameras(Settings().cameras, topics) == []


def test_of_two_names_in_a_topic_the_longer_one_counts() -> None:
    low, high = (0.0, 0.0, 1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 2.0, 0.0, 0.0, 0.0)
    own = {'wide.mounting': low, 'front/wide.mounting': high}
    settings = Settings(cameras=('wide', 'front/wide'), of_cameras=own)
    topics = {'front': '/front/wide/image', 'rear': '/rear/wide/image'}
    found = settings_for_recorded(settings, topics)
    assert found.for_camera('front').mounting == high
    assert found.for_camera('rear').mounting == low


def test_a_recorded_camera_of_the_same_name_is_not_the_same_camera() -> None:
    pose = (0.0, 0.0, 2.0, 0.0, 0.0, 0.0)
    settings = Settings(cameras=('car/front', 'car/rear'), of_cameras={'car/front.mounting': pose})
    topics = {'car/front': '/car/front', 'car/rear': '/car/rear'}  # not car/front/image
    assert unmatched_cameras(settings.cameras, topics) == ['/car/front', '/car/rear']
    assert settings_for_recorded(settings, topics).for_camera('car/front').mounting == ()
