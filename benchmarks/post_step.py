# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Times our upsampling and argmax on the CPU against those of PyTorch, in the same run.

    OMP_WAIT_POLICY=passive python benchmarks/post_step.py --keep-freed-memory

Candidates alternate in each round, so that other load on the machine affects all equally. CPU time
of all threads, which depends less on other load, is listed beside wall-clock time.
"""

from __future__ import annotations

import argparse
import os

import numpy as np
import torch
import torch.nn.functional as F

from bisenet_ros.benchmark.rounds import in_turn
from bisenet_ros.engine.upsample_argmax import backend, upsample_argmax, upsample_confidence
from bisenet_ros.malloc_tuning import keep_freed_memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=15)
    parser.add_argument('--keep-freed-memory', action='store_true', help='as the node does')
    arguments = parser.parse_args()
    kept = arguments.keep_freed_memory and keep_freed_memory()
    print(
        f'torch {torch.__version__}, {torch.get_num_threads()} threads, '
        f'OMP_WAIT_POLICY {os.environ.get("OMP_WAIT_POLICY", "unset")}, '
        f'freed memory {"kept" if kept else "given back"}, post step: {backend()}'
    )

    torch.manual_seed(0)
    noise = F.avg_pool2d(torch.randn(1, 19, 64, 128), 7, stride=1, padding=3)
    logits = (50 * noise).contiguous(memory_format=torch.channels_last)[0]
    contiguous = logits.contiguous()[None]
    size, scale = (1024, 2048), (16.0, 16.0)

    def interpolated() -> torch.Tensor:
        return F.interpolate(contiguous, scale_factor=16, mode='bilinear')

    for usual, ours in (
        (
            ('interpolate + argmax', lambda: interpolated().argmax(1)),
            ('upsample_argmax', lambda: upsample_argmax(logits, size, scale)),
        ),
        (
            ('interpolate + softmax maximum', lambda: interpolated().softmax(1).amax(1)),
            ('upsample_confidence', lambda: upsample_confidence(logits, size, scale)),
        ),
    ):
        times = in_turn(dict((usual, ours)), arguments.rounds, advance=lambda: None)
        first = times[usual[0]]
        print(
            f'\n{"19 classes, 128x64 to 2048x1024":32} {"wall ms":>8} {"faster":>8} {"CPU ms":>8}'
        )
        for name, taken in times.items():
            faster = first.median_ms / taken.median_ms
            cpu = np.median(taken.cpu_ms)
            print(f'{name:32} {taken.median_ms:8.2f} {faster:7.1f}x {cpu:8.2f}')


if __name__ == '__main__':
    main()
