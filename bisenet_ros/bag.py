# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One camera's drive in a bag, read and written with rosbags: no ROS needed.

The topics of a bag that is written here are the ones that the node and `bisenet demo` use, so that
`ros2 bag play` feeds a running `segmenter_node` without remapping.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PosixPath
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag1 import ReaderError as Rosbag1Error
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.rosbag2 import ReaderError as Rosbag2Error
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from bisenet_ros.errors import UserError
from bisenet_ros.image_codec import decode_compressed, decode_image, decode_labels

IMAGE_TOPIC = '/image'
LABELS_TOPIC = '/ground_truth/labels'

Storage = Literal['mcap', 'sqlite3']
Pixels = npt.NDArray[np.uint8]

IMAGE_TYPE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE_TYPE = 'sensor_msgs/msg/CompressedImage'

# The newest layout that rosbag2 of Humble and all later distributions reads.
_ROSBAG2_VERSION: Final = 8

# A player that takes it over serves reliable and best-effort subscribers alike.
_RELIABLE = Qos(
    history=QosHistory.KEEP_LAST,
    depth=10,
    reliability=QosReliability.RELIABLE,
    durability=QosDurability.VOLATILE,
    deadline=QosTime(0, 0),
    lifespan=QosTime(0, 0),
    liveliness=QosLiveliness.AUTOMATIC,
    liveliness_lease_duration=QosTime(0, 0),
    avoid_ros_namespace_conventions=False,
)


class BagError(UserError):
    """A bag that cannot be read, or that has not what is looked for."""


class _Folder(PosixPath):
    """A folder's path by which rosbags sees that it is one, also if it is called `drive.bag`.

    rosbags tells ROS 1 from ROS 2 by the ending alone, and takes it for a ROS 1 file.
    """

    @property
    def suffix(self) -> str:
        ending = super().suffix
        return '' if ending == '.bag' else ending


def open_bag(path: Path, parts: Sequence[Any] = ()) -> AnyReader:
    """Open a bag for reading; its reader is to be closed.

    Args:
        path: A rosbag2 folder, an .mcap or .db3 file, or a ROS 1 .bag file.
        parts: What is read instead of the path, in the form that rosbags takes.

    Raises:
        BagError: It is no bag that can be read.
    """
    with _reading(path, 'not a bag that can be read'):
        whole = _Folder(path) if path.is_dir() else path
        reader = AnyReader(parts or [whole], default_typestore=get_typestore(Stores.LATEST))
        reader.open()
    return reader


class Stamped(NamedTuple):
    """A message with a header, as it lies in a bag.

    Attributes:
        topic: Where it was recorded.
        received: Nanoseconds, when it was recorded.
        stamp: Nanoseconds, the header's.
        message: As rosbags deserialises it.
    """

    topic: str
    received: int
    stamp: int
    message: Any


def messages(reader: AnyReader, topics: Sequence[str]) -> Iterator[Stamped]:
    """The messages of at least one topic in the order of the recording.

    Raises:
        BagError: The bag is damaged.
    """
    connections = [connection for connection in reader.connections if connection.topic in topics]
    with _reading(reader.paths[0], 'the bag is damaged'):
        for connection, received, data in reader.messages(connections):
            message: Any = reader.deserialize(data, connection.msgtype)
            stamp = message.header.stamp
            nanoseconds = stamp.sec * 1_000_000_000 + stamp.nanosec
            yield Stamped(connection.topic, received, nanoseconds, message)


@contextmanager
def _reading(path: object, complaint: str) -> Iterator[None]:
    """Turn what rosbags raises into one line for a user."""
    try:
        yield
    except Exception as error:
        # Any error: on damaged bytes it passes on whatever its parsers stumble over, from YAML,
        # SQLite and Zstandard as well as UnicodeDecodeError, KeyError or struct.error.
        reason = str(error).partition('\n')[0]
        if not isinstance(error, (AnyReaderError, Rosbag1Error, Rosbag2Error, OSError)):
            reason = f'{type(error).__name__}: {reason}'
        raise BagError(f'{path}: {complaint}: {reason}') from error


@contextmanager
def _storing() -> Iterator[None]:
    """Let a full disk be the same error whatever stores the bag."""
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(errno.EIO, str(error)) from error


class Truths:
    """The messages of a label topic, looked up by stamp while both ascend.

    Args:
        labels: The messages; they are read as far as the stamps that are asked for.
    """

    def __init__(self, labels: Iterator[Stamped]) -> None:
        self._labels = labels
        self._next = next(labels, None)

    def at(self, stamp: int) -> Any:
        """The message of exactly this stamp, or None."""
        while self._next is not None and self._next.stamp < stamp:
            self._next = next(self._labels, None)
        if self._next is None or self._next.stamp != stamp:
            return None
        return self._next.message


class BagWriter:
    """Writes messages with a header to a new rosbag2, as a context manager.

    What cannot be written raises OSError.

    Attributes:
        types: The classes of messages, by type: what fields are made of.

    Args:
        path: The folder to make; it must not exist.
        storage: The storage plugin that ROS will read it with.
        compressed: Whether an mcap is compressed, in chunks that every reader of MCAP knows.
        definitions: Of messages beside those of ROS, by type, in the form of a .msg file.
    """

    def __init__(
        self,
        path: Path,
        storage: Storage,
        *,
        compressed: bool = False,
        definitions: Mapping[str, str] | None = None,
    ) -> None:
        plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
        self._writer = Writer(path, version=_ROSBAG2_VERSION, storage_plugin=plugin)
        if compressed:
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._typestore = get_typestore(Stores.ROS2_HUMBLE)
        self.types: Mapping[str, Any] = self._typestore.types
        for kind, definition in (definitions or {}).items():
            self._typestore.register(get_types_from_msg(definition, kind))
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> BagWriter:
        with _storing():
            self._writer.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with _storing():
            self._writer.__exit__(kind, error, traceback)

    def write(
        self,
        topic: str,
        stamp: int,
        frame_id: str,
        pixels: Pixels,
        encoding: Literal['bgr8', 'rgb8', 'mono8'],
        received: int | None = None,
    ) -> None:
        """Append an image message.

        Args:
            topic: Where to; made when it is first used.
            stamp: Nanoseconds, the header's.
            frame_id: The header's.
            pixels: (H, W, 3) for bgr8 and rgb8, (H, W) for mono8.
            encoding: The meaning of the pixels.
            received: Nanoseconds, the time of reception; None for the stamp.
        """
        self.write_message(
            topic,
            IMAGE_TYPE,
            stamp,
            frame_id,
            {
                'height': pixels.shape[0],
                'width': pixels.shape[1],
                'encoding': encoding,
                'is_bigendian': 0,
                'step': pixels[0].nbytes,
                'data': np.ascontiguousarray(pixels).reshape(-1),
            },
            received,
        )

    def write_message(
        self,
        topic: str,
        kind: str,
        stamp: int,
        frame_id: str,
        fields: Mapping[str, Any],
        received: int | None = None,
    ) -> None:
        """Append a message.

        Args:
            topic: Where to; made when it is first used.
            kind: Its type.
            stamp: Nanoseconds, the header's.
            frame_id: The header's.
            fields: All but the header, in the form that rosbags takes.
            received: Nanoseconds, the time of reception; None for the stamp.
        """
        types = self.types
        seconds, nanoseconds = divmod(stamp, 1_000_000_000)
        header = types['std_msgs/msg/Header'](
            stamp=types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=nanoseconds),
            frame_id=frame_id,
        )
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=self._typestore, offered_qos_profiles=[_RELIABLE]
            )
        data = self._typestore.serialize_cdr(types[kind](header=header, **fields), kind)
        with _storing():
            self._writer.write(
                self._connections[topic], stamp if received is None else received, data
            )


@dataclass(frozen=True)
class BagFrame:
    """One camera frame of a bag.

    Attributes:
        stamp: Nanoseconds, the header's.
        received: Nanoseconds, when it was recorded.
        image: (H, W, 3) uint8 BGR.
        truth: (H, W) uint8 class ids with the same stamp, if the bag has them.
    """

    stamp: int
    received: int
    image: Pixels
    truth: Pixels | None


class CameraBag:
    """The frames of one camera of a bag: rosbag2, or ROS 1; raw or compressed images.

    Attributes:
        image_topic: `/image` if there is one, else the image topic with the most messages, raw
            before compressed.
        truth_topic: A label topic named `ground_truth/labels` in any namespace, or None.
        frame_count: Messages on the image topic.

    Args:
        path: A rosbag2 folder, an .mcap or .db3 file, or a ROS 1 .bag file.

    Raises:
        BagError: It is no bag that can be read, or has no image topic.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with closing(open_bag(self.path)) as reader:
            topics = {
                connection.topic: (connection.msgtype, reader.topics[connection.topic].msgcount)
                for connection in reader.connections
            }
        truth = [
            name
            for name, (kind, _) in topics.items()
            if kind == IMAGE_TYPE and f'/{name}'.endswith(LABELS_TOPIC)
        ]
        self.truth_topic = min(truth, default=None)
        images = sorted(
            (name != IMAGE_TOPIC, kind == COMPRESSED_IMAGE_TYPE, -count, name)
            for name, (kind, count) in topics.items()
            if kind in {IMAGE_TYPE, COMPRESSED_IMAGE_TYPE} and count and name not in truth
        )
        if not images:
            raise BagError(
                f'{path}: no images in this bag; its topics: {", ".join(sorted(topics)) or "none"}'
            )
        self.image_topic = images[0][-1]
        self.frame_count = topics[self.image_topic][1]
        compressed = topics[self.image_topic][0] == COMPRESSED_IMAGE_TYPE
        self._decode = decode_compressed if compressed else decode_image

    def __iter__(self) -> Iterator[BagFrame]:
        """Each frame in the order of the recording, with its truth.

        Frames and truth are joined by stamp while both are read, so their stamps have to ascend.

        Raises:
            BagError: The bag is damaged.
            ImageError: An image cannot be decoded.
        """
        with ExitStack() as stack:
            reader = stack.enter_context(closing(open_bag(self.path)))
            images = messages(reader, [self.image_topic])
            truths = Truths(iter(()))
            if self.truth_topic:
                # A reader of its own: it is at another place of the file.
                truth_reader = stack.enter_context(closing(open_bag(self.path)))
                truths = Truths(messages(truth_reader, [self.truth_topic]))
            for _, received, stamp, message in images:
                truth = truths.at(stamp)
                labels = None if truth is None else decode_labels(truth)
                yield BagFrame(stamp, received, self._decode(message), labels)
