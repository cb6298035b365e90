# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Times a frame on each engine, alone and beside processes that keep the CPU busy.

    python -m benchmarks.busy

Beside one spinning process per core, a fair share is half of the cores, so twice the time is
expected. Alone and busy alternate, so that other load on the machine affects both equally.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from bisenet_ros.errors import UserError
from bisenet_ros.model_settings import ModelSettings
from bisenet_ros.process_tuning import prepare_process

SPIN = 'while True: pass'


@contextmanager
def spinning(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Resumes stopped processes within the block."""
    for process in processes:
        process.send_signal(signal.SIGCONT)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGSTOP)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=10)
    parser.add_argument('--frames', type=int, default=5, help='in each round, alone and busy')
    parser.add_argument('--size', type=int, nargs=2, default=(2048, 1024))
    parser.add_argument('--cpu-threads', type=int, default=0, help='as of the node')
    parser.add_argument('--network-size', type=int, nargs=2, default=(1024, 512))
    arguments = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    # Before `prepare_process`: children inherit its short slices, which other programs do not have.
    spinners = [subprocess.Popen([sys.executable, '-c', SPIN]) for _ in range(cores)]
    try:
        prepare_process()
        # These modules import torch, whose threads are configured by now.
        from bisenet_ros.benchmark.candidates import load_exactly
        from bisenet_ros.engine.registry import candidates
        from bisenet_ros.synthetic.drive import SyntheticDrive

        frame = SyntheticDrive(seed=0, size=tuple(arguments.size), rate=10.0).frame(0)[0]
        with spinning(spinners):
            pass  # all are stopped from here on
        print(f'{"":24} {"alone":>9} {"beside 1":>9} {f"beside {cores}":>9}  ms, medians')
        for engine in candidates('cpu'):
            for precision in ('fp32', 'bf16'):
                settings = ModelSettings(
                    device='cpu',
                    engine=engine,
                    precision=precision,
                    cpu_threads=arguments.cpu_threads,
                    network_size=tuple(arguments.network_size),
                )
                try:
                    segmenter = load_exactly(settings)
                except UserError as error:
                    print(f'{engine}, {precision}: {error}')
                    continue
                ms: dict[int, list[float]] = {0: [], 1: [], cores: []}
                for _ in range(arguments.rounds):
                    for busy, times in ms.items():
                        with spinning(spinners[:busy]):
                            for _ in range(arguments.frames):
                                start = time.perf_counter()
                                segmenter(frame).drivable  # noqa: B018
                                times.append(1e3 * (time.perf_counter() - start))
                alone, *beside = (float(np.median(times)) for times in ms.values())
                shown = ' '.join(f'{each / alone:7.2f} x' for each in beside)
                print(f'{engine + ", " + segmenter.precision:24} {alone:9.1f} {shown}')
    finally:
        for process in spinners:
            process.kill()
            process.wait()


if __name__ == '__main__':
    main()
