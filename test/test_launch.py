# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The launch file: run by launch itself where that is installed, read as text everywhere.

What launch starts here are not the node and RViz but two programs that report how they were
started: the names, topics, parameters and environment that rclpy makes of it.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
LAUNCH_FILE = ROOT / 'launch' / 'segment.launch.py'
# A bare `import launch` proves nothing: the folder of that name is a namespace package too.
needs_launch = pytest.mark.skipif(
    importlib.util.find_spec('launch_ros') is None,
    reason='needs launch_ros, which comes with ROS 2 but not with its wheels',
)

# Runs a launch file as `ros2 launch` does, without the plugins of ros2cli.
RUN_LAUNCH_FILE = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

path, *arguments = sys.argv[1:]
service = LaunchService(noninteractive=True)
service.include_launch_description(LaunchDescription([
    IncludeLaunchDescription(
        PythonLaunchDescriptionSource(path),
        launch_arguments=[argument.split(':=', 1) for argument in arguments],
    )
]))
sys.exit(service.run())
"""

# A larger launch that includes another file, and has something to do when the node has ended.
LARGER_LAUNCH_FILE = """
from launch import LaunchDescription
from launch.actions import ExecuteProcess, IncludeLaunchDescription, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.launch_description_sources import PythonLaunchDescriptionSource

def go_on(event, context):
    ended = 'segmenter_node' in event.process_name
    return [ExecuteProcess(cmd=['touch', '{went_on}'])] if ended else []

def generate_launch_description():
    included = IncludeLaunchDescription(PythonLaunchDescriptionSource('{included}'))
    return LaunchDescription([RegisterEventHandler(OnProcessExit(on_exit=go_on)), included])
"""

# A larger launch that includes another file in a namespace.
PUSHED_NAMESPACE = """
from launch import LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import PushRosNamespace

def generate_launch_description():
    included = IncludeLaunchDescription(PythonLaunchDescriptionSource('{included}'))
    return LaunchDescription([GroupAction([PushRosNamespace('robot'), included])])
"""

# A larger launch that sets a parameter of every node.
SIMULATED_TIME = """
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import SetParameter

def generate_launch_description():
    included = IncludeLaunchDescription(PythonLaunchDescriptionSource('{included}'))
    return LaunchDescription([SetParameter('use_sim_time', True), included])
"""

# A larger launch that sets the cameras of every node.
CAMERAS = """
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import SetParameter

def generate_launch_description():
    included = IncludeLaunchDescription(PythonLaunchDescriptionSource('{included}'))
    return LaunchDescription([SetParameter('cameras', {cameras!r}), included])
"""

# A larger launch that sets the parameters of every node from files.
PARAMETER_FILES = """
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import SetParameter, SetParametersFromFile

def generate_launch_description():
    included = IncludeLaunchDescription(PythonLaunchDescriptionSource('{included}'))
    files = [SetParametersFromFile(file) for file in {files}]
    return LaunchDescription([*files, SetParameter('use_sim_time', False), included])
"""

# Tells how it was started, in a file of its own name beside itself.
REPORT_START = """#!{python}
import json, os, pathlib, sys
import rclpy
from rclpy.executors import ExternalShutdownException

rclpy.init(args=sys.argv)
node = rclpy.create_node(
    'unnamed',
    allow_undeclared_parameters=True,
    automatically_declare_parameters_from_overrides=True,
)
topics = pathlib.Path('{topics}').read_text().split()
report = dict(
    name=node.get_name(),
    namespace=node.get_namespace(),
    topics={{topic: node.resolve_topic_name(topic) for topic in topics}},
    parameters={{name: p.value for name, p in node.get_parameters_by_prefix('').items()}},
    environment=dict(os.environ),
    arguments=sys.argv,
)
own_name = pathlib.Path(__file__)
own_name.with_suffix('.json').write_text(json.dumps(report, default=list))
{then}
"""
# A node that ends when the program beside it has reported; a program that runs until it is told.
END_AFTER_RVIZ = "open('{rendezvous}').read()\n"
RUN_UNTIL_STOPPED = """
open('{rendezvous}', 'w').close()
try:
    rclpy.spin(node)
except (KeyboardInterrupt, ExternalShutdownException):
    pass
"""


@dataclass(frozen=True)
class Started:
    """What launch started, and how it ended."""

    segmenter: dict[str, Any] | None
    rviz: dict[str, Any] | None
    manager: dict[str, Any] | None
    returncode: int
    output: str


Launch = Callable[..., Started]


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An install tree as CMake makes it, with programs that report their start."""
    prefix = tmp_path / 'install'
    share = prefix / 'share' / 'bisenet_ros'
    share.mkdir(parents=True)
    for folder in ('launch', 'config'):
        (share / folder).symlink_to(ROOT / folder)
    rendezvous = tmp_path / 'rendezvous'
    os.mkfifo(rendezvous)
    topics = tmp_path / 'topics.txt'
    topics.write_text(
        'image image/compressed camera_info front/image front/image/compressed front/camera_info'
        ' left/image left/camera_info segmentation/overlay segmentation/labels'
        ' segmentation/drivable'
    )
    programs = {
        ('bisenet_ros', 'segmenter_node'): '',
        ('rviz2', 'rviz2'): RUN_UNTIL_STOPPED.format(rendezvous=rendezvous),
        ('nav2_lifecycle_manager', 'lifecycle_manager'): '',
    }
    for (package, executable), then in programs.items():
        marker = prefix / 'share' / 'ament_index' / 'resource_index' / 'packages' / package
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
        program = prefix / 'lib' / package / executable
        program.parent.mkdir(parents=True)
        program.write_text(REPORT_START.format(python=sys.executable, topics=topics, then=then))
        program.chmod(0o755)
    return prefix


def installed_launch_file(prefix: Path, name: str = 'segment.launch.py') -> Path:
    """Where a launch file is in the install tree."""
    return prefix / 'share' / 'bisenet_ros' / 'launch' / name


@pytest.fixture
def larger_launch_file(prefix: Path, tmp_path: Path) -> Path:
    """One that includes segment.launch.py; it makes `went_on` beside itself when the node ended."""
    file = tmp_path / 'larger.launch.py'
    included = installed_launch_file(prefix)
    went_on = tmp_path / 'went_on'
    file.write_text(LARGER_LAUNCH_FILE.format(included=included, went_on=went_on))
    return file


def report_of(program: Path) -> dict[str, Any] | None:
    """What a program of the install tree has reported; None where it was not started."""
    path = program.with_suffix('.json')
    if not path.exists():
        return None
    report: dict[str, Any] = json.loads(path.read_text())
    return report


@pytest.fixture
def launch(prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launch:
    """Runs a launch file with arguments such as 'device:=cpu' until all has ended.

    That is the installed segment.launch.py, unless `file` gives another.
    """
    others = os.environ.get('AMENT_PREFIX_PATH', '')
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'{prefix}{os.pathsep}{others}'.rstrip(os.pathsep))
    monkeypatch.setenv('ROS_LOG_DIR', str(tmp_path / 'log'))
    for variable in os.environ:
        if variable.startswith(('FASTDDS_', 'FASTRTPS_')):
            monkeypatch.delenv(variable)

    installed = installed_launch_file(prefix)

    def run(*arguments: str, file: Path = installed) -> Started:
        ended = subprocess.run(
            [sys.executable, '-c', RUN_LAUNCH_FILE, str(file), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        return Started(
            segmenter=report_of(prefix / 'lib' / 'bisenet_ros' / 'segmenter_node'),
            rviz=report_of(prefix / 'lib' / 'rviz2' / 'rviz2'),
            manager=report_of(prefix / 'lib' / 'nav2_lifecycle_manager' / 'lifecycle_manager'),
            returncode=ended.returncode,
            output=ended.stdout,
        )

    return run


def segmenter(started: Started) -> dict[str, Any]:
    """The node's report, with launch's output in the failure where there is none."""
    assert started.segmenter is not None, started.output
    assert started.returncode == 0, started.output
    return started.segmenter


@needs_launch
def test_without_arguments_the_node_keeps_its_own_names_and_defaults(launch: Launch) -> None:
    node = segmenter(launch())
    assert (node['name'], node['namespace']) == ('segmenter', '/')
    assert node['topics']['image'] == '/image'
    assert node['topics']['camera_info'] == '/camera_info'
    assert set(node['parameters']) <= {'use_sim_time', 'start_type_description_service'}


@needs_launch
def test_image_takes_compressed_images_and_camera_info_with_it(launch: Launch) -> None:
    topics = segmenter(launch('image:=/camera/image_raw'))['topics']
    assert topics['image'] == '/camera/image_raw'
    assert topics['image/compressed'] == '/camera/image_raw/compressed'
    assert topics['camera_info'] == '/camera/camera_info'


@needs_launch
def test_namespace_holds_for_relative_topics_and_camera_info_can_be_elsewhere(
    launch: Launch,
) -> None:
    node = segmenter(launch('namespace:=robot', 'image:=camera/image', 'camera_info:=/calibration'))
    assert node['namespace'] == '/robot'
    assert node['topics']['image'] == '/robot/camera/image'
    assert node['topics']['camera_info'] == '/calibration'
    assert node['topics']['segmentation/labels'] == '/robot/segmentation/labels'


@needs_launch
def test_named_cameras_have_their_topics_under_their_names(launch: Launch) -> None:
    node = segmenter(launch('cameras:=front, left,', 'image:=color/image_raw'))
    assert node['parameters']['cameras'] == ['front', 'left']
    assert node['topics']['front/image'] == '/front/color/image_raw'
    assert node['topics']['front/image/compressed'] == '/front/color/image_raw/compressed'
    assert node['topics']['front/camera_info'] == '/front/color/camera_info'
    assert node['topics']['left/image'] == '/left/color/image_raw'


@needs_launch
@pytest.mark.parametrize('section', ['/**', 'segmenter', 'robot/segmenter', '/robot/*'])
def test_cameras_that_the_parameter_file_names_are_led_to_their_topics(
    launch: Launch, tmp_path: Path, section: str
) -> None:
    params = tmp_path / 'params.yaml'
    params.write_text(f'{section}: {{ros__parameters: {{cameras: [front, left]}}}}')
    namespace = 'robot' if 'robot' in section else ''
    node = segmenter(launch(f'params:={params}', f'namespace:={namespace}', 'image:=color/raw'))
    assert node['parameters']['cameras'] == ['front', 'left']
    prefix = f'/{namespace}'.rstrip('/')
    assert node['topics']['front/image'] == f'{prefix}/front/color/raw'
    assert node['topics']['left/camera_info'] == f'{prefix}/left/color/camera_info'


@needs_launch
def test_cameras_of_another_node_in_the_parameter_file_are_not_ours(
    launch: Launch, tmp_path: Path
) -> None:
    params = tmp_path / 'params.yaml'
    params.write_text('/other/segmenter: {ros__parameters: {cameras: [front, left]}}')
    node = segmenter(launch(f'params:={params}', 'image:=/camera/image_raw'))
    assert node['topics']['image'] == '/camera/image_raw'


@needs_launch
def test_arguments_win_over_the_parameter_file_where_they_are_given(
    launch: Launch, tmp_path: Path
) -> None:
    params = tmp_path / 'params.yaml'
    params.write_text(
        '/**: {ros__parameters: {weights: from_file, device: cuda, autostart: true,'
        ' overlay_alpha: 0.25}}'
    )
    # '007' and '1e3' would be numbers in YAML: they have to stay text.
    node = segmenter(launch(f'params:={params}', 'weights:=007', 'autostart:=false'))
    assert node['parameters']['weights'] == '007'
    assert node['parameters']['autostart'] is False
    assert node['parameters']['device'] == 'cuda'
    assert node['parameters']['overlay_alpha'] == 0.25
    assert 'transport' not in node['parameters']


@needs_launch
@pytest.mark.parametrize('name', ['one_camera', 'multi_camera', 'cpu'])
def test_shipped_parameter_files_reach_the_node_in_any_namespace(launch: Launch, name: str) -> None:
    params = ROOT / 'config' / f'{name}.yaml'
    node = segmenter(launch(f'params:={params}', 'namespace:=/fleet/robot_1'))
    written = yaml.safe_load(params.read_text())['/**']['ros__parameters']
    assert written
    assert written.items() <= node['parameters'].items()


def fastdds_variables(node: dict[str, Any]) -> dict[str, str]:
    """The part of a program's environment that Fast DDS reads."""
    environment: dict[str, str] = node['environment']
    return {k: v for k, v in environment.items() if k.startswith(('FASTDDS_', 'FASTRTPS_'))}


@needs_launch
@pytest.mark.parametrize(
    ('distribution', 'variable'),
    [
        ('humble', 'FASTRTPS_DEFAULT_PROFILES_FILE'),
        ('jazzy', 'FASTRTPS_DEFAULT_PROFILES_FILE'),
        ('kilted', 'FASTDDS_DEFAULT_PROFILES_FILE'),
        ('lyrical', 'FASTDDS_DEFAULT_PROFILES_FILE'),
    ],
)
def test_fast_dds_gets_the_profile_for_large_images(
    launch: Launch, monkeypatch: pytest.MonkeyPatch, distribution: str, variable: str
) -> None:
    monkeypatch.setenv('ROS_DISTRO', distribution)
    (name, profile), *others = fastdds_variables(segmenter(launch())).items()
    assert (name, others) == (variable, [])
    shipped = ROOT / 'config' / 'fastdds_large_images.xml'  # colcon installs a copy of it
    assert Path(profile).read_bytes() == shipped.read_bytes()


@needs_launch
@pytest.mark.parametrize(
    ('variable', 'value'),
    [
        ('FASTDDS_DEFAULT_PROFILES_FILE', '/etc/own.xml'),
        ('FASTRTPS_DEFAULT_PROFILES_FILE', '/etc/own.xml'),
        ('FASTDDS_BUILTIN_TRANSPORTS', 'UDPv4'),
    ],
)
def test_a_users_own_fast_dds_configuration_wins(
    launch: Launch, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert fastdds_variables(segmenter(launch())) == {variable: value}


@needs_launch
@pytest.mark.parametrize('respawn', [False, True])
def test_a_node_that_fails_is_started_again_where_that_is_asked_for(
    launch: Launch, prefix: Path, tmp_path: Path, respawn: bool
) -> None:
    node = prefix / 'lib' / 'bisenet_ros' / 'segmenter_node'
    starts = tmp_path / 'starts'
    # It fails once; the second time, it ends the launch as Ctrl-C does.
    count = (
        f"starts = open('{starts}', 'a+')\nstarts.write('x')\nstarts.seek(0)\n"
        'if len(starts.read()) == 2:\n    os.kill(os.getppid(), 2)\nsys.exit(1)\n'
    )
    node.write_text(node.read_text() + count)
    started = launch(f'respawn:={str(respawn).lower()}')
    assert starts.read_text() == ('xx' if respawn else 'x')
    assert started.returncode == (0 if respawn else 1)
    assert ('the segmenter ended with exit code 1' in started.output) is not respawn


@needs_launch
def test_a_larger_launch_goes_on_when_the_node_fails(
    launch: Launch, prefix: Path, larger_launch_file: Path
) -> None:
    node = prefix / 'lib' / 'bisenet_ros' / 'segmenter_node'
    node.write_text(node.read_text() + 'sys.exit(1)\n')
    started = launch(file=larger_launch_file)
    assert started.segmenter is not None, started.output
    assert started.returncode == 0
    assert larger_launch_file.with_name('went_on').exists()


@needs_launch
@pytest.mark.parametrize('included', [False, True])
def test_rviz_shows_the_first_camera_and_ends_with_the_node(
    launch: Launch, prefix: Path, tmp_path: Path, larger_launch_file: Path, included: bool
) -> None:
    node = prefix / 'lib' / 'bisenet_ros' / 'segmenter_node'
    wait = END_AFTER_RVIZ.format(rendezvous=tmp_path / 'rendezvous')
    node.write_text(node.read_text() + wait)

    started = launch(
        *('rviz:=true', 'cameras:=front,left', 'namespace:=robot', 'image:=image_raw'),
        file=larger_launch_file if included else installed_launch_file(prefix),
    )

    segmenter(started)
    assert started.rviz is not None, started.output
    config = Path(started.rviz['arguments'][started.rviz['arguments'].index('-d') + 1])
    assert config.resolve() == ROOT / 'config' / 'segment.rviz'
    assert started.rviz['topics']['image'] == '/robot/front/image_raw'
    for output in ('overlay', 'labels', 'drivable'):
        topic = started.rviz['topics'][f'segmentation/{output}']
        assert topic == f'/robot/front/segmentation/{output}'


@needs_launch
@pytest.mark.parametrize('given_by', ['argument', 'params', 'larger launch'])
def test_rviz_has_the_time_of_the_node(
    launch: Launch, prefix: Path, tmp_path: Path, given_by: str
) -> None:
    node = prefix / 'lib' / 'bisenet_ros' / 'segmenter_node'
    wait = END_AFTER_RVIZ.format(rendezvous=tmp_path / 'rendezvous')
    node.write_text(node.read_text() + wait)
    params = tmp_path / 'params.yaml'
    params.write_text('/**: {ros__parameters: {use_sim_time: true}}')
    larger = tmp_path / 'simulation.launch.py'
    larger.write_text(SIMULATED_TIME.format(included=installed_launch_file(prefix)))

    arguments = {'argument': ['use_sim_time:=true'], 'params': [f'params:={params}']}
    started = launch(
        'rviz:=true',
        *arguments.get(given_by, []),
        file=larger if given_by == 'larger launch' else installed_launch_file(prefix),
    )

    assert segmenter(started)['parameters']['use_sim_time'] is True
    assert started.rviz is not None, started.output
    assert started.rviz['parameters']['use_sim_time'] is True


@needs_launch
def test_a_lifecycle_manager_starts_the_node(launch: Launch, prefix: Path) -> None:
    file = installed_launch_file(prefix, 'lifecycle_manager.launch.py')
    started = launch('namespace:=robot', 'image:=camera/image_raw', file=file)
    node = segmenter(started)
    assert node['parameters']['autostart'] is False
    assert node['topics']['image'] == '/robot/camera/image_raw'
    assert started.manager is not None, started.output
    assert started.manager['namespace'] == node['namespace'] == '/robot'
    assert started.manager['parameters']['node_names'] == [node['name']]
    assert started.manager['parameters']['autostart'] is True
    assert started.manager['parameters']['bond_timeout'] == 0.0


@needs_launch
def test_a_lifecycle_manager_and_respawn_are_refused_together(launch: Launch, prefix: Path) -> None:
    file = installed_launch_file(prefix, 'lifecycle_manager.launch.py')
    started = launch('respawn:=true', file=file)
    assert started.returncode == 1
    assert 'the manager does not notice a node that is started again' in started.output
    assert started.segmenter is None


@needs_launch
def test_the_cameras_of_a_file_are_found_in_a_pushed_namespace(
    launch: Launch, prefix: Path, tmp_path: Path
) -> None:
    params = tmp_path / 'params.yaml'
    params.write_text('/robot/own/segmenter: {ros__parameters: {cameras: [front, left]}}\n')
    larger = tmp_path / 'fleet.launch.py'
    larger.write_text(PUSHED_NAMESPACE.format(included=installed_launch_file(prefix)))
    arguments = (f'params:={params}', 'namespace:=own', 'image:=image_raw')
    node = segmenter(launch(*arguments, file=larger))
    assert node['namespace'] == '/robot/own'
    assert node['topics']['front/image'] == '/robot/own/front/image_raw'


@needs_launch
def test_cameras_of_files_of_a_larger_launch_are_led_to_their_topics(
    launch: Launch, prefix: Path, tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ('car.yaml', 'sensors.yaml', 'other.yaml')]
    for file, cameras in zip(files, ('[rear]', '[front, left]', '[]'), strict=True):
        node = 'segmenter' if cameras != '[]' else 'other'
        file.write_text(f'{node}: {{ros__parameters: {{cameras: {cameras}}}}}\n')
    larger = tmp_path / 'car.launch.py'
    included = installed_launch_file(prefix)
    larger.write_text(PARAMETER_FILES.format(included=included, files=[str(f) for f in files]))
    node = segmenter(launch('image:=image_raw', file=larger))
    assert node['parameters']['cameras'] == ['front', 'left']
    assert node['topics']['front/image'] == '/front/image_raw'
    assert node['topics']['left/camera_info'] == '/left/camera_info'
    assert node['topics']['image'] == '/image'


@needs_launch
def test_cameras_that_a_larger_launch_sets_are_led_to_their_topics(
    launch: Launch, prefix: Path, tmp_path: Path
) -> None:
    larger = tmp_path / 'car.launch.py'
    included = installed_launch_file(prefix)
    larger.write_text(CAMERAS.format(included=included, cameras='[front, left]'))
    node = segmenter(launch('image:=image_raw', file=larger))
    assert node['parameters']['cameras'] == ['front', 'left']
    assert node['topics']['front/image'] == '/front/image_raw'
    assert node['topics']['left/camera_info'] == '/left/camera_info'


@needs_launch
def test_cameras_that_launch_would_give_to_the_node_as_text_are_refused(
    launch: Launch, prefix: Path, tmp_path: Path
) -> None:
    larger = tmp_path / 'car.launch.py'
    included = installed_launch_file(prefix)
    larger.write_text(CAMERAS.format(included=included, cameras=['front', 'left']))
    started = launch(file=larger)
    assert started.returncode == 1
    assert "write '[front, left]' in Python" in started.output
    assert started.segmenter is None


@needs_launch
@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        (['params:=/nowhere/params.yaml'], 'params:=/nowhere/params.yaml: there is no such file'),
        ([f'params:={ROOT / "pyproject.toml"}'], 'pyproject.toml'),
        (['cameras:=front,left', 'image:=/camera'], 'leave out the slash'),
        (['rviz:=perhaps'], 'rviz'),
        (['transport:=pigeon'], 'transport'),
    ],
)
def test_wrong_arguments_are_refused_before_anything_starts(
    launch: Launch, arguments: list[str], reason: str
) -> None:
    started = launch(*arguments)
    assert started.returncode == 1
    assert reason in started.output
    assert started.segmenter is None


@needs_launch
@pytest.mark.skipif(
    importlib.util.find_spec('launch_testing') is None,
    reason='needs launch_testing, which comes with ROS 2 but not with its wheels',
)
def test_the_real_node_labels_a_frame_and_ends_well(
    launch: Launch, prefix: Path, weights: Path
) -> None:
    from ros_peers import own_domain

    del launch  # has set the environment
    node = prefix / 'lib' / 'bisenet_ros' / 'segmenter_node'
    node.write_text(f'#!/bin/sh\nexec {sys.executable} -m bisenet_ros.node.segmenter_node "$@"\n')
    with own_domain() as domain:
        ended = subprocess.run(
            [
                *(sys.executable, '-m', 'launch_testing.launch_test'),
                *(str(ROOT / 'test' / 'launch_test_segmenter.py'), f'weights:={weights}'),
            ],
            env={**os.environ, 'ROS_DOMAIN_ID': str(domain)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
    assert ended.returncode == 0, ended.stdout


@needs_launch
def test_every_argument_has_a_description() -> None:
    from launch.actions import DeclareLaunchArgument
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    source = PythonLaunchDescriptionSource(str(LAUNCH_FILE))
    entities = source.try_get_launch_description_without_context().entities
    arguments = {e.name: e for e in entities if isinstance(e, DeclareLaunchArgument)}
    names_that_users_rely_on = {
        'image', 'weights', 'params', 'namespace', 'device', 'rviz', 'autostart', 'respawn',
    }  # fmt: skip
    assert names_that_users_rely_on <= set(arguments)
    for name, argument in arguments.items():
        assert len(argument.description.split()) > 3, name


def test_files_and_arguments_that_the_launch_file_names_exist() -> None:
    tree = ast.parse(LAUNCH_FILE.read_text())
    strings = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    files = {text for text in strings if text.endswith(('.xml', '.rviz', '.yaml'))}
    assert files == {'segment.rviz'}
    for file in files:
        assert (ROOT / 'config' / file).is_file()

    declared = {
        ast.literal_eval(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == 'DeclareLaunchArgument'
    }
    used = {
        node.slice.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == 'arguments'
        and isinstance(node.slice, ast.Constant)
    }
    assert used
    assert used <= declared
