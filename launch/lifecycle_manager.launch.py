# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Starts the segmentation node, and Nav2's lifecycle manager to configure and activate it.

    ros2 launch bisenet_ros lifecycle_manager.launch.py image:=/camera/image_raw

Takes the arguments of segment.launch.py. Needs the package nav2_lifecycle_manager. If your stack
already has a manager, add `segmenter` to its `node_names` instead, and include segment.launch.py
with `autostart:=false`.
"""

from __future__ import annotations

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node


def refuse_respawn(context: LaunchContext) -> None:
    """Refuses `respawn:=true`.

    Raises:
        RuntimeError: It is requested.
    """
    if context.launch_configurations.get('respawn', '').lower() == 'true':
        raise RuntimeError(
            'respawn:=true: the manager does not notice a node that is started again, and would '
            'never activate it; use segment.launch.py, whose node activates itself'
        )


def generate_launch_description() -> LaunchDescription:
    """Returns what `ros2 launch` runs."""
    segmenter = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(Path(__file__).with_name('segment.launch.py'))),
        launch_arguments={'autostart': 'false'}.items(),
    )
    manager = Node(
        package='nav2_lifecycle_manager',
        executable='lifecycle_manager',
        name='lifecycle_manager_segmenter',
        namespace=LaunchConfiguration('namespace'),
        parameters=[
            {
                'node_names': ['segmenter'],
                'autostart': True,
                # The node's health is on /diagnostics; it has no bond with the manager.
                'bond_timeout': 0.0,
            }
        ],
        output='screen',
    )
    # The order matters: the segmenter declares the arguments, among them `namespace`.
    return LaunchDescription([OpaqueFunction(function=refuse_respawn), segmenter, manager])
