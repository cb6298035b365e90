# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measures latency through ROS, and whether labels get old or memory grows under overload.

    python -m benchmarks.node [--cameras 1 2 6] [--rates 30 60] [--json node.json]
    python -m benchmarks.node --overload 600 [--json overload.json]

Needs ROS 2. Cameras, the node and the consumer of its labels are processes of their own on one DDS
domain, with the profile for large images where Fast DDS is used.

The first command measures the latency from a camera's stamp to the subscriber's callback with the
labels, minus inference; the network is tiny, so that it keeps up. The second command sends frames
at 60 Hz to a network that is far too slow for them, with every image output subscribed. The exit
code is 1 if labels are older than twice the node's longest period, or its memory grows.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rclpy.time import Time
from sensor_msgs.msg import Image

from benchmarks.camera import FrameId
from benchmarks.peer import OUTPUTS, Peer, SegmentationTiming, own_domain
from bisenet_ros.benchmark.machine import describe_machine
from bisenet_ros.errors import UserError
from bisenet_ros.live.processes import Process, ProcessError, Processes, node_command
from bisenet_ros.output_files import write_json

START_TIMEOUT = 120.0
"""Time limit in seconds for the first labels of every camera."""

WARM_UP = 3.0
"""Seconds after the first labels that are not measured."""

SAMPLE_PERIOD = 0.5
"""Seconds between two samples of the node's memory."""

FLAT_MB = 32.0
"""Memory is flat if it grows by less from the first to the last quarter of a run."""

_TIMING_QOS = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)


@dataclass(frozen=True)
class Load:
    """The processes of a run.

    Attributes:
        cameras: Number of cameras.
        rate: Frames per second of each camera.
        frame: (width, height) of the frames.
        outputs: The images that the consumer subscribes to.
        parameters: Parameters of the node, except `cameras`.
    """

    cameras: int
    rate: float
    frame: tuple[int, int]
    outputs: tuple[str, ...]
    parameters: Mapping[str, object]

    @property
    def names(self) -> list[str]:
        """Names of the cameras."""
        return [f'camera{index}' for index in range(self.cameras)]

    def node_command(self) -> list[str]:
        """Returns the node's command line."""
        parameters = {'cameras': f'[{", ".join(self.names)}]', **self.parameters}
        return node_command(**parameters)

    def camera_command(self, name: str) -> list[str]:
        """Returns a camera's command line."""
        size = map(str, self.frame)
        camera = [sys.executable, '-m', 'benchmarks.camera', f'{name}/image']
        return [*camera, '--rate', str(self.rate), '--size', *size]


@dataclass(frozen=True)
class Heard:
    """A camera frame with the labels and the timing that the consumer received.

    Attributes:
        number: Number of the frame, counted by the camera.
        latency_ms: Time from the frame's stamp to the callback with its labels.
        timing: The node's timing of the frame.
    """

    number: int
    latency_ms: float
    timing: SegmentationTiming

    @property
    def period_ms(self) -> float:
        """Time that the node was busy with the frame."""
        return float(self.timing.decode_ms + self.timing.inference_ms + self.timing.publish_ms)


class Consumer(Peer):
    """Subscribes to the outputs of every camera, and collects the messages."""

    def __init__(self, load: Load) -> None:
        super().__init__('consumer')
        self._lock = threading.Lock()
        self._latency_ms: dict[str, dict[int, float]] = defaultdict(dict)
        self._timings: dict[str, dict[int, SegmentationTiming]] = defaultdict(dict)
        for name in load.names:
            prefix = f'{name}/segmentation'
            for output in load.outputs:
                take = partial(self._take_labels, name) if output == 'labels' else _ignore
                self.node.create_subscription(
                    Image, f'{prefix}/{output}', take, qos_profile_sensor_data
                )
            self.node.create_subscription(
                SegmentationTiming,
                f'{prefix}/timing',
                partial(self._take_timing, name),
                _TIMING_QOS,
            )
        self.start()

    def clear(self) -> None:
        """Removes all collected messages."""
        with self._lock:
            self._latency_ms.clear()
            self._timings.clear()

    def heard(self) -> dict[str, list[Heard]]:
        """Returns the frames by camera whose labels and timing have arrived."""
        with self._lock:
            return {
                name: [
                    Heard(number, latency_ms, self._timings[name][number])
                    for number, latency_ms in sorted(latencies.items())
                    if number in self._timings[name]
                ]
                for name, latencies in self._latency_ms.items()
            }

    def _take_labels(self, name: str, labels: Image) -> None:
        now = self.node.get_clock().now()
        age = now - Time.from_msg(labels.header.stamp, clock_type=now.clock_type)
        with self._lock:
            self._latency_ms[name][FrameId.read(labels.header.frame_id).number] = (
                1e-6 * age.nanoseconds
            )

    def _take_timing(self, name: str, timing: SegmentationTiming) -> None:
        with self._lock:
            self._timings[name][FrameId.read(timing.header.frame_id).number] = timing


def _ignore(image: Image) -> None:
    """Ignores a received image."""


@dataclass
class Graph:
    """The running processes, and the consumer of the node's outputs."""

    processes: Processes
    node: Process
    consumer: Consumer

    def run(self, seconds: float) -> list[float]:
        """Waits for a number of seconds and returns samples of the node's memory in MB.

        Raises:
            ProcessError: A process ended.
        """
        memory = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.processes.next_event(min(SAMPLE_PERIOD, max(0.0, end - time.monotonic())))
            memory.append(resident_mb(self.node.pid))
        return memory


@contextmanager
def running(load: Load) -> Iterator[Graph]:
    """Starts the processes of a load; yields after labels of every camera and the warm-up."""
    with tempfile.TemporaryDirectory() as folder, Processes(os.environ, Path(folder)) as processes:
        node = processes.start('node', load.node_command())
        consumer = Consumer(load)
        try:
            for name in load.names:
                processes.start(name, load.camera_command(name))
            graph = Graph(processes, node, consumer)
            deadline = time.monotonic() + START_TIMEOUT
            while len(consumer.heard()) < load.cameras:
                if time.monotonic() > deadline:
                    sys.exit(f'no labels within {START_TIMEOUT:.0f} s: {node.reason()}')
                graph.run(SAMPLE_PERIOD)
            graph.run(WARM_UP)
            consumer.clear()
            yield graph
        finally:
            consumer.close()


def resident_mb(pid: int) -> float:
    """Returns the resident memory of a process, MB."""
    pages = int(Path(f'/proc/{pid}/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6


def cpu_seconds(pid: int) -> float:
    """Returns the CPU time of all threads of a process, seconds."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Returns p50, p95, p99 and the maximum."""
    p50, p95, p99, worst = np.percentile(values, (50, 95, 99, 100)).round(3).tolist()
    return {'p50': p50, 'p95': p95, 'p99': p99, 'max': worst}


def stages(heard: Sequence[Heard]) -> dict[str, Any]:
    """Returns percentiles of the stages between stamp and labels, ms."""
    timings = [one.timing for one in heard]
    return {
        'latency_ms': percentiles([one.latency_ms for one in heard]),
        'latency_less_inference_ms': percentiles(
            [one.latency_ms - one.timing.inference_ms for one in heard]
        ),
        'decode_ms': percentiles([timing.decode_ms for timing in timings]),
        'inference_ms': percentiles([timing.inference_ms for timing in timings]),
        'publish_ms': percentiles([timing.publish_ms for timing in timings]),
    }


def frames(heard: Sequence[Heard]) -> dict[str, int]:
    """Counts what happened to a camera's frames between the first and the last labelled one.

    The node's counters include frames that it received while it was busy with a frame, so under
    overload a few frames are counted in the wrong category. Their sum is correct.
    """
    first, last = heard[0], heard[-1]
    sent = last.number - first.number + 1
    dropped = int(last.timing.frames_dropped - first.timing.frames_dropped)
    published = int(last.timing.frames_out - first.timing.frames_out) + 1
    return {
        'sent': sent,
        'labelled': len(heard),
        'lost_before_the_node': sent - dropped - published,
        'dropped_by_the_node': dropped,
        'lost_after_the_node': published - len(heard),
    }


def measure(load: Load, seconds: float) -> dict[str, Any]:
    """Runs a load for a while and returns what the consumer received."""
    with running(load) as graph:
        cpu, start = cpu_seconds(graph.node.pid), time.monotonic()
        memory = graph.run(seconds)
        cpu, elapsed = cpu_seconds(graph.node.pid) - cpu, time.monotonic() - start
        heard = graph.consumer.heard()
    by_camera = [frames(of_one) for of_one in heard.values()]
    everything = [one for of_one in heard.values() for one in of_one]
    return {
        'cameras': load.cameras,
        'rate_hz': load.rate,
        'fps_per_camera': round(len(everything) / load.cameras / elapsed, 2),
        **stages(everything),
        'frames': {key: sum(counts[key] for counts in by_camera) for key in by_camera[0]},
        'node_cpu_percent': round(100 * cpu / elapsed, 1),
        'node_memory_mb': round(memory[-1], 1),
    }


def overload(load: Load, seconds: float) -> dict[str, Any]:
    """Runs an overload for a long time; returns ages of labels, memory, and the verdict."""
    with running(load) as graph:
        memory = graph.run(seconds)
        heard = [one for of_one in graph.consumer.heard().values() for one in of_one]
    quarter = max(1, len(memory) // 4)
    growth = statistics.median(memory[-quarter:]) - statistics.median(memory[:quarter])
    ages = [one.latency_ms for one in heard]
    periods = [one.period_ms for one in heard]
    return {
        'seconds': seconds,
        'rate_hz': load.rate,
        'labelled': len(heard),
        'fps': round(len(heard) / seconds, 2),
        'age_ms': percentiles(ages),
        'period_ms': percentiles(periods),
        'age_in_own_periods': percentiles([one.latency_ms / one.period_ms for one in heard]),
        'age_at_the_node_ms': percentiles([one.timing.age_ms for one in heard]),
        'frames': frames(heard),
        'memory_mb': {
            'first': round(memory[0], 1),
            'last': round(memory[-1], 1),
            'max': round(max(memory), 1),
            'growth': round(growth, 1),
        },
        'labels_are_new': max(ages) <= 2 * max(periods),
        'memory_is_flat': growth < FLAT_MB,
    }


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Prints the results of the first form, in ms and frames."""
    print(
        f'{"cameras":>7} {"Hz":>4} {"fps each":>8} {"latency less inference":>25}'
        f' {"inference":>9} {"decode":>6} {"publish":>7} {"lost":>9} {"dropped":>7} {"CPU":>5}'
    )
    for row in rows:
        less, lost = row['latency_less_inference_ms'], row['frames']
        ways = f'{less["p50"]:.1f} / {less["p95"]:.1f} / {less["p99"]:.1f}'
        print(
            f'{row["cameras"]:7} {row["rate_hz"]:4.0f} {row["fps_per_camera"]:8.1f} {ways:>25}'
            f' {row["inference_ms"]["p50"]:9.1f} {row["decode_ms"]["p50"]:6.2f}'
            f' {row["publish_ms"]["p50"]:7.2f}'
            f' {lost["lost_before_the_node"]:5}+{lost["lost_after_the_node"]:<3}'
            f' {lost["dropped_by_the_node"]:7} {row["node_cpu_percent"]:4.0f}%'
        )


def print_verdict(result: dict[str, Any]) -> None:
    """Prints the result of the second form."""
    age, period, memory = result['age_ms'], result['period_ms'], result['memory_mb']
    print(
        f'{result["labelled"]} frames labelled in {result["seconds"]:.0f} s\n'
        f'age of labels: {age["p50"]:.0f} ms in the median, {age["max"]:.0f} ms at worst;'
        f' period of the node: {period["p50"]:.0f} and {period["max"]:.0f} ms:'
        f' {"never" if result["labels_are_new"] else "SOMETIMES"} older than two periods\n'
        f'memory of the node: {memory["first"]:.0f} MB at first, {memory["last"]:.0f} MB at last,'
        f' growth {memory["growth"]:.1f} MB: {"flat" if result["memory_is_flat"] else "NOT FLAT"}'
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--overload', type=float, metavar='SECONDS', help='run the overload test')
    parser.add_argument('--seconds', type=float, default=10.0, help='per row of the first form')
    parser.add_argument('--cameras', type=int, nargs='+', default=[1, 2, 3, 4, 6])
    parser.add_argument('--rates', type=float, nargs='+', default=[30.0, 60.0], metavar='HZ')
    parser.add_argument('--frame', type=int, nargs=2, default=(2048, 1024), metavar=('W', 'H'))
    parser.add_argument(
        '--network', type=int, nargs=2, metavar=('W', 'H'), help='64 64, or 2048 1024 for overload'
    )
    parser.add_argument('--weights', default='camvid')
    parser.add_argument('--json', type=Path, metavar='FILE')
    options = parser.parse_args()

    frame, weights = tuple(options.frame), options.weights
    with own_domain():
        try:
            if options.overload:
                slow = {'device': 'cpu', 'engine': 'torch', 'precision': 'fp32'}
                size = list(options.network or (2048, 1024))
                parameters = {'weights': weights, 'network_size': size, **slow}
                results: Any = overload(Load(1, 60.0, frame, OUTPUTS, parameters), options.overload)
                print_verdict(results)
            else:
                parameters = {'weights': weights, 'network_size': list(options.network or (64, 64))}
                results = [
                    measure(Load(cameras, rate, frame, ('labels',), parameters), options.seconds)
                    for cameras in options.cameras
                    for rate in options.rates
                ]
                print_table(results)
        except (UserError, ProcessError) as error:
            sys.exit(f'node.py: {error}')
    if options.json:
        write_json(options.json, {'machine': describe_machine(), 'results': results})
    return (
        0
        if not options.overload or (results['labels_are_new'] and results['memory_is_flat'])
        else 1
    )


if __name__ == '__main__':
    sys.exit(main())
