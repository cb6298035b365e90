# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the statuses say; that they reach /diagnostics is tested with the node."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from ros_peers import image_message, street

from bisenet_ros.batching import choose_batching
from bisenet_ros.camera_ground import CameraGround
from bisenet_ros.camera_slot import CameraSlot, CameraState, FrameCounts
from bisenet_ros.node.camera_task import CameraTask, judge
from bisenet_ros.node.engine_task import EngineTask, ProcessingTime
from bisenet_ros.node.image_link import ImageLink, Offer
from bisenet_ros.node.statistics import Arrivals, Durations
from bisenet_ros.node.status import ERROR, OK, WARN, Status, Task
from bisenet_ros.node.worker import Worker
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.settings import Settings
from bisenet_ros.trust.monitor import ClaimMonitor

IMAGE = 'sensor_msgs/msg/Image'
CONNECTED = ImageLink(
    topic='/front/image',
    type=IMAGE,
    reliable=True,
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
        self.monitor = ClaimMonitor()
        self.log = Log()
        self.task = CameraTask(
            self.slot,
            lambda: self.link,
            self.age_ms,
            self.ground,
            lambda: self.ground_wanted,
            self.monitor,
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
        assert 'almost no frames arrive' in run(camera.task).message
        camera.receive()
        message = run(camera.task)
        assert (message.level, message.message) == (
            WARN,
            'frames are arriving again, but not yet for camera_timeout',
        )
    assert len(camera.log.lines) == 1


def test_another_reason_is_logged_again(camera: Camera) -> None:
    camera.time_out()
    run(camera.task)
    camera.link = replace(CONNECTED, offers=())
    run(camera.task)
    assert len(camera.log.lines) == 2


def test_frames_that_get_lost_are_told_once_and_so_is_their_end(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = time.monotonic()
    monkeypatch.setattr(time, 'monotonic', lambda: seconds)
    camera.link = replace(CONNECTED, reliable=False)

    def pass_on(received: int, lost: int) -> DiagnosticStatus:
        nonlocal seconds
        seconds += 1.0
        for _ in range(received):
            camera.receive()
        camera.slot.count_lost(lost)
        return run(camera.task)

    for _ in range(3):
        message = pass_on(received=5, lost=20)
        assert message.level == WARN
        seconds += 1.0
        camera.time_out()  # of the few that get through, none comes for a while
        assert run(camera.task).level == ERROR
    assert '60 of 75 frames of /front/image got lost on the way' in message.message
    assert values(message)['frames_lost'] == '60'
    (line,) = camera.log.lines
    assert '20 of 25 frames of /front/image got lost on the way' in line
    for _ in range(3):  # a fourth of them is still too many to say that all is well
        message = pass_on(received=15, lost=5)
        assert message.level == WARN
    for _ in range(3):
        message = pass_on(received=25, lost=0)
    assert message.level == WARN, 'they have come for too short a time'
    camera.settings = SimpleNamespace(camera_timeout=1.0)
    for _ in range(3):
        seconds += 1.0
        for _ in range(25):
            camera.slot.put('frame', seconds)
        message = run(camera.task)
    assert message.level == OK
    assert camera.log.lines[1:] == ['camera front: frames arrive']


def test_a_slow_camera_and_its_end_are_reported(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = time.monotonic()
    monkeypatch.setattr(time, 'monotonic', lambda: seconds)
    camera.settings = SimpleNamespace(camera_timeout=2.0)
    levels = []
    for rate in (30, 30, 30, 30, 30, 5, 5, 5, 30, 30, 30):
        seconds += 1.0
        for _ in range(rate):
            camera.slot.put('frame', seconds)
        levels.append(run(camera.task).level)
    assert levels == [OK] * 6 + [WARN] * 4 + [OK]
    assert camera.log.lines == [
        'camera front: only 13.3 frames per second arrive; 30.0 before',
        'camera front: frames arrive',
    ]


def test_time_in_which_no_callback_ran_is_no_silence_of_the_camera(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = time.monotonic()
    monkeypatch.setattr(time, 'monotonic', lambda: seconds)
    camera.receive()
    camera.settings = SimpleNamespace(camera_timeout=2.0)
    assert run(camera.task).level == OK
    seconds += 30.0
    assert run(camera.task).level == OK, 'frames may be waiting to be taken'
    for _ in range(2):
        seconds += 1.0
        assert run(camera.task).level == OK
    seconds += 1.0
    assert run(camera.task).level == ERROR


def test_two_publishers_of_one_topic_are_reported(camera: Camera) -> None:
    camera.receive()
    camera.link = replace(CONNECTED, offers=2 * CONNECTED.offers)
    message = run(camera.task)
    assert (message.level, message.message) == (
        WARN,
        '/front/image has 2 publishers; frames of all are segmented in order of arrival. Stop all'
        ' but one if this is not intended',
    )


def test_publishers_of_another_type_are_no_publishers_of_frames(camera: Camera) -> None:
    camera.receive()
    other = Offer('sensor_msgs/msg/CompressedImage', reliable=True)
    camera.link = replace(CONNECTED, offers=(*CONNECTED.offers, other))
    message = run(camera.task)
    assert (message.level, message.message) == (OK, 'frames arrive')
    assert values(message)['publishers'] == '1'
    camera.link = replace(CONNECTED, offers=(other,))
    message = run(camera.task)
    assert message.level == WARN
    assert 'is published as sensor_msgs/msg/CompressedImage' in message.message


def test_malformed_frames_warn_while_they_come(camera: Camera) -> None:
    for _ in range(2):
        camera.receive()
        camera.slot.take()
        camera.slot.count_malformed('the image is 0x0', time.monotonic())
        for _ in range(2):  # of a camera slower than diagnostics, too
            message = run(camera.task)
            assert (message.level, message.message) == (
                WARN,
                'malformed frames are dropped: the image is 0x0',
            )
    camera.slot.note_decoded()
    assert run(camera.task).level == OK


def test_a_camera_without_a_frame_that_can_be_decoded_is_an_error_that_is_logged_once(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = time.monotonic()
    monkeypatch.setattr(time, 'monotonic', lambda: seconds)
    camera.settings = SimpleNamespace(camera_timeout=2.0)
    levels = []
    for _ in range(6):
        camera.slot.put('frame', seconds)
        camera.slot.take()
        camera.slot.count_malformed('the image is 0x0', seconds)
        for _ in range(2):
            message = run(camera.task)
            levels.append(message.level)
        seconds += 1.5
    assert levels == 4 * [WARN] + 8 * [ERROR]
    assert message.message == 'no frame can be decoded: the image is 0x0'
    camera.slot.put('frame', seconds)
    camera.slot.note_decoded()
    assert run(camera.task).level == OK
    assert camera.log.lines == [f'camera front: {message.message}', 'camera front: frames arrive']


LOSSY, SLOW = Arrivals(), Arrivals()
LOSSY.add(1.0, received=5, lost=20)
for _rate in (30, 30, 30, 30, 30, 5, 5, 5):
    SLOW.add(1.0, received=_rate, lost=0)
BROKEN = CameraState(FrameCounts(received=9), last_error='0x0', first_refused=1.0, last_refused=4.0)
NOBODY = replace(CONNECTED, offers=())


@pytest.mark.parametrize(
    ('facts', 'level', 'beginning'),
    [
        ({'timed_out': True, 'state': BROKEN, 'arrivals': LOSSY}, ERROR, '/front/image has a pub'),
        ({'timed_out': True, 'link': NOBODY}, ERROR, 'nobody publishes /front/image'),
        ({'link': NOBODY, 'state': BROKEN}, WARN, 'nobody publishes /front/image'),
        ({'state': BROKEN, 'arrivals': LOSSY}, ERROR, 'no frame can be decoded: 0x0'),
        ({'state': BROKEN, 'timeout': 3.0}, OK, 'frames arrive'),
        ({'arrivals': LOSSY, 'recovering': True}, WARN, '20 of 25 frames of /front/image got lost'),
        (
            {'arrivals': SLOW, 'recovering': True},
            WARN,
            'only 5.0 frames per second arrive; 30.0 bef',
        ),
        ({'recovering': True, 'steady': False}, WARN, 'frames are arriving again, but not yet'),
        ({'recovering': True}, OK, 'frames arrive'),
        ({'steady': False}, OK, 'frames arrive'),
        ({'state': CameraState()}, OK, 'waiting for a frame'),
    ],
)
def test_the_worst_about_a_cameras_frames(
    facts: dict[str, Any], level: bytes, beginning: str
) -> None:
    usual = {
        'state': CameraState(FrameCounts(received=9)),
        'link': CONNECTED,
        'arrivals': Arrivals(),
        'timeout': 2.0,
        'timed_out': False,
        'steady': True,
        'recovering': False,
    }
    finding = judge(**{**usual, **facts})
    assert (finding.level, finding.text[: len(beginning)]) == (level, beginning)


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


def test_a_batch_that_does_not_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = time.monotonic()
    monkeypatch.setattr(time, 'monotonic', lambda: seconds)
    settings = Settings(
        max_allowed_processing_time_ms=200.0, max_acceptable_consecutive_delay_ms=1000.0
    )
    processing = ProcessingTime(lambda: settings)

    def report() -> tuple[bytes, str]:
        status = Status('engine')
        processing.report(status)
        return status.message.level, status.message.message

    with processing.batch(decode_ms=10.0):
        seconds += 1.1
        assert report() == (OK, '')
        seconds += 0.2
        assert report() == (ERROR, 'a batch has been running for 1.3 s')
    assert report() == (WARN, 'processing took 1310 ms, over the allowed 200 ms')


def test_a_batch_that_fails_is_not_counted() -> None:
    processing = ProcessingTime(Settings)
    with pytest.raises(RuntimeError), processing.batch(decode_ms=0.0):
        raise RuntimeError('CUDA error')
    status = Status('engine')
    processing.report(status)
    assert status.message.values == []


def test_the_engine_from_unconfigured_to_running(weights: Path) -> None:
    arrival = threading.Condition()
    slot = CameraSlot('', arrival)
    settings = Settings(max_allowed_processing_time_ms=60000.0)  # of a busy machine, too
    processing = ProcessingTime(lambda: settings)
    ended = threading.Event()

    @contextmanager
    def timed(decode_ms: float) -> Iterator[None]:
        with processing.batch(decode_ms):
            yield
        ended.set()

    worker = Worker(
        [slot],
        arrival,
        load=lambda: Segmenter.load(weights, device='cpu', precision='fp32'),
        batching=lambda segmenter: choose_batching(segmenter, cameras=1),
        deliver=lambda *_: None,
        timed=timed,
        max_rate=lambda: 0.0,
        logger=Log(),
    )
    workers: list[Worker] = []
    loading = True
    task = EngineTask(lambda: workers[0] if workers else None, processing, lambda: loading)

    message = run(task)
    assert (message.level, message.message) == (WARN, 'the network is being loaded')
    loading = False
    message = run(task)
    assert (message.level, message.message) == (WARN, 'the node is not configured')
    workers.append(worker)
    message = run(task)
    assert (message.level, message.message) == (WARN, 'the node is not active')
    worker.start(lambda _: None)
    try:
        slot.put(image_message(street(96, 128)), time.monotonic())
        assert ended.wait(timeout=90)
        message = run(task)
        assert (message.level, message.message) == (OK, 'running')
        shown = values(message)
        assert shown['device'] == 'cpu'
        assert shown['precision'] == 'fp32'
        assert shown['network_size'] == '128x96'
        assert shown['weights'] == str(weights)
        assert (shown['loading'], shown['fallback']) == ('False', 'none')
        assert (shown['claim'], shown['anomaly']) == ('none', 'none')
        assert shown['batching'] == 'one after the other'
        assert shown['batching_reason'] == 'there is one camera'
        assert 0 < float(shown['processing_time_ms_p50']) <= float(shown['processing_time_ms_p99'])
        worker.segmenter._engine.notes.append('no CUDA graph')
        message = run(task)
        assert (message.level, message.message) == (WARN, 'no CUDA graph')
        worker.segmenter._engine.notes.clear()
        processing.add(70000.0)
        assert run(task).message == 'processing took 70000 ms, over the allowed 60000 ms'
        worker.enable(False)
        message = run(task)
        assert (message.level, message.message) == (OK, 'paused by ~/enable')
        worker.device_failure = 'CUDA out of memory'
        message = run(task)
        assert (message.level, message.message) == (
            ERROR,
            'the device failed: CUDA out of memory',
        )
    finally:
        worker.stop()


def test_doubt_about_the_claim_is_a_warning(camera: Camera) -> None:
    camera.receive()
    assert values(run(camera.task))['claim_doubt'] == 'none'
    camera.monitor.doubt = 'it is night'
    status = run(camera.task)
    assert status.level == WARN
    assert status.message == 'the stated error rate may no longer hold: it is night'
    assert values(status)['claim_doubt'] == 'it is night'


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
