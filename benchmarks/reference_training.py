# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The usual way to train BiSeNet V2, for benchmarks/training.py: eager PyTorch in float32.

    python benchmarks/reference_training.py config.yaml -o folder

It does the same work per step as the best-known implementation (CoinCheung/BiSeNet) on a device
without mixed precision. DataLoader workers read, scale, crop and recolour images with OpenCV and
NumPy, normalise them, and return float32 in NCHW and int64. The network upsamples the logits of
every head to the size of the input. OHEM selects the hard pixels of each head by index. SGD updates
one tensor after another, and the loss of every head is read in every step.

Network, seed, crop, batch, augmentation and schedule come from a configuration of `bisenet train`,
so that both start with the same weights and do the same work. The heads are those of the paper,
smaller than in CoinCheung/BiSeNet.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Dataset, RandomSampler

from bisenet_ros.label_space import CITYSCAPES, IGNORE
from bisenet_ros.malloc_tuning import keep_freed_memory
from bisenet_ros.network import SegmentationNetwork
from bisenet_training.augment import AugmentationSettings
from bisenet_training.config import Size, TrainingConfig, load_config
from bisenet_training.datasets.cityscapes import LABEL_IDS, CityscapesSettings
from bisenet_training.initial_network import make_network
from bisenet_training.run_folder import StepRow, append_rows

Pixels = npt.NDArray[np.uint8]

GRAY = 74
"""Grey level that does not change with contrast."""


# ---- data ----


def read(image: Path, labels: Path) -> tuple[Pixels, Pixels]:
    """Reads an image, (H, W, 3) BGR, and its train ids, (H, W)."""
    table = np.full(256, IGNORE, np.uint8)
    table[list(LABEL_IDS)] = np.arange(len(LABEL_IDS))
    ids = cv2.imread(str(labels), cv2.IMREAD_GRAYSCALE)
    return np.asarray(cv2.imread(str(image)), np.uint8), table[np.asarray(ids, np.uint8)]


def scale_and_crop(
    image: Pixels, labels: Pixels, scales: tuple[float, float], crop: Size, rng: np.random.Generator
) -> tuple[Pixels, Pixels]:
    """Resizes the whole frame, pads it to the crop size if needed, and crops it."""
    scale = rng.uniform(*scales)
    size = (math.ceil(image.shape[1] * scale), math.ceil(image.shape[0] * scale))
    image = np.asarray(cv2.resize(image, size), np.uint8)
    labels = np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    width, height = crop
    x, y = (max(0, math.ceil((wanted - got) / 2)) for wanted, got in zip(crop, size, strict=True))
    if x or y:
        image = np.pad(image, ((y, y), (x, x), (0, 0)))
        labels = np.pad(labels, ((y, y), (x, x)), constant_values=IGNORE)
    left = rng.integers(image.shape[1] - width + 1)
    top = rng.integers(image.shape[0] - height + 1)
    window = np.s_[top : top + height, left : left + width]
    return image[window].copy(), labels[window].copy()


def recolor(image: Pixels, settings: AugmentationSettings, rng: np.random.Generator) -> Pixels:
    """Changes brightness and contrast by look-up tables, and saturation by a 3x3 matrix."""
    values = np.arange(256)
    for amount, around in ((settings.brightness, 0), (settings.contrast, GRAY)):
        table = around + (values - around) * rng.uniform(1 - amount, 1 + amount)
        image = table.clip(0, 255).astype(np.uint8)[image]
    saturation = rng.uniform(1 - settings.saturation, 1 + settings.saturation)
    mix = (1 - saturation) / 3 + saturation * np.eye(3)
    mixed = image.reshape(-1, 3) @ mix.astype(np.float32)
    return np.asarray(mixed.clip(0, 255), np.uint8).reshape(image.shape)


def to_tensors(image: Pixels, labels: Pixels, config: TrainingConfig) -> tuple[Tensor, Tensor]:
    """Returns (3, H, W) float32 normalised RGB, and (H, W) int64."""
    planes = torch.from_numpy(image[:, :, ::-1].transpose(2, 0, 1).astype(np.float32)).div_(255)
    mean, std = (
        torch.tensor(values)[:, None, None]
        for values in (config.normalization.mean, config.normalization.std)
    )
    return planes.sub_(mean).div_(std), torch.from_numpy(labels.astype(np.int64))


@dataclass(frozen=True)
class Views(Dataset[tuple[Tensor, Tensor]]):
    """Random views of Cityscapes frames.

    Attributes:
        files: Image and labels of each frame.
        config: The configuration.
    """

    files: Sequence[tuple[Path, Path]]
    config: TrainingConfig

    @classmethod
    def of(cls, config: TrainingConfig) -> Views:
        """Returns views of the training data of a configuration."""
        settings = config.located(config.train[0].dataset)
        assert isinstance(settings, CityscapesSettings)
        images = sorted((settings.root / 'leftImg8bit' / settings.split).glob('*/*.png'))
        labels = sorted((settings.root / 'gtFine' / settings.split).glob('*/*_labelIds.png'))
        return cls(list(zip(images, labels, strict=True)), config)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        image, labels = read(*self.files[index])
        chosen = self.config.augmentation
        scales = (chosen.min_scale, chosen.max_scale)
        image, labels = scale_and_crop(image, labels, scales, self.config.crop, rng)
        if rng.random() < chosen.flip:
            image, labels = image[:, ::-1], labels[:, ::-1]
        return to_tensors(recolor(image, chosen, rng), labels, self.config)


# ---- a step ----


def full_size_heads(network: SegmentationNetwork, images: Tensor) -> list[Tensor]:
    """Maps images (B, 3, H, W) to logits of every head, (B, classes, H, W)."""
    size = images.shape[2:]
    return [
        F.interpolate(logits, size, mode='bilinear', align_corners=False)
        for logits in network.coarse_heads(images)
    ]


def ohem(logits: Tensor, labels: Tensor, probability: float, least_share: float) -> Tensor:
    """Returns the mean cross-entropy of the hard pixels (online hard example mining).

    Args:
        logits: (B, classes, H, W).
        labels: (B, H, W) int64.
        probability: A pixel is hard if the probability of its true class is lower.
        least_share: Minimum fraction of labelled pixels; filled with the hardest ones if needed.
    """
    least = int(labels[labels != IGNORE].numel() * least_share)
    losses = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction='none').flatten()
    hard = losses[losses > -math.log(probability)]
    if hard.numel() < least:
        hard, _ = losses.topk(least)
    return hard.mean()


def head_losses(
    network: SegmentationNetwork, images: Tensor, labels: Tensor, config: TrainingConfig
) -> list[Tensor]:
    """Returns the loss of each head on a batch, main head first."""
    chosen = config.loss
    return [
        ohem(logits, labels, chosen.hard_probability, chosen.hard_least_share)
        for logits in full_size_heads(network, images)
    ]


def train(config: TrainingConfig, output: Path) -> None:
    """Runs the steps of a configuration, and writes a row for each to `steps.csv`."""
    network = make_network(config.network, CITYSCAPES, config.seed, print).network.train()
    views = Views.of(config)
    loader = DataLoader(
        views,
        config.batch,
        sampler=RandomSampler(views, replacement=True, num_samples=config.max_steps * config.batch),
        num_workers=config.workers or 0,
    )
    decay = config.optimizer.weight_decay
    optimizer = torch.optim.SGD(
        [
            {'params': [p for p in network.parameters() if p.ndim > 1], 'weight_decay': decay},
            {'params': [p for p in network.parameters() if p.ndim == 1], 'weight_decay': 0.0},
        ],
        lr=config.optimizer.lr,
        momentum=0.9,
    )
    rates = LambdaLR(optimizer, lambda step: config.schedule.factor(step, config.max_steps))
    output.mkdir(parents=True)
    file = output / 'steps.csv'
    file.write_text(','.join(StepRow._fields) + '\n', encoding='utf-8')
    start = time.perf_counter()
    for step, (images, labels) in enumerate(loader, 1):
        optimizer.zero_grad()
        main, *boosters = head_losses(network, images, labels, config)
        loss = main + config.loss.booster_weight * sum(boosters)
        loss.backward()
        optimizer.step()
        values = [part.item() for part in (loss, main, *boosters)]
        (rate, _) = rates.get_last_lr()
        rates.step()
        append_rows(file, [StepRow(step, values[0], rate, time.perf_counter() - start)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', type=Path)
    parser.add_argument(
        '-o', '--output', type=Path, required=True, help='output folder; created if needed'
    )
    parser.add_argument(
        '--keep-freed-memory', action='store_true', help='as bisenet train does; unusual'
    )
    options = parser.parse_args()
    if options.keep_freed_memory:
        keep_freed_memory()
    train(load_config(options.config), options.output)


if __name__ == '__main__':
    main()
