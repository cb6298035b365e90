# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads messages of any bag format, with errors that users understand."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rosbags.highlevel import AnyReaderError
from rosbags.interfaces import Connection
from rosbags.rosbag1 import ReaderError as Rosbag1Error
from rosbags.rosbag2 import ReaderError as Rosbag2Error

from bisenet_ros.bag.rosbags_readers import SERIALIZATION, BagReader
from bisenet_ros.errors import UserError
from bisenet_ros.stamps import nanoseconds

IMAGE_TOPIC = '/image'
LABELS_TOPIC = '/ground_truth/labels'

_ZSTD_FRAME = b'\x28\xb5\x2f\xfd'
"""The first bytes of Zstandard data. A message that is not compressed begins with a zero."""


class BagError(UserError):
    """A bag cannot be read, or lacks the requested topics."""


def open_bag(path: Path) -> BagReader:
    """Opens a bag for reading; the caller closes the reader.

    Args:
        path: A rosbag2 folder, an .mcap or .db3 file, or a ROS 1 .bag file.

    Raises:
        BagError: The bag cannot be read.
    """
    with _reading(path, 'not a bag that can be read'):
        reader = BagReader(path)
        reader.open()
    return reader


class RecordedMessage(NamedTuple):
    """A message of a bag.

    Attributes:
        topic: Its topic.
        received: Time of recording, nanoseconds.
        message: The message as deserialised by rosbags.
    """

    topic: str
    received: int
    message: Any

    @property
    def stamp(self) -> int:
        """Stamp of its header, nanoseconds."""
        return nanoseconds(self.message.header.stamp)


def connections_of(reader: BagReader) -> list[Connection]:
    """Returns the connections of a bag whose messages have a ROS serialisation."""
    return [
        connection
        for connection in reader.connections
        if getattr(connection.ext, 'serialization_format', SERIALIZATION) == SERIALIZATION
    ]


def messages(
    reader: BagReader,
    topics: Collection[str],
    kind: str | None = None,
    start: int | None = None,
) -> Iterator[RecordedMessage]:
    """Yields the messages of some topics in recording order.

    Args:
        reader: The opened bag.
        topics: Names of topics; those that the bag lacks are ignored.
        kind: Read messages of this type only; None if each topic has one type, whichever it is.
        start: Read messages recorded at or after this time only, nanoseconds.

    Raises:
        BagError: The bag is damaged, has messages of different types on one of the topics, or is
            a single file with compressed messages.
    """
    connections = [
        one for one in connections_of(reader) if one.topic in topics and kind in (None, one.msgtype)
    ]
    if not connections:  # rosbags would read every topic
        return
    types: dict[str, str] = {}
    for one in connections:
        first = types.setdefault(one.topic, one.msgtype)
        if one.msgtype != first:
            raise BagError(f'{reader.paths[0]}: {one.topic} has {first} and {one.msgtype}')
    with _reading(reader.paths[0], 'the bag is damaged'):
        for connection, received, data in reader.messages(connections, start):
            if reader.is2 and data.startswith(_ZSTD_FRAME):
                raise BagError(
                    f'{reader.paths[0]}: each message is compressed by itself, which only '
                    'metadata.yaml says: give the folder of the recording, with that file'
                )
            message: Any = reader.deserialize(data, connection.msgtype)
            yield RecordedMessage(connection.topic, received, message)


@contextmanager
def _reading(path: object, complaint: str) -> Iterator[None]:
    """Turns exceptions of rosbags into one line for users."""
    try:
        yield
    except BagError:
        raise
    except Exception as error:
        # Any error, because on damaged data rosbags raises the exceptions of its parsers: those of
        # YAML, SQLite and Zstandard, and UnicodeDecodeError, KeyError or struct.error.
        reason = str(error).partition('\n')[0]
        known = (AnyReaderError, Rosbag1Error, Rosbag2Error, OSError)
        if not reason or not isinstance(error, known):
            reason = f'{type(error).__name__}: {reason}'
        raise BagError(f'{path}: {complaint}: {reason}') from error
