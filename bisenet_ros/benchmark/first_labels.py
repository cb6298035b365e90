# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
r"""Loads a model and segments one frame in a new process; prints the time of each step as JSON.

    python -m bisenet_ros.benchmark.first_labels \
        WEIGHTS DEVICE PRECISION ENGINE THREADS WIDTH HEIGHT

Times are `time.monotonic()`, which all processes of a machine share. Imports are part of what is
measured, so this module imports nothing at the top.
"""

from __future__ import annotations

import json
import sys
import time

started = time.monotonic()


def peak_memory() -> int:
    """Returns the peak resident memory of this process, bytes.

    `ru_maxrss` would count the memory of the process that started this one.
    """
    with open('/proc/self/status', encoding='utf-8') as status:
        return 1024 * next(int(line.split()[1]) for line in status if line.startswith('VmHWM:'))


def main() -> None:
    """Imports, loads and segments one frame; then loads again, to measure a reload."""
    weights, device, precision, engine, threads, width, height = sys.argv[1:]
    from bisenet_ros.process_tuning import prepare_process

    prepare_process()
    from bisenet_ros.segmenter import Segmenter

    imported = time.monotonic()
    size = int(width), int(height)

    def load() -> Segmenter:
        return Segmenter.load(
            weights,
            device=device,
            precision=precision,
            engine=engine,
            cpu_threads=int(threads),
            network_size=size,
        )

    segmenter = load()
    loaded = time.monotonic()
    import numpy as np

    frame = np.zeros((size[1], size[0], 3), np.uint8)
    _ = segmenter(frame).drivable
    labelled = time.monotonic()

    import torch

    memory = {'host': peak_memory()}
    if segmenter.device != 'cpu':
        memory['gpu'] = torch.cuda.max_memory_reserved(segmenter.device)
    again = time.monotonic()
    _ = load()(frame).drivable
    report = {
        'started': started,
        'imported': imported,
        'loaded': loaded,
        'labelled': labelled,
        'warm_seconds': time.monotonic() - again,
        'memory_bytes': memory,
    }
    print(json.dumps(report))


if __name__ == '__main__':
    main()
