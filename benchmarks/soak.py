# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Disturbs the node for hours; checks that memory is flat and that labels belong to their frames.

    python -m benchmarks.soak --seconds 3600 [--json soak.json]
    python -m benchmarks.soak --cycles 1000 [--json cycles.json]

Needs ROS 2. The node and two cameras run in their own processes; this process is the subscriber.

The first command disturbs the node in rounds, in an order chosen by a seed: a camera ends and comes
back with frames of another size, parameters are changed or refused, `~/reload` loads the same
weights or a file without weights, `~/enable`, a lifecycle cycle down to unconfigured, and
subscribers that come and go. After each disturbance, labels of every camera must arrive again. The
second command makes that many lifecycle cycles, with labels of every camera in each.

The exit code is 1 if

- the stamp of labels, drivable mask or timing differs from that in the frame id, or labels are
  those of another picture;
- private memory, GPU memory, threads or open files are not flat. The first third of a run does not
  count, because buffers are still growing. From the second third to the last, the median of memory
  in the unconfigured state may grow by `FLAT_MB`, and the highest number of threads and files in
  any state must not grow. Runs shorter than ten minutes or a hundred cycles are not judged.

Memory is judged in the unconfigured state because in others it depends on the latest disturbances:
DDS keeps the last five messages of each output, in buffers of the largest size that there was. For
two cameras of 2048x1024 with every output subscribed, that is 126 MB. The median over all states is
reported.

Shared memory is reported, but not judged: the node maps the segments of every publisher, and a page
counts once it was touched, up to the size of all segments.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool, Trigger

from benchmarks.camera import FrameId, enlarged
from benchmarks.peer import OUTPUTS, Peer, SegmentationTiming, own_domain
from bisenet_ros.benchmark.machine import describe_machine
from bisenet_ros.errors import UserError
from bisenet_ros.live.processes import Process, ProcessError, Processes, node_command
from bisenet_ros.output_files import write_json
from bisenet_ros.process_tuning import prepare_process
from bisenet_ros.stamps import nanoseconds
from bisenet_ros.synthetic.drive import SyntheticDrive

CAMERAS = ('front', 'left')

PATIENCE = 120.0
"""Time limit for an answer or for labels, seconds; sufficient on a busy machine."""

RETRY = 10.0
"""Seconds after which an unanswered service is called again: a server drops an answer if it has not
discovered the caller within 100 ms."""

FLAT_MB = 10.0
"""Maximum growth of memory from the second to the last third of a run."""

JUDGED_SECONDS, JUDGED_CYCLES = 600.0, 100
"""Shorter runs are not judged: buffers are still filling."""

WRONG = 0.05
"""Labels belong to another picture if at least this share of the pixels differs."""

_PICTURES, _BAD = 'pictures.npy', 'bad.safetensors'
_QOS = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)


class SoakError(Exception):
    """The node missed a time limit or gave a wrong answer; one line."""


@dataclass(frozen=True)
class Sample:
    """Resources of the node's process at one moment; memory in MB.

    Attributes:
        seconds: Time since the beginning.
        private: Private memory: heap, stacks, anonymous mappings.
        shared: Pages of shared memory that it has touched, mainly DDS segments.
        gpu: Memory on NVIDIA GPUs; 0 without one.
        threads: Number of threads.
        files: Number of open files.
    """

    seconds: float
    private: float
    shared: float
    gpu: float
    threads: int
    files: int


def sample(pid: int, seconds: float) -> Sample:
    """Samples the resources of a process."""
    status = dict(
        line.split(':', 1) for line in Path(f'/proc/{pid}/status').read_text().splitlines()
    )
    return Sample(
        seconds=round(seconds, 1),
        private=int(status['RssAnon'].split()[0]) / 1e3,
        shared=int(status['RssShmem'].split()[0]) / 1e3,
        gpu=gpu_mb(pid),
        threads=int(status['Threads']),
        files=len(os.listdir(f'/proc/{pid}/fd')),
    )


def gpu_mb(pid: int) -> float:
    """Returns the memory of a process on all NVIDIA GPUs, MB."""
    if shutil.which('nvidia-smi') is None:
        return 0.0
    query = ['nvidia-smi', '--query-compute-apps=pid,used_memory', '--format=csv,noheader,nounits']
    listed = subprocess.run(query, stdout=subprocess.PIPE, text=True, check=True).stdout
    rows = [line.split(',') for line in listed.splitlines()]
    return sum(float(used) * 1.048576 for owner, used in rows if int(owner) == pid)


@dataclass
class Heard:
    """What the consumer has received.

    Attributes:
        latency_ms: Time from the stamp of each frame to the callback with its labels.
        last: Time of the last labels by camera, by `time.monotonic()`.
        checked: Number of messages with a checked stamp.
        wrong_stamps: Messages whose stamp differs from that in their frame id.
        wrong_labels: Labels of a different picture than that of their frame id.
    """

    latency_ms: list[float] = field(default_factory=list)
    last: dict[str, float] = field(default_factory=dict)
    checked: int = 0
    wrong_stamps: int = 0
    wrong_labels: int = 0


class Consumer(Peer):
    """Subscribes to labels, masks and timing of every camera, checks them, and calls services.

    Args:
        expected: The labels of each picture, by (height, width).
        alive: Called while waiting; raises if a process has ended.
    """

    def __init__(
        self,
        expected: Mapping[tuple[int, int], list[npt.NDArray[np.uint8]]],
        alive: Callable[[], None],
    ) -> None:
        super().__init__('consumer')
        self._expected = expected
        self._alive = alive
        self._changed = threading.Condition()
        self.heard = Heard()
        for camera in CAMERAS:
            prefix = f'{camera}/segmentation'
            for topic, kind, take in (
                (f'{prefix}/labels', Image, partial(self._take_labels, camera)),
                (f'{prefix}/drivable', Image, self._check_stamp),
                (f'{prefix}/timing', SegmentationTiming, self._check_stamp),
            ):
                self.node.create_subscription(kind, topic, take, _QOS)
        self._clients = {
            kind: self.node.create_client(kind, f'/segmenter/{name}')
            for kind, name in (
                (ChangeState, 'change_state'),
                (GetState, 'get_state'),
                (SetParameters, 'set_parameters'),
                (SetBool, 'enable'),
                (Trigger, 'reload'),
            )
        }
        self.start()

    def wait_for_labels(self) -> float:
        """Waits for new labels of every camera and returns the waiting time in seconds.

        Raises:
            SoakError: They did not arrive in time.
        """
        start = time.monotonic()

        def all_came() -> bool:
            return all(self.heard.last.get(camera, 0.0) > start for camera in CAMERAS)

        with self._changed:
            while not self._changed.wait_for(all_came, 0.5):
                if time.monotonic() - start > PATIENCE:
                    raise SoakError(f'no labels of every camera within {PATIENCE:.0f} s')
                self._alive()
        return time.monotonic() - start

    def call(self, request: Any, kind: type[Any]) -> Any:
        """Calls a service of the node until it answers; only for requests that can be repeated.

        Raises:
            SoakError: It did not answer in time.
        """
        client = self._clients[kind]
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if not client.wait_for_service(1.0):
                self._alive()
                continue
            answered = threading.Event()
            future = client.call_async(request)
            future.add_done_callback(lambda _, answered=answered: answered.set())
            again = time.monotonic() + RETRY
            while time.monotonic() < again:
                if answered.wait(0.5):
                    return future.result()
                self._alive()
            client.remove_pending_request(future)
        raise SoakError(f'no answer from {client.srv_name} within {PATIENCE:.0f} s')

    def transition(self, number: int, goal: int) -> None:
        """Makes a lifecycle transition.

        Raises:
            SoakError: It failed.
        """
        request = ChangeState.Request(transition=Transition(id=number))
        self.call(request, ChangeState)
        state = self.call(GetState.Request(), GetState).current_state
        if state.id != goal:
            raise SoakError(f'transition {number} led to {state.label}')

    def set_parameters(self, **values: object) -> bool:
        """Returns whether the node accepted all values."""
        parameters = [Parameter(name, value=value) for name, value in values.items()]
        request = SetParameters.Request(parameters=[p.to_parameter_msg() for p in parameters])
        return all(result.successful for result in self.call(request, SetParameters).results)

    def _take_labels(self, camera: str, labels: Image) -> None:
        now = self.node.get_clock().now().nanoseconds
        self._check_stamp(labels)
        frame = FrameId.read(labels.header.frame_id)
        wrong = self._is_of_another_picture(labels, frame.number)
        stamp = nanoseconds(labels.header.stamp)
        with self._changed:
            self.heard.wrong_labels += wrong
            self.heard.latency_ms.append(1e-6 * (now - stamp))
            self.heard.last[camera] = time.monotonic()
            self._changed.notify_all()

    def _check_stamp(self, message: Any) -> None:
        stamp = (message.header.stamp.sec, message.header.stamp.nanosec)
        self.heard.checked += 1
        self.heard.wrong_stamps += FrameId.read(message.header.frame_id).stamp != stamp

    def _is_of_another_picture(self, message: Image, number: int) -> bool:
        labels = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width)
        labels = labels[::4, ::4]
        labelled = labels != 255
        pictures = self._expected[message.height, message.width]
        expected = pictures[number % len(pictures)]
        return bool(np.count_nonzero(labels[labelled] != expected[labelled]) > WRONG * labels.size)


def street() -> npt.NDArray[np.uint8]:
    """Returns a street, also mirrored and upside down, so that labels differ: (3, H, W, 3) BGR."""
    picture = SyntheticDrive(seed=0, size=(640, 320), rate=10.0).frame(0)[0]
    return np.stack([picture, picture[:, ::-1], picture[::-1]])


def expected_labels(
    pictures: npt.NDArray[np.uint8], options: argparse.Namespace
) -> dict[tuple[int, int], list[npt.NDArray[np.uint8]]]:
    """Returns the labels of every picture by (height, width), every fourth row and column.

    Raises:
        UserError: The weights cannot be used, or give similar labels for different pictures.
    """
    from bisenet_ros.segmenter import Segmenter

    segmenter = Segmenter.load(options.weights, network_size=tuple(options.network))
    expected = {}
    for width, height in options.sizes:
        labels = [
            segmenter(enlarged(picture, (width, height))).labels[::4, ::4] for picture in pictures
        ]
        for one, other in itertools.combinations(labels, 2):
            if np.mean(one != other) < 2 * WRONG:
                raise UserError(f'{options.weights} gives different pictures the same labels')
        expected[height, width] = labels
    return expected


class Stack:
    """The node, the cameras and the consumer, and the disturbances of the node.

    Attributes:
        node: The node's process.
        unconfigured: Its resources in the unconfigured state, in each lifecycle cycle.
    """

    def __init__(
        self, processes: Processes, consumer: Consumer, options: argparse.Namespace, files: Path
    ) -> None:
        self._processes = processes
        self._consumer = consumer
        self._options = options
        self._files = files
        self._random = random.Random(options.seed)
        self._sizes = {camera: index % len(options.sizes) for index, camera in enumerate(CAMERAS)}
        self._cameras: dict[str, Process] = {}
        self._start = time.monotonic()
        self.unconfigured: list[Sample] = []
        self.node = processes.start('node', self._node_command())
        for camera in CAMERAS:
            self._start_camera(camera)

    def disturbances(self) -> dict[str, Callable[[], None]]:
        """Returns the disturbances by name."""
        return {
            'a camera comes back with another size': self._restart_camera,
            'parameters change': self._change_parameters,
            'a parameter is refused': self._refuse_parameter,
            'reload': self._reload,
            'reload of a bad file': self._reload_bad_file,
            'pause': self._pause,
            'down to unconfigured and up': self.cycle,
            'subscribers come and go': self._visit,
        }

    def cycle(self) -> None:
        """Makes lifecycle transitions from active to unconfigured and back."""
        for number, goal in (
            (Transition.TRANSITION_DEACTIVATE, State.PRIMARY_STATE_INACTIVE),
            (Transition.TRANSITION_CLEANUP, State.PRIMARY_STATE_UNCONFIGURED),
            (Transition.TRANSITION_CONFIGURE, State.PRIMARY_STATE_INACTIVE),
            (Transition.TRANSITION_ACTIVATE, State.PRIMARY_STATE_ACTIVE),
        ):
            self._consumer.transition(number, goal)
            if goal == State.PRIMARY_STATE_UNCONFIGURED:
                self.unconfigured.append(sample(self.node.pid, time.monotonic() - self._start))

    def _node_command(self) -> list[str]:
        width, height = self._options.network
        parameters = {
            'cameras': f'[{", ".join(CAMERAS)}]',
            'weights': self._options.weights,
            'network_size': f'[{width}, {height}]',
        }
        return node_command(**parameters)

    def _start_camera(self, camera: str) -> None:
        size = map(str, self._options.sizes[self._sizes[camera]])
        self._cameras[camera] = self._processes.start(
            camera,
            [
                *(sys.executable, '-m', 'benchmarks.camera', f'{camera}/image'),
                *(
                    '--rate',
                    str(self._options.rate),
                    '--pictures',
                    str(self._files / _PICTURES),
                    '--size',
                    *size,
                ),
            ],
        )

    def _restart_camera(self) -> None:
        camera = self._random.choice(CAMERAS)
        self._processes.end(self._cameras[camera])
        self._cameras[camera].close()
        self._sizes[camera] = (self._sizes[camera] + 1) % len(self._options.sizes)
        self._start_camera(camera)

    def _change_parameters(self) -> None:
        self._expect(
            True,
            confidence_threshold=self._random.choice([0.0, 0.1, 0.2]),
            overlay_alpha=self._random.uniform(0.2, 0.8),
            drivable_threshold=self._random.choice([0.0, 0.3]),
            min_drivable_area=self._random.choice([0.0, 0.01]),
            max_rate=self._random.choice([0.0, 20.0]),
        )

    def _refuse_parameter(self) -> None:
        self._expect(False, confidence_threshold=2.0)

    def _reload(self) -> None:
        answer = self._consumer.call(Trigger.Request(), Trigger)
        if not answer.success:
            raise SoakError(f'reload failed: {answer.message}')

    def _reload_bad_file(self) -> None:
        self._expect(True, weights=str(self._files / _BAD))
        answer = self._consumer.call(Trigger.Request(), Trigger)
        if answer.success:
            raise SoakError('a file that holds no weights was loaded')
        self._expect(True, weights=self._options.weights)

    def _pause(self) -> None:
        for enabled in (False, True):
            self._consumer.call(SetBool.Request(data=enabled), SetBool)

    def _visit(self) -> None:
        """Subscribes to every image for a moment, with two participants, one with best effort."""
        visitors = [Peer(f'visitor_{index}') for index in range(2)]
        came = threading.Semaphore(0)
        for visitor, qos in zip(visitors, (_QOS, qos_profile_sensor_data), strict=True):
            for camera in CAMERAS:
                for output in OUTPUTS:
                    topic = f'{camera}/segmentation/{output}'
                    visitor.node.create_subscription(Image, topic, lambda _: came.release(), qos)
            visitor.start()
        try:
            deadline = time.monotonic() + PATIENCE
            for _ in range(4 * len(CAMERAS) * len(OUTPUTS)):
                if not came.acquire(timeout=max(0.0, deadline - time.monotonic())):
                    raise SoakError(f'subscribers received too few images within {PATIENCE:.0f} s')
        finally:
            for visitor in visitors:
                visitor.close()

    def _expect(self, taken: bool, **values: object) -> None:
        if self._consumer.set_parameters(**values) != taken:
            raise SoakError(f'{values} {"refused" if taken else "taken"}')


@contextmanager
def running(options: argparse.Namespace) -> Iterator[tuple[Stack, Consumer]]:
    """Starts all processes; yields after labels of every camera."""
    pictures = street()
    expected = expected_labels(pictures, options)
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder)
        (files / _BAD).write_bytes(bytes(1000))
        np.save(files / _PICTURES, pictures)
        with Processes(os.environ, files) as processes:

            def alive() -> None:
                processes.next_event(0.0)

            consumer = Consumer(expected, alive)
            try:
                stack = Stack(processes, consumer, options, files)
                consumer.wait_for_labels()
                yield stack, consumer
            finally:
                consumer.close()


class Log:
    """The events of a run, printed as they happen."""

    def __init__(self, consumer: Consumer, pid: int, period: float) -> None:
        self._consumer = consumer
        self._pid = pid
        self._period = period
        self._start = time.monotonic()
        self._printed = -period
        self.samples: list[Sample] = []
        self.recovery: dict[str, list[float]] = {}
        print(
            f'{"s":>6} {"labels":>7} {"p50":>6} {"p99.9 ms":>8} {"private":>8} {"shared":>7}'
            f' {"GPU MB":>7} {"threads":>7} {"files":>6}'
        )

    @property
    def seconds(self) -> float:
        """Time since the beginning."""
        return time.monotonic() - self._start

    def disturb(self, name: str, act: Callable[[], None]) -> None:
        """Disturbs the node, and records the time until labels arrive again."""
        start = time.monotonic()
        act()
        self._consumer.wait_for_labels()
        self.recovery.setdefault(name, []).append(time.monotonic() - start)
        self.look()

    def look(self) -> None:
        """Records the node's resources."""
        now = sample(self._pid, self.seconds)
        self.samples.append(now)
        if now.seconds >= self._printed + self._period:
            self._printed = now.seconds
            latency = percentiles(self._consumer.heard.latency_ms)
            print(
                f'{now.seconds:6.0f} {len(self._consumer.heard.latency_ms):7}'
                f' {latency["p50"]:6.0f} {latency["p99.9"]:8.0f} {now.private:8.1f}'
                f' {now.shared:7.1f} {now.gpu:7.0f} {now.threads:7} {now.files:6}',
                flush=True,
            )


def soak(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the first form: disturbs the node in rounds, at least one, until the time is over."""
    with running(options) as (stack, consumer):
        log = Log(consumer, stack.node.pid, options.seconds / 20)
        log.look()
        order = random.Random(options.seed)
        while not log.recovery or log.seconds < options.seconds:
            acts = list(stack.disturbances().items())
            order.shuffle(acts)
            for name, act in acts:
                log.disturb(name, act)
                pause_until = time.monotonic() + options.calm
                while time.monotonic() < pause_until:
                    consumer.wait_for_labels()
        return result(log, consumer, stack, judged=log.seconds >= JUDGED_SECONDS)


def cycles(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the second form: a number of lifecycle cycles."""
    with running(options) as (stack, consumer):
        log = Log(consumer, stack.node.pid, 0.0 if options.cycles <= 20 else 30.0)
        for _ in range(options.cycles):
            log.disturb('down to unconfigured and up', stack.cycle)
        return result(log, consumer, stack, judged=options.cycles >= JUDGED_CYCLES)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Returns p50, p95, p99, p99.9 and the maximum."""
    names = {'p50': 50, 'p95': 95, 'p99': 99, 'p99.9': 99.9, 'max': 100}
    figures = np.percentile(values, list(names.values())).round(1).tolist()
    return dict(zip(names, figures, strict=True))


def growth(samples: Sequence[Sample], name: str) -> float:
    """Returns the growth of the median, or of a count's maximum, from second to last third."""
    values: list[float] = [getattr(each, name) for each in samples]
    third = max(1, len(values) // 3)
    middle, last = values[third:-third] or values, values[-third:]
    if isinstance(values[0], int):
        return max(last) - max(middle)
    return statistics.median(last) - statistics.median(middle)


def result(log: Log, consumer: Consumer, stack: Stack, *, judged: bool) -> dict[str, Any]:
    """Returns figures and verdicts of a run."""
    heard = consumer.heard
    grown = {
        name: growth(log.samples, name) for name in ('private', 'shared', 'gpu', 'threads', 'files')
    }
    grown |= {
        f'{name}_unconfigured': growth(stack.unconfigured, name) for name in ('private', 'gpu')
    }
    flat = (
        max(grown['private_unconfigured'], grown['gpu_unconfigured']) <= FLAT_MB
        and grown['threads'] <= 0
        and grown['files'] <= 0
    )
    return {
        'seconds': round(log.seconds, 1),
        'labels': len(heard.latency_ms),
        'latency_ms': percentiles(heard.latency_ms),
        'recovery_s': {
            name: {'times': len(seconds), **percentiles(seconds)}
            for name, seconds in sorted(log.recovery.items())
        },
        'stamps_checked': heard.checked,
        'wrong_stamps': heard.wrong_stamps,
        'wrong_labels': heard.wrong_labels,
        'growth': {name: round(value, 1) for name, value in grown.items()},
        'flat': flat if judged else None,
        'samples': [asdict(each) for each in log.samples],
        'unconfigured': [asdict(each) for each in stack.unconfigured],
    }


def print_result(figures: Mapping[str, Any]) -> None:
    """Prints the result of a run."""
    print(f'\n{"until labels came again, s":40} {"times":>5} {"p50":>6} {"p95":>6} {"max":>6}')
    for name, row in figures['recovery_s'].items():
        print(f'{name:40} {row["times"]:5} {row["p50"]:6} {row["p95"]:6} {row["max"]:6}')
    latency = figures['latency_ms']
    verdict = {True: 'flat', False: 'NOT FLAT', None: 'too short to tell whether it is flat'}
    print(
        f'\n{figures["labels"]} frames labelled in {figures["seconds"]:.0f} s; from stamp to labels'
        f' {latency["p50"]} ms in the median, {latency["p99.9"]} ms in p99.9\n'
        f'{figures["stamps_checked"]} stamps compared: {figures["wrong_stamps"]} wrong;'
        f' labels of another frame: {figures["wrong_labels"]}\n'
        f'growth from the second third to the last: {figures["growth"]}:'
        f' {verdict[figures["flat"]]}'
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument('--seconds', type=float, help='the first form')
    form.add_argument('--cycles', type=int, help='the second form')
    parser.add_argument('--calm', type=float, default=5.0, help='seconds between disturbances')
    parser.add_argument('--rate', type=float, default=5.0, help='of each camera, in Hz')
    parser.add_argument(
        '--sizes',
        type=lambda text: tuple(map(int, text.split('x'))),
        nargs='+',
        default=[(1280, 720), (2048, 1024)],
        metavar='WxH',
        help='of frames, between which cameras change',
    )
    parser.add_argument('--network', type=int, nargs=2, default=(256, 128), metavar=('W', 'H'))
    parser.add_argument('--weights', default='camvid')
    parser.add_argument('--seed', type=int, default=0, help='of the order')
    parser.add_argument('--json', type=Path, metavar='FILE')
    options = parser.parse_args()

    prepare_process()
    with own_domain():
        try:
            figures = cycles(options) if options.cycles else soak(options)
        except (UserError, ProcessError, SoakError) as error:
            sys.exit(f'soak.py: {error}')
    print_result(figures)
    if options.json:
        write_json(options.json, {'machine': describe_machine(), 'results': figures})
    good = not figures['wrong_stamps'] and not figures['wrong_labels']
    return 0 if good and figures['flat'] is not False else 1


if __name__ == '__main__':
    sys.exit(main())
