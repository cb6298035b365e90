# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measures latency and lost frames while the node loads another network by `~/reload`.

    python -m benchmarks.reload
    python -m benchmarks.reload --rate 30 --frame 1280 720

Camera, node and consumer are three processes. Frames from a few seconds before the call are
compared with those from the call until a second after its answer.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import rclpy
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import Trigger

from benchmarks.node import Heard, Load, running
from bisenet_ros.errors import UserError
from bisenet_ros.live.processes import ProcessError, ros_environment
from bisenet_ros.signals import ended_by_signals

BEFORE, AFTER = 4.0, 1.0
"""Seconds of measurement before the call and after the answer."""


def call_reload() -> float:
    """Makes the node reload its network and returns the seconds until the answer.

    Raises:
        UserError: The node refused.
    """
    node = rclpy.create_node('caller')
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        client = node.create_client(Trigger, '/segmenter/reload')
        client.wait_for_service()
        start = node.get_clock().now()
        answer = client.call_async(Trigger.Request())
        executor.spin_until_future_complete(answer)
        if not answer.result().success:
            raise UserError(answer.result().message)
        seconds: float = 1e-9 * (node.get_clock().now() - start).nanoseconds
        return seconds
    finally:
        executor.shutdown()
        node.destroy_node()


def describe(heard: Sequence[Heard]) -> str:
    """Describes labelled frames, the longest gap between labels and the highest latency."""
    stamps = [one.timing.header.stamp for one in heard]
    arrivals = sorted(
        stamp.sec + 1e-9 * stamp.nanosec + 1e-3 * one.latency_ms
        for stamp, one in zip(stamps, heard, strict=True)
    )
    sent = heard[-1].number - heard[0].number + 1
    gap = max(later - earlier for earlier, later in pairwise(arrivals))
    worst = max(one.latency_ms for one in heard)
    return (
        f'{len(heard)} of {sent} frames labelled, {1e3 * gap:.0f} ms at most between two labels,'
        f' none older than {worst:.0f} ms'
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--rate', type=float, default=10.0, metavar='HZ')
    parser.add_argument('--frame', type=int, nargs=2, default=(640, 480), metavar=('W', 'H'))
    parser.add_argument('--network', type=int, nargs=2, default=(512, 256), metavar=('W', 'H'))
    parser.add_argument('--weights', default='camvid')
    options = parser.parse_args()
    parameters = {'weights': options.weights, 'network_size': list(options.network)}
    load = Load(1, options.rate, tuple(options.frame), ('labels',), parameters)
    with (
        ended_by_signals(),
        tempfile.TemporaryDirectory() as logs,
        ros_environment(os.environ, Path(logs)) as environment,
    ):
        os.environ.update(environment)
        rclpy.init()
        try:
            with running(load) as graph:
                (name,) = load.names
                graph.run(BEFORE)
                before = graph.consumer.heard()[name]
                graph.consumer.clear()
                seconds = call_reload()
                graph.run(AFTER)
                print(f'before: {describe(before)}')
                print(f'during: {describe(graph.consumer.heard()[name])}')
                print(f'the answer came after {seconds:.1f} s')
        except (UserError, ProcessError) as error:
            sys.exit(f'reload.py: {error}')
        finally:
            rclpy.shutdown()


if __name__ == '__main__':
    main()
