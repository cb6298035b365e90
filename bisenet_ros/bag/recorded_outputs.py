# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Records and reads the outputs that a node published for played frames.

A folder holds the outputs as a bag, `arrivals.jsonl` with a line for each output, both written by
the recorder, and `published.jsonl` with a line for each frame, written by `run_graph`.
"""

from __future__ import annotations

import json
import posixpath
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bisenet_ros.bag.messages import messages, open_bag
from bisenet_ros.bag.reader import RecordedFrame
from bisenet_ros.bag.writer import BagWriter
from bisenet_ros.ego_mask import EgoMask
from bisenet_ros.image_codec import decode_labels
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.message_types import IMAGE_TYPE
from bisenet_ros.segmentation import Segmentation

KINDS = ('labels', 'drivable', 'confidence')
"""The images that are recorded for a frame."""

_BAG, _ARRIVALS, _PUBLISHED = 'outputs', 'arrivals.jsonl', 'published.jsonl'

Pixels = npt.NDArray[np.uint8]


class Publication(NamedTuple):
    """A frame as it was published to the node.

    Attributes:
        camera: The name of its camera.
        stamp: Stamp of the header, nanoseconds.
        time: Monotonic time of publication, nanoseconds.
    """

    camera: str
    stamp: int
    time: int


class Arrival(NamedTuple):
    """The received outputs of a frame, without the pixels.

    Attributes:
        camera: The name of its camera.
        stamp: Stamp of the header, nanoseconds.
        received: Monotonic time of the labels' arrival, nanoseconds.
        decode_ms: Time in the node from message to pixels.
        inference_ms: Time in the node from pixels to labels.
        publish_ms: Time in the node to publish all outputs.
    """

    camera: str
    stamp: int
    received: int
    decode_ms: float
    inference_ms: float
    publish_ms: float


@dataclass(frozen=True)
class RecordedOutput:
    """The output of the node for a frame, as it was published.

    Attributes:
        labels: (H, W) uint8 class ids.
        drivable: (H, W) uint8, 0 or 255.
        confidence: (H, W) uint8.
        label_space: Label space of the ids.
        times_ms: Decode, inference, total, and age (from publication to arrival of the labels).
        anomaly: Not recorded.
    """

    labels: Pixels
    drivable: Pixels
    confidence: Pixels
    label_space: LabelSpace
    times_ms: Mapping[str, float]
    anomaly: None = None

    def segmentation(self, ego_mask: EgoMask | None) -> Segmentation:
        """Returns the output as the segmentation that the node had.

        Args:
            ego_mask: Mask of the vehicle itself in the camera's images; None without one.
        """
        height, width = self.labels.shape
        ego = None if ego_mask is None else ego_mask.at((width, height))
        # The node left out small areas before it published the mask.
        return Segmentation(self, self.label_space, min_drivable_area=0.0, ego=ego)


class RecordedOutputsWriter:
    """Records outputs in a folder, as a context manager.

    Args:
        folder: A folder without recorded outputs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> RecordedOutputsWriter:
        arrivals = (self._folder / _ARRIVALS).open('w', encoding='utf-8')
        self._arrivals = self._stack.enter_context(arrivals)
        bag = BagWriter(self._folder / _BAG, 'mcap', compressed=True)
        self._bag = self._stack.enter_context(bag)
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.__exit__(*exception)

    def write(self, arrival: Arrival, images: Mapping[str, bytes]) -> None:
        """Appends the outputs of a frame.

        Args:
            arrival: The frame, and the time of arrival.
            images: Serialised image message for each of `KINDS`.
        """
        now = time.monotonic_ns()  # stamps may go backwards, and readers sort by this time
        for kind in KINDS:
            topic = _topic(arrival.camera, kind)
            self._bag.write_serialized(topic, IMAGE_TYPE, now, images[kind])
        self._arrivals.write(json.dumps(arrival) + '\n')


def write_publications(folder: Path, published: Iterable[Publication]) -> None:
    """Writes `published.jsonl`, in order of publication."""
    lines = (json.dumps(one) + '\n' for one in published)
    (folder / _PUBLISHED).write_text(''.join(lines), encoding='utf-8')


class RecordedOutputs:
    """Reads recorded outputs frame by frame; a context manager.

    Attributes:
        published: All published frames by camera name, in order.
        arrivals: Received outputs by camera name and index of the frame in the camera.

    Args:
        folder: Written by `RecordedOutputsWriter` and `write_publications`.
        label_space: Label space of the model of the node.
    """

    def __init__(self, folder: Path, label_space: LabelSpace) -> None:
        self._folder = folder
        self._label_space = label_space
        self._stack = ExitStack()
        self._images: dict[str, Iterator[tuple[int, dict[str, Any]]]] = {}
        self.published: dict[str, list[Publication]] = defaultdict(list)
        for line in _lines(folder / _PUBLISHED):
            publication = Publication(*line)
            self.published[publication.camera].append(publication)
        self.arrivals: dict[tuple[str, int], Arrival] = {}
        self._numbers: dict[tuple[str, int], int] = {}  # of earlier outputs of the camera
        self._find_frames()

    def _find_frames(self) -> None:
        """Finds the frame of each output.

        This is the last frame published with the output's stamp before the output arrived: a bag
        may contain a stamp twice, and outputs for probe frames may have been recorded too.
        """
        frames: dict[tuple[str, int], list[int]] = defaultdict(list)
        for camera, published in self.published.items():
            for index, publication in enumerate(published):
                frames[camera, publication.stamp].append(index)
        counts: dict[str, int] = defaultdict(int)
        for line in _lines(self._folder / _ARRIVALS):
            arrival = Arrival(*line)
            camera = arrival.camera
            number = counts[camera]
            counts[camera] += 1
            candidates = frames.get((camera, arrival.stamp), [])
            times = [self.published[camera][index].time for index in candidates]
            before = bisect_right(times, arrival.received)
            if before:
                frame = camera, candidates[before - 1]
                self.arrivals[frame] = arrival
                self._numbers[frame] = number

    def __enter__(self) -> RecordedOutputs:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.__exit__(*exception)

    def age_ms(self, camera: str, index: int) -> float:
        """Returns the time from the publication of a frame to the arrival of its labels."""
        received = self.arrivals[camera, index].received
        return 1e-6 * (received - self.published[camera][index].time)

    def of(self, frame: RecordedFrame) -> RecordedOutput | None:
        """Returns the outputs of a frame, None if there are none; call it in frame order."""
        camera, index = frame.camera.name, frame.index
        arrival = self.arrivals.get((camera, index))
        if arrival is None:
            return None
        if camera not in self._images:
            self._images[camera] = enumerate(self._read(camera))
        wanted = self._numbers[camera, index]
        images = next(found for number, found in self._images[camera] if number == wanted)
        labels, drivable, confidence = (decode_labels(images[kind]) for kind in KINDS)
        return RecordedOutput(
            labels,
            drivable,
            confidence,
            self._label_space,
            {
                'decode': arrival.decode_ms,
                'inference': arrival.inference_ms,
                'total': arrival.decode_ms + arrival.inference_ms,
                'age': self.age_ms(camera, index),
            },
        )

    def _read(self, camera: str) -> Iterator[dict[str, Any]]:
        """Yields the images of each output by kind."""
        topics = {_topic(camera, kind): kind for kind in KINDS}
        reader = self._stack.enter_context(closing(open_bag(self._folder / _BAG)))
        images: dict[str, Any] = {}
        for found in messages(reader, topics):
            images[topics[found.topic]] = found.message
            if len(images) == len(KINDS):
                yield images
                images = {}


def _topic(camera: str, kind: str) -> str:
    return posixpath.join('/', camera, kind)


def _lines(path: Path) -> Iterator[list[Any]]:
    with path.open(encoding='utf-8') as file:
        yield from map(json.loads, file)
