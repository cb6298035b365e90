# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small but real training run: it learns, it resumes, and its file is what the vehicle loads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.label_space import CAMVID
from bisenet_ros.segmenter import Segmenter
from bisenet_training.augment import Augmentation
from bisenet_training.datasets import CAMVID_VOID, class_shares, load_camvid
from bisenet_training.evaluate import accuracy, evaluate
from bisenet_training.train import (
    Batches,
    Recipe,
    Stage,
    Trainer,
    measure,
    train,
)

STEPS = 40
TINY = Recipe(
    minutes=0.1,
    warmup_steps=5,
    stages=(Stage(0.5, 64, 4), Stage(1.0, 64, 2)),
    synthetic_frames=2,
)


def write_scenes(root: Path, split: str, count: int) -> None:
    """Grey road below blue sky, the horizon anywhere, a strip of void between."""
    rng = np.random.default_rng(len(split))
    for folder in (root / split, root / f'{split}annot'):
        folder.mkdir(parents=True)
    for index in range(count):
        horizon = int(rng.integers(40, 80))
        image = rng.integers(0, 30, (120, 160, 3), np.uint8)
        labels = np.full((120, 160), CAMVID_VOID, np.uint8)
        image[:horizon] += np.array((220, 150, 90), np.uint8)
        image[horizon:] += np.array((70, 70, 70), np.uint8)
        labels[: horizon - 2], labels[horizon + 2 :] = 0, 3
        cv2.imwrite(str(root / split / f'{index:03}.png'), image)
        cv2.imwrite(str(root / f'{split}annot' / f'{index:03}.png'), labels)


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    root = tmp_path / 'camvid'
    write_scenes(root, 'train', 8)
    write_scenes(root, 'val', 4)
    return root


def test_a_run_leaves_a_log_and_weights_that_load(camvid: Path, tmp_path: Path) -> None:
    output = tmp_path / 'run'
    train(camvid, output, TINY, evaluate_every=2)
    log = [json.loads(line) for line in (output / 'log.jsonl').read_text().splitlines()]
    assert len(log) >= 2
    assert [entry['step'] for entry in log] == sorted({entry['step'] for entry in log})
    checkpoint = Checkpoint.load(output / 'weights.safetensors')
    assert checkpoint.label_space == CAMVID
    assert not any(name.startswith('boosters') for name in checkpoint.state_dict)
    assert checkpoint.provenance['steps'] == log[-1]['step']
    (figures,) = checkpoint.accuracy.values()
    # What the file says of itself is what a segmenter makes of it.
    segmenter = Segmenter.load(output / 'weights.safetensors')
    matrix = evaluate(segmenter, load_camvid(camvid, 'val'))
    assert figures == accuracy(matrix, CAMVID)


def test_it_learns(camvid: Path) -> None:
    samples = load_camvid(camvid, 'train')
    trainer = Trainer(TINY, class_shares(samples, len(CAMVID)))
    batches = Batches(samples, [], TINY)
    for step in range(STEPS):
        trainer.seconds = 60 * TINY.minutes * step / STEPS
        trainer.train_step(*batches(step, TINY.stage(trainer.progress)))
    # Road and sky are half of the pixels each: a constant prediction cannot pass one half.
    assert measure(trainer.checkpoint(), load_camvid(camvid, 'val'))['pixel_accuracy'] > 80


def test_a_killed_run_goes_on_where_it_was(camvid: Path, tmp_path: Path) -> None:
    output = tmp_path / 'run'
    script = (
        'import sys; from pathlib import Path;'
        'from bisenet_training.train import *;'
        'recipe = Recipe(minutes=0.1, stages=(Stage(1, 64, 2),), synthetic_frames=0);'
        'train(Path(sys.argv[1]), Path(sys.argv[2]), recipe, evaluate_every=2)'
    )
    command = [sys.executable, '-c', script, str(camvid), str(output)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    resumed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    lines = resumed.stdout.splitlines()
    assert lines[0].startswith(f'going on at step {first["step"]}, ')
    second = json.loads(lines[1])
    assert second['step'] > first['step']
    assert second['minutes'] > first['minutes']


def test_batches_depend_on_the_step_alone(camvid: Path) -> None:
    samples = load_camvid(camvid, 'train')
    batches = Batches(samples, samples[:1], TINY)
    again = Batches(samples, samples[:1], TINY)
    stage = TINY.stages[0]
    for step in (0, 7):
        for first, second in zip(batches(step, stage), again(step, stage), strict=True):
            assert first.equal(second)
    assert not batches(0, stage)[0].equal(batches(1, stage)[0])


def test_the_schedule_is_poly_with_warmup() -> None:
    recipe = Recipe(minutes=1, learning_rate=1.0, warmup_steps=10, poly_power=0.9)
    assert recipe.rate(0.0, 0) == pytest.approx(0.1)
    assert recipe.rate(0.0, 9) == 1.0
    assert recipe.rate(0.5, 500) == pytest.approx(0.5**0.9)
    assert recipe.rate(1.0, 500) == 0.0
    assert [recipe.stage(p).crop for p in (0.0, 0.49, 0.5, 1.0)] == [256, 256, 384, 384]
    assert isinstance(recipe.augmentation, Augmentation)
