# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table of parameters: what a node is started with, what is refused, what is documented."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from bisenet_ros.declaration import Changes
from bisenet_ros.engine.registry import ENGINES
from bisenet_ros.errors import UserError
from bisenet_ros.node.parameters import (
    check_reported,
    declare,
    declare_of_cameras,
    files_without_this_node,
    foreign,
)
from bisenet_ros.settings import PARAMETERS, Settings, markdown

Start = Callable[..., Node]


@pytest.fixture(scope='module')
def context() -> Iterator[Context]:
    context = Context()
    rclpy.init(context=context)
    yield context
    rclpy.shutdown(context=context)


@pytest.fixture
def start(context: Context, tmp_path: Path) -> Iterator[Start]:
    """Makes a node that is started with the text of a parameter file."""
    nodes: list[Node] = []

    def start(parameters: str = '') -> Node:
        arguments = ['--ros-args']
        if parameters:
            file = tmp_path / 'parameters.yaml'
            file.write_text(f'/**:\n  ros__parameters: {{{parameters}}}\n')
            arguments += ['--params-file', str(file)]
        nodes.append(Node('segmenter', context=context, cli_args=arguments, enable_rosout=False))
        return nodes[-1]

    yield start
    for node in nodes:
        node.destroy_node()


def test_defaults_without_a_parameter_file(start: Start) -> None:
    node = start()
    assert declare(node) == Settings()
    assert node.get_parameter('cameras').value == ['']
    assert list(node.get_parameter('network_size').value) == []
    assert node.get_parameter('network_size').type_ is Parameter.Type.INTEGER_ARRAY
    assert node.get_parameter('autostart').value is True


def test_values_of_a_parameter_file(start: Start) -> None:
    node = start('cameras: [front, left], network_size: [512, 256], confidence_threshold: 0.5')
    settings = declare(node)
    assert settings.cameras == ('front', 'left')
    assert settings.network_size == (512, 256)
    assert settings.confidence_threshold == 0.5
    assert node.get_parameter('cameras').value == ['front', 'left']


def test_a_whole_number_is_a_float_and_an_empty_list_has_the_right_type(start: Start) -> None:
    node = start('max_rate: 10, network_size: [], drivable_classes: []')
    settings = declare(node)
    assert (settings.max_rate, settings.network_size, settings.drivable_classes) == (10.0, (), ())
    assert isinstance(node.get_parameter('max_rate').value, float)
    assert node.get_parameter('drivable_classes').type_ is Parameter.Type.STRING_ARRAY


def test_a_dumped_file_may_hold_the_read_only_parameters_as_they_are(start: Start) -> None:
    node = start('class_names: [road, sky], class_colors: [0, 1, 2, 3, 4, 5]')
    assert declare(node) == Settings()
    check_reported(node, {'class_names': ['road', 'sky'], 'class_colors': [0, 1, 2, 3, 4, 5]})
    with pytest.raises(UserError, match='parameter class_names is read-only'):
        check_reported(node, {'class_names': ['road', 'lawn']})


def test_cameras_may_have_values_of_their_own(start: Start) -> None:
    general, own = (0.0, 0.0, 1.5, 0.0, 0.1, 0.0), (1.0, 0.0, 2.0, 0.0, 0.0, 0.0)
    node = start(
        f'cameras: [front, left/a], mounting: {list(general)}, grid.length: 40,'
        ' left/a.mounting: [1, 0, 2, 0, 0, 0]'
    )
    settings = declare(node)
    assert settings.for_camera('front').mounting == general
    assert settings.for_camera('left/a').mounting == own
    assert settings.for_camera('left/a').grid_length == 40.0
    assert list(node.get_parameter('left/a.mounting').value) == list(own)
    assert node.get_parameter('front.mounting').type_ is Parameter.Type.DOUBLE_ARRAY

    changed = settings.changed({'left/a.mounting': (), 'cameras': ('front', 'rear')})
    assert changed.for_camera('left/a').mounting == general
    assert 'left/a.mounting' not in settings.changed({'cameras': ('front',)}).of_cameras
    declare_of_cameras(node, changed)
    assert node.has_parameter('rear.mounting')
    assert not node.has_parameter('left/a.mounting')


def test_parameters_of_other_nodes_are_ignored(start: Start) -> None:
    """A launch file may set some on every node, as Autoware's does with those of the vehicle."""
    of_vehicle = 'wheel_radius: 0.38, max_steer_angle: 0.7, front_overhang: 1.0, zebra.a: [1]'
    node = start(f'use_sim_time: true, max_rate: 2.0, {of_vehicle}')
    assert declare(node) == Settings(max_rate=2.0)
    assert foreign(node) == ['wheel_radius', 'max_steer_angle', 'front_overhang', 'zebra.a']
    assert not node.has_parameter('wheel_radius')


def test_parameters_that_every_node_has_are_none_of_ours(start: Start) -> None:
    assert declare(start('use_sim_time: true')) == Settings()


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ('max_rate: fast', "max_rate must be of type double, such as 0.0; it is the string 'fast'"),
        ('autostart: 1', 'autostart must be of type bool, such as True; it is the integer 1'),
        ('cameras: front', "cameras must be of type string array, such as ['']; it is"),
        (
            'network_size: [512.0, 256.0]',
            'network_size must be of type integer array; it is the double a',
        ),
        ('confidence_threshold: 1.5', 'confidence_threshold must be from 0 to 1, not 1.5'),
        ('confidence_threshold: .nan', 'confidence_threshold must be from 0 to 1, not nan'),
        ('transport: theora', "transport must be one of raw, compressed, not 'theora'"),
        ('device: gpu', "device must be auto, cpu, cuda or cuda:N, not 'gpu'"),
        ('network_size: [512]', 'network_size must be [width, height], 32 to 8192 each, or []'),
        ('network_size: [16, 512]', 'network_size must be [width, height], 32 to 8192 each'),
        ('cameras: [front, front]', 'cameras must be different from each other: front, front'),
        ("cameras: ['', front]", 'cameras: each of several cameras needs a name'),
        ("cameras: ['front camera']", "cameras: 'front camera' cannot be part of a topic name"),
        (f'cameras: [{300 * "a"}]', 'cameras: a name has 300 characters, over the 128'),
        ('weights: []', "weights must be of type string, such as 'camvid'; it is empty"),
        ('cameras: []', "cameras needs a name; [''] is one camera without a prefix"),
        ("weights: ''", 'weights must be a name or a path'),
        ('mounting: [0.0, 0.0, 1.5]', 'mounting must be [x, y, z, roll, pitch, yaw] in metres'),
        (
            'base_frame: /base_link',
            'base_frame must not begin with a slash, which tf2 rejects: base_link',
        ),
        ('mounting: [0, 0, 0, 0, 0, 0]', 'mounting must have the camera above the ground'),
        ('mounting: [0, 0, 1, 0, 15, 0]', 'mounting must have its angles in radians'),
        ('grid.resolution: 0.01, grid.length: 200', 'make 20000 x 2000 cells, over the 1,000,000'),
        ('grid.resoltion: 0.2', "unknown parameter 'grid.resoltion': did you mean 'grid.reso"),
        ('front.mounting: []', "parameter front.mounting: its camera is not among cameras, ['']"),
        ('cameras: [a], a.mounting: [1.0]', 'parameter a.mounting must be [x, y, z, roll,'),
        ('a.mountin: [1.0]', "unknown parameter 'a.mountin': did you mean 'mounting'?"),
        ('max_rat: 1.0', "unknown parameter 'max_rat': did you mean 'max_rate'?"),
    ],
)
def test_what_is_refused_says_why(start: Start, given: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        declare(start(given))
    assert message in str(refused.value)
    assert '\n' not in str(refused.value)


@pytest.mark.parametrize(
    ('text', 'named'),
    [
        ('segmenter:\n  ros__parameters: {device: cpu}\n', '/segmenter'),
        ('{"/**": {"ros__parameters": {"device": "cpu"}}}', ''),
        ('{other: {ros__parameters: {device: cpu}}}', '/other'),
        ('other:\n  ros__parameters:\n    device: cpu\n', '/other'),
        ('segmenter:\n  ros__parameters:\n    device: cpu\n', '/segmenter'),
        ('front:\n  segmenter:\n    ros__parameters:\n      device: cpu\n', ''),
        ('/front/segmenter:  # ours\n    ros__parameters:\n        device: cpu\n', ''),
        ("'/**':\n  ros__parameters:\n    device: cpu\n", ''),
        ('/*/segmenter:\n  ros__parameters:\n    device: cpu\n', ''),
        (
            'a:\n  ros__parameters:\n    x: 1\n'
            'b:\n  segmenter:\n    ros__parameters:\n      x: 1\n',
            '/a, /b/segmenter',
        ),
    ],
)
def test_a_file_for_other_nodes_is_named(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / 'params.yaml'
    file.write_text(text)
    arguments = ['segmenter_node', '--ros-args', '--params-file', str(file)]
    sentences = files_without_this_node(arguments, '/front/segmenter')
    assert bool(sentences) == bool(named)
    for sentence in sentences:
        assert sentence.startswith(
            f'{file} has no parameters for this node, /front/segmenter, only for {named}: put'
        )


@pytest.mark.parametrize(
    'given',
    ["cameras: ['']", 'cameras: [front/left]', "device: 'cuda:1'", 'network_size: [32, 8192]'],
)
def test_what_is_allowed(start: Start, given: str) -> None:
    declare(start(given))


def test_ros_knows_type_range_and_description_of_every_parameter(start: Start) -> None:
    node = start()
    declare(node)
    for name, declaration in PARAMETERS.items():
        descriptor = node.describe_parameter(name)
        assert descriptor.type == Parameter.Type[declaration.type.upper().replace(' ', '_')].value
        assert descriptor.description == declaration.description
        assert declaration.changes.value in descriptor.additional_constraints
        assert descriptor.read_only == (declaration.changes is Changes.AT_START)
        if declaration.bounds is not None:
            (bounds,) = (*descriptor.floating_point_range, *descriptor.integer_range)
            assert (bounds.from_value, bounds.to_value) == declaration.bounds


def test_defaults_pass_their_own_checks() -> None:
    for declaration in PARAMETERS.values():
        assert declaration.refusal(declaration.default) is None


def test_engines_are_those_of_the_segmenter() -> None:
    assert PARAMETERS['engine'].choices == ('auto', *ENGINES)


def test_documentation_is_in_step() -> None:
    documented = Path(__file__).parents[2] / 'docs' / 'parameters.md'
    assert documented.read_text() == markdown(), (
        'run python3 -m bisenet_ros.settings > docs/parameters.md'
    )
