# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A graph of real processes, by itself and as `bisenet replay --live` runs it."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calibrated_checkpoint import save_calibrated_checkpoint
from command_line import bisenet
from replay_results import lines_of, metrics_of
from small_bags import START, STEP, Entry, InfoEntry, drive, picture, write_bag
from typer.testing import Result

from bisenet_ros.bag.messages import messages, open_bag
from bisenet_ros.bag.reader import ReplayBag
from bisenet_ros.bag.recorded_outputs import RecordedOutputs
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import CAMVID
from bisenet_ros.live.graph import LAST_OUTPUT_TIMEOUT, _patience, run_graph
from bisenet_ros.live.sources import Source
from bisenet_ros.media import write_image
from bisenet_ros.model_settings import MODEL_PARAMETERS
from bisenet_ros.parameter_file import read_parameters
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.settings import Settings

GROUND = ('grid', 'free_space_scan')


def replay(weights: Path, bag: Path, output: Path, *arguments: str) -> Result:
    command = ['replay', bag, '-o', output, '--weights', weights, '--device', 'cpu', *arguments]
    result = bisenet(*command)
    print(result.output)  # pytest shows it if the test fails
    return result


def labels_of(output: Path, camera: str = '') -> Iterator[tuple[int, bytes]]:
    """Stamp and pixels of each label image in output.mcap."""
    with closing(open_bag(output / 'output.mcap')) as reader:
        for found in messages(reader, [f'{camera}/segmentation/labels']):
            yield found.stamp, np.asarray(found.message.data).tobytes()


def with_infos(camera: str, entries: list[Any]) -> Iterator[Any]:
    """The messages of a camera with a CameraInfo before each image."""
    for entry in entries:
        if entry.topic == f'{camera}/image':
            yield InfoEntry(f'{camera}/camera_info', entry.stamp, focal=60.0)
        yield entry


def content_of(message: Any) -> Any:
    """What counts in an image, a grid or a scan."""
    return np.asarray(message.ranges if hasattr(message, 'ranges') else message.data)


def run(source: Path, folder: Path, settings: Settings) -> list[str]:
    """Run a graph on a bag, four times as fast as it was recorded; the events that it told of."""
    heard: list[str] = []
    folder.mkdir()
    run_graph(
        Source(source),
        settings,
        folder,
        folder,
        rate=4,
        on_event=lambda e: heard.append(e['event']),
    )
    return heard


@pytest.mark.slow
def test_the_node_gets_its_parameters(weights: Path, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', drive(6))
    settings: dict[str, Any] = {
        'network_size': (96, 64),
        'confidence_threshold': 0.11,
        'drivable_classes': CAMVID.names[:4],
        'drivable_threshold': 0.13,
        'min_drivable_area': 0.02,
    }
    of_node = Settings(
        weights=str(weights),
        device='cpu',
        engine='torch',
        **settings,
        cameras=('elsewhere',),  # of the vehicle: the graph says which cameras there are
        autostart=False,
        transport='compressed',
    )
    heard = run(bag, tmp_path / 'live', of_node)
    assert heard[0] == 'playing'
    assert heard.count('published') == 6
    segmenter = Segmenter.load(weights, device='cpu', engine='torch', **settings)
    plain = Segmenter.load(weights, device='cpu', engine='torch')
    compared = 0
    with RecordedOutputs(tmp_path / 'live', segmenter.label_space) as outputs:
        for frame in ReplayBag(bag):
            output = outputs.of(frame)
            if output is not None:
                compared += 1
                expected = segmenter(frame.image())
                np.testing.assert_array_equal(output.labels, expected.labels)
                np.testing.assert_array_equal(output.drivable, expected.drivable)
                np.testing.assert_array_equal(output.confidence, expected.confidence)
                assert (output.labels != plain(frame.image()).labels).any()
    assert compared == len(outputs.arrivals) > 0


PARAMS = """\
/**:
  ros__parameters:
    device: cpu
    precision: fp32
    engine: torch
    network_size: [96, 64]
    output_size: [80, 36]
    ego_mask: {ego}
    left.ego_mask: {left_ego}
    weights: {weights}
    self_check: no
    cpu_threads: 1
    confidence_threshold: 1.1e-1
    drivable_classes: [sky, road, car]
    drivable_threshold: 1.2e-1
    anomaly_threshold: 0.7
    min_drivable_area: 2e-2
    overlay_alpha: 0.25
    cameras: [front, left, rear]
    mounting: [0.0, 0.0, 1.5, 0.0, 0.5, 0.0]
    left.mounting: [0.0, 0.5, 1.0, 0.1, 0.6, 0.5]
    grid.resolution: 0.5
"""


@pytest.mark.slow
def test_parameter_files_mean_the_same_live_and_in_a_replay(tmp_path: Path) -> None:
    weights = save_calibrated_checkpoint(tmp_path / 'sure.safetensors')
    cameras = ('/front', '/left', '/rear')
    entries = [entry for camera in cameras for entry in with_infos(camera, drive(8, camera))]
    bag = write_bag(tmp_path / 'bag', sorted(entries, key=lambda entry: entry.stamp))
    ego = np.zeros((96, 128), np.uint8)
    ego[80:, 16:-16] = 255
    write_image(tmp_path / 'ego.png', ego)
    write_image(tmp_path / 'left.png', ego[::-1])  # upside down
    text = PARAMS.format(
        ego=tmp_path / 'ego.png', left_ego=tmp_path / 'left.png', weights=json.dumps(str(weights))
    )
    model_text, cameras_line, mounting_text = text.partition('    cameras:')
    files = tmp_path / 'model.yaml', tmp_path / 'vehicle.yaml'
    files[0].write_text(model_text)
    files[1].write_text(f'/**:\n  ros__parameters:\n{cameras_line}{mounting_text}')
    assert MODEL_PARAMETERS.keys() <= read_parameters(files).keys()
    published: dict[str, dict[tuple[str, int], bytes]] = {}
    for how, options in (('every', []), ('live', ['--live', '--rate', '2'])):
        params = [word for file in files for word in ('--params', str(file))]
        result = bisenet('replay', str(bag), '-o', str(tmp_path / how), *params, *options)
        assert result.exit_code == 0, result.output
        topics = [
            f'{camera}/segmentation/{kind}'
            for camera in cameras
            for kind in ('labels', 'drivable', 'confidence', 'overlay', *GROUND)
        ]
        with closing(open_bag(tmp_path / how / 'output.mcap')) as reader:
            published[how] = {
                (found.topic, found.stamp): content_of(found.message).tobytes()
                for found in messages(reader, topics)
            }
    assert len(published['every']) == 8 * len(topics)
    assert {topic for topic, _ in published['live']} == set(topics)
    for place, pixels in published['live'].items():
        assert pixels == published['every'][place], place
        if place[0].endswith('labels'):
            labels = np.frombuffer(pixels, np.uint8).reshape(36, 80)
            if place[0].startswith('/left'):
                labels = labels[::-1]
            assert (labels[30:, 10:70] == 255).all()
            assert (labels[:6, 10:70] != 255).any()

    model = metrics_of(tmp_path / 'live')['model']
    assert model == metrics_of(tmp_path / 'every')['model']
    assert model['weights'] == str(weights)
    assert (model['device'], model['precision'], model['engine']) == ('cpu', 'fp32', 'torch')
    assert (model['network_size'], model['self_check']) == ([96, 64], False)
    assert model['output_size'] == [80, 36]
    assert model['ego_mask'] == str(tmp_path / 'ego.png')
    every = metrics_of(tmp_path / 'every')
    assert every['accuracy']['frames'] == 8 * len(cameras)
    assert 'labels and masks are 80x36' in every['notes'][-1]
    assert (model['confidence_threshold'], model['min_drivable_area']) == (0.11, 0.02)
    assert model['drivable_classes'] == ['sky', 'road', 'car']
    # The parameters have changed what there is to see.
    plain = tmp_path / 'plain'
    assert replay(weights, bag, plain).exit_code == 0
    with closing(open_bag(plain / 'output.mcap')) as reader:
        for found in messages(reader, topics):
            if not found.topic.endswith(('confidence', *GROUND)):
                pixels = np.asarray(found.message.data).tobytes()
                assert pixels != published['every'][found.topic, found.stamp]


def test_what_the_node_refuses_is_the_users_error(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', drive(1))
    with pytest.raises(UserError, match="no weights '/nowhere'"):
        run(bag, tmp_path / 'live', Settings(weights='/nowhere'))


def test_a_mask_that_fits_no_image_is_refused_at_once(weights: Path, tmp_path: Path) -> None:
    ego = np.zeros((64, 64), np.uint8)
    ego[50:] = 255
    write_image(tmp_path / 'ego.png', ego)
    bag = write_bag(tmp_path / 'bag', drive(1))
    settings = Settings(weights=str(weights), ego_mask=str(tmp_path / 'ego.png'))
    with pytest.raises(UserError, match=r'ego\.png is 64x64, but the image is 64x48'):
        run(bag, tmp_path / 'live', settings)


def test_a_folder_whose_name_ros_cannot_read_is_refused_at_once(
    weights: Path, tmp_path: Path
) -> None:
    bag = write_bag(tmp_path / 'bag', drive(1))
    output = tmp_path / os.fsdecode(b'gr\xfcn')
    result = replay(weights, bag, output, '--live')
    assert result.exit_code == 2
    assert r'gr\udcfcn: the name is not UTF-8, which ROS needs' in result.stderr
    assert not output.exists()


@pytest.mark.slow
def test_live_gives_the_labels_that_every_frame_gives(weights: Path, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', drive(20))
    assert replay(weights, bag, tmp_path / 'every').exit_code == 0
    result = replay(weights, bag, tmp_path / 'live', '--live')
    assert result.exit_code == 0, result.output

    metrics = metrics_of(tmp_path / 'live')
    assert metrics['live']
    assert metrics['complete']
    assert metrics['rate'] == 1.0
    assert metrics['read_frames'] == 20
    assert metrics['evaluated_frames'] > 0
    assert metrics['dropped_frames'] == 20 - metrics['evaluated_frames']
    assert metrics['accuracy']['frames'] == metrics['evaluated_frames']
    assert metrics['age_ms']['p50'] > metrics['latency_ms']['total']['min'] > 0

    every, live = dict(labels_of(tmp_path / 'every')), dict(labels_of(tmp_path / 'live'))
    assert len(live) == metrics['evaluated_frames']
    for stamp, labels in live.items():
        assert labels == every[stamp]
    figures = {line['stamp']: line for line in lines_of(tmp_path / 'every')}
    for line in lines_of(tmp_path / 'live'):
        expected = figures[line['stamp']]
        for name in ('frame', 'drivable_fraction', 'confidence', 'confusion', 'miou'):
            assert line[name] == expected[name]
    assert {path.name for path in (tmp_path / 'live').iterdir()} == {
        *(path.name for path in (tmp_path / 'every').iterdir()),
        'log',
    }


def test_two_compressed_cameras_and_a_frame_that_is_broken(weights: Path, tmp_path: Path) -> None:
    entries = [
        Entry(f'{camera}/image/compressed', START + i * STEP, picture(i), 'png')
        for i in range(6)
        for camera in ('/front', '/rear')
    ]
    bag = write_bag(tmp_path / 'bag', entries)
    data = bytearray((bag / 'bag.mcap').read_bytes())
    picture_at = data.index(b'\x89PNG')  # the first frame of the front camera
    data[picture_at : picture_at + 4] = b'none'
    (bag / 'bag.mcap').write_bytes(data)
    result = replay(weights, bag, tmp_path / 'live', '--live', '--rate', '20')
    assert result.exit_code == 2
    metrics = metrics_of(tmp_path / 'live')
    (problem,) = metrics['problems']
    assert 'frame 0 of /front/image/compressed' in problem
    front, rear = metrics['cameras']
    assert front['dropped_frames'] == 5 - front['evaluated_frames']
    assert rear['dropped_frames'] == 6 - rear['evaluated_frames']
    assert front['evaluated_frames'] > 0
    assert rear['evaluated_frames'] > 0


def test_a_node_that_fails_to_end_does_not_cost_the_results(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(*arguments: str) -> list[str]:
        node = """
import os, sys
from bisenet_ros.node.process import run
run()
print('Timeout (0:00:08)!', file=sys.stderr)
print('  File "node.py", line 1 in destroy_node', file=sys.stderr, flush=True)
os._exit(1)
"""
        return [sys.executable, '-c', node, '--ros-args', *arguments]

    monkeypatch.setattr('bisenet_ros.live.graph.node_command', command)
    result = replay(weights, write_bag(tmp_path / 'bag', drive(4)), tmp_path / 'live', '--live')
    assert result.exit_code == 0
    assert 'the segmenter ended with exit code 1: Timeout (0:00:08)! (log' in result.stderr
    assert metrics_of(tmp_path / 'live')['evaluated_frames'] > 0


def test_raw_and_compressed_cameras(weights: Path, tmp_path: Path) -> None:
    entries = [
        Entry('/front/image', START, picture(0), 'bgr8'),
        Entry('/rear/image/compressed', START, picture(0), 'png'),
    ]
    bag = write_bag(tmp_path / 'bag', entries)
    result = replay(weights, bag, tmp_path / 'live', '--live')
    assert result.exit_code == 2
    assert 'has raw and compressed images' in result.stderr


def test_the_patience_with_the_slowest_node_is_one_that_threads_have() -> None:
    assert _patience(2.0) == LAST_OUTPUT_TIMEOUT + 0.5
    for rate in (1e-12, 1e-320):
        assert threading.Lock().acquire(timeout=_patience(rate))
