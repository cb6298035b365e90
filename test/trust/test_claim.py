# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When the error rate that a checkpoint states applies, and when frames cast doubt on it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calibrated_checkpoint import CLAIM, save_calibrated_checkpoint

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.errors import UserError
from bisenet_ros.model_settings import MODEL_PARAMETERS, ModelSettings
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.trust.claim import CLAIMED_SETTINGS, Claim
from bisenet_ros.trust.monitor import FRAMES, ClaimMonitor

FRAME = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)


@pytest.fixture(scope='module')
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_calibrated_checkpoint(tmp_path_factory.mktemp('weights') / 'sure.safetensors')


@pytest.fixture(scope='module')
def segmenter(calibrated: Path) -> Segmenter:
    return Segmenter.load(calibrated, device='cpu', precision='fp32')


def test_a_claim_travels_with_the_weights(calibrated: Path) -> None:
    assert Checkpoint.load(calibrated).claim == CLAIM
    assert Claim.from_dict(json.loads(json.dumps(CLAIM.to_dict()))) == CLAIM
    assert str(CLAIM) == (
        'at most 2.5 % of the drivable mask is not drivable, with a confidence of 90 %'
    )


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'threshold': 1.5}, 'threshold of a claim must be from 0 to 1'),
        ({'false_drivable': -0.01}, 'false_drivable of a claim must be from 0 to 1'),
        ({'confidence': math.nan}, 'confidence of a claim must be from 0 to 1'),
        ({'settings': {'network_size': [64, 64]}}, 'a claim needs the settings network_size, '),
        ({'settings': 3}, 'the claim is damaged: TypeError'),
        ({'frames': 'many'}, 'the claim is damaged: ValueError'),
    ],
)
def test_a_damaged_claim_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Claim.from_dict({**CLAIM.to_dict(), **changes})


def test_of_every_setting_it_is_known_whether_a_claim_depends_on_it() -> None:
    """A new setting that changes the drivable mask belongs into `CLAIMED_SETTINGS`."""
    of_any_mask = {'weights', 'device', 'precision', 'engine', 'cpu_threads', 'self_check'}
    others = {'ego_mask', 'confidence_threshold', 'drivable_threshold'}
    assert MODEL_PARAMETERS.keys() == {*CLAIMED_SETTINGS, *of_any_mask, *others}


def test_the_threshold_of_the_claim_is_the_default(calibrated: Path) -> None:
    segmenter = Segmenter.load(calibrated, device='cpu', precision='fp32')
    assert segmenter.settings.drivable_threshold == CLAIM.threshold
    segmenter.apply(ModelSettings(drivable_classes=('sky', 'car')))
    assert segmenter.settings.drivable_threshold == CLAIM.threshold
    result = segmenter(FRAME)
    drivable = result.label_space.ids_of(result.label_space.drivable)
    sure = np.isin(result.labels, drivable) & (result.confidence >= 255 * CLAIM.threshold)
    np.testing.assert_array_equal(result.drivable, np.where(sure, 255, 0))
    assert 0 < sure.sum() < np.isin(result.labels, drivable).sum()
    segmenter.apply(ModelSettings(drivable_threshold=0.9))
    assert segmenter.settings.drivable_threshold == 0.9


@pytest.mark.parametrize(
    ('settings', 'problem'),
    [
        ({}, ''),
        ({'drivable_threshold': 0.9}, ''),
        ({'confidence_threshold': 0.5}, ''),
        ({'drivable_threshold': 0.138}, ''),  # rounded, but it selects the same confidence
        ({'drivable_classes': ('car', 'sky')}, ''),
        ({'drivable_threshold': 0.05}, 'drivable_threshold is 0.05, below 0.14'),
        ({'drivable_classes': ('sky',)}, "drivable_classes is ['sky'], not ['sky', 'car']"),
        ({'min_drivable_area': 0.1}, 'min_drivable_area is 0.1, not 0.0'),
        ({'output_size': (64, 48)}, 'output_size is [64, 48], not []'),
    ],
)
def test_with_other_settings_it_does_not_apply(
    segmenter: Segmenter, settings: dict[str, Any], problem: str
) -> None:
    segmenter.apply(ModelSettings(**{'drivable_classes': ('sky', 'car'), **settings}))
    assert segmenter.claim_problem == problem


def test_at_another_network_size_it_does_not_apply(calibrated: Path) -> None:
    other = Segmenter.load(calibrated, device='cpu', network_size=(96, 128))
    other.apply(ModelSettings(drivable_classes=('sky', 'car')))
    assert other.claim_problem == 'network_size is [96, 128], not [128, 96]'


def test_frames_with_little_confidence_cast_doubt_on_it() -> None:
    claim = replace(CLAIM, usual_confidence=0.8)
    monitor = ClaimMonitor()
    for _ in range(FRAMES - 1):
        monitor.add(claim, 0.5)
    assert monitor.doubt == ''  # too few to judge
    monitor.add(claim, 0.5)
    assert monitor.doubt == (
        'the mean confidence of the last 30 frames is 0.500, which is below 0.800: they are unlike '
        'the calibration (somewhere (200 frames))'
    )
    for _ in range(FRAMES):
        monitor.add(claim, 0.85)
    assert monitor.doubt == ''


def test_frames_of_another_network_do_not_count() -> None:
    claim, other = (replace(CLAIM, usual_confidence=0.8, data=data) for data in ('here', 'there'))
    monitor = ClaimMonitor()
    for _ in range(FRAMES):
        monitor.add(claim, 0.5)
    assert monitor.doubt
    monitor.add(other, 0.5)
    assert monitor.doubt == ''
    for _ in range(FRAMES - 1):
        monitor.add(other, 0.5)
    assert 'there' in monitor.doubt
    monitor.clear()
    assert monitor.doubt == ''


def test_doubt_follows_the_mean_of_the_last_frames() -> None:
    claim = replace(CLAIM, usual_confidence=0.5)
    confidences = np.random.default_rng(0).random(20 * FRAMES)
    monitor = ClaimMonitor()
    assert monitor.doubt == ''
    doubts = []
    for count, confidence in enumerate(confidences.tolist(), 1):
        monitor.add(claim, confidence)
        recent = confidences[max(0, count - FRAMES) : count]
        doubts.append(count >= FRAMES and recent.mean() < 0.5)
        assert bool(monitor.doubt) == doubts[-1]
    assert 0 < sum(doubts) < len(doubts)
