# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measures training images per second: `bisenet train` and the usual loop, in one run.

    python benchmarks/training.py --json training.json

All candidates train BiSeNet V2 with the configuration `bisenetv2_cityscapes` on the CPU, with the
same crop and batch sizes and the same frames: the synthetic drive as PNG files in the layout of
Cityscapes. All four boosters and OHEM use every label unless a row says otherwise. The usual loop
is benchmarks/reference_training.py. Each training runs in its own process, because threads and
malloc are settings of a process; they alternate, round by round. The first steps do not count. The
time of a step includes the wait for its batch, so the throughput of a worker is listed too.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import reference_training
import torch

from bisenet_ros.benchmark.machine import describe_machine
from bisenet_ros.benchmark.rounds import in_turn
from bisenet_ros.console import notes
from bisenet_ros.label_space import CAMVID, CITYSCAPES, IGNORE
from bisenet_ros.malloc_tuning import environment_without_malloc_settings
from bisenet_ros.media import write_image
from bisenet_ros.output_files import write_json
from bisenet_ros.synthetic.drive import SyntheticDrive
from bisenet_training.augment import Augmentation
from bisenet_training.config import TrainingConfig, load_config
from bisenet_training.data import AugmentedSamples, Plan, suitable_workers
from bisenet_training.datasets.cityscapes import to_label_ids
from bisenet_training.run_folder import read_rows

RECIPE = 'bisenetv2_cityscapes'
FRAMES_PER_STREET = 4
FROM_CAMVID = {
    'pavement': 'sidewalk', 'tree': 'vegetation', 'sign_symbol': 'traffic_sign',
    'pedestrian': 'person', 'bicyclist': 'rider',
}  # fmt: skip
"""Cityscapes names of classes with a different name in the synthetic drive."""


@dataclass(frozen=True)
class Candidate:
    """A way to train, as a process.

    Attributes:
        program: Arguments of Python, before the configuration.
        options: Arguments after the configuration.
        settings: Settings that differ from other candidates, for the report.
    """

    program: tuple[str, ...]
    options: tuple[str, ...]
    settings: str


_LOOP = (str(Path(__file__).with_name('reference_training.py')),)
_TRAIN = ('-m', 'bisenet_ros.cli', 'train')
REFERENCE, OURS = 'usual loop', 'bisenet train, bf16'
CANDIDATES = {
    REFERENCE: Candidate(_LOOP, (), 'fp32, NCHW; freed memory returned, the default of glibc'),
    'usual loop, freed memory kept': Candidate(
        _LOOP, ('--keep-freed-memory',), 'fp32, NCHW; freed memory kept'
    ),
    'bisenet train, fp32': Candidate(
        _TRAIN, ('precision=fp32',), 'fp32, channels_last; freed memory kept'
    ),
    OURS: Candidate(_TRAIN, ('precision=bf16',), 'bf16, channels_last; freed memory kept'),
    'bisenet train, bf16, sparse boosters': Candidate(
        _TRAIN,
        ('precision=bf16', 'loss.booster_label_stride=4'),
        'the same; boosters use every fourth label of every fourth row, as in *_cpu configurations',
    ),
}


def write_frames(root: Path, count: int, size: tuple[int, int]) -> None:
    """Writes the synthetic drive as the split train of Cityscapes.

    Args:
        root: The folder of the data set.
        count: Number of frames.
        size: (width, height) of the frames.
    """
    to_train_ids = np.full(256, IGNORE, np.uint8)
    for index, name in enumerate(CAMVID.names):
        to_train_ids[index] = CITYSCAPES.names.index(FROM_CAMVID.get(name, name))
    for number in range(count):
        street, moment = divmod(number, FRAMES_PER_STREET)
        if moment == 0:
            drive = SyntheticDrive(seed=street, size=size)
        image, labels = drive.frame(100 * moment)
        frame = f'train/drive/drive_{street:06}_{moment:06}'
        for file, pixels in (
            (f'leftImg8bit/{frame}_leftImg8bit.png', image),
            (f'gtFine/{frame}_gtFine_labelIds.png', to_label_ids(to_train_ids[labels])),
        ):
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            write_image(root / file, pixels)


def train(candidate: Candidate, config: Path, output: Path) -> list[dict[str, str]]:
    """Trains once and returns the rows of its steps."""
    command = [sys.executable, *candidate.program, str(config), *candidate.options]
    result = subprocess.run(
        [*command, '-o', str(output)],
        env=environment_without_malloc_settings(),  # they are under test
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        sys.exit(f'{" ".join(command)} ended with {result.returncode}:\n{result.stderr}')
    rows: list[dict[str, str]] = read_rows(output / 'steps.csv')
    return rows


def prepared_per_second(config: TrainingConfig, rounds: int) -> dict[str, float]:
    """Returns images per second of one data-loading worker, in the usual loop and in ours."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    dataset = config.located(config.train[0].dataset).open()
    plan = Plan((dataset,), (1.0,), len(dataset), config.seed)
    augmentation = Augmentation(config.augmentation)
    views = {
        'usual loop': reference_training.Views.of(config),
        'bisenet train': AugmentedSamples(plan, augmentation, config.crop, config.seed),
    }

    def prepare(view: Any) -> None:
        for index in range(len(dataset)):
            view[index]

    times = in_turn(
        {name: partial(prepare, view) for name, view in views.items()},
        rounds,
        advance=lambda: None,
    )
    return {name: 1e3 * len(dataset) / taken.median_ms for name, taken in times.items()}


def report(
    rates: Mapping[str, Sequence[float]], losses: Mapping[str, tuple[float, float]]
) -> dict[str, dict[str, Any]]:
    """Prints a table and returns its values for JSON."""
    medians = {name: statistics.median(measured) for name, measured in rates.items()}
    slowest = next(iter(medians.values()))
    print(f'{"":38} {"images/s":>9} {"faster":>8} {"loss":>15}')
    for name, median in medians.items():
        first, last = losses[name]
        print(f'{name:38} {median:9.2f} {median / slowest:7.2f}x {first:7.3f} {last:7.3f}')
    return {
        name: {
            **asdict(CANDIDATES[name]),
            'images_per_second': median,
            'rounds': rates[name],
            'times_faster': median / slowest,
            'first_loss': losses[name][0],
            'last_loss': losses[name][1],
        }
        for name, median in medians.items()
    }


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    size: dict[str, Any] = {'type': int, 'nargs': 2, 'metavar': ('W', 'H')}
    parser.add_argument('--frame', **size, default=(1024, 512), help='size of the PNG files')
    parser.add_argument('--frames', type=int, default=24)
    parser.add_argument('--crop', **size, default=(512, 256))
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument(
        '--workers', type=int, default=suitable_workers(1), help='of each candidate'
    )
    parser.add_argument('--steps', type=int, default=6, help='steps that count, in each training')
    parser.add_argument(
        '--warm-up', type=int, default=2, help='steps before them, which do not count'
    )
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument(
        '--only',
        nargs='+',
        choices=CANDIDATES,
        default=list(CANDIDATES),
        metavar='NAME',
        help='names of candidates',
    )
    parser.add_argument('--json', type=Path, help='also write all results to this file')
    return parser.parse_args(arguments)


def configuration(options: argparse.Namespace, data: Path) -> TrainingConfig:
    """Returns the configuration of all candidates, on the data set in a folder."""
    return load_config(
        RECIPE,
        [
            *(f'data={data}', 'validation=null', 'device=cpu'),
            *(f'crop={list(options.crop)}', f'batch={options.batch}'),
            *(f'workers={options.workers}', f'max_steps={options.warm_up + options.steps}'),
        ],
    )


def train_in_turn(
    options: argparse.Namespace, config: TrainingConfig, folder: Path
) -> tuple[dict[str, list[float]], dict[str, tuple[float, float]]]:
    """Trains all candidates, round by round.

    Args:
        options: The command line.
        config: The configuration.
        folder: Where the runs are written.

    Returns:
        By candidate: images per second of each round; first and last loss of the last round.
    """
    file = folder / 'config.yaml'
    file.write_text(config.to_yaml(), encoding='utf-8')
    names = [name for name in CANDIDATES if name in options.only]
    rates: dict[str, list[float]] = {name: [] for name in names}
    losses = {}
    for number in range(options.rounds):
        for name in names:
            with notes.status(f'round {number + 1} of {options.rounds}: {name}'):
                rows = train(CANDIDATES[name], file, folder / f'{number}_{names.index(name)}')
            seconds = float(rows[-1]['seconds']) - float(rows[options.warm_up - 1]['seconds'])
            rates[name].append(options.steps * options.batch / seconds)
            losses[name] = (float(rows[0]['loss']), float(rows[-1]['loss']))
    return rates, losses


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures all candidates and prints the results; see the module docstring."""
    options = options_of(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with notes.status('rendering frames'):
            write_frames(folder / 'data', options.frames, tuple(options.frame))
        config = configuration(options, folder / 'data')
        rates, losses = train_in_turn(options, config, folder)
        print(
            f'BiSeNet V2, {len(CITYSCAPES)} classes, crops of {options.crop[0]}x{options.crop[1]} '
            f'from {options.frame[0]}x{options.frame[1]}, batches of {options.batch}, workers: '
            f'{options.workers}; {options.rounds} rounds of {options.steps} steps\n'
        )
        trained = report(rates, losses)
        with notes.status('preparing images'):
            prepared = prepared_per_second(config, options.rounds)
        print()
        for name, rate in prepared.items():
            print(f'{f"a worker of {name} prepares":38} {rate:9.2f}')
    if options.json is not None:
        settings = {name: value for name, value in vars(options).items() if name != 'json'}
        write_json(
            options.json,
            {
                'machine': {**describe_machine(), 'malloc': 'by candidate'},
                'settings': {**settings, 'recipe': RECIPE, 'network': config.network.name},
                'training': trained,
                'prepared_per_second_by_a_worker': prepared,
            },
        )


if __name__ == '__main__':
    main()
