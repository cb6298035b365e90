# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from tiny_checkpoint import save_tiny_checkpoint


@pytest.fixture(scope='session')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained checkpoint for 128x96 pixels."""
    return save_tiny_checkpoint(tmp_path_factory.mktemp('weights') / 'tiny.safetensors')
