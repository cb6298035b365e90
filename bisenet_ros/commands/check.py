# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet check`: replays the bags of a scenario, and checks each criterion."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from bisenet_ros.bag.messages import BagError
from bisenet_ros.bag.reader import ReplayBag
from bisenet_ros.checkpoint import CheckpointError
from bisenet_ros.commands.model import load_segmenter
from bisenet_ros.commands.options import warn_of_foreign
from bisenet_ros.console import print_line, print_outcome, progress_bar, warn
from bisenet_ros.errors import UserError, file_errors, printable
from bisenet_ros.output_files import make_folder, write_json
from bisenet_ros.replay.measure.criteria import Judgement, judge
from bisenet_ros.replay.measure.run import ReplayResult, replay
from bisenet_ros.replay.measure.run_result import RunResult
from bisenet_ros.replay.measure.scenario import ScenarioBag, ScenarioFile
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.settings import Settings

ReadSettings = Callable[[Mapping[str, Any]], Settings]


def check_scenario(path: Path, output: Path, read_settings: ReadSettings) -> bool:
    """Replays the bags of a scenario, each into a folder of its name, and prints the verdicts.

    Args:
        path: The scenario.
        output: The folder for the results; files of an earlier run are replaced.
        read_settings: Returns the settings, given the parameters of the scenario by name;
            command-line options win over these.

    Returns:
        Whether all criteria are met.

    Raises:
        UserError: The scenario is invalid (raised before anything is replayed), or a bag could be
            evaluated only in part (raised after the rest was written and judged).
    """
    file = ScenarioFile.load(path)
    warn_of_foreign(file.params)
    parameters = file.parameters()
    settings = read_settings(parameters)
    try:
        segmenter = load_segmenter(settings)
    except CheckpointError as error:
        if file.scenario.weights is None or settings.weights != parameters['weights']:
            raise  # the weights are those of the parameter file or of an option
        raise file.document.error(('weights',), str(error)) from error
    file.check_classes(segmenter.label_space.names)
    opened = [_open(file, index) for index in range(len(file.scenario.bags))]
    make_folder(output, without=['result.json'])
    console = Console(highlight=False)
    results: list[dict[str, Any]] = []
    problems: list[str] = []
    for described, bag in zip(file.scenario.bags, opened, strict=True):
        folder = output / described.title
        make_folder(folder)
        replayed = _replay(bag, segmenter, settings, file.scenario.rate, folder)
        for note in replayed.metrics['notes']:
            warn(f'{described.title}: {note}')
        problems += [f'{described.title}: {problem}' for problem in replayed.problems]
        run = RunResult.load(folder)
        judgements = [judge(c, run) for c in (*file.scenario.criteria, *described.criteria)]
        report = printable(f'{described.title}: {folder / "report.html"}')
        print_line(console, report)
        for judgement in judgements:
            print_outcome(console, judgement.passed, judgement.sentence)
        results.append(_result(described, replayed.problems, judgements))
    passed = all(result['passed'] for result in results)
    write_json(
        output / 'result.json',
        {
            'passed': passed and not problems,
            'scenario': {
                'path': str(path),
                'sha256': hashlib.sha256(path.read_bytes()).hexdigest(),
            },
            'bags': results,
        },
    )
    if problems:
        raise UserError(f'the results are partial: {"; ".join(problems)}')
    return passed


def _open(file: ScenarioFile, index: int) -> ReplayBag:
    bag = file.scenario.bags[index]
    try:
        opened = ReplayBag(file.path_of(bag), bag.image_topic, bag.labels_topic)
    except BagError as error:
        raise file.document.error(('bags', index), str(error)) from error
    file.check_cameras(index, [camera.image_topic for camera in opened.cameras])
    return opened


def _replay(
    bag: ReplayBag, segmenter: Segmenter, settings: Settings, rate: float | None, folder: Path
) -> ReplayResult:
    """Replays a bag into a folder."""
    with progress_bar() as progress, file_errors(folder):
        task = progress.add_task(folder.name, total=bag.frame_count)
        advance = partial(progress.advance, task)
        return replay(bag, segmenter, settings, folder, advance, rate=rate)


def _result(
    described: ScenarioBag, problems: list[str], judgements: list[Judgement]
) -> dict[str, Any]:
    return {
        'name': described.title,
        'path': described.path,
        'complete': not problems,
        'problems': problems,
        'passed': all(judgement.passed for judgement in judgements),
        'criteria': [judgement.to_dict() for judgement in judgements],
    }
