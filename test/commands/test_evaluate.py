# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet evaluate` against counting pixels in the label images that it writes."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from calibrated_checkpoint import CLAIM
from command_line import bisenet
from tiny_checkpoint import save_tiny_checkpoint
from typer.testing import Result

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.label_space import CAMVID, CITYSCAPES, IGNORE
from bisenet_ros.model_settings import MODEL_PARAMETERS, ModelSettings
from bisenet_ros.settings import Settings
from bisenet_ros.version import VERSION
from bisenet_training.datasets.camvid import VOID
from bisenet_training.datasets.cityscapes import LABEL_IDS

FRAMES = 3
SIZE = (72, 100)


def run(*arguments: object) -> Result:
    """`bisenet evaluate` with arguments, on the CPU."""
    command = ['evaluate', *map(str, arguments), '--device', 'cpu', '--precision', 'fp32']
    return bisenet(*command)


@pytest.fixture(scope='module')
def city_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('weights') / 'city.safetensors'
    return save_tiny_checkpoint(path, CITYSCAPES)


def write(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    """Write a PNG and the folders that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def read(path: Path) -> npt.NDArray[np.uint8]:
    """The values of a label image."""
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert labels is not None
    assert labels.dtype == np.uint8
    assert labels.shape == SIZE
    return labels


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    root = tmp_path / 'camvid'
    rng = np.random.default_rng(0)
    for index in range(FRAMES):
        write(root / 'val' / f'{index}.png', rng.integers(0, 256, (*SIZE, 3), np.uint8))
        write(root / 'valannot' / f'{index}.png', rng.integers(0, VOID + 1, SIZE, np.uint8))
    return root


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    root = tmp_path / 'cityscapes'
    rng = np.random.default_rng(0)
    for split, city in (('val', 'lindau'), ('val', 'munster'), ('test', 'berlin')):
        stem = f'{split}/{city}/{city}_000000_000019'
        image = rng.integers(0, 256, (*SIZE, 3), np.uint8)
        write(root / f'leftImg8bit/{stem}_leftImg8bit.png', image)
        if split == 'val':
            labels = rng.integers(0, 34, SIZE, np.uint8)
            write(root / f'gtFine/{stem}_gtFine_labelIds.png', labels)
    return root


def test_figures_equal_counting_in_the_written_labels(
    camvid: Path, tmp_path: Path, weights: Path
) -> None:
    out, figures_file = tmp_path / 'out', tmp_path / 'figures.json'
    evaluated = run(
        '--data', camvid, '--weights', weights, '-o', out, '--json', figures_file
    )  # fmt: skip
    assert evaluated.exit_code == 0, evaluated.output
    assert 'drivable' in evaluated.stdout
    figures = json.loads(figures_file.read_text())
    assert json.loads((out / 'figures.json').read_text()) == figures

    labels = np.stack([read(out / 'labels' / f'{i}.png') for i in range(FRAMES)])
    truth = np.stack([read(camvid / 'valannot' / f'{i}.png') for i in range(FRAMES)])
    known = truth != VOID
    ious = {}
    for index, name in enumerate(CAMVID.names):
        predicted, true = (labels == index) & known, truth == index
        ious[name] = (predicted & true).sum() / (predicted | true).sum()
    assert figures['iou'] == ious
    assert figures['miou'] == pytest.approx(np.mean(list(ious.values())))
    assert figures['drivable_iou'] == ious['road']
    assert (figures['data'], figures['frames']) == (f'CamVid val ({FRAMES} frames)', FRAMES)
    assert (figures['scales'], figures['flip'], figures['crop']) == ([1.0], False, None)
    assert figures['sha256'] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert figures['versions']['bisenet_ros'] == VERSION
    assert figures.keys() >= MODEL_PARAMETERS.keys()
    assert figures.keys().isdisjoint(set(vars(Settings())) - set(vars(ModelSettings())))
    assert IGNORE not in labels


def test_the_labels_are_those_of_segment(camvid: Path, tmp_path: Path, weights: Path) -> None:
    out, segmented = tmp_path / 'out', tmp_path / 'segmented'
    assert run('--data', camvid, '--weights', weights, '-o', out).exit_code == 0
    command = ['segment', str(camvid / 'val'), '-o', str(segmented), '--weights', str(weights)]
    result = bisenet(*command, '--device', 'cpu', '--precision', 'fp32')
    assert result.exit_code == 0, result.output
    for index in range(FRAMES):
        driven = read(segmented / f'{index}_labels.png')
        np.testing.assert_array_equal(read(out / 'labels' / f'{index}.png'), driven)


def test_the_report_has_tables_and_pictures(camvid: Path, tmp_path: Path, weights: Path) -> None:
    out = tmp_path / 'out'
    for folder in (camvid / 'val', camvid / 'valannot'):
        (folder / '0.png').rename(folder / os.fsdecode(b'gr\xfcn.png'))  # not UTF-8
    assert run('--data', camvid, '--weights', weights, '-o', out).exit_code == 0
    with (out / 'classes.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    figures = json.loads((out / 'figures.json').read_text())
    assert {row['name']: float(row['iou']) for row in rows} == figures['iou']
    confusion = np.array(figures['confusion'])
    assert [int(row['true_pixels']) for row in rows] == confusion.sum(1).tolist()
    assert [int(row['labelled_pixels']) for row in rows] == confusion[:, :-1].sum(0).tolist()
    page = (out / 'report.md').read_text()
    assert page.startswith(f'# CamVid val ({FRAMES} frames)')
    assert r'![gr\udcfcn]' in page
    pictures = ['confusion.png', *(f'worst/{rank:02}.jpg' for rank in range(1, FRAMES + 1))]
    for picture in pictures:
        assert f']({picture})' in page
        assert cv2.imread(str(out / picture)) is not None


def test_more_views_give_other_labels(camvid: Path, tmp_path: Path, weights: Path) -> None:
    common = '--data', camvid, '--weights', weights, '--json', '-'
    one = run(*common)
    more = run(*common, '--scales', '0.75,1', '--flip', '--crop', '64x48', '--stride', 0.5)
    assert (one.exit_code, more.exit_code) == (0, 0), more.output
    figures = json.loads(more.stdout)
    views = {'scales': [0.75, 1.0], 'flip': True, 'crop': [64, 48], 'stride': 0.5}
    assert views.items() <= figures.items()
    assert MODEL_PARAMETERS.keys() - figures.keys() == {'self_check'}
    assert figures['confusion'] != json.loads(one.stdout)['confusion']


def test_an_exported_model_is_as_good_as_what_was_exported(
    camvid: Path, tmp_path: Path, weights: Path
) -> None:
    model, sure = tmp_path / 'model.torchscript', tmp_path / 'sure.safetensors'
    replace(Checkpoint.load(weights), claim=CLAIM).save(sure)
    command = ['export', '--format', 'torchscript', '--weights', str(sure), '-o', str(model)]
    exported = bisenet(*command)
    assert exported.exit_code == 0, exported.output
    common = ['evaluate', '--data', str(camvid), '--device', 'cpu', '--json', '-', '--weights']
    found = bisenet(*common, model)
    assert found.exit_code == 0, found.output
    assert 'the error rate that its checkpoint states does not hold for it' in found.stderr
    figures = json.loads(found.stdout)
    expected = json.loads(run('--data', camvid, '--weights', weights, '--json', '-').stdout)
    assert figures['precision'] == 'fp32'
    assert MODEL_PARAMETERS.keys() - figures.keys() == {'cpu_threads', 'self_check'}
    for name in ('miou', 'pixel_accuracy', 'boundary_f', 'ece'):
        assert figures[name] == pytest.approx(expected[name], abs=1e-3)
    for option in (
        ['--flip'], ['--scales', '0.75,1'], ['--crop', '64'], ['--precision', 'fp32'],
        ['--cpu-threads', '2'], ['--no-self-check'],
    ):  # fmt: skip
        refused = bisenet(*common, model, *option)
        assert refused.exit_code == 2
        assert option[0].replace('--no-', '--') in refused.stderr


def test_cityscapes_and_its_submission(
    cityscapes: Path, tmp_path: Path, city_weights: Path
) -> None:
    out, submission = tmp_path / 'out', tmp_path / 'submission'
    common = '--dataset', 'cityscapes', '--data', cityscapes, '--weights', city_weights
    evaluated = run(*common, '-o', out, '--submission', submission)
    assert evaluated.exit_code == 0, evaluated.output
    table = np.array(LABEL_IDS, np.uint8)
    names = [f'{city}_000000_000019' for city in ('lindau', 'munster')]
    assert sorted(path.name for path in submission.iterdir()) == [f'{n}_pred.png' for n in names]
    for name in names:
        labels = read(out / 'labels' / name.partition('_')[0] / f'{name}.png')
        np.testing.assert_array_equal(read(submission / f'{name}_pred.png'), table[labels])


def test_a_split_without_truth_can_be_submitted(
    cityscapes: Path, tmp_path: Path, city_weights: Path
) -> None:
    common = '--dataset', 'cityscapes', '--data', cityscapes, '--weights', city_weights
    submission = tmp_path / 'submission'
    submitted = run(*common, '--split', 'test', '--submission', submission)
    assert submitted.exit_code == 0, submitted.output
    assert [path.name for path in submission.iterdir()] == ['berlin_000000_000019_pred.png']
    assert set(np.unique(read(next(submission.iterdir())))) <= set(LABEL_IDS)
    for others in ((), ('--submission', submission, '--json', '-')):
        refused = run(*common, '--split', 'test', *others)
        assert refused.exit_code == 2
        assert 'only the evaluation server has the truth of cityscapes test' in refused.stderr


@pytest.mark.parametrize('link', ['', 'frame', 'folder'])
def test_labels_do_not_replace_the_truth(
    camvid: Path, tmp_path: Path, weights: Path, link: str
) -> None:
    root, out = tmp_path / 'pairs', tmp_path / 'pairs'
    shutil.copytree(camvid / 'val', root / 'images')
    shutil.copytree(camvid / 'valannot', root / 'labels')
    if link == 'frame':
        (root / 'labels').rename(tmp_path / 'truth')
        (root / 'labels').mkdir()
        for file in (tmp_path / 'truth').iterdir():
            (root / 'labels' / file.name).symlink_to(file)
    elif link == 'folder':
        out = tmp_path / 'out'
        out.mkdir()
        (out / 'labels').symlink_to(root / 'labels')
    label_map = tmp_path / 'map.yaml'
    classes = [{'name': n, 'color': [i, 0, 0], 'ids': [i]} for i, n in enumerate(CAMVID.names)]
    label_map.write_text(json.dumps({'classes': classes, 'ignored': {'ids': [VOID]}}))
    before = [file.read_bytes() for file in sorted((root / 'labels').iterdir())]
    common = '--dataset', 'pairs', '--data', root, '--label-map', label_map, '--weights', weights
    refused = run(*common, '-o', out)
    assert refused.exit_code == 2, refused.output
    assert 'has files of the data set, such as 0.png, and the labels would' in refused.stderr
    assert [file.read_bytes() for file in sorted((root / 'labels').iterdir())] == before


def test_labels_of_an_earlier_evaluation_are_pointed_out(
    camvid: Path, tmp_path: Path, weights: Path
) -> None:
    out, fewer = tmp_path / 'out', tmp_path / 'fewer'
    for folder in ('val', 'valannot'):
        shutil.copytree(camvid / folder, fewer / folder)
        (fewer / folder / '0.png').unlink()
    for data, said in ((camvid, False), (camvid, False), (fewer, True)):
        evaluated = run('--data', data, '--weights', weights, '-o', out)
        assert evaluated.exit_code == 0, evaluated.output
        assert (f'{out}/labels also has 1 image of other frames' in evaluated.stderr) == said


@pytest.mark.parametrize('listed', [False, True])
def test_pairs_in_folders_and_in_a_list(
    camvid: Path, tmp_path: Path, weights: Path, listed: bool
) -> None:
    label_map = tmp_path / 'map.yaml'
    # The classes of the weights in another order.
    classes = [
        {'name': name, 'color': list(color), 'ids': [index], 'drivable': name == 'road'}
        for index, (name, color) in enumerate(zip(CAMVID.names, CAMVID.colors, strict=True))
    ]
    meaning = {'classes': classes[::-1], 'ignored': {'ids': [VOID]}}
    label_map.write_text(json.dumps(meaning))  # JSON is YAML, too
    root = tmp_path / 'pairs'
    common = '--dataset', 'pairs', '--label-map', label_map, '--weights', weights, '--json', '-'
    if listed:
        root.mkdir()
        lines = [f'../camvid/val/{i}.png ../camvid/valannot/{i}.png' for i in range(FRAMES)]
        (root / 'list.txt').write_text('\n'.join(lines))
        out = tmp_path / 'out'
        result = run(*common, '--data', root / 'list.txt', '-o', out)
        assert len(list((out / 'labels').rglob('*.png'))) == FRAMES
    else:
        root.mkdir()
        (camvid / 'val').rename(root / 'images')
        (camvid / 'valannot').rename(root / 'labels')
        result = run(*common, '--data', root)
        (root / 'images').rename(camvid / 'val')
        (root / 'labels').rename(camvid / 'valannot')
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    expected = json.loads(run('--data', camvid, '--weights', weights, '--json', '-').stdout)
    assert found['iou'] == expected['iou']
    assert found['miou'] == pytest.approx(expected['miou'])
    assert list(found['iou']) == list(CAMVID.names[::-1])
    assert found['split'] is None


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--dataset', 'imagenet'], "no data set 'imagenet'; choose from camvid, cityscapes, "),
        (['--dataset', 'synthetic'], '--dataset synthetic is only for training'),
        (['--dataset', 'pairs'], '--dataset pairs needs --label-map'),
        (['--label-map', 'map.yaml'], '--label-map is not possible with --dataset camvid'),
        (['--split', 'night'], 'no such folder: '),
        (['--submission', 'out'], '--submission is not possible: camvid has no evaluation server'),
        (['--stride', '0.5'], '--stride needs --crop'),
        (['--flip', '--engine', 'openvino'], '--engine openvino does not go with --scales, --flip'),
        (['--scales', 'half'], '--scales half: not a list of numbers such as 0.75,1,1.25'),
        (['--crop', '512*512'], '--crop 512*512: not a size such as 1024x512 or 512'),
        (['--crop', '16'], 'a crop must be at least 32 pixels wide and high, not 16x16'),
    ],
)
def test_bad_input_is_one_line(
    camvid: Path, weights: Path, arguments: list[str], message: str
) -> None:
    result = run('--data', camvid, '--weights', weights, *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith('bisenet: ')
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_report_that_cannot_be_written_is_refused_before_any_frame(
    camvid: Path, tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'file').touch()
    for broken in (camvid / 'val').iterdir():
        broken.write_bytes(b'no image')
    common = '--data', camvid, '--weights', weights, '-o'
    assert 'Not a directory' in run(*common, tmp_path / 'file' / 'out').stderr
    monkeypatch.setitem(sys.modules, 'matplotlib', None)
    assert 'python3 -m pip install matplotlib' in run(*common, tmp_path / 'out').stderr
    assert not (tmp_path / 'out').exists()


def test_a_frame_that_is_too_small_is_named(camvid: Path, weights: Path) -> None:
    write(camvid / 'val' / '1.png', np.zeros((20, 40, 3), np.uint8))
    write(camvid / 'valannot' / '1.png', np.zeros((20, 40), np.uint8))
    result = run('--data', camvid, '--weights', weights)
    assert result.exit_code == 2
    assert 'bisenet: 1: a frame must be at least 32x32, not 40x20' in result.stderr


def test_weights_for_other_classes_are_refused(camvid: Path, city_weights: Path) -> None:
    result = run('--data', camvid, '--weights', city_weights)
    assert result.exit_code == 2
    assert 'these weights are for other classes: the weights lack pavement' in result.stderr
