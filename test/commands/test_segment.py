# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet segment` on images, folders and videos, whole and broken."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from calibrated_checkpoint import CLAIM, save_calibrated_checkpoint
from command_line import bisenet
from small_bags import picture
from small_videos import break_off
from typer.testing import Result

from bisenet_ros.birds_eye import birds_eye
from bisenet_ros.commands.segment import check_outputs, find_files
from bisenet_ros.errors import printable
from bisenet_ros.ground.camera_model import CameraModel
from bisenet_ros.ground.lens import BrownLens
from bisenet_ros.ground.pose import Pose
from bisenet_ros.ground.tables import UNKNOWN, GroundTables
from bisenet_ros.media import Video, VideoWriter
from bisenet_ros.parameter_file import write_parameters
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.settings import Settings


def noise(seed: int, width: int = 80, height: int = 60) -> npt.NDArray[np.uint8]:
    return picture(seed, width, height)


def segment(weights: Path, *arguments: str | Path) -> Result:
    return bisenet('segment', *arguments, '--weights', weights, '--device', 'cpu')


def read(path: Path) -> npt.NDArray[np.uint8]:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    return image


def test_an_image_gives_labels_mask_and_overlay_of_its_size(weights: Path, tmp_path: Path) -> None:
    frame = noise(0)
    cv2.imwrite(str(tmp_path / 'street.png'), frame)
    output = tmp_path / 'new' / 'folder'
    result = segment(weights, tmp_path / 'street.png', '-o', output)
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines()[-1].startswith('1 frame of 1 file in ')
    assert sorted(path.name for path in output.iterdir()) == [
        'street_drivable.png',
        'street_labels.png',
        'street_overlay.jpg',
    ]
    expected = Segmenter.load(weights, device='cpu')(frame)
    np.testing.assert_array_equal(read(output / 'street_labels.png'), expected.labels)
    np.testing.assert_array_equal(read(output / 'street_drivable.png'), expected.drivable)
    assert read(output / 'street_overlay.jpg').shape == frame.shape


def test_an_error_rate_that_does_not_apply_is_said(tmp_path: Path) -> None:
    claim = replace(CLAIM, settings={**CLAIM.settings, 'drivable_classes': ['road']})
    weights = save_calibrated_checkpoint(tmp_path / 'sure.safetensors', claim)
    cv2.imwrite(str(tmp_path / 'street.png'), noise(0))
    said = f'the error rate that {weights} states does not apply: '
    as_stated = segment(weights, tmp_path / 'street.png', '-o', tmp_path / 'out')
    assert as_stated.exit_code == 0
    assert said not in as_stated.stderr
    smaller = ('--network-size', '64', '64')
    other = segment(weights, tmp_path / 'street.png', '-o', tmp_path / 'out', *smaller)
    assert f'{said}network_size is [64, 64], not [128, 96]' in other.stderr


CALIBRATION = """\
image_width: 80
image_height: 60
camera_name: front
camera_matrix: {rows: 3, cols: 3, data: [70., 0., 39.5, 0., 70., 29.5, 0., 0., 1.]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0., 0., 0., 0., 0.]}
rectification_matrix: {rows: 3, cols: 3, data: [1., 0., 0., 0., 1., 0., 0., 0., 1.]}
projection_matrix: {rows: 3, cols: 4, data: [70., 0., 39.5, 0., 0., 70., 29.5, 0., 0., 0., 1., 0.]}
"""
MOUNTING = ('--mounting', '0.5', '0', '1.5', '0', '0.4', '-0.1')


@pytest.mark.parametrize('bonnet', [False, True])
def test_the_ground_from_above_is_the_grid_of_the_mask(
    weights: Path, tmp_path: Path, bonnet: bool
) -> None:
    frame, file, ego_mask = noise(0), tmp_path / 'front.yaml', tmp_path / 'bonnet.png'
    cv2.imwrite(str(tmp_path / 'street.png'), frame)
    file.write_text(CALIBRATION)
    ego = np.zeros((60, 80), np.bool_)
    ego[50:] = bonnet
    cv2.imwrite(str(ego_mask), 255 * ego.astype(np.uint8))
    options = (*MOUNTING, '--camera-info', file, *(('--ego-mask', ego_mask) if bonnet else ()))
    result = segment(weights, tmp_path / 'street.png', '-o', tmp_path / 'out', *options)
    assert result.exit_code == 0, result.output
    lens = BrownLens(14 * (0.0,))
    camera = CameraModel((80, 60), (70.0, 70.0), (39.5, 29.5), lens)
    layout = Settings().layout
    tables = GroundTables(camera, Pose.from_mounting((0.5, 0, 1.5, 0, 0.4, -0.1)), layout, ego)
    segmenter = Segmenter.load(weights, device='cpu', ego_mask=ego_mask if bonnet else '')
    grid = tables.grid(segmenter(frame).drivable)
    assert (grid != UNKNOWN).any()
    drawn = read(tmp_path / 'out' / 'street_birdseye.png')
    np.testing.assert_array_equal(drawn, birds_eye(grid, layout, 600))


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (
            CALIBRATION.replace('image_width: 80', 'image_width: 640'),
            'is for 640x60, but the image',
        ),
        (CALIBRATION.replace('70., 0., 39.5, 0., 70.', '70.'), 'camera_matrix.data'),
        ('', 'front.yaml: '),
        (
            'cam0: {intrinsics: [70., 70., 39.5, 29.5], resolution: [80, 60]}',  # of Kalibr
            'image_width: Field required; expected is YAML as camera_calibration of ROS',
        ),
        (
            CALIBRATION.replace('matrix: {', 'matrix: !!opencv-matrix {'),
            "opencv-matrix'; expected is YAML as camera_calibration of ROS",
        ),
        (f'%YAML:1.0\n{CALIBRATION}', 'expected is YAML as camera_calibration of ROS'),
    ],
)
def test_unusable_calibrations_are_refused(
    weights: Path, tmp_path: Path, text: str, message: str
) -> None:
    file, image = tmp_path / 'front.yaml', tmp_path / 'street.png'
    cv2.imwrite(str(image), noise(0))
    file.write_text(text)
    result = segment(weights, image, '-o', tmp_path / 'out', *MOUNTING, '--camera-info', file)
    assert result.exit_code == 2
    assert message in result.stderr
    for one in (MOUNTING, ('--camera-info', file)):
        result = segment(weights, image, '-o', tmp_path / 'out', *one)
        assert result.exit_code == 2
        assert 'needs the' in result.stderr


def test_a_calibration_is_for_one_size_of_images(weights: Path, tmp_path: Path) -> None:
    folder, file = tmp_path / 'in', tmp_path / 'front.yaml'
    folder.mkdir()
    file.write_text(CALIBRATION)
    cv2.imwrite(str(folder / 'a.png'), noise(0))
    cv2.imwrite(str(folder / 'b.png'), np.zeros((90, 120, 3), np.uint8))
    write_parameters(tmp_path / 'params.yaml', {'output_size': [40, 32]})
    options = (*MOUNTING, '--camera-info', file, '--params', tmp_path / 'params.yaml')
    result = segment(weights, folder, '-o', tmp_path / 'out', *options)
    assert result.exit_code == 2
    assert 'is for 80x60, but the image' in result.stderr
    assert {path.name for path in (tmp_path / 'out').iterdir()} == {
        'a_labels.png', 'a_drivable.png', 'a_overlay.jpg', 'a_birdseye.png',
    }  # fmt: skip


def test_the_only_cameras_own_mounting_and_ego_mask_are_used(weights: Path, tmp_path: Path) -> None:
    image, ego_mask, file = (tmp_path / name for name in ('street.png', 'bonnet.png', 'front.yaml'))
    cv2.imwrite(str(image), noise(0))
    cv2.imwrite(str(ego_mask), np.repeat(np.uint8([0, 255]), 30)[:, None].repeat(80, 1))
    file.write_text(CALIBRATION)
    params = tmp_path / 'params.yaml'
    values: dict[str, object] = {
        'cameras': ['front'],
        'front.mounting': [0.5, 0.0, 1.5, 0.0, 0.4, -0.1],
        'front.ego_mask': str(ego_mask),
    }
    write_parameters(params, values)
    common = (image, '-o', tmp_path / 'out', '--params', params, '--camera-info', file)
    result = segment(weights, *common)
    assert result.exit_code == 0, result.output
    labels = read(tmp_path / 'out' / 'street_labels.png')
    expected = Segmenter.load(weights, device='cpu', ego_mask=ego_mask)(noise(0)).labels
    np.testing.assert_array_equal(labels, expected)
    assert (tmp_path / 'out' / 'street_birdseye.png').is_file()
    assert segment(weights, *common, '--ego-mask', '').exit_code == 0  # options win
    assert (read(tmp_path / 'out' / 'street_labels.png')[30:] != 255).all()

    write_parameters(params, {**values, 'cameras': ['front', 'rear'], 'wheel_radius': 0.38})
    result = segment(weights, *common)
    assert result.exit_code == 2
    foreign, warning, error = result.stderr.splitlines()
    assert f'{params}: parameters of other nodes are ignored: wheel_radius' in foreign
    assert 'front.mounting, front.ego_mask are ignored' in warning
    assert '--camera-info needs the pose of the camera' in error


def test_the_images_of_a_folder_have_figures_in_json(weights: Path, tmp_path: Path) -> None:
    drive = tmp_path / 'drive'
    drive.mkdir()
    for index in (2, 10, 1):
        cv2.imwrite(str(drive / f'{index}.png'), noise(index))
    (drive / 'calibration.yaml').write_text('no image')
    output = tmp_path / 'out'
    result = segment(weights, drive, '-o', output, '--json', '-')
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert [Path(entry['input']).name for entry in figures['files']] == ['1.png', '2.png', '10.png']
    assert figures['failures'] == {}
    for entry in figures['files']:
        labels = read(output / f'{Path(entry["input"]).stem}_labels.png')
        drivable = read(output / f'{Path(entry["input"]).stem}_drivable.png')
        assert (entry['width'], entry['height'], entry['frames']) == (80, 60, 1)
        assert entry['class_shares']['fence'] == pytest.approx(float((labels == 7).mean()))
        assert sum(entry['class_shares'].values()) + entry['unlabelled'] == pytest.approx(1)
        assert entry['drivable_fraction'] == pytest.approx(float((drivable == 255).mean()))


@pytest.mark.parametrize('suffix', ['avi', 'webm'])
def test_of_a_video_that_breaks_off_the_frames_until_then_are_kept(
    weights: Path, tmp_path: Path, suffix: str
) -> None:
    path, output = tmp_path / f'clip.{suffix}', tmp_path / 'out'
    if suffix == 'webm':
        with VideoWriter(path, rate=12) as writer:
            for seed in range(12):
                writer.write(noise(seed))
    else:
        codec = cv2.VideoWriter.fourcc(*'MJPG')
        avi = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, 12, (80, 60))
        for seed in range(12):
            avi.write(noise(seed))
        avi.release()
    break_off(path)
    cv2.imwrite(str(tmp_path / 'street.png'), noise(0))
    figures = tmp_path / 'figures.json'
    result = segment(weights, path, tmp_path / 'street.png', '-o', output, '--json', figures)
    assert result.exit_code == 1
    done = len(list(output.glob('clip_*_labels.png')))
    assert 0 < done < 6
    problem = f'{path} ends after {done} of 12 frames'
    assert f'{problem}; these were segmented' in result.stderr.splitlines()
    summary = json.loads(figures.read_text())
    assert summary['failures'] == {str(path): problem}
    assert [entry['frames'] for entry in summary['files']] == [done, 1]
    assert len(list(Video(output / 'clip_overlay.webm'))) == done


def test_a_video_gives_images_of_each_frame_and_an_overlay_video(
    weights: Path, tmp_path: Path
) -> None:
    with VideoWriter(tmp_path / 'clip.webm', rate=12) as writer:
        for seed in range(3):
            writer.write(noise(seed))
    output = tmp_path / 'out'
    result = segment(weights, tmp_path / 'clip.webm', '-o', output, '--json', tmp_path / 'f.json')
    assert result.exit_code == 0, result.output
    names = {path.name for path in output.iterdir()}
    kinds = ('labels', 'drivable')
    assert names == {
        'clip_overlay.webm',
        *(f'clip_{index:06d}_{kind}.png' for index in range(3) for kind in kinds),
    }
    overlay = Video(output / 'clip_overlay.webm')
    assert overlay.rate == 12
    assert len(list(overlay)) == 3
    segmenter = Segmenter.load(weights, device='cpu')
    for index, frame in enumerate(Video(tmp_path / 'clip.webm')):
        labels = read(output / f'clip_{index:06d}_labels.png')
        np.testing.assert_array_equal(labels, segmenter(frame).labels)
    (entry,) = json.loads((tmp_path / 'f.json').read_text())['files']
    assert entry['frames'] == 3


def test_a_video_that_became_shorter_leaves_no_frames_of_before(
    weights: Path, tmp_path: Path
) -> None:
    output = tmp_path / 'out'
    output.mkdir()
    (output / 'clip_notes.txt').touch()
    for count in (3, 1):
        with VideoWriter(tmp_path / 'clip.webm', rate=12) as writer:
            for seed in range(count):
                writer.write(noise(seed))
        assert segment(weights, tmp_path / 'clip.webm', '-o', output).exit_code == 0
    assert {path.name for path in output.iterdir()} == {
        'clip_000000_labels.png',
        'clip_000000_drivable.png',
        'clip_overlay.webm',
        'clip_notes.txt',
    }


def test_each_frame_moves_the_progress_bar_once(weights: Path, tmp_path: Path) -> None:
    for count in (1, 3):
        with VideoWriter(tmp_path / 'clip.webm', rate=12) as writer:
            for seed in range(count):
                writer.write(noise(seed))
        result = segment(weights, tmp_path / 'clip.webm', '-o', tmp_path / 'out')
        assert f' {count}/{count} ' in result.stderr


def test_broken_files_are_named_and_the_others_done(weights: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / 'first.png'), noise(1))
    (tmp_path / 'broken.jpg').write_bytes(cv2.imencode('.jpg', noise(2))[1].tobytes()[:-50])
    cv2.imwrite(str(tmp_path / 'small.png'), noise(3, width=20))
    (tmp_path / 'nothing.mp4').touch()
    (tmp_path / os.fsdecode(b'gr\xfcn.mp4')).touch()
    cv2.imwrite(str(tmp_path / 'last.png'), noise(4))
    output, figures = tmp_path / 'out', tmp_path / 'figures.json'
    names = ('first.png', 'broken.jpg', 'small.png', 'nothing.mp4', 'gr\udcfcn.mp4', 'last.png')
    inputs = [tmp_path / name for name in names]
    result = segment(weights, *inputs, '-o', output, '--json', figures)
    assert result.exit_code == 2
    assert {path.name for path in output.iterdir()} == {
        f'{stem}_{kind}'
        for stem in ('first', 'last')
        for kind in ('labels.png', 'drivable.png', 'overlay.jpg')
    }
    lines = result.stderr.splitlines()
    assert f'{tmp_path}/broken.jpg: the JPEG file is truncated: copy it again' in lines
    assert any(f'{tmp_path}/small.png' in line and '32x32' in line for line in lines)
    assert f'{tmp_path}/nothing.mp4: not a video that OpenCV can read' in lines
    assert rf'{tmp_path}/gr\udcfcn.mp4: the name is not UTF-8, which OpenCV needs' in result.stderr
    assert lines[-1].startswith('bisenet: 4 of 6 inputs failed')
    summary = json.loads(figures.read_text())
    assert set(summary['failures']) == {printable(str(path)) for path in inputs[1:5]}
    assert len(summary['files']) == 2


def test_inputs_of_one_name_are_refused(weights: Path, tmp_path: Path) -> None:
    for folder in ('left', 'right'):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / '1.png'), noise(1))
    result = segment(weights, tmp_path / 'left', tmp_path / 'right', '-o', tmp_path / 'out')
    assert result.exit_code == 2
    assert 'left/1.png' in result.stderr
    assert 'right/1.png' in result.stderr
    assert not (tmp_path / 'out').exists()


def test_an_image_that_looks_like_a_frame_of_the_video_is_refused(
    weights: Path, tmp_path: Path
) -> None:
    (tmp_path / 'clip.mp4').touch()
    for name in ('clip_2.png', 'clip_0000002.png', 'clip_000003.mp4'):  # no frames of clip.mp4
        (tmp_path / name).touch()
    check_outputs(find_files([tmp_path]), tmp_path / 'out')
    cv2.imwrite(str(tmp_path / 'clip_000002.png'), noise(1))
    result = segment(weights, tmp_path, '-o', tmp_path / 'out')
    assert result.exit_code == 2
    assert 'clip_000002.png and frames of' in result.stderr


def test_an_input_is_never_overwritten(weights: Path, tmp_path: Path) -> None:
    for name in ('street.png', 'street_overlay.jpg'):
        cv2.imwrite(str(tmp_path / name), noise(1))
    before = (tmp_path / 'street_overlay.jpg').read_bytes()
    result = segment(weights, tmp_path, '-o', tmp_path)
    assert result.exit_code == 2
    assert 'street_overlay.jpg would be overwritten' in result.stderr
    assert (tmp_path / 'street_overlay.jpg').read_bytes() == before


def test_a_frame_of_a_video_never_overwrites_an_input(weights: Path, tmp_path: Path) -> None:
    (tmp_path / '[clip].mp4').touch()
    for name in ('[clip]_00_labels.png', '[clip]_0000002_labels.png', '[clip]_000000_x.png'):
        (tmp_path / name).touch()
    check_outputs(find_files([tmp_path]), tmp_path)
    for kind in ('labels', 'drivable', 'birdseye'):
        image = tmp_path / f'[clip]_1234567_{kind}.png'
        cv2.imwrite(str(image), noise(1))
        before = image.read_bytes()
        result = segment(weights, tmp_path, '-o', tmp_path)
        assert result.exit_code == 2
        assert f'{image} would be overwritten by a result' in result.stderr
        assert image.read_bytes() == before
        image.unlink()


@pytest.mark.parametrize('name', ['nowhere', 'nowhere.png', 'nowhere.mcap', 'empty'])
def test_inputs_with_nothing_to_segment_are_refused(
    weights: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / 'empty').mkdir()
    result = segment(weights, tmp_path / name, '-o', tmp_path / 'out')
    assert result.exit_code == 2
    assert result.stderr.startswith(f'bisenet: {tmp_path}/{name}: no ')
    assert len(result.stderr.splitlines()) == 1


def test_a_bag_is_for_replay(weights: Path, tmp_path: Path) -> None:
    (tmp_path / 'drive').mkdir()
    for name in ('drive.mcap', 'drive.bag', 'drive.db3', 'drive/metadata.yaml'):
        (tmp_path / name).touch()
    for name in ('drive.mcap', 'drive.bag', 'drive.db3', 'drive'):
        result = segment(weights, tmp_path / name, '-o', tmp_path / 'out')
        assert result.exit_code == 2
        assert result.stderr.endswith(f'; use: bisenet replay {tmp_path / name} -o DIR\n')
        assert len(result.stderr.splitlines()) == 1


def test_a_file_in_place_of_the_output_folder_is_refused(weights: Path, tmp_path: Path) -> None:
    image, output = tmp_path / 'street.png', tmp_path / 'out'
    cv2.imwrite(str(image), noise(0))
    output.touch()
    result = segment(weights, image, '-o', output)
    assert result.exit_code == 2
    assert result.stderr == f'bisenet: {output} is a file: give a folder for the results\n'
