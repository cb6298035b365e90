# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shows the progress of a training run: a bar on a terminal, lines in a log."""

from __future__ import annotations

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from bisenet_ros.console import notes, print_line
from bisenet_ros.formatting import percent
from bisenet_training.run_folder import EvaluationRow


class TrainingProgress:
    """Shows steps, loss, images per second, mIoU and remaining time.

    Log files and processes other than the first get no bar.
    """

    def __init__(self, max_steps: int, batch: int, *, visible: bool) -> None:
        """Does not show anything yet.

        Args:
            max_steps: Number of steps.
            batch: Images per step.
            visible: Whether this process shows anything.
        """
        self._batch = batch
        self._visible = visible
        self._bar = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn('loss {task.fields[loss]}, mIoU {task.fields[miou]}, {task.fields[rate]}'),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=notes,
            disable=not visible or not notes.is_terminal,
        )
        self._task = self._bar.add_task(
            'training', total=max_steps, loss='–', miou='–', rate='– images/s'
        )

    def start(self, step: int) -> None:
        """Shows the bar, starting at `step`."""
        self._bar.update(self._task, completed=step)
        self._bar.start()

    def stop(self) -> None:
        """Stops updating the bar."""
        self._bar.stop()

    def advance(self, step: int, loss: float, seconds_per_step: float) -> None:
        """Advances the bar to a step."""
        self._bar.update(
            self._task,
            completed=step,
            loss=f'{loss:.3f}',
            rate=f'{self._batch / seconds_per_step:.1f} images/s',
        )

    def evaluated(self, row: EvaluationRow, loss: float, best: float) -> None:
        """Prints the result of an evaluation and the best mIoU so far."""
        if not self._visible:
            return
        self._bar.update(self._task, miou=percent(row.miou))
        notes.print(
            f'step {row.step}: loss {loss:.3f}, mIoU {percent(row.miou)} (best {percent(best)}), '
            f'drivable IoU {percent(row.drivable_iou)}, '
            f'pixel accuracy {percent(row.pixel_accuracy)}',
            soft_wrap=True,
        )

    def say(self, message: str) -> None:
        """Prints one line."""
        if self._visible:
            print_line(notes, message)
