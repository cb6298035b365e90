# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sets up a training run: checks configuration and data, then builds what the loop needs."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from bisenet_ros.console import warn
from bisenet_ros.engine.hardware import cpu_has_bf16
from bisenet_training.augment import Augmentation
from bisenet_training.config import TrainingConfig
from bisenet_training.data import AugmentedSamples, Plan
from bisenet_training.extra import Fabric
from bisenet_training.initial_network import InitialNetwork, make_network
from bisenet_training.learner import Learner
from bisenet_training.progress import TrainingProgress
from bisenet_training.run_folder import RunFolder
from bisenet_training.saved_state import Progress, has_state, restore
from bisenet_training.teacher import Teacher
from bisenet_training.training_data import TrainingData


@dataclass(frozen=True)
class Run:
    """What a run holds from its first step to its last.

    Attributes:
        config: The configuration.
        fabric: The processes that train.
        folder: Folder of the run.
        progress: Shows the progress.
        data: The data sets.
        samples: The augmented training samples.
        learner: What learns.
        start: How far the run was when its last state was saved; the loop goes on from there.
    """

    config: TrainingConfig
    fabric: Fabric
    folder: RunFolder
    progress: TrainingProgress
    data: TrainingData
    samples: AugmentedSamples
    learner: Learner
    start: Progress


def set_up(
    config: TrainingConfig,
    fabric: Fabric,
    folder: RunFolder,
    progress: TrainingProgress,
    *,
    resume: bool,
) -> Run:
    """Sets up a run: new, or as its last state was saved.

    Args:
        config: The configuration.
        fabric: The processes that train.
        folder: Folder of the run.
        progress: Shows the progress.
        resume: Continue from the last state in the folder, if there is one.

    Raises:
        UserError: The configuration does not suit the data, the machine or the folder.
        OSError: A file of the run cannot be written.
    """
    # ---- check everything before anything is written ----
    if fabric.is_global_zero:
        _warn_of_emulation(config, fabric)
        _warn_of_warmup(config)
    data = TrainingData.open(config)
    config.loss.check_classes(len(data.label_space))
    pasted = data.label_space.ids_of(config.augmentation.pasted_classes)
    initial = _initial_network(config, data, progress)
    teacher = None
    if config.teacher is not None:
        teacher = Teacher(config.teacher, data.label_space, fabric.device)
    if fabric.is_global_zero:
        folder.begin(config, resume=resume)
    goes_on = resume and has_state(folder, fabric)

    # ---- the samples, and what learns from them ----
    data.prepare()
    class_shares = data.class_shares(fabric, folder.data)  # (classes,)
    plan = Plan(data.train, data.shares, config.max_steps * config.batch, config.seed)
    augmentation = Augmentation(config.augmentation)
    samples = AugmentedSamples(plan, augmentation, config.crop, config.seed, pasted)
    learner = Learner(config, data.label_space, class_shares, initial, teacher, fabric)
    start = Progress(step=0, best=-math.inf, seconds=0.0)
    if goes_on:
        start = restore(fabric, folder.last, learner.state)
    return Run(config, fabric, folder, progress, data, samples, learner, start)


def _warn_of_emulation(config: TrainingConfig, fabric: Fabric) -> None:
    on_cpu = fabric.device.type != 'cuda'
    emulates_bf16 = on_cpu and config.precision == 'bf16' and not cpu_has_bf16()
    if emulates_bf16:
        warn('this CPU emulates bf16, which is much slower than fp32: use precision=fp32')


def _warn_of_warmup(config: TrainingConfig) -> None:
    steps = config.schedule.warmup_steps
    if steps >= config.max_steps and config.schedule.warmup_start < 1:
        warn(
            f'the learning rate does not reach optimizer.lr: schedule.warmup_steps={steps} is not'
            f' below max_steps={config.max_steps}'
        )


def _initial_network(
    config: TrainingConfig, data: TrainingData, progress: TrainingProgress
) -> InitialNetwork:
    initial = make_network(config.network, data.label_space, config.seed, progress.say)
    if initial.normalization not in (None, config.normalization.build()):
        theirs = json.dumps(vars(initial.normalization))  # JSON is YAML, too
        progress.say(
            'the initial weights were trained with another normalization; set normalization: '
            f'{theirs}'
        )
    return initial
