# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet replay` on many bags: real worker processes, figures as if one had counted all."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from command_line import bisenet
from pages import Page
from replay_results import metrics_of, untimed_messages
from small_bags import START, STEP, Entry, drive, truth_of, write_bag
from typer.testing import Result

from bisenet_ros.replay.many.jobs import Job, Outcome, ReplayOptions
from bisenet_ros.replay.many.workers import _end_of, evaluate_bags
from bisenet_ros.settings import Settings

QUICK_START = Path(__file__).with_name('quick_start.yaml')


@pytest.fixture(scope='module')
def drives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of bags: three drives of different cameras, one of them a folder deeper."""
    folder = tmp_path_factory.mktemp('drives')
    (folder / 'evening').mkdir()
    for name, entries in cameras().items():
        write_bag(folder / ('evening/side' if name == '/side' else name.strip('/')), entries)
    return folder


def cameras() -> dict[str, list[Entry]]:
    return {
        '/front': drive(4, '/front'),
        '/rear': drive(3, '/rear', truth=False),
        '/side': drive(2, '/side'),
    }


def replay(weights: Path, *arguments: str | Path | int) -> Result:
    options = ['--weights', weights, '--device', 'cpu', '--params', QUICK_START]
    return bisenet('replay', *options, *arguments)


def error_of(result: Result) -> str:
    """The one line that says what was wrong."""
    (line,) = (line for line in result.stderr.splitlines() if line.startswith('bisenet: '))
    return line


# What depends on the time that frames took, on how many bags there are, or on how many processes
# share the cores.
TIMES = ('latency_ms', 'age_ms', 'fps', 'cpu_threads')
ORIGIN = ('bag', 'bags', 'name', 'labels_topic')


def figures(metrics: Any) -> Any:
    """The figures that frames alone decide."""
    if isinstance(metrics, dict):
        left_out = (*TIMES, *ORIGIN)
        return {name: figures(value) for name, value in metrics.items() if name not in left_out}
    return [figures(value) for value in metrics] if isinstance(metrics, list) else metrics


@pytest.fixture(scope='module')
def many(weights: Path, drives: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of all drives, evaluated by two processes."""
    output = tmp_path_factory.mktemp('many')
    result = replay(weights, drives, '-o', output, '--workers', 2)
    assert result.exit_code == 0, result.output
    return output


@pytest.mark.slow
def test_a_folder_of_bags_counts_as_one_bag_with_all_frames(
    weights: Path, many: Path, tmp_path: Path
) -> None:
    everything = [entry for entries in cameras().values() for entry in entries]
    bag = write_bag(tmp_path / 'bag', everything)
    assert replay(weights, bag, '-o', tmp_path / 'one').exit_code == 0
    merged, expected = metrics_of(many), metrics_of(tmp_path / 'one')
    by_topic = {camera['image_topic']: camera for camera in merged['cameras']}
    merged['cameras'] = [by_topic[camera['image_topic']] for camera in expected['cameras']]
    assert figures(merged) == figures(expected)
    assert merged['evaluated_frames'] == 9
    assert merged['accuracy']['frames'] == 6


@pytest.mark.slow
def test_the_number_of_workers_changes_no_figure(
    weights: Path, drives: Path, many: Path, tmp_path: Path
) -> None:
    criteria = '--fail-under', 'drivable_iou=0,miou=1'
    result = replay(weights, drives, '-o', tmp_path / 'one', '--workers', 1, *criteria)
    assert result.exit_code == 1, result.output
    metrics = metrics_of(tmp_path / 'one')
    assert figures(metrics) == figures(metrics_of(many))
    miou = metrics['accuracy']['miou']
    assert f'{100 * miou:.2f} %' in result.stdout
    assert f'Failed miou: {miou:.4g}, at least 1' in result.stdout


@pytest.mark.slow
def test_each_bag_has_its_results(weights: Path, drives: Path, many: Path, tmp_path: Path) -> None:
    assert replay(weights, drives / 'front', '-o', tmp_path / 'one').exit_code == 0
    folders = {path.name for path in many.iterdir() if path.is_dir()}
    assert folders == {'front', 'rear', 'side'}
    alone, together = tmp_path / 'one', many / 'front'
    assert {path.name for path in together.iterdir()} == {path.name for path in alone.iterdir()}
    assert untimed_messages(together) == untimed_messages(alone)
    assert figures(metrics_of(together)) == figures(metrics_of(alone))
    page = Page(many / 'report.html')
    links = {attributes.get('href') for tag, attributes in page.tags if tag == 'a'}
    assert links == {f'{folder}/report.html' for folder in folders}
    bags = metrics_of(many)['bags']
    assert [bag['results'] for bag in bags] == ['side', 'front', 'rear']
    assert [bag['evaluated_frames'] for bag in bags] == [2, 4, 3]


def test_a_bag_that_fails_is_named_and_the_rest_is_done(
    weights: Path, drives: Path, tmp_path: Path
) -> None:
    cut = write_bag(tmp_path / 'cut', drive(10)) / 'cut.mcap'
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    nowhere = tmp_path / 'nowhere'
    output = tmp_path / 'out'
    bags = nowhere, cut, drives / 'front'
    result = replay(weights, *bags, '-o', output, '--workers', 2, '--fail-under', 'miou=0')
    assert result.exit_code == 2
    line = error_of(result)
    assert '2 of 3 bags had problems' in line
    assert f'first: {nowhere}: no such file or folder' in line

    metrics = metrics_of(output)
    assert not metrics['complete']
    assert any(f'{cut} is truncated' in problem for problem in metrics['problems'])
    missing, partial, whole = metrics['bags']
    assert missing['results'] is None
    assert partial['problems']
    assert 3 <= partial['evaluated_frames'] < 10
    assert whole['complete']
    assert metrics['evaluated_frames'] == partial['evaluated_frames'] + 4
    # What could be evaluated is judged.
    assert f'Passed miou: {metrics["accuracy"]["miou"]:.4g}, at least 0' in result.stdout
    assert not (output / 'nowhere').exists()


def test_notes_name_their_bag(weights: Path, tmp_path: Path) -> None:
    spare = Entry('/ground_truth/labels', START + 5 * STEP, truth_of(5), 'mono8')
    bags = [
        write_bag(tmp_path / 'a', drive(2)),
        write_bag(tmp_path / 'b', [*drive(2), spare]),
    ]
    result = replay(weights, *bags, '-o', tmp_path / 'out', '--workers', 1)
    assert result.exit_code == 0, result.output
    (note,) = metrics_of(tmp_path / 'out')['notes']
    assert note.startswith(f'{bags[1]}: /ground_truth/labels: 1 of 3 messages belong to no frame')
    assert note in result.stderr


def test_nothing_but_bags_that_fail(weights: Path, tmp_path: Path) -> None:
    bags = tmp_path / 'a', tmp_path / 'b'
    result = replay(weights, *bags, '-o', tmp_path / 'out', '--workers', 1)
    assert result.exit_code == 2
    metrics = metrics_of(tmp_path / 'out')
    assert metrics['evaluated_frames'] == 0
    assert metrics['accuracy'] is None


def test_weights_that_do_not_exist(drives: Path, tmp_path: Path) -> None:
    result = replay(Path('nowhere.safetensors'), drives, '-o', tmp_path / 'out', '--workers', 2)
    assert result.exit_code == 2
    assert 'nowhere.safetensors' in error_of(result)
    assert not (tmp_path / 'out' / 'metrics.json').exists()


def test_figures_of_an_earlier_run_do_not_stay(weights: Path, drives: Path, tmp_path: Path) -> None:
    for name in ('metrics.json', 'report.html'):
        (tmp_path / name).write_text('of an earlier run')
    # Refused by the process, after the work has begun.
    result = replay(weights, drives, '-o', tmp_path, '--workers', 1, '--precision', 'fp16')
    assert result.exit_code == 2
    assert 'fp16 needs a GPU' in error_of(result)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_process_that_dies_takes_one_bag_with_it(
    weights: Path, drives: Path, tmp_path: Path
) -> None:
    doomed = write_bag(tmp_path / 'doomed', drive(60))
    bags = drives / 'front', doomed, drives / 'rear'
    jobs = [Job(bag, tmp_path / 'out' / bag.name) for bag in bags]
    settings = Settings(weights=str(weights), device='cpu', engine='torch', self_check=False)
    options = ReplayOptions(settings, None, None, None, threads=1)
    outcomes: list[Outcome] = []
    for event in evaluate_bags(jobs, options, workers=1):
        if isinstance(event, Outcome):
            outcomes.append(event)
        elif event.job.bag == doomed and event.frames == 1:
            (worker,) = worker_processes()
            worker.kill()
    assert [outcome.job for outcome in outcomes] == jobs
    assert [bool(outcome.problems) for outcome in outcomes] == [False, True, False]
    assert 'SIGKILL' in outcomes[1].failure
    assert not worker_processes()


def test_only_a_process_that_was_killed_may_have_lacked_memory() -> None:
    assert _end_of(-signal.SIGKILL) == 'was ended by SIGKILL (out of memory?)'
    assert _end_of(-signal.SIGSEGV) == 'was ended by SIGSEGV'


def worker_processes() -> list[psutil.Process]:
    """The worker processes that this one has started."""
    return [
        child
        for child in psutil.Process().children()
        if 'bisenet_ros.replay.many.worker' in ' '.join(child.cmdline())
    ]
