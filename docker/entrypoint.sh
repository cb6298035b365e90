#!/usr/bin/env bash
# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Runs a command with ROS 2, the virtual environment with PyTorch, and the package.
set -e
# shellcheck source=/dev/null
source "/opt/ros/$ROS_DISTRO/setup.bash"
# shellcheck source=/dev/null
source /ws/.venv/bin/activate
# shellcheck source=/dev/null
source /ws/install/setup.bash
exec "$@"
