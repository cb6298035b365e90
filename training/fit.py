# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A training from its configuration to the weights that it is for.

fit(load_config('bisenetv2_camvid'), Path('runs/camvid'), resume=False)
"""

from __future__ import annotations

import logging
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from signal import Signals
from typing import Any, Literal

import torch
from torch.utils.data import DataLoader

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.console import make_folder, progress_bar, write_json
from bisenet_ros.errors import UserError
from bisenet_training.augment import Augmentation
from bisenet_training.bookkeeping import Bookkeeping
from bisenet_training.config import TrainingConfig
from bisenet_training.data import (
    Plan,
    Shard,
    StepBatches,
    View,
    Views,
    make_loader,
    suitable_workers,
)
from bisenet_training.datasets import Dataset
from bisenet_training.evaluation import EvaluatedFrame, EvaluationResult, evaluate
from bisenet_training.evaluation.report import write_report
from bisenet_training.evaluation.worst_frames import SHOWN, WorstFrames
from bisenet_training.extra import (
    DDPStrategy,
    LightningEnvironment,
    TorchElasticEnvironment,
    Trainer,
)
from bisenet_training.initial_network import make_network
from bisenet_training.interruption import Interruption
from bisenet_training.module import SegmentationModule
from bisenet_training.processes import Processes, join_processes
from bisenet_training.progress import TrainingProgress
from bisenet_training.run_folder import RunFolder, versions
from bisenet_training.training_data import TrainingData
from bisenet_training.validation import make_segmenter

_PRECISIONS: dict[str, Literal['32-true', 'bf16-mixed', '16-mixed']] = {
    'fp32': '32-true',
    'bf16': 'bf16-mixed',
    'fp16': '16-mixed',
}


def fit(config: TrainingConfig, output: Path, *, resume: bool) -> Signals | None:
    """Train, and write the weights.

    Args:
        config: Everything that decides what is learned.
        output: Folder of the run.
        resume: Go on from the last state in the folder, if there is one.

    Returns:
        The signal that ended it before its time; None where it came to its end.

    Raises:
        UserError: The configuration cannot be trained with these data, on this machine or in this
            folder, or the loss became no number.
    """
    processes = join_processes(config.device)
    shard = Shard(config.batch, config.accumulate, processes.rank, processes.count)
    if config.precision == 'fp16' and processes.device.type == 'cpu':
        raise UserError('precision fp16 needs a GPU: write precision=bf16')
    folder = RunFolder(output)
    data = TrainingData.open(config)
    config.loss.check_classes(len(data.label_space))
    progress = TrainingProgress(config.max_steps, config.batch, visible=processes.is_first)
    initial = make_network(config.network, data.label_space, config.seed, progress.say)
    if processes.is_first:
        folder.begin(config, resume=resume)
    state = _state(folder, processes) if resume else None
    shares = data.class_shares(processes, folder.data)
    plan = Plan(data.train, data.shares, config.max_steps * config.batch, config.seed)
    views = Views(plan, Augmentation(config.augmentation), config.crop, config.seed)

    def load_from(step: int) -> DataLoader[View]:
        workers = config.workers
        if workers is None:
            workers = suitable_workers(processes.local_count)
        batches = StepBatches(shard, step, config.max_steps)
        on_gpu = processes.device.type == 'cuda'
        loader: DataLoader[View] = make_loader(views, batches, workers, pin_memory=on_gpu)
        return loader

    module = SegmentationModule(config, initial, data.label_space, shares, load_from)
    with Interruption() as interruption, warnings.catch_warnings():
        bookkeeping = Bookkeeping(
            config, folder, plan, data.validation, processes, interruption, progress
        )
        trainer = _trainer(config, processes, bookkeeping)
        trainer.fit(module, ckpt_path=state, weights_only=True)
    stopped_by: Signals | None = bookkeeping.stopped_by
    if stopped_by is not None:
        progress.say('stopped: the same command with --resume goes on')
    elif processes.is_first:
        _export(folder, module, data, processes.device)
        progress.say(f'weights: {folder.weights}')
    return stopped_by


def _state(folder: RunFolder, processes: Processes) -> Path | None:
    """What to go on from; None where nothing has been saved yet.

    Raises:
        UserError: It is damaged, or not all processes find it.
    """
    is_there = folder.last.is_file()
    found = int(processes.add_up(torch.tensor(int(is_there))))
    if found not in (0, processes.count):
        raise UserError(
            f'{folder.last} is there for {found} of {processes.count} processes: '
            'the folder of the run has to be one that all machines see'
        )
    # As torch writes it. The directory is at its end, so that none is there where it breaks off.
    if is_there and not zipfile.is_zipfile(folder.last):
        raise UserError(f'{folder.last} is damaged: remove it to begin anew')
    return folder.last if is_there else None


def _trainer(config: TrainingConfig, processes: Processes, bookkeeping: Bookkeeping) -> Trainer:
    # Lightning's advice is about what was decided here, and about loops that are not used.
    logging.getLogger('lightning.pytorch').setLevel(logging.WARNING)
    warnings.filterwarnings('ignore', module='lightning')
    on_gpu = processes.device.type == 'cuda'
    alone = processes.count == 1
    # What is the same everywhere, batch statistics and all, need not be sent around.
    distributed = DDPStrategy(
        process_group_backend='nccl' if on_gpu else 'gloo',
        broadcast_buffers=False,
        gradient_as_bucket_view=True,
    )
    return Trainer(
        accelerator='gpu' if on_gpu else 'cpu',
        devices=processes.local_count,
        num_nodes=processes.count // processes.local_count,
        strategy='auto' if alone else distributed,
        plugins=LightningEnvironment() if alone else TorchElasticEnvironment(),
        precision=_PRECISIONS[config.precision],
        max_steps=config.max_steps,
        max_epochs=-1,
        min_epochs=0,
        accumulate_grad_batches=config.accumulate,
        limit_val_batches=0,
        use_distributed_sampler=False,
        benchmark=True,
        callbacks=[bookkeeping],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _export(
    folder: RunFolder, module: SegmentationModule, data: TrainingData, device: torch.device
) -> None:
    """Write the best weights, or the last where there is no measure, and what they can do."""
    state = torch.load(
        folder.last if data.validation is None else folder.best,
        map_location='cpu',
        weights_only=True,
    )
    module.load_state_dict(state['state_dict'])
    checkpoint = module.checkpoint(
        {
            'data': [dataset.description for dataset in data.train],
            'steps': state['global_step'],
            'config': module.config.model_dump(mode='json', exclude={'data', 'device', 'workers'}),
            'versions': versions(),
        }
    )
    partial = folder.weights.with_suffix('.partial')
    checkpoint.save(partial)
    if data.validation is not None:
        # Of what the file gives back, for the file is what will be used.
        figures = _report(folder, Checkpoint.load(partial), device, data.validation)
        names = ('miou', 'drivable_iou', 'pixel_accuracy', 'iou')
        accuracy = {data.validation.description: {name: figures[name] for name in names}}
        replace(checkpoint, accuracy=accuracy).save(partial)
    partial.replace(folder.weights)


def _report(
    folder: RunFolder, checkpoint: Checkpoint, device: torch.device, dataset: Dataset
) -> dict[str, Any]:
    """Evaluate the exported weights, write tables and pictures, and return the figures."""
    segmenter = make_segmenter(checkpoint, device)
    worst = WorstFrames(SHOWN)
    with progress_bar() as bar:
        task = bar.add_task(f'evaluating on {dataset.description}', total=len(dataset))

        def count(frame: EvaluatedFrame) -> None:
            worst.offer(frame)
            bar.advance(task)

        result: EvaluationResult = evaluate(segmenter, dataset, count)
    facts = {
        'weights': str(folder.weights),
        'network': checkpoint.network,
        'network size': 'x'.join(map(str, segmenter.network_size)),
        'steps': checkpoint.provenance['steps'],
    }
    make_folder(folder.report)
    write_report(folder.report, dataset.description, facts, result, worst.frames())
    figures: dict[str, Any] = result.figures()
    write_json(folder.report / 'figures.json', {**facts, **figures})
    return figures
