# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The folder of a run: what is in it, and what of it a resumed run goes on with."""

from __future__ import annotations

import csv
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from bisenet_ros.console import make_folder, warn, write_json
from bisenet_ros.errors import UserError
from bisenet_ros.version import versions
from bisenet_training.config import TrainingConfig, load_config

_MAY_CHANGE = {'data', 'device', 'workers', 'evaluate_every', 'save_every'}
"""What a resumed run may do otherwise, for nothing of it decides what is learned."""


class StepRow(NamedTuple):
    """A step in `steps.csv`.

    Attributes:
        step: From 1.
        loss: Of the batch.
        lr: Learning rate that the step was made with, of the backbone.
        seconds: Since the first step, without the time between a kill and the resumption.
    """

    step: int
    loss: float
    lr: float
    seconds: float


class EvaluationRow(NamedTuple):
    """An evaluation in `evaluations.csv`, from 0 to 1; None for what does not occur."""

    step: int
    miou: float | None
    drivable_iou: float | None
    pixel_accuracy: float | None


@dataclass(frozen=True)
class RunFolder:
    """Where a run writes to.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The whole configuration, as YAML."""
        return self.path / 'config.yaml'

    @property
    def data(self) -> Path:
        """Pixels by data set and class, counted when the data were checked."""
        return self.path / 'data.json'

    @property
    def last(self) -> Path:
        """The state to resume from."""
        return self.path / 'checkpoints' / 'last.ckpt'

    @property
    def best(self) -> Path:
        """The state with the best mIoU so far."""
        return self.path / 'checkpoints' / 'best.ckpt'

    @property
    def weights(self) -> Path:
        """What the run is for: the checkpoint to use."""
        return self.path / 'weights.safetensors'

    @property
    def steps(self) -> Path:
        """A row for each step."""
        return self.path / 'steps.csv'

    @property
    def evaluations(self) -> Path:
        """A row for each evaluation."""
        return self.path / 'evaluations.csv'

    @property
    def curves(self) -> Path:
        """Both as a picture."""
        return self.path / 'curves.png'

    @property
    def samples(self) -> Path:
        """Pictures of frames as they were segmented at the last evaluation."""
        return self.path / 'samples'

    @property
    def report(self) -> Path:
        """Evaluation of the exported weights: figures, tables, confusion matrix, worst frames."""
        return self.path / 'evaluation'

    def begin(self, config: TrainingConfig, *, resume: bool) -> None:
        """Make the folder, or see whether it is of a run that can go on with this configuration.

        Raises:
            UserError: There is a run already, a finished one, or one that was configured otherwise;
                or the folder cannot be written.
        """
        if self.steps.is_file():
            if not resume:
                raise UserError(
                    f'{self.path} holds a run: go on with --resume, or name another folder with -o'
                )
            if self.weights.is_file():
                raise UserError(f'the run in {self.path} is finished: {self.weights}')
            self._refuse_changes(config)
        elif resume:
            warn(f'{self.path} holds no run to go on with: this one begins')
        make_folder(self.last.parent)
        make_folder(self.samples)
        try:
            if not self.steps.is_file():
                self.data.unlink(missing_ok=True)  # of data that may have been mended since
            self.config.write_text(config.to_yaml(), encoding='utf-8')
        except OSError as error:
            raise UserError(f'{self.path}: {error.strerror}') from error
        write_json(self.path / 'environment.json', environment())

    def _refuse_changes(self, config: TrainingConfig) -> None:
        before = load_config(self.config).model_dump(mode='json')
        now = config.model_dump(mode='json')
        changed = [key for key in now if now[key] != before[key] and key not in _MAY_CHANGE]
        if changed:
            raise UserError(
                f'{", ".join(changed)} changed since the run in {self.path} was begun: '
                f'--resume needs the configuration of {self.config}'
            )

    def forget_after(self, step: int) -> None:
        """Drop the rows of steps that are to be made again."""
        for file, fields in (
            (self.steps, StepRow._fields),
            (self.evaluations, EvaluationRow._fields),
        ):
            kept = [row for row in read_rows(file) if int(row['step']) <= step]
            partial = file.with_suffix('.partial')
            with partial.open('w', encoding='utf-8', newline='') as opened:
                writer = csv.DictWriter(opened, fields)
                writer.writeheader()
                writer.writerows(kept)
            partial.replace(file)


def append_rows(file: Path, rows: Iterable[StepRow | EvaluationRow]) -> None:
    """Write rows at the end of a table."""
    with file.open('a', encoding='utf-8', newline='') as opened:
        csv.writer(opened).writerows(rows)


def read_rows(file: Path) -> list[dict[str, str]]:
    """The rows of a table, without one that a kill has cut off; none where there is no file."""
    if not file.is_file():
        return []
    with file.open(encoding='utf-8', newline='') as opened:
        text = opened.read()
    whole = text[: text.rfind('\n') + 1]
    return list(csv.DictReader(whole.splitlines()))


def environment() -> dict[str, Any]:
    """Versions, machine and command, in a form that JSON can hold."""
    return {
        'command': shlex.join(sys.argv),
        'versions': versions(),
        'machine': {
            'host': platform.node(),
            'system': platform.platform(),
            'processor': _processor(),
            'cores': len(os.sched_getaffinity(0)),
            'gpus': [
                torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())
            ],
        },
        'variables': _variables(os.environ),
        'commit': _commit(Path(__file__).parent),
    }


def _variables(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment variables that change how fast or how exactly torch computes."""
    prefixes = ('CUDA', 'CUBLAS', 'KMP', 'MALLOC', 'MKL', 'NCCL', 'OMP', 'TORCH')
    return {name: value for name, value in sorted(variables.items()) if name.startswith(prefixes)}


def _processor() -> str:
    """What the processor calls itself, where Linux tells it."""
    information = Path('/proc/cpuinfo')
    if information.is_file():
        for line in information.read_text(encoding='utf-8').splitlines():
            name, _, value = line.partition(':')
            if name.strip() == 'model name':
                return value.strip()
    return platform.processor()


def _commit(folder: Path) -> str | None:
    """The commit of the source tree, where the package runs from one."""
    command = ['git', '-C', str(folder), 'describe', '--always', '--dirty', '--abbrev=40']
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()
