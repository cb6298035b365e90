# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the results of a replay back from its folder."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, JsonValue, NonNegativeInt, ValidationError
from pydantic_core import from_json

from bisenet_ros.bag.messages import connections_of, messages, open_bag
from bisenet_ros.errors import UserError
from bisenet_ros.image_codec import ImageError, decode_image, decode_labels
from bisenet_ros.limits import MAX_PIXELS
from bisenet_ros.message_types import IMAGE_TYPE
from bisenet_ros.outputs import output_topic
from bisenet_ros.replay.measure.evaluation import FrameId
from bisenet_ros.replay.measure.figures import AccuracyCounts

METRICS_FILE, FRAME_LINES, OUTPUT_BAG = 'metrics.json', 'frames.jsonl', 'output.mcap'
"""Names of the files of a replay that are read back."""

Pixels = npt.NDArray[np.uint8]

_LARGEST = 1e15
"""Limit of figures and times: no measured one is larger, and sums of smaller ones are finite."""

_Number = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST)]
_Count = Annotated[int, Field(ge=0, le=MAX_PIXELS)]


class RunError(UserError):
    """The folder does not contain a replay, or not a suitable one."""


class _Part(BaseModel):
    """A part of a file that is read; the file has more."""

    model_config = ConfigDict(extra='allow', strict=True, allow_inf_nan=False)


class _Camera(_Part):
    name: str
    image_topic: str


class _Model(_Part):
    __pydantic_extra__: dict[str, JsonValue]

    classes: Annotated[list[str], Field(min_length=1)]
    drivable_classes: list[str]
    weights: str
    device: str
    precision: str


class _File(_Part):
    name: str
    sha256: str


class _Bag(_Part):
    path: str
    files: list[_File]


class _Metrics(_Part):
    accuracy: JsonValue
    bag: _Bag
    cameras: list[_Camera]
    complete: bool
    fps: JsonValue
    model: _Model
    versions: dict[str, JsonValue]


class _Line(_Part):
    """A line of frames.jsonl; its figures are the numbers among the other fields."""

    camera: str
    frame: NonNegativeInt
    stamp: int
    time_s: _Number
    confusion: list[list[_Count]] | None = None
    drivable_overlap: Annotated[list[_Count], Field(min_length=2, max_length=2)] | None = None

    def figures(self) -> dict[str, float]:
        """Returns the figures.

        Raises:
            ValueError: A figure is not finite, or larger than any measured one.
        """
        found = {}
        for name, value in (self.model_extra or {}).items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                if not -_LARGEST <= value <= _LARGEST:
                    raise ValueError(f'{name}: not a figure that can be measured')
                found[name] = float(value)
        return found

    def counts(self, classes: int) -> AccuracyCounts | None:
        """Returns the counts behind accuracy; None without ground truth.

        Raises:
            ValueError: The counts are not those of so many classes.
        """
        if self.confusion is None:
            return None
        if len(self.confusion) != classes or any(len(row) != classes + 1 for row in self.confusion):
            raise ValueError(f'confusion: not {classes} rows of {classes + 1} counts')
        return AccuracyCounts.of(self.confusion, self.drivable_overlap)


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
            metrics = _metrics(path / METRICS_FILE)
            with (path / FRAME_LINES).open('rb') as lines:
                frames = tuple(_frames(lines, path, len(metrics['model']['classes'])))
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
        return (self.path / OUTPUT_BAG).is_file()

    def pictures_of(
        self, frames: Collection[FrameId], kind: Literal['labels', 'overlay']
    ) -> dict[FrameId, Pixels]:
        """Returns the images of some frames in output.mcap; see `pictures`."""
        return {
            frame: pixels
            for camera in dict.fromkeys(frame.camera for frame in frames)
            for frame, pixels in self.pictures(camera, kind)
            if frame in frames
        }

    def pictures(
        self, camera: str, kind: Literal['labels', 'overlay']
    ) -> Iterator[tuple[FrameId, Pixels]]:
        """Yields the images of a camera in output.mcap, in the order of their reception.

        That is the recording order, unless the recorder's clock was set back.

        Args:
            camera: Its image topic.
            kind: (H, W) class ids, or the (H, W, 3) BGR overlay.

        Raises:
            RunError: The file does not match frames.jsonl, or an image in it is damaged.
            BagError: The file is damaged.
        """
        path = self.path / OUTPUT_BAG
        names = {one['image_topic']: one['name'] for one in self.metrics['cameras']}
        if camera not in names:
            raise RunError(
                f'{self.path}: metrics.json and frames.jsonl are of different replays: '
                f'{camera} is only in frames.jsonl'
            )
        topic = '/' + output_topic(names[camera], kind)
        of_camera = [frame for frame in self.frames if frame.id.camera == camera]
        frames = iter([frame.id for frame in sorted(of_camera, key=attrgetter('time_s'))])
        foreign = RunError(f'{path} and the frames.jsonl beside it are of different replays')
        decode = decode_labels if kind == 'labels' else decode_image
        with closing(open_bag(path)) as reader:
            for connection in connections_of(reader):
                if connection.topic == topic and connection.msgtype != IMAGE_TYPE:
                    raise RunError(f'{path}: {topic} has {connection.msgtype}, not {IMAGE_TYPE}')
            for recorded in messages(reader, [topic]):
                frame = next(frames, None)
                if frame is None or frame.stamp != recorded.stamp:
                    raise foreign
                try:
                    pixels = decode(recorded.message)
                except ImageError as error:
                    raise RunError(f'{path}: {topic}, frame {frame.frame}: {error}') from error
                yield frame, pixels
        if next(frames, None) is not None:
            raise foreign


def _metrics(path: Path) -> dict[str, Any]:
    try:
        metrics = from_json(path.read_bytes(), allow_inf_nan=False)
    except ValueError as error:
        raise RunError(f'{path}: not JSON: {error}') from error
    if isinstance(metrics, dict) and 'bags' in metrics:
        raise RunError(
            f'{path.parent} has the results of several bags: give the folder of one bag in it'
        )
    try:
        _Metrics.model_validate(metrics)
    except ValidationError as error:
        raise RunError(
            f'{path}: not written by bisenet replay for one bag: {_reason(error)}'
        ) from error
    found: dict[str, Any] = metrics
    return found


def _frames(lines: Iterable[bytes], path: Path, classes: int) -> Iterator[EvaluatedFrame]:
    expected: dict[str, int] = {}  # number of the next frame, by camera
    dropped: dict[str, int] = {}
    for number, text in enumerate(lines, start=1):
        try:
            line = _Line.model_validate_json(text)
            if line.confusion is not None and line.drivable_overlap is None:
                raise RunError(f'{path} was written by an earlier version: replay the bag again')
            figures, counts = line.figures(), line.counts(classes)
            missing = line.frame - expected.get(line.camera, 0)
            if missing < 0:
                raise ValueError(f'frame: {line.frame} comes after {expected[line.camera] - 1}')
        except ValueError as error:
            reason = _reason(error) if isinstance(error, ValidationError) else str(error)
            raise RunError(
                f'{path / FRAME_LINES}, line {number}: not written by bisenet replay: {reason}'
            ) from error
        dropped[line.camera] = dropped.get(line.camera, 0) + missing
        expected[line.camera] = line.frame + 1
        if 'confidence' in figures:  # others could not be decoded
            frame = FrameId(line.camera, line.frame, line.stamp)
            gap = dropped.pop(line.camera)
            yield EvaluatedFrame(frame, line.time_s, figures, counts, gap)


def _reason(error: ValidationError) -> str:
    first = error.errors()[0]
    return ': '.join(filter(None, ('.'.join(map(str, first['loc'])), first['msg'])))
