# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fills in the statuses of /diagnostics: one per camera and one for the engine.

The levels take the consumer's view: a camera without frames is an error whatever the cause, and
the message names the cause.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from bisenet_ros.camera_ground import CameraGround
from bisenet_ros.camera_slot import CameraSlot, CameraState, FrameCounts
from bisenet_ros.node.image_link import ImageLink, explain_loss, explain_silence
from bisenet_ros.node.statistics import Arrivals, Durations
from bisenet_ros.node.worker import Logger, Worker
from bisenet_ros.settings import Settings
from bisenet_ros.trust.monitor import ClaimMonitor

PERIOD = 1.0
"""Seconds between two messages on /diagnostics, and between two checks of the publishers."""

OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR


class Task(Protocol):
    """One status of the node."""

    name: str

    def run(self, status: Status) -> None:
        """Fills in the status."""


class Status:
    """Builds a DiagnosticStatus: the worst level wins, and its messages are joined."""

    def __init__(self, name: str) -> None:
        self.message = DiagnosticStatus(name=name, level=OK)

    def summary(self, level: bytes, text: str) -> None:
        """Adds a finding."""
        if level > self.message.level:
            self.message.level = level
            self.message.message = text
        elif level == self.message.level:
            self.message.message = '; '.join(filter(None, (self.message.message, text)))

    def add(self, key: str, value: object) -> None:
        """Adds a value; a float gets three decimals."""
        text = f'{value:.3f}' if isinstance(value, float) else str(value)
        self.message.values.append(KeyValue(key=key, value=text))

    def add_percentiles(self, key: str, durations: Durations) -> None:
        """Adds p50, p95 and p99 of recent durations, if there are any."""
        percentiles = durations.percentiles()
        if percentiles is not None:
            for name, value in percentiles._asdict().items():
                self.add(f'{key}_{name}', value)


class CameraTask:
    """Reports whether a camera's frames arrive, and how many are published or dropped."""

    def __init__(
        self,
        slot: CameraSlot,
        link: Callable[[], ImageLink],
        age_ms: Durations,
        ground: CameraGround,
        ground_wanted: Callable[[], bool],
        monitor: ClaimMonitor,
        settings: Callable[[], Settings],
        logger: Logger,
    ) -> None:
        """
        Args:
            slot: The camera's slot.
            link: Asks the graph how the camera is connected.
            age_ms: Ages of the published labels.
            ground: Projects the camera's masks onto the ground.
            ground_wanted: Returns whether grid or scan have a subscriber.
            monitor: Knows whether the network's claim still holds for this camera.
            settings: Returns the current parameters.
            logger: Logs once when frames fail to arrive or become few, and once when they arrive
                again; also logs each problem of grid and scan once.
        """
        self.name = slot.label
        self._slot = slot
        self._link = link
        self._age_ms = age_ms
        self._ground_wanted = ground_wanted
        self._ground = ground
        self._monitor = monitor
        self._ground_problem = ''  # of the last run
        self._logged_ground_problems: set[str] = set()
        self._settings = settings
        self._logger = logger
        self._started = self._last_run = self._awake = time.monotonic()
        self._last_counts = FrameCounts()
        self._arrivals = Arrivals()
        self._logged_problem = ''  # empty once frames arrive again
        self._first_received: float | None = None  # first of the frames that arrived without a gap
        self._steady = False

    def run(self, status: Status) -> None:
        """See `Task`."""
        now = time.monotonic()
        state, link = self._slot.state, self._link()
        recent, elapsed = state.counts.since(self._last_counts), now - self._last_run
        self._last_counts, self._last_run = state.counts, now
        if elapsed > 2 * PERIOD:
            # Callbacks did not run, so frames that arrived meanwhile are still to be received.
            self._awake = now
        self._arrivals.add(elapsed, recent.received, recent.lost)

        last = self._started if state.last_received is None else state.last_received
        timed_out = now - max(last, self._awake) > self._settings().camera_timeout
        self._judge_steadiness(state.last_received, timed_out)

        finding = judge(
            state,
            link,
            self._arrivals,
            timeout=self._settings().camera_timeout,
            timed_out=timed_out,
            steady=self._steady,
            recovering=bool(self._logged_problem),
        )
        status.summary(finding.level, finding.text)
        self._log(finding, timed_out)
        if recent.malformed or state.first_refused is not None:
            status.summary(WARN, f'malformed frames are dropped: {state.last_error}')

        _report_link(status, link)
        if state.last_received is not None:
            status.add('seconds_since_last_frame', now - last)
        if elapsed > 0:
            status.add('fps_in', recent.received / elapsed)
            status.add('fps_out', recent.published / elapsed)
        status.add('frames_in', state.counts.received)
        status.add('frames_out', state.counts.published)
        status.add('frames_dropped', state.counts.dropped)
        status.add('frames_malformed', state.counts.malformed)
        status.add('frames_lost', state.counts.lost)
        status.add_percentiles('pipeline_latency_ms', self._age_ms)
        self._report_ground(status)
        self._report_claim(status)

    def _report_ground(self, status: Status) -> None:
        status.add('pose', self._ground.pose_source)
        problem = self._ground.problem if self._ground_wanted() else ''
        if problem:
            status.summary(WARN, problem)
        # Not the first time, because CameraInfo and TF may arrive shortly after the first image.
        is_new = problem not in self._logged_ground_problems
        if problem and problem == self._ground_problem and is_new:
            self._logged_ground_problems.add(problem)
            self._logger.warning(f'{self.name}: {problem}')
        self._ground_problem = problem

    def _report_claim(self, status: Status) -> None:
        doubt = self._monitor.doubt
        status.add('claim_doubt', doubt or 'none')
        if doubt:
            status.summary(WARN, f'the stated error rate may no longer hold: {doubt}')

    def _judge_steadiness(self, last_received: float | None, timed_out: bool) -> None:
        if timed_out or self._arrivals.lossy:
            self._first_received = None
        elif last_received is not None:
            if self._first_received is None:
                self._first_received = last_received
            # A single frame does not prove a sound link, because some arrive on lossy links too.
            self._steady = last_received - self._first_received > self._settings().camera_timeout

    def _log(self, finding: Finding, timed_out: bool) -> None:
        if finding.level == OK and self._logged_problem:
            self._logger.info(f'{self.name}: frames arrive')
            self._logged_problem = ''
        is_new = finding.problem not in ('', self._logged_problem)
        # On a lossy link, frames are missing now and then, and the loss has been logged already.
        is_known_loss = timed_out and self._logged_problem == _LOSS and self._arrivals.lossy
        if is_new and not is_known_loss:
            text = f'no frames: {finding.text}' if timed_out else finding.text
            self._logger.warning(f'{self.name}: {text}')
            self._logged_problem = finding.problem


def _report_link(status: Status, link: ImageLink) -> None:
    publishers = len(link.publishers)
    if publishers > 1:
        status.summary(
            WARN,
            f'{link.topic} has {publishers} publishers; frames of all are segmented in order of'
            ' arrival. Stop all but one if this is not intended',
        )
    status.message.hardware_id = link.topic
    status.add('topic', link.topic)
    status.add('reliability', 'reliable' if link.reliable else 'best effort')
    status.add('publishers', publishers)


_LOSS = 'loss'


class Finding(NamedTuple):
    """What a camera's frames are like.

    Attributes:
        level: `OK`, `WARN` or `ERROR`.
        text: The message.
        problem: Findings of the same problem are logged once; empty for those that are not logged.
    """

    level: bytes
    text: str
    problem: str = ''


def judge(
    state: CameraState,
    link: ImageLink,
    arrivals: Arrivals,
    *,
    timeout: float,
    timed_out: bool,
    steady: bool,
    recovering: bool,
) -> Finding:
    """Returns what is worst about a camera's frames.

    Args:
        state: The camera's state.
        link: Its connection as the graph shows it.
        arrivals: Its recent arrivals.
        timeout: `camera_timeout`.
        timed_out: Whether no frame has arrived for that long.
        steady: Whether frames have arrived for that long.
        recovering: Whether a problem was logged that has not ended.
    """
    if timed_out or not link.publishers:
        reason = explain_silence(link, steady=steady, lost=state.counts.lost)
        return Finding(ERROR, reason, reason) if timed_out else Finding(WARN, reason)
    if state.refused_for > timeout:
        return Finding(ERROR, f'no frame can be decoded: {state.last_error}', 'refused')
    if arrivals.lossy:
        recent = arrivals.recent
        reason = explain_loss(link, received=recent.received, lost=recent.lost)
        return Finding(WARN, reason, _LOSS)
    if arrivals.slow:
        rate, usual = arrivals.recent.rate, arrivals.usual_rate
        text = f'only {rate:.1f} frames per second arrive; {usual:.1f} before'
        return Finding(WARN, text, 'slow')
    if recovering and not steady:
        return Finding(WARN, 'frames are arriving again, but not yet for camera_timeout')
    return Finding(OK, 'frames arrive' if state.counts.received else 'waiting for a frame')


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
