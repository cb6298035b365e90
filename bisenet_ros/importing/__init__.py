# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights that other implementations published, as checkpoints of ours."""

from __future__ import annotations

from bisenet_ros.importing.importer import Imported, import_weights

__all__ = ['Imported', 'import_weights']
