# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node says on /diagnostics: one status per camera and one for the engine.

The levels are a consumer's view: a camera whose frames do not arrive is an error, whatever the
reason, and the reason is in the message.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Protocol

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from bisenet_ros.camera_slot import CameraSlot, FrameCounts
from bisenet_ros.node.image_link import ImageLink, explain_silence
from bisenet_ros.node.statistics import Durations
from bisenet_ros.node.worker import Logger, Worker
from bisenet_ros.settings import Settings

OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR


class Task(Protocol):
    """One status of the node."""

    name: str

    def run(self, status: Status) -> None:
        """Fill in the status."""


class Status:
    """A DiagnosticStatus in the making: the worst level wins, its messages are joined."""

    def __init__(self, name: str) -> None:
        self.message = DiagnosticStatus(name=name, level=OK)

    def summary(self, level: bytes, text: str) -> None:
        """Report a finding."""
        if level > self.message.level:
            self.message.level = level
            self.message.message = text
        elif level == self.message.level:
            self.message.message = '; '.join(filter(None, (self.message.message, text)))

    def add(self, key: str, value: object) -> None:
        """Report a value; a float with three decimals."""
        text = f'{value:.3f}' if isinstance(value, float) else str(value)
        self.message.values.append(KeyValue(key=key, value=text))

    def add_percentiles(self, key: str, durations: Durations) -> None:
        """Report p50, p95 and p99 of recent durations, if there are any."""
        percentiles = durations.percentiles()
        if percentiles is not None:
            for name, value in percentiles._asdict().items():
                self.add(f'{key}_{name}', value)


class CameraTask:
    """Whether frames come from a camera, and what becomes of them."""

    def __init__(
        self,
        slot: CameraSlot,
        link: Callable[[], ImageLink],
        age_ms: Durations,
        settings: Callable[[], Settings],
        logger: Logger,
    ) -> None:
        """
        Args:
            slot: Where the frames arrive.
            link: Asks the graph how the camera is connected.
            age_ms: Ages of the published labels.
            settings: The parameters at this moment.
            logger: Told once when frames stay away, and once when they come again.
        """
        self.name = slot.label
        self._slot = slot
        self._link = link
        self._age_ms = age_ms
        self._settings = settings
        self._logger = logger
        self._started = self._last_run = time.monotonic()
        self._last_counts = FrameCounts()
        self._reported = ''
        self._first_received: float | None = None  # of the frames that have arrived without a gap
        self._steady = False

    def run(self, status: Status) -> None:
        """See `Task`."""
        now = time.monotonic()
        state, link = self._slot.state, self._link()
        counts, before = state.counts, self._last_counts
        elapsed = now - self._last_run
        self._last_run, self._last_counts = now, counts

        silent = now - (self._started if state.last_received is None else state.last_received)
        timed_out = silent > self._settings().camera_timeout
        if timed_out:
            self._first_received = None
        elif state.last_received is not None:
            if self._first_received is None:
                self._first_received = state.last_received
            # A single frame that got through is no sign of health: lossy links have such.
            arriving = state.last_received - self._first_received
            self._steady = arriving > self._settings().camera_timeout

        if timed_out or not link.offers:
            reason = explain_silence(link, os.environ, steady=self._steady)
            status.summary(ERROR if timed_out else WARN, reason)
            if timed_out and reason != self._reported:
                self._logger.warning(f'{self.name}: no frames: {reason}')
                self._reported = reason
        else:
            status.summary(OK, 'frames arrive' if counts.received else 'waiting for a frame')
            if self._reported and self._steady:
                self._logger.info(f'{self.name}: frames arrive')
                self._reported = ''
        malformed = counts.malformed - before.malformed
        if malformed:
            status.summary(WARN, f'{malformed} malformed frames dropped: {state.last_error}')

        status.message.hardware_id = link.topic
        status.add('topic', link.topic)
        status.add('reliability', 'reliable' if link.reliable else 'best effort')
        status.add('publishers', len(link.offers))
        if state.last_received is not None:
            status.add('seconds_since_last_frame', silent)
        if elapsed > 0:
            status.add('fps_in', (counts.received - before.received) / elapsed)
            status.add('fps_out', (counts.published - before.published) / elapsed)
        status.add('frames_in', counts.received)
        status.add('frames_out', counts.published)
        status.add('frames_dropped', counts.dropped)
        status.add('frames_malformed', counts.malformed)
        status.add_percentiles('pipeline_latency_ms', self._age_ms)


class ProcessingTime:
    """How long batches take, and since when they have been taking too long."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._durations = Durations()
        self._last: float | None = None
        self._in_range = True
        self._delayed_since = 0.0
        self._delay_ms = 0.0

    def add(self, duration_ms: float) -> None:
        """Take in one batch, just done."""
        now = time.monotonic()
        self._durations.add(duration_ms)
        with self._lock:
            in_range = duration_ms <= self._settings().max_allowed_processing_time_ms
            if in_range or self._in_range:
                self._delayed_since = now
            self._delay_ms = 1e3 * (now - self._delayed_since)
            self._in_range = in_range
            self._last = duration_ms

    def clear(self) -> None:
        """Forget every batch."""
        self._durations.clear()
        with self._lock:
            self._last = None
            self._in_range = True
            self._delay_ms = 0.0

    def report(self, status: Status) -> None:
        """Add findings and values under the keys that Autoware's nodes use."""
        settings = self._settings()
        with self._lock:
            last, in_range, delay_ms = self._last, self._in_range, self._delay_ms
        if last is None:
            return
        delay_in_range = delay_ms <= settings.max_acceptable_consecutive_delay_ms
        if not in_range:
            allowed = settings.max_allowed_processing_time_ms
            status.summary(
                WARN, f'processing took {last:.0f} ms, over the allowed {allowed:.0f} ms'
            )
        if not delay_in_range:
            status.summary(ERROR, f'processing has been taking too long for {delay_ms:.0f} ms')
        status.add('processing_time_ms', last)
        status.add('is_processing_time_ms_in_expected_range', in_range)
        status.add('consecutive_processing_delay_ms', delay_ms)
        status.add('is_consecutive_processing_delay_in_range', delay_in_range)
        status.add_percentiles('processing_time_ms', self._durations)


class EngineTask:
    """Whether the network runs, on what, and how fast."""

    name = 'engine'

    def __init__(
        self,
        worker: Callable[[], Worker | None],
        processing: ProcessingTime,
        loading: Callable[[], bool],
    ) -> None:
        """
        Args:
            worker: The worker, or None before the node is configured.
            processing: What batches take.
            loading: Whether a network is being loaded.
        """
        self._worker = worker
        self._processing = processing
        self._loading = loading

    def run(self, status: Status) -> None:
        """See `Task`."""
        worker = self._worker()
        if worker is None:
            loading = self._loading()
            status.summary(
                WARN, 'the network is being loaded' if loading else 'the node is not configured'
            )
            return
        if not worker.running:
            status.summary(WARN, 'the node is not active')
        elif worker.device_failure:
            status.summary(ERROR, f'the device failed: {worker.device_failure}')
        elif not worker.enabled:
            status.summary(OK, 'paused by ~/enable')
        else:
            status.summary(OK, 'running')
        segmenter = worker.segmenter
        for note in segmenter.notes:
            status.summary(WARN, note)
        width, height = segmenter.network_size
        status.message.hardware_id = segmenter.device
        status.add('device', segmenter.device)
        status.add('precision', segmenter.precision)
        status.add('engine', segmenter.engine)
        status.add('network', segmenter.checkpoint.network)
        status.add('network_size', f'{width}x{height}')
        status.add('weights', segmenter.settings.weights)
        status.add('loading', self._loading())
        status.add('batching', worker.batching)
        status.add('batching_reason', worker.batching.reason)
        self._processing.report(status)
