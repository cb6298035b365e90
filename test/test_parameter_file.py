# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameter files: the same values as ROS makes of them, without ROS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bisenet_ros import parameter_file
from bisenet_ros.errors import UserError
from bisenet_ros.node import parameters as node_parameters
from bisenet_ros.parameter_file import (
    foreign_in,
    read_parameters,
    read_parameters_of,
    read_settings,
    write_parameters,
)
from bisenet_ros.settings import Settings

rclpy = pytest.importorskip('rclpy', reason='needs ROS 2')


@pytest.fixture(scope='module')
def context() -> Iterator[object]:
    context = rclpy.Context()
    rclpy.init(context=context)
    yield context
    rclpy.shutdown(context=context)


def node_of(context: object, files: Sequence[Path], **options: Any) -> Any:
    """A node that is started with the files."""
    return rclpy.node.Node(
        'segmenter',
        context=context,
        cli_args=['--ros-args', *(word for file in files for word in ('--params-file', str(file)))],
        enable_rosout=False,
        **options,
    )


def in_ros(context: object, files: Sequence[Path], namespace: str = '') -> Settings:
    """What that node has."""
    node = node_of(context, files, namespace=namespace)
    try:
        return node_parameters.declare(node)
    finally:
        node.destroy_node()


@pytest.mark.parametrize(
    'given',
    [
        'min_drivable_area: 2e-3',
        'min_drivable_area: .5',
        'min_drivable_area: 1',
        'max_rate: 0x10',
        'max_rate: 017',
        'max_rate: 5.',
        'max_rate: +5',
        'autostart: n',
        'self_check: Off',
        'self_check: Y',
        "weights: 'no'",
        'weights: null',
        'weights: ~/net.safetensors',
        'weights: 1_000',
        'weights: 0b11',
        'weights: "5"',
        'weights: !!str 5',
        'max_rate: !!float 5',
        'drivable_classes: [!!str road, !local sky]',
        'weights: 1e400',
        'weights: "tab\\tquote\\""',
        'network_size: [512, 256]',
        'network_size: []',
        'drivable_classes: [road, "on"]',
        "drivable_classes: ['']",
        'drivable_classes: []',
        'use_sim_time: true',
        'mounting: [0, 0, 1, 0, 0, 0]',
        'grid.max_error: 2',
        'grid: {max_error: 2, width: 12.5}',
        'cameras: [a/b], a/b.mounting: [1.0, 0.0, 1.5, 0.0, 0.1, 0.0]',
        'cameras: [a], a: {mounting: []}',
    ],
)
def test_values_are_those_of_ros(context: object, tmp_path: Path, given: str) -> None:
    file = tmp_path / 'parameters.yaml'
    file.write_text(f'/**:\n  ros__parameters: {{{given}}}\n')
    assert read_settings([file], {}) == in_ros(context, [file])


SCALARS = (
    '-5 +5 0 -0 00 9223372036854775807 9223372036854775808 -9223372036854775808'
    ' -9223372036854775809 10000000000000000000 99999999999999999999'
    ' 0x10 -0x1F 0X1f 0xg 0x7fffffffffffffff -0x8000000000000000'
    ' 017 -017 08 -09 0000000000000000000000001 0777777777777777777777 01777777777777777777777'
    ' 1e5 1E+5 1e-5 .5 5. -.5 1.e5 1e 1e400 -1e400 inf -inf .inf +.INF Infinity .nan -nan nan'
    ' + . 1_000 0b11 0o17 1.5.2 12a 1:30 2026-01-01 1,5 yes N On off TRUE true tRue null ~'
)


def test_scalars_without_quotes_are_those_of_ros(context: object, tmp_path: Path) -> None:
    file = tmp_path / 'parameters.yaml'
    texts = SCALARS.split()
    lines = ''.join(f'\n    p{index}: {text}' for index, text in enumerate(texts))
    file.write_text(f'/**:\n  ros__parameters:{lines}\n')
    node = node_of(context, [file], automatically_declare_parameters_from_overrides=True)
    try:
        of_ros = [node.get_parameter(f'p{index}').value for index in range(len(texts))]
    finally:
        node.destroy_node()
    found = [entry.value for entry in parameter_file._entries([file])]
    # As text, which tells 5 from 5.0, and has one NaN.
    assert list(map(repr, found)) == list(map(repr, of_ros))


SECTIONS = {
    'wildcard then node': '/**: {V: {max_rate: 1.0}}\nsegmenter: {V: {max_rate: 2.0}}',
    'node then wildcard': 'segmenter: {V: {max_rate: 2.0}}\n/**: {V: {max_rate: 1.0}}',
    'one name': '/*: {V: {max_rate: 3.0}}',
    'absolute': '/segmenter: {V: {max_rate: 3.0}}',
    'any namespace': '/**/segmenter: {V: {max_rate: 3.0}}',
    'other nodes': 'camera: {V: {rate: 3.0}}\n/**: {V: {max_rate: 4.0}}',
    'twice': '/**: {V: {max_rate: 1.0}}\n---\n/**: {V: {max_rate: 2.0}}',
    'continued': '/**: {V: {x: 1}}\nsegmenter: {V: {max_rate: 2.0}}\n/**: {V: {max_rate: 1.0}}',
    'overridden': '/**: {V: {max_rate: fast}}\nsegmenter: {V: {max_rate: 2.0}}',
}


@pytest.mark.parametrize('text', SECTIONS.values(), ids=SECTIONS.keys())
def test_sections_are_for_the_nodes_that_ros_gives_them_to(
    context: object, tmp_path: Path, text: str
) -> None:
    file = tmp_path / 'parameters.yaml'
    file.write_text(text.replace('V', 'ros__parameters'))
    assert read_settings([file], {}) == in_ros(context, [file])


@pytest.mark.parametrize(
    'text',
    [
        '/*/segmenter: {V: {max_rate: 3.0}}\n/**: {V: {overlay_alpha: 0.2}}',
        '/**/segmenter: {V: {max_rate: 3.0}}\n/*/segmenter: {V: {overlay_alpha: 0.2}}',
        '/**/car/segmenter: {V: {max_rate: 3.0}}\n/*/*: {V: {overlay_alpha: 0.2}}',
        'car/: {segmenter: {V: {max_rate: 3.0}}}',
        '/car/segmenter: {V: {max_rate: 3.0}}\n/*/segmenter: {V: {overlay_alpha: 0.2}}',
    ],
)
def test_patterns_of_a_namespace_are_read_as_by_a_node_in_it(
    context: object, tmp_path: Path, text: str
) -> None:
    file = tmp_path / 'parameters.yaml'
    file.write_text(text.replace('V', 'ros__parameters'))
    assert read_settings([file], {}) == in_ros(context, [file], 'car')


@pytest.mark.parametrize('order', [1, -1])
@pytest.mark.parametrize(
    'texts',
    [
        # The second file continues a section, which still comes before that of the node.
        ['/**: {V: {max_rate: 1.0}}\nsegmenter: {V: {max_rate: 2.0}}', '/**: {V: {max_rate: 3.0}}'],
        ['/**: {V: {max_rate: 1.0, device: cpu}}', '/**: {V: {max_rate: 3.0, weights: other}}'],
        ['/**: {V: {max_rate: 1.0}}', 'camera: {V: {rate: 3.0}}'],
        ['/**: {V: {cameras: [left]}}', '/**: {V: {left.mounting: []}}'],
    ],
)
def test_several_files_are_read_as_by_a_node(
    context: object, tmp_path: Path, texts: list[str], order: int
) -> None:
    files = [tmp_path / f'{number}.yaml' for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text.replace('V', 'ros__parameters'))
    assert read_settings(files[::order], {}) == in_ros(context, files[::order]) != Settings()


@pytest.mark.parametrize(
    'text',
    [
        'seg*: {V: {}}',
        '/segmenter/: {V: {}}',
        '/a//segmenter: {V: {}}',
        'a: {/segmenter: {V: {}}}',
        '/1st/segmenter: {V: {}}',
        'front-left: {V: {}}',
        '/***: {V: {}}',
    ],
)
def test_names_of_nodes_that_ros_refuses_are_refused(
    context: object, tmp_path: Path, text: str
) -> None:
    file = tmp_path / 'parameters.yaml'
    file.write_text(f'/**: {{V: {{max_rate: 1.0}}}}\n{text}'.replace('V', 'ros__parameters'))
    with pytest.raises(UserError, match=r'parameters\.yaml:2: ROS refuses the node name'):
        read_settings([file], {})
    with pytest.raises(RuntimeError, match='parse params file'):
        in_ros(context, [file])


def test_parameters_of_other_nodes_are_ignored(context: object, tmp_path: Path) -> None:
    file = tmp_path / 'parameters.yaml'
    values = '{wheel_radius: 0.38, zebra: {a: 1}, max_rate: 3.0, class_names: [road]}'
    file.write_text(
        f'/**: {{ros__parameters: {values}}}\nother: {{ros__parameters: {{lion: 1}}}}\n'
    )
    assert read_settings([file], {}) == in_ros(context, [file]) == Settings(max_rate=3.0)
    assert foreign_in([file]) == ['wheel_radius', 'zebra.a']


def test_the_only_node_of_the_name_may_be_in_a_namespace(tmp_path: Path) -> None:
    file = tmp_path / 'parameters.yaml'
    file.write_text('front:\n  segmenter:\n    ros__parameters: {max_rate: 2.0}\n')
    assert read_settings([file], {}).max_rate == 2.0


@pytest.mark.parametrize('name', ['cpu', 'one_camera', 'multi_camera'])
def test_shipped_files(context: object, name: str) -> None:
    file = Path(__file__).parents[1] / 'config' / f'{name}.yaml'
    assert read_settings([file], {}) == in_ros(context, [file])


def test_options_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / 'parameters.yaml'
    file.write_text('/**: {ros__parameters: {device: cuda, max_rate: 2.0}}')
    settings = read_settings([file], {'device': 'cpu', 'network_size': (64, 32), 'engine': None})
    assert settings == Settings(device='cpu', network_size=(64, 32), max_rate=2.0)
    with pytest.raises(UserError, match="device must be auto, cpu, cuda or cuda:N, not 'gpu'"):
        read_settings((), {'device': 'gpu'})


def test_options_win_over_the_values_of_single_cameras(tmp_path: Path) -> None:
    file = tmp_path / 'parameters.yaml'
    file.write_text(
        '/**: {ros__parameters: {cameras: [front, left], front.ego_mask: bonnet.png,'
        ' left.mounting: [0.0, 0.5, 1.0, 0.0, 0.3, 1.0]}}'
    )
    settings = read_settings([file], {'ego_mask': 'other.png'})
    assert settings.for_camera('front').ego_mask == 'other.png'
    assert settings.for_camera('left').ego_mask == 'other.png'
    assert settings.for_camera('left').mounting == (0.0, 0.5, 1.0, 0.0, 0.3, 1.0)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('max_rat: 1.0', ":3: unknown parameter 'max_rat': did you mean 'max_rate'?"),
        ('max_rate: fast', ':3: parameter max_rate must be of type double, such as 0.0; it is'),
        ('max_rate: -1.0', ':3: parameter max_rate must be from 0 to 1000, not -1.0'),
        ('max_rate:', ':3: no value'),
        ('weights: !!str', ':3: no value'),
        ('max_rate: &r 1.0\n    overlay_alpha: *r', ':4: ROS does not read aliases: write'),
        (
            'mounting: [1, 0.5, 1.2, 0.0, 0.0, 0.0]',
            ':3: mounting: values of different types in one list (double, integer), which ROS'
            ' refuses; among doubles write 1.0, not 1',
        ),
        ('network_size: [[1]]', ':3: a parameter cannot be a list of lists'),
        ('max_rate: {a: 1}', ":3: unknown parameter 'max_rate.a'"),
        ('front.mounting: []', ':3: parameter front.mounting: its camera is not among cameras'),
        ('mounting: [0, 0, 1500, 0, 0, 0]', ':3: parameter mounting must have x, y and z in metr'),
        ('grid.resolution: 0.01', ': grid.length, grid.width and grid.resolution make 3000 x 2000'),
        (
            'max_rate: 10\n    max_rate: 2.5',
            ':4: max_rate is given twice, with another type in ',
        ),
        (
            'mounting: [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]\n    mounting: []',
            ':4: mounting is given twice, with another type in ',
        ),
        ('weights: [a, b]', "such as 'camvid'; it is the string array ['a', 'b']"),
        ('[', ': not YAML: '),
    ],
)
def test_what_is_refused_says_where_and_why(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / 'parameters.yaml'
    file.write_text(f'/**:\n  ros__parameters:\n    {text}\n')
    with pytest.raises(UserError) as refused:
        read_parameters([file])
    assert message in str(refused.value)
    assert str(refused.value).startswith(str(file))
    assert '\n' not in str(refused.value)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (
            '# 10 Hz\nmax_rate: 1.0',
            ':2: not a ROS parameter file: node names with ros__parameters below each',
        ),
        ('/**:\n  ros__parameters: [1.0]', ':2: ros__parameters must contain names with values'),
        ('', "no parameters for the node 'segmenter'"),
        ('camera: {ros__parameters: {rate: 1.0}}', "no parameters for the node 'segmenter'"),
        (
            '/a/segmenter: {ros__parameters: {max_rate: 1.0}}\n'
            '/b/segmenter: {ros__parameters: {max_rate: 1.0}}',
            'several nodes',
        ),
        (
            '/*/segmenter: {ros__parameters: {max_rate: 1.0}}\n'
            '/*/*/segmenter: {ros__parameters: {max_rate: 1.0}}',
            'several nodes',
        ),
    ],
)
def test_files_without_the_node_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / 'parameters.yaml'
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        read_parameters([file])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'nowhere\.yaml: No such file'):
        read_parameters([tmp_path / 'nowhere.yaml'])


def test_what_is_written_means_the_same_to_ros(context: object, tmp_path: Path) -> None:
    settings = Settings(
        weights='on "it\'s"\\',
        drivable_classes=('yes', 'road # 1', 'ä'),
        network_size=(64, 32),
        min_drivable_area=1e-5,
        autostart=False,
        cameras=('front', 'left'),
        mounting=(1.0, 0.0, 1.5, 0.0, 0.1, 0.0),
        of_cameras={'left.mounting': (0.0, 1.0, 2.0, 0.0, 0.25, 1.5)},
    )
    file = tmp_path / 'parameters.yaml'
    write_parameters(file, settings.values())
    assert in_ros(context, [file]) == settings
    assert read_settings([file], {}) == settings


def test_a_name_that_ros_cannot_have_is_refused(tmp_path: Path) -> None:
    file = tmp_path / 'parameters.yaml'
    with pytest.raises(UserError, match=r'^weights: caf\\udce9 is not valid UTF-8'):
        write_parameters(file, Settings(weights='caf\udce9').values())
    assert not file.exists()


def test_a_node_gets_its_own_parameters_and_those_of_all(tmp_path: Path) -> None:
    file = tmp_path / 'params.yaml'
    file.write_text(
        '/**: {ros__parameters: {max_rate: 5.0}}\n'
        '/front/segmenter: {ros__parameters: {cameras: [left, right]}}\n'
        '/rear/segmenter: {ros__parameters: {cameras: [back]}}\n'
    )
    assert read_parameters_of(file, '/front/segmenter') == {
        'max_rate': 5.0,
        'cameras': ('left', 'right'),
    }
    assert read_parameters_of(file, '/segmenter') == {'max_rate': 5.0}
