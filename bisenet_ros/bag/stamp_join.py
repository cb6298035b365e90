# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matches ground truth and CameraInfo of a bag to frames by stamp."""

from __future__ import annotations

from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rosbags.typesys import Stores, get_typestore

from bisenet_ros.bag.messages import BagError, RecordedMessage
from bisenet_ros.message_types import CAMERA_INFO_TYPE

LATEST_INFO = 100_000_000
"""Maximum nanoseconds by which a CameraInfo may be recorded after its image. A camera publishes
both at once, and usually the image arrives last, because it is larger."""

SAME_MOMENT = 10_000_000
"""Maximum nanoseconds between the recording of an image and of its ground truth, if there are no
stamps: less than half the period of fast cameras."""

_EARLIER_INFOS = 1000
"""Number of CameraInfos kept per topic, for images that arrive many seconds later."""

_LAST_TIME = 1 << 62
"""Times of recording in a damaged bag may be larger, and fit into no int64."""

Times = npt.NDArray[np.int64]


class LabelTimes(NamedTuple):
    """When the messages of a label topic were made and recorded, in recording order.

    Attributes:
        stamps: (N,) int64 stamps of the headers, nanoseconds.
        received: (N,) int64 times of recording, nanoseconds.
        damage: Why there are no more messages; None if the topic could be read to its end.
    """

    stamps: Times
    received: Times
    damage: BagError | None

    @classmethod
    def of(cls, labels: Iterator[RecordedMessage]) -> LabelTimes:
        """Reads all messages, and keeps none of them."""
        stamps, received = array('q'), array('q')
        damage: BagError | None = None
        try:
            for label in labels:
                stamps.append(label.stamp)
                received.append(_bounded(label.received))
        except BagError as error:
            damage = error
        return cls(np.array(stamps, np.int64), np.array(received, np.int64), damage)


class GroundTruth:
    """The messages of a label topic, looked up by the image that they belong to.

    Labels may be recorded at any time, even after all images. Each is returned once; those of equal
    stamps are returned in the order of recording. All times are known before the first lookup, so
    a stamp that is far off hides no other message.

    Args:
        times: The times of all messages.
        read: Returns the messages that were recorded at or after a time, None for all.
        by_reception: Match by time of recording, because headers have no stamps.
    """

    def __init__(
        self,
        times: LabelTimes,
        read: Callable[[int | None], Iterator[RecordedMessage]],
        *,
        by_reception: bool,
    ) -> None:
        self._times = times
        self._read = read
        self._labels = read(None)
        self._next = 0  # position of the message that is read next
        self._by_reception = by_reception
        moments = times.received if by_reception else times.stamps
        self._positions = np.argsort(moments, kind='stable')  # by time, as the next two
        self._moments = moments[self._positions]
        self._free = np.ones(len(moments), np.bool_)

    @property
    def count(self) -> int:
        """Number of messages on the topic."""
        return len(self._free)

    def of(self, image: RecordedMessage) -> Any:
        """Returns the message that belongs to an image, or None."""
        moment, tolerance = image.stamp, 0
        if self._by_reception:
            moment, tolerance = _bounded(image.received), SAME_MOMENT
        first, end = np.searchsorted(self._moments, (moment - tolerance, moment + tolerance + 1))
        if not self._free[first:end].any():
            return None
        found = first + self._free[first:end].argmax()
        self._free[found] = False
        return self._message(int(self._positions[found]))

    def close(self) -> None:
        """Frees the reader; only `count` and `unclaimed` can be used after that."""
        del self._labels, self._read

    def unclaimed(self) -> Times:
        """Returns the stamps of the messages that belong to none of the images so far, sorted."""
        return np.sort(self._times.stamps[self._positions[self._free]])

    def _message(self, position: int) -> Any:
        """Reads the message at a position in recording order."""
        stamp, received = (int(times[position]) for times in self._times[:2])
        start = self._next
        if position < start:
            self._labels = self._read(received)
            start = 0
        self._next = position + 1
        # Messages of the same stamp and time of recording are told apart by their order.
        between = slice(start, position)
        alike = (self._times.stamps[between] == stamp) & (self._times.received[between] == received)
        same = (
            label.message
            for label in self._labels
            if (label.stamp, _bounded(label.received)) == (stamp, received)
        )
        return next(islice(same, int(np.count_nonzero(alike)), None), None)


class ImageWithInfo(NamedTuple):
    """An image message with CameraInfos of its camera; None where there is none.

    Attributes:
        image: The image.
        latest_info: The last CameraInfo that was recorded before it.
        camera_info: The CameraInfo of its stamp.
    """

    image: RecordedMessage
    latest_info: Any
    camera_info: Any


def with_camera_infos(
    recorded: Iterator[RecordedMessage], info_topics: Mapping[str, str]
) -> Iterator[ImageWithInfo]:
    """Yields every image with its CameraInfos, in the order of the images.

    Args:
        recorded: Images and CameraInfos in recording order.
        info_topics: CameraInfo topic by image topic, for those that have one.

    Raises:
        BagError: The bag is damaged; raised after the images before the damage.
    """
    infos: dict[str, OrderedDict[int, Any]] = {t: OrderedDict() for t in info_topics.values()}
    latest: dict[str, Any] = {}
    waiting: deque[ImageWithInfo] = deque()
    damage: BagError | None = None

    def joined(one: ImageWithInfo) -> ImageWithInfo:
        topic = info_topics.get(one.image.topic)
        return one._replace(camera_info=infos[topic].get(one.image.stamp)) if topic else one

    try:
        for one in recorded:
            if one.topic in infos:
                of_topic = infos[one.topic]
                of_topic[one.stamp] = latest[one.topic] = _of_ros_2(one.message)
                if len(of_topic) > _EARLIER_INFOS:
                    of_topic.popitem(last=False)
            else:
                waiting.append(ImageWithInfo(one, latest.get(info_topics.get(one.topic, '')), None))
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


def _bounded(received: int) -> int:
    return max(-_LAST_TIME, min(received, _LAST_TIME))


def _of_ros_2(info: Any) -> Any:
    """Converts a CameraInfo to the field names of ROS 2; ROS 1 has capital letters for matrices."""
    if not hasattr(info, 'K'):
        return info
    types: Mapping[str, Any] = get_typestore(Stores.LATEST).types
    return types[CAMERA_INFO_TYPE](**{name.lower(): field for name, field in vars(info).items()})
