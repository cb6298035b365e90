# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the frames of a bag are segmented, timed and measured."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bisenet_ros.bag.reader import RecordedFrame, ReplayBag
from bisenet_ros.bag.recorded_outputs import RecordedOutput
from bisenet_ros.errors import UserError
from bisenet_ros.image_codec import ImageError
from bisenet_ros.replay.measure.evaluation import Evaluation, FrameId, together
from bisenet_ros.replay.measure.findings import Findings
from bisenet_ros.replay.measure.frame_lines import FrameLines
from bisenet_ros.replay.measure.output_bag import ResultsFile, Timing, draw
from bisenet_ros.replay.measure.problems import Problems
from bisenet_ros.replay.report.highlights import Moment
from bisenet_ros.replay.report.videos import OverlayVideos
from bisenet_ros.segmenter import Segmenter


class Taken(NamedTuple):
    """A frame of a bag, to be segmented now.

    Attributes:
        frame: The frame.
        waited: Seconds since it arrived; None where frames do not arrive in time, so that their
            results have no age.
    """

    frame: RecordedFrame
    waited: float | None = None


class _Decoded(NamedTuple):
    """A frame with its pixels, (H, W, 3) BGR, and what it took to get them."""

    frame: RecordedFrame
    waited: float | None
    image: npt.NDArray[np.uint8]
    decode_ms: float


class Bench:
    """Does with frames what the node does, and measures it.

    Attributes:
        problems: What was wrong with frames.
        moments: The frames that were evaluated.
        evaluations: The counts behind the figures, by image topic.

    Args:
        bag: Whose frames come.
        segmenter: What segments them.
        lines: Where a line per frame goes.
        results: Where labels, masks, overlays and times go.
        videos: Where overlays go, too; None if nobody wants them.
    """

    def __init__(
        self,
        bag: ReplayBag,
        segmenter: Segmenter,
        lines: FrameLines,
        results: ResultsFile,
        videos: OverlayVideos | None,
    ) -> None:
        self.problems = Problems()
        self.moments: list[Moment] = []
        self._bag = bag
        self._segmenter = segmenter
        self._lines = lines
        self._results = results
        self._videos = videos
        self.evaluations = {
            camera.image_topic: Evaluation(segmenter.label_space) for camera in bag.cameras
        }
        self._read_frames = dict.fromkeys(self.evaluations, 0)
        self._segmented_frames = dict.fromkeys(self.evaluations, 0)
        self._malformed_frames = dict.fromkeys(self.evaluations, 0)
        self._latest_stamp: dict[str, int] = {}
        self._first_stamp: int | None = None

    def arrive(self, frame: RecordedFrame) -> None:
        """Take note of a frame of the bag, whether or not it is segmented then."""
        topic = frame.camera.image_topic
        self._read_frames[topic] += 1
        if self._first_stamp is None:
            self._first_stamp = frame.stamp
        latest = self._latest_stamp.get(topic, frame.stamp)
        if frame.stamp < latest:
            self.problems.add(
                'stamps go backwards',
                f'{frame.place}, {(latest - frame.stamp) / 1e9:g} s before an earlier frame',
            )
        self._latest_stamp[topic] = max(latest, frame.stamp)

    def work(self, taken: Sequence[Taken]) -> float:
        """Segment frames of different cameras in one inference, and write what that gave.

        Returns:
            Seconds that the node would be busy with them: without what only the evaluation needs.
        """
        start = time.perf_counter()
        decoded = [found for one in taken if (found := self._decode(one)) is not None]
        inference = time.perf_counter()
        results = self._segmenter.batch([one.image for one in decoded])
        for result in results:
            _ = result.drivable  # as the node does where somebody listens to it
        done = time.perf_counter()
        inference_ms = 1e3 * (done - inference)
        for one, result in zip(decoded, results, strict=True):
            times_ms = {
                'decode': one.decode_ms,
                'inference': inference_ms,
                'total': one.decode_ms + inference_ms,
            }
            if one.waited is not None:
                times_ms['age'] = 1e3 * (one.waited + done - start)
            self._measure(one, result, times_ms)
        return done - start

    def take(self, frame: RecordedFrame, output: RecordedOutput | None) -> int:
        """Measure what a running node has put out for a frame, and write that.

        Returns:
            1 if the node dropped the frame, though it could be decoded, else 0.
        """
        decoded = self._decode(Taken(frame))
        if decoded is not None and output is not None:
            self._measure(decoded, output, output.times_ms)
        return int(decoded is not None and output is None)

    def figures(self, dropped_frames: Mapping[str, int]) -> dict[str, Any]:
        """The figures of all frames, and those of each camera.

        Args:
            dropped_frames: Frames that were not segmented because a newer one came, by topic.
        """
        total = together(self.evaluations.values(), self._segmenter.label_space)
        return {
            'read_frames': sum(self._read_frames.values()),
            'dropped_frames': sum(dropped_frames.values()),
            **total.figures(),
            'cameras': [
                {
                    'name': camera.name,
                    'image_topic': camera.image_topic,
                    'labels_topic': camera.labels_topic,
                    'read_frames': self._read_frames[camera.image_topic],
                    'dropped_frames': dropped_frames.get(camera.image_topic, 0),
                    **self.evaluations[camera.image_topic].figures(),
                }
                for camera in self._bag.cameras
            ],
        }

    def _decode(self, taken: Taken) -> _Decoded | None:
        """The frame with its pixels; None, and a line that says why, where it cannot be decoded."""
        frame = taken.frame
        start = time.perf_counter()
        try:
            image = frame.image()
        except ImageError as error:
            self.problems.add('frames could not be decoded', f'{frame.place}: {error}')
            self._malformed_frames[frame.camera.image_topic] += 1
            self._write(frame, {'error': str(error)})
            return None
        return _Decoded(*taken, image, decode_ms=1e3 * (time.perf_counter() - start))

    def _measure(self, decoded: _Decoded, result: Findings, times_ms: Mapping[str, float]) -> None:
        frame = decoded.frame
        topic = frame.camera.image_topic
        self._segmented_frames[topic] += 1
        drawn = draw(decoded.image, result)
        self._results.write(frame, result, drawn, self._timing(frame, times_ms))
        if self._videos is not None:
            self._videos.write(frame, drawn)
        evaluation = self.evaluations[topic]
        figures = evaluation.update(_id_of(frame), decoded.image, result, times_ms)
        try:
            truth = frame.truth()
            if truth is not None:
                figures |= evaluation.compare(result, truth)
        except UserError as error:
            self.problems.add('truths could not be used', f'{frame.place}: {error}')
        self._write(frame, figures)
        self.moments.append(
            Moment(
                topic,
                frame.index,
                self._time_of(frame),
                figures['drivable_fraction'],
                figures['confidence'],
                figures['total_ms'],
                figures.get('miou'),
            )
        )

    def _timing(self, frame: RecordedFrame, times_ms: Mapping[str, float]) -> Timing:
        topic = frame.camera.image_topic
        came, out = frame.index + 1, self._segmented_frames[topic]
        malformed = self._malformed_frames[topic]
        return Timing(
            times_ms['decode'],
            times_ms['inference'],
            times_ms.get('age', float('nan')),
            came,
            out,
            came - out - malformed,
            malformed,
        )

    def _write(self, frame: RecordedFrame, figures: Mapping[str, Any]) -> None:
        self._lines.write({**_id_of(frame)._asdict(), 'time_s': self._time_of(frame), **figures})

    def _time_of(self, frame: RecordedFrame) -> float:
        """Seconds since the first frame of the bag."""
        return (frame.stamp - (self._first_stamp or 0)) / 1e9


def _id_of(frame: RecordedFrame) -> FrameId:
    return FrameId(frame.camera.image_topic, frame.index, frame.stamp)
