# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet replay`: what a model does with the frames of a bag, in figures and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bisenet_ros.bag.reader import ReplayBag
from bisenet_ros.bag.recorded_outputs import RecordedOutputs
from bisenet_ros.console import make_folder, progress_bar
from bisenet_ros.errors import UserError
from bisenet_ros.live.graph import run_graph
from bisenet_ros.live.processes import ProcessError
from bisenet_ros.live.sources import Source
from bisenet_ros.replay.measure.extras import Extras
from bisenet_ros.replay.measure.run import replay
from bisenet_ros.segmenter import Segmenter


def replay_bag(
    path: Path,
    output: Path,
    *,
    image_topic: str | None,
    labels_topic: str | None,
    labels_folder: Path | None,
    rate: float | None,
    live: bool,
    weights: str,
    device: str,
    precision: str,
    extras: Extras,
) -> None:
    """Evaluate a bag into a folder and print the figures that matter most.

    Args:
        path: A rosbag2 folder, an .mcap or .db3 file, or a ROS 1 .bag file.
        output: The folder for the results; files of an earlier replay are replaced.
        image_topic: The only camera to take; None for all.
        labels_topic: The truth of the only camera; None for `ground_truth/labels` if it is there.
        labels_folder: That truth in files, instead of a topic.
        rate: None for every frame; else frames arrive so many times as fast as they were recorded,
            and those are evaluated that the node would have taken.
        live: Whether a node really takes them, on ROS 2; without a rate as fast as they were
            recorded.
        weights: Name of shipped weights, or a path.
        device: What `Segmenter.load` takes.
        precision: What `Segmenter.load` takes.
        extras: What is written beside the usual files.

    Raises:
        UserError: The bag cannot be evaluated, or not all of it could; what could is written then.
    """
    bag = ReplayBag(path, image_topic, labels_topic, labels_folder)
    segmenter = Segmenter.load(weights, device=device, precision=precision)
    make_folder(output)
    frame_count = sum(camera.frame_count for camera in bag.cameras)
    try:
        with progress_bar() as progress, ExitStack() as stack:
            recorded: RecordedOutputs | None = None
            if live:
                rate = 1.0 if rate is None else rate
                folder = Path(stack.enter_context(TemporaryDirectory(prefix='.live.', dir=output)))
                logs = output / 'log'
                make_folder(logs)
                task = progress.add_task('playing', total=frame_count)
                run_graph(
                    Source(path, image_topic, labels_topic),
                    {'weights': weights, 'device': device, 'precision': precision},
                    folder,
                    logs,
                    rate=rate,
                    hear=lambda event: progress.advance(task, event['event'] == 'published'),
                )
                outputs = RecordedOutputs(folder, segmenter.label_space)
                recorded = stack.enter_context(outputs)
            task = progress.add_task('measuring' if live else 'replaying', total=frame_count)
            advance = partial(progress.advance, task)
            result = replay(
                bag,
                segmenter,
                weights,
                output,
                advance,
                rate=rate,
                recorded=recorded,
                extras=extras,
            )
    except OSError as error:
        raise UserError(f'{output}: {error.strerror or error}') from error
    except ProcessError as error:
        raise UserError(str(error)) from error
    print_figures(result.metrics, output)
    if result.problems:
        raise UserError(f'the results are partial: {"; ".join(result.problems)}')


def print_figures(metrics: Mapping[str, Any], output: Path) -> None:
    """Show the figures that matter most, and where the rest is."""
    console = Console(highlight=False)
    table = Table.grid(padding=(0, 2))
    for name, value in _rows(metrics):
        table.add_row(Text(name, 'bold'), Text(value))
    console.print(table)
    console.print(f'report: {output / "report.html"}', markup=False, soft_wrap=True)


def _rows(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ('cameras', ', '.join(camera['image_topic'] for camera in metrics['cameras'])),
        ('frames', f'{metrics["evaluated_frames"]} of {metrics["read_frames"]}'),
    ]
    if metrics['rate'] is not None:
        rows.append(('dropped for newer ones', str(metrics['dropped_frames'])))
    if (accuracy := metrics['accuracy']) is not None:
        rows += [
            ('with truth', str(accuracy['frames'])),
            ('mIoU', _percent(accuracy['miou'])),
            ('drivable IoU', _percent(accuracy['drivable_iou'])),
            ('false drivable', _percent(accuracy['false_drivable_rate'])),
        ]
    if metrics['evaluated_frames']:
        latency = metrics['latency_ms']['total']
        rows += [
            ('drivable area, mean', _percent(metrics['drivable_fraction']['mean'])),
            ('confidence, mean', _percent(metrics['confidence']['mean'])),
            ('flicker', _percent(metrics['flicker'])),
            ('latency p50 / p95 / p99', _percentiles(latency)),
        ]
    if metrics['age_ms'] is not None:
        rows.append(('age p50 / p95 / p99', _percentiles(metrics['age_ms'])))
    return rows


def _percentiles(milliseconds: Mapping[str, float]) -> str:
    return ' / '.join(f'{milliseconds[p]:.0f}' for p in ('p50', 'p95', 'p99')) + ' ms'


def _percent(share: float | None) -> str:
    return '–' if share is None else f'{100 * share:.2f} %'
