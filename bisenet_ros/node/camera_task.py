# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The status of a camera on /diagnostics.

The levels take the consumer's view: a camera without frames is an error whatever the cause, and
the message names the cause.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from bisenet_ros.camera_ground import CameraGround
from bisenet_ros.camera_slot import CameraSlot, CameraState, FrameCounts
from bisenet_ros.node.image_link import ImageLink, explain_loss, explain_silence
from bisenet_ros.node.statistics import Arrivals, Durations
from bisenet_ros.node.status import ERROR, OK, PERIOD, WARN, Status
from bisenet_ros.node.worker import Logger
from bisenet_ros.settings import Settings
from bisenet_ros.trust.monitor import ClaimMonitor


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
