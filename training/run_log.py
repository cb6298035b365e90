# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Logs a run: tables, curves and pictures in its folder, TensorBoard, progress bar."""

from __future__ import annotations

from collections.abc import Sequence

from bisenet_ros.media import write_image
from bisenet_training.curves import draw_curves
from bisenet_training.evaluation.worst_frames import draw_frame
from bisenet_training.extra import SummaryWriter
from bisenet_training.progress import TrainingProgress
from bisenet_training.run_folder import EvaluationRow, RunFolder, StepRow, append_rows, read_rows
from bisenet_training.validation import Validation


class RunLog:
    """Logs steps and evaluations within a `with` block, in the first process only."""

    def __init__(
        self, folder: RunFolder, progress: TrainingProgress, step: int, *, writes: bool
    ) -> None:
        """
        Args:
            folder: The folder of the run.
            progress: The progress on the terminal.
            step: The last completed step; rows of later steps are removed.
            writes: Whether this process is the first.
        """
        self._folder = folder
        self._progress = progress
        self._step = step
        self._board: SummaryWriter | None = None
        if writes:
            folder.forget_after(step)
            self._board = SummaryWriter(str(folder.path / 'tensorboard'), purge_step=step + 1)

    def __enter__(self) -> RunLog:
        self._progress.start(self._step)
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
        if self._board is not None:
            self._board.close()

    def steps(self, rows: Sequence[StepRow], seconds_per_step: float) -> None:
        """Logs completed steps."""
        if self._board is None:
            return
        append_rows(self._folder.steps, rows)
        for row in rows:
            self._board.add_scalar('loss', row.loss, row.step)
            self._board.add_scalar('learning rate', row.lr, row.step)
            self._progress.advance(row.step, row.loss, seconds_per_step)

    def evaluation(self, step: int, loss: float, found: Validation, best: float) -> None:
        """Logs an evaluation.

        Args:
            step: The last completed step.
            loss: Loss of this step.
            found: Result of the evaluation.
            best: Best mIoU so far, 0 to 1.
        """
        if self._board is None:
            return
        row = EvaluationRow(step, found.miou, found.drivable_iou, found.pixel_accuracy)
        append_rows(self._folder.evaluations, [row])
        self.draw_curves()
        for name, value in row._asdict().items():
            if name != 'step' and value is not None:
                self._board.add_scalar(f'validation/{name}', value, step)
        for number, frame in enumerate(found.frames):
            picture = draw_frame(frame, found.label_space)  # (H, W, 3) BGR
            write_image(self._folder.samples / f'{number}.jpg', picture)
            self._board.add_image(
                f'sample {number}', picture[:, :, ::-1].copy(), step, dataformats='HWC'
            )
        self._progress.evaluated(row, loss, best)

    def draw_curves(self) -> None:
        """Draws the curves of all logged steps and evaluations."""
        if self._board is not None:
            steps, evaluations = read_rows(self._folder.steps), read_rows(self._folder.evaluations)
            if steps:
                draw_curves(self._folder.curves, steps, evaluations)
