# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scenario files: what they may say, and the line that is named where they say something else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bisenet_ros.label_space import CAMVID
from bisenet_ros.replay.measure.criteria import Criterion
from bisenet_ros.replay.measure.scenario import ScenarioFile
from bisenet_ros.yaml_document import DocumentError

WHOLE = """\
# A drive through the town, as the vehicle would have seen it.
weights: models/town.safetensors
rate: 1.0
bags:
  - path: drives/monday
    image_topic: /front/image
    labels_topic: /front/labels
  - path: drives/tuesday.mcap
    name: rain
    criteria:
      - name: sure of itself in the tunnel
        figure: confidence
        statistic: p05
        between: [12, 15.5]
        camera: /front/image
        at_least: 0.6
criteria:
  - figure: drivable_iou
    at_least: 0.9
  - {figure: iou.road, statistic: min, at_least: 0.5, at_most: 1}
  - figure: dropped
    at_most: 3
"""


def load(folder: Path, text: str) -> ScenarioFile:
    path = folder / 'scenario.yaml'
    path.write_text(text, encoding='utf-8')
    return ScenarioFile.load(path)


def test_all_that_there_is(tmp_path: Path) -> None:
    file = load(tmp_path, WHOLE)
    monday, rain = file.scenario.bags
    assert file.path_of(monday) == tmp_path / 'drives' / 'monday'
    assert (monday.title, monday.image_topic, monday.labels_topic) == (
        'monday', '/front/image', '/front/labels',
    )  # fmt: skip
    assert rain.title == 'rain'
    tunnel = rain.criteria[0]
    assert tunnel == Criterion(
        figure='confidence',
        statistic='p05',
        between=(12.0, 15.5),
        camera='/front/image',
        at_least=0.6,
        name='sure of itself in the tunnel',
    )
    assert tunnel.title == 'sure of itself in the tunnel'
    assert tunnel.model_copy(update={'name': None}).title == (
        'confidence p05 from 12 to 15.5 s of /front/image'
    )
    assert [c.limits for c in file.scenario.criteria] == [
        'at least 0.9', 'at least 0.5, at most 1', 'at most 3',
    ]  # fmt: skip
    assert file.scenario.rate == 1.0


def test_weights_are_a_file_beside_it_or_a_name(tmp_path: Path) -> None:
    file = load(tmp_path, WHOLE)
    assert file.parameters() == {'weights': 'models/town.safetensors'}
    beside = tmp_path / 'models' / 'town.safetensors'
    beside.parent.mkdir()
    beside.touch()
    assert file.parameters() == {'weights': str(beside)}
    minimal = 'bags: [{path: a}]\ncriteria: [{figure: fps, at_least: 1}]'
    assert load(tmp_path, minimal).parameters() == {}


def test_a_parameter_file_beside_it_says_how_the_node_drives(tmp_path: Path) -> None:
    text = 'bags: [{path: a}]\ncriteria: [{figure: fps, at_least: 1}]\nparams: car.yaml\n'
    (tmp_path / 'car.yaml').write_text(
        '/**: {ros__parameters: {weights: town, min_drivable_area: 2e-3}}'
    )
    assert load(tmp_path, text).parameters() == {'weights': 'town', 'min_drivable_area': 0.002}
    (tmp_path / 'site.yaml').write_text('/**: {ros__parameters: {weights: hamlet}}')
    several = text.replace('car.yaml', '[car.yaml, site.yaml]')
    assert load(tmp_path, several).parameters() == {'weights': 'hamlet', 'min_drivable_area': 0.002}
    text += 'weights: village'
    assert load(tmp_path, text).parameters()['weights'] == 'village'


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        # What is no key.
        ('rate:', 'speed:', '3: speed: unknown key; choose from bags, params, weights, rate,'),
        ('    name: rain', '    nam: rain',
         '9: bags[1].nam: unknown key; did you mean name?'),
        ('        at_least: 0.6', '        at_leats: 0.6',
         '16: bags[1].criteria[0].at_leats: unknown key; did you mean at_least?'),
        ('rate: 1.0', 'rate: fast\nparams: 1',
         '4: params: must be a list (and 1 more)'),
        ('{figure: iou.road, statistic: min,', '{figure: iou.road, stat: min,',
         '20: criteria[1].stat: unknown key; did you mean statistic?'),
        # What is missing.
        ('- path: drives/monday\n   ', '-', '5: bags[0].path: is missing'),
        ('  - figure: dropped\n    at_most: 3', '  - at_most: 3',
         '21: criteria[2].figure: is missing'),
        # What is no value of its kind.
        ('rate: 1.0', 'rate: fast', '3: rate: must be a number in digits'),
        ('at_most: 3', 'at_most: 1e3', '22: criteria[2].at_most: must be a number in digits'),
        ('rate: 1.0', 'rate: 0', '3: rate: input should be greater than 0'),
        ('rate: 1.0', 'rate: .inf', '3: rate: input should be a finite number'),
        ('rate: 1.0', 'rate: yes', '3: rate: must be a number in digits'),
        ('at_least: 0.9', "at_least: '0.9'", '19: criteria[0].at_least: must be a number in '),
        ('at_least: 0.9', 'at_least: .nan', '19: criteria[0].at_least: input should be a finite n'),
        ('statistic: p05', 'statistic: p42',
         "13: bags[1].criteria[0].statistic: input should be 'min', 'p01', 'p05',"),
        ('[12, 15.5]', '[12]', '14: bags[1].criteria[0].between'),
        ('[12, 15.5]', '[12, soon]', '14: bags[1].criteria[0].between[1]: must be a number'),
        ('path: drives/monday', 'path: 7', '5: bags[0].path: input should be a valid string'),
        ('  - figure: dropped\n    at_most: 3', '  - fps', '21: criteria[2]: must be a mapping'),
        # What contradicts itself.
        ('figure: drivable_iou', 'figure: drivable',
         "18: criteria[0]: unknown figure 'drivable'; choose from miou, pixel_accuracy, "),
        ('    at_least: 0.9\n', '', '18: criteria[0]: give a limit: at_least'),
        ('at_most: 1}', 'at_most: 0.1}', '20: criteria[1]: at_least is greater than at_most'),
        ('    at_least: 0.9', '    at_least: 90',
         '18: criteria[0]: drivable_iou is a fraction: write a number from 0 to 1'),
        ('[12, 15.5]', '[15.5, 12]', '11: bags[1].criteria[0]: between must be [from, to] in'),
        ('figure: confidence', 'figure: ece',
         '11: bags[1].criteria[0]: ece is for the whole bag: remove statistic and between'),
        ('rate: 1.0\n', '', '20: criteria[2].figure: dropped needs a rate'),
        ('drives/monday', 'drives/..', "5: bags[0]: '..' cannot be a folder name"),
        ('name: rain', 'name: a/b', "8: bags[1]: 'a/b' cannot be a folder name"),
        ('name: rain', "name: ''", "8: bags[1]: '' cannot be a folder name"),
        ('name: rain', 'name: monday', '.yaml: two bags are called monday: give one of them'),
        (WHOLE[WHOLE.index('\ncriteria:'):], '', '.yaml: no criteria for the bag monday'),
        # What is not YAML, or not ours.
        ('rate: 1.0', 'rate: [1.0', '4: not YAML: '),
        ('rate: 1.0', 'rate: \x07', ': not YAML: '),
        ('rate: 1.0', 'rate: !!python/object:os.system x', '3: not YAML: could not determine'),
        ('rate: 1.0', 'rate: 1.0\nrate: 2.0', '4: rate is given twice'),
        ('    image_topic: /front/image\n    labels', '    path: b\n    labels',
         '6: path is given twice'),
        (WHOLE, '', '.yaml: must be a mapping of keys to values'),
        (WHOLE, '- 1', '.yaml: must be a mapping of keys to values'),
        (WHOLE, 'bags: []', '1: bags: '),
        (WHOLE, '{}', '1: bags: is missing'),
    ],
)  # fmt: skip
def test_the_line_that_is_wrong(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert WHOLE.count(old) >= 1
    with pytest.raises(DocumentError, match=re.escape(message)) as caught:
        load(tmp_path, WHOLE.replace(old, new, 1))
    assert str(caught.value).startswith(str(tmp_path / 'scenario.yaml') + ':')
    assert '\n' not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r'nowhere\.yaml: No such file'):
        ScenarioFile.load(tmp_path / 'nowhere.yaml')
    (tmp_path / 'latin.yaml').write_bytes(b'weights: caf\xe9')
    with pytest.raises(DocumentError, match=r'latin\.yaml: not UTF-8'):
        ScenarioFile.load(tmp_path / 'latin.yaml')


def test_aliases_may_lead_back(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r'scenario\.yaml:1: '):
        load(tmp_path, '&all [*all]')
    shared = WHOLE.replace('  - figure: drivable_iou', '  - &one\n    figure: drivable_iou')
    assert len(load(tmp_path, f'{shared}  - *one\n').scenario.criteria) == 4


def test_classes_and_cameras_that_there_are_not(tmp_path: Path) -> None:
    file = load(tmp_path, WHOLE)
    file.check_classes(CAMVID.names)
    with pytest.raises(
        DocumentError, match=r":20: criteria\[1\]\.figure: unknown class 'road'; choose"
    ):
        file.check_classes(['sky'])
    file.check_cameras(0, ['/rear'])  # the criterion is on the other bag
    file.check_cameras(1, ['/front/image', '/rear'])
    with pytest.raises(
        DocumentError, match=r':15: .*no camera /front/image in rain; choose from /r'
    ):
        file.check_cameras(1, ['/rear'])


def test_the_one_in_the_documentation(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / 'docs' / 'replay.md').read_text(encoding='utf-8')
    _, _, rest = page.partition('```yaml\n')
    file = load(tmp_path, rest.partition('```')[0])
    file.check_classes(CAMVID.names)
    assert [bag.title for bag in file.scenario.bags] == ['monday', 'rain']
    assert len(file.scenario.criteria) == 5
