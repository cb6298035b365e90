# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the statuses say; that they reach /diagnostics is tested with the node."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from ros_peers import image_message, street

from bisenet_ros.batching import choose_batching
from bisenet_ros.camera_ground import CameraGround
from bisenet_ros.camera_slot import CameraSlot
from bisenet_ros.node.diagnostics import (
    ERROR,
    OK,
    WARN,
    CameraTask,
    EngineTask,
    ProcessingTime,
    Status,
    Task,
)
from bisenet_ros.node.image_link import ImageLink, Offer
from bisenet_ros.node.statistics import Durations
from bisenet_ros.node.worker import Worker
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.settings import Settings

IMAGE = 'sensor_msgs/msg/Image'
CONNECTED = ImageLink(
    topic='/front/image',
    type=IMAGE,
    reliable=True,
    transport='raw',
    offers=(Offer(IMAGE, reliable=True),),
)


class Log:
    """A logger that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(message)

    warning = error = info


class Camera:
    """A camera's status with its surroundings."""

    def __init__(self) -> None:
        self.slot = CameraSlot('front', threading.Condition())
        self.link = CONNECTED
        self.settings = SimpleNamespace(camera_timeout=3600.0)
        self.age_ms = Durations()
        self.ground = CameraGround('front', Settings)
        self.ground_wanted = False
        self.log = Log()
        self.task = CameraTask(
            self.slot,
            lambda: self.link,
            self.age_ms,
            self.ground,
            lambda: self.ground_wanted,
            lambda: self.settings,
            self.log,
        )

    def receive(self) -> None:
        """One frame, just now."""
        self.settings = SimpleNamespace(camera_timeout=3600.0)
        self.slot.put('frame', time.monotonic())

    def receive_steadily(self) -> None:
        """Frames over a time that is longer than the time-out."""
        now = time.monotonic()
        for moment, timeout in ((now - 100.0, 3600.0), (now, 50.0)):
            self.settings = SimpleNamespace(camera_timeout=timeout)
            self.slot.put('frame', moment)
            run(self.task)

    def time_out(self) -> None:
        """Let whatever time has passed be too long."""
        self.settings = SimpleNamespace(camera_timeout=0.0)


@pytest.fixture
def camera() -> Camera:
    return Camera()


def run(task: Task) -> DiagnosticStatus:
    status = Status(task.name)
    task.run(status)
    return status.message


def values(message: DiagnosticStatus) -> dict[str, str]:
    return {value.key: value.value for value in message.values}


def test_the_worst_level_wins_and_messages_of_one_level_are_joined() -> None:
    status = Status('engine')
    status.summary(OK, 'running')
    status.summary(WARN, 'slow')
    status.summary(WARN, 'hot')
    status.summary(OK, 'paused')
    assert (status.message.level, status.message.message) == (WARN, 'slow; hot')


def test_a_camera_whose_frames_arrive(camera: Camera) -> None:
    for _ in range(3):
        camera.receive()
    camera.slot.take()
    camera.slot.count_published()
    for age in range(1, 101):
        camera.age_ms.add(float(age))
    message = run(camera.task)
    assert (message.level, message.message) == (OK, 'frames arrive')
    assert message.hardware_id == '/front/image'
    shown = values(message)
    assert shown['topic'] == '/front/image'
    assert shown['reliability'] == 'reliable'
    assert (shown['frames_in'], shown['frames_out'], shown['frames_dropped']) == ('3', '1', '2')
    assert float(shown['fps_in']) == pytest.approx(3 * float(shown['fps_out']), rel=0.01)
    assert shown['pipeline_latency_ms_p50'] == '50.500'
    assert shown['pipeline_latency_ms_p99'] == '99.010'
    assert camera.log.lines == []


def test_nobody_publishes_yet_and_still_nobody(camera: Camera) -> None:
    camera.link = replace(CONNECTED, offers=())
    message = run(camera.task)
    assert message.level == WARN
    assert 'nobody publishes /front/image' in message.message
    assert camera.log.lines == [], 'a camera may take its time to start'
    camera.time_out()
    assert run(camera.task).level == ERROR


def test_silence_is_an_error_that_is_logged_once_and_so_is_its_end(camera: Camera) -> None:
    camera.time_out()
    for _ in range(3):
        message = run(camera.task)
        assert message.level == ERROR
    assert camera.log.lines == [f'camera front: no frames: {message.message}']
    camera.receive_steadily()
    assert run(camera.task).level == OK
    assert camera.log.lines[1:] == ['camera front: frames arrive']


def test_a_camera_that_stops_is_told_from_one_that_was_never_well(camera: Camera) -> None:
    camera.receive_steadily()
    camera.time_out()
    assert run(camera.task).message == '/front/image has a publisher, but it sends nothing any more'


def test_a_frame_now_and_then_is_no_end_of_the_silence(camera: Camera) -> None:
    camera.link = replace(CONNECTED, reliable=False)
    for _ in range(3):
        camera.time_out()
        assert 'hardly a frame arrives' in run(camera.task).message
        camera.receive()
        assert run(camera.task).level == OK
    assert len(camera.log.lines) == 1


def test_another_reason_is_logged_again(camera: Camera) -> None:
    camera.time_out()
    run(camera.task)
    camera.link = replace(CONNECTED, offers=())
    run(camera.task)
    assert len(camera.log.lines) == 2


def test_malformed_frames_warn_while_they_come(camera: Camera) -> None:
    camera.receive()
    camera.slot.take()
    camera.slot.count_malformed('the image is 0x0')
    message = run(camera.task)
    assert (message.level, message.message) == (
        WARN,
        '1 malformed frames dropped: the image is 0x0',
    )
    assert run(camera.task).level == OK


def test_processing_time_has_the_keys_of_autoware() -> None:
    settings = Settings(
        max_allowed_processing_time_ms=100.0, max_acceptable_consecutive_delay_ms=0.0
    )
    processing = ProcessingTime(lambda: settings)

    def report() -> DiagnosticStatus:
        status = Status('engine')
        processing.report(status)
        return status.message

    assert report().values == []
    processing.add(100.0)
    message = report()
    shown = values(message)
    assert message.level == OK
    assert shown['is_processing_time_ms_in_expected_range'] == 'True'
    assert shown['is_consecutive_processing_delay_in_range'] == 'True'

    processing.add(101.0)
    message = report()
    shown = values(message)
    assert (message.level, message.message) == (
        WARN,
        'processing took 101 ms, over the allowed 100 ms',
    )
    assert shown['is_processing_time_ms_in_expected_range'] == 'False'
    assert shown['is_consecutive_processing_delay_in_range'] == 'True', 'this is the first one'

    processing.add(101.0)
    message = report()
    assert message.level == ERROR
    assert values(message)['is_consecutive_processing_delay_in_range'] == 'False'

    processing.add(99.0)
    assert report().level == OK
    processing.clear()
    assert report().values == []


def test_the_engine_from_unconfigured_to_running(weights: Path) -> None:
    arrival = threading.Condition()
    slot = CameraSlot('', arrival)
    settings = Settings()
    processing = ProcessingTime(lambda: settings)
    delivered = threading.Event()
    worker = Worker(
        [slot],
        arrival,
        load=lambda: Segmenter.load(weights, device='cpu', precision='fp32'),
        batching=lambda segmenter: choose_batching(segmenter, cameras=1),
        deliver=lambda *_: None,
        processed=lambda ms: (processing.add(ms), delivered.set()),
        max_rate=lambda: 0.0,
        logger=Log(),
    )
    workers: list[Worker] = []
    task = EngineTask(lambda: workers[0] if workers else None, processing, lambda: 'tiny')

    message = run(task)
    assert (message.level, message.message) == (WARN, 'the node is not configured')
    workers.append(worker)
    message = run(task)
    assert (message.level, message.message) == (WARN, 'the node is not active')
    worker.start(lambda _: None)
    try:
        slot.put(image_message(street(96, 128)), time.monotonic())
        assert delivered.wait(timeout=90)
        message = run(task)
        assert (message.level, message.message) == (OK, 'running')
        shown = values(message)
        assert shown['device'] == 'cpu'
        assert shown['precision'] == 'fp32'
        assert shown['network_size'] == '128x96'
        assert shown['weights'] == 'tiny'
        assert shown['batching'] == 'one after the other'
        assert shown['batching_reason'] == 'there is one camera'
        assert 0 < float(shown['processing_time_ms_p50']) <= float(shown['processing_time_ms_p99'])
        worker.segmenter._engine.notes.append('no CUDA graph')
        message = run(task)
        assert (message.level, message.message) == (WARN, 'no CUDA graph')
        worker.segmenter._engine.notes.clear()
        worker.enable(False)
        assert run(task).message == 'paused by ~/enable'
        worker.device_failure = 'CUDA out of memory'
        message = run(task)
        assert (message.level, message.message) == (
            ERROR,
            'the device failed: CUDA out of memory',
        )
    finally:
        worker.stop()


def test_why_there_is_no_ground_is_said_once_to_who_wants_it(camera: Camera) -> None:
    camera.receive()
    message = SimpleNamespace(header=SimpleNamespace(frame_id='optical', stamp=None))
    seen = SimpleNamespace(size=(32, 32), ego=None)
    assert camera.ground.of_frame(message, (32, 32), seen, None) is None
    assert values(run(camera.task))['pose'] == 'missing'
    assert run(camera.task).level == OK

    camera.ground_wanted = True
    for _ in range(4):
        status = run(camera.task)
    assert status.level == WARN
    assert 'no grid and no scan: the pose of the camera is not known: set front.mounting' in (
        status.message
    )
    (line,) = camera.log.lines
    assert line.startswith('camera front: no grid and no scan: the pose of the camera is not known')
