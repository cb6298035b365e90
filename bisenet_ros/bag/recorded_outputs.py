# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a running node answered to the frames of a bag: kept while it plays, measured afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from bisenet_ros.bag.messages import IMAGE_TYPE, Stamped, messages, open_bag
from bisenet_ros.bag.reader import Camera, RecordedFrame
from bisenet_ros.image_codec import decode_labels
from bisenet_ros.label_space import LabelSpace

KINDS = ('labels', 'drivable', 'confidence')
"""The images that answer a frame."""

_TIMES = 'times.jsonl'
_BAG = 'answers'

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Answer:
    """What the node found in a frame; what `Segmentation` is where no node is.

    Attributes:
        labels: (H, W) uint8 class ids.
        drivable: (H, W) uint8, 0 or 255.
        confidence: (H, W) uint8.
        label_space: What the ids mean.
        times_ms: Decode, inference, total, and the age of the labels when they came back.
    """

    labels: Pixels
    drivable: Pixels
    confidence: Pixels
    label_space: LabelSpace
    times_ms: Mapping[str, float]


class AnswersWriter:
    """Keeps answers in a folder, as a context manager.

    Args:
        folder: An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._typestore = get_typestore(Stores.LATEST)
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> AnswersWriter:
        times = (self._folder / _TIMES).open('w', encoding='utf-8')
        self._times = self._stack.enter_context(times)
        bag = Writer(self._folder / _BAG, version=8, storage_plugin=StoragePlugin.MCAP)
        bag.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._bag = self._stack.enter_context(bag)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def write(
        self, camera: Camera, stamp: int, images: Mapping[str, bytes], times_ms: Mapping[str, float]
    ) -> None:
        """Append the answer to a frame; those of a camera in the order of its frames.

        Args:
            camera: Whose frame it was.
            stamp: The frame's, in nanoseconds.
            images: An image message as it came, serialised, for each of `KINDS`.
            times_ms: As `Answer` has them.
        """
        for kind in KINDS:
            topic = _topic(camera, kind)
            if topic not in self._connections:
                self._connections[topic] = self._bag.add_connection(
                    topic, IMAGE_TYPE, typestore=self._typestore
                )
            self._bag.write(self._connections[topic], stamp, images[kind])
        line = {'camera': camera.image_topic, 'times_ms': times_ms}
        self._times.write(json.dumps(line) + '\n')


class Answers:
    """The answers in a folder, given out frame by frame; a context manager.

    Args:
        folder: What an `AnswersWriter` has filled.
        cameras: Of the bag that was played.
        label_space: Of the node's model.
    """

    def __init__(self, folder: Path, cameras: Sequence[Camera], label_space: LabelSpace) -> None:
        self._folder = folder
        self._label_space = label_space
        self._stack = ExitStack()
        self._cameras = cameras

    def __enter__(self) -> Answers:
        self._answers = {camera.image_topic: self._read(camera) for camera in self._cameras}
        self._next = {topic: next(answers, None) for topic, answers in self._answers.items()}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def to(self, frame: RecordedFrame) -> Answer | None:
        """The answer to a frame, None where there was none; frames are to come in their order."""
        topic = frame.camera.image_topic
        found = self._next[topic]
        if found is None or found.stamp != frame.stamp:
            return None
        self._next[topic] = next(self._answers[topic], None)
        labels, drivable, confidence = map(decode_labels, found.images)
        return Answer(labels, drivable, confidence, self._label_space, found.times_ms)

    def _read(self, camera: Camera) -> Iterator[_Kept]:
        times = self._stack.enter_context((self._folder / _TIMES).open(encoding='utf-8'))
        lines = (json.loads(line) for line in times)
        of_camera = (line['times_ms'] for line in lines if line['camera'] == camera.image_topic)
        images = [self._messages(_topic(camera, kind)) for kind in KINDS]
        for times_ms, *found in zip(of_camera, *images, strict=True):
            yield _Kept(found[0].stamp, [one.message for one in found], times_ms)

    def _messages(self, topic: str) -> Iterator[Stamped]:
        reader = self._stack.enter_context(closing(open_bag(self._folder / _BAG)))
        return messages(reader, [topic])


class _Kept(NamedTuple):
    """An answer as it was kept, and the stamp of its frame."""

    stamp: int
    images: list[Any]
    times_ms: Mapping[str, float]


def _topic(camera: Camera, kind: str) -> str:
    return f'{camera.prefix}/{kind}'
