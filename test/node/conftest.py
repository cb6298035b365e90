# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures for tests of the node: a DDS domain and a peer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ros_peers import Peer, own_domain


@pytest.fixture
def domain() -> Iterator[int]:
    """A DDS domain that no other test uses."""
    with own_domain() as number:
        yield number


@pytest.fixture
def peer(domain: int) -> Iterator[Peer]:
    """A ROS node in the test's process, on the test's domain."""
    peer = Peer(domain)
    yield peer
    peer.close()
