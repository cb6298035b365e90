# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs both ends of a ROS graph under test: the node's process, and a peer in the test process.

Every wait is for an event (a message, a line of output, the end of a process) and has a timeout.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterValue, SetParametersResult
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.client import Client
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import get_parameter_value
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rclpy.task import Future
from sensor_msgs.msg import Image

from bisenet_ros.image_codec import image_fields, to_array
from bisenet_ros.live.processes import node_command
from bisenet_ros.node.large_images import VARIABLES

T = TypeVar('T')

TIMEOUT = 90.0
"""Seconds; waits here take up to two on an idle machine, and up to twenty on a busy one."""

RETRY = 10.0
"""Seconds without an answer after which a service is called again."""

TIME_TO_END = 30.0
"""Seconds that a program has to end by itself before it is killed."""

QUICK_START = {'device': 'cpu', 'engine': 'torch', 'self_check': False}
"""Parameters of a node whose engine is not the subject: it converts and compares no network."""

RELIABLE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
SENSOR_DATA = qos_profile_sensor_data


@contextmanager
def own_domain() -> Iterator[int]:
    """Yields a DDS domain that no other test uses, in any process on this machine.

    `ros_environment` of the package takes none of these.
    """
    for domain in range(1, 21):
        claim = socket.socket()
        try:
            claim.bind(('127.0.0.1', 21000 + domain))
        except OSError:
            claim.close()
            continue
        with claim:
            yield domain
        return
    raise RuntimeError('every DDS domain is taken')


class Inbox:
    """Messages received on a topic, in order."""

    def __init__(self) -> None:
        self._arrival = threading.Condition()
        self.messages: list[Any] = []

    def put(self, message: Any) -> None:
        """Adds a message."""
        with self._arrival:
            self.messages.append(message)
            self._arrival.notify_all()

    def clear(self) -> None:
        """Removes all messages."""
        with self._arrival:
            self.messages.clear()

    def wait(self, wanted: Callable[[Any], bool] = lambda _: True, timeout: float = TIMEOUT) -> Any:
        """Returns the first wanted message, and waits for it if necessary.

        Raises:
            AssertionError: None arrived in time.
        """
        with self._arrival:
            self._arrival.wait_for(lambda: any(map(wanted, self.messages)), timeout)
            found = [message for message in self.messages if wanted(message)]
        assert found, f'not within {timeout} s; {len(self.messages)} other messages'
        return found[0]

    def arrives(self, within: float) -> bool:
        """Returns whether there is a message, or one arrives within so many seconds."""
        with self._arrival:
            return self._arrival.wait_for(lambda: bool(self.messages), within)

    def wait_for_count(self, count: int, timeout: float = TIMEOUT) -> list[Any]:
        """Waits for a number of messages, and returns all.

        Raises:
            AssertionError: Fewer arrived in time.
        """
        with self._arrival:
            self._arrival.wait_for(lambda: len(self.messages) >= count, timeout)
            assert len(self.messages) >= count
            return list(self.messages)


class Peer:
    """A ROS node in the test process, on a given domain; spins until it is closed.

    The spinning thread creates and destroys subscriptions and publishers, because rclpy does not
    guarantee that other threads may.
    """

    def __init__(self, domain: int) -> None:
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        # Without /rosout, because rcl keeps one /rosout publisher per node name in a process, and a
        # test process has many peers.
        self.node = Node('peer', context=self._context, enable_rosout=False)
        self._clients: dict[str, Client] = {}
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._executor.spin_until_future_complete, args=(self._ended,)
        )
        self._thread.start()

    def close(self) -> None:
        """Stops spinning and leaves the graph."""
        # The thread ends first: rclpy fails if the executor shuts down during a callback. In a
        # callback, because Humble looks at the future only after one.
        self._executor.create_task(lambda: self._ended.set_result(None))
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def run(self, action: Callable[[], T]) -> T:
        """Runs an action in the spinning thread, waits for it, and returns its result."""
        done = threading.Event()
        task = self._executor.create_task(action)
        task.add_done_callback(lambda _: done.set())
        assert done.wait(TIMEOUT)
        return task.result()

    def listen(self, message: type[Any], topic: str, qos: QoSProfile = SENSOR_DATA) -> Inbox:
        """Subscribes to a topic; returns the inbox of its messages."""
        inbox = Inbox()
        self.run(lambda: self.node.create_subscription(message, topic, inbox.put, qos))
        return inbox

    def stop_listening(self) -> None:
        """Destroys every subscription."""

        def destroy_all() -> None:
            for subscription in list(self.node.subscriptions):
                self.node.destroy_subscription(subscription)

        self.run(destroy_all)

    def call(self, service: type[Any], name: str, request: Any) -> Any:
        """Calls a service and returns its response.

        A server drops its response if it does not discover the client's reader within 100 ms, so a
        busy machine may need a second call. The services under test tolerate repeated calls.
        """
        if name not in self._clients:
            self._clients[name] = self.run(lambda: self.node.create_client(service, name))
        client = self._clients[name]
        assert client.wait_for_service(TIMEOUT), f'no service {name}'
        answers: queue.Queue[Any] = queue.Queue()
        for _ in range(int(TIMEOUT / RETRY)):
            future = client.call_async(request)
            future.add_done_callback(lambda future: answers.put(future.result()))
            with contextlib.suppress(queue.Empty):
                return answers.get(timeout=RETRY)
        raise AssertionError(f'no answer from {name}')

    @contextmanager
    def streaming(
        self, message: type[Any], topic: str, fill: Callable[[Any], None], **options: Any
    ) -> Iterator[Stream]:
        """Publishes on a topic at a steady rate; see `Stream`."""
        stream = self.run(lambda: Stream(self.node, message, topic, fill, **options))
        try:
            yield stream
        finally:
            self.run(stream.close)


class Stream:
    """Publishes messages with new stamps at a fixed rate, so that no test waits for discovery.

    Attributes:
        fill: Fills a message except for the header.
        stamp: Returns the stamp of the next message; the current time by default.
        stamps: (sec, nanosec) of everything published.
    """

    def __init__(
        self,
        node: Node,
        message: type[Any],
        topic: str,
        fill: Callable[[Any], None],
        *,
        qos: QoSProfile = RELIABLE,
        rate: float = 20.0,
        frame_id: str = 'front_optical',
    ) -> None:
        self._node = node
        self._message = message
        self._frame_id = frame_id
        self.fill = fill
        self.stamp: Callable[[], Any] = lambda: node.get_clock().now().to_msg()
        self.stamps: list[tuple[int, int]] = []
        self._publisher = node.create_publisher(message, topic, qos)
        self._timer = node.create_timer(1 / rate, self.publish)

    def sent(self, message: Any) -> bool:
        """Returns whether a message has a stamp of this stream, not of an earlier one."""
        return stamp_of(message) in self.stamps

    def close(self) -> None:
        """Destroys timer and publisher."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._publisher)

    def pause(self) -> None:
        """Publishes only on calls of `publish`; call this in the spinning thread."""
        self._timer.cancel()

    def publish(self) -> None:
        """Publishes one message now; call this in the spinning thread."""
        message = self._message()
        self.fill(message)
        message.header.stamp = self.stamp()
        message.header.frame_id = self._frame_id
        self.stamps.append(stamp_of(message))
        self._publisher.publish(message)


class Process:
    """A program under test, whose output is read continuously."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], stdin: int | None = None
    ) -> None:
        # No test should select a Fast DDS profile by accident.
        inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        self._process = subprocess.Popen(
            command,
            env={**inherited, **environment},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._arrival = threading.Condition()
        self._lines: list[str] = []
        self._skipped = 0
        self._closed = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def output(self) -> str:
        """The output so far."""
        with self._arrival:
            return ''.join(self._lines)

    def skip_output(self) -> None:
        """Makes `wait_for_output` look only at lines that come from now on."""
        with self._arrival:
            self._skipped = len(self._lines)

    def wait_for_output(self, pattern: str, timeout: float = TIMEOUT) -> str:
        """Waits for a line that matches a regular expression; returns the first one.

        Raises:
            AssertionError: No line matched in time, or before the program ended.
        """

        def matches() -> list[str]:
            lines = self._lines[self._skipped :]
            return [line for line in lines if re.search(pattern, line)]

        with self._arrival:
            self._arrival.wait_for(lambda: self._closed or matches(), timeout)
            found = matches()
        assert found, f'no {pattern!r} in:\n{self.output}'
        return found[0]

    def send(self, number: signal.Signals) -> None:
        """Sends a signal."""
        self._process.send_signal(number)

    def wait(self, timeout: float = TIMEOUT) -> int:
        """Waits for the program to end; returns the exit code."""
        code = self._process.wait(timeout)
        self._reader.join()
        return code

    def close(self) -> None:
        """Interrupts the program, and kills it if it does not end.

        It is not killed at once, because that would leave its DDS segments in shared memory.
        """
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(TIME_TO_END)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._arrival:
                self._lines.append(line)
                self._arrival.notify_all()
        with self._arrival:
            self._closed = True
            self._arrival.notify_all()


@contextmanager
def running(
    command: Sequence[str],
    domain: int,
    environment: Mapping[str, str] | None = None,
    stdin: int | None = None,
) -> Iterator[Process]:
    """Runs a program on a DDS domain, and ends it on exit."""
    environment = {'ROS_DOMAIN_ID': str(domain), 'OMP_NUM_THREADS': '1', **(environment or {})}
    process = Process(command, environment, stdin)
    try:
        yield process
    finally:
        process.close()


def parameter_arguments(**parameters: object) -> list[str]:
    """Returns the arguments that set parameters of a node, to be put after `--ros-args`."""
    return [word for name, value in parameters.items() for word in ('-p', f'{name}:={value}')]


@contextmanager
def running_node(
    domain: int,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    **parameters: object,
) -> Iterator[Process]:
    """Runs the node; enters once the node waits for its cameras."""
    with running(node_command(*arguments, **parameters), domain, environment) as process:
        process.wait_for_output('waiting for')
        yield process


def state_of(peer: Peer) -> str:
    """Returns the lifecycle state of the node."""
    label: str = peer.call(GetState, '/segmenter/get_state', GetState.Request()).current_state.label
    return label


def change(peer: Peer, transition: int) -> str:
    """Requests a transition; returns the state after it.

    Not whether the transition succeeded: a repeated call would tell that it is not possible.
    """
    request = ChangeState.Request(transition=Transition(id=transition))
    peer.call(ChangeState, '/segmenter/change_state', request)
    return state_of(peer)


def set_parameter(peer: Peer, name: str, value: object) -> SetParametersResult:
    """Sets a parameter of the node as `ros2 param set` does, which guesses the type from a text."""
    parameter = Parameter(name=name, value=get_parameter_value(str(value)))
    return set_parameters(peer, [parameter])[0]


def set_parameters(peer: Peer, parameters: Sequence[Parameter]) -> Sequence[SetParametersResult]:
    """Sets parameters of the node, one after the other."""
    request = SetParameters.Request(parameters=parameters)
    results: Sequence[SetParametersResult] = peer.call(
        SetParameters, '/segmenter/set_parameters', request
    ).results
    return results


def get_parameters(peer: Peer, *names: str) -> Sequence[ParameterValue]:
    """Gets parameters of the node as `ros2 param get` does; type 0 for those that do not exist."""
    request = GetParameters.Request(names=names)
    values: Sequence[ParameterValue] = peer.call(
        GetParameters, '/segmenter/get_parameters', request
    ).values
    return values


def stamp_of(message: Any) -> tuple[int, int]:
    """Returns (sec, nanosec) of a message's header."""
    return message.header.stamp.sec, message.header.stamp.nanosec


def status_of(array: DiagnosticArray, name: str) -> DiagnosticStatus:
    """Returns a status of the node, such as `camera`; an empty one where it is not there."""
    found = (status for status in array.status if status.name == f'segmenter: {name}')
    return next(found, DiagnosticStatus(level=DiagnosticStatus.STALE))


def values_of(array: DiagnosticArray, name: str) -> dict[str, str]:
    """Returns the values of a status by key."""
    return {value.key: value.value for value in status_of(array, name).values}


def pixels_of(image: Image) -> npt.NDArray[np.uint8]:
    """Returns the pixels, (H, W) or (H, W, C), of an image whose rows are not padded."""
    pixels = np.frombuffer(image.data, np.uint8)
    channels = image.step // image.width
    shape = (image.height, image.width, channels) if channels > 1 else (image.height, image.width)
    return pixels.reshape(shape)


def image_message(frame: npt.NDArray[np.uint8]) -> SimpleNamespace:
    """Returns the fields of an Image that the worker reads."""
    header = SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=2))
    return SimpleNamespace(header=header, **image_fields(frame, 'bgr8'))


def street(height: int, width: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Returns (height, width, 3) BGR in which even untrained networks find several classes."""
    generator = np.random.default_rng(seed)
    blocks = generator.integers(0, 256, (6, 8, 3), np.uint8)
    rows = np.arange(height) * 6 // height
    columns = np.arange(width) * 8 // width
    return np.ascontiguousarray(blocks[rows][:, columns])


def fill_with(pixels: npt.NDArray[np.uint8], encoding: str) -> Callable[[Image], None]:
    """Returns a function that fills an image message with pixels."""

    def fill(message: Image) -> None:
        for name, value in image_fields(pixels, encoding).items():
            setattr(message, name, to_array(value) if name == 'data' else value)

    return fill


def write_parameters(path: Path, text: str) -> Path:
    """Writes a parameter file for the node."""
    path.write_text(f'segmenter:\n  ros__parameters:\n    {text}\n')
    return path
