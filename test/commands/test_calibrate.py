# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet calibrate`: what it writes holds for the vehicle's own masks."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from calibrated_checkpoint import save_calibrated_checkpoint
from command_line import bisenet
from typer.testing import Result

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.label_space import CAMVID
from bisenet_ros.segmenter import Segmenter

FRAMES = 8


def run(verb: str, *arguments: object) -> Result:
    command = [verb, *map(str, arguments), '--device', 'cpu', '--precision', 'fp32']
    return bisenet(*command)


@pytest.fixture(scope='module')
def data(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames whose truth is what the network says, but wrong where it is unsure."""
    root = tmp_path_factory.mktemp('camvid')
    segmenter = Segmenter.load(
        weights, device='cpu', precision='fp32', drivable_classes=CAMVID.names[:6]
    )
    rng = np.random.default_rng(0)
    for folder in ('val', 'valannot'):
        (root / folder).mkdir()
    for index in range(FRAMES):
        pixels = rng.integers(0, 256, (96, 128, 3), np.uint8)
        result = segmenter(pixels)
        unsure = result.confidence < np.quantile(result.confidence, 0.6)
        truth = np.where(unsure, CAMVID.names.index('car'), result.labels).astype(np.uint8)
        cv2.imwrite(str(root / 'val' / f'{index}.png'), pixels)
        cv2.imwrite(str(root / 'valannot' / f'{index}.png'), truth)
    return root


@pytest.fixture
def options(weights: Path, data: Path) -> list[object]:
    return ['--weights', weights, '--data', data, '--drivable-classes', ','.join(CAMVID.names[:6])]


def test_the_rate_that_is_stated_is_that_of_the_vehicle(
    options: list[object], tmp_path: Path
) -> None:
    output, figures = tmp_path / 'sure.safetensors', tmp_path / 'sure.json'
    limit = ('--false-drivable', 0.35, '--confidence', 0.9)
    done = run('calibrate', *options, '-o', output, *limit, '--json', figures)
    assert done.exit_code == 0, done.output
    assert 'at most 35 % of the drivable mask is not drivable, with a confidence of 90 %' in (
        done.output
    )
    claim = Checkpoint.load(output).claim
    assert claim is not None
    assert claim.threshold > 0
    assert (claim.frames, claim.data) == (FRAMES, f'CamVid val ({FRAMES} frames)')
    found = json.loads(figures.read_text())
    assert found['claim'] == claim.to_dict()
    stated = found['false_drivable_rates'][found['thresholds'].index(claim.threshold)]

    # As the vehicle runs it: nothing but the file, and the same drivable classes.
    segmenter = Segmenter.load(
        output, device='cpu', precision='fp32', drivable_classes=CAMVID.names[:6]
    )
    assert segmenter.claim_problem == ''
    data = Path(str(options[3]))
    rates, confidences = [], []
    for image in sorted((data / 'val').iterdir()):
        result = segmenter(cv2.imread(str(image)))
        truth = cv2.imread(str(data / 'valannot' / image.name), cv2.IMREAD_GRAYSCALE)
        drivable = result.drivable > 0
        rates.append((truth[drivable] >= 6).mean() if drivable.any() else 0.0)
        confidences.append(result.confidence.mean() / 255)
    assert np.mean(rates) == pytest.approx(stated)
    assert stated < found['false_drivable_rates'][0]
    assert found['kept'][0] > found['kept'][found['thresholds'].index(claim.threshold)] > 0
    assert claim.usual_confidence == pytest.approx(min(confidences))

    # `evaluate` uses that threshold, too.
    evaluated = run('evaluate', '--data', data, '--weights', output, *options[4:], '--json', '-')
    assert json.loads(evaluated.stdout)['drivable_threshold'] == claim.threshold


def test_the_rate_holds_without_a_confidence_threshold(
    options: list[object], tmp_path: Path
) -> None:
    claims = []
    for arguments in ((), ('--confidence-threshold', 0.5)):
        output = tmp_path / 'sure.safetensors'
        limit = ('--false-drivable', 0.35, '--confidence', 0.9)
        done = run('calibrate', *options, '-o', output, *limit, *arguments)
        assert done.exit_code == 0, done.output
        assert ('confidence_threshold is ignored' in done.output) == bool(arguments)
        claims.append(Checkpoint.load(output).claim)
    assert claims[0] == claims[1]


@pytest.mark.parametrize('place', ['provenance', 'accuracy'])
def test_frames_that_the_weights_know_are_pointed_out(
    options: list[object], tmp_path: Path, place: str
) -> None:
    description = f'CamVid val ({FRAMES} frames)'
    known = {'provenance': {'data': [description]}, 'accuracy': {description: {'miou': 0.5}}}
    weights, output = tmp_path / 'known.safetensors', tmp_path / 'sure.safetensors'
    replace(Checkpoint.load(str(options[1])), **{place: known[place]}).save(weights)
    limit = ('--false-drivable', 0.35, '--confidence', 0.9)
    for named, arguments, warns in (
        (weights, limit, True),
        (weights, (), False),  # nothing is stated
        (options[1], limit, False),
    ):
        done = run('calibrate', *options, '-o', output, '--weights', named, *arguments)
        assert done.exit_code == 0, done.output
        assert (f'{description} is named in the checkpoint' in done.output) == warns, arguments


def test_frames_without_a_truth_prove_nothing(
    options: list[object], data: Path, tmp_path: Path
) -> None:
    more = tmp_path / 'camvid'
    shutil.copytree(data, more)
    for path in (data / 'val').iterdir():
        shutil.copy(path, more / 'val' / f'{path.stem}_again.png')
        unknown = np.full((96, 128), 11, np.uint8)  # CamVid's void
        cv2.imwrite(str(more / 'valannot' / f'{path.stem}_again.png'), unknown)
    output, figures = tmp_path / 'sure.safetensors', tmp_path / 'sure.json'
    limit = ('--false-drivable', 0.35, '--confidence', 0.9)
    done = run('calibrate', *options, '-o', output, *limit, '--data', more, '--json', figures)
    assert done.exit_code == 0, done.output
    assert f'{FRAMES} of {2 * FRAMES} frames do not count: no pixel of their' in done.output
    claim = Checkpoint.load(output).claim
    assert claim is not None
    assert claim.frames == FRAMES
    found = json.loads(figures.read_text())
    assert (found['frames'], found['left_out']) == (FRAMES, FRAMES)
    expected = tmp_path / 'expected.json'
    run('calibrate', *options, '-o', tmp_path / 'expected.safetensors', '--json', expected)
    rates = json.loads(expected.read_text())['false_drivable_rates']
    assert found['false_drivable_rates'] == pytest.approx(rates)

    # They do not make up for the number that is needed, either.
    output.unlink()
    done = run('calibrate', *options, '-o', output, '--data', more, '--false-drivable', 0.2)
    assert done.exit_code == 2, done.output
    assert 'at least 14 frames with a truth are needed' in done.output
    for path in (more / 'valannot').iterdir():
        cv2.imwrite(str(path), np.full((96, 128), 11, np.uint8))
    done = run('calibrate', *options, '-o', output, '--data', more)
    assert done.exit_code == 2, done.output
    assert 'no frame has a pixel in its drivable mask whose truth is known' in done.output
    assert not output.exists()


def test_weights_stay_as_they_are(options: list[object], tmp_path: Path) -> None:
    output = tmp_path / 'known.safetensors'
    done = run('calibrate', *options, '-o', output)
    assert done.exit_code == 0, done.output
    before, after = (Checkpoint.load(str(path)) for path in (options[1], output))
    assert after.claim is None
    assert after.max_logits is not None
    assert after.max_logits.data == f'CamVid val ({FRAMES} frames)'
    assert (after.provenance, after.accuracy) == (before.provenance, before.accuracy)
    for name, tensor in before.state_dict.items():
        assert after.state_dict[name].dtype == tensor.dtype
        assert after.state_dict[name].equal(tensor)
    shown = bisenet('info', output).output
    assert 'anomalies' in shown
    assert f'CamVid val ({FRAMES} frames)' in shown


@pytest.mark.parametrize(
    ('arguments', 'statistics'),
    [((), f'CamVid val ({FRAMES} frames)'), (('--anomaly-threshold', 0.9), 'noise (1 frame)')],
)
def test_statistics_that_the_masks_depend_on_stay(
    data: Path, tmp_path: Path, arguments: tuple[object, ...], statistics: str
) -> None:
    weights = save_calibrated_checkpoint(tmp_path / 'sure.safetensors')
    drivable = ('--drivable-classes', 'sky,car')
    output = tmp_path / 'again.safetensors'
    options = ('--weights', weights, '--data', data, *drivable)
    done = run('calibrate', *options, '-o', output, *arguments)
    assert done.exit_code == 0, done.output
    again = Checkpoint.load(output)
    assert again.claim is None  # that of other settings
    assert again.max_logits is not None
    assert again.max_logits.data == statistics


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('--false-drivable', 0.01), 'at least 299 frames with a truth are needed to state'),
        (('--false-drivable', 1.5), '--false-drivable must be above 0 and below 1, not 1.5'),
        (('--false-drivable', 0.5, '--confidence', 1), '--confidence must be above 0 and below 1'),
        (('--confidence', 0.9), '--confidence needs --false-drivable'),
        (('--drivable-threshold', 0.5), 'drivable_threshold is what calibrate determines'),
    ],
)
def test_what_cannot_be_stated_is_refused(
    options: list[object], tmp_path: Path, arguments: tuple[object, ...], message: str
) -> None:
    output = tmp_path / 'never.safetensors'
    done = run('calibrate', *options, '-o', output, *arguments)
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert not output.exists()


def test_a_network_that_is_always_wrong_states_nothing(
    options: list[object], data: Path, tmp_path: Path
) -> None:
    """An empty mask would be right, but is of no use."""
    wrong = tmp_path / 'camvid'
    shutil.copytree(data, wrong)
    for path in (wrong / 'valannot').iterdir():
        labels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(path), np.where(labels < 6, CAMVID.names.index('car'), 0))
    output = tmp_path / 'never.safetensors'
    limit = ('--false-drivable', 0.3, '--confidence', 0.5)
    done = run('calibrate', *options, '-o', output, *limit, '--data', wrong)
    assert done.exit_code == 2, done.output
    assert 'no drivable_threshold that leaves a drivable area' in done.output
    assert not output.exists()


def test_another_suffix_is_refused(options: list[object], tmp_path: Path) -> None:
    done = run('calibrate', *options, '-o', tmp_path / 'weights.pth')
    assert done.exit_code == 2
    assert 'must end with .safetensors' in done.output


def test_what_the_data_set_lacks_is_not_blamed_on_the_weights(
    weights: Path, data: Path, tmp_path: Path
) -> None:
    (tmp_path / 'images').symlink_to(data / 'val')
    (tmp_path / 'labels').symlink_to(data / 'valannot')
    names = [*CAMVID.names[:-1], 'tram']
    label_map = tmp_path / 'map.yaml'
    classes = [{'name': n, 'color': [i, 0, 0], 'ids': [i]} for i, n in enumerate(names)]
    label_map.write_text(json.dumps({'classes': classes}))
    pairs = ('--dataset', 'pairs', '--data', tmp_path, '--label-map', label_map)
    done = run('calibrate', '--weights', weights, '-o', tmp_path / 'x.safetensors', *pairs)
    assert done.exit_code == 2, done.output
    assert 'the weights lack tram; the data set lacks bicyclist' in done.output
