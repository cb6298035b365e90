# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measures the time from launching a program to its first labels, with a running camera.

    python benchmarks/start_up.py

Needs ROS 2. Rounds are interleaved; the first one, which fills the page cache, does not count.
`import torch` is included as a lower bound for the other programs. CPU time is that of the whole
process including its exit, and depends less on other load.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from bisenet_ros.errors import UserError
from bisenet_ros.image_codec import image_fields
from bisenet_ros.live.processes import ProcessError, Processes, node_command, ros_environment
from bisenet_ros.media import write_image
from bisenet_ros.node.publishers import to_message
from bisenet_ros.synthetic.drive import SyntheticDrive

SIZE, RATE = (480, 360), 30.0
PATIENCE = 60.0
"""Time limit of a node for its first labels, in seconds."""

LOOK_PERIOD = 0.5
"""Seconds between two checks that the node is still running."""


class Camera:
    """Publishes one frame at 30 Hz, and waits for its labels."""

    def __init__(self, frame: np.ndarray) -> None:
        self._node = rclpy.create_node('camera')
        self._image = to_message(Image, image_fields(frame, 'bgr8'))
        self._publisher = self._node.create_publisher(Image, 'image', qos_profile_sensor_data)
        self._labelled = threading.Event()
        self._node.create_subscription(
            Image, 'segmentation/labels', lambda _: self._labelled.set(), qos_profile_sensor_data
        )
        self._node.create_timer(1 / RATE, self._publish)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def seconds_to_first_labels(self, environment: Mapping[str, str], logs: Path) -> float:
        """Launches a node, waits for its first labels, and ends it.

        Raises:
            UserError: The node refused to start.
            ProcessError: The node exited, or published no labels in time.
        """
        self._labelled.clear()
        start = time.perf_counter()
        with Processes(environment, logs) as processes:
            node = processes.start('segmenter_node', node_command())
            while not self._labelled.wait(LOOK_PERIOD):
                processes.next_event(0.0)
                if time.perf_counter() - start > PATIENCE:
                    raise node.failure(f'published no labels within {PATIENCE:.0f} s')
            return time.perf_counter() - start

    def close(self) -> None:
        """Stops publishing."""
        self._executor.shutdown()
        self._thread.join()
        self._node.destroy_node()

    def _publish(self) -> None:
        self._image.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(self._image)

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return


def seconds_to_run(command: list[str], environment: Mapping[str, str]) -> float:
    """Returns the run time of a program, seconds."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *command],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def children_seconds() -> float:
    """Returns the CPU time of all terminated child processes, seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=7)
    rounds = parser.parse_args().rounds
    with (
        tempfile.TemporaryDirectory() as name,
        ros_environment(os.environ, Path(name)) as environment,
    ):
        folder = Path(name)
        os.environ.update(environment)
        rclpy.init()
        frame, _ = SyntheticDrive(seed=0, size=SIZE, rate=10.0).frame(0)
        write_image(folder / 'frame.png', frame)
        segment = ['-m', 'bisenet_ros.cli', 'segment', str(folder / 'frame.png'), '-o', name]
        camera = Camera(frame)
        programs: dict[str, Callable[[], float]] = {
            'segmenter_node, to its first labels': lambda: camera.seconds_to_first_labels(
                environment, folder
            ),
            'bisenet segment, one image': lambda: seconds_to_run(segment, environment),
            'python -c "import torch"': lambda: seconds_to_run(['-c', 'import torch'], environment),
            'python -c "import rclpy"': lambda: seconds_to_run(['-c', 'import rclpy'], environment),
        }
        try:
            taken: dict[str, list[tuple[float, float]]] = {program: [] for program in programs}
            for index in range(rounds + 1):
                for program, run in programs.items():
                    before = children_seconds()
                    wall = run()
                    if index > 0:
                        taken[program].append((wall, children_seconds() - before))
        except (ProcessError, UserError) as error:
            sys.exit(str(error))
        finally:
            camera.close()
            rclpy.shutdown()
    print(f'{"":36} {"median":>7} {"worst":>7} {"on CPUs":>8}')
    for program, times in taken.items():
        median, cpu = np.median(times, axis=0)
        worst, _ = np.max(times, axis=0)
        print(f'{program:36} {median:6.2f}s {worst:6.2f}s {cpu:7.2f}s')


if __name__ == '__main__':
    main()
