# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every test can rely on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import settings
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros.segmenter import Segmenter

# A shell that starts a job in the background lets it ignore SIGINT, and so all that it starts:
# tests that interrupt a process would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


# What Hypothesis tries: the same few in every run of the suite, or with
# `--hypothesis-profile million` others each time, a million in all.
settings.register_profile('quick', max_examples=500, derandomize=True, deadline=None, database=None)
settings.register_profile('million', max_examples=250_000, deadline=None, database=None)
settings.load_profile('quick')


@pytest.fixture(scope='session')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_checkpoint(tmp_path_factory.mktemp('weights') / 'tiny.safetensors')


@pytest.fixture(scope='session')
def segmenter(weights: Path) -> Segmenter:
    return Segmenter.load(weights, device='cpu')
