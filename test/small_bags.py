# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes bags for tests: small images on any topics, in every form that rosbags writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import yaml
from rosbags.rosbag1 import Writer as Rosbag1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Rosbag2Writer
from rosbags.typesys import Stores, get_typestore

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
TRANSFORMS = 'tf2_msgs/msg/TFMessage'
START = 1_700_000_000_000_000_000
STEP = 100_000_000
WIDTH, HEIGHT = 64, 48

Pixels = npt.NDArray[np.uint8]


class Entry(NamedTuple):
    """An image message to be written.

    Attributes:
        topic: Topic of the message.
        stamp: Header stamp, nanoseconds.
        pixels: Content of the image.
        encoding: Encoding of a raw image; jpeg, png or a whole format string for a compressed one.
        delay: Nanoseconds from the stamp to the time of reception.
    """

    topic: str
    stamp: int
    pixels: npt.NDArray[Any]
    encoding: str
    delay: int = 0


class InfoEntry(NamedTuple):
    """A CameraInfo to be written, of a pinhole camera with the principal point in the middle.

    Attributes:
        topic: Topic of the message.
        stamp: Header stamp, nanoseconds.
        focal: Focal length, pixels.
        delay: Nanoseconds from the stamp to the time of reception.
        frame_id: Frame id of the header.
    """

    topic: str
    stamp: int
    focal: float
    delay: int = 0
    frame_id: str = 'camera'


class TransformEntry(NamedTuple):
    """A static transform to be written.

    Attributes:
        stamp: Time of reception, nanoseconds.
        parent: Name of the parent frame.
        child: Name of the child frame.
        translation: x, y, z.
        rotation: x, y, z, w.
    """

    stamp: int
    parent: str
    child: str
    translation: tuple[float, float, float]
    rotation: tuple[float, float, float, float]
    topic: str = '/tf_static'
    delay: int = 0


AnyEntry = Entry | InfoEntry | TransformEntry


def picture(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    """Returns (H, W, 3) BGR with coloured areas that a network can distinguish."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


def truth_of(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    """Returns (H, W) ids of CamVid's classes in blocks, with some void."""
    coarse = np.random.default_rng(1000 + seed).integers(0, 12, (6, 8), dtype=np.uint8)
    coarse[coarse == 11] = 255
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST)


def drive(count: int, namespace: str = '', *, truth: bool = True) -> list[Entry]:
    """Returns frames of a camera, STEP apart, and their ground truth."""
    entries: list[Entry] = []
    for index in range(count):
        stamp = START + index * STEP
        entries.append(Entry(f'{namespace}/image', stamp, picture(index), 'bgr8'))
        if truth:
            labels = Entry(f'{namespace}/ground_truth/labels', stamp, truth_of(index), 'mono8')
            entries.append(labels)
    return entries


def write_bag(
    path: Path,
    entries: Sequence[AnyEntry],
    *,
    storage: StoragePlugin = StoragePlugin.MCAP,
    compression: CompressionMode = CompressionMode.NONE,
    topics: Sequence[str] = (),
) -> Path:
    """Writes a rosbag2; `topics` of type Image are created even without messages."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    writer = Rosbag2Writer(path, version=8, storage_plugin=storage)
    if compression != CompressionMode.NONE:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        connections = {t: writer.add_connection(t, IMAGE, typestore=store) for t in topics}
        for entry in entries:
            kind, message = message_of(store.types, entry)
            if entry.topic not in connections:
                connection = writer.add_connection(entry.topic, kind, typestore=store)
                connections[entry.topic] = connection
            data = store.serialize_cdr(message, kind)
            writer.write(connections[entry.topic], entry.stamp + entry.delay, data)
    return path


def write_bag_of_ros_1(path: Path, entries: Sequence[AnyEntry]) -> Path:
    """Writes a bag of ROS 1."""
    store = get_typestore(Stores.ROS1_NOETIC)
    with Rosbag1Writer(path) as writer:
        connections: dict[str, Any] = {}
        for entry in entries:
            kind, message = message_of(store.types, entry, seq=0)
            if entry.topic not in connections:
                connection = writer.add_connection(entry.topic, kind, typestore=store)
                connections[entry.topic] = connection
            data = store.serialize_ros1(message, kind)
            writer.write(connections[entry.topic], entry.stamp + entry.delay, data)
    return path


def write_split_bag(folder: Path, first: Sequence[Entry], second: Sequence[Entry]) -> Path:
    """Writes a bag of two files, as rosbag2 splits one; both have the same topics."""
    bag, other = write_bag(folder / 'a', first), write_bag(folder / 'b', second)
    metadata = yaml.safe_load((bag / 'metadata.yaml').read_text())
    information = metadata['rosbag2_bagfile_information']
    information['relative_file_paths'] = ['a.mcap', 'b.mcap']
    information['message_count'] = len(first) + len(second)
    for topic in information['topics_with_message_count']:
        name = topic['topic_metadata']['name']
        topic['message_count'] = sum(entry.topic == name for entry in (*first, *second))
    (bag / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    (other / 'b.mcap').rename(bag / 'b.mcap')
    return bag


FORMS: dict[str, Callable[[Path], Path]] = {
    'mcap': lambda folder: write_bag(folder / 'bag', drive(4)),
    'mcap file': lambda folder: write_bag(folder / 'bag', drive(4)) / 'bag.mcap',
    'mcap, compressed chunks': lambda folder: write_bag(
        folder / 'bag', drive(4), compression=CompressionMode.STORAGE
    ),
    'sqlite3': lambda folder: write_bag(folder / 'bag', drive(4), storage=StoragePlugin.SQLITE3),
    'sqlite3 file': lambda folder: (
        write_bag(folder / 'bag', drive(4), storage=StoragePlugin.SQLITE3) / 'bag.db3'
    ),
    'sqlite3, compressed file': lambda folder: write_bag(
        folder / 'bag',
        drive(4),
        storage=StoragePlugin.SQLITE3,
        compression=CompressionMode.FILE,
    ),
    'sqlite3, compressed messages': lambda folder: write_bag(
        folder / 'bag',
        drive(4),
        storage=StoragePlugin.SQLITE3,
        compression=CompressionMode.MESSAGE,
    ),
    'mcap, compressed file': lambda folder: write_bag(
        folder / 'bag', drive(4), compression=CompressionMode.FILE
    ),
    'mcap, compressed messages': lambda folder: write_bag(
        folder / 'bag', drive(4), compression=CompressionMode.MESSAGE
    ),
    'split': lambda folder: write_split_bag(folder, drive(4)[:4], drive(4)[4:]),
    'ROS 1': lambda folder: write_bag_of_ros_1(folder / 'drive.bag', drive(4)),
}
"""A drive of four frames with truths, in every form that a bag comes in."""


def message_of(types: Any, entry: AnyEntry, **header_fields: int) -> tuple[str, Any]:
    """Returns the type name of an entry's message, and the message in rosbags' `types`."""
    time = types['builtin_interfaces/msg/Time'](*divmod(entry.stamp, 10**9))
    frame_id = getattr(entry, 'frame_id', 'camera')
    header = types['std_msgs/msg/Header'](stamp=time, frame_id=frame_id, **header_fields)
    if isinstance(entry, TransformEntry):
        return TRANSFORMS, _transforms(types, entry, header)
    if isinstance(entry, InfoEntry):
        return CAMERA_INFO, _camera_info(types, entry, header)
    codec = entry.encoding
    if codec in ('jpeg', 'png') or ';' in codec:
        data = cv2.imencode('.jpeg' if 'jpeg' in codec else '.png', entry.pixels)[1]
        return COMPRESSED, types[COMPRESSED](header=header, format=codec, data=data.reshape(-1))
    message = types[IMAGE](
        header=header,
        height=entry.pixels.shape[0],
        width=entry.pixels.shape[1],
        encoding=entry.encoding,
        is_bigendian=0,
        step=entry.pixels[0].nbytes,
        data=entry.pixels.reshape(-1).view(np.uint8),
    )
    return IMAGE, message


def _transforms(types: Any, entry: TransformEntry, header: Any) -> Any:
    header.frame_id = entry.parent
    transform = types['geometry_msgs/msg/Transform'](
        types['geometry_msgs/msg/Vector3'](*entry.translation),
        types['geometry_msgs/msg/Quaternion'](*entry.rotation),
    )
    stamped = types['geometry_msgs/msg/TransformStamped'](header, entry.child, transform)
    return types[TRANSFORMS]([stamped])


def _camera_info(types: Any, entry: InfoEntry, header: Any) -> Any:
    matrix = np.array([[entry.focal, 0, WIDTH / 2], [0, entry.focal, HEIGHT / 2], [0, 0, 1]])
    fields = {
        'd': np.zeros(5),
        'k': matrix.reshape(-1),
        'r': np.eye(3).reshape(-1),
        'p': np.column_stack([matrix, np.zeros(3)]).reshape(-1),
    }
    if hasattr(header, 'seq'):  # ROS 1
        fields = {name.upper(): value for name, value in fields.items()}
    return types[CAMERA_INFO](
        header=header,
        height=HEIGHT,
        width=WIDTH,
        distortion_model='plumb_bob',
        binning_x=0,
        binning_y=0,
        roi=types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, do_rectify=False),
        **fields,
    )
