# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How far the results can be trusted: a stated error rate, its monitor, and unknown objects."""
