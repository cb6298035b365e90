# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet check` on real bags: what is printed, written and refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from command_line import bisenet
from permissions import permissions_count
from small_bags import START, STEP, Entry, drive, truth_of, write_bag
from tiny_checkpoint import save_tiny_checkpoint
from typer.testing import Result

from bisenet_ros.replay.measure.figures import FIGURES

QUICK_START = Path(__file__).with_name('quick_start.yaml')


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights and bags that scenarios lie beside."""
    folder = tmp_path_factory.mktemp('scenarios')
    save_tiny_checkpoint(folder / 'tiny.safetensors')
    write_bag(folder / 'monday', drive(4))
    entries = [*drive(2, '/front'), *drive(3, '/rear', truth=False)]
    write_bag(folder / 'tuesday', entries)
    cut = write_bag(folder / 'whole', drive(10)) / 'whole.mcap'
    (folder / 'cut.mcap').write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    return folder


def run(folder: Path, output: Path, text: str) -> Result:
    scenario = folder / 'scenario.yaml'
    scenario.write_text(f'weights: tiny.safetensors\n{text}\nparams: {QUICK_START}\n')
    command = ['check', scenario, '-o', output, '--device', 'cpu']
    return bisenet(*command)


def result_of(output: Path) -> Any:
    return json.loads((output / 'result.json').read_text())


TWO_BAGS = """\
bags:
  - path: monday
    criteria:
      - {figure: miou, at_least: 0.0001}
      - {figure: confidence, between: [0.1, 0.2], at_least: 0.01, name: awake}
  - path: tuesday
    image_topic: /rear/image
    criteria:
      - {figure: drivable_fraction, statistic: max, at_most: 1}
criteria:
  - {figure: total_ms, statistic: p95, at_most: 60000}
"""


def test_if_all_criteria_hold_the_exit_code_is_0(folder: Path, tmp_path: Path) -> None:
    result = run(folder, tmp_path / 'new' / 'out', TWO_BAGS)
    assert result.exit_code == 0, result.output
    output = tmp_path / 'new' / 'out'
    lines = result.stdout.splitlines()
    assert sum(line.startswith('Passed ') for line in lines) == 5
    assert not any(line.startswith('Failed ') for line in lines)
    written = result_of(output)
    assert written['passed']
    digest = hashlib.sha256((folder / 'scenario.yaml').read_bytes()).hexdigest()
    assert written['scenario']['sha256'] == digest
    monday, tuesday = written['bags']
    assert [criterion['name'] for criterion in monday['criteria']] == [
        'total_ms p95', 'miou', 'awake',
    ]  # fmt: skip
    metrics = json.loads((output / 'monday' / 'metrics.json').read_text())
    assert monday['criteria'][1]['value'] == pytest.approx(metrics['accuracy']['miou'])
    # Two of the frames are in the window.
    lines = (output / 'monday' / 'frames.jsonl').read_text().splitlines()
    means = [json.loads(line)['confidence'] for line in lines]
    assert monday['criteria'][2]['value'] == pytest.approx(sum(means[1:3]) / 2)
    assert tuesday['criteria'][1]['measured_frames'] == 3
    assert (output / 'tuesday' / 'report.html').is_file()


def test_notes_on_a_bag_are_shown(folder: Path, tmp_path: Path) -> None:
    spare = Entry('/ground_truth/labels', START + 5 * STEP, truth_of(5), 'mono8')
    write_bag(folder / 'friday', [*drive(2), spare])
    bags = 'bags: [{path: friday}]\ncriteria: [{figure: miou, at_least: 0}]'
    result = run(folder, tmp_path, bags)
    assert result.exit_code == 0, result.output
    assert 'friday: /ground_truth/labels: 1 of 3 messages belong to no frame' in result.stderr


def test_if_a_criterion_fails_the_exit_code_is_1(folder: Path, tmp_path: Path) -> None:
    failing = TWO_BAGS.replace('at_least: 0.01,', 'at_least: 0.999,')
    result = run(folder, tmp_path, failing)
    assert result.exit_code == 1, result.output
    monday, tuesday = result_of(tmp_path)['bags']
    awake = monday['criteria'][2]
    assert not awake['passed']
    assert tuesday['passed']
    worst = awake['deciding_frames'][0]
    assert (
        f'Failed awake: {awake["value"]:.4g}, at least 0.999; 2 of 2 frames outside; decided by '
        f'{worst["value"]:.4g} at {worst["time_s"]:.1f} s (frame {worst["frame"]}), '
    ) in result.stdout
    passed = [line for line in result.stdout.splitlines() if line.startswith('Passed ')]
    assert len(passed) == 4
    assert any(line.endswith(' frames outside') for line in passed)
    assert not any('decided by' in line for line in passed)
    assert not result_of(tmp_path)['passed']


def test_results_do_not_replace_a_bag(folder: Path, tmp_path: Path) -> None:
    bag = tmp_path / 'monday' / 'output.mcap'
    bag.parent.mkdir()
    bag.write_bytes((folder / 'monday' / 'monday.mcap').read_bytes())
    text = f'bags: [{{path: {bag}, name: monday}}]\ncriteria: [{{figure: fps, at_least: 0}}]\n'
    before = bag.read_bytes()
    (tmp_path / 'result.json').write_text('of an earlier run')
    result = run(folder, tmp_path, text)
    assert result.exit_code == 2
    assert not (tmp_path / 'result.json').exists()
    assert f'{bag} is a file of the bag {bag}' in result.stderr
    assert bag.read_bytes() == before


def test_what_cannot_be_read_is_named(folder: Path, tmp_path: Path) -> None:
    bag = tmp_path / 'locked.mcap'
    bag.write_bytes((folder / 'monday' / 'monday.mcap').read_bytes())
    bag.chmod(0)
    text = f'bags: [{{path: {bag}}}]\ncriteria: [{{figure: fps, at_least: 0}}]\n'
    with permissions_count():
        result = run(folder, tmp_path / 'out', text)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.endswith(f'{bag}: Permission denied')
    assert not (tmp_path / 'out').exists()


def test_with_a_rate_dropped_frames_and_ages_are_judged(folder: Path, tmp_path: Path) -> None:
    # A thousand times as fast as recorded: frames are 0.1 ms apart, and inference takes longer.
    text = 'rate: 1000\nbags: [{path: monday}]\ncriteria:\n' + ''.join(
        f'  - {{figure: {figure}, {limit}}}\n'
        for figure, limit in (('dropped', 'at_most: 0'), ('age_ms', 'at_least: 0'))
    )
    result = run(folder, tmp_path, text)
    assert result.exit_code == 1, result.output
    dropped, age = result_of(tmp_path)['bags'][0]['criteria']
    metrics = json.loads((tmp_path / 'monday' / 'metrics.json').read_text())
    assert dropped['value'] == metrics['dropped_frames'] > 0
    assert age['passed']
    assert age['value'] == pytest.approx(metrics['age_ms']['mean'])


def test_whatever_a_frame_has_can_be_asked_for(folder: Path, tmp_path: Path) -> None:
    text = 'rate: 1\nbags: [{path: monday}]\ncriteria:\n' + ''.join(
        f'  - {{figure: {figure}, at_least: 0}}\n' for figure in FIGURES
    )
    assert run(folder, tmp_path, text).exit_code == 1  # some are not measured
    judged = {c['figure']: c['value'] for c in result_of(tmp_path)['bags'][0]['criteria']}
    # An untrained network may call nothing drivable, and nobody knows where the camera is.
    unmeasured = {figure for figure, value in judged.items() if value is None}
    assert unmeasured <= {
        'false_drivable_rate',
        'false_drivable_near_rate',
        'free_space_error_m',
        'free_space_error_p95_m',
    }
    line = json.loads((tmp_path / 'monday' / 'frames.jsonl').read_text().splitlines()[-1])
    assert line.keys() - judged.keys() == {
        'camera',
        'frame',
        'stamp',
        'time_s',
        'confusion',
        'drivable_overlap',
    }


def test_what_was_not_measured_fails(folder: Path, tmp_path: Path) -> None:
    text = 'bags: [{path: tuesday, image_topic: /rear/image}]\ncriteria:\n'
    result = run(folder, tmp_path, f'{text}  - {{figure: miou, at_least: 0}}\n')
    assert result.exit_code == 1
    assert 'Failed miou: not measured, at least 0' in result.stdout


def test_a_bag_that_is_cut_is_judged_and_the_rest_replayed(folder: Path, tmp_path: Path) -> None:
    text = 'bags: [{path: cut.mcap}, {path: monday}]\ncriteria:\n'
    result = run(folder, tmp_path, f'{text}  - {{figure: miou, at_least: 0}}\n')
    assert result.exit_code == 2
    error = result.stderr.splitlines()[-1]
    assert error.startswith('bisenet: the results are partial: cut: ')
    written = result_of(tmp_path)
    assert not written['passed']
    assert [bag['complete'] for bag in written['bags']] == [False, True]
    assert [bag['passed'] for bag in written['bags']] == [True, True]


CRITERIA = 'criteria: [{figure: fps, at_least: 0}]'


@pytest.mark.parametrize(
    ('text', 'problem'),
    [
        (f'bags: [{{path: sunday}}]\n{CRITERIA}', ':2: bags[0]: '),
        (f'bags:\n- path: monday\n- path: sunday\n{CRITERIA}', ':4: bags[1]: '),
        (f'bags: [{{path: monday, image_topic: /left}}]\n{CRITERIA}', 'no topic /left'),
        (f'bags: [{{path: monday}}]\n{CRITERIA}\nsped: 1', ':4: sped: unknown key; choose'),
        ('bags: [{path: monday}]\ncriteria:\n- {figure: iou.lane, at_least: 0}',
         ":4: criteria[0].figure: unknown class 'lane'; choose from sky, "),
        ('bags: [{path: monday}]\ncriteria:\n- {figure: confidence, camera: /left, at_least: 0}',
         ':4: criteria[0].camera: no camera /left in monday; choose from /image'),
        ('bags: [{path: monday}]\ncriteria:\n- {figure: change.miou, at_least: 0}',
         ':4: criteria[0]: change.miou compares two runs: use bisenet compare --fail-under'),
    ],
)  # fmt: skip
def test_a_wrong_scenario_is_refused_with_line_and_key(
    folder: Path, tmp_path: Path, text: str, problem: str
) -> None:
    result = run(folder, tmp_path / 'out', text)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert problem in result.stderr
    assert str(folder / 'scenario.yaml') in result.stderr
    assert not (tmp_path / 'out').exists()


def test_missing_weights_are_refused_with_their_line(folder: Path, tmp_path: Path) -> None:
    scenario = tmp_path / 'scenario.yaml'
    scenario.write_text(f'bags: [{{path: a}}]\n{CRITERIA}\nweights: gone.safetensors\n')
    result = bisenet('check', scenario, '-o', tmp_path / 'out')
    assert result.exit_code == 2
    assert f"{scenario}:3: weights: no weights 'gone.safetensors'" in result.stderr


def test_missing_weights_from_elsewhere_are_not_blamed_on_the_scenario(
    folder: Path, tmp_path: Path
) -> None:
    params = tmp_path / 'vehicle.yaml'
    params.write_text('/**: {ros__parameters: {weights: gone.safetensors}}')
    scenario = folder / 'elsewhere.yaml'
    own = 'weights: tiny.safetensors'
    for line, arguments in (
        (f'params: {params}', []),
        (own, ['--weights', 'gone.safetensors']),
    ):
        scenario.write_text(f'bags: [{{path: monday}}]\n{CRITERIA}\n{line}\n')
        command = ['check', str(scenario), '-o', str(tmp_path / 'out'), *arguments]
        result = bisenet(*command)
        assert result.exit_code == 2, line
        assert result.stderr.startswith("bisenet: no weights 'gone.safetensors'"), line
