# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads damaged files in a process that may not take much memory, and counts the ends by kind.

    python test/hostile_files.py KIND [KIND ...] --count 100000 --seed 1

Every file is read, or refused with a `UserError` of one line. Whatever else happens ends the
process with a traceback, after a line that names the kind and the case, which
`KIND --first N --count 1` repeats.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import resource
import struct
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mutations import Mutate, damage, damage_json, damage_text

from bisenet_ros.__main__ import LIMITS
from bisenet_ros.errors import UserError

ROOM = 1 << 30
"""Bytes by which a process may grow: a few images of the largest size that is decoded."""

_OUT_OF_MEMORY = ('MemoryError', 'bad_alloc', 'Insufficient memory', 'Failed to allocate', 'alloc')


@dataclass(frozen=True)
class Kind:
    """One kind of files.

    Attributes:
        originals: Creates valid files; returns the function that reads each.
        mutate: Damages the content.
    """

    originals: Callable[[Path], dict[Path, Callable[[Path], object]]]
    mutate: Mutate


def _images(folder: Path) -> dict[Path, Callable[[Path], object]]:
    import cv2
    from PIL import Image

    from bisenet_ros.label_image import read_labels
    from bisenet_ros.media import read_image

    rng = np.random.default_rng(1)
    picture = cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), (64, 48))
    files: dict[Path, Callable[[Path], object]] = {}
    for name in ('jpg', 'png', 'webp', 'tiff', 'bmp', 'gif', 'ppm', 'jp2', 'avif', 'hdr'):
        path = folder / f'picture.{name}'
        with contextlib.suppress(cv2.error):
            shown = picture.astype(np.float32) if name == 'hdr' else picture
            assert cv2.imwrite(str(path), shown)
            files[path] = read_image
    options = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    assert cv2.imwrite(str(folder / 'progressive.jpg'), picture, options)
    files[folder / 'progressive.jpg'] = read_image
    labels = picture[..., 0] // 20
    palette = Image.fromarray(labels).convert('P')
    for ending in ('.png', '.gif', '.bmp', '.tiff'):
        palette.save(folder / f'palette{ending}')
        files[folder / f'palette{ending}'] = read_labels
    Image.fromarray(labels.astype(np.uint16)).save(folder / 'wide.png')
    files[folder / 'wide.png'] = read_labels
    return files


def _messages(folder: Path) -> dict[Path, Callable[[Path], object]]:
    from types import SimpleNamespace

    from bisenet_ros.image_codec import decode_compressed

    def decode(path: Path) -> object:
        return decode_compressed(SimpleNamespace(format='', data=path.read_bytes()))

    paths = [path for path in _images(folder) if path.suffix in ('.jpg', '.png')]
    return dict.fromkeys(paths, decode)


def _videos(folder: Path) -> dict[Path, Callable[[Path], object]]:
    import cv2

    from bisenet_ros.media import Video

    files: dict[Path, Callable[[Path], object]] = {}
    for ending, codec in (('.avi', 'MJPG'), ('.mp4', 'mp4v'), ('.webm', 'VP80'), ('.mkv', 'mp4v')):
        path = folder / f'video{ending}'
        writer = cv2.VideoWriter(
            str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), 10, (64, 48)
        )
        assert writer.isOpened()
        for index in range(5):
            writer.write(np.full((48, 64, 3), 40 * index, np.uint8))
        writer.release()
        files[path] = lambda path: list(Video(path))
    return files


def _bags(folder: Path) -> dict[Path, Callable[[Path], object]]:
    from rosbags.rosbag2 import CompressionMode, StoragePlugin
    from small_bags import (
        START,
        Entry,
        InfoEntry,
        TransformEntry,
        drive,
        picture,
        write_bag,
        write_bag_of_ros_1,
    )

    entries = [
        *drive(2, '/front'),
        InfoEntry('/front/camera_info', START, 50.0),
        TransformEntry(START, 'base', 'camera', (1.0, 0.0, 1.0), (0.0, 0.0, 0.0, 1.0)),
    ]
    small = [
        entry._replace(pixels=entry.pixels[:32, :32]) if hasattr(entry, 'pixels') else entry
        for entry in entries
    ]
    small.append(Entry('/rear/image/compressed', START, picture(3), 'jpeg'))
    files: dict[Path, Callable[[Path], object]] = {}
    for name, storage, compression in (
        ('plain', StoragePlugin.MCAP, CompressionMode.NONE),
        ('zstd', StoragePlugin.MCAP, CompressionMode.STORAGE),
        ('database', StoragePlugin.SQLITE3, CompressionMode.NONE),
        ('messages', StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
        ('file', StoragePlugin.MCAP, CompressionMode.FILE),
    ):
        bag = write_bag(folder / name, small, storage=storage, compression=compression)
        for path in bag.iterdir():
            whole = compression in (CompressionMode.NONE, CompressionMode.STORAGE)
            files[path] = _read_bag if whole and path.suffix != '.yaml' else _read_folder
    of_ros_1 = [entry for entry in small if not isinstance(entry, TransformEntry)]
    files[write_bag_of_ros_1(folder / 'one.bag', of_ros_1)] = _read_bag
    return files


def _read_folder(path: Path) -> None:
    _read_bag(path.parent)


def _read_bag(path: Path) -> None:
    from bisenet_ros.bag.reader import ReplayBag
    from bisenet_ros.label_space import CAMVID

    bag = ReplayBag(path)
    bag.static_transforms()
    for frame in bag:
        with contextlib.suppress(UserError):
            frame.image()
        with contextlib.suppress(UserError):
            frame.truth(CAMVID)


def _checkpoints(folder: Path) -> dict[Path, Callable[[Path], object]]:
    from tiny_checkpoint import save_tiny_checkpoint

    from bisenet_ros.checkpoint import Checkpoint
    from bisenet_ros.commands.info import show_info

    def read(path: Path) -> None:
        Checkpoint.load(path).build()
        show_info(str(path), None)

    return {save_tiny_checkpoint(folder / 'tiny.safetensors'): read}


def _damage_checkpoint(data: bytes, rng: random.Random) -> bytes:
    length = int.from_bytes(data[:8], 'little')
    header, tensors = data[8 : 8 + length], data[8 + length :]
    if rng.random() < 0.2:
        # Only the header, because most changes of the whole file would hit tensors.
        return damage(data[: 8 + length], rng) + tensors
    if rng.random() < 0.2:
        names = json.loads(header)
        text = damage_json(header.decode(), rng)
        assert names
    else:
        names = json.loads(header)
        metadata = names['__metadata__']
        metadata['bisenet_ros'] = damage_json(metadata['bisenet_ros'], rng)
        text = json.dumps(names)
    found = text.encode()
    return struct.pack('<Q', len(found)) + found + tensors


def _pickles(folder: Path) -> dict[Path, Callable[[Path], object]]:
    import torch

    from bisenet_ros.importing.importer import import_weights
    from bisenet_ros.network.pytorch_file import load_pytorch_file

    tensors = {'state_dict': {'backbone.weight': torch.zeros(3, 3), 'bias': torch.ones(2)}}
    files: dict[Path, Callable[[Path], object]] = {}
    for name, zipped in (('zip.pth', True), ('old.pth', False)):
        for path, read in (
            (folder / name, import_weights),
            (folder / f'imagenet_{name}', lambda path: load_pytorch_file(path, 'a network')),
        ):
            torch.save(tensors, path, _use_new_zipfile_serialization=zipped)
            files[path] = read
    return files


_YAML_TOKENS = (
    '{', '}', '[', ']', '[' * 3000, '{a: ' * 500, ':', ': ', '- ', '\n', '\n  ', '\t', '&a ', '*a',
    '<<: ', '<<: *a', '!!int ', '!!float ', '!!binary ', '!!timestamp ',
    '!!python/object:os.system ', '!!set ', '!x ', '---\n', '...\n', '#', '%YAML 9.9\n', '|', '>',
    '"', "'", '"\\x1b[2J\\n"', '\0', '\ufeff', '\ud800', 'null', '~', 'true', 'no', 'NaN', '.nan',
    '.inf', '-.inf', '1e999', '-1', '0', '1', '255', '9' * 5000, '0x' + 'f' * 40, '0o17', '0b_',
    '1_0', '1:30', '2026-13-45', '2026-01-01', '=', '? ', '@', '`', 'ä', 'x' * 400, '',
    'ros__parameters', 'segmenter', '/**', 'cameras', 'network_size', 'name', 'criteria',
)  # fmt: skip


def _yaml(text: str, read: Callable[[Path], object]) -> Callable[[Path], dict]:  # type: ignore[type-arg]
    def originals(folder: Path) -> dict[Path, Callable[[Path], object]]:
        path = folder / 'file.yaml'
        path.write_text(text)
        return {path: read}

    return originals


def _label_map(path: Path) -> object:
    from bisenet_training.datasets.label_map import LabelMap

    found = LabelMap.load(path)
    return found.label_space, found.reader(str(path))


def _scenario(path: Path) -> object:
    from bisenet_ros.replay.measure.scenario import ScenarioFile

    return ScenarioFile.load(path)


def _parameters(path: Path) -> object:
    from bisenet_ros.parameter_file import read_settings

    return read_settings([path], {})


def _configuration(path: Path) -> object:
    from bisenet_training.config import load_config

    return load_config(path)


def _matrices(folder: Path) -> dict[Path, Callable[[Path], object]]:
    from scipy.io import savemat

    from bisenet_training.datasets.coco_stuff import _MatlabReader

    files: dict[Path, Callable[[Path], object]] = {}
    for compressed in (False, True):
        path = folder / f'labels{compressed}.mat'
        savemat(path, {'S': np.eye(40, 50, dtype=np.uint16)}, do_compression=compressed)
        files[path] = _MatlabReader()
    return files


def _ego_masks(folder: Path) -> dict[Path, Callable[[Path], object]]:
    from PIL import Image

    from bisenet_ros.ego_mask import EgoMask

    mask = np.zeros((48, 64), np.uint8)
    mask[36:, 16:48] = 255
    picture = Image.fromarray(mask)
    for mode in ('1', 'L', 'P', 'LA', 'RGB', 'RGBA'):
        picture.convert(mode).save(folder / f'{mode}.png')
    Image.fromarray(mask.astype(np.uint16) * 257).save(folder / 'wide.png')
    return dict.fromkeys(folder.iterdir(), lambda path: EgoMask(path).at((32, 24)))


def _calibration(path: Path) -> object:
    from bisenet_ros.calibration_file import read_calibration
    from bisenet_ros.ground.camera_model import CameraModel
    from bisenet_ros.ground.pose import Pose
    from bisenet_ros.ground.tables import GroundTables
    from bisenet_ros.settings import Settings

    camera = CameraModel.from_info(read_calibration(path), (640, 480)).resized((64, 48))
    pose = Pose.from_mounting((0.0, 0.0, 1.5, 0.0, 0.2, 0.0))
    tables = GroundTables(camera, pose, Settings(grid_resolution=0.5).layout)
    return tables.grid(np.full((48, 64), 255, np.uint8))


def _pair_lists(folder: Path) -> dict[Path, Callable[[Path], object]]:
    from small_datasets import make_scene, write_image

    from bisenet_training.datasets.pairs import PairListSettings

    names = ('one', 'two', 'the third')
    for seed, name in enumerate(names):
        image, labels = make_scene(seed, (64, 48))
        write_image(folder / 'images' / f'{name}.png', image)
        write_image(folder / 'labels' / f'{name}.png', labels)
    label_map = folder / 'labels.yaml'
    label_map.write_text(
        'classes:\n  - {name: road, color: [0, 0, 0], drivable: true, ids: [0]}\n'
        f'  - {{name: rest, color: [9, 9, 9], ids: {list(range(1, 255))}}}\n'
        'ignored: {ids: [255]}\n'
    )
    files: dict[Path, Callable[[Path], object]] = {}
    for separator in ('\t', ', '):
        path = folder / f'{ord(separator[0])}.txt'
        lines = [f'images/{name}.png{separator}labels/{name}.png\n' for name in names]
        path.write_text(f'# image, labels\n{"".join(lines)}')
        files[path] = lambda path: list(PairListSettings(pairs=path, label_map=label_map).open())
    return files


_PAIR_TOKENS = (
    '\t', ' ', ',', ', ', ' , ', '\n', '\r', '#', '/', '..', './', '.', '~', 'one', 'two', 'images',
    'labels', 'png', 'txt', 'yaml', '\0', '\ufeff', '\ud800', '\u2028', '\x1b[2J', 'ä', '',
    'x' * 400, 'x/' * 3000, '/dev/null', '/dev/zero', '/proc/self/mem',
)  # fmt: skip


def _label_spaces(folder: Path) -> dict[Path, Callable[[Path], object]]:
    from bisenet_ros.commands.import_published import _read_label_space
    from bisenet_ros.label_space import CAMVID

    path = folder / 'label_space.json'
    path.write_text(json.dumps(CAMVID.to_dict()))
    return {path: _read_label_space}


def _damage_document(data: bytes, rng: random.Random) -> bytes:
    return damage(data, rng) if rng.random() < 0.2 else damage_json(data.decode(), rng).encode()


def _replays(folder: Path) -> dict[Path, Callable[[Path], object]]:
    from small_bags import drive, write_bag
    from tiny_checkpoint import save_tiny_checkpoint

    from bisenet_ros.bag.reader import ReplayBag
    from bisenet_ros.commands.compare import compare_runs
    from bisenet_ros.replay.measure.run import replay
    from bisenet_ros.segmenter import Segmenter
    from bisenet_ros.settings import Settings

    bag = ReplayBag(write_bag(folder / 'bag', drive(3)))
    runs = folder / 'a', folder / 'b'
    for seed, run in enumerate(runs):
        weights = save_tiny_checkpoint(folder / f'{seed}.safetensors', seed=seed)
        segmenter = Segmenter.load(weights, device='cpu', engine='torch', precision='fp32')
        run.mkdir()
        replay(bag, segmenter, Settings(), run, lambda: None)
    names = ('metrics.json', 'frames.jsonl', 'output.mcap')
    return {
        run / name: lambda _: compare_runs(*runs, folder / 'comparison', ())
        for run in runs
        for name in names
    }


def _damage_replay(data: bytes, rng: random.Random) -> bytes:
    if data.startswith(b'\x89MCAP') or rng.random() < 0.2:
        return damage(data, rng)
    if data.startswith(b'{\n'):
        return damage_json(data.decode(), rng).encode()
    lines = data.decode().splitlines()
    line = rng.randrange(len(lines))
    lines[line] = damage_json(lines[line], rng)
    return '\n'.join(lines).encode()


def _runs(folder: Path) -> dict[Path, Callable[[Path], object]]:
    import torch

    from bisenet_training.average import AverageNetwork
    from bisenet_training.distributed import launch
    from bisenet_training.run_folder import EvaluationRow, RunFolder, StepRow, append_rows
    from bisenet_training.saved_state import has_state, restore, restore_average
    from bisenet_training.training_data import read_counts

    fabric, run = launch('cpu', 'fp32'), RunFolder(folder)
    student = torch.nn.Linear(3, 2)
    average = AverageNetwork(student, 0.9)
    model, optimizer = fabric.setup(student, torch.optim.AdamW(student.parameters()))
    fabric.backward(model(torch.ones(1, 3)).sum())
    optimizer.step()
    learned = {'student': student, 'average': average, 'optimizer': optimizer}
    run.last.parent.mkdir()
    fabric.save(run.last, {**learned, 'step': 3, 'best': 0.5, 'seconds': 1.25})
    tables = ((run.steps, StepRow), (run.evaluations, EvaluationRow))
    for table, kind in tables:
        table.write_text(','.join(kind._fields) + '\n')
    append_rows(run.steps, [StepRow(step, 0.5, 0.1, step / 4) for step in range(1, 4)])
    append_rows(run.evaluations, [EvaluationRow(3, 0.5, None, 0.75)])
    descriptions = ['a (3 frames)', 'b (1 frame)']
    run.data.write_text(json.dumps({name: {'road': 5, 'sky': 0} for name in descriptions}))

    def read_state(path: Path) -> None:
        assert has_state(run, fabric)
        restore(fabric, path, dict(learned))
        restore_average(path, average)

    def read_table(_: Path) -> None:
        run.forget_after(3)

    return {
        run.last: read_state,
        run.steps: read_table,
        run.evaluations: read_table,
        run.data: lambda path: read_counts(path, descriptions, 2),
    }


_TABLE_TOKENS = (
    ',', '\n', '\r', '"', "'", ';', '\t', '\0', '-', '.', 'e', '0', '-1', '1e999', 'nan', 'inf',
    '9' * 5000, 'x', '"' + 'x' * 140_000, 'step', 'loss', 'miou', '', 'ä', '\ud800', '\u2028',
    '1_0',
)  # fmt: skip


def _damage_run(data: bytes, rng: random.Random) -> bytes:
    if data.startswith(b'{'):
        return _damage_document(data, rng)
    if not data.startswith(b'PK'):
        return damage_text(_TABLE_TOKENS)(data, rng)
    if rng.random() < 0.5:
        return damage(data, rng)
    # With the checksums of the damaged records.
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    pickled = next(name for name in records if name.endswith('data.pkl'))
    name = pickled if rng.random() < 0.7 else rng.choice(sorted(records))
    records[name] = damage(records[name], rng)
    written = io.BytesIO()
    with zipfile.ZipFile(written, 'w') as archive:
        for name, record in records.items():
            archive.writestr(name, record)
    return written.getvalue()


_CONFIG = Path(__file__).parents[1] / 'config'
_SCENARIO = """
bags:
  - path: bags/monday
    image_topic: /camera/image_raw
    criteria: [{figure: dropped, at_most: 3, between: [0, 5.5], camera: /camera/image_raw}]
  - {path: bags/tuesday.mcap, name: rain}
params: params.yaml
weights: camvid
rate: 1.0
criteria:
  - {figure: miou, at_least: 0.4}
  - {figure: confidence, statistic: p05, at_least: 0.2, name: sure}
"""
_CALIBRATION = """
image_width: 640
image_height: 480
camera_name: front
camera_matrix: {rows: 3, cols: 3, data: [400.0, 0.0, 320.0, 0.0, 400.0, 240.0, 0.0, 0.0, 1.0]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [-0.3, 0.1, 0.001, -0.002, 0.0]}
rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {rows: 3, cols: 4, data: [400, 0, 320, 0, 0, 400, 240, 0, 0, 0, 1, 0]}
"""

KINDS = {
    'image': Kind(_images, damage),
    'compressed image': Kind(_messages, damage),
    'video': Kind(_videos, damage),
    'bag': Kind(_bags, damage),
    'checkpoint': Kind(_checkpoints, _damage_checkpoint),
    'published weights': Kind(_pickles, damage),
    'label map': Kind(
        _yaml((_CONFIG / 'label_maps/camvid_colors.yaml').read_text(), _label_map),
        damage_text(_YAML_TOKENS),
    ),
    'scenario': Kind(_yaml(_SCENARIO, _scenario), damage_text(_YAML_TOKENS)),
    'parameter file': Kind(
        _yaml((_CONFIG / 'multi_camera.yaml').read_text(), _parameters), damage_text(_YAML_TOKENS)
    ),
    'training configuration': Kind(
        _yaml((_CONFIG / 'training/bisenetv2_camvid.yaml').read_text(), _configuration),
        damage_text(_YAML_TOKENS),
    ),
    'MATLAB labels': Kind(_matrices, damage),
    'ego mask': Kind(_ego_masks, damage),
    'camera calibration': Kind(_yaml(_CALIBRATION, _calibration), damage_text(_YAML_TOKENS)),
    'pair list': Kind(_pair_lists, damage_text(_PAIR_TOKENS)),
    'label space': Kind(_label_spaces, _damage_document),
    'replay results': Kind(_replays, _damage_replay),
    'training run': Kind(_runs, _damage_run),
}


@contextlib.contextmanager
def _damaged(path: Path, content: bytes) -> Iterator[Path]:
    original = path.read_bytes()
    path.write_bytes(content)
    try:
        yield path
    finally:
        path.write_bytes(original)


def run(name: str, first: int, count: int, seed: int, folder: Path) -> dict[str, int]:
    """Damages and reads files of a kind; returns the numbers of those read and refused."""
    kind = KINDS[name]
    _, limit = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    originals = kind.originals(folder)
    for path, read in originals.items():
        with contextlib.suppress(UserError):
            read(path)  # loads libraries, so that only files need memory afterwards
    with open('/proc/self/statm') as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, limit))
    ends = {'read': 0, 'refused': 0}
    paths = sorted(originals)
    for case in range(first, first + count):
        rng = random.Random(f'{name} {seed} {case}')
        path = rng.choice(paths)
        with _damaged(path, kind.mutate(path.read_bytes(), rng)):
            print(f'{name}, case {case}: {path.name}', file=sys.stderr, flush=True)
            try:
                originals[path](path)
            except UserError as error:
                message = str(error)
                assert message.isprintable(), repr(message)
                assert not any(word in message for word in _OUT_OF_MEMORY), message
                ends['refused'] += 1
            else:
                ends['read'] += 1
    return ends


def main() -> None:
    """Runs some kinds from the command line; prints a line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('kinds', choices=KINDS, nargs='+', metavar='KIND', help=', '.join(KINDS))
    parser.add_argument(
        '--count', type=int, nargs='+', default=[1000], help='of each kind, or one for all'
    )
    parser.add_argument('--first', type=int, default=0)
    parser.add_argument('--seed', type=int, default=1)
    given = parser.parse_args()
    os.environ.update(LIMITS)  # before OpenCV is loaded
    counts = given.count if len(given.count) > 1 else given.count * len(given.kinds)
    for kind, count in zip(given.kinds, counts, strict=True):
        with tempfile.TemporaryDirectory() as folder, open(os.devnull, 'w') as nowhere:
            start = time.perf_counter()
            with contextlib.redirect_stdout(nowhere):
                ends = run(kind, given.first, count, given.seed, Path(folder))
            seconds = time.perf_counter() - start
        print(json.dumps({'kind': kind, **ends, 'seconds': round(seconds, 1)}), flush=True)


if __name__ == '__main__':
    main()
