# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Replay evaluation: the frames of a bag through the code of the node, measured."""

from __future__ import annotations
