# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet replay` on whole and damaged bags: figures, files, messages and exit codes."""

from __future__ import annotations

import hashlib
import math
import os
import resource
import struct
import subprocess
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import bisenet
from replay_results import lines_of, metrics_of, untimed_messages
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin
from small_bags import (
    FORMS,
    START,
    STEP,
    AnyEntry,
    Entry,
    InfoEntry,
    TransformEntry,
    drive,
    picture,
    truth_of,
    write_bag,
    write_split_bag,
)
from typer.testing import Result

from bisenet_ros.bag.reader import ReplayBag
from bisenet_ros.camera_ground import CameraGround
from bisenet_ros.camera_pipeline import CameraPipeline
from bisenet_ros.label_space import CAMVID
from bisenet_ros.media import Video, write_image
from bisenet_ros.metrics import ConfusionMatrix
from bisenet_ros.parameter_file import write_parameters
from bisenet_ros.replay.measure.comparison import compare
from bisenet_ros.replay.measure.run_result import RunResult
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.settings import Settings

QUICK_START = Path(__file__).with_name('quick_start.yaml')


def replay(
    weights: Path,
    bag: Path,
    output: Path,
    *arguments: str | Path,
    params: Path | None = QUICK_START,
) -> Result:
    command = ['replay', bag, '-o', output, '--weights', weights, '--device', 'cpu', *arguments]
    if params is not None:
        command += ['--params', params]
    return bisenet(*command)


def is_partial(result: Result, output: Path, problem: str) -> Any:
    """The metrics of a replay that says in one line what was wrong, and exits with 2."""
    assert result.exit_code == 2, result.output
    errors = [line for line in result.stderr.splitlines() if line.startswith('bisenet: ')]
    assert len(errors) == 1
    assert 'the results are partial' in errors[0]
    assert problem in errors[0]
    metrics = metrics_of(output)
    assert not metrics['complete']
    assert any(problem in line for line in metrics['problems'])
    return metrics


def test_accuracy_is_that_of_one_confusion_matrix(weights: Path, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', drive(5))
    result = replay(weights, bag, tmp_path / 'new' / 'out', params=None)
    assert result.exit_code == 0, result.output
    metrics = metrics_of(tmp_path / 'new' / 'out')
    assert metrics['complete']
    assert metrics['read_frames'] == metrics['evaluated_frames'] == 5
    segmenter = Segmenter.load(weights, device='cpu')
    matrix = ConfusionMatrix(len(CAMVID))
    for index in range(5):
        matrix.update(segmenter(picture(index)).labels, truth_of(index))
    accuracy = metrics['accuracy']
    assert accuracy['frames'] == 5
    assert accuracy['confusion'] == matrix.counts.tolist()
    assert accuracy['miou'] == matrix.miou()
    assert accuracy['iou']['sky'] == matrix.iou()[0]
    assert f'{100 * matrix.miou():.2f} %' in result.stdout


def test_metrics_say_which_files_and_settings_produced_them(weights: Path, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', drive(1))
    replay(weights, bag, tmp_path / 'out', '--precision', 'fp32', params=None)
    metrics = metrics_of(tmp_path / 'out')
    digests = {file['name']: file['sha256'] for file in metrics['bag']['files']}
    assert set(digests) == {'bag.mcap', 'metadata.yaml'}
    assert digests['bag.mcap'] == hashlib.sha256((bag / 'bag.mcap').read_bytes()).hexdigest()
    assert metrics['model']['sha256'] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert metrics['model']['precision'] == 'fp32'
    for package in ('numpy', 'openvino'):  # OpenVINO may compute the labels
        assert metrics['versions'][package] == version(package)


@pytest.fixture(scope='module')
def replayed(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a drive of three frames, `bag`, and the results of its replay, `out`."""
    folder = tmp_path_factory.mktemp('replayed')
    replay(weights, write_bag(folder / 'bag', drive(3)), folder / 'out')
    return folder


def test_frames_jsonl_has_a_line_per_frame(replayed: Path) -> None:
    lines = lines_of(replayed / 'out')
    assert [line['frame'] for line in lines] == [0, 1, 2]
    assert [line['stamp'] for line in lines] == [START, START + STEP, START + 2 * STEP]
    assert [line['time_s'] for line in lines] == [0, 0.1, 0.2]
    for line in lines:
        assert line['camera'] == '/image'
        assert 0 <= line['drivable_fraction'] <= 1
        assert 0 < line['confidence'] <= 1
        assert line['total_ms'] == pytest.approx(line['decode_ms'] + line['inference_ms'])
        assert 0 <= line['pixel_accuracy'] <= 1


def without_times(figures: Any) -> Any:
    if isinstance(figures, dict):
        return {
            name: without_times(value)
            for name, value in figures.items()
            if name != 'fps' and not name.endswith('_ms')
        }
    return [without_times(value) for value in figures] if isinstance(figures, list) else figures


def test_twice_gives_the_same_but_for_the_times(
    weights: Path, replayed: Path, tmp_path: Path
) -> None:
    outputs = [replayed / 'out', tmp_path / 'again']
    replay(weights, replayed / 'bag', outputs[1])
    first, second = (without_times([metrics_of(o), lines_of(o)]) for o in outputs)
    assert first == second
    first, second = (untimed_messages(o) for o in outputs)
    assert len(first) == 3 * len({topic for topic, *_ in first}) > 0
    assert first == second


def test_without_truth_there_is_no_accuracy_but_all_else(weights: Path, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', drive(2, truth=False))
    result = replay(weights, bag, tmp_path / 'out')
    assert result.exit_code == 0, result.output
    assert 'mIoU' not in result.stdout
    metrics = metrics_of(tmp_path / 'out')
    assert metrics['accuracy'] is None
    assert metrics['confidence']['mean'] > 0
    assert len(metrics['confidence']['lowest_frames']) == 2
    assert metrics['latency_ms']['total']['max'] > 0
    assert 0 < metrics['flicker'] < 1


def test_each_camera_has_its_figures(weights: Path, tmp_path: Path) -> None:
    entries = [*drive(2, '/front'), *drive(3, '/rear', truth=False)]
    bag = write_bag(tmp_path / 'bag', entries)
    assert replay(weights, bag, tmp_path / 'out').exit_code == 0
    metrics = metrics_of(tmp_path / 'out')
    front, rear = metrics['cameras']
    assert (front['image_topic'], front['evaluated_frames']) == ('/front/image', 2)
    assert (rear['image_topic'], rear['evaluated_frames']) == ('/rear/image', 3)
    assert metrics['evaluated_frames'] == 5
    assert rear['accuracy'] is None
    assert metrics['accuracy'] == front['accuracy']
    one = tmp_path / 'one'
    assert replay(weights, bag, one, '--image-topic', '/rear/image').exit_code == 0
    assert metrics_of(one)['evaluated_frames'] == 3


def test_at_a_low_rate_no_frame_is_dropped(weights: Path, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', drive(4))
    replay(weights, bag, tmp_path / 'every')
    # A frame in 10 s, which takes no time to wait for.
    result = replay(weights, bag, tmp_path / 'driven', '--rate', '0.01')
    assert result.exit_code == 0, result.output
    assert 'dropped frames           0' in result.stdout
    every, driven = metrics_of(tmp_path / 'every'), metrics_of(tmp_path / 'driven')
    assert (every['rate'], driven['rate']) == (None, 0.01)
    assert every['age_ms'] is None
    assert every['accuracy'] == driven['accuracy']
    for line in lines_of(tmp_path / 'driven'):
        assert line['age_ms'] >= line['total_ms']


def test_at_a_high_rate_frames_are_dropped_and_the_others_unchanged(
    weights: Path, tmp_path: Path
) -> None:
    bag = write_bag(tmp_path / 'bag', drive(20))
    replay(weights, bag, tmp_path / 'every')
    # A frame in 0.1 ms, which is less than any network takes.
    assert replay(weights, bag, tmp_path / 'driven', '--rate', '1000').exit_code == 0
    metrics, lines = metrics_of(tmp_path / 'driven'), lines_of(tmp_path / 'driven')
    assert metrics['complete']
    assert metrics['dropped_frames'] > 0
    assert metrics['evaluated_frames'] + metrics['dropped_frames'] == metrics['read_frames'] == 20
    assert lines[0]['frame'] == 0
    assert lines[-1]['frame'] == 19
    assert max(line['age_ms'] for line in lines) == metrics['age_ms']['max']
    assert metrics['age_ms']['max'] > metrics['latency_ms']['total']['min']
    # What was processed in both is the same, frame by frame.
    every = {line['frame']: line for line in lines_of(tmp_path / 'every')}
    for line in lines:
        for name in ('drivable_fraction', 'confidence', 'confusion'):
            assert line[name] == every[line['frame']][name]


def test_truth_from_a_folder_counts_as_from_a_topic(
    weights: Path, replayed: Path, tmp_path: Path
) -> None:
    bag = write_bag(tmp_path / 'bag', drive(3, truth=False))
    labels = tmp_path / 'labels'
    labels.mkdir()
    for index in range(3):
        write_image(labels / f'frame_{index:06d}.png', truth_of(index))
    result = replay(weights, bag, tmp_path / 'out', '--labels', labels)
    assert result.exit_code == 0, result.output
    assert metrics_of(tmp_path / 'out')['accuracy'] == metrics_of(replayed / 'out')['accuracy']
    # Files that no frame has, and one that is no label image.
    write_image(labels / 'frame_000003.png', truth_of(3))
    write_image(labels / 'frame_000002.png', picture(2))
    result = replay(weights, bag, tmp_path / 'partial', '--labels', labels)
    problem = f'{labels}: 1 of 4 label images belong to no frame; first: frame_000003.png'
    metrics = is_partial(result, tmp_path / 'partial', problem)
    assert metrics['accuracy']['frames'] == 2
    assert 'first: frame 2 of /image' in metrics['problems'][0]


def test_a_video_of_each_camera_is_written_on_request(weights: Path, tmp_path: Path) -> None:
    spaces = ('/front', '/car/rear', '/car_rear')
    entries = [entry for space in spaces for entry in drive(4, space)]
    bag = write_bag(tmp_path / 'bag', sorted(entries, key=lambda entry: entry.stamp))
    assert replay(weights, bag, tmp_path / 'out', '--video').exit_code == 0
    assert {path.name for path in (tmp_path / 'out').glob('*.webm')} == {
        'overlay_front.webm', 'overlay_car_rear.webm', 'overlay_car_rear_2.webm',
    }  # fmt: skip
    assert replay(weights, bag, tmp_path / 'out').exit_code == 0
    assert not list((tmp_path / 'out').glob('*.webm'))  # they were of the earlier replay
    one = tmp_path / 'one'
    # Most frames are dropped, but the video takes as long as the drive.
    arguments = ('--video', '--image-topic', '/front/image', '--rate', '1000')
    assert replay(weights, bag, one, *arguments).exit_code == 0
    assert metrics_of(one)['dropped_frames'] > 0
    video = Video(one / 'overlay.webm')
    assert video.rate == pytest.approx(10)
    frames = list(video)
    assert [frame.shape for frame in frames] == 4 * [(48, 64, 3)]
    run = RunResult.load(one)
    drawn = dict(run.pictures('/front/image', 'overlay'))
    # VP8 halves the colours and loses detail: it is the picture, not each of its pixels.
    expected = {frame.frame: overlay for frame, overlay in drawn.items()}
    assert np.abs(frames[0].astype(int) - expected[0]).mean() < 10
    assert np.abs(frames[3].astype(int) - expected[3]).mean() < 10


def test_images_are_in_the_results_on_request(weights: Path, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', drive(2))
    assert replay(weights, bag, tmp_path / 'out', '--with-input').exit_code == 0
    frames = list(ReplayBag(tmp_path / 'out' / 'output.mcap'))
    assert [frame.stamp for frame in frames] == [START, START + STEP]
    np.testing.assert_array_equal(frames[1].image(), picture(1))


@pytest.mark.parametrize('how', ['results with the input', 'a bag named output', 'a link'])
def test_results_do_not_replace_the_bag(weights: Path, tmp_path: Path, how: str) -> None:
    bag = write_bag(tmp_path / 'output', drive(1))
    file, output = bag / 'output.mcap', tmp_path / 'out'
    if how == 'results with the input':
        assert replay(weights, bag, output, '--with-input').exit_code == 0
        (output / 'metrics.json').unlink()
        file = bag = output / 'output.mcap'
    elif how == 'a bag named output':
        output = bag
    else:
        output.mkdir()
        (output / 'frames.jsonl').symlink_to(file)
    before, names = file.read_bytes(), sorted(output.iterdir())
    result = replay(weights, bag, output)
    assert result.exit_code == 2
    (line,) = (line for line in result.stderr.splitlines() if line.startswith('bisenet: '))
    assert f'is a file of the bag {bag}, and the results would replace it' in line
    assert file.read_bytes() == before
    assert sorted(output.iterdir()) == names


def test_results_do_not_mix_with_the_files_of_the_bag(weights: Path, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', drive(1))
    before = sorted(bag.iterdir())
    for given in (bag, bag / 'bag.mcap', write_bag(tmp_path / 'other', drive(1))):
        result = replay(weights, given, bag)
        assert result.exit_code == 2
        assert f'{bag} is the folder of a bag: choose another output folder' in result.stderr
        assert sorted(bag.iterdir()) == before
    assert replay(weights, bag, bag / 'replayed').exit_code == 0
    assert replay(weights, bag, tmp_path / 'out').exit_code == 0
    files = metrics_of(tmp_path / 'out')['bag']['files']
    assert [file['name'] for file in files] == [path.name for path in before]


@pytest.mark.parametrize('form', ['mcap', 'mcap, compressed file', 'sqlite3, compressed file'])
def test_results_replace_those_of_an_earlier_replay(
    weights: Path, tmp_path: Path, form: str
) -> None:
    bag = FORMS[form](tmp_path)
    for _ in range(2):
        result = replay(weights, bag, tmp_path / 'out')
        assert result.exit_code == 0, result.output
        assert metrics_of(tmp_path / 'out')['evaluated_frames'] == 4


def test_names_that_are_not_utf_8_are_read_and_written(weights: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b'caf\xe9')
    bag = (write_bag(tmp_path / 'bag', drive(1)) / 'bag.mcap').rename(tmp_path / f'{name}.mcap')
    result = replay(weights, bag, tmp_path / name)
    assert result.exit_code == 0, result.output
    assert metrics_of(tmp_path / name)['bag']['path'] == rf'{tmp_path}/caf\udce9.mcap'
    assert RunResult.load(tmp_path / name).frames
    assert r'caf\udce9.mcap' in (tmp_path / name / 'report.html').read_text(encoding='utf-8')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--labels', 'folder', '--labels-topic', 't'], '--labels and --labels-topic'),
        (['--workers', '2'], '--workers is for several bags'),
        (['--workers', '2', '--live'], '--workers is for several bags'),
        (['--workers', '0'], '--workers must be 1 or more, not 0'),
        (['--rate', '0'], '--rate must be a number of 0.001 or more, not 0'),
        (['--rate', 'nan'], '--rate must be a number of 0.001 or more, not nan'),
    ],
)
def test_options_without_effect_or_sense_are_refused(
    weights: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    bag = write_bag(tmp_path / 'bag', drive(1))
    result = replay(weights, bag, tmp_path / 'out', *arguments)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f'bisenet: {message}')
    assert not (tmp_path / 'out').exists()


def test_criteria_decide_the_exit_code(weights: Path, tmp_path: Path) -> None:
    bag, output = write_bag(tmp_path / 'bag', drive(2)), tmp_path / 'out'
    limits = '--fail-under', 'miou=0.001', '--fail-under', 'iou.road=1'
    result = replay(weights, bag, output, *limits)
    assert result.exit_code == 1, result.output
    accuracy = metrics_of(output)['accuracy']
    assert f'Passed miou: {accuracy["miou"]:.4g}, at least 0.001' in result.stdout
    assert f'Failed iou.road: {accuracy["iou"]["road"]:.4g}, at least 1' in result.stdout
    assert replay(weights, bag, output, '--fail-under', 'miou=0.001,fps=0.1').exit_code == 0
    (output / 'metrics.json').unlink()
    result = replay(weights, bag, output, '--fail-under', 'iou.lane=1')
    assert result.exit_code == 2
    assert "unknown figure 'iou.lane'; choose from miou, " in result.stderr
    assert not (output / 'metrics.json').exists()  # nothing was replayed for it


@pytest.mark.parametrize(
    ('arguments', 'verb'),
    [
        (['--compare', 'a', 'b'], 'bisenet compare RUN_A RUN_B -o DIR'),
        (['scenario.yaml'], 'bisenet check scenario.yaml -o out'),
        (['bag', 'scenario.yml'], 'bisenet check scenario.yml -o out'),
    ],
)
def test_what_other_verbs_do_is_refused_with_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], verb: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = bisenet('replay', *arguments, '-o', 'out')
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert verb in line
    assert not Path('out').exists()


def timings_of(output: Path) -> list[Any]:
    with AnyReader([output / 'output.mcap']) as reader:
        return [
            reader.deserialize(data, connection.msgtype)
            for connection, _, data in reader.messages()
            if connection.topic == '/segmentation/timing'
        ]


def test_timing_is_in_the_results(weights: Path, tmp_path: Path) -> None:
    entries = drive(6, truth=False)
    entries[0] = Entry('/image', entries[0].stamp, picture(1), 'xyz8')
    bag = write_bag(tmp_path / 'bag', entries)
    replay(weights, bag, tmp_path / 'every')
    every = timings_of(tmp_path / 'every')
    lines = lines_of(tmp_path / 'every')[1:]
    assert len(every) == len(lines) == 5
    for timing, line in zip(every, lines, strict=True):
        assert timing.inference_ms == pytest.approx(line['inference_ms'])
        assert timing.decode_ms == pytest.approx(line['decode_ms'])
        assert math.isnan(timing.age_ms)  # nothing arrives in time
    replay(weights, bag, tmp_path / 'driven', '--rate', '100')
    last, line = timings_of(tmp_path / 'driven')[-1], lines_of(tmp_path / 'driven')[-1]
    assert last.age_ms == pytest.approx(line['age_ms'])
    metrics = metrics_of(tmp_path / 'driven')
    assert last.frames_in == metrics['read_frames'] == 6
    assert last.frames_out == metrics['evaluated_frames']
    assert last.frames_dropped == metrics['dropped_frames']
    assert last.frames_in == last.frames_out + last.frames_dropped + last.frames_malformed


def test_frames_of_unknown_encoding_are_left_out_and_named(weights: Path, tmp_path: Path) -> None:
    entries = drive(3, truth=False)
    entries[1] = Entry('/image', entries[1].stamp, picture(1), 'xyz8')
    result = replay(weights, write_bag(tmp_path / 'bag', entries), tmp_path / 'out')
    problem = "1 frames could not be decoded; first: frame 1 of /image: encoding 'xyz8'"
    metrics = is_partial(result, tmp_path / 'out', problem)
    assert (metrics['read_frames'], metrics['evaluated_frames']) == (3, 2)
    assert ['error' in line for line in lines_of(tmp_path / 'out')] == [False, True, False]


def test_without_a_decodable_frame_there_are_results_without_figures(
    weights: Path, tmp_path: Path
) -> None:
    bag = write_bag(tmp_path / 'bag', [Entry('/image', START, picture(0), 'xyz8')])
    result = replay(weights, bag, tmp_path / 'out')
    metrics = is_partial(result, tmp_path / 'out', "encoding 'xyz8'")
    assert metrics['evaluated_frames'] == 0
    assert metrics['confidence'] is None


@pytest.mark.parametrize(
    ('truth', 'encoding', 'problem'),
    [
        (np.zeros((40, 40), np.uint8), 'mono8', 'labels are 64x48, but the ground truth is 40x40'),
        (np.full((48, 64), 77, np.uint8), 'mono8', 'the ground truth has id 77'),
        (picture(0), 'bgr8', 'labels are mono8 or 8UC1'),
    ],
)
def test_a_truth_that_cannot_be_used_is_left_out_and_named(
    weights: Path, tmp_path: Path, truth: Any, encoding: str, problem: str
) -> None:
    entries = drive(3)
    entries[3] = Entry('/ground_truth/labels', entries[3].stamp, truth, encoding)
    result = replay(weights, write_bag(tmp_path / 'bag', entries), tmp_path / 'out')
    problem = f'1 ground-truth images could not be used; first: frame 1 of /image: {problem}'
    metrics = is_partial(result, tmp_path / 'out', problem)
    assert metrics['evaluated_frames'] == 3
    assert metrics['accuracy']['frames'] == 2


def test_the_id_after_the_last_class_is_no_class(weights: Path, tmp_path: Path) -> None:
    entries = drive(1)
    void, last = (entry._replace(pixels=entry.pixels.copy()) for entry in entries[1:] * 2)
    void.pixels[:10], last.pixels[:10] = 255, len(CAMVID)
    found = []
    for name, truth in (('void', void), ('last', last)):
        bag = write_bag(tmp_path / name, [entries[0], truth])
        assert replay(weights, bag, tmp_path / f'{name}_out').exit_code == 0
        found.append(metrics_of(tmp_path / f'{name}_out')['accuracy'])
    assert found[0] == found[1]


def test_a_camera_that_has_no_parameters_is_named(weights: Path, tmp_path: Path) -> None:
    entries = [
        Entry(f'/{name}/image', START + index, picture(index), 'bgr8')
        for index, name in enumerate(('front', 'rear'))
    ]
    write_parameters(
        tmp_path / 'params.yaml',
        {
            'cameras': ['front'],
            'front.mounting': [0.0, 0.0, 1.5, 0.0, 0.0, 0.0],
            'engine': 'torch',
            'self_check': False,
        },
    )
    bag = write_bag(tmp_path / 'bag', entries)
    result = replay(weights, bag, tmp_path / 'out', params=tmp_path / 'params.yaml')
    assert result.exit_code == 0, result.output
    (note,) = [
        note for note in metrics_of(tmp_path / 'out')['notes'] if note.startswith('/rear/image')
    ]
    assert note.startswith('/rear/image is none of the cameras of the parameters')


def test_a_truth_of_which_no_stamp_fits_is_named(weights: Path, tmp_path: Path) -> None:
    later = [
        entry._replace(stamp=entry.stamp + 1) if entry.encoding == 'mono8' else entry
        for entry in drive(2)
    ]
    bag = write_bag(tmp_path / 'bag', later)
    result = replay(weights, bag, tmp_path / 'out')
    problem = '/ground_truth/labels: no message has the stamp of a frame of /image'
    assert is_partial(result, tmp_path / 'out', problem)['evaluated_frames'] == 2


def test_stamps_that_go_backwards_are_named_and_all_frames_evaluated(
    weights: Path, tmp_path: Path
) -> None:
    entries = drive(4)
    # The clock was set back by 1 s before the last frame.
    entries[6:] = [e._replace(stamp=e.stamp - 10 * STEP, delay=10 * STEP) for e in entries[6:]]
    result = replay(weights, write_bag(tmp_path / 'bag', entries), tmp_path / 'out')
    problem = '1 stamps go backwards; first: frame 3 of /image, 0.9 s before an earlier frame'
    metrics = is_partial(result, tmp_path / 'out', problem)
    assert metrics['evaluated_frames'] == 4
    assert metrics['accuracy']['frames'] == 4


def test_a_clock_set_back_between_files_of_a_bag_mixes_up_no_frames(
    weights: Path, tmp_path: Path
) -> None:
    entries = drive(4)
    later = [entry._replace(delay=-10 * STEP) for entry in entries[4:]]
    bag = write_split_bag(tmp_path, entries[:4], later)
    result = replay(weights, bag, tmp_path / 'out')
    assert result.exit_code == 0, result.output
    assert [line['frame'] for line in lines_of(tmp_path / 'out')] == [0, 1, 2, 3]
    run = RunResult.load(tmp_path / 'out')
    segmenter = Segmenter.load(weights, device='cpu', engine='torch')
    pictures = list(run.pictures('/image', 'labels'))
    assert [frame.frame for frame, _ in pictures] == [2, 3, 0, 1]
    for frame, labels in pictures:
        np.testing.assert_array_equal(labels, segmenter(picture(frame.frame)).labels)
    figures = compare(run, run).figures()
    assert (figures['frames']['common'], figures['changed_labels']) == (4, 0)


def test_a_truncated_file_is_evaluated_up_to_the_cut(weights: Path, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', drive(10)) / 'bag.mcap'
    bag.write_bytes(bag.read_bytes()[: bag.stat().st_size // 2])
    result = replay(weights, bag, tmp_path / 'out')
    metrics = is_partial(result, tmp_path / 'out', f'{bag} is truncated')
    assert 3 <= metrics['evaluated_frames'] < 10
    assert metrics['evaluated_frames'] == metrics['accuracy']['frames']


def test_a_damaged_file_is_evaluated_up_to_the_damage(weights: Path, tmp_path: Path) -> None:
    # Two frames a chunk.
    entries = [Entry('/image', START + i * STEP, picture(i, 600, 400), 'bgr8') for i in range(8)]
    bag = write_bag(tmp_path / 'bag', entries) / 'bag.mcap'
    data = bytearray(bag.read_bytes())
    # Where frame 5 begins: opcode, length, channel, sequence number, and its time.
    time = struct.pack('<HIQ', 1, 0, entries[5].stamp)
    length = data.index(time) - 8
    data[length : length + 8] = struct.pack('<Q', 1 << 40)
    bag.write_bytes(data)
    result = replay(weights, bag, tmp_path / 'out')
    metrics = is_partial(result, tmp_path / 'out', f'{bag}: the bag is damaged')
    assert metrics['evaluated_frames'] == 4


def sqlite_without_metadata(folder: Path) -> Path:
    bag = write_bag(folder / 'bag', drive(1), storage=StoragePlugin.SQLITE3)
    (bag / 'metadata.yaml').unlink()
    for number in range(2):
        (bag / f'bag_{number}.db3').write_bytes((bag / 'bag.db3').read_bytes())
    (bag / 'bag.db3').unlink()
    return bag


def empty_folder(folder: Path) -> Path:
    (folder / 'empty').mkdir()
    return folder / 'empty'


def text_file(folder: Path, name: str) -> Path:
    (folder / name).write_text('not a bag')
    return folder / name


NO_BAGS: dict[str, Callable[[Path], Path]] = {
    'missing': lambda folder: folder / 'nowhere',
    'an empty folder': empty_folder,
    'text as .bag': lambda folder: text_file(folder, 'text.bag'),
    'text as .mcap': lambda folder: text_file(folder, 'text.mcap'),
    'without image topic': lambda folder: write_bag(folder / 'bag', [drive(1)[1]]),
    'without messages': lambda folder: write_bag(folder / 'bag', [], topics=['/image']),
    'without topics': lambda folder: write_bag(folder / 'bag', []),
    'sqlite3 without metadata.yaml': sqlite_without_metadata,
}


@pytest.mark.parametrize('kind', NO_BAGS)
def test_what_is_no_bag_is_refused_in_one_line(weights: Path, tmp_path: Path, kind: str) -> None:
    bag = NO_BAGS[kind](tmp_path)
    result = replay(weights, bag, tmp_path / 'out')
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f'bisenet: {bag}: ')
    assert not (tmp_path / 'out').exists()


@pytest.fixture
def bag_of_noise(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (24, 400, 600, 3), dtype=np.uint8)
    entries = [Entry('/image', START + i * STEP, image, 'bgr8') for i, image in enumerate(noise)]
    return write_bag(tmp_path / 'bag', entries)


@pytest.fixture(params=['limit of file sizes', 'full disk'])
def little_room(
    request: pytest.FixtureRequest, bag_of_noise: Path, tmp_path: Path
) -> Iterator[Path]:
    """A folder with room for 4 MiB; the bag, which is larger, is there already."""
    folder = tmp_path / 'little room'
    folder.mkdir()
    if request.param == 'limit of file sizes':
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, hard))
        yield folder
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        return
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip('needs the right to mount a disk')
    yield folder
    subprocess.run(['umount', str(folder)], check=True)


def test_without_room_for_all_results_those_until_then_are_kept(
    weights: Path, bag_of_noise: Path, little_room: Path
) -> None:
    output = little_room
    (output / 'output.mcap').write_text('of an earlier replay')
    result = replay(weights, bag_of_noise, output)
    assert result.exit_code == 2, result.output
    (line,) = (line for line in result.stderr.splitlines() if line.startswith('bisenet: '))
    problem = f'{output}: some results could not be written: '
    assert line.startswith(f'bisenet: the results are partial: {problem}')
    assert line.endswith(('File too large', 'No space left on device'))
    # What was found by then is there, and says that it is not all.
    metrics, lines = metrics_of(output), lines_of(output)
    assert not metrics['complete']
    assert metrics['problems'][0].startswith(problem)
    assert 1 < metrics['evaluated_frames'] == len(lines) < 24
    assert [line['frame'] for line in lines] == list(range(len(lines)))
    assert 'Partial' in (output / 'report.html').read_text()
    assert {path.name for path in output.iterdir()} == {
        'metrics.json', 'frames.jsonl', 'report.html',
    }  # fmt: skip


def test_a_result_that_cannot_be_written_is_an_error(weights: Path, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', drive(1))
    (tmp_path / 'out' / 'metrics.json').mkdir(parents=True)
    result = replay(weights, bag, tmp_path / 'out')
    assert result.exit_code == 2
    assert 'Is a directory' in result.stderr


def test_the_pose_from_the_bag_is_as_good_as_the_parameter(weights: Path, tmp_path: Path) -> None:
    ahead = (-0.5, 0.5, -0.5, 0.5)  # x right, y down, z ahead
    frames: list[AnyEntry] = [*drive(3)]
    frames += [InfoEntry('/camera_info', START + index * STEP, 50.0) for index in range(3)]
    transforms = [
        TransformEntry(START, 'base_footprint', 'base_link', (0.0, 0.0, 0.5), (0.0, 0.0, 0.0, 1.0)),
        TransformEntry(START, 'base_link', 'camera', (0.3, 0.0, 1.0), ahead),
    ]

    def recorded(*entries: AnyEntry) -> list[AnyEntry]:
        return sorted(entries, key=lambda entry: entry.stamp)

    of_transforms, of_parameter, neither = (tmp_path / name for name in ('tf', 'param', 'none'))
    large_cells = tmp_path / 'large_cells.yaml'  # larger than what one pixel shows
    large_cells.write_text(f'{QUICK_START.read_text()}    grid.resolution: 1.0\n')
    params = tmp_path / 'vehicle.yaml'
    params.write_text(f'{large_cells.read_text()}    mounting: [0.3, 0.0, 1.5, 0.0, 0.0, 0.0]\n')
    bag = write_bag(tmp_path / 'bag', recorded(*frames))
    with_transforms = write_bag(tmp_path / 'bag_tf', recorded(*frames, *transforms))
    assert replay(weights, with_transforms, of_transforms, params=large_cells).exit_code == 0
    assert replay(weights, bag, of_parameter, params=params).exit_code == 0
    assert metrics_of(of_parameter)['parameters']['mounting'] == [0.3, 0.0, 1.5, 0.0, 0.0, 0.0]
    assert replay(weights, bag, neither).exit_code == 0

    written = untimed_messages(of_transforms)
    assert {'/segmentation/grid', '/segmentation/free_space_scan'} <= {one[0] for one in written}
    assert written == untimed_messages(of_parameter)
    assert '/segmentation/grid' not in {one[0] for one in untimed_messages(neither)}

    accuracy = metrics_of(of_transforms)['accuracy']
    assert accuracy['free_space_error_m'] >= 0
    by_distance = accuracy['free_space_error_m_by_distance']
    assert by_distance == metrics_of(of_parameter)['accuracy']['free_space_error_m_by_distance']
    page = (of_transforms / 'report.html').read_text()
    assert 'Free space on the ground' in page
    assert metrics_of(of_transforms)['notes'] == []
    (note,) = metrics_of(neither)['notes']
    assert note.startswith('/image: no grid and no scan: the pose of the camera is not known: set ')
    missing = metrics_of(neither)['accuracy']
    assert missing['free_space_error_m'] is None
    assert 'free_space_error_m_by_distance' not in missing
    assert 'Free space on the ground' not in (neither / 'report.html').read_text()

    # Where the pose is known, the CameraInfo is missed.
    infos = [InfoEntry('/image/camera_info', START + index * STEP, 50.0) for index in range(3)]
    elsewhere = write_bag(tmp_path / 'elsewhere', recorded(*drive(3), *infos, *transforms))
    assert replay(weights, elsewhere, tmp_path / 'out').exit_code == 0
    (note,) = metrics_of(tmp_path / 'out')['notes']
    assert note.startswith('/image: no grid and no scan: no CameraInfo received')


MOUNTING = (0.3, 0.0, 1.5, 0.0, 0.0, 0.0)


DRIVABLE = tuple(name for name in CAMVID.names if name != 'sky')


def parameters_with_mounting(folder: Path) -> Path:
    file = folder / 'vehicle.yaml'
    values = f'    mounting: {list(MOUNTING)}\n    drivable_classes: {list(DRIVABLE)}\n'
    file.write_text(QUICK_START.read_text() + values)
    return file


@pytest.mark.parametrize(
    'stamps',
    [[START - STEP], [START + index * STEP - 1000 for index in range(4)]],
    ids=['sent once', 'stamped just before each image'],
)
def test_scans_use_the_latest_camera_info_as_in_the_node(
    weights: Path, tmp_path: Path, stamps: list[int]
) -> None:
    infos = [InfoEntry('/camera_info', stamp, 50.0 + i) for i, stamp in enumerate(stamps)]
    entries: list[AnyEntry] = [*drive(4), *infos]
    bag = write_bag(tmp_path / 'bag', sorted(entries, key=lambda entry: entry.stamp))
    params = parameters_with_mounting(tmp_path)
    assert replay(weights, bag, tmp_path / 'out', params=params).exit_code == 0
    assert metrics_of(tmp_path / 'out')['accuracy']['free_space_error_m'] is not None
    with AnyReader([tmp_path / 'out' / 'output.mcap']) as reader:
        assert '/segmentation/camera_info' not in reader.topics
        scans = [
            reader.deserialize(data, connection.msgtype).ranges
            for connection, _, data in reader.messages()
            if connection.topic == '/segmentation/free_space_scan'
        ]
    # As the node does with the messages as they come.
    settings = Settings(
        weights=str(weights),
        device='cpu',
        engine='torch',
        mounting=MOUNTING,
        drivable_classes=DRIVABLE,
    )
    segmenter = Segmenter.from_settings(settings)
    pipeline = CameraPipeline([''], segmenter, grounds={'': CameraGround('', lambda: settings)})
    expected: list[Any] = []
    with AnyReader([bag]) as reader:
        for connection, _, data in reader.messages():
            message = reader.deserialize(data, connection.msgtype)
            if connection.topic == '/camera_info':
                pipeline.take_camera_info('', message)
            elif connection.topic == '/image':
                (frame,) = pipeline.segment([pipeline.decode('', message)])
                assert frame.ground is not None
                expected.append(frame.ground.scan)
    assert np.isfinite(expected).any()
    np.testing.assert_array_equal(scans, expected)


def test_cameras_have_grids_also_with_names_that_a_node_would_refuse(
    weights: Path, tmp_path: Path
) -> None:
    entries: list[AnyEntry] = []
    for camera in ('/_front', '/0'):
        entries += [*drive(1, camera, truth=False), InfoEntry(f'{camera}/camera_info', START, 50.0)]
    bag = write_bag(tmp_path / 'bag', entries)
    params = parameters_with_mounting(tmp_path)
    result = replay(weights, bag, tmp_path / 'out', params=params)
    assert result.exit_code == 0, result.output
    grids = {topic for topic, *_ in untimed_messages(tmp_path / 'out') if topic.endswith('grid')}
    assert grids == {'/_front/segmentation/grid', '/0/segmentation/grid'}
