# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet benchmark`: runs all measurements and writes the figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from rich.progress import Progress

from bisenet_ros.benchmark.baselines import Pixels, Size, exact
from bisenet_ros.benchmark.candidates import Candidates, load_candidates
from bisenet_ros.benchmark.chart import check_chart_path, write_chart
from bisenet_ros.benchmark.frame import StageTimes, image_message, process
from bisenet_ros.benchmark.machine import describe_machine
from bisenet_ros.benchmark.report import print_report
from bisenet_ros.benchmark.rounds import Times, in_turn, percentiles, rounds_in_all
from bisenet_ros.benchmark.starting import measure_start, starts_in_all
from bisenet_ros.benchmark.streaming import BISECTIONS, highest_sustained, stream
from bisenet_ros.camera_pipeline import CameraPipeline
from bisenet_ros.console import notes, progress_bar, warn
from bisenet_ros.engine.hardware import cpu_threads
from bisenet_ros.model_settings import ModelSettings
from bisenet_ros.output_files import is_standard_output, write_json
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.synthetic.drive import SyntheticDrive

RATES = (10.0, 30.0, 60.0)
"""Frames per second at which latency is measured."""

_MAX_STARTS = 5


@dataclass(frozen=True)
class Benchmark:
    """Settings of a benchmark.

    Attributes:
        model: Its `network_size` and `cpu_threads` apply to all candidates; see `load_candidates`.
        size: (width, height) of the camera frame.
        rounds: How often each candidate segments the frame.
        seconds: How long to stream at each frame rate.
    """

    model: ModelSettings
    size: Size
    rounds: int
    seconds: float


def benchmark(settings: Benchmark, *, json_file: Path | None, chart_file: Path | None) -> None:
    """Measures, prints the figures and writes them.

    Args:
        settings: What to measure.
        json_file: JSON file for the figures, `-` for standard output.
        chart_file: .svg file for a chart of them.

    Raises:
        UserError: An argument is wrong, or a file cannot be written.
    """
    if chart_file is not None:
        check_chart_path(chart_file)
    if settings.model.output_size or settings.model.ego_mask:
        warn('output_size and ego_mask are ignored: all candidates are compared on whole frames')
        settings = replace(settings, model=replace(settings.model, output_size=(), ego_mask=''))
    with cpu_threads(settings.model.cpu_threads):
        figures = measure(settings)
    if json_file is not None:
        write_json(json_file, figures)
    if chart_file is not None:
        write_chart(chart_file, figures)
    if not is_standard_output(json_file):
        print_report(figures)


def measure(settings: Benchmark) -> dict[str, Any]:
    """Returns all figures, ready for JSON.

    Raises:
        UserError: A setting is wrong, or asks for an engine or device that is not available.
    """
    machine = describe_machine()  # first, before our own work raises the load average
    with notes.status('setting up'):
        frame = SyntheticDrive(seed=0, size=settings.size, rate=10.0).frame(0)[0]
        candidates = load_candidates(settings.model)
    preferred, message = candidates.preferred, image_message(frame, 'bgr8')
    with progress_bar() as progress:
        steps = rounds_in_all(settings.rounds)
        advance = _bar(progress, 'comparing', steps)
        times, differing = _compare(settings, candidates, frame, advance)
        stages = _stages(settings, candidates, message, _bar(progress, 'stages', steps))
        unloaded_ms = stages[preferred]['total']['p50_ms']
        segmenter = candidates.segmenters[preferred]
        advance = _bar(progress, 'at fixed rates', len(RATES) + BISECTIONS)
        rates = _stream(settings, segmenter, message, unloaded_ms, advance)
        starts = min(settings.rounds, _MAX_STARTS)
        advance = _bar(progress, 'starting', starts_in_all(starts))
        start = measure_start(segmenter, starts, advance)
    reference = times[next(iter(candidates.baselines))].median_ms
    return {
        'settings': {
            **vars(segmenter.settings),
            'size': settings.size,
            'rounds': settings.rounds,
            'seconds': settings.seconds,
            'frame': 'the first of the synthetic drive',
            'network': segmenter.checkpoint.network,
            'classes': len(segmenter.label_space),
        },
        'machine': machine,
        'comparison': [
            {
                'name': name,
                'ours': name in candidates.segmenters,
                **timed.figures(),
                'times_faster': reference / timed.median_ms,
                'differing_pixels': differing[name],
            }
            for name, timed in times.items()
        ],
        'left_out': candidates.left_out,
        'stages': stages,
        'streaming': {'name': preferred, **rates},
        'start': {'name': preferred, **start},
    }


def _bar(progress: Progress, description: str, steps: int) -> Callable[[], None]:
    """Adds a bar of some steps; returns a function to advance it by one."""
    return partial(progress.advance, progress.add_task(description, total=steps))


def _compare(
    settings: Benchmark, candidates: Candidates, frame: Pixels, advance: Callable[[], None]
) -> tuple[dict[str, Times], dict[str, float]]:
    """Returns times and the fraction of pixels whose label differs from `exact`, by candidate."""
    preferred = candidates.segmenters[candidates.preferred]
    labels = exact(preferred.checkpoint, preferred.network_size)(frame)
    labellers = candidates.labellers()
    differing = {
        name: float(np.mean(labeller(frame) != labels)) for name, labeller in labellers.items()
    }
    runs = {name: partial(labeller, frame) for name, labeller in labellers.items()}
    return in_turn(runs, settings.rounds, advance), differing


def _stages(
    settings: Benchmark,
    candidates: Candidates,
    message: SimpleNamespace,
    advance: Callable[[], None],
) -> dict[str, dict[str, Any]]:
    """Returns times by engine and stage, from the camera message to the output message."""
    timed = {
        name: StageTimes(segmenter, message, _settle(segmenter))
        for name, segmenter in candidates.segmenters.items()
    }
    runs = {name: stages.run for name, stages in timed.items()}
    times = in_turn(runs, settings.rounds, advance)
    return {
        name: {
            **{stage: percentiles(ms[-settings.rounds :]) for stage, ms in stages.ms.items()},
            'total': times[name].figures(),
        }
        for name, stages in timed.items()
    }


def _settle(segmenter: Segmenter) -> Callable[[], object]:
    """Returns a function that waits for the device of the segmenter."""
    if segmenter.device == 'cpu':
        return lambda: None
    return partial(torch.cuda.synchronize, segmenter.device)


def _stream(
    settings: Benchmark,
    segmenter: Segmenter,
    message: SimpleNamespace,
    unloaded_ms: float,
    advance: Callable[[], None],
) -> dict[str, Any]:
    pipeline = CameraPipeline([''], segmenter)
    trial = partial(stream, lambda due: process(pipeline, message), seconds=settings.seconds)
    fixed = []
    for rate in RATES:
        fixed.append(trial(rate).figures())
        advance()
    best = highest_sustained(trial, unloaded_ms, advance)
    return {'fixed_rates': fixed, 'highest_sustained': best.figures()}
