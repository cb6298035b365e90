# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures and settings for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from shared_memory import remove_abandoned
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros.engine import winograd
from bisenet_ros.segmenter import Segmenter

if TYPE_CHECKING:
    from ros_peers import Peer

try:
    from hypothesis import settings
except ImportError:  # `colcon test` runs only tests that do without it
    settings = None

# A background job of a shell ignores SIGINT, and its child processes inherit this. Without this
# line, tests that interrupt a process would wait forever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Hypothesis tries the same few examples in every run of the suite. `--hypothesis-profile million`
# tries a million in all, different ones each time.
if settings is not None:
    settings.register_profile(
        'quick', max_examples=500, derandomize=True, deadline=None, database=None
    )
    settings.register_profile('million', max_examples=250_000, deadline=None, database=None)
    settings.load_profile('quick')

# Tests use low DDS domains, as robots do. Neither a robot nor the tests of another computer in the
# same network should interfere.
if os.environ.get('ROS_DISTRO') == 'humble':
    os.environ.setdefault('ROS_LOCALHOST_ONLY', '1')
else:
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, 'workerinput'):  # not in each worker of pytest-xdist
        remove_abandoned()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, 'workerinput'):
        remove_abandoned()


@pytest.fixture
def set_default_dtype() -> Iterator[Callable[[torch.dtype], None]]:
    """`torch.set_default_dtype`, until the test ends."""
    before = torch.get_default_dtype()
    yield torch.set_default_dtype
    torch.set_default_dtype(before)


@pytest.fixture
def small_images_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our convolutions run for images of every size, not only where they are faster."""
    monkeypatch.setattr(winograd, '_MIN_FLOPS', dict.fromkeys(winograd._MIN_FLOPS, 0))


@pytest.fixture
def domain() -> Iterator[int]:
    """A DDS domain that no other test uses."""
    from ros_peers import own_domain  # needs ROS 2

    with own_domain() as number:
        yield number


@pytest.fixture
def peer(domain: int) -> Iterator[Peer]:
    """A ROS node in the test's process, on the test's domain."""
    from ros_peers import Peer

    peer = Peer(domain)
    yield peer
    peer.close()


@pytest.fixture(scope='session')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_checkpoint(tmp_path_factory.mktemp('weights') / 'tiny.safetensors')


@pytest.fixture(scope='session')
def segmenter(weights: Path) -> Segmenter:
    return Segmenter.load(weights, device='cpu')
