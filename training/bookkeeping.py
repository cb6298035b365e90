# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What happens between steps: losses are written down, weights measured, states saved."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping
from signal import Signals
from typing import Any

import torch
from torch import Tensor

from bisenet_ros.errors import UserError
from bisenet_ros.media import write_image
from bisenet_training.config import TrainingConfig
from bisenet_training.curves import draw_curves
from bisenet_training.data import Batch, Plan
from bisenet_training.datasets import Dataset
from bisenet_training.evaluation.worst_frames import draw_frame
from bisenet_training.extra import Callback, LightningModule, SummaryWriter, Trainer
from bisenet_training.interruption import Interruption
from bisenet_training.module import SegmentationModule
from bisenet_training.processes import Processes
from bisenet_training.progress import TrainingProgress
from bisenet_training.run_folder import (
    EvaluationRow,
    RunFolder,
    StepRow,
    append_rows,
    read_rows,
)
from bisenet_training.validation import Validation, validate

_STEPS_READ_AT_ONCE = 10
"""To read a loss, the processor waits for the GPU, which then waits for its next work."""

_NAMED_FRAMES = 16


class Bookkeeping(Callback):
    """Keeps the run's folder.

    At the end of a step: its loss is written down; where it is due, the weights are evaluated; and
    then, where that is due, the state is saved. So an evaluation that was cut off comes again.

    Attributes:
        best: The greatest mIoU so far, from 0 to 1.
        stopped_by: The signal for which all processes have stopped; None while none has.
    """

    def __init__(
        self,
        config: TrainingConfig,
        folder: RunFolder,
        plan: Plan,
        validation: Dataset | None,
        processes: Processes,
        interruption: Interruption,
        progress: TrainingProgress,
    ) -> None:
        """Write nothing yet.

        Args:
            config: Of the run.
            folder: Where to.
            plan: Which frames a step sees.
            validation: What accuracy is measured on; None for nothing.
            processes: Those that train; the first one writes.
            interruption: Says when to stop.
            progress: Told of everything.
        """
        self.best = -math.inf
        self.stopped_by: Signals | None = None
        self._config = config
        self._folder = folder
        self._plan = plan
        self._validation = validation
        self._processes = processes
        self._interruption = interruption
        self._progress = progress
        self._read_every = 1 if processes.device.type == 'cpu' else _STEPS_READ_AT_ONCE
        self._losses: list[Tensor] = []  # of the parts of the steps since the last reading
        self._step = 0  # the last one that was read
        self._loss = math.nan
        self._seconds = 0.0
        self._since = 0.0
        self._board: SummaryWriter | None = None

    @property
    def state_key(self) -> str:
        """What its part of a saved state is called."""
        return 'bookkeeping'

    def state_dict(self) -> dict[str, Any]:
        return {'best': self.best, 'seconds': self._seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self._seconds = state_dict['best'], state_dict['seconds']

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._step = trainer.global_step
        if self._processes.is_first:
            self._folder.forget_after(self._step)
            self._board = SummaryWriter(
                str(self._folder.path / 'tensorboard'), purge_step=self._step + 1
            )
        # Lightning has put its own handler there, which would leave in the middle.
        self._interruption.take_over()
        self._progress.start(self._step)
        self._since = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Tensor | Mapping[str, Any] | None,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        assert isinstance(outputs, Mapping)
        self._losses.append(outputs['loss'])
        step = trainer.global_step
        if len(self._losses) % self._config.accumulate:
            return
        is_last = step == self._config.max_steps
        evaluates = self._validation is not None and (
            is_last or step % self._config.evaluate_every == 0
        )
        saves = is_last or evaluates or step % self._config.save_every == 0
        if not saves and step % self._read_every:
            return
        self._read_losses(step)
        stops = self._is_to_stop()
        if stops:
            self.stopped_by = self._interruption.signal or Signals.SIGTERM
        if evaluates:
            assert isinstance(pl_module, SegmentationModule)
            assert self._validation is not None
            self._evaluate(trainer, pl_module, self._validation)
        if saves or stops:
            trainer.save_checkpoint(self._folder.last)
            trainer.should_stop = stops

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self._end()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._end()
        if self._processes.is_first:
            self._draw_curves()

    def _end(self) -> None:
        self._progress.stop()
        if self._board is not None:
            self._board.close()

    def _read_losses(self, step: int) -> None:
        """Write down the losses of the steps that were made since the last time.

        Raises:
            UserError: One of them is not a number.
        """
        parts = torch.stack(self._losses).view(-1, self._config.accumulate)
        losses = parts.sum(1).tolist()  # Lightning has divided each by their number
        self._losses.clear()
        now = time.perf_counter()
        each = (now - self._since) / len(losses)
        self._since = now
        rows = []
        for loss in itertools.takewhile(math.isfinite, losses):
            self._seconds += each
            factor = self._config.schedule.factor(self._step, self._config.max_steps)
            self._step += 1
            rate = factor * self._config.optimizer.lr
            rows.append(StepRow(self._step, loss, rate, round(self._seconds, 3)))
            self._loss = loss
        if self._processes.is_first:
            append_rows(self._folder.steps, rows)
            assert self._board is not None
            for row in rows:
                self._board.add_scalar('loss', row.loss, row.step)
                self._board.add_scalar('learning rate', row.lr, row.step)
        if len(rows) < len(losses):
            raise UserError(self._what_went_wrong(self._step + 1, losses[len(rows)]))
        self._progress.advance(step, self._loss, each)

    def _what_went_wrong(self, step: int, loss: float) -> str:
        batch = self._config.batch
        names = [self._plan.name_of(n) for n in range((step - 1) * batch, step * batch)]
        more = f' and {len(names) - _NAMED_FRAMES} more' if len(names) > _NAMED_FRAMES else ''
        saved = f'; {self._folder.last} is from before' if self._folder.last.is_file() else ''
        return (
            f'the loss is {loss} at step {step}, on {", ".join(names[:_NAMED_FRAMES])}{more}: '
            'lower optimizer.lr or lengthen schedule.warmup_steps if these frames are as they '
            f'should be{saved}'
        )

    def _is_to_stop(self) -> bool:
        """Whether any of the processes is to stop; then all do, after the same step."""
        wish = torch.tensor(int(self._interruption.signal is not None))
        return bool(self._processes.add_up(wish))

    def _evaluate(self, trainer: Trainer, module: SegmentationModule, dataset: Dataset) -> None:
        started = time.perf_counter()
        found = validate(module.checkpoint({}), dataset, self._processes)
        is_best = found.miou is not None and found.miou > self.best
        if is_best:
            assert found.miou is not None
            self.best = found.miou
            trainer.save_checkpoint(self._folder.best)
        if self._processes.is_first:
            self._write_down(found, dataset)
        self._since += time.perf_counter() - started

    def _write_down(self, found: Validation, dataset: Dataset) -> None:
        row = EvaluationRow(self._step, found.miou, found.drivable_iou, found.pixel_accuracy)
        append_rows(self._folder.evaluations, [row])
        self._draw_curves()
        assert self._board is not None
        for name, value in row._asdict().items():
            if name != 'step' and value is not None:
                self._board.add_scalar(f'validation/{name}', value, self._step)
        for number, frame in enumerate(found.frames):
            picture = draw_frame(frame, dataset.label_space)
            write_image(self._folder.samples / f'{number}.jpg', picture)
            self._board.add_image(
                f'sample {number}', picture[:, :, ::-1].copy(), self._step, dataformats='HWC'
            )
        self._progress.evaluated(row, self._loss, self.best)

    def _draw_curves(self) -> None:
        steps, evaluations = read_rows(self._folder.steps), read_rows(self._folder.evaluations)
        draw_curves(self._folder.curves, steps, evaluations)
