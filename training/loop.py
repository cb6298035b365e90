# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: a run from configuration to weights, in order of execution.

    fit(load_config('bisenetv2_camvid'), Path('runs/camvid'), resume=False)

On the command line, in one process or in several:

    bisenet train bisenetv2_camvid data=/datasets/camvid
    torchrun --nproc-per-node 4 -m bisenet_ros.cli train bisenetv2_camvid data=/datasets/camvid

Lightning Fabric provides mixed precision and, under torchrun, DistributedDataParallel (DDP). Every
process runs all of this code. Samples and dropout of a step depend only on the seed and the step
number, so a resumed run repeats lost steps exactly.
"""

from __future__ import annotations

import itertools
import math
import time
from pathlib import Path
from signal import Signals
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import convert_conv2d_weight_memory_format

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.console import warn
from bisenet_ros.engine.hardware import cpu_has_bf16
from bisenet_ros.errors import UserError
from bisenet_ros.version import versions
from bisenet_training.augment import Augmentation
from bisenet_training.average import AverageNetwork
from bisenet_training.config import TrainingConfig
from bisenet_training.data import Plan, Shard, Views, prepare_batches, suitable_workers
from bisenet_training.depthwise import keep_depthwise_in_float32
from bisenet_training.distributed import add_up, launch, processes_on_machine
from bisenet_training.final_weights import export
from bisenet_training.initial_network import make_network
from bisenet_training.interruption import Interruption
from bisenet_training.losses import SegmentationLoss
from bisenet_training.optim import build_optimizer
from bisenet_training.progress import TrainingProgress
from bisenet_training.run_folder import RunFolder, StepRow
from bisenet_training.run_log import RunLog
from bisenet_training.saved_state import has_state, restore, restore_average, save
from bisenet_training.student import Student
from bisenet_training.synchronized import synchronize
from bisenet_training.teacher import Teacher
from bisenet_training.training_data import TrainingData
from bisenet_training.validation import validate

_STEPS_READ_AT_ONCE = 10
"""Steps between two reads of the loss: each read makes the CPU wait for the GPU."""

_NAMED_FRAMES = 16


def fit(config: TrainingConfig, output: Path, *, resume: bool) -> Signals | None:
    """Trains a network and writes its weights.

    Args:
        config: The configuration.
        output: Folder of the run.
        resume: Continue from the last state in the folder, if there is one.

    Returns:
        The signal that interrupted the training; None if it was completed, now or before.

    Raises:
        UserError: The configuration does not suit the data, the machine or the folder, or the loss
            became infinite or NaN.
        OSError: A file of the run cannot be written, because the disk is full for example.
    """
    # ---- check processes, data and folder before anything else ----
    fabric = launch(config.device, config.precision)
    on_gpu = fabric.device.type == 'cuda'
    shard = Shard(config.batch, config.accumulate, fabric.global_rank, fabric.world_size)
    folder = RunFolder(output)
    progress = TrainingProgress(config.max_steps, config.batch, visible=fabric.is_global_zero)
    if resume and folder.is_finished(config):
        progress.say(f'the run in {folder.path} is finished: {folder.weights}')
        return None
    emulates_bf16 = not on_gpu and config.precision == 'bf16' and not cpu_has_bf16()
    if emulates_bf16 and fabric.is_global_zero:
        warn('this CPU emulates bf16, which is much slower than fp32: use precision=fp32')
    data = TrainingData.open(config)
    config.loss.check_classes(len(data.label_space))
    pasted = data.label_space.ids_of(config.augmentation.pasted_classes)
    normalize = config.normalization.build()
    initial = make_network(config.network, data.label_space, config.seed, progress.say)
    if initial.normalization not in (None, normalize):
        progress.say(
            f'the initial weights were trained with another normalization: {initial.normalization}'
        )
    teacher = None
    if config.teacher is not None:
        teacher = Teacher(config.teacher, data.label_space, fabric.device)
    if fabric.is_global_zero:
        folder.begin(config, resume=resume)
    goes_on = resume and has_state(folder, fabric)
    data.prepare()
    class_shares = data.class_shares(fabric, folder.data)  # (classes,)

    # ---- the batches ----
    plan = Plan(data.train, data.shares, config.max_steps * config.batch, config.seed)
    views = Views(plan, Augmentation(config.augmentation), config.crop, config.seed, pasted)
    workers = config.workers
    if workers is None:
        workers = suitable_workers(processes_on_machine())

    # ---- network, moving average, optimiser ----
    convert_conv2d_weight_memory_format(initial.network, torch.channels_last)
    average = fabric.to_device(AverageNetwork(initial.network, config.average_decay))
    network = synchronize(initial.network)
    if not on_gpu and config.precision == 'bf16':
        keep_depthwise_in_float32(network)
    student = Student(network, None if teacher is None else teacher.compared_channels)
    model, optimizer = fabric.setup(student, build_optimizer(student, config.optimizer))
    criterion = fabric.to_device(SegmentationLoss(config.loss, len(data.label_space), class_shares))

    def checkpoint(provenance: dict[str, Any]) -> Checkpoint:
        """Returns the average in its inference form, without boosters."""
        return Checkpoint(
            network=config.network.name,
            label_space=data.label_space,
            normalization=normalize,
            network_size=config.network_size,
            upsampling=network.upsampling,
            options=initial.options,
            state_dict={
                name: tensor
                for name, tensor in average.network.state_dict().items()
                if not name.startswith('boosters.')
            },
            provenance=provenance,
        )

    # ---- the state: new, or the last saved one ----
    learned = {
        'student': student,
        'average': average,
        'optimizer': optimizer,
        'precision': fabric.strategy.precision,  # the loss scale in fp16
    }
    step = 0  # completed steps
    best = -math.inf  # best mIoU so far, 0 to 1
    seconds = 0.0  # time of all steps, without evaluations
    if goes_on:
        step, best, seconds = restore(fabric, folder.last, learned)

    numbers = shard.batches(step, config.max_steps)
    unread: list[Tensor] = []  # losses not yet read from the device
    stopped_by: Signals | None = None
    with (
        # First, because it forks, and the log has threads.
        prepare_batches(views, numbers, workers, pin_memory=on_gpu) as batches,
        Interruption() as interruption,
        RunLog(folder, progress, step, writes=fabric.is_global_zero) as log,
    ):
        model.train()
        since = time.perf_counter()
        while step < config.max_steps and stopped_by is None:
            # ---- a step ----
            factor = config.schedule.factor(step, config.max_steps)
            for group in optimizer.param_groups:
                group['lr'] = factor * group['initial_lr']
            step_loss = torch.zeros((), device=fabric.device)
            for part in range(config.accumulate):
                seeds = np.random.SeedSequence((config.seed, 3, step * config.accumulate + part))
                torch.manual_seed(int(seeds.generate_state(1)[0]))  # for dropout
                images, labels = fabric.to_device(next(batches))  # (B, H, W, 3), (B, H, W) uint8
                # Gradients are summed over processes once, after the last part.
                with fabric.no_backward_sync(model, enabled=part < config.accumulate - 1):
                    with fabric.autocast():
                        # heads: (B, classes, H/8, W/8); those of boosters have other scales
                        heads, features = model(normalize(images))
                    loss = criterion(heads, labels.long(), step / config.max_steps)  # ()
                    if teacher is not None:
                        with fabric.autocast():
                            loss = loss + teacher.loss(images, heads[0], features)
                    loss = loss / config.accumulate
                    fabric.backward(loss)
                step_loss += loss.detach()
            optimizer.step()
            optimizer.zero_grad()
            step += 1
            average.update(network, step)
            unread.append(step_loss)

            # ---- decide what to do after this step ----
            is_last = step == config.max_steps
            validates = data.validation is not None and (
                is_last or step % config.evaluate_every == 0
            )
            saves = is_last or validates or step % config.save_every == 0
            if on_gpu and not saves and step % _STEPS_READ_AT_ONCE:
                continue

            # ---- log the losses; stop if one is not finite ----
            losses = torch.stack(unread).tolist()
            unread.clear()
            now = time.perf_counter()
            each = (now - since) / len(losses)
            since = now
            before = step - len(losses)
            rows = []
            for number, loss_value in enumerate(itertools.takewhile(math.isfinite, losses), before):
                seconds += each
                lr = config.schedule.factor(number, config.max_steps) * config.optimizer.lr
                rows.append(StepRow(number + 1, loss_value, lr, round(seconds, 3)))
            log.steps(rows, each)
            if len(rows) < len(losses):
                failed = before + len(rows) + 1
                raise _not_finite_error(losses[len(rows)], failed, plan, config, folder)

            # ---- a signal to any process stops all processes after the same step ----
            if add_up(fabric, torch.tensor(int(interruption.signal is not None))):
                stopped_by = interruption.signal or Signals.SIGTERM

            # ---- validate the average as the vehicle would run it ----
            state = {**learned, 'step': step, 'best': best, 'seconds': seconds}
            if validates:
                assert data.validation is not None
                found = validate(checkpoint({}), data.validation, fabric)
                if found.miou is not None and found.miou > best:
                    state['best'] = best = found.miou
                    save(fabric, folder.best, state)
                log.evaluation(step, losses[-1], found, best)
                since += time.perf_counter() - now

            # ---- save the state last, so that an interrupted evaluation is repeated ----
            if saves or stopped_by is not None:
                save(fabric, folder.last, state)
    log.draw_curves()

    # ---- the end ----
    if stopped_by is not None:
        progress.say('stopped; to continue, run the same command with --resume')
    elif fabric.is_global_zero:
        file = folder.last if data.validation is None else folder.best
        exported_step = restore_average(file, average)
        provenance = {
            'data': [dataset.description for dataset in data.train],
            'steps': exported_step,
            'config': config.model_dump(mode='json', exclude={'data', 'device', 'workers'}),
            'versions': versions(),
        }
        export(checkpoint(provenance), folder, data.validation, fabric.device)
        progress.say(f'weights: {folder.weights}')
    return stopped_by


def _not_finite_error(
    loss: float, step: int, plan: Plan, config: TrainingConfig, folder: RunFolder
) -> UserError:
    """Returns the error for a loss that is infinite or NaN."""
    batch = config.batch
    names = [plan.name_of(n) for n in range((step - 1) * batch, step * batch)]
    more = f' and {len(names) - _NAMED_FRAMES} more' if len(names) > _NAMED_FRAMES else ''
    saved = f'; {folder.last} is an earlier state' if folder.last.is_file() else ''
    return UserError(
        f'the loss is {loss} at step {step}, on {", ".join(names[:_NAMED_FRAMES])}{more}: '
        'check these frames; if they are correct, lower optimizer.lr or raise '
        f'schedule.warmup_steps{saved}'
    )
