# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One replay: every frame of a bag through the segmenter, and what that gave into a folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from bisenet_ros.bag import BagError
from bisenet_ros.errors import UserError
from bisenet_ros.image_codec import ImageError
from bisenet_ros.replay.evaluation import Evaluation, FrameId, together
from bisenet_ros.replay.moments import Moment, choose
from bisenet_ros.replay.page import write_page
from bisenet_ros.replay.pictures import draw_pictures
from bisenet_ros.replay.problems import Problems
from bisenet_ros.replay.provenance import describe_bag, describe_model, versions
from bisenet_ros.replay.reader import RecordedFrame, ReplayBag
from bisenet_ros.replay.results import ResultsFile
from bisenet_ros.segmenter import Segmenter


@dataclass(frozen=True)
class Result:
    """What a replay gave.

    Attributes:
        metrics: What metrics.json holds.
        problems: One sentence for each kind of thing that was wrong with the bag; none if the
            results are complete.
    """

    metrics: dict[str, Any]
    problems: list[str]


def replay(
    bag: ReplayBag, segmenter: Segmenter, weights: str, output: Path, advance: Callable[[], None]
) -> Result:
    """Segment every frame, and write metrics.json, frames.jsonl, output.mcap and report.html.

    What cannot be used of the bag is left out and named; the rest is evaluated.

    Args:
        bag: The frames.
        segmenter: Set up as the node's is.
        weights: What it was loaded from.
        output: A folder; files of an earlier replay are replaced.
        advance: Called after every frame.

    Raises:
        OSError: A file cannot be written.
    """
    with (
        (output / 'frames.jsonl').open('w', encoding='utf-8') as lines,
        ResultsFile(output / 'output.mcap') as results,
    ):
        bench = _Bench(bag, segmenter, lines, results)
        damage = bag.damage
        try:
            for frame in bag:
                bench.take(frame)
                advance()
        except BagError as error:
            damage = str(error)
    problems = [damage] * bool(damage) + bench.problems.lines()
    metrics = {
        'complete': not problems,
        'problems': problems,
        'bag': describe_bag(bag.path),
        'model': describe_model(weights, segmenter),
        'versions': versions(),
        **bench.figures(),
    }
    text = json.dumps(metrics, indent=2, ensure_ascii=False, allow_nan=False)
    (output / 'metrics.json').write_text(text + '\n', encoding='utf-8')
    pictures = draw_pictures(bag, segmenter, choose(bench.moments))
    page = output / 'report.html'
    write_page(page, metrics, bench.moments, pictures, segmenter.label_space)
    return Result(metrics, problems)


class _Bench:
    """Where frames are segmented and measured.

    Attributes:
        problems: What was wrong with frames.
        moments: The frames that were evaluated.

    Args:
        bag: Whose frames come.
        segmenter: What segments them.
        lines: Where a line of JSON per frame goes.
        results: Where labels, masks and overlays go.
    """

    def __init__(
        self, bag: ReplayBag, segmenter: Segmenter, lines: TextIO, results: ResultsFile
    ) -> None:
        self.problems = Problems()
        self.moments: list[Moment] = []
        self._bag = bag
        self._segmenter = segmenter
        self._lines = lines
        self._results = results
        self._evaluations = {
            camera.image_topic: Evaluation(segmenter.label_space) for camera in bag.cameras
        }
        self._read_frames = dict.fromkeys(self._evaluations, 0)
        self._latest_stamp: dict[str, int] = {}
        self._first_stamp: int | None = None

    def take(self, frame: RecordedFrame) -> None:
        """Segment a frame, measure it, and write its line and its results."""
        topic = frame.camera.image_topic
        self._read_frames[topic] += 1
        self._check_order(frame)
        frame_id = FrameId(topic, frame.index, frame.stamp)
        line: dict[str, Any] = frame_id._asdict()
        if self._first_stamp is None:
            self._first_stamp = frame.stamp
        line['time_s'] = (frame.stamp - self._first_stamp) / 1e9
        try:
            line |= self._measure(frame, frame_id)
        except ImageError as error:
            line['error'] = str(error)
            self.problems.add('frames could not be decoded', f'{frame.place}: {error}')
        else:
            self.moments.append(
                Moment(
                    topic,
                    frame.index,
                    line['time_s'],
                    line['drivable_fraction'],
                    line['confidence'],
                    line['total_ms'],
                    line.get('miou'),
                )
            )
        self._lines.write(json.dumps(line, allow_nan=False) + '\n')

    def figures(self) -> dict[str, Any]:
        """The figures of all frames, and those of each camera."""
        total = together(self._evaluations.values(), self._segmenter.label_space)
        return {
            'read_frames': sum(self._read_frames.values()),
            **total.figures(),
            'cameras': [
                {
                    'name': camera.name,
                    'image_topic': camera.image_topic,
                    'labels_topic': camera.labels_topic,
                    'read_frames': self._read_frames[camera.image_topic],
                    **self._evaluations[camera.image_topic].figures(),
                }
                for camera in self._bag.cameras
            ],
        }

    def _measure(self, frame: RecordedFrame, frame_id: FrameId) -> dict[str, Any]:
        """The frame's figures.

        Raises:
            ImageError: The image cannot be decoded.
        """
        start = time.perf_counter()
        image = frame.image()
        decoded = time.perf_counter()
        result = self._segmenter(image)
        _ = result.drivable  # the node computes it with every frame
        done = time.perf_counter()
        latency_ms = {
            'decode': 1e3 * (decoded - start),
            'inference': 1e3 * (done - decoded),
            'total': 1e3 * (done - start),
        }
        self._results.write(frame, image, result)
        evaluation = self._evaluations[frame.camera.image_topic]
        figures = evaluation.update(frame_id, image, result, latency_ms)
        try:
            truth = frame.truth()
            if truth is not None:
                figures |= evaluation.compare(result, truth)
        except UserError as error:
            self.problems.add('truths could not be used', f'{frame.place}: {error}')
        return figures

    def _check_order(self, frame: RecordedFrame) -> None:
        topic = frame.camera.image_topic
        latest = self._latest_stamp.get(topic, frame.stamp)
        if frame.stamp < latest:
            self.problems.add(
                'stamps go backwards',
                f'{frame.place}, {(latest - frame.stamp) / 1e9:g} s before an earlier frame',
            )
        self._latest_stamp[topic] = max(latest, frame.stamp)
