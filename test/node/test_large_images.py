# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which Fast DDS profile a process uses; that it helps is tested with the node."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from bisenet_ros.node.large_images import SEGMENT_MB, profile, shortage, use_profile

NEW, OLD = 'FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'


@pytest.mark.parametrize(
    ('environment', 'variable'),
    [
        ({}, NEW),
        ({'ROS_DISTRO': 'humble'}, OLD),
        ({'ROS_DISTRO': 'jazzy'}, OLD),
        ({'ROS_DISTRO': 'kilted'}, NEW),
        ({'ROS_DISTRO': 'lyrical'}, NEW),
    ],
)
def test_the_profile_is_chosen(environment: dict[str, str], variable: str) -> None:
    use_profile(environment)
    assert environment[variable] == str(profile())
    assert len(environment.keys() & {NEW, OLD}) == 1


@pytest.mark.parametrize('variable', [NEW, OLD])
def test_a_users_own_profile_wins(variable: str) -> None:
    environment = {variable: '/home/user/mine.xml'}
    use_profile(environment)
    assert environment == {variable: '/home/user/mine.xml'}


def test_the_profile_is_there_and_makes_room_for_large_images() -> None:
    root = ElementTree.parse(profile()).getroot()
    (size,) = (element for element in root.iter() if element.tag.endswith('segment_size'))
    assert int(size.text or 0) == SEGMENT_MB * 2**20


def test_too_little_shared_memory_is_said_where_the_profile_asks_for_it() -> None:
    ours = {NEW: str(profile())}
    assert shortage(65.0, ours) is None
    assert 'has 12 MB free' in str(shortage(12.0, ours))
    assert shortage(12.0, {**ours, 'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp'}) is None
    assert shortage(12.0, {NEW: '/etc/own.xml'}) is None
    assert shortage(12.0, {'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4'}) is None
