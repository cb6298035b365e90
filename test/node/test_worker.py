# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The worker; where a device is to fail, with a network that does."""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from cpu_marks import needs_bf16
from ros_peers import image_message, street
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros.batching import Batching
from bisenet_ros.camera_pipeline import SegmentedFrame
from bisenet_ros.camera_slot import CameraSlot
from bisenet_ros.engine.device_failure import DeviceFailure, DeviceLostError, device_failure
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import IGNORE
from bisenet_ros.model_settings import ModelSettings
from bisenet_ros.node import worker as worker_module
from bisenet_ros.node.worker import Worker
from bisenet_ros.segmentation import Segmentation
from bisenet_ros.segmenter import Segmenter

TIMEOUT = 90.0

Frame = npt.NDArray[np.uint8]


class Log:
    """A logger whose lines can be waited for."""

    def __init__(self) -> None:
        self.lines: queue.Queue[str] = queue.Queue()

    def info(self, message: str) -> None:
        self.lines.put(message)

    warning = error = info


class Bench:
    """A worker with its surroundings."""

    def __init__(
        self, load: Callable[[], Any], cameras: Sequence[str] = ('',), *, together: bool = True
    ) -> None:
        self.arrival = arrival = threading.Condition()
        self.slots = [CameraSlot(name, arrival) for name in cameras]
        self.log = Log()
        self.results: queue.Queue[SegmentedFrame] = queue.Queue()
        self.decode_ms: queue.Queue[float] = queue.Queue()
        self.ended: Future[None] = Future()
        self.max_rate = 0.0
        self.worker = Worker(
            self.slots,
            arrival,
            load=load,
            batching=lambda _: Batching(together, 'the test says so'),
            deliver=self._deliver,
            timed=self._timed,
            max_rate=lambda: self.max_rate,
            logger=self.log,
        )

    def start(self) -> None:
        self.worker.start(self._on_ended)

    def put(self, frame: Frame, camera: int = 0) -> None:
        self.put_message(image_message(frame), camera)

    def put_message(self, message: Any, camera: int = 0) -> None:
        self.slots[camera].put(message, time.monotonic())

    def slot_of(self, frame: SegmentedFrame) -> CameraSlot:
        (slot,) = (slot for slot in self.slots if slot.name == frame.camera)
        return slot

    def result(self) -> SegmentedFrame:
        return self.results.get(timeout=TIMEOUT)

    def _on_ended(self, work: Future[None]) -> None:
        error = work.exception()
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)

    def _timed(self, decode_ms: float) -> AbstractContextManager[None]:
        self.decode_ms.put(decode_ms)
        return nullcontext()

    def _deliver(self, frame: SegmentedFrame) -> None:
        self.slot_of(frame).count_published()
        self.results.put(frame)


class Faulty:
    """A segmenter whose device fails for the first calls, then works.

    Attributes:
        again: Makes what takes its place; that is the sound one if nothing else is said.
    """

    notes = ()

    def __init__(
        self,
        segmenter: Segmenter,
        errors: Sequence[Exception],
        again: Callable[[], Any] | None = None,
    ) -> None:
        self._segmenter = segmenter
        self._errors = list(errors)
        self.again = again or (lambda: segmenter)

    def close(self) -> None:
        self._errors = [AssertionError('it was used after it was closed')]

    def apply(self, settings: ModelSettings) -> None:
        self.settings = settings

    def batch(self, frames: Sequence[Frame], *ego_masks: Any) -> list[Segmentation]:
        if self._errors:
            raise self._errors.pop(0)
        return self._segmenter.batch(frames, *ego_masks)


class Gated:
    """A segmenter that waits to be let through, as a slow device does."""

    notes = ()

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self.entered = threading.Semaphore(0)
        self.let_through = threading.Semaphore(0)
        self.batches: list[int] = []

    def batch(self, frames: Sequence[Frame], *ego_masks: Any) -> list[Segmentation]:
        self.batches.append(len(frames))
        self.entered.release()
        assert self.let_through.acquire(timeout=TIMEOUT)
        return self._segmenter.batch(frames, *ego_masks)


@pytest.fixture(scope='module')
def segmenter(weights: Path) -> Segmenter:
    return Segmenter.load(weights, device='cpu')


@pytest.fixture
def make(segmenter: Segmenter) -> Iterator[Callable[..., Bench]]:
    """Makes started workers, and stops them."""
    benches: list[Bench] = []

    def make(load: Callable[[], Any] = lambda: segmenter, *args: Any, **options: Any) -> Bench:
        bench = Bench(load, *args, **options)
        benches.append(bench)
        bench.start()
        return bench

    yield make
    for bench in benches:
        bench.worker.stop()


def test_a_frame_is_segmented_as_the_segmenter_does_it(
    make: Callable[..., Bench], segmenter: Segmenter
) -> None:
    bench = make()
    frame = street(96, 128)
    bench.put(frame)
    result = bench.result()
    expected = segmenter(frame)
    assert np.shares_memory(result.pixels, frame)
    np.testing.assert_array_equal(result.segmentation.labels, expected.labels)
    np.testing.assert_array_equal(result.segmentation.drivable, expected.drivable)
    assert result.inference_ms > 0
    assert bench.decode_ms.get(timeout=TIMEOUT) == result.decode_ms


def test_overload_drops_all_but_the_newest(
    make: Callable[..., Bench], segmenter: Segmenter
) -> None:
    gated = Gated(segmenter)
    bench = make(lambda: gated)
    frames = [street(96, 128, seed) for seed in range(6)]
    bench.put(frames[0])
    assert gated.entered.acquire(timeout=TIMEOUT)
    for frame in frames[1:]:  # while the device is busy
        bench.put(frame)
    gated.let_through.release(2)
    assert np.shares_memory(bench.result().pixels, frames[0])
    assert np.shares_memory(bench.result().pixels, frames[5])
    counts = bench.slots[0].state.counts
    assert (counts.received, counts.published, counts.dropped) == (6, 2, 4)


def test_cameras_share_an_inference_and_a_silent_one_blocks_nobody(
    make: Callable[..., Bench], segmenter: Segmenter
) -> None:
    gated = Gated(segmenter)
    bench = make(lambda: gated, cameras=('front', 'left', 'silent'))
    said = bench.log.lines.get_nowait()
    assert said == '3 cameras are segmented together: the test says so'
    bench.put(street(96, 128, 0), camera=0)
    assert gated.entered.acquire(timeout=TIMEOUT)
    bench.put(street(96, 128, 1), camera=0)
    bench.put(street(64, 80, 2), camera=1)
    gated.let_through.release(2)
    results = [bench.result() for _ in range(3)]
    assert gated.batches == [1, 2]
    assert [result.camera for result in results] == ['front', 'front', 'left']
    assert results[2].segmentation.labels.shape == (64, 80)


def test_a_frame_may_be_dropped_while_another_one_of_its_batch_is_decoded(
    make: Callable[..., Bench],
) -> None:
    bench = make(cameras=('front', 'left'))

    class Message(SimpleNamespace):
        @property
        def encoding(self) -> str:
            bench.slots[1].take()  # as `~/enable` does at the end of a pause
            return 'bgr8'

    fields = vars(image_message(street(96, 128)))
    del fields['encoding']
    bench.worker.enable(False)
    bench.put_message(Message(**fields), camera=0)
    bench.put(street(64, 80), camera=1)
    bench.worker.enable(True)
    assert bench.result().camera == 'front'
    bench.put(street(64, 80), camera=1)
    assert bench.result().camera == 'left'


def test_one_after_the_other_each_camera_is_asked_for_its_newest_frame_when_its_turn_comes(
    make: Callable[..., Bench], segmenter: Segmenter
) -> None:
    gated = Gated(segmenter)
    bench = make(lambda: gated, cameras=('front', 'left', 'silent'), together=False)
    old, new = street(64, 80, 1), street(64, 80, 2)
    bench.worker.enable(False)
    bench.put(street(96, 128), camera=0)
    bench.put(old, camera=1)
    bench.worker.enable(True)
    assert gated.entered.acquire(timeout=TIMEOUT)
    bench.put(new, camera=1)  # while the front camera's frame is in the network
    gated.let_through.release(2)
    front, left = bench.result(), bench.result()
    assert gated.batches == [1, 1]
    assert (front.camera, left.camera) == ('front', 'left')
    assert np.shares_memory(left.pixels, new)
    assert bench.slots[1].state.counts.dropped == 1


def test_stop_does_not_wait_for_the_cameras_whose_turn_has_not_come(
    make: Callable[..., Bench], segmenter: Segmenter
) -> None:
    gated = Gated(segmenter)
    bench = make(lambda: gated, cameras=('front', 'left'), together=False)
    bench.worker.enable(False)
    for camera in range(2):
        bench.put(street(96, 128), camera)
    bench.worker.enable(True)
    assert gated.entered.acquire(timeout=TIMEOUT)
    stopper = threading.Thread(target=bench.worker.stop)
    with bench.arrival:
        stopper.start()
        assert bench.arrival.wait(TIMEOUT)  # it is told to
    gated.let_through.release()
    stopper.join(TIMEOUT)
    assert not stopper.is_alive()
    assert gated.batches == [1]


@pytest.mark.parametrize('precision', ['fp32', pytest.param('bf16', marks=needs_bf16)])
@pytest.mark.parametrize('network_size', [(100, 80), (256, 128)])
def test_labels_are_the_same_with_one_camera_and_with_three_batched(
    make: Callable[..., Bench], weights: Path, precision: str, network_size: tuple[int, int]
) -> None:
    segmenter = Segmenter.load(
        weights, device='cpu', precision=precision, engine='torch', network_size=network_size
    )
    frames = [street(96, 128, 1), street(240, 320, 2), street(333, 200, 3)]
    bench = make(lambda: segmenter, cameras=('front', 'left', 'right'))
    bench.worker.enable(False)  # so that all are there when it begins
    for camera, frame in enumerate(frames):
        bench.put(frame, camera)
    bench.worker.enable(True)
    results = [bench.result().segmentation for _ in frames]
    bench.worker.stop()
    for frame, batched in zip(frames, results, strict=True):
        alone = segmenter(frame)
        assert len(np.unique(alone.labels)) > 1
        np.testing.assert_array_equal(batched.labels, alone.labels)
        np.testing.assert_array_equal(batched.confidence, alone.confidence)
        np.testing.assert_array_equal(batched.drivable, alone.drivable)


def test_malformed_frames_are_counted_and_reported_once_in_a_while(
    make: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, 'WARNING_PERIOD', 3600.0)
    bench = make(cameras=('front', 'left'))
    broken = image_message(street(96, 128))
    for encoding in ('first', 'second', 'third'):
        broken.encoding = encoding
        bench.put_message(broken, camera=1)
        bench.put(street(96, 128), camera=0)
        assert bench.result().camera == 'front'
    assert bench.slots[1].state.counts.malformed == 3
    assert "'third'" in bench.slots[1].state.last_error
    assert 'segmented together' in bench.log.lines.get_nowait()
    line = bench.log.lines.get_nowait()
    assert line.startswith("camera left: malformed frame dropped: encoding 'first'"), line
    assert bench.log.lines.empty(), 'the next warning comes too soon'


def test_pause_leaves_frames_alone_and_keeps_the_newest(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.worker.enable(False)
    frames = [street(96, 128, seed) for seed in range(3)]
    for frame in frames:
        bench.put(frame)
    assert not bench.worker.enabled
    assert bench.slots[0].state.counts.dropped == 2
    bench.worker.enable(True)
    assert np.shares_memory(bench.result().pixels, frames[2])
    assert bench.slots[0].state.counts.published == 1


def test_max_rate_spaces_batches_and_a_change_counts_at_once(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.max_rate = 10.0
    before = time.monotonic()
    for seed in range(4):
        bench.put(street(96, 128, seed))
        bench.result()
    assert time.monotonic() - before >= 3 / 10
    bench.max_rate = 0.001
    bench.put(street(96, 128))
    bench.max_rate = 0.0
    bench.worker.settings_changed()
    bench.result()


@pytest.mark.parametrize('rate', [0.001, 1e-12, 1e-320])
def test_stop_while_waiting_for_max_rate(make: Callable[..., Bench], rate: float) -> None:
    bench = make()
    bench.max_rate = rate
    bench.put(street(96, 128))
    bench.result()
    bench.put(street(96, 128))
    assert not wait([bench.ended], timeout=0.1).done
    bench.worker.stop()
    assert bench.ended.result(timeout=TIMEOUT) is None
    assert not bench.worker.running


def test_a_worker_starts_again_with_counts_at_zero(make: Callable[..., Bench]) -> None:
    bench = make()
    bench.put(street(96, 128))
    bench.result()
    bench.worker.stop()
    bench.ended = Future()
    bench.worker.enable(False)
    bench.start()
    assert bench.worker.enabled, 'a pause ends when the node is deactivated'
    assert bench.slots[0].state.counts.received == 0
    bench.put(street(96, 128))
    bench.result()


def test_reload_swaps_the_network_and_keeps_the_old_one_when_it_fails(
    make: Callable[..., Bench], segmenter: Segmenter, weights: Path
) -> None:
    loaded: list[Segmenter] = [segmenter, Segmenter.load(weights, network_size=(64, 64))]

    def load() -> Segmenter:
        if not loaded:
            raise UserError('no weights')
        return loaded.pop(0)

    bench = make(load)
    bench.worker.reload(load)
    assert bench.worker.segmenter.network_size == (64, 64)
    with pytest.raises(UserError, match='no weights'):
        bench.worker.reload(load)
    assert bench.worker.segmenter.network_size == (64, 64)
    bench.put(street(96, 128))
    assert bench.result().segmentation.labels.shape == (96, 128)


def test_a_failed_device_is_reported_and_tried_again(
    make: Callable[..., Bench], segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, 'FIRST_RETRY', 0.01)
    failed = RuntimeError('cuDNN error: CUDNN_STATUS_NOT_INITIALIZED\nSee the manual')
    loaded: list[Exception] = [
        torch.cuda.OutOfMemoryError('CUDA out of memory while loading'),
        UserError('no weights'),
    ]

    def again() -> Any:
        raise loaded.pop(0)

    bench = make(lambda: Faulty(segmenter, [failed, failed], again))
    for seed in range(2):
        bench.put(street(96, 128, seed))
        said = bench.log.lines.get(timeout=TIMEOUT)
        assert 'the device failed: cuDNN error: CUDNN_STATUS_NOT_INITIALIZED; ' in said
    # Neither a device nor weights that fail again while loading keep the old network from trying.
    bench.put(street(96, 128, 2))
    np.testing.assert_array_equal(bench.result().pixels, street(96, 128, 2))
    assert bench.log.lines.get(timeout=TIMEOUT) == 'the device works again'
    assert bench.worker.device_failure == ''
    counts = bench.slots[0].state.counts
    assert (counts.published, counts.dropped) == (1, 2)
    assert not loaded


@pytest.mark.parametrize(('counted', 'published', 'dropped'), [(False, 0, 1), (True, 1, 0)])
def test_a_frame_counts_once_if_the_device_fails_while_the_results_of_its_batch_are_published(
    make: Callable[..., Bench],
    monkeypatch: pytest.MonkeyPatch,
    counted: bool,
    published: int,
    dropped: int,
) -> None:
    monkeypatch.setattr(worker_module, 'FIRST_RETRY', 3600.0)
    bench = make(cameras=('front', 'left'))

    def deliver(frame: SegmentedFrame) -> None:
        if frame.camera == 'front' or counted:
            bench.slot_of(frame).count_published()
        if frame.camera == 'left':
            raise RuntimeError('cuDNN error: CUDNN_STATUS_EXECUTION_FAILED')

    bench.worker._deliver = deliver
    assert 'segmented together' in bench.log.lines.get(timeout=TIMEOUT)
    bench.worker.enable(False)  # so that both are there when it begins
    for camera in range(2):
        bench.put(street(96, 128), camera)
    bench.worker.enable(True)
    assert 'the device failed: cuDNN error' in bench.log.lines.get(timeout=TIMEOUT)
    front, left = (slot.state.counts for slot in bench.slots)
    assert (front.published, front.dropped) == (1, 0)
    assert (left.published, left.dropped) == (published, dropped)


def test_settings_that_come_while_a_failed_device_recovers_are_kept(
    make: Callable[..., Bench], weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, 'FIRST_RETRY', 0.01)
    segmenter = Segmenter.load(weights, device='cpu')
    loading, may_end = threading.Event(), threading.Event()

    def load_slowly() -> Segmenter:
        again = Segmenter.load(weights, device='cpu')
        loading.set()
        assert may_end.wait(TIMEOUT)
        return again

    short = torch.cuda.OutOfMemoryError('out of memory')
    bench = make(lambda: Faulty(segmenter, [short], load_slowly))
    bench.put(street(96, 128))
    assert loading.wait(TIMEOUT)
    bench.worker.apply(ModelSettings(confidence_threshold=1.0))
    may_end.set()
    bench.put(street(96, 128))
    assert (bench.result().segmentation.labels == IGNORE).all()


def test_settings_that_come_while_another_network_is_loaded_are_kept(
    make: Callable[..., Bench], weights: Path
) -> None:
    bench = make()

    def load() -> Segmenter:
        loaded = Segmenter.load(weights, device='cpu')
        bench.worker.apply(ModelSettings(confidence_threshold=1.0))
        return loaded

    bench.worker.reload(load)
    bench.put(street(96, 128))
    assert (bench.result().segmentation.labels == IGNORE).all()


def test_a_failed_device_is_tried_again_with_what_was_loaded_last(
    make: Callable[..., Bench], segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, 'FIRST_RETRY', 0.01)
    again: list[Segmenter] = [segmenter]
    faulty = Faulty(segmenter, [torch.cuda.OutOfMemoryError('out of memory')], again.pop)

    def no_weights() -> Segmenter:
        raise UserError('no weights')

    bench = make()
    bench.worker.reload(lambda: faulty)
    with pytest.raises(UserError, match='no weights'):
        bench.worker.reload(no_weights)
    bench.put(street(96, 128, 0))
    assert 'the device failed' in bench.log.lines.get(timeout=TIMEOUT)
    bench.put(street(96, 128, 1))
    np.testing.assert_array_equal(bench.result().pixels, street(96, 128, 1))
    assert not again


@pytest.mark.parametrize(
    'error',
    [
        torch.cuda.OutOfMemoryError('CUDA out of memory'),
        RuntimeError('cuDNN error: CUDNN_STATUS_EXECUTION_FAILED'),
    ],
    ids=['memory', 'transient'],
)
def test_a_network_that_is_loaded_while_the_old_one_fails_is_kept(
    make: Callable[..., Bench],
    segmenter: Segmenter,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    monkeypatch.setattr(worker_module, 'FIRST_RETRY', 0.01)
    old, new = Faulty(segmenter, [error]), Faulty(segmenter, [])
    bench = make(lambda: old)
    batch, failing, loaded = old.batch, threading.Event(), threading.Event()

    def fail(*arguments: Any) -> Any:
        failing.set()
        assert loaded.wait(TIMEOUT)
        return batch(*arguments)

    def load() -> Any:
        old.batch = fail
        bench.put(street(96, 128))
        assert failing.wait(TIMEOUT)
        return new

    bench.worker.reload(load)
    loaded.set()
    assert 'another network has been loaded meanwhile' in bench.log.lines.get(timeout=TIMEOUT)
    bench.put(street(96, 128))
    bench.result()
    assert bench.worker.segmenter is new


def test_stop_does_not_wait_for_the_next_try(
    make: Callable[..., Bench], segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, 'FIRST_RETRY', 3600.0)
    again: list[Segmenter] = [segmenter]
    short = torch.cuda.OutOfMemoryError('out of memory')
    bench = make(lambda: Faulty(segmenter, [short], again.pop))
    bench.put(street(96, 128))
    bench.log.lines.get(timeout=TIMEOUT)
    bench.worker.stop()
    assert again


def test_a_device_that_fails_while_loading_is_one_line_for_the_user() -> None:
    def load() -> Segmenter:
        raise torch.cuda.OutOfMemoryError('CUDA out of memory.\nSee the manual')

    with pytest.raises(UserError, match=r'^the device failed: CUDA out of memory\.$'):
        Bench(load)


def test_an_error_that_nobody_expected_ends_the_work(
    make: Callable[..., Bench], segmenter: Segmenter
) -> None:
    bench = make(lambda: Faulty(segmenter, [RuntimeError('shapes cannot be multiplied')]))
    bench.put(street(96, 128))
    with pytest.raises(RuntimeError, match='shapes cannot be multiplied'):
        bench.ended.result(timeout=TIMEOUT)


@pytest.mark.parametrize('when', ['with a frame', 'while loading', 'in the beginning'])
def test_an_error_that_stays_ends_the_work_and_is_not_tried_again(
    make: Callable[..., Bench],
    segmenter: Segmenter,
    monkeypatch: pytest.MonkeyPatch,
    when: str,
) -> None:
    monkeypatch.setattr(worker_module, 'FIRST_RETRY', 0.01)
    lost = torch.AcceleratorError('CUDA error: an illegal memory access was encountered\nMore')
    transient = RuntimeError('cuDNN error: CUDNN_STATUS_EXECUTION_FAILED')
    tried: list[str] = []

    def fail() -> Any:
        tried.append('again')
        raise lost

    if when == 'in the beginning':
        with pytest.raises(DeviceLostError, match='illegal memory access'):
            Bench(fail)
        return
    error = lost if when == 'with a frame' else transient
    bench = make(lambda: Faulty(segmenter, [error], fail))
    bench.put(street(96, 128))
    with pytest.raises(
        DeviceLostError, match=r'permanently: .*illegal memory access was encountered\.'
    ):
        bench.ended.result(timeout=TIMEOUT)
    assert tried == ([] if when == 'with a frame' else ['again'])


def test_memory_of_the_old_network_is_given_back_before_the_new_one_is_loaded(
    make: Callable[..., Bench], weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, 'FIRST_RETRY', 0.01)
    engines: list[weakref.ref[Any]] = []
    alive: list[int] = []

    def load() -> Segmenter:
        alive.append(sum(engine() is not None for engine in engines))
        if len(alive) == 2:
            raise torch.cuda.OutOfMemoryError('CUDA out of memory while loading')
        loaded = Segmenter.load(weights, device='cpu', engine='torch')
        loaded.again = load
        engines.append(weakref.ref(loaded._engine))
        if len(alive) == 1:

            def fail(frames: Sequence[Frame], engine: Any = loaded._engine) -> None:
                raise torch.cuda.OutOfMemoryError(f'CUDA out of memory for {len(frames)}')

            loaded._engine = fail
        return loaded

    bench = make(load)
    bench.put(street(96, 128))
    said = [bench.log.lines.get(timeout=TIMEOUT) for _ in range(2)]
    assert 'CUDA out of memory for 1' in said[0]
    assert 'CUDA out of memory while loading' in said[1]
    bench.put(street(96, 128, 2))
    np.testing.assert_array_equal(bench.result().pixels, street(96, 128, 2))
    assert alive == [0, 0, 0]


def test_a_worker_that_was_stopped_without_a_network_loads_one_when_it_starts_again(
    make: Callable[..., Bench], weights: Path, segmenter: Segmenter
) -> None:
    short = torch.cuda.OutOfMemoryError('CUDA out of memory')
    again: list[Segmenter] = [Segmenter.load(weights, device='cpu')]
    bench = make(lambda: Faulty(segmenter, [short], again.pop))
    bench.put(street(96, 128))
    bench.log.lines.get(timeout=TIMEOUT)
    bench.worker.stop()
    bench.worker._retry = 0.01
    bench.ended = Future()
    bench.start()
    bench.log.lines.get(timeout=TIMEOUT)
    bench.put(street(96, 128))
    bench.result()
    assert not again


def spoil(segmenter: Segmenter, value: float) -> None:
    """Let its engine compute a number that is none, in one place of the first frame."""
    engine = segmenter._engine
    assert engine is not None

    def run(frames: Sequence[Frame]) -> torch.Tensor:
        logits = engine(frames).clone()
        logits[0, 3, 5, 7] = value
        return logits

    segmenter._engine = run


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_no_labels_are_made_of_numbers_that_are_not_finite_and_plain_torch_takes_over(
    make: Callable[..., Bench],
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    value: float,
) -> None:
    monkeypatch.setattr(worker_module, 'FIRST_RETRY', 0.01)
    bonnet = np.zeros((96, 128), np.uint8)
    bonnet[80:] = 255
    assert cv2.imwrite(str(tmp_path / 'bonnet.png'), bonnet)
    load = partial(
        Segmenter.load,
        weights,
        device='cpu',
        confidence_threshold=0.2,
        output_size=(64, 48),
        ego_mask=tmp_path / 'bonnet.png',
    )
    spoiled = load(engine='openvino')
    expected = load(engine='torch', precision='fp32')
    spoil(spoiled, value)
    bench = make(lambda: spoiled)
    bench.put(street(96, 128))
    said = bench.log.lines.get(timeout=TIMEOUT)
    assert 'logits of the network are not finite on this cpu' in said
    assert 'plain torch (fp32) takes over in 0.01 s' in said
    bench.put(street(96, 128))
    assert bench.result().segmentation.size == (64, 48)
    assert bench.slots[0].state.counts.dropped == 1
    now = bench.worker.segmenter
    assert now.settings == expected.settings
    frame = street(96, 128, 2)
    np.testing.assert_array_equal(now(frame).labels, expected(frame).labels)
    assert now.engine_note.endswith('torch runs in fp32 instead')
    assert now.again().engine_note == now.engine_note


def test_numbers_that_are_never_finite_are_never_labels(
    make: Callable[..., Bench], weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, 'FIRST_RETRY', 0.01)

    def load() -> Segmenter:
        spoiled = Segmenter.load(weights, device='cpu', engine='torch')
        spoil(spoiled, float('nan'))
        return spoiled

    monkeypatch.setattr(Segmenter, 'plain', lambda *_: load())
    bench = make(load)
    for _ in range(3):
        bench.put(street(96, 128))
        assert 'not finite' in bench.log.lines.get(timeout=TIMEOUT)
    assert bench.worker.device_failure
    assert bench.results.empty()


def test_a_failed_network_is_loaded_from_memory_whatever_became_of_its_file(
    make: Callable[..., Bench], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, 'FIRST_RETRY', 0.01)
    weights = save_tiny_checkpoint(tmp_path / 'weights.safetensors')
    bench = make(lambda: Segmenter.load(weights, device='cpu', engine='torch'))
    expected = bench.worker.segmenter(street(96, 128)).labels
    with weights.open('r+b') as file:  # what was mapped would be gone: SIGBUS
        file.truncate(100)

    def fail(frames: Sequence[Frame]) -> None:
        raise torch.cuda.OutOfMemoryError('CUDA out of memory')

    bench.worker.segmenter._engine = fail
    bench.put(street(96, 128))
    bench.log.lines.get(timeout=TIMEOUT)
    bench.put(street(96, 128))
    np.testing.assert_array_equal(bench.result().segmentation.labels, expected)


@pytest.mark.parametrize(
    ('error', 'expected'),
    [
        (torch.cuda.OutOfMemoryError('CUDA out of memory'), DeviceFailure.OUT_OF_MEMORY),
        (
            RuntimeError('CUDA error: out of memory\nCUDA kernel errors'),
            DeviceFailure.OUT_OF_MEMORY,
        ),
        (
            RuntimeError('CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate'),
            DeviceFailure.OUT_OF_MEMORY,
        ),
        (
            RuntimeError('GET was unable to find an engine to execute this computation'),
            DeviceFailure.TRANSIENT,
        ),
        (RuntimeError('cuDNN error: CUDNN_STATUS_EXECUTION_FAILED'), DeviceFailure.TRANSIENT),
        (RuntimeError('CUDA error: invalid argument'), DeviceFailure.TRANSIENT),
        (
            torch.AcceleratorError('CUDA error: an illegal memory access was encountered'),
            DeviceFailure.FATAL,
        ),
        (
            RuntimeError('Triton Error [CUDA]: an illegal memory access was encountered'),
            DeviceFailure.FATAL,
        ),
        (RuntimeError('CUDA error: unspecified launch failure'), DeviceFailure.FATAL),
        (
            RuntimeError('CUDA error: CUDA-capable device(s) is/are busy or unavailable'),
            DeviceFailure.FATAL,
        ),
        (RuntimeError('CUDA error: uncorrectable ECC error encountered'), DeviceFailure.FATAL),
        (RuntimeError('mat1 and mat2 shapes cannot be multiplied'), None),
        (NotImplementedError('an operator that is missing'), None),
    ],
)
def test_what_an_error_of_the_device_calls_for(
    error: RuntimeError, expected: DeviceFailure | None
) -> None:
    assert device_failure(error) is expected


def test_what_the_engine_cannot_do_is_logged_once(make: Callable[..., Bench]) -> None:
    segmenter = SimpleNamespace(notes=('engine x cannot run this network: torch runs instead',))
    bench = make(lambda: segmenter)
    assert bench.log.lines.get_nowait() == segmenter.notes[0]
    segmenter.batch = lambda frames, _: [SimpleNamespace(size=(128, 96)) for _ in frames]
    bench.put(street(96, 128))
    bench.result()
    segmenter.notes += ('no CUDA graph for 1 frame(s)',)
    for _ in range(2):
        bench.put(street(96, 128))
        bench.result()
    bench.worker.stop()
    assert bench.log.lines.get_nowait() == 'no CUDA graph for 1 frame(s)'
    assert bench.log.lines.empty()
