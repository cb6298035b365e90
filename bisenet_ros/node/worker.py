# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The thread that owns the device: it segments the newest frame of every camera.

Nothing here knows ROS: frames come from `CameraSlot`s, results go to a callback.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from bisenet_ros.batching import Batching
from bisenet_ros.camera_ground import CameraGround
from bisenet_ros.camera_pipeline import CameraPipeline, Frame, Network, SegmentedFrame
from bisenet_ros.camera_slot import CameraSlot
from bisenet_ros.ego_mask import EgoMask
from bisenet_ros.engine.device_failure import (
    DeviceFailure,
    DeviceLostError,
    NotFiniteError,
    device_failure,
)
from bisenet_ros.errors import UserError
from bisenet_ros.image_codec import ImageError
from bisenet_ros.rounds import rounds

if TYPE_CHECKING:
    from bisenet_ros.model_settings import ModelSettings
    from bisenet_ros.segmenter import Segmenter

WARNING_PERIOD = 5.0
"""Seconds between two warnings about the malformed frames of one camera."""

FIRST_RETRY = 1.0
LONGEST_RETRY = 30.0
"""Seconds until a device that failed is tried again: doubled each time, up to this."""

_FAILED = 'the device failed: '


class Logger(Protocol):
    """What the worker needs of a ROS logger."""

    def info(self, message: str) -> object: ...
    def warning(self, message: str) -> object: ...
    def error(self, message: str) -> object: ...


class Worker:
    """Segments the newest frame of each camera that has one, in rounds, until it is stopped.

    A round is one batch, or a batch of one for each camera: see `rounds`. A frame that cannot be
    decoded is counted and reported, and the work goes on. When the device fails, the frames at hand
    are dropped and the network is loaded anew, from memory, after a pause that doubles with each
    failure. Where memory was short, the old network's is given back before that; where numbers were
    not finite, plain torch takes over in float32. Any other error ends the thread, also a
    `DeviceLostError`; `start` hands it over.

    Attributes:
        pipeline: What decodes and segments.
        device_failure: Why the device could not be used last; empty while it works.
    """

    def __init__(
        self,
        slots: Sequence[CameraSlot],
        arrival: threading.Condition,
        *,
        load: Callable[[], Segmenter],
        batching: Callable[[Segmenter], Batching],
        deliver: Callable[[CameraSlot, SegmentedFrame], None],
        processed: Callable[[float], None],
        max_rate: Callable[[], float],
        logger: Logger,
        ego_masks: Mapping[str, EgoMask] = MappingProxyType({}),
        grounds: Mapping[str, CameraGround] = MappingProxyType({}),
    ) -> None:
        """
        Args:
            slots: The cameras.
            arrival: The condition that every slot notifies.
            load: Makes a segmenter; called at once.
            batching: How that segmenter is to treat several cameras; called after each `load`.
            deliver: Where results go; called in the worker's thread.
            processed: Told how many ms decoding, inference and publishing of a batch took together.
            max_rate: Most rounds per second at this moment; 0 is no limit.
            logger: Where malformed frames and failures are reported.
            ego_masks: Of the cameras that have one, by name.
            grounds: What turns the masks of a camera into ground, by its name.

        Raises:
            UserError: As `load` raises it, or the device failed.
            DeviceLostError: The device failed in a way that lasts.
        """
        self._slots = slots
        self._arrival = arrival
        self._choose_batching = batching
        self._deliver = deliver
        self._processed = processed
        self._max_rate = max_rate
        self._logger = logger
        self._told_notes: set[str] = set()
        self._loading = threading.Lock()  # of two that load, the one that began last is in use
        self._applied: ModelSettings | None = None
        cameras = [slot.name for slot in slots]
        self.pipeline = CameraPipeline(cameras, self._loaded(load), ego_masks, grounds)
        self._enabled = True
        self._stopping = False
        self._thread: ThreadPoolExecutor | None = None
        self._last_warning: dict[str, float] = {}
        self._retry = FIRST_RETRY
        self._closed = False  # whether the segmenter's memory was given back
        self.device_failure = ''

    @property
    def segmenter(self) -> Segmenter:
        """What segments the frames now."""
        return self.pipeline.network.segmenter

    @property
    def batching(self) -> Batching:
        """How it treats several cameras now."""
        return self.pipeline.network.batching

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._thread is not None

    @property
    def enabled(self) -> bool:
        """Whether frames are segmented, or left to be replaced by newer ones."""
        return self._enabled

    def enable(self, enabled: bool) -> None:
        """Go on segmenting, or pause after the round at hand."""
        with self._arrival:
            self._enabled = enabled
            self._arrival.notify_all()

    def apply(self, settings: ModelSettings) -> None:
        """Take over what may change from frame to frame, whatever becomes of the device.

        Raises:
            UserError: A drivable class is none of the network's.
        """
        with self._arrival:
            self.segmenter.apply(settings)
            self._applied = settings

    def reload(self, load: Callable[[], Segmenter]) -> None:
        """Load another segmenter; the old one works until then, and on if that fails.

        Args:
            load: Takes the place of the one before.

        Raises:
            UserError: As `load` raises it, or the device failed.
            DeviceLostError: The device failed in a way that lasts.
        """
        with self._loading:
            self._use(self._loaded(load))
        with self._arrival:
            self.device_failure = ''
            self._retry = FIRST_RETRY

    def settings_changed(self) -> None:
        """Look at `max_rate` again."""
        with self._arrival:
            self._arrival.notify_all()

    def start(self, ended: Callable[[Future[None]], None]) -> None:
        """Begin to work.

        Args:
            ended: Called with the future of the work when it is over, be it by `stop` or by an
                error that nobody expected.
        """
        for slot in self._slots:
            slot.clear()
        self.pipeline.clear()
        self._stopping = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix='worker')
        self._thread.submit(self._run).add_done_callback(ended)

    def stop(self) -> None:
        """End after the batch at hand, and wait for it; nothing happens where none works."""
        if self._thread is None:
            return
        with self._arrival:
            self._stopping = True
            self._arrival.notify_all()
        self._thread.shutdown(wait=True)
        self._thread = None

    def _run(self) -> None:
        if self._closed:  # the worker was stopped before it had loaded another network
            self._load_again()
        work = rounds(
            self._slots,
            self._arrival,
            _WallClock(self._arrival, lambda: self._stopping),
            together=lambda: self.batching.together,
            max_rate=self._max_rate,
            enabled=lambda: self._enabled,
        )
        for slots in work:
            if self._stopping:
                return
            taken = [(slot, frame) for slot in slots if (frame := self._newest(slot))]
            if taken:
                self._segment(*zip(*taken, strict=True))

    def _newest(self, slot: CameraSlot) -> Frame | None:
        """The camera's newest frame, taken and decoded; None without one that can be."""
        try:
            return self.pipeline.decode(slot.name, slot.take())
        except ImageError as error:
            slot.count_malformed(str(error))
            now = time.monotonic()
            if now - self._last_warning.get(slot.name, -WARNING_PERIOD) >= WARNING_PERIOD:
                self._last_warning[slot.name] = now
                self._logger.warning(f'{slot.label}: malformed frame dropped: {error}')
            return None

    def _segment(self, slots: Sequence[CameraSlot], frames: Sequence[Frame]) -> None:
        start = time.perf_counter()
        try:
            for slot, frame in zip(slots, self.pipeline.segment(frames), strict=True):
                self._deliver(slot, frame)
        except (RuntimeError, NotFiniteError) as error:
            failure = _failure_of(error)
            self.device_failure = _first_line(error)
        else:
            self._count(frames, start)
            return
        # No longer in `except`, for the error's traceback has hold of the old network.
        self._recover(slots, failure)

    def _count(self, frames: Sequence[Frame], start: float) -> None:
        self._tell_notes(self.segmenter)
        decode_ms = sum(frame.decode_ms for frame in frames)
        self._processed(decode_ms + 1e3 * (time.perf_counter() - start))
        if self.device_failure:
            self._logger.info('the device works again')
            self.device_failure = ''
            self._retry = FIRST_RETRY

    def _recover(self, slots: Sequence[CameraSlot], failure: DeviceFailure) -> None:
        for slot in slots:
            slot.count_dropped()
        if failure is DeviceFailure.MEMORY:
            with self._loading:
                self.segmenter.close()
                self._closed = True
        if failure is DeviceFailure.NUMBERS:
            reason = self.device_failure
            self._load_again('plain torch takes over in fp32', lambda old: old.plain(reason))
        else:
            self._load_again()

    def _load_again(
        self,
        what: str = 'the network is loaded again',
        load: Callable[[Segmenter], Segmenter] = lambda old: old.again(),
    ) -> None:
        """Load the network anew; once, or until that succeeds where the old one is closed."""
        old = self.pipeline.network
        while True:
            pause, self._retry = self._retry, min(2 * self._retry, LONGEST_RETRY)
            self._logger.error(
                f'{_FAILED}{self.device_failure}; {what} in {pause:g} s.'
                ' If this does not end, restart the node.'
            )
            with self._arrival:
                if self._arrival.wait_for(lambda: self._stopping, timeout=pause):
                    return
            try:
                with self._loading:
                    if self.pipeline.network is not old:  # by `reload`
                        return
                    self._use(self._loaded(lambda: load(old.segmenter)))
            except UserError as again:  # the old one is tried once more, if it is still there
                self.device_failure = str(again).removeprefix(_FAILED)
            if not self._closed:
                return

    def _use(self, network: Network) -> None:
        """Segment with another network from now on; who calls holds `_loading`."""
        with self._arrival:
            # Settings that came while it was being loaded went to the old one.
            if self._applied is not None:
                network.segmenter.apply(self._applied)
            self.pipeline.network = network
        self._closed = False

    def _loaded(self, load: Callable[[], Segmenter]) -> Network:
        try:
            segmenter = load()
            batching = self._choose_batching(segmenter)
        except RuntimeError as error:
            _failure_of(error)
            raise UserError(f'{_FAILED}{_first_line(error)}') from error
        if len(self._slots) > 1:
            self._logger.info(
                f'{len(self._slots)} cameras are segmented {batching}: {batching.reason}'
            )
        self._told_notes.clear()
        self._tell_notes(segmenter)
        return Network(segmenter, batching)

    def _tell_notes(self, segmenter: Segmenter) -> None:
        """Log what the segmenter could not do as it was meant to, each thing once."""
        for note in segmenter.notes:
            if note not in self._told_notes:
                self._told_notes.add(note)
                self._logger.warning(note)


class _WallClock:
    """See `rounds.Clock`; waits for the slots' condition, which the caller holds."""

    def __init__(self, arrival: threading.Condition, stopping: Callable[[], bool]) -> None:
        self._arrival = arrival
        self._stopping = stopping

    def now(self) -> float:
        return time.monotonic()

    def wait(self, until: float | None) -> bool:
        if not self._stopping():
            timeout = None if until is None else min(until - self.now(), threading.TIMEOUT_MAX)
            self._arrival.wait(timeout)
        return not self._stopping()


def _failure_of(error: RuntimeError | NotFiniteError) -> DeviceFailure:
    """What an error calls for.

    Raises:
        RuntimeError: The error itself, which is not the device's.
        DeviceLostError: Nothing helps in this process.
    """
    failure = device_failure(error)
    if failure is None:
        raise error
    if failure is DeviceFailure.LASTING:
        raise DeviceLostError(
            f'the device failed for good: {_first_line(error)}. Only a new process can use it'
            ' again: start the node again, or launch it with respawn:=true.'
        ) from error
    return failure


def _first_line(error: Exception) -> str:
    return str(error).partition('\n')[0]
