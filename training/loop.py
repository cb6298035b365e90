# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: trains, evaluates and saves, and writes the weights at the end.

    fit(load_config('bisenetv2_camvid'), Path('runs/camvid'), resume=False)

On the command line, in one process or in several:

    bisenet train bisenetv2_camvid data=/datasets/camvid
    torchrun --nproc-per-node 4 -m bisenet_ros.cli train bisenetv2_camvid data=/datasets/camvid

Lightning Fabric provides mixed precision and, under torchrun, DistributedDataParallel (DDP). Every
process runs all of this code, with what `run` sets up and the steps of `learner`. Samples and
dropout of a step depend only on the seed and the step number, so a resumed run repeats lost steps
exactly.
"""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path
from signal import Signals

import torch

from bisenet_ros.engine.device_failure import NotFiniteError
from bisenet_ros.errors import UserError, check_utf8
from bisenet_ros.version import versions
from bisenet_training.config import TrainingConfig
from bisenet_training.data import Shard, prepare_batches, suitable_workers
from bisenet_training.distributed import launch, processes_on_machine, sum_without_gradient
from bisenet_training.final_weights import export
from bisenet_training.interruption import Interruption
from bisenet_training.progress import TrainingProgress
from bisenet_training.run import Run, set_up
from bisenet_training.run_folder import RunFolder, StepRow
from bisenet_training.run_log import RunLog
from bisenet_training.saved_state import Progress, restore_average, save
from bisenet_training.step_losses import StepLosses
from bisenet_training.validation import validate

_STEPS_READ_AT_ONCE = 10
"""Steps between two reads of the loss: each read makes the CPU wait for the GPU."""

_NAMED_FRAMES = 16

_ANEW = (
    'lower optimizer.lr or raise schedule.warmup_steps, and train again in another folder with -o'
)
"""What helps if weights diverge; `--resume` refuses other rates."""


def fit(config: TrainingConfig, output: Path, *, resume: bool) -> Signals | None:
    """Trains a network and writes its weights.

    Args:
        config: The configuration.
        output: Folder of the run; `~` is the home folder, as in the configuration.
        resume: Continue from the last state in the folder, if there is one.

    Returns:
        The signal that interrupted the training; None if it was completed, now or before.

    Raises:
        UserError: The configuration does not suit the data, the machine or the folder, or the loss
            became infinite or NaN.
        OSError: A file of the run cannot be written, because the disk is full for example.
    """
    fabric = launch(config.device, config.precision)
    shard = Shard(config.batch, config.accumulate, fabric.global_rank, fabric.world_size)
    folder = RunFolder(Path(os.path.expanduser(output)))
    check_utf8(folder.path, 'TensorBoard')
    progress = TrainingProgress(config.max_steps, config.batch, visible=fabric.is_global_zero)
    if resume and folder.is_finished(config):
        progress.say(f'the run in {folder.path} is finished: {folder.weights}')
        return None
    run = set_up(config, fabric, folder, progress, resume=resume)
    stopped_by = _train(run, shard)
    if stopped_by is not None:
        progress.say('stopped; to continue, run the same command with --resume')
    elif fabric.is_global_zero:
        _write_weights(run)
        progress.say(f'weights: {folder.weights}')
    return stopped_by


def _train(run: Run, shard: Shard) -> Signals | None:
    """Trains up to the last step, or until a signal interrupts it, which is returned."""
    config, fabric, learner, reached = run.config, run.fabric, run.learner, run.start
    on_gpu = fabric.device.type == 'cuda'
    workers = config.workers
    if workers is None:
        workers = suitable_workers(processes_on_machine())
    numbers = shard.batches(reached.step, config.max_steps)
    stopped_by: Signals | None = None
    with (
        # First, because it forks, and the log has threads.
        prepare_batches(run.samples, numbers, workers, pin_memory=on_gpu) as batches,
        Interruption() as interruption,
        RunLog(run.folder, run.progress, reached.step, writes=fabric.is_global_zero) as log,
    ):
        losses = StepLosses(config, reached.seconds)
        step = reached.step  # completed steps
        while step < config.max_steps and stopped_by is None:
            losses.add(learner.step(step, batches))
            step += 1
            is_last = step == config.max_steps
            validates = run.data.validation is not None and (
                is_last or step % config.evaluate_every == 0
            )
            saves = is_last or validates or step % config.save_every == 0
            if on_gpu and not saves and step % _STEPS_READ_AT_ONCE:
                continue

            rows, seconds_per_step = losses.read(step)
            finite = list(itertools.takewhile(lambda row: math.isfinite(row.loss), rows))
            log.steps(finite, seconds_per_step)
            if len(finite) < len(rows):
                raise _not_finite_error(rows[len(finite)], run)

            # A signal to any process stops all processes after the same step.
            if sum_without_gradient(fabric, torch.tensor(int(interruption.signal is not None))):
                stopped_by = interruption.signal or Signals.SIGTERM

            reached = Progress(step, reached.best, losses.seconds)
            if validates:
                reached = _evaluate(run, log, reached, rows[-1].loss)
                losses.restart_clock()
            # The state is saved last, so that an interrupted evaluation is repeated.
            if saves or stopped_by is not None:
                save(fabric, run.folder.last, {**learner.state, **reached._asdict()})
    log.draw_curves()
    return stopped_by


def _evaluate(run: Run, log: RunLog, reached: Progress, loss: float) -> Progress:
    """Validates the average as the vehicle would run it, and saves the state if it is the best.

    Args:
        run: The run, which has validation data.
        log: Where the evaluation is logged.
        reached: How far the run is.
        loss: Loss of the last step.

    Returns:
        How far the run is, with the best mIoU including this one.

    Raises:
        UserError: The average gives logits that are not finite, or a frame cannot be read.
    """
    assert run.data.validation is not None
    try:
        found = validate(run.learner.checkpoint({}), run.data.validation, run.fabric)
    except NotFiniteError as error:
        raise UserError(
            f'the weights after step {reached.step} give logits that are not finite in the '
            f'evaluation: {_ANEW}; if these are the first steps, raise evaluate_every and use '
            '--resume, because batch norms need steps to average their statistics'
        ) from error
    if found.miou is not None and found.miou > reached.best:
        reached = reached._replace(best=found.miou)
        save(run.fabric, run.folder.best, {**run.learner.state, **reached._asdict()})
    log.evaluation(reached.step, loss, found, reached.best)
    return reached


def _write_weights(run: Run) -> None:
    """Writes the weights of the best state, or of the last one without validation data.

    Raises:
        UserError: The weights are not finite, or the state is damaged.
    """
    folder, data = run.folder, run.data
    file = folder.last if data.validation is None else folder.best
    exported_step = restore_average(file, run.learner.average)
    provenance = {
        'data': [dataset.description for dataset in data.train],
        'steps': exported_step,
        'config': run.config.model_dump(mode='json', exclude={'data', 'device', 'workers'}),
        'versions': versions(),
    }
    checkpoint = run.learner.checkpoint(provenance)
    # Without validation data, no evaluation has noticed this.
    if not all(tensor.isfinite().all() for tensor in checkpoint.state_dict.values()):
        raise UserError(f'the weights after step {exported_step} are not finite: {_ANEW}')
    export(checkpoint, folder, data.validation, run.fabric.device)


def _not_finite_error(row: StepRow, run: Run) -> UserError:
    """Returns the error for a step whose loss is infinite or NaN."""
    batch, plan = run.config.batch, run.samples.plan
    names = [plan.name_of(n) for n in range((row.step - 1) * batch, row.step * batch)]
    more = f' and {len(names) - _NAMED_FRAMES} more' if len(names) > _NAMED_FRAMES else ''
    return UserError(
        f'the loss is {row.loss} at step {row.step}, on {", ".join(names[:_NAMED_FRAMES])}{more}: '
        f'check these frames; if one is wrong, correct it and use --resume; otherwise {_ANEW}'
    )
