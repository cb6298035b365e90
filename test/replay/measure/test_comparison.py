# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What changed between two replays, against counting by hand."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import Page
from small_bags import START, STEP, Entry, drive, picture, truth_of, write_bag
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros.bag.reader import ReplayBag
from bisenet_ros.label_space import CAMVID
from bisenet_ros.metrics import ConfusionMatrix
from bisenet_ros.replay.measure.comparison import Comparison, compare
from bisenet_ros.replay.measure.evaluation import FrameId
from bisenet_ros.replay.measure.figures import AccuracyCounts
from bisenet_ros.replay.measure.run import replay
from bisenet_ros.replay.measure.run_result import RunError, RunResult
from bisenet_ros.replay.report.comparison_page import write_comparison_page
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.settings import Settings

FRAMES = 6


@pytest.fixture(scope='module')
def other_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('other') / 'other.safetensors'
    return save_tiny_checkpoint(path, seed=1)


@pytest.fixture(scope='module')
def runs(
    tmp_path_factory: pytest.TempPathFactory, weights: Path, other_weights: Path
) -> tuple[Path, Path]:
    """Two replays of a bag: all frames with one model, and all with another."""
    folder = tmp_path_factory.mktemp('runs')
    bag = write_bag(folder / 'bag', drive(FRAMES))
    return (
        run(bag, weights, folder / 'a'),
        run(bag, other_weights, folder / 'b'),
    )


def run(bag: Path, weights: Path, output: Path) -> Path:
    output.mkdir()
    segmenter = Segmenter.load(weights, device='cpu')
    replay(ReplayBag(bag), segmenter, Settings(), output, lambda: None)
    return output


def comparison_of(runs: tuple[Path, Path]) -> Comparison:
    return compare(*map(RunResult.load, runs))


def rewrite(path: Path, edit: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    """Change the lines of a frames.jsonl; without those that become None."""
    lines = map(edit, map(json.loads, path.read_text().splitlines()))
    path.write_text(''.join(json.dumps(line) + '\n' for line in lines if line))


def test_reads_what_a_replay_wrote(runs: tuple[Path, Path], segmenter: Segmenter) -> None:
    finished = RunResult.load(runs[0])
    ids = [FrameId('/image', i, START + i * STEP) for i in range(FRAMES)]
    assert [frame.id for frame in finished.frames] == ids
    total = AccuracyCounts.stack([frame.counts for frame in finished.frames]).sum()
    accuracy = finished.metrics['accuracy']
    np.testing.assert_array_equal(total.confusion, accuracy['confusion'])
    np.testing.assert_array_equal(total.drivable, accuracy['drivable_overlap'])
    both, either = total.drivable
    assert accuracy['drivable_iou'] == both / either
    for index, (frame_id, labels) in enumerate(finished.pictures('/image', 'labels')):
        assert frame_id == ids[index]
        np.testing.assert_array_equal(labels, segmenter(picture(index)).labels)


def test_accuracy_and_its_change(
    runs: tuple[Path, Path], weights: Path, other_weights: Path
) -> None:
    figures = comparison_of(runs).figures()
    assert figures['frames'] == {'a': 6, 'b': 6, 'common': 6, 'with_truth': 6, 'other_truth': 0}
    accuracy = figures['accuracy']
    of_runs = [json.loads((run / 'metrics.json').read_text())['accuracy'] for run in runs]
    for name in ('miou', 'drivable_iou', 'pixel_accuracy'):
        a, b = (of_run[name] for of_run in of_runs)
        assert accuracy[name]['a'] == pytest.approx(a, abs=1e-12)
        assert accuracy[name]['b'] == pytest.approx(b, abs=1e-12)
        assert accuracy[name]['change'] == pytest.approx(b - a, abs=1e-12)
    assert {name: row['a'] for name, row in accuracy['iou'].items()} == of_runs[0]['iou']
    low, high = accuracy['miou']['interval']
    assert low < high
    assert low <= accuracy['miou']['change'] <= high
    assert figures['settings']['sha256']['a'] != figures['settings']['sha256']['b']
    assert set(figures['settings']) == {'weights', 'sha256'}


def test_labels_that_changed(
    runs: tuple[Path, Path], segmenter: Segmenter, other_weights: Path
) -> None:
    comparison = comparison_of(runs)
    other = Segmenter.load(other_weights, device='cpu')
    shares = [
        float((segmenter(picture(i)).labels != other(picture(i)).labels).mean())
        for i in range(FRAMES)
    ]
    assert [pair.changed_labels for pair in comparison.pairs] == shares
    figures = comparison.figures()
    assert figures['changed_labels'] == pytest.approx(np.mean(shares))
    most = [frame['frame'] for frame in figures['changed_most']['labels']]
    assert most == sorted(range(FRAMES), key=lambda i: -shares[i])
    changes = [abs(frame['miou']['change']) for frame in figures['changed_most']['miou']]
    assert changes == sorted(changes, reverse=True)
    assert changes[0] > 0


def test_with_itself_nothing_changes(runs: tuple[Path, Path]) -> None:
    figures = comparison_of((runs[0], runs[0])).figures()
    assert figures['accuracy']['miou']['interval'] == [0, 0]
    assert figures['changed_labels'] == 0
    assert figures['settings'] == {}
    assert figures['changed_most'] == {'labels': [], 'miou': [], 'drivable_fraction': []}


def test_only_frames_in_both_count(
    runs: tuple[Path, Path], weights: Path, segmenter: Segmenter, tmp_path: Path
) -> None:
    # Frame 0 was not decoded, and only every other frame has a truth.
    entries = [e for i, e in enumerate(drive(FRAMES)) if i not in (3, 7, 11)]
    entries[0] = entries[0]._replace(encoding='xyz8')
    part = run(write_bag(tmp_path / 'bag', entries), weights, tmp_path / 'part')
    figures = comparison_of((runs[0], part)).figures()
    assert figures['frames'] == {'a': 6, 'b': 5, 'common': 5, 'with_truth': 2, 'other_truth': 0}
    matrix = ConfusionMatrix(len(CAMVID))
    for index in (2, 4):
        matrix.update(segmenter(picture(index)).labels, truth_of(index))
    assert figures['accuracy']['miou']['a'] == pytest.approx(matrix.miou())
    assert figures['accuracy']['miou']['change'] == 0
    assert figures['changed_labels'] == 0


def test_without_truth_and_without_pictures(weights: Path, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', drive(2, truth=False))
    path = run(bag, weights, tmp_path / 'out')
    (path / 'output.mcap').unlink()
    figures = comparison_of((path, path)).figures()
    assert figures['accuracy'] is None
    assert figures['changed_labels'] is None
    assert figures['frame_means']['confidence']['change'] == 0


def test_one_frame_has_no_interval(weights: Path, tmp_path: Path) -> None:
    path = run(write_bag(tmp_path / 'bag', drive(1)), weights, tmp_path / 'out')
    assert comparison_of((path, path)).figures()['accuracy']['miou']['interval'] is None


def test_several_cameras(weights: Path, other_weights: Path, tmp_path: Path) -> None:
    entries = [*drive(2, '/front'), *drive(2, '/rear', truth=False)]
    bag = write_bag(tmp_path / 'bag', entries)
    runs = run(bag, weights, tmp_path / 'a'), run(bag, other_weights, tmp_path / 'b')
    comparison = comparison_of(runs)
    of_camera = {p.a.id[:2]: p.changed_labels for p in comparison.pairs}
    # Both cameras saw the same.
    for index in range(2):
        front, rear = of_camera['/front/image', index], of_camera['/rear/image', index]
        assert front == rear
        assert front is not None
        assert front > 0
    assert comparison.figures()['frames']['with_truth'] == 2


def copy(run: Path, to: Path) -> Path:
    shutil.copytree(run, to)
    return to


def test_no_frame_in_common(runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = copy(runs[1], tmp_path / 'later')
    rewrite(other / 'frames.jsonl', lambda line: {**line, 'stamp': line['stamp'] + 1})
    with pytest.raises(RunError, match='have no frame in common'):
        comparison_of((runs[0], other))


def test_classes_that_mean_something_else(runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = copy(runs[1], tmp_path / 'other')
    metrics = json.loads((other / 'metrics.json').read_text())
    metrics['model']['classes'][0] = 'heaven'
    (other / 'metrics.json').write_text(json.dumps(metrics))
    with pytest.raises(RunError, match=r'models with different classes: sky, .*; heaven, '):
        comparison_of((runs[0], other))


def test_folders_that_are_no_replay(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r'output folder of bisenet replay for one bag: metrics\.json: No such'
    ):
        RunResult.load(tmp_path / 'nowhere')
    broken = copy(runs[0], tmp_path / 'broken')
    text = (broken / 'frames.jsonl').read_text()
    (broken / 'frames.jsonl').write_text(text[:-20])
    with pytest.raises(RunError, match=r'frames\.jsonl, line 6: not written by bisenet replay'):
        RunResult.load(broken)
    (broken / 'frames.jsonl').write_text('[1]\n')
    with pytest.raises(RunError, match=r'frames\.jsonl, line 1: not written by bisenet replay'):
        RunResult.load(broken)
    (broken / 'frames.jsonl').write_text(text)
    (broken / 'metrics.json').write_text('{')
    with pytest.raises(RunError, match=r'metrics\.json: not JSON'):
        RunResult.load(broken)
    (broken / 'metrics.json').write_text('{"bags": []}')
    with pytest.raises(
        RunError, match='broken has the results of several bags: give the folder of one'
    ):
        RunResult.load(broken)
    for other in ('[]', '{"complete": true}'):
        (broken / 'metrics.json').write_text(other)
        with pytest.raises(RunError, match=r'metrics\.json: not written by bisenet replay'):
            RunResult.load(broken)


def test_damaged_results_are_named(runs: tuple[Path, Path], tmp_path: Path) -> None:
    line = json.loads((runs[0] / 'frames.jsonl').read_text().splitlines()[0])
    large = [[2**62, *row[1:]] for row in line['confusion']]
    for number, (changed, reason) in enumerate(
        (
            ({'camera': []}, 'camera: Input should be a valid string'),
            ({'frame': -1}, 'frame: Input should be greater than or equal to 0'),
            ({'time_s': None}, 'time_s: Input should be a valid number'),
            ({'confusion': large}, 'confusion.0.0: Input should be less than'),
            ({'confusion': line['confusion'][1:]}, 'confusion: not 11 rows of 12 counts'),
            ({'drivable_overlap': [1]}, 'drivable_overlap: List should have at least 2 items'),
            ({'miou': float('inf')}, 'miou: not a figure that can be measured'),
            ({'miou': 10**400}, 'miou: not a figure that can be measured'),
        )
    ):
        broken = copy(runs[0], tmp_path / str(number))
        rewrite(broken / 'frames.jsonl', lambda line, changed=changed: {**line, **changed})
        with pytest.raises(RunError, match=rf'frames\.jsonl, line 1: .*{re.escape(reason)}'):
            RunResult.load(broken)
    frames, metrics = broken / 'frames.jsonl', broken / 'metrics.json'
    good = (runs[0] / 'frames.jsonl').read_bytes()
    for content, reason in (
        (good.replace(b'"', b'\xff', 1), 'line 1: .*Invalid JSON'),
        (good + good, 'line 7: .*frame: 0 comes after 5'),
    ):
        frames.write_bytes(content)
        with pytest.raises(RunError, match=reason):
            RunResult.load(broken)
    frames.write_bytes(good)
    text = (runs[0] / 'metrics.json').read_text()
    for content, reason in (
        (text.replace('"sky"', '7', 1), r'classes\.0: Input should be a valid string'),
        (text.replace('"sky"', '"\\ud800"'), 'not JSON'),
        (text.replace('"fps": ', '"fps": 1e999, "x": '), 'fps.*finite'),
        (text.replace('"fps": ', f'"fps": {300 * "["}{300 * "]"}, "x": '), 'not JSON: recursion'),
    ):
        assert content != text
        metrics.write_text(content)
        with pytest.raises(RunError, match=rf'metrics\.json: .*{reason}'):
            RunResult.load(broken)
    metrics.write_text(text.replace('"image_topic": "/image"', '"image_topic": "/other"'))
    with pytest.raises(RunError, match=r'/image is only in frames\.jsonl'):
        list(RunResult.load(broken).pictures('/image', 'labels'))


def test_pictures_that_are_none(runs: tuple[Path, Path], tmp_path: Path) -> None:
    run = copy(runs[0], tmp_path / 'run')
    for number, (encoding, reason) in enumerate(
        (
            ('png', 'labels has sensor_msgs/msg/CompressedImage, not sensor_msgs/msg/Image'),
            ('bgr8', 'labels, frame 0: labels are mono8 or 8UC1'),
        )
    ):
        entries = [Entry('/segmentation/labels', START, picture(0), encoding)]
        bag = write_bag(tmp_path / f'bag{number}', entries)
        shutil.copy(bag / f'bag{number}.mcap', run / 'output.mcap')
        with pytest.raises(RunError, match=rf'output\.mcap: /segmentation/{reason}'):
            list(RunResult.load(run).pictures('/image', 'labels'))


def test_pictures_of_another_replay(runs: tuple[Path, Path], tmp_path: Path) -> None:
    edits: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
        'later': lambda line: {**line, 'stamp': line['stamp'] + 1},
        'no first one': lambda line: line if line['frame'] else None,
        'no last one': lambda line: line if line['frame'] < FRAMES - 1 else None,
    }
    for name, edit in edits.items():
        mixed = copy(runs[0], tmp_path / name)
        rewrite(mixed / 'frames.jsonl', edit)
        with pytest.raises(RunError, match=r'output\.mcap and the frames\.jsonl beside it are of'):
            list(RunResult.load(mixed).pictures('/image', 'labels'))


def test_pictures_are_apart(runs: tuple[Path, Path], tmp_path: Path) -> None:
    # As if it were a long drive: the first four frames at its begin, and two later.
    times = [0.0, 0.1, 0.2, 0.3, 5.0, 10.0]
    retimed = []
    for run in runs:
        retimed.append(copy(run, tmp_path / run.name))
        rewrite(retimed[-1] / 'frames.jsonl', lambda line: {**line, 'time_s': times[line['frame']]})
    comparison = comparison_of((retimed[0], retimed[1]))
    write_comparison_page(tmp_path / 'page.html', comparison, comparison.figures())
    shown = [t['alt'] for name, t in Page(tmp_path / 'page.html').tags if name == 'img']
    frames = [int(str(alt).partition('frame ')[2].partition(' ')[0]) for alt in shown[::3]]
    ranking = [pair.a.id.frame for pair in comparison.ranked('labels')]
    of_begin = next(frame for frame in ranking if frame < 4)
    assert frames == [frame for frame in ranking if frame >= 4 or frame == of_begin]
