# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The folder of a run: its files, and the checks to resume it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from bisenet_ros.console import warn
from bisenet_ros.errors import UserError, file_errors
from bisenet_ros.output_files import make_folder, write_json
from bisenet_training.config import TrainingConfig, load_config
from bisenet_training.environment import environment

_MAY_CHANGE = {'data', 'device', 'workers', 'evaluate_every', 'save_every'}
"""Settings that may change when a run is resumed, because they do not affect the steps."""


class StepRow(NamedTuple):
    """A step in `steps.csv`.

    Attributes:
        step: Step number, from 1.
        loss: Loss of the batch.
        lr: Learning rate of the backbone at this step.
        seconds: Time since the first step, without evaluations and interruptions.
    """

    step: int
    loss: float
    lr: float
    seconds: float


class EvaluationRow(NamedTuple):
    """An evaluation in `evaluations.csv`; figures from 0 to 1, or None if undefined."""

    step: int
    miou: float | None
    drivable_iou: float | None
    pixel_accuracy: float | None


class RunFolder:
    """The files of a run.

    Attributes:
        path: The folder.
        config: The whole configuration, as YAML.
        data: Pixel counts by data set and class, from the check of the data.
        last: The state to resume from.
        best: The state with the best mIoU so far.
        weights: The resulting checkpoint.
        steps: A row for each step.
        evaluations: A row for each evaluation.
        curves: Steps and evaluations as a picture.
        samples: Pictures of sample frames with labels from the last evaluation.
        report: Evaluation of the exported weights: figures, tables, confusion matrix, worst frames.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / 'config.yaml'
        self.data = path / 'data.json'
        self.last = path / 'checkpoints' / 'last.ckpt'
        self.best = path / 'checkpoints' / 'best.ckpt'
        self.weights = path / 'weights.safetensors'
        self.steps = path / 'steps.csv'
        self.evaluations = path / 'evaluations.csv'
        self.curves = path / 'curves.png'
        self.samples = path / 'samples'
        self.report = path / 'evaluation'

    def is_finished(self, config: TrainingConfig) -> bool:
        """Whether the run in the folder has its weights.

        Raises:
            UserError: It has another configuration.
        """
        if not (self.steps.is_file() and self.weights.is_file()):
            return False
        self._refuse_changes(config)
        return True

    def begin(self, config: TrainingConfig, *, resume: bool) -> None:
        """Creates the folder, or checks that its run can resume with this configuration.

        Raises:
            UserError: There is already a run (without `resume`), the run has another configuration,
                or the folder cannot be written.
        """
        # The state counts even if somebody has removed a damaged table.
        if self.steps.is_file() or self.last.is_file():
            if not resume:
                raise UserError(
                    f'{self.path} holds a run: continue it with --resume, or choose another folder '
                    'with -o'
                )
            self._refuse_changes(config)
        elif resume:
            warn(f'{self.path} holds no run to resume: starting a new one')
        make_folder(self.last.parent)
        make_folder(self.samples)
        with file_errors(self.path):
            if not self.steps.is_file():
                self.data.unlink(missing_ok=True)  # the data may have changed since
            replace_file(self.config, config.to_yaml().encode())
        write_json(self.path / 'environment.json', environment())

    def _refuse_changes(self, config: TrainingConfig) -> None:
        before = load_config(self.config).model_dump(mode='json')
        now = config.model_dump(mode='json')
        changed = [key for key in now if now[key] != before[key] and key not in _MAY_CHANGE]
        if changed:
            raise UserError(
                f'{", ".join(changed)} changed since the run in {self.path} was started: '
                f'--resume needs the configuration in {self.config}'
            )

    def forget_after(self, step: int) -> None:
        """Removes the rows of steps after `step`, which will be repeated."""
        for file, fields in (
            (self.steps, StepRow._fields),
            (self.evaluations, EvaluationRow._fields),
        ):
            kept = [row for row in read_rows(file) if int(row['step']) <= step]
            text = io.StringIO(newline='')
            writer = csv.DictWriter(text, fields)
            writer.writeheader()
            writer.writerows(kept)
            replace_file(file, text.getvalue().encode())


def replace_file(file: Path, content: bytes | memoryview) -> None:
    """Writes a file; an earlier one is only replaced by a whole one.

    Raises:
        OSError: The file cannot be written.
    """
    partial = file.with_suffix('.partial')
    try:
        partial.write_bytes(content)
        partial.replace(file)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def append_rows(file: Path, rows: Iterable[StepRow | EvaluationRow]) -> None:
    """Appends rows to a table."""
    with file.open('a', encoding='utf-8', newline='') as opened:
        csv.writer(opened).writerows(rows)


def read_rows(file: Path) -> list[dict[str, str]]:
    """Returns the rows of a table without an incomplete last row; none if there is no file.

    Raises:
        UserError: The file cannot be read, or has a line that no run writes.
    """
    if not file.is_file():
        return []
    try:
        with file.open(encoding='utf-8', newline='') as opened:
            text = opened.read()
    except OSError as error:
        raise UserError(f'cannot read {file}: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise UserError(f'{file} is damaged: {error.reason}') from error
    lines = csv.reader(text[: text.rfind('\n') + 1].splitlines())
    try:
        header = tuple(next(lines, ()))
        if header and header not in (StepRow._fields, EvaluationRow._fields):
            raise ValueError('unknown columns')
        return [_row(header, cells) for cells in lines]
    except (ValueError, csv.Error) as error:
        raise UserError(
            f'{file}, line {lines.line_num}: not a row that a run writes ({error}): remove the row'
        ) from error


def _row(header: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """Returns a row by column.

    Raises:
        ValueError: A cell is missing or is not a number.
    """
    row = dict(zip(header, cells, strict=True))
    int(row['step'])
    for name, cell in row.items():
        if cell or name not in EvaluationRow._fields:  # a figure may be undefined
            float(cell)
    return row
