# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segments the newest frame of every camera, in the one thread that owns the device.

This module does not depend on ROS: frames come from `CameraSlot`s, results go to a callback.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from bisenet_ros.batching import Batching
from bisenet_ros.camera_ground import CameraGround
from bisenet_ros.camera_pipeline import CameraPipeline, DecodedFrame, SegmentedFrame
from bisenet_ros.camera_slot import CameraSlot
from bisenet_ros.ego_mask import EgoMask
from bisenet_ros.engine.device_failure import (
    DeviceFailure,
    DeviceLostError,
    NotFiniteError,
    device_failure,
)
from bisenet_ros.errors import UserError, first_line
from bisenet_ros.image_codec import ImageError
from bisenet_ros.rounds import rounds

if TYPE_CHECKING:
    from bisenet_ros.model_settings import ModelSettings
    from bisenet_ros.segmenter import Segmenter

WARNING_PERIOD = 5.0
"""Seconds between two warnings about the malformed frames of one camera."""

FIRST_RETRY = 1.0
MAX_RETRY_DELAY = 30.0
"""Seconds until a failed device is tried again: doubled after each failure, up to the longest."""

_FAILED = 'the device failed: '


class Logger(Protocol):
    """The methods of a ROS logger that the worker uses."""

    def info(self, message: str) -> object: ...
    def warning(self, message: str) -> object: ...
    def error(self, message: str) -> object: ...


class Worker:
    """Segments the newest frame of each camera that has one, in rounds, until it is stopped.

    A round is one batch, or a batch of one per camera; see `rounds`. A frame that cannot be decoded
    is counted and reported, and the work continues. If the device fails, the current frames are
    dropped, and the network is loaded again from memory after a pause that doubles with each
    failure. If memory was short, the old network is freed before that. If numbers were not finite,
    plain torch takes over in float32. Any other error, such as a `DeviceLostError`, ends the thread
    and is passed to the callback of `start`.

    Attributes:
        pipeline: Decodes and segments the frames.
        batching: How the current segmenter treats several cameras.
        device_failure: Reason of the last device failure; empty while the device works.
    """

    def __init__(
        self,
        slots: Sequence[CameraSlot],
        arrival: threading.Condition,
        *,
        load: Callable[[], Segmenter],
        batching: Callable[[Segmenter], Batching],
        deliver: Callable[[SegmentedFrame], None],
        timed: Callable[[float], AbstractContextManager[object]],
        max_rate: Callable[[], float],
        logger: Logger,
        ego_masks: Mapping[str, EgoMask] = MappingProxyType({}),
        grounds: Mapping[str, CameraGround] = MappingProxyType({}),
    ) -> None:
        """
        Args:
            slots: The cameras.
            arrival: The condition that every slot notifies.
            load: Creates a segmenter; called at once.
            batching: Chooses how that segmenter treats several cameras; called after each load.
            deliver: Receives each result, in the worker's thread, and counts it as published.
            timed: Is entered for inference and publishing of each batch, with the ms that its
                decoding took.
            max_rate: Returns the current maximum of rounds per second; 0 for no limit.
            logger: Reports malformed frames and failures.
            ego_masks: Ego mask by camera name, for cameras that have one.
            grounds: Projects the masks of a camera onto the ground, by camera name.

        Raises:
            UserError: `load` raised it, or the device failed.
            DeviceLostError: The device failed permanently.
        """
        self._slots = slots
        self._arrival = arrival
        self._choose_batching = batching
        self._deliver = deliver
        self._timed = timed
        self._max_rate = max_rate
        self._logger = logger
        self._told_notes: set[str] = set()
        self._loading = threading.Lock()  # of two loads, the later one wins
        self._applied: ModelSettings | None = None
        cameras = [slot.name for slot in slots]
        segmenter, self.batching = self._loaded(load)
        self.pipeline = CameraPipeline(cameras, segmenter, ego_masks, grounds)
        self._enabled = True
        self._stopping = False
        self._thread: ThreadPoolExecutor | None = None
        self._last_warning: dict[str, float] = {}
        self._retry = FIRST_RETRY
        self._closed = False  # whether the segmenter's memory was given back
        self.device_failure = ''

    @property
    def segmenter(self) -> Segmenter:
        """The current segmenter."""
        return self.pipeline.segmenter

    @property
    def running(self) -> bool:
        """Whether the worker was started and not stopped."""
        return self._thread is not None

    @property
    def enabled(self) -> bool:
        """Whether frames are segmented; otherwise newer ones replace them."""
        return self._enabled

    def enable(self, enabled: bool) -> None:
        """Resumes segmentation, or pauses it after the current round."""
        with self._arrival:
            self._enabled = enabled
            self._arrival.notify_all()

    def apply(self, settings: ModelSettings) -> None:
        """Applies the settings that can change between frames; they survive a device failure.

        Raises:
            UserError: A drivable class is not a class of the network.
        """
        with self._arrival:
            self.segmenter.apply(settings)
            self._applied = settings

    def reload(self, load: Callable[[], Segmenter]) -> None:
        """Loads another segmenter; the old one stays in use until then, and if loading fails.

        Args:
            load: Creates the segmenter.

        Raises:
            UserError: `load` raised it, or the device failed.
            DeviceLostError: The device failed permanently.
        """
        with self._loading:
            self._use(*self._loaded(load))
        with self._arrival:
            self.device_failure = ''
            self._retry = FIRST_RETRY

    def settings_changed(self) -> None:
        """Wakes the worker to read `max_rate` again."""
        with self._arrival:
            self._arrival.notify_all()

    def start(self, ended: Callable[[Future[None]], None]) -> None:
        """Starts the worker's thread, not paused.

        Args:
            ended: Called with the future of the work when it ends, by `stop` or by an unexpected
                error.
        """
        for slot in self._slots:
            slot.clear()
        self.pipeline.clear()
        self._enabled = True
        self._stopping = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix='worker')
        self._thread.submit(self._run).add_done_callback(ended)

    def stop(self) -> None:
        """Stops after the current batch and waits for it; does nothing if the worker is stopped."""
        if self._thread is None:
            return
        with self._arrival:
            self._stopping = True
            self._arrival.notify_all()
        self._thread.shutdown(wait=True)
        self._thread = None

    def _run(self) -> None:
        with self._arrival:
            segmenter, closed = self.segmenter, self._closed
        if closed:  # the worker was stopped before the network was loaded again
            self._load_again(segmenter)
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
                self._segment(taken)

    def _newest(self, slot: CameraSlot) -> DecodedFrame | None:
        """Takes and decodes the camera's newest frame; None if it is gone or cannot be decoded."""
        message = slot.take()
        if message is None:  # `~/enable` dropped it while another camera's frame was decoded
            return None
        try:
            frame = self.pipeline.decode(slot.name, message)
        except ImageError as error:
            now = time.monotonic()
            slot.count_malformed(str(error), now)
            if now - self._last_warning.get(slot.name, -WARNING_PERIOD) >= WARNING_PERIOD:
                self._last_warning[slot.name] = now
                self._logger.warning(f'{slot.label}: malformed frame dropped: {error}')
            return None
        slot.note_decoded()
        return frame

    def _segment(self, taken: Sequence[tuple[CameraSlot, DecodedFrame]]) -> None:
        decode_ms = sum(frame.decode_ms for _, frame in taken)
        segmenter = self.segmenter  # not the one of a reload that ends meanwhile
        published = [slot.state.counts.published for slot, _ in taken]
        try:
            with self._timed(decode_ms):
                for segmented in self.pipeline.segment([frame for _, frame in taken]):
                    self._deliver(segmented)
        except (RuntimeError, NotFiniteError) as error:
            failure = _failure_of(error)
            self.device_failure = first_line(error)
        else:
            self._note_success()
            return
        # Some frames of a batch may have been published before the failure.
        for (slot, _), before in zip(taken, published, strict=True):
            if slot.state.counts.published == before:
                slot.count_dropped()
        # Outside of `except`, because the error's traceback references the old network.
        self._recover(segmenter, failure)

    def _note_success(self) -> None:
        self._tell_notes(self.segmenter)
        if self.device_failure:
            self._logger.info('the device works again')
            self.device_failure = ''
            self._retry = FIRST_RETRY

    def _recover(self, segmenter: Segmenter, failure: DeviceFailure) -> None:
        if failure is DeviceFailure.OUT_OF_MEMORY:
            with self._loading:
                if self.segmenter is segmenter:
                    segmenter.close()
                    self._closed = True
        if self.segmenter is not segmenter:
            self._logger.error(
                f'{_FAILED}{self.device_failure}; another network has been loaded meanwhile'
            )
        elif failure is DeviceFailure.NOT_FINITE:
            reason = self.device_failure
            plain = 'plain torch (fp32) takes over'
            self._load_again(segmenter, plain, lambda old: old.plain(reason))
        else:
            self._load_again(segmenter)

    def _load_again(
        self,
        old: Segmenter,
        what: str = 'the network is loaded again',
        load: Callable[[Segmenter], Segmenter] = lambda old: old.again(),
    ) -> None:
        """Loads a network again: once, or until it succeeds if the old one is closed."""
        while True:
            pause, self._retry = self._retry, min(2 * self._retry, MAX_RETRY_DELAY)
            self._logger.error(
                f'{_FAILED}{self.device_failure}; {what} in {pause:g} s.'
                ' If this repeats, restart the node.'
            )
            with self._arrival:
                if self._arrival.wait_for(lambda: self._stopping, timeout=pause):
                    return
            try:
                with self._loading:
                    if self.segmenter is not old:  # by `reload`
                        return
                    self._use(*self._loaded(lambda: load(old)))
            except UserError as again:  # the old network is tried again unless it is closed
                self.device_failure = str(again).removeprefix(_FAILED)
            if not self._closed:
                return

    def _use(self, segmenter: Segmenter, batching: Batching) -> None:
        """Replaces the network; the caller holds `_loading`."""
        with self._arrival:
            # Settings that changed during the loading were applied to the old network.
            if self._applied is not None:
                segmenter.apply(self._applied)
            self.pipeline.segmenter, self.batching = segmenter, batching
            self._closed = False

    def _loaded(self, load: Callable[[], Segmenter]) -> tuple[Segmenter, Batching]:
        try:
            segmenter = load()
            batching = self._choose_batching(segmenter)
        except RuntimeError as error:
            _failure_of(error)
            raise UserError(f'{_FAILED}{first_line(error)}') from error
        if len(self._slots) > 1:
            self._logger.info(
                f'{len(self._slots)} cameras are segmented {batching}: {batching.reason}'
            )
        self._told_notes.clear()
        self._tell_notes(segmenter)
        return segmenter, batching

    def _tell_notes(self, segmenter: Segmenter) -> None:
        """Logs the segmenter's notes, each once."""
        for note in segmenter.notes:
            if note not in self._told_notes:
                self._told_notes.add(note)
                self._logger.warning(note)


class _WallClock:
    """See `rounds.Clock`; waits on the slots' condition, which the caller holds."""

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
    """Classifies a device failure.

    Raises:
        RuntimeError: The error itself, if it is not a device failure.
        DeviceLostError: This process can no longer use the device.
    """
    failure = device_failure(error)
    if failure is None:
        raise error
    if failure is DeviceFailure.FATAL:
        raise DeviceLostError(
            f'the device failed permanently: {first_line(error)}. Restart the node;'
            ' respawn:=true of the launch file does that by itself.'
        ) from error
    return failure
