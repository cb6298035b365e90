# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measures the outputs of a demo while they are drawn, and lists its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bisenet_ros.bag.recorded_outputs import RecordedOutputs
from bisenet_ros.demo.drawings import VIDEO, Drawings, Picture, pictures_in
from bisenet_ros.demo.from_above import GroundOfFrames
from bisenet_ros.ego_mask import EgoMask
from bisenet_ros.formatting import number, percent, percentiles
from bisenet_ros.image_codec import ImageError
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.live.sources import Frames
from bisenet_ros.metrics import ConfusionMatrix, nan_to_none, truth_at, truth_outside
from bisenet_ros.percentiles import Percentiles
from bisenet_ros.replay.measure.evaluation import Evaluation, FrameId
from bisenet_ros.replay.measure.problems import Problems
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.settings import Settings
from bisenet_ros.version import versions

if TYPE_CHECKING:  # Rerun is optional
    from bisenet_ros.rerun_view import RerunView

_ACCURACY = ('miou', 'drivable_iou', 'iou', 'free_space_error_m', 'free_space_error_p95_m')

Pixels = npt.NDArray[np.uint8]
Row = tuple[str, str]


class Evaluated(NamedTuple):
    """What the frames of a demo gave.

    Attributes:
        accuracy: Figures of the frames with ground truth; None if there are none.
        pictures: The pictures that were written.
        undecodable: Number of frames that cannot be decoded.
        problems: One sentence for each kind of problem with frames.
    """

    accuracy: dict[str, Any] | None
    pictures: list[Picture]
    undecodable: int
    problems: list[str]


def results_in(output: Path) -> Iterator[Path]:
    """Yields the files that a demo replaces or removes.

    Raises:
        OSError: The folder cannot be read.
    """
    yield from (output / name for name in (VIDEO, 'metrics.json', 'index.html'))
    yield from pictures_in(output)


def figures(
    frames: Frames,
    name: str,
    outputs: RecordedOutputs,
    evaluated: Evaluated,
    model: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns the figures of a demo, ready for JSON.

    Args:
        frames: The source, after its evaluation.
        name: Name of the source.
        outputs: Outputs for one or more frames of one camera.
        evaluated: What these frames gave.
        model: The model of the node, from `describe_model`.
    """
    published = [publication for camera in outputs.published.values() for publication in camera]
    arrivals = list(outputs.arrivals.values())
    ages = [outputs.age_ms(*frame) for frame in outputs.arrivals]
    stages = {
        'decode': [arrival.decode_ms for arrival in arrivals],
        'inference': [arrival.inference_ms for arrival in arrivals],
        'publish': [arrival.publish_ms for arrival in arrivals],
    }
    accuracy = evaluated.accuracy
    return {
        'source': name,
        'problems': [*filter(None, [frames.problem]), *evaluated.problems],
        'camera_hz': _rate([publication.time for publication in published]),
        'frames': {
            'published': len(published),
            'segmented': len(arrivals),
            'dropped': len(published) - len(arrivals) - evaluated.undecodable,
            'compared_with_truth': accuracy['frames'] if accuracy else 0,
        },
        'fps': _rate(sorted(arrival.received for arrival in arrivals)),
        'latency_ms': {**Percentiles.of(ages)._asdict(), 'max': max(ages)},
        'stages_ms': {stage: float(np.median(times)) for stage, times in stages.items()},
        'accuracy': accuracy and {name: accuracy[name] for name in _ACCURACY},
        'offline': None,
        'model': model,
        'versions': versions(),
    }


def _rate(times: Sequence[int]) -> float | None:
    """Returns events per second from times in nanoseconds; None for fewer than two."""
    span = times[-1] - times[0] if len(times) > 1 else 0
    return 1e9 * (len(times) - 1) / span if span > 0 else None


class Offline:
    """Segments the same frames without ROS, and compares the labels with those of the node.

    Args:
        segmenter: A segmenter with the node's settings.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._confusion = ConfusionMatrix(len(segmenter.label_space))
        self._pixels = 0
        self._differing = 0

    def add(
        self, image: Pixels, ego_mask: EgoMask | None, truth: Pixels | None, live: Pixels
    ) -> None:
        """Segments a frame, and compares with the labels that the node published.

        Args:
            image: (H, W, 3) BGR.
            ego_mask: Mask of the vehicle itself; None without one.
            truth: (h, w) class ids, as large as the labels; None without ground truth.
            live: (h, w) labels of the node.
        """
        (found,) = self._segmenter.batch([image], [ego_mask])
        self._pixels += found.labels.size
        self._differing += int(np.count_nonzero(found.labels != live))
        if truth is not None:
            self._confusion.update(found.labels, truth_outside(truth, found.ego))

    def figures(self) -> dict[str, Any]:
        """Returns mean IoU and the number of pixels that differ from the node, ready for JSON."""
        return {
            'miou': nan_to_none(self._confusion.miou()),
            'pixels': self._pixels,
            'differing_pixels': self._differing,
        }


def evaluate(
    frames: Frames,
    outputs: RecordedOutputs,
    label_space: LabelSpace,
    output: Path,
    *,
    settings: Settings,
    offline: Offline | None,
    view: RerunView | None,
    advance: Callable[[], None],
) -> Evaluated:
    """Compares the outputs with ground truth, and writes `overlay.webm` and the pictures.

    If CameraInfo and `mounting` are known, these also show the ground from above.

    Args:
        frames: Published frames of one camera.
        outputs: The recorded outputs.
        label_space: Label space of the labels.
        output: The output folder.
        settings: The node's settings.
        offline: Gets every frame that has an output; None for no comparison.
        view: Shows every frame that has an output; None for no view.
        advance: Called after every frame.

    Raises:
        UserError: The source cannot be read any more.
    """
    problems = Problems()
    undecodable = 0
    evaluation = Evaluation(label_space)
    (camera,) = frames.cameras
    grounds = GroundOfFrames(camera, settings)
    segmented = sorted(index for _, index in outputs.arrivals)
    (published,) = outputs.published.values()
    rate = _rate([published[index].time for index in segmented]) or 1.0
    start: int | None = None
    with Drawings(output, rate, segmented, grounds, settings.overlay_alpha) as drawings:
        for frame in frames:
            start = frame.received if start is None else start
            recorded = outputs.of(frame)
            if recorded is None:
                try:
                    frame.image()
                except ImageError as error:
                    undecodable += 1
                    problems.add('frames could not be decoded', f'{frame.place}: {error}')
            else:
                image = frame.image()
                found = recorded.segmentation(grounds.ego_mask)
                ground = grounds.of(frame, image, found)
                tables = None if ground is None else ground.tables
                times_ms = recorded.times_ms
                shown = evaluation.update(FrameId.of(frame), image, found, times_ms, tables)
                compared, truth = evaluation.compare_recorded(frame, problems)
                shown |= compared
                if truth is not None:
                    truth = truth_at(truth, image.shape, found.labels.shape)
                title = f'{(frame.received - start) / 1e9:.1f} s'
                drawings.add(frame.index, title, image, truth, found, ground)
                if view is not None:
                    view.show(frame, image, found, ground=ground, truth=truth, figures=shown)
                if offline is not None:
                    offline.add(image, grounds.ego_mask, truth, found.labels)
            advance()
    accuracy = evaluation.figures()['accuracy']
    return Evaluated(accuracy, drawings.pictures, undecodable, problems.lines())


def rows(measured: Mapping[str, Any]) -> list[Row]:
    """Returns the figures as a table of names and values, for the terminal and for the page."""
    frames, latency = measured['frames'], measured['latency_ms']
    accuracy, offline, stages = measured['accuracy'], measured['offline'], measured['stages_ms']
    parts = ', '.join(f'{name} {value:.1f}' for name, value in stages.items())
    table = [
        ('source', measured['source']),
        *(('problem', problem) for problem in measured['problems']),
        ('camera', number(measured['camera_hz'], 'Hz')),
        ('frames published', str(frames['published'])),
        ('frames segmented', str(frames['segmented'])),
        ('frames dropped', str(frames['dropped'])),
        ('FPS', number(measured['fps'])),
        ('latency p50 / p95 / p99', percentiles(latency)),
        ('stages, median', f'{parts} ms'),
    ]
    if accuracy is not None:
        table += [
            ('mIoU', percent(accuracy['miou'])),
            ('drivable IoU', percent(accuracy['drivable_iou'])),
        ]
        if accuracy['free_space_error_m'] is not None:
            errors = (accuracy[f'free_space_error_{name}'] for name in ('m', 'p95_m'))
            median, p95 = (f'{error:.2f}' for error in errors)
            table.append(('free-space error p50 / p95', f'{median} / {p95} m'))
    if offline is not None:
        if accuracy is not None:
            table.append(('mIoU offline', percent(offline['miou'])))
        table.append(
            (
                'pixels that differ offline',
                f'{offline["differing_pixels"]} of {offline["pixels"]}',
            )
        )
    return table
