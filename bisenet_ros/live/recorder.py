# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's recorder: takes what the node publishes and compares it with the truth by stamp.

    python3 -m bisenet_ros.live.recorder FOLDER --classes 11 --drivable 3 [--truth]

It says on standard output when the node is there, then each frame whose labels and drivable mask
came back, and at the end how good they were. Labels are left in the folder as STAMP.png.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from rclpy.time import Time
from rclpy.timer import Timer
from sensor_msgs.msg import Image

from bisenet_ros.errors import UserError
from bisenet_ros.image_codec import decode_labels
from bisenet_ros.label_space import IGNORE
from bisenet_ros.live.events import BAD_INPUT, emit
from bisenet_ros.live.stamp_matcher import StampMatcher
from bisenet_ros.media import write_image
from bisenet_ros.metrics import ConfusionMatrix
from bisenet_ros.node.publishers import optional_message
from bisenet_ros.node.signals import on_stop_signal

LABELS, DRIVABLE, TRUTH = 'segmentation/labels', 'segmentation/drivable', 'ground_truth/labels'
STAGES = ('decode', 'inference', 'publish')

_QOS = QoSProfile(depth=30, reliability=ReliabilityPolicy.RELIABLE)
_DISCOVERY_PERIOD = 0.05


class Recorder:
    """Subscribes to the node's outputs and keeps account.

    Args:
        node: The node that subscribes.
        folder: Where labels are kept.
        num_classes: How many classes the labels have.
        drivable: Ids of the classes that may be driven on.
        has_truth: Whether the camera publishes the truth.
    """

    def __init__(
        self,
        node: Node,
        folder: Path,
        *,
        num_classes: int,
        drivable: tuple[int, ...],
        has_truth: bool,
    ) -> None:
        self._node = node
        self._folder = folder
        self._drivable_ids = drivable
        self._confusion = ConfusionMatrix(num_classes)
        self._drivable_confusion = ConfusionMatrix(2)
        self._compared = 0
        self._stages: list[list[float]] = []
        self._received: StampMatcher[tuple[Image, int]] = StampMatcher((LABELS, DRIVABLE))
        self._comparable: StampMatcher[Image] = StampMatcher((LABELS, DRIVABLE, TRUTH))
        for topic in (LABELS, DRIVABLE):
            node.create_subscription(Image, topic, partial(self._take_output, topic), _QOS)
        if has_truth:
            node.create_subscription(Image, TRUTH, partial(self._compare, TRUTH), _QOS)
        timing = optional_message('bisenet_ros', 'SegmentationTiming')
        if timing is not None:
            node.create_subscription(timing, 'segmentation/timing', self._take_timing, _QOS)
        self._discovery: Timer = node.create_timer(_DISCOVERY_PERIOD, self._look_for_node)

    def summary(self) -> None:
        """Say how good the labels were, and how long the node took."""
        emit(
            'summary',
            compared=self._compared,
            miou=_number(self._confusion.miou()),
            iou=[_number(iou) for iou in self._confusion.iou().tolist()],
            drivable_iou=_number(self._drivable_confusion.group_iou((1,))),
            stages_ms=self._median_stages(),
        )

    def _median_stages(self) -> dict[str, float] | None:
        if not self._stages:
            return None
        medians = np.median(self._stages, axis=0).tolist()
        return dict(zip(STAGES, medians, strict=True))

    def _look_for_node(self) -> None:
        if self._node.count_publishers(LABELS) and self._node.count_publishers(DRIVABLE):
            self._discovery.cancel()
            emit('ready')

    def _take_output(self, topic: str, message: Image) -> None:
        now = time.time_ns()
        stamp = _stamp(message)
        pair = self._received.add(topic, stamp, (message, now))
        if pair is not None:
            labels, arrived = pair[LABELS]
            emit('segmented', stamp=stamp, received=arrived)
            write_image(self._folder / f'{stamp}.png', decode_labels(labels))
        self._compare(topic, message)

    def _compare(self, topic: str, message: Image) -> None:
        found = self._comparable.add(topic, _stamp(message), message)
        if found is None:
            return
        labels, drivable, truth = (decode_labels(found[t]) for t in (LABELS, DRIVABLE, TRUTH))
        self._confusion.update(labels, truth)
        self._drivable_confusion.update(drivable // 255, _drivable_truth(truth, self._drivable_ids))
        self._compared += 1

    def _take_timing(self, message: object) -> None:
        self._stages.append([getattr(message, f'{stage}_ms') for stage in STAGES])


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value


def _stamp(message: Image) -> int:
    nanoseconds: int = Time.from_msg(message.header.stamp).nanoseconds
    return nanoseconds


def _drivable_truth(
    truth: npt.NDArray[np.uint8], drivable: tuple[int, ...]
) -> npt.NDArray[np.uint8]:
    """1 where the truth may be driven on, 0 where not, `IGNORE` where it says nothing."""
    is_drivable = np.isin(truth, drivable).astype(np.uint8)
    return np.where(truth == IGNORE, truth, is_drivable)


def main(arguments: list[str] | None = None) -> int:
    """The recorder's process; its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0] if __doc__ else None)
    parser.add_argument('folder', type=Path)
    parser.add_argument('--classes', type=int, required=True)
    parser.add_argument('--drivable', type=int, nargs='*', default=[])
    parser.add_argument('--truth', action='store_true')
    options = parser.parse_args(arguments)
    ended: Future = Future()
    with on_stop_signal(lambda: ended.set_result(None)):
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        executor = SingleThreadedExecutor()
        try:
            node = rclpy.create_node('recorder')
            recorder = Recorder(
                node,
                options.folder,
                num_classes=options.classes,
                drivable=tuple(options.drivable),
                has_truth=options.truth,
            )
            executor.add_node(node)
            executor.spin_until_future_complete(ended)
            recorder.summary()
        except UserError as error:
            print(error, file=sys.stderr)
            return BAD_INPUT
        finally:
            executor.shutdown()
            rclpy.shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
