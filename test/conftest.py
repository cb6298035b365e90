# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures and settings for all tests."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import settings
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros.segmenter import Segmenter

# A background job of a shell ignores SIGINT, and its child processes inherit this. Without this
# line, tests that interrupt a process would wait forever.
signal.signal(signal.SIGINT, signal.default_int_handler)

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
