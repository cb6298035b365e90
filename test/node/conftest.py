# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures for tests of the node: a DDS domain, a peer and weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ros_peers import Peer, own_domain
from tiny_checkpoint import save_tiny_checkpoint


@pytest.fixture(scope='session')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained checkpoint for 128x96 pixels."""
    return save_tiny_checkpoint(tmp_path_factory.mktemp('weights') / 'tiny.safetensors')


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
