# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet replay` of many bags: each evaluated by itself, all counted together."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from pathlib import Path

from rich.progress import TaskID

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.commands.replay import print_figures, replay_bag
from bisenet_ros.console import make_folder, progress_bar, warn, write_json
from bisenet_ros.errors import UserError
from bisenet_ros.replay.many.collection import find_bags, is_collection, result_folders
from bisenet_ros.replay.many.jobs import Job, Outcome, Progress, Settings
from bisenet_ros.replay.many.merge import merge
from bisenet_ros.replay.many.ray_cluster import evaluate_on_ray
from bisenet_ros.replay.many.workers import cores, default_workers, evaluate_bags
from bisenet_ros.replay.measure.extras import Extras
from bisenet_ros.replay.report.collection_page import write_collection_page


def replay_paths(
    paths: Sequence[Path],
    output: Path,
    *,
    workers: int | None,
    ray: str | None,
    image_topic: str | None,
    labels_topic: str | None,
    labels_folder: Path | None,
    rate: float | None,
    live: bool,
    weights: str,
    device: str,
    precision: str,
    with_input: bool,
    video: bool,
) -> None:
    """Evaluate a bag into a folder, or several into a subfolder each, and print the figures.

    Args:
        paths: Bags as `replay_bag` takes them, and folders of bags.
        output: The folder for the results; files of an earlier replay are replaced.
        workers: Processes that evaluate bags at the same time; None for what suits the machine.
        ray: The address of a Ray cluster to do it on; None for this machine.
        image_topic: The only camera to take of each bag; None for all.
        labels_topic: Its truth; None for `ground_truth/labels` if it is there.
        labels_folder: As `replay_bag` takes it; for one bag only.
        rate: As `replay_bag` takes it.
        live: As `replay_bag` takes it; for one bag only.
        weights: Name of shipped weights, or a path.
        device: What `Segmenter.load` takes; several GPUs are shared out unless one is named.
        precision: What `Segmenter.load` takes.
        with_input: Whether output.mcap holds the bag's images, too.
        video: Whether the overlays of each camera are written as a video, too.

    Raises:
        UserError: The model cannot be used, or a bag not be evaluated, or not as a whole; what
            could is written then.
    """
    extras = Extras(camera_images=with_input, video=video)
    if ray is None and len(paths) == 1 and not is_collection(paths[0]):
        replay_bag(
            paths[0],
            output,
            image_topic=image_topic,
            labels_topic=labels_topic,
            labels_folder=labels_folder,
            rate=rate,
            live=live,
            weights=weights,
            device=device,
            precision=precision,
            extras=extras,
        )
        return
    if live:
        raise UserError('--live plays one bag: call it for each')
    if labels_folder is not None:
        raise UserError('--labels is the truth of one bag: call it for each')
    label_space = Checkpoint.load(weights).label_space
    make_folder(output)
    bags = find_bags(paths, apart_from=output)
    folders = result_folders(bags)
    jobs = [Job(bag, output / folder) for bag, folder in zip(bags, folders, strict=True)]
    here = min(workers or default_workers(len(jobs), device), len(jobs))
    settings = Settings(
        weights=weights,
        device=device,
        precision=precision,
        image_topic=image_topic,
        labels_topic=labels_topic,
        rate=rate,
        threads=max(1, cores() // here),
        extras=extras,
    )
    running: Generator[Progress | Outcome]
    if ray is None:
        running = evaluate_bags(jobs, settings, here)
    else:
        running = evaluate_on_ray(jobs, settings, ray, workers)
    with closing(running) as events:
        found = _shown(jobs, events)
    outcomes = [found[job] for job in jobs]
    metrics = merge(outcomes, label_space)
    write_json(output / 'metrics.json', metrics)
    try:
        write_collection_page(output / 'report.html', metrics, label_space)
    except OSError as error:
        raise UserError(f'{output}: {error.strerror or error}') from error
    print_figures(metrics, output)
    failed = [outcome for outcome in outcomes if outcome.problems]
    if failed:
        raise UserError(
            f'the results are partial: {len(failed)} of {len(jobs)} bags had problems; '
            f'first: {failed[0].named_problems[0]}'
        )


def _shown(jobs: Sequence[Job], events: Iterable[Progress | Outcome]) -> dict[Job, Outcome]:
    """The outcome of each bag; meanwhile a bar per bag, and a line where one had problems."""
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
            for problem in event.named_problems:
                warn(problem)
    return outcomes
