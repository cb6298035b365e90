# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The frames of one camera of a bag."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bisenet_ros.bag.messages import (
    COMPRESSED_IMAGE_TYPE,
    IMAGE_TOPIC,
    IMAGE_TYPE,
    LABELS_TOPIC,
    BagError,
    Truths,
    messages,
    open_bag,
)
from bisenet_ros.image_codec import decode_compressed, decode_image, decode_labels

Pixels = npt.NDArray[np.uint8]


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
