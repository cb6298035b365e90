# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet replay`: evaluates a model on the frames of bags."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import TaskID
from rich.table import Table
from rich.text import Text

from bisenet_ros.bag.reader import ReplayBag
from bisenet_ros.bag.recorded_outputs import RecordedOutputs
from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.commands.model import load_segmenter
from bisenet_ros.console import print_line, print_outcome, progress_bar, warn
from bisenet_ros.errors import UserError, file_errors, printable
from bisenet_ros.formatting import percent, percentiles
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.live.events import Event
from bisenet_ros.live.graph import require_ros, run_graph
from bisenet_ros.live.processes import ProcessError
from bisenet_ros.live.sources import Source
from bisenet_ros.metrics import figures
from bisenet_ros.output_files import make_folder, write_json
from bisenet_ros.replay.many.collection import find_bags, is_collection, result_folders
from bisenet_ros.replay.many.jobs import Job, Outcome, Progress, ReplayOptions
from bisenet_ros.replay.many.merge import merge
from bisenet_ros.replay.many.ray_cluster import evaluate_on_ray
from bisenet_ros.replay.many.workers import evaluate_bags
from bisenet_ros.replay.measure.criteria import judge_figure, parse_criteria
from bisenet_ros.replay.measure.figures import figures_of_run, names_of_run
from bisenet_ros.replay.measure.run import check_output, replay
from bisenet_ros.replay.report.collection_page import write_collection_page
from bisenet_ros.settings import Settings

if TYPE_CHECKING:  # Rerun is optional
    from bisenet_ros.rerun_view import RerunView, ViewTarget

MIN_RATE = 0.001
"""Smallest `--rate`."""


def replay_bags(
    paths: Sequence[Path],
    output: Path,
    settings: Settings,
    *,
    image_topic: str | None,
    labels_topic: str | None,
    labels_folder: Path | None,
    rate: float | None,
    live: bool,
    workers: int | None,
    ray: str | None,
    with_input: bool,
    video: bool,
    view: ViewTarget | None,
    fail_under: Sequence[str],
) -> bool:
    """Evaluates one bag into a folder, or several bags into a subfolder each; prints the figures.

    Args:
        paths: Rosbag2 folders, .mcap, .db3 and ROS 1 .bag files, and folders of them.
        output: The folder for the results; files of an earlier replay are replaced.
        settings: Settings of the node; work is spread over all GPUs unless `device` names one.
        image_topic: Evaluate this camera of each bag only; None for all cameras.
        labels_topic: Topic of the ground truth; None for `ground_truth/labels` if it exists.
        labels_folder: Ground truth in files, instead of a topic; for one bag only.
        rate: None to evaluate every frame. A number simulates arrival at that multiple of the
            recorded speed and leaves out the frames that the node would have dropped.
        live: Play the bag to a node on ROS 2, at `rate` or at the recorded speed; for one bag only.
        workers: Number of bags to evaluate at the same time; None chooses by cores and GPUs.
        ray: The address of a Ray cluster; None for this machine.
        with_input: Also write the images of the bag to output.mcap.
        video: Also write an overlay video for each camera.
        view: Also show the frames in Rerun; None for no view; for one bag only.
        fail_under: Criteria on the figures of all frames, as `parse_criteria` takes them.

    Returns:
        Whether all criteria are met.

    Raises:
        UserError: The model cannot be used, or a bag could not be evaluated in full (raised after
            the rest was written and judged).
    """
    for path in paths:
        if path.suffix in ('.yaml', '.yml') and not path.is_dir():
            raise UserError(
                f'{path} is not a bag; for a scenario use: bisenet check {path} -o {output}'
            )
    if rate is not None and not MIN_RATE <= rate < math.inf:
        raise UserError(f'--rate must be a number of {MIN_RATE} or more, not {rate}')
    if labels_folder is not None and labels_topic is not None:
        raise UserError('--labels and --labels-topic both say where the truth is: give one of them')
    single = ray is None and len(paths) == 1 and not is_collection(paths[0])
    if workers is not None and workers < 1:
        raise UserError(f'--workers must be 1 or more, not {workers}')
    if workers is not None and single:
        raise UserError('--workers is for several bags; one bag is evaluated by one process')
    label_space = Checkpoint.load(settings.weights).label_space
    criteria = parse_criteria(fail_under, names_of_run(label_space.names))
    options = ReplayOptions(
        settings,
        image_topic=image_topic,
        labels_topic=labels_topic,
        rate=rate,
        camera_images=with_input,
        video=video,
    )
    if single:
        metrics, problem = _replay_one(paths[0], output, options, labels_folder, live, view)
    elif live:
        raise UserError('--live takes one bag: run bisenet replay once for each bag')
    elif view is not None:
        raise UserError('--view and --view-file take one bag: run bisenet replay once for each bag')
    elif labels_folder is not None:
        raise UserError('--labels takes one bag: run bisenet replay once for each bag')
    else:
        metrics, problem = _replay_many(paths, output, options, workers, ray, label_space)
    console = Console(highlight=False)
    _print_figures(console, metrics, output)
    judgements = [judge_figure(criterion, figures_of_run(metrics)) for criterion in criteria]
    for judgement in judgements:
        print_outcome(console, judgement.passed, judgement.sentence)
    if problem:
        raise UserError(f'the results are partial: {problem}')
    return all(judgement.passed for judgement in judgements)


def _replay_one(
    path: Path,
    output: Path,
    options: ReplayOptions,
    labels_folder: Path | None,
    live: bool,
    view: ViewTarget | None,
) -> tuple[Mapping[str, Any], str]:
    """Evaluates a bag in this process; returns the figures, and its problems in one line."""
    if live:
        require_ros(output)
    if view is not None:
        view.check()
    bag = ReplayBag(path, options.image_topic, options.labels_topic, labels_folder)
    for note in bag.notes:
        warn(note)
    segmenter = load_segmenter(options.settings)
    make_folder(output)
    rate = 1.0 if live and options.rate is None else options.rate
    try:
        with file_errors(output), progress_bar() as progress, ExitStack() as stack:
            recorded: RecordedOutputs | None = None
            if live:
                check_output(bag, output)
                folder = Path(stack.enter_context(TemporaryDirectory(prefix='.live.', dir=output)))
                task = progress.add_task('playing', total=bag.frame_count)
                _play(path, folder, output / 'log', options, partial(progress.advance, task))
                recorded = stack.enter_context(RecordedOutputs(folder, segmenter.label_space))
            shown: RerunView | None = None
            if view is not None:
                from bisenet_ros.rerun_view import RerunView

                label_space, settings = segmenter.label_space, options.settings
                shown = stack.enter_context(
                    RerunView(view, printable(str(path)), label_space, bag.cameras, settings)
                )
            verb = 'measuring' if live else 'replaying'
            task = progress.add_task(verb, total=bag.frame_count)
            result = replay(
                bag,
                segmenter,
                options.settings,
                output,
                partial(progress.advance, task),
                rate=rate,
                recorded=recorded,
                camera_images=options.camera_images,
                video=options.video,
                view=shown,
            )
    except ProcessError as error:
        raise UserError(str(error)) from error
    for note in result.metrics['notes']:
        if note not in bag.notes:  # these were shown at the beginning
            warn(note)
    return result.metrics, '; '.join(result.problems)


def _play(
    path: Path, folder: Path, logs: Path, options: ReplayOptions, advance: Callable[[], None]
) -> None:
    """Plays a bag to a node, and records its outputs in a folder.

    Raises:
        UserError: The bag or a setting cannot be used, or ROS 2 is not installed.
        ProcessError: A process failed.
    """
    make_folder(logs)

    def on_event(event: Event) -> None:
        if event['event'] == 'published':
            advance()

    problem = run_graph(
        Source(path, options.image_topic, options.labels_topic),
        options.settings,
        folder,
        logs,
        rate=options.rate or 1.0,
        on_event=on_event,
    )
    if problem:
        warn(problem)


def _replay_many(
    paths: Sequence[Path],
    output: Path,
    options: ReplayOptions,
    workers: int | None,
    ray: str | None,
    label_space: LabelSpace,
) -> tuple[Mapping[str, Any], str]:
    """Evaluates bags in processes; returns the overall figures, and the problems in one line."""
    bags = find_bags(paths, apart_from=output)
    make_folder(output, without=['metrics.json', 'report.html'])
    folders = result_folders(bags)
    jobs = [Job(bag, output / folder) for bag, folder in zip(bags, folders, strict=True)]
    running: Generator[Progress | Outcome]
    if ray is None:
        running = evaluate_bags(jobs, options, workers)
    else:
        running = evaluate_on_ray(jobs, options, ray, workers)
    with closing(running) as events:
        found = _outcomes(jobs, events)
    outcomes = [found[job] for job in jobs]
    metrics = merge(outcomes, label_space)
    write_json(output / 'metrics.json', metrics)
    with file_errors(output):
        write_collection_page(output / 'report.html', metrics, label_space)
    failed = [outcome for outcome in outcomes if outcome.problems]
    if not failed:
        return metrics, ''
    first = failed[0].named_problems[0]
    return metrics, f'{len(failed)} of {len(jobs)} bags had problems; first: {first}'


def _outcomes(jobs: Sequence[Job], events: Iterable[Progress | Outcome]) -> dict[Job, Outcome]:
    """Returns the outcomes; shows a bar of progress per bag, and a line for each problem."""
    outcomes: dict[Job, Outcome] = {}
    bars: dict[Job, TaskID] = {}
    with progress_bar() as progress:
        bags = progress.add_task('bags', total=len(jobs))
        for event in events:
            job = event.job
            if isinstance(event, Progress):
                if job not in bars:
                    bars[job] = progress.add_task(job.output.name, total=event.total)
                progress.update(bars[job], completed=event.frames)
                continue
            outcomes[job] = event
            if job in bars:
                progress.remove_task(bars[job])
            progress.advance(bags)
            for sentence in (*event.named_notes, *event.named_problems):
                warn(sentence)
    return outcomes


def _print_figures(console: Console, metrics: Mapping[str, Any], output: Path) -> None:
    """Prints the main figures and the path of the report."""
    table = Table.grid(padding=(0, 2))
    for name, value in _rows(metrics):
        table.add_row(Text(name, 'bold'), Text(value))
    console.print(table)
    report = printable(str(output / 'report.html'))
    print_line(console, f'report: {report}')


def _rows(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ('cameras', ', '.join(camera['image_topic'] for camera in metrics['cameras'])),
        ('frames', f'{metrics["evaluated_frames"]} of {metrics["read_frames"]}'),
    ]
    if metrics['rate'] is not None:
        rows.append(('dropped frames', str(metrics['dropped_frames'])))
    known = figures(truth=True)
    if (accuracy := metrics['accuracy']) is not None:
        rows += [
            ('with truth', str(accuracy['frames'])),
            *(
                (known[name].title, percent(accuracy[name]))
                for name in ('miou', 'drivable_iou', 'false_drivable_rate')
            ),
        ]
    if metrics['evaluated_frames']:
        latency = metrics['latency_ms']['total']
        rows += [
            ('drivable area, mean', percent(metrics['drivable_fraction']['mean'])),
            ('confidence, mean', percent(metrics['confidence']['mean'])),
            ('flicker', percent(metrics['flicker'])),
            ('latency p50 / p95 / p99', percentiles(latency)),
        ]
    if metrics['age_ms'] is not None:
        rows.append(('age p50 / p95 / p99', percentiles(metrics['age_ms'])))
    return rows
