# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adapts the readers of rosbags: they ignore message definitions and check lengths.

rosbags parses the definition of every message type in a bag. A single definition that is damaged,
in another encoding or for another serialisation makes the whole bag unreadable. The types that are
read here are those of ROS and of this package, which are known without the bag.
"""

from __future__ import annotations

import functools
import io
import os
import struct
from collections.abc import Collection, Generator, Mapping
from pathlib import Path, PosixPath
from typing import Any, BinaryIO
from urllib.parse import quote

import apsw
import yaml
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection, MessageDefinition, MessageDefinitionFormat
from rosbags.rosbag1 import Reader as Rosbag1Reader
from rosbags.rosbag1 import ReaderError as Rosbag1Error
from rosbags.rosbag1.reader import read_bytes, read_uint32
from rosbags.rosbag2 import Reader as Rosbag2Reader
from rosbags.rosbag2 import ReaderError
from rosbags.rosbag2.reader import DirectoryReader
from rosbags.rosbag2.storage_mcap import McapReader
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Reader
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from bisenet_ros.bag.bounded import BoundedReader, decompress_zstd, limit_decompression
from bisenet_ros.bag.mcap_file import open_mcap
from bisenet_ros.yaml_document import check_values

SERIALIZATION = 'cdr'
"""Serialisation of ROS 2 messages; bags may contain others, such as JSON."""

_NO_DEFINITION = MessageDefinition(MessageDefinitionFormat.NONE, '')


class BagReader(AnyReader):
    """Reads a bag whose messages are of types that ROS defines.

    Args:
        path: A rosbag2 folder, an .mcap or .db3 file, or a ROS 1 .bag file.
    """

    def __init__(self, path: Path) -> None:
        path = _Folder(path) if path.is_dir() else path
        super().__init__([path])
        self._types = _types(Stores.LATEST if self.is2 else Stores.ROS1_NOETIC)
        self.readers = [_Rosbag2Reader(path)] if self.is2 else [_Rosbag1Reader(path)]

    @property
    def files(self) -> dict[Path, Path]:
        """The files of the bag that have its messages, each with the file that is read.

        The latter is a decompressed copy, which exists until the reader is closed, or the same.
        """
        (reader,) = self.readers
        storage = getattr(reader, 'storage', None)
        if isinstance(storage, _FolderReader):
            return storage.paths
        path = Path(str(reader.path))
        return {path: path}

    def _open(self) -> None:
        """Overrides the base class, which compiles all ROS types whenever a bag is opened."""
        assert self.stack is not None
        for reader in self.readers:
            self.stack.enter_context(reader)
        self.connections = [one for reader in self.readers for one in reader.connections]
        self.typestore = self._types


@functools.cache
def _types(store: Stores) -> Typestore:
    return get_typestore(store)


class _Folder(PosixPath):
    """The path of a folder for rosbags, with a metadata.yaml that it can read."""

    @property
    def suffix(self) -> str:
        """The suffix; never `.bag`, because rosbags would treat such a folder as a ROS 1 bag."""
        ending = super().suffix
        return '' if ending == '.bag' else ending

    def read_text(self, *_: Any, **__: Any) -> str:
        """Reads the metadata.yaml in the folder, without the parts on which rosbags fails.

        These are topics of other serialisations, and the quality of service: where it is not that
        of the files, as after an edit, rosbags finds no messages; where it is incomplete, rosbags
        raises KeyError.
        """
        text = self.read_bytes().decode('utf-8-sig')
        check_values(self, text)
        try:
            metadata = yaml.load(text, yaml.CSafeLoader)
            information = metadata['rosbag2_bagfile_information']
            information['topics_with_message_count'] = [
                topic
                for topic in information['topics_with_message_count']
                if topic['topic_metadata']['serialization_format'] == SERIALIZATION
            ]
            for topic in information['topics_with_message_count']:
                topic['topic_metadata'].pop('offered_qos_profiles', None)
        except (KeyError, TypeError, yaml.YAMLError):  # rosbags reports the error
            return text
        return str(yaml.dump(metadata, Dumper=yaml.CSafeDumper))


limit_decompression()


class _BoundedFile(PosixPath):
    """A file whose reader allocates no more memory than the file has bytes."""

    def open(self, *_: Any, **__: Any) -> Any:
        return BoundedReader(io.FileIO(self))


class _McapReader(McapReader):
    class _File:
        """The methods of a path that rosbags uses."""

        def __init__(self, path: Any) -> None:
            self._path = path

        def __str__(self) -> str:
            return str(self._path)

        def open(self, _: str) -> BinaryIO:
            return open_mcap(self._path)

    def __init__(self, path: Any) -> None:
        super().__init__(self._File(path))  # type: ignore[arg-type]


class _Sqlite3Reader(Sqlite3Reader):
    def open(self) -> None:
        """Opens the database, unless rosbags would miss messages: it reads no write-ahead log."""
        log = Path(f'{self.path}-wal')
        if log.exists() and log.stat().st_size:
            raise ReaderError(
                f'the recording was not finished, and {log} has messages of it: write them into '
                f"the database with sqlite3 {self.path} 'PRAGMA wal_checkpoint(TRUNCATE)'"
            )
        path = self.path
        self.path = Path(quote(os.fsencode(str(path))))  # rosbags makes a URI of it
        apsw.connection_hooks.append(_hide_definitions)
        try:
            super().open()
        finally:
            apsw.connection_hooks.remove(_hide_definitions)
            self.path = path


def _hide_definitions(connection: apsw.Connection) -> None:
    """Hides the table of the bag behind an empty temporary one, which SQLite finds first."""
    connection.execute(
        'CREATE TEMP TABLE IF NOT EXISTS message_definitions (id, topic_type, encoding, '
        'encoded_message_definition, type_description_hash)'
    )


def _without_quality_of_service(connection: Connection) -> Connection:
    ext: Any = connection.ext
    return connection._replace(ext=ext._replace(offered_qos_profiles=[]))


class _FolderReader(DirectoryReader):
    STORAGE_PLUGINS: Mapping[str, type[Any]] = {'mcap': _McapReader, 'sqlite3': _Sqlite3Reader}

    def open(self) -> None:
        """Opens the bag, but keeps the base class from decompressing messages without a limit."""
        super().open()
        storages: list[Any] = self.storages
        for storage in storages:  # the base class compares them with those of metadata.yaml
            storage.connections[:] = map(_without_quality_of_service, storage.connections)
        self._compressed = self.metadata.compression_mode == 'message'
        if self._compressed:
            self.metadata = self.metadata._replace(compression_mode=None)

    @property
    def paths(self) -> dict[Path, Path]:
        """The storage files in the folder, each with the file that is read."""
        ending = '.zstd' if self.metadata.compression_mode == 'file' else ''
        storages: list[Any] = self.storages
        read = [Path(str(storage.path)) for storage in storages]
        return {Path(str(self.path), f'{path.name}{ending}'): path for path in read}

    def messages(
        self,
        connections: Collection[Connection],
        start: int | None = None,
        stop: int | None = None,
    ) -> Generator[tuple[Connection, int, bytes], None, None]:
        for connection, received, data in super().messages(connections, start, stop):
            yield connection, received, decompress_zstd(data) if self._compressed else data


class _Rosbag2Reader(Rosbag2Reader):
    STORAGE_PLUGINS: Mapping[str, type[Any]] = {
        'dir': _FolderReader,
        '.mcap': _McapReader,
        '.db3': _Sqlite3Reader,
    }


class _Rosbag1Reader(Rosbag1Reader):
    def __init__(self, path: Path) -> None:
        super().__init__(_BoundedFile(path))

    def open(self) -> None:
        """Opens the bag, or says how to repair it if the index at its end is missing."""
        try:
            super().open()
        except Rosbag1Error as error:
            if not str(error).startswith(('Bag is not indexed', 'Bag index looks damaged')):
                raise
            raise Rosbag1Error(
                'the index at its end is missing or damaged, because the recording was not '
                f"finished or the file is truncated: repair it with 'rosbag reindex {self.path}'"
            ) from error

    def read_connection(self) -> Connection:
        """Reads a connection without its definition, which may be in any encoding."""
        file = self.bio
        assert file is not None
        record = b''
        for _ in range(2):  # header and data
            length = read_uint32(file)
            record += struct.pack('<I', length) + read_bytes(file, length)
        self.bio = io.BytesIO(_without_definition(record))
        try:
            return super().read_connection()._replace(msgdef=_NO_DEFINITION)
        finally:
            self.bio = file


def _without_definition(record: bytes) -> bytes:
    """Blanks the text of the definition in a connection record of a ROS 1 bag."""
    begin, name, rest = record.partition(b'message_definition=')
    if not name:
        return record
    length = int.from_bytes(begin[-4:], 'little') - len(name)
    return begin + name + b' ' * length + rest[length:]
