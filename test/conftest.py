# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures and settings for all tests."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros.segmenter import Segmenter

# A background job of a shell ignores SIGINT, and its child processes inherit this. Without this
# line, tests that interrupt a process would wait forever.
signal.signal(signal.SIGINT, signal.default_int_handler)

STARTS_GRAPHS = re.compile(
    r'test/(node/|live/|commands/test_demo|test_(config|launch|messages)\.py)'
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Keeps the tests of a file in one worker when tests run in parallel.

    All tests that start ROS graphs also share a worker, because a graph looks for a free DDS domain
    before it claims it.
    """
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return 'ROS graphs' if STARTS_GRAPHS.match(nodeid) else super()._split_scope(nodeid)

    return Scheduling(config, log)


# Hypothesis tries the same few examples in every run of the suite. `--hypothesis-profile million`
# tries a million in all, different ones each time.
settings.register_profile('quick', max_examples=500, derandomize=True, deadline=None, database=None)
settings.register_profile('million', max_examples=250_000, deadline=None, database=None)
settings.load_profile('quick')


@pytest.fixture(scope='session')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_checkpoint(tmp_path_factory.mktemp('weights') / 'tiny.safetensors')


@pytest.fixture(scope='session')
def segmenter(weights: Path) -> Segmenter:
    return Segmenter.load(weights, device='cpu')
