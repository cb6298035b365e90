# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The Segmenter on the CPU against what implementations of BiSeNet usually do, in the same run.

    OMP_WAIT_POLICY=passive python benchmarks/segmenter.py --keep-freed-memory

Rounds are interleaved, so that whatever else the machine does hits all alike. Besides the wall
clock, the time that all threads spent on CPUs is given, which a busy machine changes less.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from bisenet_ros.checkpoint import DEFAULT_WEIGHTS, Checkpoint
from bisenet_ros.engine.upsample_argmax import backend, upsample_argmax, upsample_confidence
from bisenet_ros.process import keep_freed_memory
from bisenet_ros.segmenter import Options, Segmenter


def compare(title: str, rounds: int, candidates: Mapping[str, Callable[[], object]]) -> None:
    """Time callables in turn and print their medians, as multiples of the first one's, too."""
    wall: dict[str, list[float]] = {name: [] for name in candidates}
    cpu: dict[str, list[float]] = {name: [] for name in candidates}
    for run in candidates.values():
        run()
    for _ in range(rounds):
        for name, run in candidates.items():
            wall_start, cpu_start = time.perf_counter(), time.process_time()
            run()
            wall[name].append(time.perf_counter() - wall_start)
            cpu[name].append(time.process_time() - cpu_start)
    print(f'\n{title:44} {"wall ms":>8} {"faster":>7} {"CPU ms":>8} {"faster":>7}')
    first = next(iter(candidates))
    for name in candidates:
        line = f'{name:44}'
        for times in (wall, cpu):
            median = np.median(times[name])
            line += f' {1000 * median:8.2f} {np.median(times[first]) / median:6.1f}x'
        print(line)


def usual_pipeline(
    checkpoint: Checkpoint, size: tuple[int, int], frame: npt.NDArray[np.uint8]
) -> Callable[[], object]:
    """Eager float32, batch norms as they are; labels at network size, enlarged to the frame."""
    network = checkpoint.build()
    mean = torch.tensor(checkpoint.normalization.mean)[:, None, None]
    std = torch.tensor(checkpoint.normalization.std)[:, None, None]

    @torch.inference_mode()
    def run() -> object:
        rgb = cv2.resize(frame, size)[..., ::-1].transpose(2, 0, 1).astype(np.float32)
        shown = torch.from_numpy(rgb).div(255).sub(mean).div(std)[None]
        labels = network(shown).argmax(1)[0].numpy().astype(np.uint8)
        return cv2.resize(labels, frame.shape[1::-1], interpolation=cv2.INTER_NEAREST)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--weights', default=DEFAULT_WEIGHTS)
    parser.add_argument('--frame', type=int, nargs=2, default=(2048, 1024), metavar=('W', 'H'))
    parser.add_argument('--network', type=int, nargs=2, default=(1024, 512), metavar=('W', 'H'))
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
    contiguous = logits.contiguous()
    size, scale = (1024, 2048), (16.0, 16.0)
    compare(
        'post step: 19 classes, 128x64 to 2048x1024',
        arguments.rounds,
        {
            'interpolate + argmax': lambda: F.interpolate(
                contiguous[None], scale_factor=16, mode='bilinear'
            ).argmax(1),
            'upsample_argmax': lambda: upsample_argmax(logits, size, scale),
            'interpolate + softmax maximum': lambda: (
                F.interpolate(contiguous[None], scale_factor=16, mode='bilinear').softmax(1).amax(1)
            ),
            'upsample_confidence': lambda: upsample_confidence(logits, size, scale),
        },
    )

    checkpoint = Checkpoint.load(arguments.weights)
    network_size = (arguments.network[0], arguments.network[1])
    patches = np.random.default_rng(0).integers(0, 256, (16, 32, 3), np.uint8)
    frame = np.asarray(cv2.resize(patches, arguments.frame), np.uint8)

    def segmenter(precision: str) -> Callable[[], object]:
        ready = Segmenter(
            checkpoint,
            device='cpu',
            precision=precision,
            network_size=network_size,
            options=Options(),
        )
        return lambda: ready(frame).labels

    compare(
        'frame {}x{}, network {}x{}'.format(*arguments.frame, *network_size),
        arguments.rounds,
        {
            'eager float32, usual pipeline': usual_pipeline(checkpoint, network_size, frame),
            'Segmenter, fp32': segmenter('fp32'),
            'Segmenter, bf16': segmenter('bf16'),
        },
    )


if __name__ == '__main__':
    main()
