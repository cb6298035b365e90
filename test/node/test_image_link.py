# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Why no frame arrives, for every state of the graph that a user gets into."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bisenet_ros.node.image_link import (
    ImageLink,
    Offer,
    agreed_reliability,
    explain_loss,
    explain_silence,
)

RAW = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
NOBODY = ImageLink(
    topic='/front/image',
    type=RAW,
    reliable=False,
    middleware='rmw_fastrtps_cpp',
)
NOT_COMPRESSED = replace(
    NOBODY,
    topic='/front/image/compressed',
    type=COMPRESSED,
    name='front/image',
)
BEST_EFFORT = Offer(RAW, reliable=False)
RELIABLE = Offer(RAW, reliable=True)


@pytest.mark.parametrize(
    ('offers', 'expected'),
    [
        ([], False),
        ([RELIABLE], True),
        ([BEST_EFFORT], False),
        ([RELIABLE, BEST_EFFORT], False),
        ([RELIABLE, RELIABLE], True),
        ([RELIABLE, Offer(COMPRESSED, reliable=False)], True),
        ([Offer(COMPRESSED, reliable=True)], False),
    ],
)
def test_reliability_is_what_every_publisher_offers(offers: list[Offer], expected: bool) -> None:
    assert agreed_reliability(offers, RAW) is expected


@pytest.mark.parametrize(
    ('link', 'reason'),
    [
        (
            NOBODY,
            'nobody publishes /front/image (sensor_msgs/msg/Image): start the camera, or remap'
            ' image to its topic',
        ),
        (
            replace(NOBODY, elsewhere=lambda: ['/a', '/b', '/c', '/d']),
            'nobody publishes /front/image (sensor_msgs/msg/Image): remap image to an existing'
            ' topic, such as /a, /b, /c',
        ),
        (
            replace(NOBODY, other_transport='/front/image/compressed', elsewhere=lambda: ['/a']),
            'nobody publishes /front/image (sensor_msgs/msg/Image), but'
            ' /front/image/compressed is published: set transport to compressed',
        ),
        (
            replace(
                NOBODY,
                topic='/front/image/compressed',
                type=COMPRESSED,
                other_transport='/front/image',
            ),
            'nobody publishes /front/image/compressed (sensor_msgs/msg/CompressedImage), but'
            ' /front/image is published: set transport to raw',
        ),
        (
            replace(NOT_COMPRESSED, other_transport='/front/image'),
            'nobody publishes /front/image/compressed (sensor_msgs/msg/CompressedImage), but'
            ' /front/image is published: set transport to raw for all cameras, or start a node for'
            ' this one',
        ),
        (
            replace(
                NOBODY,
                topic='/front/image/compressed',
                offers=(Offer(COMPRESSED, reliable=True),),
            ),
            'image is remapped to /front/image/compressed: leave /compressed out of the remapping,'
            ' and set transport to compressed',
        ),
        (
            replace(
                NOBODY,
                topic='/front/image/compressed/compressed',
                type=COMPRESSED,
                other_transport='/front/image/compressed',
            ),
            'image is remapped to /front/image/compressed: leave /compressed out of the remapping',
        ),
        (
            replace(
                NOT_COMPRESSED,
                elsewhere=lambda: ['/bridge/jpeg', '/cam/image_raw/compressed'],
            ),
            'nobody publishes /front/image/compressed (sensor_msgs/msg/CompressedImage): remap'
            ' front/image to an existing topic, such as /cam/image_raw',
        ),
        (
            replace(NOT_COMPRESSED, elsewhere=lambda: ['/bridge/jpeg', '/d/compressedDepth']),
            'nobody publishes /front/image/compressed (sensor_msgs/msg/CompressedImage): remap'
            ' front/image/compressed to an existing topic, such as /bridge/jpeg',
        ),
        (
            replace(NOT_COMPRESSED, elsewhere=lambda: ['/d/compressedDepth']),
            'nobody publishes /front/image/compressed (sensor_msgs/msg/CompressedImage): start the'
            ' camera, or remap front/image to its topic',
        ),
        (
            replace(NOBODY, offers=(Offer(COMPRESSED, reliable=True),)),
            '/front/image is published as sensor_msgs/msg/CompressedImage, not as'
            ' sensor_msgs/msg/Image',
        ),
        (
            replace(NOBODY, offers=(BEST_EFFORT,), reliable=True),
            '/front/image is offered with best effort, but image_reliability asks for reliable:'
            ' set it to auto or best_effort',
        ),
        (
            replace(NOBODY, offers=(RELIABLE,), reliable=True),
            '/front/image has a publisher, but it sends nothing',
        ),
        (
            replace(NOBODY, offers=(BEST_EFFORT,), middleware='rmw_cyclonedds_cpp'),
            '/front/image has a publisher, but almost no frames arrive: either the publisher sends'
            ' nothing, or its images are lost on the way',
        ),
    ],
)
def test_reason(link: ImageLink, reason: str) -> None:
    assert explain_silence(link, steady=False, lost=0) == reason


@pytest.mark.parametrize(
    ('distribution', 'variable'),
    [
        ('humble', 'FASTRTPS_DEFAULT_PROFILES_FILE'),
        ('jazzy', 'FASTRTPS_DEFAULT_PROFILES_FILE'),
        ('kilted', 'FASTDDS_DEFAULT_PROFILES_FILE'),
        ('lyrical', 'FASTDDS_DEFAULT_PROFILES_FILE'),
    ],
)
def test_large_images_that_get_lost_name_the_variable_of_the_distribution(
    monkeypatch: pytest.MonkeyPatch, distribution: str, variable: str
) -> None:
    monkeypatch.setenv('ROS_DISTRO', distribution)
    link = replace(NOBODY, offers=(BEST_EFFORT,))
    reason = explain_silence(link, steady=False, lost=0)
    assert f' {variable}=/' in reason
    assert 'config/fastdds_large_images.xml' in reason


def test_a_camera_that_used_to_send_has_stopped() -> None:
    link = replace(NOBODY, offers=(RELIABLE,), reliable=True)
    reason = explain_silence(link, steady=True, lost=0)
    assert reason == '/front/image has a publisher, but it sends nothing any more'
    assert explain_silence(NOBODY, steady=True, lost=0) == (
        'nobody publishes /front/image any more: the camera has stopped'
    )


def test_a_way_that_lost_nothing_while_it_was_steady_is_not_blamed() -> None:
    link = replace(NOBODY, offers=(BEST_EFFORT,))
    assert explain_silence(link, steady=True, lost=0) == (
        '/front/image has a publisher, but it sends nothing any more'
    )


def test_a_lossy_way_that_looked_steady_for_a_while_is_named_all_the_same() -> None:
    link = replace(NOBODY, offers=(BEST_EFFORT,))
    reason = explain_silence(link, steady=True, lost=1)
    assert reason.startswith('/front/image has a publisher, but nothing arrives any more. Fast')
    assert 'Fast DDS loses best-effort images over 0.5 MB' in reason


def test_losses_come_with_their_numbers() -> None:
    link = replace(NOBODY, offers=(BEST_EFFORT,))
    reason = explain_loss(link, received=25, lost=75)
    assert reason.startswith('75 of 100 frames of /front/image got lost on the way. Fast DDS')
    assert 'Fast DDS loses best-effort images over 0.5 MB' in reason
