# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes rosbag2 files for `ros2 bag play` and any MCAP reader."""

from __future__ import annotations

import dataclasses
import errno
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.rosbag2.storage_mcap import McapWriter
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from bisenet_ros.image_codec import image_fields
from bisenet_ros.message_types import IMAGE_TYPE
from bisenet_ros.stamps import seconds_and_nanoseconds

Storage = Literal['mcap', 'sqlite3']
Pixels = npt.NDArray[np.uint8]

# The newest version that rosbag2 of Humble and later distributions reads.
_ROSBAG2_VERSION: Final = 8

# A player with this QoS serves reliable and best-effort subscribers.
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


@contextmanager
def _storing() -> Iterator[None]:
    """Turns errors of SQLite into OSError, so that every storage plugin raises the same."""
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(errno.EIO, str(error)) from error


class _Sqlite3Writer(Sqlite3Writer):
    def __init__(self, path: Path, compression: CompressionMode) -> None:
        super().__init__(Path(quote(bytes(path))), compression)  # rosbags makes a URI of it
        self.path = path / f'{path.name}.db3'


class _Rosbag2Writer(Writer):
    STORAGE_PLUGINS: Mapping[StoragePlugin, type[Any]] = {
        StoragePlugin.MCAP: McapWriter,
        StoragePlugin.SQLITE3: _Sqlite3Writer,
    }


class BagWriter:
    """Writes messages with a header to a new rosbag2, as a context manager.

    Raises OSError if it cannot write.

    Args:
        path: The folder to create; it must not exist.
        storage: The storage plugin of rosbag2.
        compressed: Whether chunks of an mcap are compressed, in a format that all MCAP readers
            support.
        definitions: Definitions of message types that are not part of ROS, as in a .msg file, by
            type.
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
        self._writer = _Rosbag2Writer(path, version=_ROSBAG2_VERSION, storage_plugin=plugin)
        if compressed:
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._typestore = get_typestore(Stores.ROS2_HUMBLE)
        for kind, definition in (definitions or {}).items():
            self._typestore.register(get_types_from_msg(definition, kind))
        self._connections: dict[str, Connection] = {}

    def __enter__(self) -> BagWriter:
        with _storing():
            self._writer.open()
        return self

    def __exit__(self, *exception: Any) -> None:
        with _storing():
            self._writer.__exit__(*exception)

    def write(
        self,
        topic: str,
        stamp: int,
        frame_id: str,
        pixels: Pixels,
        encoding: Literal['bgr8', 'rgb8', 'mono8'],
    ) -> None:
        """Appends an image message, recorded at the time of its stamp.

        Args:
            topic: The topic; created at its first use.
            stamp: Stamp of the header, nanoseconds.
            frame_id: Frame id of the header.
            pixels: (H, W, 3) for bgr8 and rgb8, (H, W) for mono8.
            encoding: The meaning of the pixels.
        """
        self.write_message(topic, IMAGE_TYPE, stamp, frame_id, image_fields(pixels, encoding))

    def write_message(
        self,
        topic: str,
        kind: str,
        stamp: int,
        frame_id: str,
        fields: Mapping[str, Any],
        received: int | None = None,
    ) -> None:
        """Appends a message.

        Args:
            topic: The topic; created at its first use.
            kind: Message type.
            stamp: Stamp of the header, nanoseconds.
            frame_id: Frame id of the header.
            fields: All fields except the header: numbers, strings, arrays, and mappings or lists of
                mappings for nested messages.
            received: Time of recording, nanoseconds; None for the stamp.
        """
        seconds, nanoseconds = seconds_and_nanoseconds(stamp)
        header = {'stamp': {'sec': seconds, 'nanosec': nanoseconds}, 'frame_id': frame_id}
        data = self._typestore.serialize_cdr(self._made(kind, {'header': header, **fields}), kind)
        self.write_serialized(topic, kind, stamp if received is None else received, data)

    def write_serialized(
        self, topic: str, kind: str, received: int, data: bytes | memoryview
    ) -> None:
        """Appends a message that is already serialised.

        Args:
            topic: The topic; created at its first use.
            kind: Message type.
            received: Time of recording, nanoseconds.
            data: The message in CDR.
        """
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=self._typestore, offered_qos_profiles=[_RELIABLE]
            )
        with _storing():
            self._writer.write(self._connections[topic], received, data)

    def _made(self, kind: str, fields: Mapping[str, Any]) -> Any:
        """Creates a rosbags message from plain fields."""
        types = dict(self._typestore.get_msgdef(kind).fields)
        values = {name: self._value(types[name], value) for name, value in fields.items()}
        return self._typestore.types[kind](**values)

    def _value(self, described: Any, value: Any) -> Any:
        if isinstance(value, Mapping):
            return self._made(described[1], value)
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            return [self._value(described[1][0], element) for element in value]
        return value


def fields_of(message: Any) -> dict[str, Any]:
    """Returns the fields of a message that was read with rosbags, without the header."""
    names = [field.name for field in dataclasses.fields(message)]
    return {name: getattr(message, name) for name in names if name not in ('header', '__msgtype__')}
