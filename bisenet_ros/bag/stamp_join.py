# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of a bag that belong to a frame because they have its stamp."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

from rosbags.typesys import Stores, get_typestore

from bisenet_ros.bag.messages import CAMERA_INFO_TYPE, BagError, Stamped

LATEST_INFO = 100_000_000
"""Nanoseconds by which a CameraInfo may have been recorded after its image: a camera publishes both
at once, and the image, which is larger, arrives last as a rule."""

SAME_MOMENT = 10_000_000
"""Nanoseconds by which an image and its truth may have been recorded apart where no stamp says
that they belong together: less than half the period of fast cameras."""

_EARLIER_INFOS = 1000
"""CameraInfos of a topic that are remembered: those of the many seconds that an image can take."""


class Truths:
    """The messages of a label topic, looked up one after the other while time ascends.

    Labels may have been recorded at any time, also after all images, unless they are looked up by
    their reception. Each is given out once, so that equal stamps meet equal stamps in their order.

    Args:
        labels: The messages; they are read as far as the times that are asked for.
        by_reception: Whether headers are not stamped, so that only the reception can tell.
    """

    def __init__(self, labels: Iterator[Stamped], *, by_reception: bool) -> None:
        self._labels = labels
        self._next = next(labels, None)
        self._moment = attrgetter('received' if by_reception else 'stamp')
        self._tolerance = SAME_MOMENT if by_reception else 0

    def of(self, image: Stamped) -> Any:
        """The message that belongs to an image, or None."""
        moment = self._moment(image)
        found = self._next
        while found is not None and self._moment(found) < moment - self._tolerance:
            found = self._next = next(self._labels, None)
        if found is None or self._moment(found) > moment + self._tolerance:
            return None
        self._next = next(self._labels, None)
        return found.message


class ImageWithInfo(NamedTuple):
    """An image message, and the CameraInfo of its topic and stamp; None where there is none."""

    image: Stamped
    camera_info: Any


def with_camera_infos(
    recorded: Iterator[Stamped], info_topics: Mapping[str, str]
) -> Iterator[ImageWithInfo]:
    """Every image with its CameraInfo, in the order of the images.

    Args:
        recorded: Images and CameraInfos in the order of the recording.
        info_topics: Where the CameraInfos of an image topic are, for those that have some.

    Raises:
        BagError: The bag is damaged; the images before that have been given out.
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
    """A CameraInfo with the names of ROS 2; ROS 1 has capital letters for the matrices."""
    if not hasattr(info, 'K'):
        return info
    types: Mapping[str, Any] = get_typestore(Stores.LATEST).types
    return types[CAMERA_INFO_TYPE](**{name.lower(): field for name, field in vars(info).items()})
