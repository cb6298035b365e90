# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the topics of a bag that have camera images, their ground truth and their CameraInfo."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from bisenet_ros.bag.messages import (
    LABELS_TOPIC,
    BagError,
    RecordedMessage,
    connections_of,
    messages,
)
from bisenet_ros.bag.rosbags_readers import BagReader
from bisenet_ros.image_codec import is_depth
from bisenet_ros.message_types import (
    CAMERA_INFO_TYPE,
    COMPRESSED,
    COMPRESSED_DEPTH,
    COMPRESSED_IMAGE_TYPE,
    IMAGE_TYPE,
)
from bisenet_ros.outputs import NAMESPACE, OUTPUTS

_RESULTS = tuple(f'/{NAMESPACE}/{output.name}' for output in OUTPUTS)
_IMAGE_TYPES = (IMAGE_TYPE, COMPRESSED_IMAGE_TYPE)


class Topics:
    """The topics of a bag.

    Attributes:
        counts: Messages by topic.
        unstamped: Image topics whose first two messages have no stamp. (One is not enough: the
            clock of a simulation may start at zero.)
        simultaneous: Image topics whose first two messages were recorded at the same time.
        depths: Topics of depth images.
    """

    def __init__(self, path: Path, reader: BagReader) -> None:
        self._path = path
        read = connections_of(reader)
        self._types = {one.topic: one.msgtype for one in read}
        self._unread = {
            f'{one.topic} ({getattr(one.ext, "serialization_format", "")})'
            for one in reader.connections
            if one not in read
        }
        self.counts = dict.fromkeys(self._types, 0)
        for one in read:
            self.counts[one.topic] += one.msgcount
        self.unstamped: set[str] = set()
        self.simultaneous: set[str] = set()
        self.depths: set[str] = set()
        for topic, kind in self._types.items():
            if kind in _IMAGE_TYPES and self.counts[topic]:
                self._look_at(topic, reader)

    def _look_at(self, topic: str, reader: BagReader) -> None:
        first: list[RecordedMessage] = []
        with suppress(BagError):  # reported when the bag is read
            first += islice(messages(reader, [topic]), 2)
        if first and not any(found.stamp for found in first):
            self.unstamped.add(topic)
        if len(first) == 2 and first[0].received == first[1].received:
            self.simultaneous.add(topic)
        says_so = any(is_depth(found.message) for found in first) and not _is_no_picture(topic)
        if says_so or topic.endswith(COMPRESSED_DEPTH):
            self.depths.add(topic)

    def find_camera(self, wanted: str) -> str:
        """Finds a topic of images by name.

        Raises:
            BagError: See `find`; or the topic has class ids or depth images.
        """
        name = self.find(wanted, _IMAGE_TYPES)
        if _is_truth(name):
            raise BagError(
                f'{self._path}: {name} has ground truth: choose a topic with camera images'
            )
        if name in self.depths:
            raise BagError(
                f'{self._path}: {name} has depth images: choose a topic with colour images'
            )
        return name

    def find(self, wanted: str, types: Sequence[str]) -> str:
        """Finds a topic by name, whether or not either name begins with a slash.

        Raises:
            BagError: The topic does not exist, has another type, or has no messages.
        """
        names = (wanted, f'/{wanted}', wanted.removeprefix('/'))
        name = next((name for name in names if name in self._types), None)
        if name is None:
            raise BagError(f'{self._path}: no topic {wanted}; its topics: {self._listed()}')
        if self._types[name] not in types:
            raise BagError(f'{self._path}: {name} has {self._types[name]}, not {types[0]}')
        if not self.counts[name]:
            raise BagError(f'{self._path}: no messages on {name}')
        return name

    def is_compressed(self, name: str) -> bool:
        """Returns whether a topic has CompressedImages."""
        return self._types[name] == COMPRESSED_IMAGE_TYPE

    def camera_info(self, image_topic: str) -> str | None:
        """Returns the topic `camera_info` beside an image topic, if it has messages."""
        space, slash, _ = image_topic.removesuffix(COMPRESSED).rpartition('/')
        name = f'{space}{slash}camera_info'
        recorded = self._types.get(name) == CAMERA_INFO_TYPE and self.counts[name]
        return name if recorded else None

    def pictures(self, apart_from: str | None) -> list[str]:
        """Returns the topics of camera images, one for each camera.

        Raises:
            BagError: There are none.
        """
        topics = [
            topic
            for topic, kind in sorted(self._types.items())
            if kind in _IMAGE_TYPES
            and not _is_no_picture(topic)
            and topic not in (apart_from, *self.depths)
        ]
        with_messages = [topic for topic in topics if self.counts[topic]]
        if topics and not with_messages:
            raise BagError(f'{self._path}: no messages on {", ".join(topics)}')
        if not topics:
            others = ['depth images, which are left out'] if self.depths else []
            if apart_from is not None:
                others.append(f'those on {apart_from}, which was given for the ground truth')
            but = f' but {" and ".join(others)}' if others else ''
            raise BagError(
                f'{self._path}: no images in this bag{but}; its topics: {self._listed()}'
            )
        # A camera that was recorded raw and compressed is one camera.
        return [
            topic
            for topic in with_messages
            if topic.removesuffix(COMPRESSED) not in set(with_messages) - {topic}
        ]

    def truths(self, images: Sequence[str]) -> dict[str, str]:
        """Returns the label topic of each image topic that has one.

        Raises:
            BagError: Two cameras would get the same ground truth.
        """
        labels = [
            topic
            for topic, kind in self._types.items()
            if kind == IMAGE_TYPE and self.counts[topic] and _is_truth(topic)
        ]
        found: dict[str, str] = {}
        for image in images:
            around = [
                topic
                for topic in labels
                if f'/{image}'.startswith(f'/{topic}'.removesuffix(LABELS_TOPIC) + '/')
            ]
            if around:
                found[image] = max(around, key=len)
        owners: dict[str, str] = {}
        for image, topic in found.items():
            if topic in owners:
                raise BagError(
                    f'{self._path}: {topic} may be the ground truth of {owners[topic]} or of '
                    f'{image}: choose the camera with --image-topic'
                )
            owners[topic] = image
        return found

    def compressed_truths(self) -> list[str]:
        """Returns the topics of compressed ground truth, which cannot be used."""
        return [
            topic
            for topic in self._types
            if self.is_compressed(topic) and self.counts[topic] and _is_truth(topic)
        ]

    def _listed(self) -> str:
        named = ', '.join(f'{topic} ({kind})' for topic, kind in sorted(self._types.items()))
        named = named or 'none'
        unread = ', '.join(sorted(self._unread))
        return f'{named}; not read, because not serialised as cdr: {unread}' if unread else named


def _is_truth(topic: str) -> bool:
    return f'/{topic}'.removesuffix(COMPRESSED).endswith(LABELS_TOPIC)


def _is_no_picture(topic: str) -> bool:
    return _is_truth(topic) or f'/{topic}'.endswith(_RESULTS)
