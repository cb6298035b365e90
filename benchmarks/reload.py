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
import sys
import time
from collections.abc import Sequence
from itertools import pairwise

from std_srvs.srv import Trigger

from benchmarks.node import Heard, Load, running
from benchmarks.peer import Peer, own_domain
from bisenet_ros.errors import UserError
from bisenet_ros.live.processes import ProcessError

BEFORE, AFTER = 4.0, 1.0
"""Seconds of measurement before the call and after the answer."""


def call_reload() -> float:
    """Makes the node reload its network and returns the seconds until the answer.

    Raises:
        UserError: The node refused.
    """
    caller = Peer('caller')
    client = caller.node.create_client(Trigger, '/segmenter/reload')
    caller.start()
    try:
        client.wait_for_service()
        start = time.monotonic()
        answer = client.call(Trigger.Request())
        if not answer.success:
            raise UserError(answer.message)
        return time.monotonic() - start
    finally:
        caller.close()


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
    with own_domain():
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


if __name__ == '__main__':
    main()
