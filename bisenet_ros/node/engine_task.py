# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The status of the engine on /diagnostics: whether it runs, where, and how fast."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bisenet_ros.node.statistics import Durations
from bisenet_ros.node.status import ERROR, OK, WARN, Status
from bisenet_ros.node.worker import Worker
from bisenet_ros.settings import Settings


class ProcessingTime:
    """Tracks how long batches take, and since when they have taken too long."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._durations = Durations()
        self._began: float | None = None  # the batch that is running
        self._last: float | None = None
        self._in_range = True
        self._delayed_since = 0.0
        self._delay_ms = 0.0

    @contextmanager
    def batch(self, decode_ms: float) -> Iterator[None]:
        """Times a batch: it is reported if it does not end, and added if it succeeds.

        Args:
            decode_ms: Time that decoding its frames took before.
        """
        began = time.monotonic()
        with self._lock:
            self._began = began
        try:
            yield
        finally:
            with self._lock:
                self._began = None
        self.add(decode_ms + 1e3 * (time.monotonic() - began))

    def add(self, duration_ms: float) -> None:
        """Adds a batch that has succeeded."""
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
        """Removes all batches."""
        self._durations.clear()
        with self._lock:
            self._last = None
            self._in_range = True
            self._delay_ms = 0.0

    def report(self, status: Status) -> None:
        """Adds findings and values under the keys that Autoware's nodes use."""
        settings = self._settings()
        allowed = settings.max_allowed_processing_time_ms
        acceptable = settings.max_acceptable_consecutive_delay_ms
        with self._lock:
            last, in_range, delay_ms = self._last, self._in_range, self._delay_ms
            running_ms = 0.0 if self._began is None else 1e3 * (time.monotonic() - self._began)
        if running_ms > allowed + acceptable:
            status.summary(ERROR, f'a batch has been running for {running_ms / 1e3:.1f} s')
        if last is None:
            return
        delay_in_range = delay_ms <= acceptable
        if not in_range:
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
    """Reports whether the network runs, on which device, and how fast."""

    name = 'engine'

    def __init__(
        self,
        worker: Callable[[], Worker | None],
        processing: ProcessingTime,
        loading: Callable[[], bool],
    ) -> None:
        """
        Args:
            worker: Returns the worker; None before the node is configured.
            processing: Processing time of batches.
            loading: Returns whether a network is being loaded.
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
        status.add('fallback', segmenter.engine_note or 'none')
        claim, problem = segmenter.checkpoint.claim, segmenter.claim_problem
        status.add('claim', f'does not apply: {problem}' if problem else claim or 'none')
        status.add('anomaly', 'none' if segmenter.checkpoint.max_logits is None else 'available')
        status.add('batching', worker.batching)
        status.add('batching_reason', worker.batching.reason)
        # Imports torch, which is loaded by now.
        from bisenet_ros.engine.device_state import device_state

        for key, value in device_state(segmenter.device).items():
            status.add(key, value)
        if worker.running and worker.enabled:  # earlier times are outdated
            self._processing.report(status)
