# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Starts the segmentation node on the images of one or several cameras.

    ros2 launch bisenet_ros segment.launch.py image:=/camera/image_raw
    ros2 launch bisenet_ros segment.launch.py cameras:=front,left image:=image_raw
    ros2 launch bisenet_ros segment.launch.py --show-args

The node configures and activates itself (parameter `autostart`), so that this file works with every
ROS 2 since Humble. The lifecycle node of launch can do this only in releases after Jazzy.

If the command line names this file, the launch ends when the node ends, with exit code 1 if the
node failed. A larger launch that includes this file keeps running.
"""

from __future__ import annotations

import itertools
import posixpath
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import yaml
from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.events import matches_action
from launch.events.process import ProcessExited, ShutdownProcess
from launch_ros.actions import Node

from bisenet_ros.node import large_images
from bisenet_ros.parameter_file import NODE, read_parameters_of
from bisenet_ros.settings import PARAMETERS

PACKAGE = 'bisenet_ros'

BOOLEANS = ('true', 'false', 'True', 'False')
# An empty argument leaves the parameter to the parameter file, or to the node's own default.
UNSET = ''

OnExit = (
    list[LaunchDescriptionEntity]
    | Callable[[ProcessExited, LaunchContext], list[LaunchDescriptionEntity]]
)
"""Actions to take after a process ended, or a function that returns them."""

RESPAWN_DELAY = 1.0
"""Seconds before a node that ended is restarted."""

ARGUMENTS = (
    DeclareLaunchArgument(
        'image',
        default_value='image',
        description='Image topic, without /compressed; relative to each camera where cameras '
        'are named',
    ),
    DeclareLaunchArgument(
        'camera_info',
        default_value=UNSET,
        description='CameraInfo topic; empty: camera_info beside the image topic',
    ),
    DeclareLaunchArgument(
        'cameras',
        default_value=UNSET,
        description='Names of several cameras, separated by commas: front,left,right; '
        'empty: as in params, or one without a name',
    ),
    DeclareLaunchArgument(
        'transport',
        default_value=UNSET,
        choices=[UNSET, 'raw', 'compressed'],
        description='How the images arrive; empty: as in params',
    ),
    DeclareLaunchArgument(
        'weights',
        default_value=UNSET,
        description='Shipped weights by name, or a .safetensors file; empty: as in params',
    ),
    DeclareLaunchArgument(
        'device',
        default_value=UNSET,
        description='auto, cuda, cuda:N or cpu; empty: as in params',
    ),
    DeclareLaunchArgument(
        'params',
        default_value=UNSET,
        description="YAML file with parameters of the node; empty: the node's defaults",
    ),
    DeclareLaunchArgument(
        'namespace',
        default_value=UNSET,
        description='Namespace of the node and of its relative topics',
    ),
    DeclareLaunchArgument(
        'autostart',
        default_value=UNSET,
        choices=[UNSET, *BOOLEANS],
        description='Configure and activate at once; false: wait for a lifecycle manager; '
        'empty: as in params',
    ),
    DeclareLaunchArgument(
        'use_sim_time',
        default_value=UNSET,
        choices=[UNSET, *BOOLEANS],
        description='Take the time from /clock, for bags and simulators; empty: as in params',
    ),
    DeclareLaunchArgument(
        'respawn',
        default_value='false',
        choices=BOOLEANS,
        description='Restart the node whenever its process ends, for example after a GPU error '
        'that only a new process can recover from',
    ),
    DeclareLaunchArgument(
        'rviz',
        default_value='false',
        choices=BOOLEANS,
        description='Show camera image, overlay, drivable mask, grid and scan in RViz',
    ),
    DeclareLaunchArgument(
        'log_level',
        default_value='info',
        description='debug, info, warn, error or fatal',
    ),
)


def is_true(argument: str) -> bool:
    """Converts an argument, one of `BOOLEANS`."""
    return argument.lower() == 'true'


def image_remappings(camera: str, image: str, camera_info: str) -> list[tuple[str, str]]:
    """Returns the remappings from a camera's inputs to the topics of its driver.

    Args:
        camera: Name of the camera; empty for a camera without a name.
        image: Base topic of the images, as image_transport calls it.
        camera_info: Topic of the CameraInfo; empty for image_transport's default, beside `image`.

    Raises:
        RuntimeError: A topic is absolute although the camera is named.
    """
    if camera and (image.startswith('/') or camera_info.startswith('/')):
        raise RuntimeError(
            f'image:={image} camera_info:={camera_info}: with named cameras both are relative to '
            f'each camera, so that image:=image_raw is {camera}/image_raw; leave out the slash'
        )
    topic = posixpath.join(camera, image)
    beside = posixpath.join(posixpath.dirname(topic), 'camera_info')
    return [
        (posixpath.join(camera, 'image'), topic),
        (posixpath.join(camera, 'image/compressed'), f'{topic}/compressed'),
        (
            posixpath.join(camera, 'camera_info'),
            posixpath.join(camera, camera_info) if camera_info else beside,
        ),
    ]


def node_parameters(
    arguments: Mapping[str, str], cameras: Sequence[str]
) -> list[str | dict[str, object]]:
    """Returns the node parameters: the user's file, then the arguments that were given."""
    given: dict[str, object] = {
        name: arguments[name] for name in ('transport', 'weights', 'device') if arguments[name]
    }
    given |= {
        name: is_true(arguments[name]) for name in ('autostart', 'use_sim_time') if arguments[name]
    }
    if arguments['cameras']:
        given['cameras'] = cameras
    parameters: list[str | dict[str, object]] = []
    if arguments['params']:
        parameters.append(arguments['params'])
    if given:
        parameters.append(given)
    return parameters


def camera_names(
    arguments: Mapping[str, str],
    outer_namespace: str,
    outer_parameters: Sequence[str | tuple[str, object]],
) -> Sequence[str]:
    """Returns the camera names from the argument or the parameters; else one empty name.

    Args:
        arguments: The launch arguments by name.
        outer_namespace: Namespace that a larger launch has pushed; may be empty.
        outer_parameters: What a larger launch has set for every node: parameter files, and names
            with values.

    Raises:
        RuntimeError: The file `params` does not exist; launch itself would only warn, and the node
            would run with its defaults. Or a larger launch has set `cameras` to a list.
        UserError: A file is not a parameter file, or has a parameter that the node would refuse.
    """
    file = arguments['params']
    if file and not Path(file).is_file():
        raise RuntimeError(f'params:={file}: there is no such file')
    if arguments['cameras']:
        return [name.strip() for name in arguments['cameras'].strip(' ,').split(',')]
    node = posixpath.join('/', outer_namespace, arguments['namespace'], NODE)
    cameras: Sequence[str] = ['']
    for parameters in filter(None, (*outer_parameters, file)):  # the last one wins, as in ROS
        if isinstance(parameters, str):
            cameras = read_parameters_of(Path(parameters), node).get('cameras', cameras)
        elif parameters[0] == 'cameras':
            cameras = cameras_of(parameters[1])
    return cameras


def cameras_of(value: object) -> Sequence[str]:
    """Returns the camera names that a larger launch has set by `SetParameter`.

    Raises:
        RuntimeError: The value is a list.
        UserError: It is another value that the node would refuse.
    """
    if isinstance(value, tuple):
        names = f'[{", ".join(map(str, value))}]'
        raise RuntimeError(
            f"SetParameter('cameras', {list(value)}): launch gives a list to nodes as text that "
            f"they cannot read; write '{names}' in Python, and value=\"'{names}'\" in XML"
        )
    return PARAMETERS['cameras'].value_of(yaml.safe_load(str(value)))


def is_named_by(command_line: Sequence[str]) -> bool:
    """Returns whether a command line launches this file, by path or by package and name."""
    here = Path(__file__)
    by_name = (PACKAGE, here.name) in itertools.pairwise(command_line)
    return by_name or any(
        argument.endswith(here.name) and Path(argument).exists() and here.samefile(argument)
        for argument in command_line
    )


def end_launch(event: ProcessExited, context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Returns the shutdown of a launch that launched only this file, after its node ended.

    Raises:
        RuntimeError: The node failed. Only an error gives `ros2 launch` a nonzero exit code.
    """
    if context.is_shutdown:
        return []
    if event.returncode:
        raise RuntimeError(f'the segmenter ended with exit code {event.returncode}')
    return [Shutdown(reason='the segmenter has ended')]


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Returns the node, RViz if requested, and the handler for the end of the node."""
    arguments = {
        argument.name: context.launch_configurations[argument.name] for argument in ARGUMENTS
    }
    config = Path(get_package_share_directory(PACKAGE), 'config')
    cameras = camera_names(
        arguments,
        context.launch_configurations.get('ros_namespace', ''),
        context.launch_configurations.get('global_params', []),
    )
    environment = dict(context.environment)
    large_images.use_profile(environment)
    segmenter = Node(
        package=PACKAGE,
        executable='segmenter_node',
        name=NODE,
        namespace=arguments['namespace'],
        parameters=node_parameters(arguments, cameras),
        remappings=[
            remapping
            for camera in cameras
            for remapping in image_remappings(camera, arguments['image'], arguments['camera_info'])
        ],
        ros_arguments=['--log-level', arguments['log_level']],
        env=environment,
        respawn=is_true(arguments['respawn']),
        respawn_delay=RESPAWN_DELAY,
        output='screen',
    )
    started: list[LaunchDescriptionEntity] = [segmenter]
    followed_by: OnExit = []
    if is_true(arguments['rviz']):
        watching = rviz(arguments, cameras[0], config / 'segment.rviz')
        started.append(watching)
        # RViz ends with the node that it displays. Other processes of a larger launch continue.
        ends = EmitEvent(event=ShutdownProcess(process_matcher=matches_action(watching)))
        followed_by = [ends]
    if is_named_by(sys.argv):
        followed_by = end_launch
    if followed_by and not is_true(arguments['respawn']):
        exit_of_node = OnProcessExit(target_action=segmenter, on_exit=followed_by)
        started.append(RegisterEventHandler(exit_of_node))
    return started


def rviz(arguments: Mapping[str, str], camera: str, config: Path) -> Node:
    """Returns an RViz that shows the topics of one camera."""
    # The time is that of the segmenter: from the file or a larger launch, unless it is given here.
    parameters: list[str | dict[str, bool]] = []
    if arguments['params']:
        parameters.append(arguments['params'])
    if arguments['use_sim_time']:
        parameters.append({'use_sim_time': is_true(arguments['use_sim_time'])})
    # The displays use the topics of a camera without a name; remap them to this camera.
    return Node(
        package='rviz2',
        executable='rviz2',
        name='segmenter_rviz',
        namespace=arguments['namespace'],
        arguments=['-d', str(config)],
        parameters=parameters,
        remappings=[
            ('image', posixpath.join(camera, arguments['image'])),
            *(
                (topic, posixpath.join(camera, topic))
                for topic in (
                    'segmentation/overlay',
                    'segmentation/labels',
                    'segmentation/drivable',
                    'segmentation/grid',
                    'segmentation/free_space_scan',
                )
            ),
        ],
        output='screen',
    )


def generate_launch_description() -> LaunchDescription:
    """Returns what `ros2 launch` runs."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=start)])
