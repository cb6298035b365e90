# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
