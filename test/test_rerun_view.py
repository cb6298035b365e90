# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What viewers of Rerun get of a replay and of a demo, read back with Rerun's own reader."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command_line import bisenet
from rosbags.highlevel import AnyReader
from small_bags import HEIGHT, START, STEP, WIDTH, InfoEntry, drive, truth_of, write_bag
from typer.testing import Result

from bisenet_ros.bag.reader import Camera, RecordedFrame
from bisenet_ros.bag.recorded_outputs import RecordedOutput
from bisenet_ros.errors import UserError
from bisenet_ros.extras import EXTRAS, advice
from bisenet_ros.ground.tables import OCCUPIED
from bisenet_ros.label_space import CAMVID, IGNORE
from bisenet_ros.settings import Settings

pytest.importorskip('rerun', reason='needs Rerun, which needs Python 3.11 and NumPy 2')
import rerun_cli
from rerun.error_utils import RerunWarning
from rerun_recordings import Rows, image_of, rows_of

from bisenet_ros.rerun_view import RerunView, ViewTarget

FRAMES = 4
PARAMS = """
/**:
  ros__parameters:
    mounting: [0.0, 0.0, 1.5, 0.0, 0.2, 0.0]
    drivable_classes: [sky, building, pole, road, tree]
    overlay_alpha: 0.25
    grid.length: 12.0
    grid.width: 8.0
    grid.resolution: 0.5
"""


def classes_of(row: dict[str, Any]) -> dict[int, tuple[str, int]]:
    """Name and colour, 0xRRGGBBAA, of each id."""
    infos = [one['class_description']['info'] for one in row['AnnotationContext:context'][0]]
    return {info['id']: (info['label'], info['color']) for info in infos}


def recorded(output: Path, topic: str) -> list[np.ndarray]:
    """The images on a topic of output.mcap, (H, W)."""
    with AnyReader([output / 'output.mcap']) as reader:
        connections = [one for one in reader.connections if one.topic == topic]
        found = [reader.deserialize(d, c.msgtype) for c, _, d in reader.messages(connections)]
    return [np.asarray(message.data).reshape(message.height, message.width) for message in found]


def replay(weights: Path, *arguments: object) -> Result:
    command = ['replay', *arguments, '--weights', weights, '--device', 'cpu']
    return bisenet(*command)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(('127.0.0.1', 0))
        port: int = found.getsockname()[1]
        return port


def test_a_recording_has_what_the_replay_wrote(weights: Path, tmp_path: Path) -> None:
    """Frame 2 has no truth; nothing of an earlier frame must stand in for it."""
    entries = [e for e in drive(FRAMES) if (e.encoding, e.stamp) != ('mono8', START + 2 * STEP)]
    infos = [InfoEntry('/camera_info', START + i * STEP, focal=40.0) for i in range(FRAMES)]
    bag = write_bag(tmp_path / 'bag', sorted([*infos, *entries], key=lambda entry: entry.stamp))
    params, output, file = tmp_path / 'p.yaml', tmp_path / 'out', tmp_path / 'new' / 'drive.rrd'
    params.write_text(PARAMS)
    result = replay(weights, bag, '-o', output, '--params', params, '--view-file', file)
    assert result.exit_code == 0, result.output

    rows = rows_of(file)
    classes = classes_of(rows['/'][-1])
    assert classes.pop(IGNORE) == ('not labelled', 0)
    for index, (name, color) in enumerate(zip(CAMVID.names, CAMVID.colors, strict=True)):
        assert classes.pop(index) == (name, int.from_bytes((*color, 255), 'big'))
    assert not classes
    drivable = classes_of(rows['/drivable'].pop(-1))
    assert drivable[0] == ('not drivable', 0)
    assert drivable[255][0] == 'drivable'
    assert len(drivable) == 2

    for entity, topic in (('/labels', 'labels'), ('/drivable', 'drivable')):
        written = recorded(output, f'/segmentation/{topic}')
        assert sorted(rows[entity]) == list(range(FRAMES)) == list(range(len(written)))
        assert len(np.unique(written[0])) > 1
        for index, pixels in enumerate(written):
            np.testing.assert_array_equal(image_of(rows[entity][index]), pixels)
            assert rows[entity][index]['SegmentationImage:opacity'] == [0.25]
    for index in range(FRAMES):
        row = rows['/truth'][index]
        if index == 2:
            assert row['Clear:is_recursive'] == [False]
        else:
            np.testing.assert_array_equal(image_of(row), truth_of(index))

    first = entries[0].pixels
    assert sorted(rows['/image']) == list(range(FRAMES))
    row = rows['/image'][0]
    assert row['EncodedImage:media_type'] == ['image/jpeg']
    shown = cv2.imdecode(np.frombuffer(bytes(row['EncodedImage:blob'][0]), np.uint8), 1)
    assert np.abs(shown.astype(int) - first).mean() < 10  # the losses of JPEG
    assert row['stamp'] == START

    rows['/ground'].pop(-1)
    grids = {index: image_of(row, 'GridMap:data') for index, row in rows['/ground'].items()}
    assert sorted(grids) == list(range(FRAMES))
    with AnyReader([output / 'output.mcap']) as reader:
        connections = [one for one in reader.connections if one.topic == '/segmentation/grid']
        for index, (connection, _, data) in enumerate(reader.messages(connections)):
            message: Any = reader.deserialize(data, connection.msgtype)
            size = message.info.height, message.info.width
            np.testing.assert_array_equal(
                grids[index].view(np.int8), np.asarray(message.data).reshape(size)
            )
            (corner,) = rows['/ground'][index]['GridMap:translation']
            assert corner == [0.0, message.info.origin.position.y, 0.0]
            assert rows['/ground'][index]['GridMap:cell_size'] == [0.5]
    assert any((grid == OCCUPIED).any() for grid in grids.values())

    lines = [json.loads(line) for line in (output / 'frames.jsonl').read_text().splitlines()]
    for entity, name in (
        ('/timing/inference_ms', 'inference_ms'),
        ('/figures/miou', 'miou'),
        ('/distances/free_space_error_px', 'free_space_error_px'),
    ):
        plotted = {i: row['Scalars:scalars'][0] for i, row in rows[entity].items()}
        assert plotted == {line['frame']: line[name] for line in lines if name in line}


def test_a_viewer_gets_each_camera_by_its_name(tmp_path: Path) -> None:
    """The viewer is Rerun's own program, which only keeps what it gets."""
    file, pipe, port = tmp_path / 'got.rrd', tmp_path / 'pipe', free_port()
    program = Path(str(rerun_cli.__file__)).parent / 'rerun'
    os.mkfifo(pipe)
    got = os.open(pipe, os.O_RDWR)  # opening for reading alone would wait for the viewer
    viewer = subprocess.Popen(
        [program, '--save', pipe, '--bind', '127.0.0.1', '--port', str(port)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert viewer.stderr is not None
        assert any('Listening' in line for line in viewer.stderr)
        target = ViewTarget(viewer=True, port=port)
        target.check()
        cameras = [Camera(name, f'/{name}/image', None, 1) for name in ('front', 'rear/left')]
        labels = np.arange(WIDTH * HEIGHT, dtype=np.uint8).reshape(HEIGHT, WIDTH) % 11
        found = RecordedOutput(labels, labels, labels, CAMVID, {}).segmentation(None)
        image = np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8)
        with RerunView(target, 'two cameras', CAMVID, cameras, Settings()) as view:
            for camera in cameras:
                frame = RecordedFrame(camera, 0, START, START, None, None)
                view.show(frame, image, found, ground=None, truth=None, figures={'x': 0.5})
        rows: Rows = {}
        kinds = ('image', 'labels', 'figures/x')
        expected = {f'/{camera.name}/{kind}' for camera in cameras for kind in kinds}
        while not expected <= rows.keys():
            with file.open('ab') as copy:
                copy.write(os.read(got, 1 << 16))
            # The recording has no footer yet, and may end in its header or in the middle of a row.
            with warnings.catch_warnings(), suppress(RuntimeError, ValueError):
                warnings.simplefilter('ignore', RerunWarning)
                rows = rows_of(file)
    finally:
        viewer.kill()
        viewer.communicate()
        os.close(got)
    for camera in ('/front', '/rear/left'):
        np.testing.assert_array_equal(image_of(rows[f'{camera}/labels'][0]), labels)
        (blob,) = rows[f'{camera}/image'][0]['EncodedImage:blob']
        shown = cv2.imdecode(np.frombuffer(bytes(blob), np.uint8), 1)
        assert shown.shape == (HEIGHT, WIDTH, 3)  # as large as the labels that lie on it
        assert rows[f'{camera}/figures/x'][0]['Scalars:scalars'] == [0.5]
        assert f'{camera}/truth' not in rows


def test_without_display_or_viewer_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, 'platform', 'linux')
    for name in ('DISPLAY', 'WAYLAND_DISPLAY', 'WAYLAND_SOCKET'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r'--view-file FILE\.rrd'):
        ViewTarget(viewer=True, port=free_port()).check()
    ViewTarget(file=Path('drive.rrd')).check()


def test_one_bag_at_a_time(weights: Path, tmp_path: Path) -> None:
    bags = [write_bag(tmp_path / name, drive(1)) for name in ('a', 'b')]
    file = tmp_path / 'drive.rrd'
    result = replay(weights, *bags, '-o', tmp_path / 'out', '--view-file', file)
    assert result.exit_code == 2
    assert result.stderr.startswith('bisenet: --view and --view-file take one bag')
    assert not file.exists()


def test_a_full_disk_is_said(weights: Path, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', drive(1))
    result = replay(weights, bag, '-o', tmp_path / 'out', '--view-file', '/dev/full')
    assert result.exit_code == 2
    assert 'No space left on device' in result.stderr.splitlines()[-1]


def test_without_rerun_it_says_what_to_install(tmp_path: Path) -> None:
    code = (
        'import sys; from bisenet_ros.cli import main; sys.modules["rerun"] = None;'
        'sys.argv = ["bisenet", "replay", "bag", "-o", "out", "--view"]; main()'
    )
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert result.returncode == 2
    said = f'bisenet: --view and --view-file need rerun: {advice(*EXTRAS["view"])}\n'
    assert result.stderr == said
