# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The segmentation node, configured and activated by the lifecycle manager of Nav2.

    ros2 launch bisenet_ros lifecycle_manager.launch.py image:=/camera/image_raw

Takes the arguments of segment.launch.py. Needs the package nav2_lifecycle_manager. A stack that has
a manager already adds `segmenter` to the manager's `node_names` instead, and includes
segment.launch.py with `autostart:=false`.
"""

from __future__ import annotations

from pathlib import Path

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` runs."""
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
    # In this order: the arguments, `namespace` among them, are declared by the first.
    return LaunchDescription([segmenter, manager])
