# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the cameras of a bag, and their frames in recording order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from heapq import merge
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bisenet_ros.bag.labels_folder import LabelsFolder
from bisenet_ros.bag.mcap_file import is_cut, is_unindexed
from bisenet_ros.bag.messages import IMAGE_TOPIC, BagError, messages, open_bag
from bisenet_ros.bag.rosbags_readers import BagReader
from bisenet_ros.bag.stamp_join import GroundTruth, LabelTimes, with_camera_infos
from bisenet_ros.bag.topics import Topics
from bisenet_ros.image_codec import decode, decode_labels
from bisenet_ros.label_image import read_labels
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.message_types import COMPRESSED, IMAGE_TYPE, TRANSFORMS_TYPE

STORAGES = ('.mcap', '.db3', '.mcap.zstd', '.db3.zstd')
"""Extensions of the files that rosbag2 writes."""

_STATIC_TRANSFORMS = ('/tf_static', 'tf_static')


@dataclass(frozen=True)
class Camera:
    """One image topic of a bag.

    Attributes:
        name: Name for its results; empty for the only camera.
        image_topic: Topic of its images, raw or compressed.
        labels_topic: Its ground truth, a topic or a folder; None if there is none.
        frame_count: Number of images on the topic, as the bag states it.
        compressed: Whether they are of type CompressedImage.
        camera_info_topic: Topic of its CameraInfo, `camera_info` beside the image topic; None if
            there is none.
    """

    name: str
    image_topic: str
    labels_topic: str | None
    frame_count: int
    compressed: bool = False
    camera_info_topic: str | None = None


@dataclass(frozen=True)
class RecordedFrame:
    """One camera image of a bag, still encoded.

    Attributes:
        camera: Its camera.
        index: Number of earlier frames of this camera.
        stamp: Stamp of the header, nanoseconds; the time of recording if headers have no stamps.
        received: Time of recording, nanoseconds.
        message: The image message.
        truth_message: The label message with the same stamp, if any.
        truth_file: The label image in a folder, if any.
        camera_info: The CameraInfo with the same stamp, with the fields of ROS 2; None without one.
        latest_info: The last CameraInfo recorded before the image, likewise.
    """

    camera: Camera
    index: int
    stamp: int
    received: int
    message: Any
    truth_message: Any
    truth_file: Path | None = None
    camera_info: Any = None
    latest_info: Any = None

    @property
    def place(self) -> str:
        """Describes the frame in messages for users."""
        return f'frame {self.index} of {self.camera.image_topic}'

    def image(self) -> npt.NDArray[np.uint8]:
        """Decodes the image to (H, W, 3) BGR, as in the node.

        Raises:
            ImageError: The image cannot be decoded.
        """
        return decode(self.message)

    def truth(self, label_space: LabelSpace) -> npt.NDArray[np.uint8] | None:
        """Returns the ground truth, (H, W) class ids, `IGNORE` for no class; None without any.

        Args:
            label_space: Label space of the ground truth; see `LabelSpace.truth_of`.

        Raises:
            ImageError: The message is not a label image.
            MediaError: The file is not a label image.
        """
        if self.truth_file is not None:
            return label_space.truth_of(read_labels(self.truth_file))
        if self.truth_message is not None:
            return label_space.truth_of(decode_labels(self.truth_message))
        return None


class StaticTransform(NamedTuple):
    """The fixed pose of a frame in its parent.

    Attributes:
        parent: Name of the parent frame.
        child: Name of the frame.
        translation: x, y and z of its origin in the parent, metres.
        rotation: Quaternion x, y, z, w of its axes in the parent.
    """

    parent: str
    child: str
    translation: tuple[float, float, float]
    rotation: tuple[float, float, float, float]


class ReplayBag:
    """A bag's cameras and frames; each iteration starts at the first frame.

    Attributes:
        path: The bag.
        files: The files with its messages.
        cameras: Sorted by topic.
        frame_count: Number of images of all cameras, as the bag states it.
        labels_folder: The ground truth of the only camera, if it is in files.
        seconds: From the first message to the last.
        damage: Why data is missing; empty if the bag is complete.
        notes: Notes for users on how the bag is read, one sentence each.

    Args:
        path: A rosbag2 folder, an .mcap or .db3 file, or a ROS 1 .bag file.
        image_topic: Read this camera only; None for all topics of camera images.
        labels_topic: Topic of the ground truth of the only camera; None for `ground_truth/labels`
            in the namespace of the camera or the closest one around it.
        labels_folder: Ground truth of the only camera in files, instead of a topic.

    Raises:
        BagError: The bag cannot be read, or lacks a topic.
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
        _check_finished(path)
        with closing(open_bag(path)) as reader:
            topics = Topics(path, reader)
            self.seconds = reader.duration / 1e9
            self.files = list(reader.files)
            self._unindexed = any(map(is_unindexed, reader.files.values()))
            cut = [file for file, read in reader.files.items() if is_cut(read)]
        self.damage = (
            f'{cut[0]} is truncated: only the frames before the cut are evaluated' if cut else ''
        )
        self.cameras = _cameras(path, topics, image_topic, labels_topic, labels_folder)
        self.frame_count = sum(camera.frame_count for camera in self.cameras)
        self._label_times: dict[str, LabelTimes] = {}  # by topic
        self._truths: dict[str, GroundTruth] = {}  # of the latest iteration, by image topic
        images = [camera.image_topic for camera in self.cameras]
        truths = [camera.labels_topic for camera in self.cameras]
        self._unstamped = topics.unstamped.intersection([*images, *truths])
        unread = topics.compressed_truths() if None in truths else ()
        concerned = {
            'headers have no stamps, so the times of recording are used': self._unstamped,
            'the first images have the same time of recording; where many have, --rate and --live '
            'drop all but the newest': topics.simultaneous.intersection(images),
            'depth images are left out': topics.depths,
            'ground truth is read from raw images only, not from compressed ones': unread,
        }
        self.notes = tuple(
            f'{path}: {text}: {", ".join(sorted(named))}'
            for text, named in concerned.items()
            if named
        )

    def __iter__(self) -> Iterator[RecordedFrame]:
        """Yields each frame in recording order.

        Ground truth and CameraInfo are matched by stamp. Without stamps, ground truth is matched by
        time of recording, and a frame gets the latest CameraInfo. A CameraInfo may have been
        recorded before its image, or up to `stamp_join.LATEST_INFO` after it.

        Raises:
            BagError: The bag is damaged; raised after the frames that can be read.
        """
        with ExitStack() as stack:

            def reader() -> BagReader:  # each reader has its own position in the file
                return stack.enter_context(closing(open_bag(self.path)))

            def truths_of(images: str, labels: str) -> GroundTruth:
                opened = reader()
                if labels not in self._label_times:
                    self._label_times[labels] = LabelTimes.of(messages(opened, [labels]))
                found = GroundTruth(
                    self._label_times[labels],
                    lambda start: messages(opened, [labels], start=start),
                    by_reception=not self._unstamped.isdisjoint((images, labels)),
                )
                return stack.enter_context(closing(found))

            truths = self._truths = {
                camera.image_topic: truths_of(camera.image_topic, camera.labels_topic)
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
            # A file without an index is read in the order of writing, which is the order of
            # recording only within a topic. With several topics, rosbags would stop.
            topics = [*cameras, *dict.fromkeys(info_topics.values())]
            groups = [[topic] for topic in topics] if self._unindexed else [topics]
            recordings = [messages(reader(), group) for group in groups]
            recorded = merge(*recordings, key=attrgetter('received'))
            for image, latest_info, camera_info in with_camera_infos(recorded, info_topics):
                topic, index, stamp = image.topic, counts[image.topic], image.stamp
                counts[topic] += 1
                if not stamp and topic in self._unstamped:
                    stamp = image.received
                folder = self.labels_folder
                yield RecordedFrame(
                    camera=cameras[topic],
                    index=index,
                    stamp=stamp,
                    received=image.received,
                    message=image.message,
                    truth_message=truths[topic].of(image) if topic in truths else None,
                    truth_file=None if folder is None else folder.file_of(index, stamp),
                    camera_info=camera_info,
                    latest_info=latest_info,
                )
        for labels in self._label_times.values():
            if labels.damage is not None:
                raise labels.damage
        for topic, camera in cameras.items():
            if counts[topic] < camera.frame_count and not self.damage:
                raise BagError(
                    f'{self.path}: only {counts[topic]} of the {camera.frame_count} images of '
                    f'{topic} were found: a file of the bag is incomplete (copy the bag again), or '
                    "its metadata.yaml or index is wrong (repair it with 'ros2 bag reindex')"
                )

    def truth_problems(self) -> list[str]:
        """Returns, after all frames were read, which ground truth belongs to none of them.

        A topic is a problem only if none of its messages belongs to a frame; see `truth_notes`.
        """
        if self.labels_folder is not None:
            return self.labels_folder.problems()
        return [
            f'{labels}: no message has the stamp of a frame of {images}'
            for images, labels, truths in self._matched_truths()
            if len(truths.unclaimed()) == truths.count
        ]

    def truth_notes(self) -> list[str]:
        """Returns, after all frames were read, how many ground-truth messages match no frame.

        That is no problem: a recording may begin or end between a frame and its truth.
        """
        return [
            f'{labels}: {len(spare)} of {truths.count} messages belong to no frame of {images}; '
            f'first: stamp {spare[0]}'
            for images, labels, truths in self._matched_truths()
            if 0 < len(spare := truths.unclaimed()) < truths.count
        ]

    def _matched_truths(self) -> Iterator[tuple[str, str, GroundTruth]]:
        """Yields the image topic, the label topic and the truths of the latest iteration."""
        for camera in self.cameras:
            if camera.image_topic in self._truths and camera.labels_topic is not None:
                yield camera.image_topic, camera.labels_topic, self._truths[camera.image_topic]

    def static_transforms(self) -> list[StaticTransform]:
        """Returns the latest transform of each frame on `/tf_static`.

        Raises:
            BagError: The bag is damaged.
        """
        found: dict[str, StaticTransform] = {}
        with closing(open_bag(self.path)) as reader:
            for _, _, message in messages(reader, _STATIC_TRANSFORMS, TRANSFORMS_TYPE):
                for one in message.transforms:
                    parent, child = one.header.frame_id, one.child_frame_id
                    move, turn = one.transform.translation, one.transform.rotation
                    found[child] = StaticTransform(
                        parent, child, (move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w)
                    )
        return list(found.values())


def main_camera(path: Path) -> str:
    """Returns the image topic to use if only one camera can be shown.

    It is `/image` if that exists, else the raw topic with the most images, else the compressed one.

    Raises:
        BagError: The bag cannot be read, or has no images.
    """
    _check_finished(path)
    with closing(open_bag(path)) as reader:
        topics = Topics(path, reader)
    return min(
        topics.pictures(apart_from=None),
        key=lambda topic: (
            topic != IMAGE_TOPIC,
            topics.is_compressed(topic),
            -topics.counts[topic],
            topic,
        ),
    )


def _cameras(
    path: Path,
    topics: Topics,
    image_topic: str | None,
    labels_topic: str | None,
    labels_folder: Path | None,
) -> tuple[Camera, ...]:
    """Returns the cameras of a bag with their ground truth; see `ReplayBag`."""
    labels = None if labels_topic is None else topics.find(labels_topic, (IMAGE_TYPE,))
    if image_topic is not None:
        images = [topics.find_camera(image_topic)]
        if labels in images:
            raise BagError(f'{path}: {labels} was given for the images and for the ground truth')
    else:
        images = topics.pictures(apart_from=labels)
    given = labels if labels_folder is None else str(labels_folder)
    if given is None:
        truths = topics.truths(images)
    elif len(images) == 1:
        truths = {images[0]: given}
    else:
        raise BagError(
            f'{path}: ground truth was given for one camera, but there are {len(images)} '
            f'({", ".join(images)}): choose one with --image-topic'
        )
    names = _camera_names(images)
    return tuple(
        Camera(
            name=names[topic],
            image_topic=topic,
            labels_topic=truths.get(topic),
            frame_count=topics.counts[topic],
            compressed=topics.is_compressed(topic),
            camera_info_topic=topics.camera_info(topic),
        )
        for topic in images
    )


def _camera_names(images: Sequence[str]) -> Mapping[str, str]:
    """Returns a name for the results of each image topic: its namespace if that is unique."""
    if len(images) == 1:
        return {images[0]: ''}
    topics = {topic: topic.removesuffix(COMPRESSED).strip('/') for topic in images}
    spaces = {topic: name.rpartition('/')[0] for topic, name in topics.items()}
    unique = len(set(spaces.values())) == len(images) and all(spaces.values())
    return spaces if unique else topics


def _check_finished(path: Path) -> None:
    """Checks that a path can be opened, and that it is not what an unfinished recording leaves.

    Raises:
        BagError: The path does not exist or is not readable, the bag must first be repaired with
            ROS, a folder has no usable metadata.yaml, or a file has another suffix than bags.
    """
    try:
        path.stat()
        if path.is_file():
            with path.open('rb'):
                pass
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BagError(f'{path}: no such file or folder') from error
    except OSError as error:
        raise BagError(f'{error.filename or path}: {error.strerror or error}') from error
    if path.is_dir():
        if problem := _problem_of_metadata(path):
            raise BagError(f'{path}: {_advice_without_metadata(path, problem)}')
    elif path.suffix == '.active':
        raise BagError(
            f"{path}: the recording was not finished: repair it with 'rosbag reindex {path}', "
            f'then give {path.with_suffix("")}'
        )
    elif path.suffix == '.zstd':
        whole = '' if _problem_of_metadata(path.parent) else ', or give the folder that it is in'
        raise BagError(f'{path}: decompress it with zstd -d, and give {path.stem}{whole}')
    elif path.suffix not in ('.mcap', '.db3', '.bag'):
        raise BagError(f'{path}: not a bag: give a rosbag2 folder, or an .mcap, .db3 or .bag file')


def _advice_without_metadata(folder: Path, problem: str) -> str:
    """Says what to do with a folder whose metadata.yaml has a problem."""
    storages = [file for kind in STORAGES for file in sorted(folder.glob(f'*{kind}'))]
    if not storages:
        return f'not a bag: this folder has {problem}'
    reindex = "repair the bag with 'ros2 bag reindex'"
    if len(storages) > 1:
        return (
            f'{problem} in this folder: {reindex}, or, if its {len(storages)} files are separate'
            ' recordings, give one of them'
        )
    if storages[0].suffix == '.zstd':
        return (
            f'{problem} in this folder: decompress {storages[0].name} with zstd -d and give that'
            f' file, or {reindex}'
        )
    return f'{problem} in this folder: give the file {storages[0]} instead, or {reindex}'


def _problem_of_metadata(folder: Path) -> str:
    """Returns the problem of a folder's metadata.yaml; empty if there is none or it is unknown."""
    try:
        text = (folder / 'metadata.yaml').read_text(encoding='utf-8-sig')
    except FileNotFoundError:
        return 'no metadata.yaml'
    except (OSError, UnicodeDecodeError):
        return ''  # rosbags reports the error
    if not text.strip():
        return 'an empty metadata.yaml'
    if re.search(r"""storage_identifier: *(''|"")? *$""", text, re.MULTILINE):
        return 'a metadata.yaml with an empty storage_identifier'
    return ''
