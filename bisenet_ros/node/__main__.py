# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The program `segmenter_node`, which is also `python -m bisenet_ros.node`."""

from __future__ import annotations

import sys

from bisenet_ros.malloc_tuning import prepare_process


def main() -> int:
    """Run the node until it is asked to end; its exit code."""
    prepare_process()
    # Only now: rclpy starts threads when it is imported, which get heaps of their own by default.
    from bisenet_ros.node import segmenter_node

    return segmenter_node.main()


if __name__ == '__main__':
    sys.exit(main())
