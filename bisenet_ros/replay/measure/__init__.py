# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a model does with the frames of a bag: segmented, counted, judged, compared."""

from __future__ import annotations
