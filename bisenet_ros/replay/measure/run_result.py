# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the results of a replay back from its folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bisenet_ros.bag.messages import messages, open_bag
from bisenet_ros.errors import UserError
from bisenet_ros.image_codec import decode_image, decode_labels
from bisenet_ros.json_text import parse_json
from bisenet_ros.replay.measure.evaluation import FrameId
from bisenet_ros.replay.measure.figures import AccuracyCounts

Pixels = npt.NDArray[np.uint8]


# The keys of metrics.json that are read.
_READ = frozenset(('accuracy', 'bag', 'cameras', 'complete', 'fps', 'model', 'versions'))


class RunError(UserError):
    """The folder does not contain a replay, or not a suitable one."""


@dataclass(frozen=True)
class EvaluatedFrame:
    """A line of frames.jsonl.

    Attributes:
        id: The frame.
        time_s: Seconds since the first frame.
        figures: The figures of the frame by name, where defined.
        counts: The counts behind accuracy; None without ground truth.
        dropped: Frames of the camera dropped since the previous line.
    """

    id: FrameId
    time_s: float
    figures: dict[str, float]
    counts: AccuracyCounts | None
    dropped: int


@dataclass(frozen=True)
class RunResult:
    """The results of a replay.

    Attributes:
        path: The folder.
        metrics: The content of metrics.json.
        frames: The evaluated frames in recording order.
    """

    path: Path
    metrics: dict[str, Any]
    frames: tuple[EvaluatedFrame, ...]

    @classmethod
    def load(cls, path: Path) -> RunResult:
        """Reads metrics.json and frames.jsonl.

        Raises:
            RunError: A file is missing, or was not written by a replay.
        """
        try:
            metrics = _metrics(path / 'metrics.json')
            with (path / 'frames.jsonl').open(encoding='utf-8') as lines:
                frames = tuple(_frames(lines, path))
        except OSError as error:
            raise RunError(
                f'{path}: not the output folder of bisenet replay for one bag: '
                f'{Path(error.filename).name}: {error.strerror}'
            ) from error
        return cls(path, metrics, frames)

    @property
    def classes(self) -> list[str]:
        """Names of the model's classes, by id."""
        return list(self.metrics['model']['classes'])

    @property
    def has_pictures(self) -> bool:
        """Whether output.mcap exists."""
        return (self.path / 'output.mcap').is_file()

    def pictures(
        self, camera: str, kind: Literal['labels', 'overlay']
    ) -> Iterator[tuple[FrameId, Pixels]]:
        """Yields the images of a camera in output.mcap, in recording order.

        Args:
            camera: Its image topic.
            kind: (H, W) class ids, or the (H, W, 3) BGR overlay.

        Raises:
            RunError: The file does not match frames.jsonl.
            BagError: The file is damaged.
        """
        path = self.path / 'output.mcap'
        name = next(c['name'] for c in self.metrics['cameras'] if c['image_topic'] == camera)
        topic = f'/{name}/segmentation/{kind}' if name else f'/segmentation/{kind}'
        frames = iter([frame.id for frame in self.frames if frame.id.camera == camera])
        foreign = RunError(f'{path} and the frames.jsonl beside it are of different replays')
        decode = decode_labels if kind == 'labels' else decode_image
        with closing(open_bag(path)) as reader:
            for _, _, stamp, message in messages(reader, [topic]):
                frame = next(frames, None)
                if frame is None or frame.stamp != stamp:
                    raise foreign
                yield frame, decode(message)
        if next(frames, None) is not None:
            raise foreign


def _metrics(path: Path) -> dict[str, Any]:
    try:
        metrics = parse_json(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise RunError(f'{path}: not JSON: {error}') from error
    if isinstance(metrics, dict) and 'bags' in metrics:
        raise RunError(
            f'{path.parent} has the results of several bags: give the folder of one bag in it'
        )
    if not isinstance(metrics, dict) or not _READ.issubset(metrics):
        raise RunError(f'{path}: not written by bisenet replay for one bag')
    return metrics


def _frames(lines: Iterator[str], path: Path) -> Iterator[EvaluatedFrame]:
    expected: dict[str, int] = {}  # number of the next frame, by camera
    dropped: dict[str, int] = {}
    for number, text in enumerate(lines, start=1):
        try:
            line = parse_json(text)
            frame = FrameId(line.pop('camera'), line.pop('frame'), line.pop('stamp'))
            time_s = line.pop('time_s')
            counts = None
            if 'confusion' in line and 'drivable_overlap' not in line:
                raise RunError(f'{path} was written by an earlier version: replay the bag again')
            if 'confusion' in line:
                counts = AccuracyCounts.of(line.pop('confusion'), line.pop('drivable_overlap'))
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise RunError(
                f'{path / "frames.jsonl"}, line {number}: not written by bisenet replay: {error}'
            ) from error
        figures = {
            name: float(value)
            for name, value in line.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        missing = frame.frame - expected.get(frame.camera, 0)
        dropped[frame.camera] = dropped.get(frame.camera, 0) + missing
        expected[frame.camera] = frame.frame + 1
        if 'confidence' in figures:  # others could not be decoded
            yield EvaluatedFrame(frame, time_s, figures, counts, dropped.pop(frame.camera))
