# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A node whose weights state an error rate: what it publishes, and what it says of the claim."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from calibrated_checkpoint import CLAIM, save_calibrated_checkpoint
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from ros_peers import (
    QUICK_START,
    RELIABLE,
    Peer,
    fill_with,
    pixels_of,
    running_node,
    set_parameter,
    status_of,
    street,
    values_of,
)
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros.segmenter import Segmenter

FRAME = street(120, 160)
DRIVABLE = ['sky', 'car']


def value(array: DiagnosticArray, name: str, key: str) -> str:
    """A value of the status of that name; empty if there is none yet."""
    return values_of(array, name).get(key, '')


def test_a_calibrated_node(domain: int, peer: Peer, tmp_path: Path) -> None:
    # No frame of the street is as clear as those of this claim.
    weights = save_calibrated_checkpoint(
        tmp_path / 'sure.safetensors', replace(CLAIM, usual_confidence=0.9)
    )
    without_claim = save_tiny_checkpoint(tmp_path / 'plain.safetensors')
    options = {**QUICK_START, 'drivable_classes': DRIVABLE}
    segmenter = Segmenter.load(weights, precision='fp32', **options)
    expected = segmenter(FRAME)
    assert expected.anomaly is not None
    assert len(np.unique(expected.anomaly)) > 10
    assert set(np.unique(expected.drivable)) == {0, 255}
    plain = Segmenter.load(weights, drivable_threshold=1e-6, **options)
    assert (expected.drivable != plain(FRAME).drivable).any()
    with running_node(domain, weights=weights, precision='fp32', **options):
        diagnostics = peer.listen(DiagnosticArray, '/diagnostics', RELIABLE)
        with peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')) as stream:
            anomaly = peer.listen(Image, 'segmentation/anomaly').wait(stream.sent)
            drivable = peer.listen(Image, 'segmentation/drivable').wait(stream.sent)
            doubtful = diagnostics.wait(
                lambda array: value(array, 'camera', 'claim_doubt') not in ('', 'none')
            )
        np.testing.assert_array_equal(pixels_of(anomaly), expected.anomaly)
        assert (anomaly.encoding, anomaly.step) == ('mono8', 160)
        np.testing.assert_array_equal(pixels_of(drivable), expected.drivable)
        status = status_of(doubtful, 'camera')
        assert status.level == DiagnosticStatus.WARN
        assert 'the stated error rate may no longer hold: the mean confidence of' in status.message
        assert value(doubtful, 'engine', 'claim') == str(CLAIM)
        assert value(doubtful, 'engine', 'anomaly') == 'available'

        set_parameter(peer, 'drivable_threshold', 0.05)
        diagnostics.clear()
        with peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')):
            diagnostics.wait(
                lambda array: (
                    value(array, 'camera', 'claim_doubt') == 'none'
                    and value(array, 'engine', 'claim')
                    == 'does not apply: drivable_threshold is 0.05, below 0.14'
                )
            )

        set_parameter(peer, 'drivable_threshold', 0.0)
        diagnostics.clear()
        with peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')):
            diagnostics.wait(
                lambda array: value(array, 'camera', 'claim_doubt') not in ('', 'none')
            )

        set_parameter(peer, 'weights', str(without_claim))
        assert peer.call(Trigger, '/segmenter/reload', Trigger.Request()).success
        diagnostics.clear()
        with peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')):
            diagnostics.wait(
                lambda array: (
                    value(array, 'camera', 'claim_doubt') == 'none'
                    and value(array, 'engine', 'claim') == 'none'
                )
            )
