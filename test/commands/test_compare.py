# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet compare`: what is printed and written, and what is refused."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import bisenet
from pages import Page, pixels_of, screenshot
from small_bags import HEIGHT, WIDTH, drive, write_bag
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros.bag.messages import open_bag
from bisenet_ros.bag.writer import BagWriter
from bisenet_ros.message_types import IMAGE_TYPE


@pytest.fixture(scope='module')
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp('runs')
    bag = write_bag(folder / 'bag', drive(5))
    made = folder / 'a', folder / '<b>'
    for seed, run in enumerate(made):
        weights = save_tiny_checkpoint(folder / f'{seed}.safetensors', seed=seed)
        result = bisenet('replay', bag, '-o', run, '--weights', weights, '--device', 'cpu')
        assert result.exit_code == 0, result.output
    return made


def test_figures_are_printed_and_in_json_and_page(runs: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / 'new' / 'diff'
    result = bisenet('compare', *runs, '-o', output)
    assert result.exit_code == 0, result.output
    figures = json.loads((output / 'comparison.json').read_text())
    assert figures['frames']['common'] == 5
    miou = figures['accuracy']['miou']
    assert f'{100 * miou["change"]:+.2f}' in result.stdout
    assert '5 frames in common (A has 5, B has 5), 5 of them with truth' in result.stdout
    page = Page(output / 'comparison.html')
    page.check_that_it_stands_alone()
    assert f'{100 * miou["change"]:+.2f}' in page.text
    assert str(runs[1]) in page.text  # escaped
    assert page.count('img') == 3 * 5
    means = [line.strip() for line in page.text.partition('Means over the frames')[2].splitlines()]
    flicker, boundary = (
        figures['frame_means'][name] for name in ('flicker', 'free_space_error_px')
    )
    for title, a, change, better in (
        (
            'flicker',
            f'{100 * flicker["a"]:.2f} %',
            f'{100 * flicker["change"]:+.2f} points',
            'lower',
        ),
        ('free-space error', f'{boundary["a"]:.4g} px', f'{boundary["change"]:+.4g} px', 'lower'),
    ):
        (row,) = (line for line in means if line.startswith(title + a))
        assert row.endswith(change + better), row
    image = screenshot(output / 'comparison.html', tmp_path)
    # White paper, the blue of A and the orange of B.
    for bgr in ((255, 255, 255), (0xD8, 0x7E, 0x2F), (0x1A, 0x7B, 0xE0)):
        assert pixels_of(image, bgr) > 100


def test_criteria_decide_the_exit_code(runs: tuple[Path, Path], tmp_path: Path) -> None:
    bisenet('compare', *runs, '-o', tmp_path)
    miou = json.loads((tmp_path / 'comparison.json').read_text())['accuracy']['miou']
    runs = runs if miou['change'] > 0 else (runs[1], runs[0])
    criteria = '--fail-under', 'change.miou=0,pixel_accuracy=0'
    result = bisenet('compare', *runs, '-o', tmp_path, *criteria)
    assert result.exit_code == 0, result.output
    assert f'Passed change.miou: {abs(miou["change"]):.4g}, at least 0' in result.stdout
    result = bisenet('compare', runs[1], runs[0], '-o', tmp_path, *criteria)
    assert result.exit_code == 1
    assert f'Failed change.miou: {-abs(miou["change"]):.4g}, at least 0' in result.stdout
    assert 'Passed pixel_accuracy: 0.' in result.stdout
    result = bisenet('compare', *runs, '-o', tmp_path, '--fail-under', 'fps=1')
    assert result.exit_code == 2
    assert "unknown figure 'fps'; choose from miou, drivable_iou, " in result.stderr


def test_replays_of_different_bags_are_pointed_out(runs: tuple[Path, Path], tmp_path: Path) -> None:
    weights = runs[0].parent / '0.safetensors'
    copied = shutil.copytree(runs[0].parent / 'bag', tmp_path / 'copied')
    entries = [
        entry._replace(pixels=255 - entry.pixels) if entry.encoding == 'bgr8' else entry
        for entry in drive(5)
    ]
    for bag, warns in ((copied, False), (write_bag(tmp_path / 'other', entries), True)):
        output = tmp_path / f'replay of {bag.name}'
        assert bisenet('replay', bag, '-o', output, '--weights', weights).exit_code == 0
        compared = bisenet('compare', runs[0], output, '-o', tmp_path / 'diff')
        assert compared.exit_code == 0, compared.output
        assert (f'different bags, {runs[0].parent / "bag"} and {bag}' in compared.stderr) == warns
        settings = json.loads((tmp_path / 'diff' / 'comparison.json').read_text())['settings']
        assert ('bag' in settings) == warns


def test_other_true_labels_are_pointed_out(runs: tuple[Path, Path], tmp_path: Path) -> None:
    ego = np.zeros((HEIGHT, WIDTH), np.uint8)
    ego[-10:] = 255
    cv2.imwrite(str(tmp_path / 'ego.png'), ego)
    masked = tmp_path / 'masked'
    options = '--weights', runs[0].parent / '0.safetensors', '--ego-mask', tmp_path / 'ego.png'
    assert bisenet('replay', runs[0].parent / 'bag', '-o', masked, *options).exit_code == 0
    for run, warns in ((runs[1], False), (masked, True)):
        compared = bisenet('compare', runs[0], run, '-o', tmp_path / 'diff')
        assert compared.exit_code == 0, compared.output
        assert ('the true labels of A and B differ in 5 frames' in compared.stderr) == warns
        page = Page(tmp_path / 'diff' / 'comparison.html').text
        assert ('In 5 frames the true labels of A and B differ' in page) == warns


def test_names_of_classes_are_printed_as_they_are(runs: tuple[Path, Path], tmp_path: Path) -> None:
    changed = [shutil.copytree(run, tmp_path / run.name) for run in runs]
    for run in changed:
        metrics = json.loads((run / 'metrics.json').read_text())
        metrics['model']['classes'][0] = '[/sky]\x1b[2J'
        (run / 'metrics.json').write_text(json.dumps(metrics))
    result = bisenet('compare', *changed, '-o', tmp_path / 'diff')
    assert result.exit_code == 0, result.output
    assert r'[/sky]\x1b[2J' in result.stdout


def test_the_same_runs_give_the_same_bytes(runs: tuple[Path, Path], tmp_path: Path) -> None:
    outputs = [tmp_path / 'a', tmp_path / 'b']
    for output in outputs:
        bisenet('compare', *runs, '-o', output)
    for name in ('comparison.json', 'comparison.html'):
        first, second = ((output / name).read_bytes() for output in outputs)
        assert first == second


def test_a_page_of_an_earlier_comparison_does_not_stay(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    output, broken = tmp_path / 'diff', shutil.copytree(runs[1], tmp_path / 'b')
    output.mkdir()
    (output / 'comparison.html').write_text('of an earlier comparison')
    with (
        closing(open_bag(runs[1] / 'output.mcap')) as reader,
        BagWriter(tmp_path / 'output', 'mcap') as writer,
    ):
        for connection, received, data in reader.messages():
            if connection.topic == '/segmentation/labels':  # no overlays
                writer.write_serialized(connection.topic, IMAGE_TYPE, received, data)
    (tmp_path / 'output' / 'output.mcap').replace(broken / 'output.mcap')
    result = bisenet('compare', runs[0], broken, '-o', output)
    assert result.exit_code == 2
    assert 'are of different replays' in result.stderr
    assert not (output / 'comparison.html').exists()


def test_what_is_no_replay_is_refused(tmp_path: Path) -> None:
    result = bisenet('compare', 'nowhere', 'b', '-o', tmp_path / 'out')
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert 'nowhere: not the output folder of bisenet replay' in result.stderr
    assert not (tmp_path / 'out').exists()
