# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The files in config/: what they name exists, and the Fast DDS profile carries large images."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import rclpy
import yaml
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_peers import Peer, own_domain, running
from sensor_msgs.msg import Image

from bisenet_ros.node.large_images import use_profile
from bisenet_ros.outputs import GRID, NAMESPACE, SCAN
from bisenet_ros.settings import PARAMETERS, Settings

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / 'config'
NAV2 = CONFIG / 'nav2_costmap.yaml'
PARAMETER_FILES = sorted(path for path in CONFIG.glob('*.yaml') if path != NAV2)

OUTPUTS = {
    'segmentation/overlay': 'Image',
    'segmentation/labels': 'Image',
    'segmentation/drivable': 'Image',
    'segmentation/camera_info': 'CameraInfo',
    'segmentation/drivable_area': 'DrivableArea',
    'segmentation/timing': 'SegmentationTiming',
    'segmentation/grid': 'OccupancyGrid',
    'segmentation/free_space_scan': 'LaserScan',
}


def test_there_is_a_parameter_file_for_each_use() -> None:
    names = {path.stem for path in PARAMETER_FILES}
    assert names == {'one_camera', 'multi_camera', 'cpu'}


@pytest.mark.parametrize('path', PARAMETER_FILES, ids=lambda path: path.stem)
def test_parameter_file_names_parameters_of_the_node_with_values_it_takes(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    # Only this key reaches the node under whatever name and namespace it is started.
    assert list(content) == ['/**']
    assert list(content['/**']) == ['ros__parameters']
    parameters = content['/**']['ros__parameters']
    assert parameters
    for name, value in parameters.items():
        assert name in PARAMETERS
        PARAMETERS[name].value_of(value)


def test_parameter_files_do_what_their_names_say() -> None:
    files = {
        path.stem: yaml.safe_load(path.read_text())['/**']['ros__parameters']
        for path in PARAMETER_FILES
    }
    assert 'cameras' not in files['one_camera']
    assert len(files['multi_camera']['cameras']) > 1
    assert files['cpu']['device'] == 'cpu'


def test_rviz_shows_topics_of_the_node() -> None:
    config = yaml.safe_load((CONFIG / 'segment.rviz').read_text())
    displays = config['Visualization Manager']['Displays']
    images = [one for one in displays if one['Class'] == 'rviz_default_plugins/Image']
    assert [display['Topic']['Value'] for display in images] == [
        'image',
        'segmentation/overlay',
        'segmentation/drivable',
        'segmentation/labels',
    ]
    for display in images:
        # A reliable subscription would get nothing from a best-effort camera.
        assert display['Topic']['Reliability Policy'] == 'Best Effort'
    kinds = {'rviz_default_plugins/Map': GRID, 'rviz_default_plugins/LaserScan': SCAN}
    on_ground = {one['Class']: one['Topic'] for one in displays if one not in images}
    assert on_ground.keys() == kinds.keys()
    for kind, output in kinds.items():
        assert on_ground[kind]['Value'] == f'{NAMESPACE}/{output.name}'
    assert on_ground['rviz_default_plugins/Map']['Durability Policy'] == 'Transient Local'
    base_frame = config['Visualization Manager']['Global Options']['Fixed Frame']
    assert base_frame == Settings().base_frame


def test_nav2_takes_topics_and_frames_of_the_node() -> None:
    content = yaml.safe_load(NAV2.read_text())
    costmap = content['local_costmap']['local_costmap']['ros__parameters']
    assert costmap['robot_base_frame'] == Settings().base_frame
    # Otherwise a grid in base_frame is taken as it is, and not transformed.
    assert costmap['rolling_window']
    assert costmap['track_unknown_space']
    layers = {value['plugin']: value for value in costmap.values() if isinstance(value, dict)}
    used = [costmap[name]['plugin'] for name in costmap['plugins']]
    assert used == ['nav2_costmap_2d::ObstacleLayer', 'nav2_costmap_2d::InflationLayer']
    static = layers['nav2_costmap_2d::StaticLayer']
    assert static['map_topic'] == f'/{NAMESPACE}/{GRID.name}'
    assert static['map_subscribe_transient_local'] is GRID.recent is True
    obstacles = layers['nav2_costmap_2d::ObstacleLayer']
    monitor = content['collision_monitor']['ros__parameters']
    assert monitor['base_frame_id'] == Settings().base_frame
    marking = [obstacles[name] for name in obstacles['observation_sources'].split()]
    watched = [monitor[name] for name in monitor['observation_sources']]
    for sources in (marking, watched):
        assert {source['topic'] for source in sources} == {f'/{NAMESPACE}/{SCAN.name}'}
    for source in marking:
        assert source['data_type'] == 'LaserScan'
        assert source['inf_is_valid']  # or rays without a contact would clear nothing
        assert source['min_obstacle_height'] < 0 < source['max_obstacle_height']  # the scan is at 0


def panels_of(layout: str | dict[str, Any]) -> list[str]:
    """Ids of the panels in a Foxglove layout: leaves of a binary tree."""
    if isinstance(layout, str):
        return [layout]
    assert set(layout) == {'direction', 'splitPercentage', 'first', 'second'}
    assert layout['direction'] in ('row', 'column')
    assert 0 < layout['splitPercentage'] < 100
    return panels_of(layout['first']) + panels_of(layout['second'])


def test_foxglove_layout_places_each_of_its_panels_once() -> None:
    layout = json.loads((CONFIG / 'foxglove_layout.json').read_text())
    assert set(layout) == {
        'configById',
        'globalVariables',
        'userNodes',
        'playbackConfig',
        'layout',
    }
    assert sorted(panels_of(layout['layout'])) == sorted(layout['configById'])
    kinds = {panel.partition('!')[0] for panel in layout['configById']}
    assert kinds == {'Image', 'Plot', '3D', 'DiagnosticSummary'}


def test_foxglove_layout_shows_topics_and_fields_of_the_node() -> None:
    panels = json.loads((CONFIG / 'foxglove_layout.json').read_text())['configById']
    for name, panel in panels.items():
        kind = name.partition('!')[0]
        if kind == 'Image':
            assert OUTPUTS[panel['imageMode']['imageTopic'][1:]] == 'Image'
            assert OUTPUTS[panel['imageMode']['calibrationTopic'][1:]] == 'CameraInfo'
        elif kind == '3D':
            assert panel['followTf'] == Settings().base_frame
            shown = {OUTPUTS[topic[1:]] for topic in panel['topics']}
            assert shown == {'OccupancyGrid', 'LaserScan'}
        elif kind == 'DiagnosticSummary':
            assert panel['topicToRender'] == '/diagnostics'
        else:
            assert panel['paths']
            for line in panel['paths']:
                assert line['enabled']
                topic, _, field = line['value'][1:].partition('.')
                definition = (ROOT / 'msg' / f'{OUTPUTS[topic]}.msg').read_text()
                assert re.search(rf'^float32 {field}$', definition, re.MULTILINE), line['value']


CAMERA = """
import array
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

rclpy.init()
node = rclpy.create_node('camera')
best_effort = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
publisher = node.create_publisher(Image, 'image', best_effort)
image = Image(height=1024, width=2048, encoding='bgr8', step=2048 * 3)
image.data = array.array('B', bytes(1024 * 2048 * 3))
image.header.frame_id = '0'

def publish():
    image.header.frame_id = str(int(image.header.frame_id) + 1)
    publisher.publish(image)

node.create_timer(0.1, publish)
rclpy.spin(node)
"""


@pytest.mark.skipif(
    'fastrtps' not in rclpy.get_rmw_implementation_identifier(),
    reason='needs Fast DDS, for which the profile is',
)
def test_fast_dds_profile_carries_large_best_effort_images_without_loss() -> None:
    wanted = 20
    environment: dict[str, str] = {}
    use_profile(environment)
    with own_domain() as domain:
        peer = Peer(domain)
        try:
            # Deep enough for a test that is held up to lose no frame of its own.
            qos = QoSProfile(depth=40, reliability=ReliabilityPolicy.BEST_EFFORT)
            inbox = peer.listen(Image, 'image', qos)
            with running([sys.executable, '-c', CAMERA], domain, environment) as camera:
                images = inbox.wait_for_count(wanted)
        finally:
            peer.close()

    assert {len(image.data) for image in images} == {1024 * 2048 * 3}
    # Without the profile a few may get through among many that are lost.
    numbers = [int(image.header.frame_id) for image in images]
    lost = numbers[-1] - numbers[0] + 1 - len(numbers)
    assert lost <= 2
    # Fast DDS reports what it cannot read of a profile, and goes on without it.
    assert 'XMLPARSER' not in camera.output
