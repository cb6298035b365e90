# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a network is shown is prepared alike wherever it runs, so that the labels are the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from calibrated_checkpoint import save_calibrated_checkpoint
from command_line import bisenet
from rosbags.highlevel import AnyReader
from small_bags import IMAGE, START, STEP, Entry, drive, picture, write_bag

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.label_image import read_labels
from bisenet_ros.media import write_image
from bisenet_ros.segmenter import Segmenter

FRAMES = 2
SIZE = (128, 96)
"""(width, height): that of the network, as in training, where crops are shown as they are."""

Pixels = npt.NDArray[np.uint8]


def run(*arguments: object) -> None:
    """A verb of `bisenet`, on the CPU."""
    command = [*map(str, arguments), '--device', 'cpu', '--precision', 'fp32']
    result = bisenet(*command)
    assert result.exit_code == 0, result.output


def labels_by_evaluate(frames: list[Pixels], weights: Path, folder: Path) -> list[Pixels]:
    """What `bisenet evaluate` counts."""
    for index, frame in enumerate(frames):
        for part, pixels in (('val', frame), ('valannot', np.zeros(frame.shape[:2], np.uint8))):
            (folder / part).mkdir(parents=True, exist_ok=True)
            write_image(folder / part / f'{index}.png', pixels)
    run('evaluate', '--data', folder, '-o', folder / 'out', '--weights', weights)
    return [read_labels(folder / 'out' / 'labels' / f'{i}.png') for i in range(len(frames))]


def labels_by_replay(frames: list[Pixels], weights: Path, folder: Path) -> list[Pixels]:
    """What `bisenet replay` evaluates, of a bag of the frames."""
    entries = [
        Entry('/image', START + index * STEP, frame, 'bgr8') for index, frame in enumerate(frames)
    ]
    bag = write_bag(folder / 'bag', entries)
    run('replay', bag, '-o', folder / 'replayed', '--weights', weights)
    with AnyReader([folder / 'replayed' / 'output.mcap']) as reader:
        messages = [
            reader.deserialize(data, connection.msgtype)
            for connection, _, data in reader.messages()
            if connection.topic == '/segmentation/labels' and connection.msgtype == IMAGE
        ]
    return [message.data.reshape(message.height, message.width) for message in messages]


@torch.inference_mode()
def labels_in_training(frames: list[Pixels], weights: Path) -> list[Pixels]:
    """What the loss sees of a batch of crops."""
    checkpoint = Checkpoint.load(weights)
    images = torch.from_numpy(np.stack(frames))  # (B, H, W, 3)
    main, *_ = checkpoint.build().coarse_heads(checkpoint.normalization(images))
    logits = F.interpolate(main, images.shape[1:3], mode='bilinear', align_corners=False)
    return list(logits.argmax(1).to(torch.uint8).numpy())


def test_training_evaluation_replay_and_the_node_see_the_same(
    weights: Path, tmp_path: Path
) -> None:
    frames = [picture(index, *SIZE) for index in range(FRAMES)]
    segmenter = Segmenter.load(weights, device='cpu', precision='fp32')
    driven = [segmenter(frame).labels for frame in frames]
    assert len(np.unique(driven)) > 1
    for found in (
        labels_by_evaluate(frames, weights, tmp_path / 'camvid'),
        labels_by_replay(frames, weights, tmp_path),
    ):
        np.testing.assert_array_equal(found, driven)
    trained = labels_in_training(frames, weights)
    assert np.mean(np.stack(trained) != np.stack(driven)) < 0.001  # rounding alone


@pytest.mark.parametrize('size', [(200, 133), (64, 48)])
def test_evaluation_and_replay_resize_as_the_node(
    weights: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    frame = picture(0, *size)
    driven = Segmenter.load(weights, device='cpu', precision='fp32')(frame).labels
    for found in (
        labels_by_evaluate([frame], weights, tmp_path / 'camvid'),
        labels_by_replay([frame], weights, tmp_path),
    ):
        np.testing.assert_array_equal(found, [driven])


def test_evaluation_and_replay_count_the_same_masks(tmp_path: Path) -> None:
    weights = save_calibrated_checkpoint(tmp_path / 'sure.safetensors')
    options: list[object] = ['--weights', weights, '--drivable-classes', 'sky,road,car']
    for name, value in (
        ('drivable-threshold', 0.12), ('confidence-threshold', 0.11),
        ('anomaly-threshold', 0.7), ('min-drivable-area', 0.02),
    ):  # fmt: skip
        options += [f'--{name}', value]
    entries = drive(6)
    run('replay', write_bag(tmp_path / 'bag', entries), '-o', tmp_path / 'replayed', *options)
    folders = {'/image': 'val', '/ground_truth/labels': 'valannot'}
    for folder in folders.values():
        (tmp_path / folder).mkdir()
    for entry in entries:
        pixels = entry.pixels[..., ::-1] if entry.encoding == 'rgb8' else entry.pixels
        write_image(tmp_path / folders[entry.topic] / f'{entry.stamp}.png', pixels)
    run('evaluate', '--data', tmp_path, '--json', tmp_path / 'figures.json', *options)
    evaluated = json.loads((tmp_path / 'figures.json').read_text())
    replayed = json.loads((tmp_path / 'replayed' / 'metrics.json').read_text())['accuracy']
    assert 0 < evaluated['drivable_iou'] < 1
    common = evaluated.keys() & replayed.keys()
    assert {'frames', 'iou', 'drivable_iou', 'pixel_accuracy', 'boundary_f'} <= common
    for name in common:
        assert evaluated[name] == replayed[name], name
