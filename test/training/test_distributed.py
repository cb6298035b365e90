# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two processes learn together what one would learn from the whole batch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_datasets import make_cityscapes_tree
from small_trainings import losses, small_config, write_config
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros.errors import UserError
from bisenet_ros.label_space import CITYSCAPES
from bisenet_training.distributed import launch
from bisenet_training.loop import fit
from bisenet_training.run_folder import read_rows

OVERRIDES = [
    'max_steps=2',
    'evaluate_every=2',
    'batch=8',
    'accumulate=2',
    'optimizer={kind: sgd, lr: 0.001, weight_decay: 0.0005}',
    'loss={hard_from: 0.5, class_weights: enet}',
]
# In double precision, for within a network roundings of single precision grow to a thousandth.
GRADIENTS = """
import sys
import torch
from torch import distributed
from bisenet_ros.network import BiSeNetV2
from bisenet_training.losses import LossSettings, SegmentationLoss
from bisenet_training.synchronized import SynchronizedBatchNorm, synchronize

torch.manual_seed(0)
network = synchronize(BiSeNetV2(5, boosters=True).double())  # with nobody yet
loss = SegmentationLoss(LossSettings(), 5)
images, labels = torch.randn(4, 3, 64, 64).double(), torch.randint(0, 5, (4, 64, 64))

def gradients(network, images, labels):
    torch.manual_seed(1)
    network.zero_grad()
    value = loss(network.coarse_heads(images), labels)
    value.backward()
    return value.detach(), [p.grad.clone() for p in network.parameters()]

alone, expected = gradients(network, images, labels)
statistics = [buffer.clone() for buffer in network.buffers()]
distributed.init_process_group('gloo')
rank, count = distributed.get_rank(), distributed.get_world_size()
torch.manual_seed(0)
shared = synchronize(BiSeNetV2(5, boosters=True).double())
assert any(isinstance(module, SynchronizedBatchNorm) for module in shared.modules())
mine = slice(rank * 4 // count, (rank + 1) * 4 // count)
value, found = gradients(shared, images[mine], labels[mine])
torch.testing.assert_close(value, alone)
for ours, theirs in zip(found, expected, strict=True):
    distributed.all_reduce(ours)
    torch.testing.assert_close(ours / count, theirs, rtol=1e-6, atol=1e-9)
for ours, theirs in zip(shared.buffers(), statistics, strict=True):
    torch.testing.assert_close(ours, theirs)
distributed.destroy_process_group()
"""


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run something in two processes on this machine."""
    launcher = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2']
    return subprocess.run(
        [sys.executable, *launcher, *arguments], capture_output=True, text=True, timeout=240
    )


@pytest.mark.slow
def test_gradients_and_statistics_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    script = tmp_path / 'gradients.py'
    script.write_text(GRADIENTS)
    result = torchrun(str(script))
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(tmp_path: Path) -> None:
    data = make_cityscapes_tree(tmp_path / 'city', train=6, val=3)
    config = write_config(tmp_path / 'small.yaml', data)
    teacher = save_tiny_checkpoint(tmp_path / 'teacher.safetensors', CITYSCAPES, seed=1)
    overrides = [*OVERRIDES, f'teacher={{weights: {teacher}, features_weight: 1}}']
    result = torchrun(
        *('-m', 'bisenet_ros.cli', 'train', str(config), *overrides, '-o', str(tmp_path / 'two'))
    )
    assert result.returncode == 0, result.stderr
    fit(small_config(tmp_path, data, overrides), tmp_path / 'one', resume=False)
    alone, together = losses(tmp_path / 'one'), losses(tmp_path / 'two')
    # The first is that of the same weights: the same images, statistics, dropout and loss.
    assert together[1] == pytest.approx(alone[1], rel=1e-6)
    assert together == pytest.approx(alone, rel=2e-2)
    # One confusion matrix of all frames, whoever has segmented them.
    (row,) = read_rows(tmp_path / 'two' / 'evaluations.csv')
    assert row['step'] == '2'
    assert (tmp_path / 'two' / 'weights.safetensors').is_file()
    # One of the processes talks.
    assert result.stderr.count('step 2: loss') == 1


def test_a_gpu_is_there_when_it_is_asked_for() -> None:
    if torch.cuda.is_available():
        pytest.skip('needs a machine without an NVIDIA GPU')
    with pytest.raises(UserError, match='torch finds no GPU: use device=cpu'):
        launch('cuda', 'bf16')
