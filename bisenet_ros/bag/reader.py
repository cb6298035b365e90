# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The cameras of a bag, and their frames in the order of the recording."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bisenet_ros.bag.labels_folder import LabelsFolder
from bisenet_ros.bag.mcap_file import is_cut, is_unindexed
from bisenet_ros.bag.messages import (
    CAMERA_INFO_TYPE,
    COMPRESSED_IMAGE_TYPE,
    IMAGE_TOPIC,
    IMAGE_TYPE,
    LABELS_TOPIC,
    BagError,
    Stamped,
    connections_of,
    messages,
    open_bag,
    received_messages,
)
from bisenet_ros.bag.rosbags_readers import BagReader
from bisenet_ros.bag.stamp_join import Truths, with_camera_infos
from bisenet_ros.image_codec import decode_compressed, decode_image, decode_labels, is_depth
from bisenet_ros.label_image import read_labels
from bisenet_ros.outputs import NAMESPACE, OUTPUTS

_STORAGES = ('.mcap', '.db3', '.mcap.zstd', '.db3.zstd')
"""Endings of the files that rosbag2 writes."""

_COMPRESSED, _COMPRESSED_DEPTH = '/compressed', '/compressedDepth'
_STATIC_TRANSFORMS = ('/tf_static', 'tf_static')
# Topics with images that are no camera's picture.
_NO_PICTURE = (LABELS_TOPIC, *(f'/{NAMESPACE}/{output.name}' for output in OUTPUTS))


_IMAGE_TYPES = (IMAGE_TYPE, COMPRESSED_IMAGE_TYPE)


@dataclass(frozen=True)
class Camera:
    """One image topic of a bag.

    Attributes:
        name: What its results are named after; empty for the only camera.
        image_topic: Its images, raw or compressed.
        labels_topic: Its truth, a topic or a folder; None where there is none.
        frame_count: Images on the topic.
        compressed: Whether they are CompressedImages.
        camera_info_topic: Its CameraInfos, `camera_info` beside the image topic; None where there
            are none.
    """

    name: str
    image_topic: str
    labels_topic: str | None
    frame_count: int
    compressed: bool = False
    camera_info_topic: str | None = None

    @property
    def prefix(self) -> str:
        """What its results' topics begin with, before the slash."""
        return f'/{self.name}' if self.name else ''


@dataclass(frozen=True)
class RecordedFrame:
    """One camera image of a bag, still encoded.

    Attributes:
        camera: Whose it is.
        index: How many frames of this camera came before.
        stamp: Nanoseconds, the header's; the time of reception where headers are not stamped.
        received: Nanoseconds, when it was recorded.
        message: The image message.
        truth_message: The label message with the same stamp, if there is one.
        truth_file: The label image of a folder, if it is there instead.
        camera_info: The CameraInfo with the same stamp, with the fields of ROS 2; None without one.
    """

    camera: Camera
    index: int
    stamp: int
    received: int
    message: Any
    truth_message: Any
    truth_file: Path | None = None
    camera_info: Any = None

    @property
    def place(self) -> str:
        """Which frame this is, in a sentence for a user."""
        return f'frame {self.index} of {self.camera.image_topic}'

    def image(self) -> npt.NDArray[np.uint8]:
        """(H, W, 3) BGR, decoded as the node does it.

        Raises:
            ImageError: It cannot be decoded.
        """
        if hasattr(self.message, 'format'):
            return decode_compressed(self.message)
        return decode_image(self.message)

    def truth(self) -> npt.NDArray[np.uint8] | None:
        """(H, W) class ids, if there are any.

        Raises:
            ImageError: It is no label image.
            MediaError: The file is none.
        """
        if self.truth_file is not None:
            return read_labels(self.truth_file)
        return None if self.truth_message is None else decode_labels(self.truth_message)


class StaticTransform(NamedTuple):
    """Where a frame is in another one, for good.

    Attributes:
        parent: Name of the frame in which it is.
        child: Its name.
        translation: x, y and z of its origin in the parent, metres.
        rotation: x, y, z and w of the quaternion that turns its axes into the parent's.
    """

    parent: str
    child: str
    translation: tuple[float, float, float]
    rotation: tuple[float, float, float, float]


class ReplayBag:
    """A bag's cameras and frames; each iteration starts at the first frame.

    Attributes:
        path: The bag.
        cameras: By name of their topics.
        labels_folder: The truth of the only camera, if it lies in files.
        seconds: From the first message to the last.
        damage: Why not all that was recorded is there; empty where it is.
        notes: What a user should know of how the bag is read, a sentence each.

    Args:
        path: A rosbag2 folder, an .mcap or .db3 file, or a ROS 1 .bag file.
        image_topic: The only camera to take; None for all image topics that are pictures.
        labels_topic: The truth of the only camera; None for `ground_truth/labels` in the camera's
            own namespace or the closest one around it.
        labels_folder: The truth of the only camera in files, instead of a topic.

    Raises:
        BagError: It is no bag that can be read, or has not what is looked for.
    """

    def __init__(
        self,
        path: Path,
        image_topic: str | None = None,
        labels_topic: str | None = None,
        labels_folder: Path | None = None,
    ) -> None:
        self.path = path
        self.labels_folder = None if labels_folder is None else LabelsFolder(labels_folder)
        self._parts, self.damage = _whole_parts(path)
        self._unindexed = any(map(is_unindexed, _mcap_files(path)))
        with closing(open_bag(path, self._parts)) as reader:
            topics = _Topics(path, reader)
            self.seconds = reader.duration / 1e9
        labels = None if labels_topic is None else topics.find(labels_topic, (IMAGE_TYPE,))
        if image_topic is not None:
            images = [topics.find_camera(image_topic)]
        else:
            images = topics.pictures(apart_from=labels)
        if len(images) > 1 and (labels or labels_folder):
            raise BagError(
                f'{path}: one truth, but {len(images)} cameras '
                f'({", ".join(images)}): name one with --image-topic'
            )
        if labels_folder is not None:
            truths = {images[0]: str(labels_folder)}
        elif labels is not None:
            truths = {images[0]: labels}
        else:
            truths = topics.truths(images)
        names = _camera_names(images)
        self.cameras = tuple(
            Camera(
                names[topic],
                topic,
                truths.get(topic),
                topics.counts[topic],
                topics.is_compressed(topic),
                topics.camera_info(topic),
            )
            for topic in images
        )
        self._unstamped = topics.unstamped.intersection([*images, *truths.values()])
        self.notes = tuple(
            f'{path}: {text}: {", ".join(sorted(concerned))}'
            for text, concerned in (
                (
                    'headers without stamps, for which the times of reception stand in',
                    self._unstamped,
                ),
                ('depth images, which are left out', topics.depths),
            )
            if concerned
        )

    def __iter__(self) -> Iterator[RecordedFrame]:
        """Each frame in the order of the recording.

        Truth and CameraInfo are joined by stamp, where there are none truth by reception and
        CameraInfo by being the latest. Truth is so while both are read: a frame whose stamp is
        before that of an earlier frame may get none. A CameraInfo may have been recorded
        before its image, or up to `stamp_join.LATEST_INFO` after it.

        Raises:
            BagError: The bag is damaged.
        """
        with ExitStack() as stack:

            def reader() -> BagReader:  # each is at a place of its own
                return stack.enter_context(closing(open_bag(self.path, self._parts)))

            truths = {
                camera.image_topic: Truths(
                    messages(reader(), [camera.labels_topic]),
                    by_reception=not self._unstamped.isdisjoint(
                        (camera.image_topic, camera.labels_topic)
                    ),
                )
                for camera in self.cameras
                if camera.labels_topic is not None and self.labels_folder is None
            }
            cameras = {camera.image_topic: camera for camera in self.cameras}
            info_topics = {
                camera.image_topic: camera.camera_info_topic
                for camera in self.cameras
                if camera.camera_info_topic is not None
            }
            counts = dict.fromkeys(cameras, 0)
            # Without an index a file is read in the order in which it was written, which is that of
            # reception for each topic alone: rosbags would stop where two are swapped.
            topics = [*cameras, *dict.fromkeys(info_topics.values())]
            groups = [[topic] for topic in topics] if self._unindexed else [topics]
            recordings = [messages(reader(), group) for group in groups]
            recorded = merge(*recordings, key=attrgetter('received'))
            for image, info in with_camera_infos(recorded, info_topics):
                topic, received, stamp, message = image
                truth = truths[topic].of(image) if topic in truths else None
                if not stamp and topic in self._unstamped:
                    stamp = received
                index = counts[topic]
                counts[topic] += 1
                file = self.labels_folder.file_of(index, stamp) if self.labels_folder else None
                yield RecordedFrame(
                    cameras[topic], index, stamp, received, message, truth, file, info
                )

    def static_transforms(self) -> list[StaticTransform]:
        """What was recorded on `/tf_static`: where each frame is in its parent, the latest word.

        Raises:
            BagError: The bag is damaged.
        """
        found: dict[str, StaticTransform] = {}
        with closing(open_bag(self.path, self._parts)) as reader:
            for _, _, message in received_messages(reader, _STATIC_TRANSFORMS):
                for one in message.transforms:
                    parent, child = one.header.frame_id, one.child_frame_id
                    move, turn = one.transform.translation, one.transform.rotation
                    found[child] = StaticTransform(
                        parent, child, (move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w)
                    )
        return list(found.values())


def main_camera(path: Path) -> str:
    """The image topic of a bag that is shown where only one can be.

    It is `/image`, the node's own, if there is one; else that with the most images, raw before
    compressed.

    Raises:
        BagError: It is no bag that can be read, or has no images.
    """
    parts, _ = _whole_parts(path)
    with closing(open_bag(path, parts)) as reader:
        topics = _Topics(path, reader)
    return min(
        topics.pictures(apart_from=None),
        key=lambda topic: (
            topic != IMAGE_TOPIC,
            topics.is_compressed(topic),
            -topics.counts[topic],
            topic,
        ),
    )


class _Topics:
    """What a bag has, by topic.

    Attributes:
        counts: Messages by topic.
        unstamped: Topics of images whose first two messages have no stamp; the clock of a
            simulation may start at zero.
        depths: Topics of depth images.
    """

    def __init__(self, path: Path, reader: BagReader) -> None:
        self._path = path
        self._types = {one.topic: one.msgtype for one in connections_of(reader)}
        self.counts = {topic: reader.topics[topic].msgcount for topic in self._types}
        self.unstamped: set[str] = set()
        self.depths: set[str] = set()
        for topic, kind in self._types.items():
            if kind in _IMAGE_TYPES and self.counts[topic]:
                self._look_at(topic, reader)

    def _look_at(self, topic: str, reader: BagReader) -> None:
        first: list[Stamped] = []
        with suppress(BagError):  # whoever reads on is told
            first += islice(messages(reader, [topic]), 2)
        if first and not any(found.stamp for found in first):
            self.unstamped.add(topic)
        says_so = any(is_depth(found.message) for found in first) and not _is_no_picture(topic)
        if says_so or topic.endswith(_COMPRESSED_DEPTH):
            self.depths.add(topic)

    def find_camera(self, wanted: str) -> str:
        """A topic of images by its name.

        Raises:
            BagError: As of `find`, or it has depth images.
        """
        name = self.find(wanted, _IMAGE_TYPES)
        if name in self.depths:
            raise BagError(
                f'{self._path}: {name} has depth images: name a camera that sees colours'
            )
        return name

    def find(self, wanted: str, types: Sequence[str]) -> str:
        """A topic by its name, with or without the slash at its begin.

        Raises:
            BagError: There is none, or it is of another type, or has no messages.
        """
        name = next((name for name in (wanted, f'/{wanted}') if name in self._types), None)
        if name is None:
            raise BagError(f'{self._path}: no topic {wanted}; its topics: {self._listed()}')
        if self._types[name] not in types:
            raise BagError(f'{self._path}: {name} has {self._types[name]}, not {types[0]}')
        if not self.counts[name]:
            raise BagError(f'{self._path}: no messages on {name}')
        return name

    def is_compressed(self, name: str) -> bool:
        """Whether a topic has CompressedImages."""
        return self._types[name] == COMPRESSED_IMAGE_TYPE

    def camera_info(self, image_topic: str) -> str | None:
        """The topic of an image topic's CameraInfos: its neighbour by that name, if it has some."""
        space, slash, _ = image_topic.removesuffix(_COMPRESSED).rpartition('/')
        name = f'{space}{slash}camera_info'
        recorded = self._types.get(name) == CAMERA_INFO_TYPE and self.counts[name]
        return name if recorded else None

    def pictures(self, apart_from: str | None) -> list[str]:
        """The topics that are a camera's pictures, each camera once.

        Raises:
            BagError: There is none.
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
            raise BagError(f'{self._path}: no images in this bag; its topics: {self._listed()}')
        # A camera that was recorded raw and compressed is one camera.
        return [
            topic
            for topic in with_messages
            if topic.removesuffix(_COMPRESSED) not in set(with_messages) - {topic}
        ]

    def truths(self, images: Sequence[str]) -> dict[str, str]:
        """The label topic of each image topic that has one.

        Raises:
            BagError: Two cameras would be compared with the same truth.
        """
        labels = [
            topic
            for topic, kind in self._types.items()
            if kind == IMAGE_TYPE and self.counts[topic] and f'/{topic}'.endswith(LABELS_TOPIC)
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
                    f'{self._path}: {topic} may be the truth of {owners[topic]} or of {image}: '
                    'name the camera with --image-topic'
                )
            owners[topic] = image
        return found

    def _listed(self) -> str:
        return ', '.join(sorted(self._types)) or 'none'


def _is_no_picture(topic: str) -> bool:
    return f'/{topic}'.endswith(_NO_PICTURE)


def _camera_names(images: Sequence[str]) -> Mapping[str, str]:
    """What the results of each image topic are named after: its namespace if that is enough."""
    if len(images) == 1:
        return {images[0]: ''}
    topics = {topic: topic.removesuffix(_COMPRESSED).strip('/') for topic in images}
    spaces = {topic: name.rpartition('/')[0] for topic, name in topics.items()}
    unique = len(set(spaces.values())) == len(images) and all(spaces.values())
    return spaces if unique else topics


def _whole_parts(path: Path) -> tuple[list[Path], str]:
    """What is to be read of a bag that is not whole, and what is missing.

    Returns:
        The files to read, none for the bag as it is, and what is wrong, empty for nothing.

    Raises:
        BagError: There is no such path, it is a bag that ROS has to mend first, or a folder has no
            metadata.yaml that can be used.
    """
    if not path.exists():
        raise BagError(f'{path}: no such file or folder')
    files = [path]
    if path.is_dir():
        storages = [file for kind in _STORAGES for file in sorted(path.glob(f'*{kind}'))]
        files = [file for file in storages if file.suffix == '.mcap']
        problem = _problem_of_metadata(path)
        if problem and not storages:
            raise BagError(f'{path}: no bag in this folder: it has {problem}')
        if problem and storages[0].suffix == '.zstd':
            raise BagError(
                f'{path}: {problem} in this folder: decompress {storages[0].name} with zstd -d and '
                "give that file, or make it with 'ros2 bag reindex'"
            )
        if problem:
            raise BagError(
                f'{path}: {problem} in this folder: give the file {storages[0]} instead, '
                "or make it with 'ros2 bag reindex'"
            )
    elif path.suffix == '.active':
        raise BagError(
            f"{path}: the recording was not ended: make it whole with 'rosbag reindex {path}', "
            f'then give it as {path.with_suffix("")}'
        )
    elif path.suffix == '.zstd':
        raise BagError(f'{path}: decompress it with zstd -d, or give the folder that it is in')
    cut = [file for file in _mcap_files(path) if is_cut(file)]
    if not cut:
        return [], ''
    return files, f'{cut[0]} is cut off: only what was recorded before the cut is there'


def _problem_of_metadata(folder: Path) -> str:
    """What is wrong with the metadata.yaml of a folder; empty for nothing that is known here."""
    try:
        text = (folder / 'metadata.yaml').read_text(encoding='utf-8-sig')
    except FileNotFoundError:
        return 'no metadata.yaml'
    except (OSError, UnicodeDecodeError):
        return ''  # rosbags says what is wrong
    if not text.strip():
        return 'an empty metadata.yaml'
    if re.search(r"""storage_identifier: *(''|"")? *$""", text, re.MULTILINE):
        return 'a metadata.yaml with an empty storage_identifier'
    return ''


def _mcap_files(path: Path) -> list[Path]:
    files = path.glob('*.mcap') if path.is_dir() else [path]
    return [file for file in files if file.suffix == '.mcap' and file.is_file()]
