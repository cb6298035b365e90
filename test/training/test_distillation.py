# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A student learns what its teacher sees, where there are labels and where there are none."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from small_datasets import CAMVID_VOID, make_camvid_tree, make_cityscapes_tree, write_image
from small_trainings import losses, small_config
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import CITYSCAPES
from bisenet_training import loop
from bisenet_training.loop import fit
from bisenet_training.losses import TeacherSettings, distillation_loss
from bisenet_training.losses.distillation import divergence_by_channel, divergence_by_pixel
from bisenet_training.run_folder import StepRow
from bisenet_training.run_log import RunLog

pytestmark = pytest.mark.usefixtures('no_charts')


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cityscapes_tree(tmp_path_factory.mktemp('city'), train=8, val=2)


def test_logits_are_compared_pixel_by_pixel() -> None:
    # Of two classes: the teacher is sure to 3/4 and 1/2, the student to 1/2 at either pixel.
    teacher = torch.tensor([[[[math.log(3), 0.0]], [[0.0, 0.0]]]])  # (1, 2, 1, 2)
    student = torch.zeros(1, 2, 1, 2)
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    found = divergence_by_pixel(student, teacher, 1.0)
    torch.testing.assert_close(found.item(), divergence / 2, rtol=1e-5, atol=0)
    # Twice the logits at twice the temperature are the same probabilities; T² times as much.
    torch.testing.assert_close(divergence_by_pixel(student, 2 * teacher, 2.0), 4 * found)
    shifted = student + torch.randn(1, 1, 1, 2)  # the softmax does not see it
    torch.testing.assert_close(divergence_by_pixel(shifted, teacher, 1.0), found)


def test_features_are_compared_by_where_they_are_strong() -> None:
    teacher = torch.tensor([math.log(3), 0.0, 0.0, 0.0]).view(1, 1, 2, 2).expand(1, 3, 2, 2)
    student = torch.zeros(1, 3, 2, 2)
    divergence = 0.5 * math.log(0.5 / 0.25) + 3 / 6 * math.log(1 / 6 / 0.25)
    found = divergence_by_channel(student, teacher, 1.0)
    torch.testing.assert_close(found.item(), divergence, rtol=1e-5, atol=0)
    # How strong a channel is on the whole does not count.
    shifted = student + torch.randn(1, 3, 1, 1)
    torch.testing.assert_close(divergence_by_channel(shifted, teacher, 1.0), found)


def test_the_loss_is_the_weighted_sum_of_both() -> None:
    logits, seen_logits = torch.randn(2, 2, 5, 4, 6)
    features, seen = torch.randn(2, 2, 3, 4, 6)
    settings = TeacherSettings(weights='', logits_weight=0.5, features_weight=20)
    by_pixel = divergence_by_pixel(logits, seen_logits, settings.temperature)
    by_channel = divergence_by_channel(features, seen, settings.features_temperature)
    torch.testing.assert_close(
        distillation_loss(settings, logits, seen_logits, features, seen),
        0.5 * by_pixel + 20 * by_channel,
    )
    torch.testing.assert_close(
        distillation_loss(settings, logits, seen_logits, None, seen), 0.5 * by_pixel
    )
    assert distillation_loss(settings, logits, logits, features, features).abs() < 1e-5


def test_half_precision_is_compared_in_float32() -> None:
    half = [torch.randn(2, channels, 4, 6).bfloat16() for channels in (5, 5, 3, 3)]
    settings = TeacherSettings(weights='', features_weight=1)
    with torch.autocast('cpu', torch.bfloat16):
        found = distillation_loss(settings, *half)
    assert found.dtype == torch.float32
    expected = distillation_loss(settings, *(tensor.float() for tensor in half))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_a_student_becomes_like_its_teacher_where_there_are_no_labels(tmp_path: Path) -> None:
    root = make_camvid_tree(tmp_path / 'camvid', train=8, val=0, size=(96, 64))
    for labels in list((root / 'trainannot').iterdir())[1:]:
        write_image(labels, np.full((64, 96), CAMVID_VOID, np.uint8))
    config = small_config(
        tmp_path,
        root,
        [
            'train=[{dataset: {kind: camvid, root: ., split: train}}]',
            'validation=null',
            'max_steps=24',
            # So much that the labels of one frame hardly count.
            'teacher={weights: camvid, logits_weight: 100, features_weight: 100}',
        ],
    )
    fit(config, tmp_path / 'run', resume=False)
    found = list(losses(tmp_path / 'run').values())
    assert np.mean(found[-4:]) < 0.5 * np.mean(found[:4]), found
    # What brings features to the teacher's width is no part of the network.
    weights = Checkpoint.load(tmp_path / 'run' / 'weights.safetensors')
    assert not any('projection' in name for name in weights.state_dict)


class KilledError(Exception):
    """Ends a training between two states."""


class KilledAtStep3(RunLog):
    def steps(self, rows: list[StepRow], seconds_per_step: float) -> None:
        super().steps(rows, seconds_per_step)
        if rows[-1].step == 3:
            raise KilledError


def test_a_student_goes_on_where_it_was(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = save_tiny_checkpoint(tmp_path / 'teacher.safetensors', CITYSCAPES, seed=1)
    overrides = ['validation=null', f'teacher={{weights: {teacher}, features_weight: 1}}']
    config = small_config(tmp_path, data, [*overrides, 'max_steps=4', 'save_every=2'])
    fit(config, tmp_path / 'whole', resume=False)
    with monkeypatch.context() as patch:
        patch.setattr(loop, 'RunLog', KilledAtStep3)
        with pytest.raises(KilledError):
            fit(config, tmp_path / 'parts', resume=False)
    fit(config, tmp_path / 'parts', resume=True)
    assert losses(tmp_path / 'parts') == losses(tmp_path / 'whole')


@pytest.mark.parametrize(
    ('weights', 'message'),
    [('nowhere', "no weights 'nowhere'"), ('camvid', 'the teacher camvid has other classes')],
)
def test_a_teacher_that_cannot_teach_is_named_before_anything_is_written(
    weights: str, message: str, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        fit(
            small_config(tmp_path, data, [f'teacher.weights={weights}']),
            tmp_path / 'run',
            resume=False,
        )
    assert not (tmp_path / 'run').exists()
