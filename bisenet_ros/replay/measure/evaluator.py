# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segments, times and measures the frames of a bag."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from bisenet_ros.bag.reader import RecordedFrame, ReplayBag
from bisenet_ros.bag.recorded_outputs import RecordedOutput
from bisenet_ros.camera_pipeline import CameraPipeline, DecodedFrame, SegmentedFrame
from bisenet_ros.camera_slot import FrameCounts
from bisenet_ros.image_codec import ImageError
from bisenet_ros.outputs import FrameResult
from bisenet_ros.replay.measure.evaluation import Evaluation, FrameId, Pixels, together
from bisenet_ros.replay.measure.frame_lines import FrameLines
from bisenet_ros.replay.measure.output_bag import OutputBag
from bisenet_ros.replay.measure.problems import Problems
from bisenet_ros.replay.report.highlights import FrameSummary
from bisenet_ros.replay.report.videos import OverlayVideos

if TYPE_CHECKING:  # Rerun is optional
    from bisenet_ros.rerun_view import RerunView


class Taken(NamedTuple):
    """A frame of a bag, to be segmented now.

    Attributes:
        frame: The frame.
        waited: Seconds since its arrival; NaN if arrival is not simulated, and results have no age.
    """

    frame: RecordedFrame
    waited: float = math.nan


class Evaluator:
    """Processes frames as the node does, and measures time and output.

    Attributes:
        problems: Problems with frames.
        summaries: The evaluated frames.
        evaluations: The counts behind the figures, by image topic.

    Args:
        bag: The bag of the frames.
        pipeline: Decodes and segments the frames.
        overlay_alpha: Opacity of the overlay, 0 to 1.
        lines: Receives one line per frame.
        outputs: Receives all outputs of the node.
        videos: Receives the overlays; None for no videos.
        view: Shows the frames; None for no view.
    """

    def __init__(
        self,
        bag: ReplayBag,
        pipeline: CameraPipeline,
        overlay_alpha: float,
        lines: FrameLines,
        outputs: OutputBag,
        videos: OverlayVideos | None,
        view: RerunView | None,
    ) -> None:
        self.problems = Problems()
        self.summaries: list[FrameSummary] = []
        self._bag = bag
        self._pipeline = pipeline
        self._label_space = pipeline.segmenter.label_space
        self._overlay_alpha = overlay_alpha
        self._lines = lines
        self._outputs = outputs
        self._videos = videos
        self._view = view
        self.evaluations = {
            camera.image_topic: Evaluation(self._label_space) for camera in bag.cameras
        }
        self._counts = dict.fromkeys(self.evaluations, FrameCounts())
        self._latest_stamp: dict[str, int] = {}
        self._start: int | None = None

    def arrive(self, frame: RecordedFrame) -> None:
        """Counts a frame of the bag, whether or not it will be segmented."""
        topic = frame.camera.image_topic
        self._count(topic, received=1)
        if self._start is None:
            self._start = frame.received
        latest = self._latest_stamp.get(topic, frame.stamp - 1)
        if frame.stamp == latest:
            self.problems.add('frames have the stamp of an earlier one', frame.place)
        elif frame.stamp < latest:
            self.problems.add(
                'stamps go backwards',
                f'{frame.place}, {(latest - frame.stamp) / 1e9:g} s before an earlier frame',
            )
        self._latest_stamp[topic] = max(latest, frame.stamp)

    def segment(self, taken: Sequence[Taken]) -> float:
        """Segments frames of different cameras in one inference, and writes the outputs.

        Returns:
            Seconds that the node would be busy with them, without the work of the evaluation.
        """
        start = time.perf_counter()
        decoded = [(one, frame) for one in taken if (frame := self._decode(one.frame)) is not None]
        for one in taken:
            self._take_camera_infos(one.frame)
        segmented = self._pipeline.segment([frame for _, frame in decoded])
        for frame in segmented:
            _ = frame.segmentation.drivable  # as the node does for a subscriber
        busy = time.perf_counter() - start
        for (one, _), frame in zip(decoded, segmented, strict=True):
            self._measure(one.frame, frame, 1e3 * (one.waited + busy), sharing=len(segmented))
        return busy

    def measure_recorded(self, frame: RecordedFrame, output: RecordedOutput | None) -> bool:
        """Measures and writes the recorded output of a running node for a frame.

        Returns:
            Whether the node dropped the frame, though it could be decoded.
        """
        decoded = self._decode(frame)
        if decoded is None:
            return False
        if output is None:
            return True
        times_ms = output.times_ms
        segmented = SegmentedFrame(
            decoded.camera,
            decoded.message,
            decoded.pixels,
            times_ms['decode'],
            output.segmentation(self._pipeline.ego_masks.get(decoded.camera)),
            times_ms['inference'],
            frame.camera_info,
        )
        self._take_camera_infos(frame)
        segmented = self._pipeline.with_ground(segmented)
        self._measure(frame, segmented, times_ms['age'], sharing=1)
        return False

    def figures(self, dropped_frames: Mapping[str, int]) -> dict[str, Any]:
        """Returns the figures of all frames, and those of each camera.

        Args:
            dropped_frames: Number of frames dropped for a newer one, by topic.
        """
        total = together(self.evaluations.values(), self._label_space)
        return {
            'read_frames': sum(counts.received for counts in self._counts.values()),
            'dropped_frames': sum(dropped_frames.values()),
            **total.figures(),
            'cameras': [
                {
                    'name': camera.name,
                    'image_topic': camera.image_topic,
                    'labels_topic': camera.labels_topic,
                    'read_frames': self._counts[camera.image_topic].received,
                    'dropped_frames': dropped_frames.get(camera.image_topic, 0),
                    **self.evaluations[camera.image_topic].figures(),
                }
                for camera in self._bag.cameras
            ],
        }

    def _decode(self, frame: RecordedFrame) -> DecodedFrame | None:
        """Decodes the frame; records a problem and returns None if it cannot be decoded."""
        try:
            return self._pipeline.decode(frame.camera.name, frame.message)
        except ImageError as error:
            self.problems.add('frames could not be decoded', f'{frame.place}: {error}')
            self._count(frame.camera.image_topic, malformed=1)
            self._write(frame, {'error': str(error)})
            return None

    def _take_camera_infos(self, frame: RecordedFrame) -> None:
        """Hands over the CameraInfos that a node has when it segments the frame."""
        for info in (frame.latest_info, frame.camera_info):
            if info is not None:
                self._pipeline.take_camera_info(frame.camera.name, info)

    def _measure(
        self, frame: RecordedFrame, segmented: SegmentedFrame, age_ms: float, *, sharing: int
    ) -> None:
        self._publish(frame, segmented, age_ms)
        figures, truth = self._compute(frame, segmented, age_ms, sharing)
        self._write(frame, figures)
        if self._view is not None:
            self._view.show(
                frame,
                segmented.pixels,
                segmented.segmentation,
                ground=segmented.ground,
                truth=truth,
                figures=figures,
            )
        self.summaries.append(
            FrameSummary(
                FrameId.of(frame),
                self._time_of(frame),
                figures['drivable_fraction'],
                figures['confidence'],
                figures['total_ms'],
                figures.get('miou'),
            )
        )

    def _publish(self, frame: RecordedFrame, segmented: SegmentedFrame, age_ms: float) -> None:
        """Writes the outputs and the video, with the counts that the node would have by then."""
        counts = self._count(frame.camera.image_topic, published=1)
        came = frame.index + 1
        counts = replace(counts, received=came, dropped=came - counts.published - counts.malformed)
        result = FrameResult(segmented, self._overlay_alpha, age_ms, counts=counts)
        self._outputs.write(frame, result)
        if self._videos is not None:
            self._videos.write(frame, result.overlay)

    def _compute(
        self, frame: RecordedFrame, segmented: SegmentedFrame, age_ms: float, sharing: int
    ) -> tuple[dict[str, Any], Pixels | None]:
        """Returns the figures of a frame, and its ground truth if that can be used."""
        times_ms = {
            'decode': segmented.decode_ms,
            'inference': segmented.inference_ms,
            'total': segmented.decode_ms + segmented.inference_ms,
        }
        if not math.isnan(age_ms):
            times_ms['age'] = age_ms
        evaluation = self.evaluations[frame.camera.image_topic]
        figures = evaluation.update(
            FrameId.of(frame),
            segmented.pixels,
            segmented.segmentation,
            times_ms,
            None if segmented.ground is None else segmented.ground.tables,
            sharing=sharing,
        )
        compared, truth = evaluation.compare_recorded(frame, self.problems)
        return figures | compared, truth

    def _count(self, topic: str, **more: int) -> FrameCounts:
        self._counts[topic] = self._counts[topic].plus(**more)
        return self._counts[topic]

    def _write(self, frame: RecordedFrame, figures: Mapping[str, Any]) -> None:
        self._lines.write(
            {**FrameId.of(frame)._asdict(), 'time_s': self._time_of(frame), **figures}
        )

    def _time_of(self, frame: RecordedFrame) -> float:
        """Returns the seconds since the first frame of the bag."""
        return (frame.received - (self._start or 0)) / 1e9
