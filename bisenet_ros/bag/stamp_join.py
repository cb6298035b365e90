# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matches ground truth and CameraInfo of a bag to frames by stamp."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from rosbags.typesys import Stores, get_typestore

from bisenet_ros.bag.messages import CAMERA_INFO_TYPE, BagError, Stamped

LATEST_INFO = 100_000_000
"""Maximum nanoseconds by which a CameraInfo may be recorded after its image. A camera publishes
both at once, and usually the image arrives last, because it is larger."""

SAME_MOMENT = 10_000_000
"""Maximum nanoseconds between the recording of an image and of its ground truth, if there are no
stamps: less than half the period of fast cameras."""

_EARLIER_INFOS = 1000
"""Number of CameraInfos kept per topic, for images that arrive many seconds later."""


class Truths:
    """The messages of a label topic, looked up in ascending order of time.

    Unless they are matched by time of recording, labels may be recorded at any time, even after all
    images. Each is returned once, so that messages with equal stamps are matched in order.

    Args:
        labels: The messages; read only as far as needed.
        by_reception: Match by time of recording, because headers have no stamps.
    """

    def __init__(self, labels: Iterator[Stamped], *, by_reception: bool) -> None:
        self._labels = labels
        self._next = next(labels, None)
        self._moment = attrgetter('received' if by_reception else 'stamp')
        self._tolerance = SAME_MOMENT if by_reception else 0

    def of(self, image: Stamped) -> Any:
        """Returns the message that belongs to an image, or None."""
        moment = self._moment(image)
        found = self._next
        while found is not None and self._moment(found) < moment - self._tolerance:
            found = self._next = next(self._labels, None)
        if found is None or self._moment(found) > moment + self._tolerance:
            return None
        self._next = next(self._labels, None)
        return found.message


class ImageWithInfo(NamedTuple):
    """An image message, and the CameraInfo of its camera and stamp; None if there is none."""

    image: Stamped
    camera_info: Any


def with_camera_infos(
    recorded: Iterator[Stamped], info_topics: Mapping[str, str]
) -> Iterator[ImageWithInfo]:
    """Yields every image with its CameraInfo, in the order of the images.

    Args:
        recorded: Images and CameraInfos in recording order.
        info_topics: CameraInfo topic by image topic, for those that have one.

    Raises:
        BagError: The bag is damaged; raised after the images before the damage.
    """
    infos: dict[str, OrderedDict[int, Any]] = {t: OrderedDict() for t in info_topics.values()}
    waiting: deque[Stamped] = deque()
    damage: BagError | None = None

    def joined(image: Stamped) -> ImageWithInfo:
        topic = info_topics.get(image.topic)
        return ImageWithInfo(image, infos[topic].get(image.stamp) if topic else None)

    try:
        for one in recorded:
            if one.topic in infos:
                of_topic = infos[one.topic]
                of_topic[one.stamp] = _of_ros_2(one.message)
                if len(of_topic) > _EARLIER_INFOS:
                    of_topic.popitem(last=False)
            else:
                waiting.append(one)
            while waiting:
                first = joined(waiting[0])
                in_time = one.received - first.image.received <= LATEST_INFO
                if first.image.topic in info_topics and first.camera_info is None and in_time:
                    break
                waiting.popleft()
                yield first
    except BagError as error:
        damage = error
    yield from map(joined, waiting)
    if damage is not None:
        raise damage


def _of_ros_2(info: Any) -> Any:
    """Converts a CameraInfo to the field names of ROS 2; ROS 1 has capital letters for matrices."""
    if not hasattr(info, 'K'):
        return info
    types: Mapping[str, Any] = get_typestore(Stores.LATEST).types
    return types[CAMERA_INFO_TYPE](**{name.lower(): field for name, field in vars(info).items()})
