# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Train BiSeNet V2 on CamVid and the synthetic drive, and write the weights that ship.

    python -m bisenet_training.train --camvid CAMVID --output runs/camvid --minutes 120

It runs on a GPU where there is one. The schedule runs over training time, not over a number of
steps, because on a shared CPU nobody knows beforehand how many steps fit. Killed at any moment,
the same command goes on from the last evaluation. The output folder ends with `log.jsonl`,
`last.pt` (to resume) and `weights.safetensors` (averaged weights, to use).

On a CPU, glibc gives freed memory back and pages it in again at every step; these settings double
the speed: MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592
MALLOC_TOP_PAD_=268435456.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import convert_conv2d_weight_memory_format
from torch.optim.swa_utils import AveragedModel

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import CAMVID
from bisenet_ros.network import BiSeNetV2
from bisenet_ros.preprocess import Normalization
from bisenet_ros.segmenter import Options, Segmenter
from bisenet_ros.version import VERSION
from bisenet_training.augment import Augmentation
from bisenet_training.datasets import Sample, class_shares, load_camvid, render_synthetic
from bisenet_training.evaluate import accuracy, evaluate
from bisenet_training.losses import LossSettings, SegmentationLoss

Tensors = tuple[Tensor, ...] | list[Tensor]

NORMALIZATION = Normalization(mean=(0.4116, 0.4249, 0.4322), std=(0.3068, 0.3112, 0.3068))
"""Mean and spread of CamVid's training split."""

NETWORK_SIZE = (480, 360)

SYNTHETIC_SEED = 1000
"""Streets from this seed on are learned from; demos and tests measure on lower ones."""


@dataclass(frozen=True)
class Stage:
    """A part of the schedule: crops of `crop` pixels a side, `batch` of them, up to `until`."""

    until: float
    crop: int
    batch: int


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what is learned; it travels in the weights' provenance."""

    minutes: float
    seed: int = 0
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    poly_power: float = 0.9
    warmup_steps: int = 100
    booster_weight: float = 0.4
    # Hard pixels alone, early on, starve the rare classes; at the end they sharpen borders.
    hard_only_from: float = 0.75
    average_decay: float = 0.999
    # Small crops first: more steps teach more than larger crops, until they have been seen enough.
    stages: tuple[Stage, ...] = (Stage(0.5, 256, 8), Stage(1.0, 384, 4))
    synthetic_frames: int = 400
    synthetic_share: float = 0.25
    augmentation: Augmentation = field(default_factory=Augmentation)

    def stage(self, progress: float) -> Stage:
        """The stage at a progress of 0 to 1."""
        return next((stage for stage in self.stages if progress < stage.until), self.stages[-1])

    def rate(self, progress: float, step: int) -> float:
        """The learning rate: poly over the progress, with a linear warm-up over steps."""
        warmup = min(1.0, (step + 1) / self.warmup_steps)
        return self.learning_rate * warmup * float(max(1 - progress, 0.0) ** self.poly_power)


@dataclass(frozen=True)
class Batches:
    """Random batches; the same (step, stage) always gives the same one, so that a run resumes."""

    real: list[Sample]
    synthetic: list[Sample]
    recipe: Recipe

    def __call__(self, step: int, stage: Stage) -> tuple[Tensor, Tensor]:
        """Images (B, crop, crop, 3) uint8 BGR and labels (B, crop, crop) int64."""
        rng = np.random.default_rng((self.recipe.seed, step))
        views = [
            self.recipe.augmentation(self._draw(rng), (stage.crop, stage.crop), rng)
            for _ in range(stage.batch)
        ]
        images = np.stack([image for image, _ in views])
        labels = np.stack([label for _, label in views])
        return torch.from_numpy(images), torch.from_numpy(labels).long()

    def _draw(self, rng: np.random.Generator) -> Sample:
        synthetic = self.synthetic and rng.random() < self.recipe.synthetic_share
        pool = self.synthetic if synthetic else self.real
        return pool[int(rng.integers(len(pool)))]


class Trainer:
    """A network, its average, its optimiser, and how far they have come."""

    def __init__(self, recipe: Recipe, shares: np.ndarray[Any, np.dtype[np.float64]]) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
        settings = LossSettings(
            class_weights='enet',
            hard_from=recipe.hard_only_from,
            booster_weight=recipe.booster_weight,
            booster_label_stride=4,
        )
        self.loss = SegmentationLoss(settings, len(CAMVID), shares).to(self.device)
        network = BiSeNetV2(len(CAMVID), boosters=True).to(self.device)
        self.network = convert_conv2d_weight_memory_format(network, torch.channels_last)
        self.average = AveragedModel(self.network, multi_avg_fn=self._blend, use_buffers=True)
        # Biases and batch norms are not decayed.
        groups: list[dict[str, Any]] = [
            {'params': [p for p in self.network.parameters() if p.ndim > 1]},
            {'params': [p for p in self.network.parameters() if p.ndim <= 1], 'weight_decay': 0.0},
        ]
        self.optimizer = torch.optim.AdamW(
            groups,
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self.step = 0
        self.seconds = 0.0

    @property
    def progress(self) -> float:
        """Share of the training time that is spent, 0 to 1."""
        return min(1.0, self.seconds / (60 * self.recipe.minutes))

    def train_step(self, images: Tensor, labels: Tensor) -> float:
        """One step on a batch of `Batches`; returns the loss."""
        start = time.perf_counter()
        for group in self.optimizer.param_groups:
            group['lr'] = self.recipe.rate(self.progress, self.step)
        self.network.train()
        with torch.autocast(self.device.type, torch.bfloat16):
            heads = self.network.coarse_heads(NORMALIZATION(images.to(self.device)))
        loss = self.loss(heads, labels.to(self.device), self.progress).total
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.average.update_parameters(self.network)
        self.step += 1
        value: float = loss.item()  # waits for the device
        self.seconds += time.perf_counter() - start
        return value

    def _blend(self, average: Tensors, current: Tensors, _: Tensor | int) -> None:
        """Move the average towards the network, fast while both are young."""
        decay = min(self.recipe.average_decay, (1 + self.step) / (10 + self.step))
        if average[0].is_floating_point():
            torch._foreach_lerp_(average, current, 1 - decay)
        else:
            torch._foreach_copy_(average, current)

    def save(self, path: Path) -> None:
        """Write all that resuming needs; a kill while writing leaves the old file whole."""
        state = {
            'network': self.network.state_dict(),
            'average': self.average.state_dict(),
            'optimizer': self.optimizer.state_dict(),
            'step': self.step,
            'seconds': self.seconds,
            'random': torch.get_rng_state(),
        }
        partial = path.with_suffix('.partial')
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Go on from what `save` wrote."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state['network'])
        self.average.load_state_dict(state['average'])
        self.optimizer.load_state_dict(state['optimizer'])
        self.step, self.seconds = state['step'], state['seconds']
        torch.set_rng_state(state['random'].cpu())

    def checkpoint(self) -> Checkpoint:
        """The averaged weights of the inference network, without boosters."""
        return Checkpoint(
            network='bisenetv2',
            label_space=CAMVID,
            normalization=NORMALIZATION,
            network_size=NETWORK_SIZE,
            upsampling='bilinear',
            state_dict={
                name: value
                for name, value in self.average.module.state_dict().items()
                if not name.startswith('boosters.')
            },
            provenance={
                'data': ['CamVid train (367 frames, 480x360)', 'synthetic drive of bisenet_ros'],
                'recipe': asdict(self.recipe),
                'steps': self.step,
                'versions': {
                    'bisenet_ros': VERSION,
                    'torch': torch.__version__,
                    'python': platform.python_version(),
                },
            },
        )


def measure(checkpoint: Checkpoint, samples: list[Sample]) -> dict[str, Any]:
    """The accuracy of a checkpoint, run as it is on the vehicle."""
    segmenter = Segmenter(
        checkpoint, device='auto', precision='auto', network_size=None, options=Options()
    )
    figures: dict[str, Any] = accuracy(evaluate(segmenter, samples), checkpoint.label_space)
    return figures


def train(camvid: Path, output: Path, recipe: Recipe, evaluate_every: float = 300.0) -> None:
    """Run a recipe to its end, from where an earlier run in the same folder stopped.

    Args:
        camvid: CamVid's folder; `train` is learned from, `val` is only measured.
        output: Folder of the run.
        recipe: What to do.
        evaluate_every: Seconds of training between evaluations, which are also the save points.

    Raises:
        UserError: The data is not there or not right, or the loss is no number.
    """
    output.mkdir(parents=True, exist_ok=True)
    real, held_out = load_camvid(camvid, 'train'), load_camvid(camvid, 'val')
    synthetic = list(render_synthetic(recipe.synthetic_frames, SYNTHETIC_SEED, NETWORK_SIZE))
    trainer = Trainer(recipe, class_shares(real, len(CAMVID)))
    if (output / 'last.pt').is_file():
        trainer.load(output / 'last.pt')
        print(f'going on at step {trainer.step}, {trainer.seconds / 60:.1f} minutes', flush=True)
    batches = Batches(real, synthetic, recipe)
    losses: list[float] = []
    next_evaluation = trainer.seconds + evaluate_every

    with ThreadPoolExecutor(1) as pool:

        def prefetch(step: int) -> Future[tuple[Tensor, Tensor]]:
            return pool.submit(batches, step, recipe.stage(trainer.progress))

        upcoming = prefetch(trainer.step)
        while trainer.progress < 1:
            images, labels = upcoming.result()
            upcoming = prefetch(trainer.step + 1)
            losses.append(trainer.train_step(images, labels))
            if not np.isfinite(losses[-1]):
                raise UserError(f'the loss is {losses[-1]} at step {trainer.step}: lower the rate')
            if trainer.seconds >= next_evaluation or trainer.progress >= 1:
                next_evaluation = trainer.seconds + evaluate_every
                trainer.save(output / 'last.pt')
                report(output, trainer, losses, held_out)
                losses.clear()
    write_weights(output / 'weights.safetensors', trainer.checkpoint(), held_out)


def report(output: Path, trainer: Trainer, losses: list[float], held_out: list[Sample]) -> None:
    """Evaluate the average and add a line to the log."""
    entry = {
        'step': trainer.step,
        'minutes': round(trainer.seconds / 60, 2),
        'loss': round(float(np.mean(losses)), 4),
        'rate': round(trainer.recipe.rate(trainer.progress, trainer.step), 6),
        'val': measure(trainer.checkpoint(), held_out),
    }
    with (output / 'log.jsonl').open('a') as log:
        log.write(json.dumps(entry) + '\n')
    print(json.dumps(entry), flush=True)


def write_weights(path: Path, checkpoint: Checkpoint, held_out: list[Sample]) -> None:
    """Write a checkpoint with its accuracy, measured on what the file gives back."""
    checkpoint.save(path)
    figures = measure(Checkpoint.load(path), held_out)
    replace(checkpoint, accuracy={'CamVid val (101 frames, 480x360)': figures}).save(path)
    print(json.dumps(figures, indent=2), flush=True)


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description='Train BiSeNet V2 on CamVid and synthetic scenes.')
    parser.add_argument('--camvid', type=Path, required=True, help='folder with train/, val/, …')
    parser.add_argument('--output', type=Path, required=True, help='folder of the run')
    parser.add_argument('--minutes', type=float, default=110, help='training time (%(default)s)')
    parser.add_argument(
        '--synthetic', type=int, default=400, help='frames of the synthetic drive (%(default)s)'
    )
    parser.add_argument('--seed', type=int, default=0, help='of all chance (%(default)s)')
    arguments = parser.parse_args()
    recipe = Recipe(
        minutes=arguments.minutes, seed=arguments.seed, synthetic_frames=arguments.synthetic
    )
    try:
        train(arguments.camvid, arguments.output, recipe)
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
