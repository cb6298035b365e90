# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong on a vehicle is made to go wrong; the outcomes are in docs/reliability.md.

Camera, node and consumers are processes on a DDS domain of their own. Where a fault cannot be had
without a GPU, a program that wraps the node raises what the GPU's libraries raise.
"""

from __future__ import annotations

import fcntl
import os
import queue
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.qos import QoSProfile
from ros_peers import (
    RELIABLE,
    TIMEOUT,
    Inbox,
    Peer,
    Process,
    change,
    fill_with,
    own_domain,
    pixels_of,
    running,
    running_node,
    set_parameter,
    stamp_of,
    status_of,
    street,
    values_of,
)
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros.live.processes import node_command
from bisenet_ros.node.large_images import SHARED_MEMORY, VARIABLES
from bisenet_ros.segmenter import Segmenter

FRAME = street(120, 160)
OK, ERROR = DiagnosticStatus.OK, DiagnosticStatus.ERROR


@dataclass(frozen=True)
class Graph:
    """A running node and its peer."""

    domain: int
    process: Process
    peer: Peer


@pytest.fixture(scope='module')
def shared_graph(weights: Path) -> Iterator[Graph]:
    """One node for many faults: it has to survive them all."""
    with own_domain() as domain:
        peer = Peer(domain)
        try:
            with running_node(domain, weights=weights, device='cpu', engine='torch') as process:
                yield Graph(domain, process, peer)
                end(process)
        finally:
            peer.close()


def end(node: Process) -> None:
    """Ends a node, which has survived whatever it went through."""
    node.send(signal.SIGTERM)
    assert node.wait() == 0
    assert 'Traceback' not in node.output


@pytest.fixture
def graph(shared_graph: Graph) -> Iterator[Graph]:
    """The shared node, and a peer that listens to nothing yet."""
    yield shared_graph
    shared_graph.peer.stop_listening()


@pytest.fixture(scope='module')
def segmenter(weights: Path) -> Segmenter:
    """What the shared node is to agree with."""
    return Segmenter.load(weights, device='cpu', engine='torch')


def new_labels(inbox: Inbox, stamps: list[tuple[int, int]], count: int = 5) -> list[Any]:
    """Labels of frames that are sent from now on, as many as are asked for."""
    sent = len(stamps)
    inbox.clear()
    inbox.wait(lambda _: sum(stamp_of(m) in stamps[sent:] for m in inbox.messages) >= count)
    return [message for message in inbox.messages if stamp_of(message) in stamps[sent:]]


def camera_status(peer: Peer) -> Inbox:
    return peer.listen(DiagnosticArray, '/diagnostics', RELIABLE)


# The camera's frames


def test_size_and_encoding_change_from_frame_to_frame(graph: Graph, segmenter: Segmenter) -> None:
    kinds = [
        (street(120, 160, 1), 'bgr8'),
        (street(64, 48, 2), 'bgr8'),
        (street(300, 200, 3)[..., 0], 'mono8'),
    ]
    # In no order: a slow node that takes every third frame gets all kinds, too.
    order = np.random.default_rng(0)
    sent: list[int] = []

    def fill(message: Image) -> None:
        sent.append(int(order.integers(len(kinds))))
        fill_with(*kinds[sent[-1]])(message)

    labels = graph.peer.listen(Image, 'segmentation/labels')
    with graph.peer.streaming(Image, 'image', fill) as stream:
        labels.wait(lambda _: len({m.height for m in labels.messages if stream.sent(m)}) == 3)
        found = [message for message in labels.messages if stream.sent(message)]
        kind_of = dict(zip(stream.stamps, sent, strict=False))
    for message in found:
        pixels, encoding = kinds[kind_of[stamp_of(message)]]
        if encoding == 'bgr8':
            assert (pixels_of(message) == segmenter(pixels).labels).all()
        assert (message.height, message.width) == pixels.shape[:2]


def test_two_publishers_of_different_sizes_each_get_their_labels_and_a_warning(
    graph: Graph,
) -> None:
    frames = [street(120, 160, 1), street(64, 48, 2)]
    labels = graph.peer.listen(Image, 'segmentation/labels')
    diagnostics = camera_status(graph.peer)
    # Not in step: the node takes the newest frame, which would always be the second's.
    streams = [
        graph.peer.streaming(Image, 'image', fill_with(frame, 'bgr8'), rate=rate)
        for frame, rate in zip(frames, (20.0, 13.0), strict=True)
    ]
    with streams[0] as first, streams[1] as second:
        for stream, frame in ((first, frames[0]), (second, frames[1])):
            for message in new_labels(labels, stream.stamps):
                assert (message.height, message.width) == frame.shape[:2]
        diagnostics.wait(lambda array: '/image has 2 publishers' in array.status[0].message)


def test_of_a_burst_of_100_frames_the_last_is_labelled(graph: Graph) -> None:
    labels = graph.peer.listen(Image, 'segmentation/labels', RELIABLE)
    diagnostics = camera_status(graph.peer)
    qos = QoSProfile(depth=100)
    with graph.peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8'), qos=qos) as stream:
        # With best effort, the last frame may get lost on the way.
        diagnostics.wait(lambda array: values_of(array, 'camera').get('reliability') == 'reliable')
        new_labels(labels, stream.stamps)

        def burst() -> tuple[int, int]:
            stream.pause()
            for _ in range(100):
                stream.publish()
            return stream.stamps[-1]

        last = graph.peer.run(burst)
        labels.wait(lambda message: stamp_of(message) == last)
        # Every frame that has reached the node is accounted for.
        diagnostics.clear()
        diagnostics.wait(lambda array: received_frames_are_counted(values_of(array, 'camera')))


def received_frames_are_counted(camera: dict[str, str]) -> bool:
    received, *others = (
        int(camera[f'frames_{key}']) for key in ('in', 'out', 'dropped', 'malformed')
    )
    return received == sum(others)


def test_stamps_of_the_future_and_of_the_past_are_kept(graph: Graph) -> None:
    labels = graph.peer.listen(Image, 'segmentation/labels')
    with graph.peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')) as stream:
        for seconds in (2**31 - 1, 0, 1_000_000_000, -1):
            stream.stamp = lambda seconds=seconds: Time(sec=seconds, nanosec=len(stream.stamps))
            for message in new_labels(labels, stream.stamps):
                assert message.header.frame_id == 'front_optical'


# A camera driver as they are: a process of its own that knows nothing of this package.
CAMERA = """
import array
import rclpy
from sensor_msgs.msg import Image

rclpy.init()
node = rclpy.create_node('camera')
publisher = node.create_publisher(Image, 'image', 1)
image = Image(width=160, height=120, encoding='mono8', step=160)
image.data = array.array('B', bytes(160 * 120))

def publish():
    image.header.stamp = node.get_clock().now().to_msg()
    publisher.publish(image)

node.create_timer(1 / 30, publish)
rclpy.spin(node)
"""


# Of a participant that has died Fast DDS learns when its lease is over: by default, after 20 s.
SHORT_LEASE = """\
<profiles xmlns="http://www.eprosima.com">
  <participant profile_name="short_lease" is_default_profile="true">
    <rtps>
      <builtin>
        <discovery_config>
          <leaseDuration><sec>3</sec></leaseDuration>
          <leaseAnnouncement><sec>1</sec></leaseAnnouncement>
        </discovery_config>
      </builtin>
    </rtps>
  </participant>
</profiles>
"""


def test_a_camera_that_dies_is_an_error_and_none_when_it_comes_back(
    graph: Graph, tmp_path: Path
) -> None:
    profile = tmp_path / 'short_lease.xml'
    profile.write_text(SHORT_LEASE)
    environment = dict.fromkeys(VARIABLES, str(profile))
    labels = graph.peer.listen(Image, 'segmentation/labels')
    diagnostics = camera_status(graph.peer)
    assert set_parameter(graph.peer, 'camera_timeout', 0.5).successful
    try:
        for _ in range(2):
            with running([sys.executable, '-c', CAMERA], graph.domain, environment) as camera:
                diagnostics.clear()
                diagnostics.wait(lambda array: array.status[0].message == 'frames arrive')
                labels.clear()
                labels.wait()
                camera.send(signal.SIGKILL)
                camera.wait()
                diagnostics.clear()
                diagnostics.wait(lambda array: status_of(array, 'camera').level == ERROR)
    finally:
        assert set_parameter(graph.peer, 'camera_timeout', 2.0).successful


# Those who listen, and the graph

CROWD = """
import signal
import rclpy
from rclpy.context import Context
from sensor_msgs.msg import Image

contexts = [Context() for _ in range(10)]  # each is a DDS participant
for number, context in enumerate(contexts):
    rclpy.init(context=context)
    for other in range(5):
        node = rclpy.create_node(f'other{number}_{other}', context=context)
        node.create_publisher(Image, f'{node.get_name()}/image', 1)
        node.create_subscription(Image, 'segmentation/labels', lambda _: None, 1)
print('all there', flush=True)
try:
    signal.pause()
except KeyboardInterrupt:
    for context in contexts:
        context.shutdown()
"""


def test_fifty_other_nodes_that_come_and_go_disturb_nobody(graph: Graph) -> None:
    labels = graph.peer.listen(Image, 'segmentation/labels')
    diagnostics = camera_status(graph.peer)
    with graph.peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')) as stream:
        with running([sys.executable, '-c', CROWD], graph.domain) as crowd:
            crowd.wait_for_output('all there')
            new_labels(labels, stream.stamps)
            diagnostics.clear()
            diagnostics.wait(lambda array: status_of(array, 'camera').level == OK)
        new_labels(labels, stream.stamps)


SUBSCRIBER = """
import rclpy
from sensor_msgs.msg import Image

rclpy.init()
node = rclpy.create_node('consumer')
seen = []

def take(message):
    seen.append(message)
    print('labels', len(seen), flush=True)

node.create_subscription(Image, 'segmentation/labels', take, 5)
rclpy.spin(node)
"""

FRAMES_WHILE_STOPPED = int(os.environ.get('BISENET_FRAMES_WHILE_STOPPED', '100'))
"""At 50 Hz; 3000 are a minute."""


@pytest.mark.timeout(300)
def test_a_subscriber_that_is_stopped_holds_up_nobody(graph: Graph) -> None:
    labels = graph.peer.listen(Image, 'segmentation/labels', RELIABLE)
    with (
        running([sys.executable, '-c', SUBSCRIBER], graph.domain) as stopped,
        graph.peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8'), rate=50.0) as stream,
    ):
        stopped.wait_for_output('labels 3')
        stopped.send(signal.SIGSTOP)
        sent = len(stream.stamps)
        labels.wait(lambda _: len(stream.stamps) >= sent + FRAMES_WHILE_STOPPED)
        new_labels(labels, stream.stamps)
        stopped.send(signal.SIGCONT)
        before = stopped.output.count('labels')
        stopped.wait_for_output(f'labels {before + 10}')
        # Killed while it is stopped, it leaves the graph without a word.
        stopped.send(signal.SIGSTOP)
        new_labels(labels, stream.stamps)
        stopped.send(signal.SIGKILL)
        new_labels(labels, stream.stamps)


# The clock


def test_simulated_time_that_stands_still_or_jumps_back_stops_nothing(
    domain: int, peer: Peer, weights: Path
) -> None:
    clock = peer.run(lambda: peer.node.create_publisher(Clock, '/clock', 10))
    labels = peer.listen(Image, 'segmentation/labels')
    diagnostics = camera_status(peer)
    options = {'device': 'cpu', 'engine': 'torch', 'max_rate': 50.0, 'camera_timeout': 0.5}
    with running_node(domain, weights=weights, use_sim_time=True, **options):
        with peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')) as stream:
            for seconds in (1000, 0, 2_000_000_000, 5):

                def publish(seconds: int = seconds) -> None:
                    message = Clock()
                    message.clock.sec = seconds
                    clock.publish(message)

                # The clock tells the time until diagnostics have it, and then stands still.
                for _ in range(int(TIMEOUT)):
                    peer.run(publish)
                    diagnostics.clear()
                    if diagnostics.wait().header.stamp.sec == seconds:
                        break
                else:
                    pytest.fail(f'no diagnostics of the time {seconds}')
                new_labels(labels, stream.stamps)
        # That no frame comes is noticed while the clock stands still.
        diagnostics.clear()
        diagnostics.wait(lambda array: status_of(array, 'camera').level == ERROR)


# The network


# Runs the node with faults, which a test switches on and off by `held`.
WRAPPED = """
import contextlib
import fcntl
import os
import sys
from pathlib import Path

import torch
from rclpy.node import Node

from bisenet_ros.node import ending
from bisenet_ros.node.lifecycle_node import SegmenterNode
from bisenet_ros.node.loader import Loader
from bisenet_ros.node.segmenter_node import main
from bisenet_ros.segmenter import Segmenter

folder = Path(sys.argv.pop(1))
load = Segmenter.from_settings.__func__

def tell(line):
    os.write(1, f'{line}\\n'.encode())  # print would mix the lines of two threads

def hold(name):
    with contextlib.suppress(FileNotFoundError), (folder / name).open() as file:
        tell(name)
        fcntl.flock(file, fcntl.LOCK_SH)  # waits while the test holds the file

NO_MEMORY = {
    'no memory': MemoryError(),
    'no memory for torch': RuntimeError(
        "[enforce fail at alloc_cpu.cpp:121] data. DefaultCPUAllocator: can't allocate\\nmore"
    ),
}

def from_settings(cls, settings):
    hold('hold loading')
    for fault, error in NO_MEMORY.items():
        if (folder / fault).exists():
            raise error
    return load(cls, settings)

batch = Segmenter.batch

failed = set()

def fail_once(self, frames, ego_masks):
    for fault in ('out of memory', 'not finite'):
        if fault in failed:
            hold(fault)  # after it happened
        elif (folder / fault).exists():
            failed.add(fault)
            if fault == 'out of memory':
                raise torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate')
            engine = self._engine
            self._engine = lambda frames: engine(frames) * float('nan')
    hold('hold a frame')
    return batch(self, frames, ego_masks)

destroy = Node.destroy_subscription

def destroy_subscription(self, subscription):
    hold('hold a subscription')
    return destroy(self, subscription)

submit = Loader.submit
submitted = []

def submit_and_tell(self, load):
    future = submit(self, load)
    submitted.append(load)
    tell(f'submitted {len(submitted)}')
    return future

done = SegmenterNode._done
reloads = []

def wait_and_tell(self, loading):
    reloads.append(loading)
    tell(f'reload {len(reloads)} waits')
    return done(self, loading)

Loader.submit = submit_and_tell
SegmenterNode._done = wait_and_tell
Node.destroy_subscription = destroy_subscription
Segmenter.from_settings = classmethod(from_settings)
Segmenter.batch = fail_once
for limit in ('TIME_TO_END', 'TIME_TO_STOP'):
    setattr(ending, limit, float(os.environ.get(limit, getattr(ending, limit))))
if __name__ == '__main__':
    sys.exit(main())
"""


# Code to be run before WRAPPED: a process that was started without standard output, and what rclpy
# of older distributions does otherwise.
WITHOUT_OUTPUT = """
import sys

sys.stdout = None
"""
JAZZY = """
from rclpy.executors import Executor
from rclpy.lifecycle import LifecycleState
from rclpy.lifecycle.node import LifecycleNodeMixin

create_task = Executor.create_task

def create_task_and_trigger(self, callback, *arguments):
    task = create_task(self, callback, *arguments)
    self._guard.trigger()  # None after the shutdown
    return task

def change_state(self, transition):
    machine = self._state_machine
    number, label = machine.current_state
    machine.trigger_transition_by_id(transition, True)  # raises if the state does not have it
    execute = self._LifecycleNodeMixin__execute_callback
    result = execute(machine.current_state[0], LifecycleState(state_id=number, label=label))
    machine.trigger_transition_by_label(result.to_label(), True)
    return result

Executor.create_task = create_task_and_trigger
LifecycleNodeMixin._LifecycleNodeMixin__change_state = change_state
"""
HUMBLE = """
from rclpy.executors import Executor

shutdown = Executor.shutdown

def wait_and_shut_down(self, timeout_sec=None):
    return self._work_tracker.wait(timeout_sec) and shutdown(self, timeout_sec)

Executor.shutdown = wait_and_shut_down
"""


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Makes a wrapped node wait where it asks for this file; it prints the file's name there."""
    locked = path.with_suffix('.locked')
    with locked.open('w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        locked.rename(path)
        try:
            yield
        finally:
            path.unlink()


@contextmanager
def wrapped_node(
    domain: int,
    folder: Path,
    weights: Path,
    environment: Mapping[str, str] | None = None,
    *,
    wait: bool = True,
    first: str = '',
) -> Iterator[Process]:
    command = [sys.executable, '-c', first + WRAPPED, str(folder), '--ros-args']
    for parameter in (f'weights:={weights}', 'device:=cpu', 'engine:=torch'):
        command += ['-p', parameter]
    with running(command, domain, environment) as process:
        if wait:
            process.wait_for_output('waiting for')
        yield process


@dataclass(frozen=True)
class WrappedGraph(Graph):
    """A wrapped node, its peer, and the folder whose files are its faults."""

    folder: Path


@pytest.fixture(scope='module')
def shared_wrapped_graph(
    weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WrappedGraph]:
    """One wrapped node for many faults; each test leaves it active, with the same weights."""
    folder = tmp_path_factory.mktemp('faults')
    with own_domain() as domain:
        peer = Peer(domain)
        try:
            with wrapped_node(domain, folder, weights) as process:
                yield WrappedGraph(domain, process, peer, folder)
                end(process)
        finally:
            peer.close()


@pytest.fixture
def wrapped_graph(shared_wrapped_graph: WrappedGraph) -> Iterator[WrappedGraph]:
    """The shared wrapped node without its earlier output, and a peer that listens to nothing."""
    shared_wrapped_graph.process.skip_output()
    yield shared_wrapped_graph
    shared_wrapped_graph.peer.stop_listening()


def test_a_failed_network_comes_back_though_its_file_is_gone(
    domain: int, peer: Peer, tmp_path: Path
) -> None:
    weights = save_tiny_checkpoint(tmp_path / 'weights.safetensors')
    plain = Segmenter.load(weights, device='cpu', engine='torch', precision='fp32')
    expected = plain(FRAME).labels
    labels = peer.listen(Image, 'segmentation/labels')
    diagnostics = camera_status(peer)
    with (
        wrapped_node(domain, tmp_path, weights) as node,
        peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')) as stream,
    ):
        new_labels(labels, stream.stamps)
        weights.unlink()
        for fault, fallback in (
            ('out of memory', 'none'),
            ('not finite', 'torch runs in fp32 instead'),
        ):
            node.skip_output()
            with held(tmp_path / fault):
                node.wait_for_output(f'ERROR.*the device failed: .*{fault}')
                reported = diagnostics.wait(
                    lambda array: 'the device failed' in status_of(array, 'engine').message
                )
                assert status_of(reported, 'engine').level == ERROR
            node.wait_for_output('the device works again')
            found = new_labels(labels, stream.stamps)
            diagnostics.clear()
            assert values_of(diagnostics.wait(), 'engine')['fallback'].endswith(fallback)
        for message in found:
            assert (pixels_of(message) == expected).all()
        answer = peer.call(Trigger, '/segmenter/reload', Trigger.Request())
        assert not answer.success
        assert 'no weights' in answer.message
        new_labels(labels, stream.stamps)


def test_weights_that_are_overwritten_change_nothing_until_a_reload(
    wrapped_graph: WrappedGraph, weights: Path, tmp_path: Path
) -> None:
    peer, used = wrapped_graph.peer, tmp_path / 'weights.safetensors'
    shutil.copyfile(weights, used)
    better = save_tiny_checkpoint(tmp_path / 'better.safetensors', seed=1)
    old, new = (
        Segmenter.load(file, device='cpu', engine='torch')(FRAME).labels for file in (used, better)
    )
    assert (old != new).any()
    labels = peer.listen(Image, 'segmentation/labels')
    assert set_parameter(peer, 'weights', used).successful
    assert peer.call(Trigger, '/segmenter/reload', Trigger.Request()).success
    try:
        with peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')) as stream:
            new_labels(labels, stream.stamps)
            for addition in (b'', b'not what it was'):
                with used.open('r+b') as file:  # in place, as cp does it
                    file.truncate(1000)
                    file.write(addition)
                answer = peer.call(Trigger, '/segmenter/reload', Trigger.Request())
                assert not answer.success
                assert 'is not a whole safetensors file' in answer.message
                assert 'stays in use' in answer.message
                for message in new_labels(labels, stream.stamps):
                    assert (pixels_of(message) == old).all()
            os.replace(better, used)
            for message in new_labels(labels, stream.stamps):
                assert (pixels_of(message) == old).all()
            assert peer.call(Trigger, '/segmenter/reload', Trigger.Request()).success
            for message in new_labels(labels, stream.stamps):
                assert (pixels_of(message) == new).all()
    finally:
        assert set_parameter(peer, 'weights', weights).successful
        assert peer.call(Trigger, '/segmenter/reload', Trigger.Request()).success


def test_while_a_network_is_loaded_the_old_one_works_and_callbacks_run(
    wrapped_graph: WrappedGraph,
) -> None:
    peer = wrapped_graph.peer
    labels = peer.listen(Image, 'segmentation/labels')
    diagnostics = camera_status(peer)
    with (
        peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')) as stream,
        ThreadPoolExecutor(1) as thread,
    ):
        new_labels(labels, stream.stamps)
        with held(wrapped_graph.folder / 'hold loading'):
            answer = thread.submit(peer.call, Trigger, '/segmenter/reload', Trigger.Request())
            wrapped_graph.process.wait_for_output('hold loading')
            new_labels(labels, stream.stamps, count=20)
            diagnostics.clear()
            array = diagnostics.wait(lambda array: status_of(array, 'camera').level == OK)
            assert values_of(array, 'engine')['loading'] == 'True'
            assert not answer.done()
        assert answer.result().success
        new_labels(labels, stream.stamps)


def test_reloads_that_wait_for_another_one_are_one(
    domain: int, peer: Peer, weights: Path, tmp_path: Path
) -> None:
    """So that no number of calls delays the next configuration, which waits for them."""
    other = save_tiny_checkpoint(tmp_path / 'other.safetensors', seed=1)
    with wrapped_node(domain, tmp_path, weights) as node:
        answers = queue.Queue[Any]()
        client = peer.run(lambda: peer.node.create_client(Trigger, '/segmenter/reload'))
        assert client.wait_for_service(TIMEOUT)
        with held(tmp_path / 'hold loading'):
            client.call_async(Trigger.Request())
            node.wait_for_output('hold loading')
            for number in range(2, 5):
                client.call_async(Trigger.Request()).add_done_callback(answers.put)
                node.wait_for_output(f'reload {number} waits')
            assert set_parameter(peer, 'weights', other).successful
        for _ in range(3):
            answer = answers.get(timeout=TIMEOUT).result()
            assert answer.success
            assert answer.message == f'loaded {other}'
        end(node)
        assert node.output.count('submitted') == 4  # two are for the first network


def release_while_loading(graph: WrappedGraph, *transitions: int) -> None:
    """Makes transitions, of which one releases the node, while it loads another network."""
    peer, answers = graph.peer, queue.Queue[Any]()
    client = peer.run(lambda: peer.node.create_client(Trigger, '/segmenter/reload'))
    assert client.wait_for_service(TIMEOUT)
    with held(graph.folder / 'hold loading'):
        client.call_async(Trigger.Request()).add_done_callback(answers.put)
        graph.process.wait_for_output('hold loading')
        for transition in transitions:
            change(peer, transition)
    answer = answers.get(timeout=TIMEOUT).result()
    assert not answer.success
    assert answer.message == 'the node was cleaned up before the network was loaded'


def test_the_node_is_released_by_cleanup_while_another_network_is_loaded(
    wrapped_graph: WrappedGraph,
) -> None:
    try:
        release_while_loading(
            wrapped_graph, Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP
        )
    finally:
        assert change(wrapped_graph.peer, Transition.TRANSITION_CONFIGURE) == 'inactive'
        assert change(wrapped_graph.peer, Transition.TRANSITION_ACTIVATE) == 'active'


def test_the_node_is_released_by_shutdown_while_another_network_is_loaded(
    domain: int, peer: Peer, weights: Path, tmp_path: Path
) -> None:
    with wrapped_node(domain, tmp_path, weights) as node:
        graph = WrappedGraph(domain, node, peer, tmp_path)
        release_while_loading(graph, Transition.TRANSITION_ACTIVE_SHUTDOWN)
        end(node)


@pytest.mark.parametrize(
    ('fault', 'reason'),
    [('no memory', 'loading failed: MemoryError'), ('no memory for torch', "r: can't allocate")],
)
def test_without_memory_for_another_network_the_old_one_works_on(
    wrapped_graph: WrappedGraph, fault: str, reason: str
) -> None:
    peer = wrapped_graph.peer
    labels = peer.listen(Image, 'segmentation/labels')
    with peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')) as stream:
        new_labels(labels, stream.stamps)
        (wrapped_graph.folder / fault).touch()
        try:
            answer = peer.call(Trigger, '/segmenter/reload', Trigger.Request())
            assert not answer.success
            assert f'{reason}. The network that was loaded before stays in use.' in answer.message
            new_labels(labels, stream.stamps)
        finally:
            (wrapped_graph.folder / fault).unlink()
        assert peer.call(Trigger, '/segmenter/reload', Trigger.Request()).success


# How it ends


def test_a_signal_while_the_network_is_loaded_ends_the_node_at_once(
    domain: int, peer: Peer, weights: Path, tmp_path: Path
) -> None:
    diagnostics = camera_status(peer)
    with (
        held(tmp_path / 'hold loading'),
        wrapped_node(domain, tmp_path, weights, wait=False, first=WITHOUT_OUTPUT) as node,
    ):
        node.wait_for_output('hold loading')
        diagnostics.wait(lambda array: array.status[0].message == 'the network is being loaded')
        node.send(signal.SIGTERM)
        assert node.wait() == 0
        assert 'Traceback' not in node.output


@pytest.mark.parametrize('rclpy', ['', JAZZY, HUMBLE], ids=['installed', 'jazzy', 'humble'])
def test_a_signal_while_another_network_is_loaded_ends_the_node_at_once(
    domain: int, peer: Peer, weights: Path, tmp_path: Path, rclpy: str
) -> None:
    with wrapped_node(domain, tmp_path, weights, first=rclpy) as node:
        client = peer.run(lambda: peer.node.create_client(Trigger, '/segmenter/reload'))
        assert client.wait_for_service(TIMEOUT)
        with held(tmp_path / 'hold loading'):
            client.call_async(Trigger.Request())
            node.wait_for_output('hold loading')
            client.call_async(Trigger.Request())
            node.wait_for_output('reload 2 waits')
            node.send(signal.SIGTERM)
            assert node.wait() == 0
        assert 'Traceback' not in node.output


def test_a_transition_that_the_state_does_not_have_is_refused(
    domain: int, peer: Peer, weights: Path, tmp_path: Path
) -> None:
    with wrapped_node(domain, tmp_path, weights, first=JAZZY) as node:
        assert change(peer, Transition.TRANSITION_CONFIGURE) == 'active'
        node.wait_for_output('ERROR.*the transition is refused: .*Transition is not registered')
        assert change(peer, Transition.TRANSITION_DEACTIVATE) == 'inactive'
        end(node)


def test_a_process_that_cannot_end_says_where_it_hangs(
    domain: int, peer: Peer, weights: Path, tmp_path: Path
) -> None:
    with (
        wrapped_node(domain, tmp_path, weights, {'TIME_TO_END': '0.5'}) as node,
        peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')),
    ):
        with held(tmp_path / 'hold a frame'):
            node.wait_for_output('hold a frame')
            node.send(signal.SIGINT)
            assert node.wait() == 1
        assert 'Timeout' in node.output
        assert 'in fail_once' in node.output


def test_a_device_that_never_answers_is_an_error_and_ends_the_node_when_it_is_deactivated(
    domain: int, peer: Peer, weights: Path, tmp_path: Path
) -> None:
    diagnostics = camera_status(peer)
    with (
        wrapped_node(domain, tmp_path, weights, {'TIME_TO_STOP': '0.5'}) as node,
        peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')),
    ):
        client = peer.run(lambda: peer.node.create_client(ChangeState, '/segmenter/change_state'))
        assert client.wait_for_service(TIMEOUT)
        request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
        with held(tmp_path / 'hold a frame'):
            node.wait_for_output('hold a frame')
            diagnostics.wait(lambda array: status_of(array, 'engine').level == ERROR)
            client.call_async(request)  # not peer.call: there is no answer
            assert node.wait() == 1
        assert 'in fail_once' in node.output


def test_a_middleware_that_hangs_ends_the_node_when_it_is_deactivated(
    domain: int, peer: Peer, weights: Path, tmp_path: Path
) -> None:
    with (
        wrapped_node(domain, tmp_path, weights, {'TIME_TO_STOP': '0.5'}) as node,
        held(tmp_path / 'hold a subscription'),
    ):
        client = peer.run(lambda: peer.node.create_client(ChangeState, '/segmenter/change_state'))
        assert client.wait_for_service(TIMEOUT)
        transition = Transition(id=Transition.TRANSITION_DEACTIVATE)
        client.call_async(ChangeState.Request(transition=transition))  # there is no answer
        assert node.wait() == 1
        assert 'in destroy_subscription' in node.output


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_ros_is_imported_ends_the_node_without_a_word(
    domain: int, tmp_path: Path, number: signal.Signals
) -> None:
    package = tmp_path / 'rclpy'
    package.mkdir()
    (package / '__init__.py').write_text(
        "import signal\nprint('importing', flush=True)\nwhile True: signal.pause()\n"
    )
    command = [sys.executable, '-m', 'bisenet_ros.node.segmenter_node']
    path = os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
    with running(command, domain, {'PYTHONPATH': path}) as process:
        process.wait_for_output('importing')
        process.send(number)
        assert process.wait() == 0
        assert process.output == 'importing\n'


def test_another_signal_while_python_ends_changes_nothing(domain: int, peer: Peer) -> None:
    program = """
import atexit, sys
from bisenet_ros.node import ending
from bisenet_ros.node.segmenter_node import main

ending.TIME_TO_END = 300.0  # the end is held up by the test

def last():
    print('ending', flush=True)
    sys.stdin.read()

atexit.register(last)
sys.exit(main())
"""
    command = [sys.executable, '-c', program, '--ros-args', '-p', 'autostart:=false']
    reader, writer = os.pipe()
    try:
        with running(command, domain, stdin=reader) as process:
            client = peer.run(lambda: peer.node.create_client(GetState, '/segmenter/get_state'))
            assert client.wait_for_service(TIMEOUT)
            process.send(signal.SIGINT)
            process.wait_for_output('ending')
            process.send(signal.SIGINT)
            process.send(signal.SIGTERM)
            os.close(writer)
            writer = -1
            assert process.wait() == 0
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)


# A machine without room


MOUNT = """
mount -t tmpfs -o size=$2 tmpfs "$1"
test "$3" = empty || dd if=/dev/zero of="$1/full" bs=4k 2>&- || true
shift 3
exec "$@"
"""


def on_a_disk_of_its_own(folder: Path, size: str, state: str) -> list[str]:
    """The beginning of a command line whose process has a disk of this size mounted at `folder`."""
    command = ['unshare', '--mount', 'sh', '-ec', MOUNT, 'sh', str(folder), size, state]
    if (
        shutil.which('unshare') is None
        or subprocess.run([*command, 'true'], capture_output=True, check=False).returncode
    ):
        pytest.skip('needs the right to mount a disk')
    return command


def test_with_a_full_disk_the_node_works_all_the_same(
    domain: int, peer: Peer, weights: Path, tmp_path: Path
) -> None:
    own_disk = on_a_disk_of_its_own(tmp_path, '64k', 'full')
    labels = peer.listen(Image, 'segmentation/labels')
    command = node_command(weights=weights, device='cpu', engine='torch')
    environment = dict.fromkeys(('HOME', 'ROS_HOME', 'ROS_LOG_DIR'), str(tmp_path))
    with (
        running([*own_disk, *command], domain, environment) as node,
        peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')) as stream,
    ):
        node.wait_for_output('waiting for')
        new_labels(labels, stream.stamps)
        node.send(signal.SIGINT)
        assert node.wait() == 0


@pytest.fixture
def other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets peers and nodes that are created later reach each other as on different machines.

    With discovery limited to one machine, Fast DDS loses messages between a process with shared
    memory and one without.
    """
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'SUBNET')
    monkeypatch.delenv('ROS_LOCALHOST_ONLY', raising=False)


def test_with_little_shared_memory_the_node_sends_over_udp(
    other_machines: None, domain: int, peer: Peer, weights: Path
) -> None:
    own_memory = on_a_disk_of_its_own(SHARED_MEMORY, '8m', 'empty')
    # Reliable, because over UDP a frame is many fragments, each of which may be lost.
    labels = peer.listen(Image, 'segmentation/labels', RELIABLE)
    large = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    command = node_command(weights=weights, device='cpu', engine='torch')
    with (
        running([*own_memory, *command], domain) as node,
        peer.streaming(Image, 'image', fill_with(large, 'bgr8'), rate=2.0) as stream,
    ):
        node.wait_for_output('has 8 MB free, and Fast DDS needs 64 MB')
        node.wait_for_output('waiting for')
        new_labels(labels, stream.stamps)
        node.send(signal.SIGINT)
        assert node.wait() == 0


def test_without_shared_memory_the_node_says_so_and_ends(domain: int, weights: Path) -> None:
    own_memory = on_a_disk_of_its_own(SHARED_MEMORY, '64k', 'full')
    with running([*own_memory, *node_command(weights=weights, device='cpu')], domain) as node:
        assert node.wait() == 1
    assert node.output.startswith('segmenter_node: /dev/shm is full. Make room')
