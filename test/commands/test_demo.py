# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo as a whole: three processes on DDS, started, measured and ended."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from command_line import bisenet
from small_videos import write_broken_off_video

from bisenet_ros.commands.demo import Demo, Scene, run_demo
from bisenet_ros.media import Video, VideoWriter
from bisenet_ros.settings import Settings
from bisenet_ros.synthetic.drive import SyntheticDrive

TIMEOUT = 240.0
SIZE = (160, 120)


@pytest.fixture(scope='module')
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 12 frames of the synthetic drive in images/, and their truth in labels/."""
    folder = tmp_path_factory.mktemp('drive')
    frames = SyntheticDrive(1, SIZE, 15)
    for kind in ('images', 'labels'):
        (folder / kind).mkdir()
    for index in range(12):
        image, labels = frames.frame(index)
        cv2.imwrite(str(folder / 'images' / f'{index}.png'), image)
        cv2.imwrite(str(folder / 'labels' / f'{index}.png'), labels)
    return folder


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, '-m', 'bisenet_ros.cli', *map(str, arguments)]


@pytest.mark.slow
def test_the_synthetic_drive(weights: Path, tmp_path: Path) -> None:
    scene = Scene(seconds=2.0, size=SIZE, rate=10)
    settings = Settings(weights=str(weights), device='cpu', min_drivable_area=0.001)
    settings, recording = settings.changed(scene.parameters), tmp_path / 'demo.rrd'
    view = None
    if find_spec('rerun'):  # it needs Python 3.11 and NumPy 2
        from bisenet_ros.rerun_view import ViewTarget

        view = ViewTarget(file=recording)
    demo = Demo(scene, tmp_path / 'demo', settings, verify=True, view=view)
    measured = run_demo(demo)

    assert set(measured) == {
        'source', 'problems', 'camera_hz', 'frames', 'fps', 'latency_ms', 'stages_ms', 'accuracy',
        'offline', 'model', 'versions',
    }  # fmt: skip
    assert measured['source'] == 'Synthetic drive, seed 0'
    assert measured['problems'] == []
    assert measured['accuracy'].keys() == {
        'miou', 'drivable_iou', 'iou', 'free_space_error_m', 'free_space_error_p95_m',
    }  # fmt: skip
    assert measured['stages_ms'].keys() == {'decode', 'inference', 'publish'}
    frames = measured['frames']
    assert frames['published'] == 20
    assert 0 < frames['segmented'] <= 20
    assert frames['dropped'] == 20 - frames['segmented']
    assert frames['compared_with_truth'] == frames['segmented']
    # A rate can fall short on a machine that is busy, but neither camera nor node is ever faster.
    assert 0 < measured['camera_hz'] < 11
    latency = measured['latency_ms']
    assert 0 < latency['p50'] <= latency['p95'] <= latency['p99'] <= latency['max'] < 10_000
    assert measured['accuracy']['miou'] == pytest.approx(measured['offline']['miou'], abs=1e-9)
    assert measured['offline']['pixels'] == frames['segmented'] * 160 * 120
    assert measured['offline']['differing_pixels'] == 0

    if view is not None:
        from rerun_recordings import image_of, rows_of

        rows = rows_of(recording)
        assert len(rows['/labels']) == len(rows['/timing/age_ms']) == frames['segmented']
        _, truth = SyntheticDrive(0, SIZE, 10).frame(max(rows['/truth']))
        np.testing.assert_array_equal(image_of(rows['/truth'][max(rows['/truth'])]), truth)
        assert 'GridMap:data' in rows['/ground'][max(rows['/ground'])]

    output = demo.output
    assert json.loads((output / 'metrics.json').read_text()) == measured
    video = list(Video(output / 'overlay.webm'))
    assert len(video) == frames['segmented']
    assert video[0].shape == (120, 160 + 2 * 97, 3)  # the image, and the ground twice
    page = (output / 'index.html').read_text()
    linked = set(re.findall(r'(?:src|href)="([^"]+)"', page))
    assert {'overlay.webm', 'metrics.json', 'picture_1_truth.jpg'} <= linked
    assert {'picture_1_ground_found.jpg', 'picture_1_ground_truth.jpg'} <= linked
    for name in linked:
        assert (output / name).stat().st_size > 0
    assert {path.name for path in output.iterdir()} == linked | {'index.html', 'log'}


@pytest.mark.slow
def test_a_recorded_drive_gives_live_what_it_gives_offline(
    weights: Path, drive: Path, tmp_path: Path
) -> None:
    bag, figures = tmp_path / 'bag', tmp_path / 'figures.json'
    recording = ['record', drive / 'images', '-o', bag, '--labels', drive / 'labels']
    assert bisenet(*recording, '--weights', weights).exit_code == 0
    result = bisenet(
        'demo', '--source', bag, '-o', tmp_path / 'demo', '--weights', weights, '--device', 'cpu',
        '--verify', '--json', figures,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    for shown in ('frames dropped', 'latency p50 / p95 / p99', 'mIoU', 'drivable IoU'):
        assert shown in result.stdout

    measured = json.loads(figures.read_text())
    assert measured['frames']['published'] == 12
    assert measured['frames']['segmented'] > 0
    assert measured['accuracy']['miou'] == pytest.approx(measured['offline']['miou'], abs=1e-9)
    assert measured['offline']['differing_pixels'] == 0


@pytest.mark.slow  # three processes start
def test_a_video_that_breaks_off_is_reported(weights: Path, tmp_path: Path) -> None:
    clip, output = tmp_path / 'clip.webm', tmp_path / 'demo'
    write_broken_off_video(clip, 12)
    result = bisenet('demo', '--source', clip, '-o', output, '--weights', weights)
    assert result.exit_code == 1, result.output
    measured = json.loads((output / 'metrics.json').read_text())
    (problem,) = measured['problems']
    assert problem == f'{clip} ends after {measured["frames"]["published"]} of 12 frames'
    assert result.stderr.splitlines()[-1] == f'bisenet: {problem}'
    assert problem in (output / 'index.html').read_text()


@contextmanager
def streaming(weights: Path, drive: Path, output: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo on a long recording that has come to stream."""
    images = output.parent / 'long drive'
    images.mkdir()
    for index in range(900):
        (images / f'{index}.png').symlink_to(drive / 'images' / f'{index % 12}.png')
    process = subprocess.Popen(
        command('demo', '--source', images, '-o', output, '--weights', weights, '--seconds', 60),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if line.strip() == 'streaming':
                break
        assert process.poll() is None, said
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_ctrl_c_leaves_no_process_behind(weights: Path, drive: Path, tmp_path: Path) -> None:
    with streaming(weights, drive, tmp_path / 'demo') as process:
        children = psutil.Process(process.pid).children()
        assert len(children) == 3
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert 'Traceback' not in errors
    assert not any(child.is_running() for child in children)
    assert [path.name for path in (tmp_path / 'demo').iterdir()] == ['log']


@pytest.mark.slow
def test_the_death_of_a_process_ends_the_demo(weights: Path, drive: Path, tmp_path: Path) -> None:
    with streaming(weights, drive, tmp_path / 'demo') as process:
        children = psutil.Process(process.pid).children()
        (node,) = (child for child in children if 'segmenter_node' in ' '.join(child.cmdline()))
        node.kill()
        _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    (line,) = (line for line in errors.splitlines() if line.startswith('bisenet: '))
    assert 'the segmenter ended with exit code -9' in line
    assert not any(child.is_running() for child in children)


def test_what_cannot_be_written_is_one_line(weights: Path, drive: Path, tmp_path: Path) -> None:
    log = tmp_path / 'log' / 'recorder.log'
    log.mkdir(parents=True)
    source = '--source', drive / 'images'
    result = bisenet('demo', *source, '-o', tmp_path, '--weights', weights, '--device', 'cpu')
    assert result.exit_code == 2
    (line,) = (line for line in result.stderr.splitlines() if line.startswith('bisenet: '))
    assert line == f'bisenet: {log}: Is a directory'


def test_the_report_does_not_replace_its_source(weights: Path, tmp_path: Path) -> None:
    image, images, videos = (
        np.zeros((64, 96, 3), np.uint8),
        tmp_path / 'images',
        tmp_path / 'videos',
    )
    images.mkdir()
    videos.mkdir()
    cv2.imwrite(str(images / 'picture_1_camera.jpg'), image)
    with VideoWriter(videos / 'overlay.webm', rate=5) as writer:
        writer.write(image)
    for source, file in (
        (images, images / 'picture_1_camera.jpg'),
        (videos / 'overlay.webm', videos / 'overlay.webm'),
    ):
        before = file.read_bytes()
        result = bisenet('demo', '--source', source, '-o', file.parent, '--weights', weights)
        assert result.exit_code == 2
        (line,) = result.stderr.splitlines()
        assert f'{file} is a file of the source {source}, and the results would replace it' in line
        assert file.read_bytes() == before
        assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--weights', 'nowhere.safetensors'], 'nowhere.safetensors'),
        (['--source', 'nowhere.mp4'], 'nowhere.mp4: no such file'),
        (['-o', os.fsdecode(b'gr\xfcn')], r'gr\udcfcn: the name is not UTF-8, which ROS needs'),
        (['--device', 'cpu', '--precision', 'fp16'], 'fp16 needs a GPU'),
    ],
)
def test_bad_input(weights: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    result = bisenet('demo', '-o', tmp_path, '--seconds', 1, '--weights', weights, *arguments)
    assert result.exit_code == 2
    (line,) = (line for line in result.stderr.splitlines() if line.startswith('bisenet: '))
    assert message in line
    assert 'Traceback' not in result.stderr
