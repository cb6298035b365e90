# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures for tests of trainings."""

from __future__ import annotations

import pytest


@pytest.fixture
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps trainings from drawing charts: that takes longer than a few steps."""
    for name in ('run_log.draw_curves', 'evaluation.report.draw_confusion'):
        monkeypatch.setattr(f'bisenet_training.{name}', lambda *_: None)
