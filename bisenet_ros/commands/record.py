# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet record`: writes a folder of frames, and their ground truth, to a rosbag2."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bisenet_ros.bag.messages import IMAGE_TOPIC, LABELS_TOPIC
from bisenet_ros.bag.writer import BagWriter, Storage
from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.console import notes, print_line, progress_bar
from bisenet_ros.errors import UserError
from bisenet_ros.formatting import counted
from bisenet_ros.label_image import read_labels
from bisenet_ros.label_space import IGNORE, LabelSpace
from bisenet_ros.media import IMAGE_SUFFIXES, list_files, read_image
from bisenet_ros.output_files import make_folder

FRAME_ID = 'camera'

MIN_RATE = 0.001
"""Smallest rate, frames per second; slower ones would soon have stamps that ROS cannot express."""

START = 946_684_800_000_000_000
"""Stamp of the first frame in nanoseconds, 2000-01-01 00:00 UTC. Constant, so that the same frames
give the same bag, and not 0, which means "not set" in ROS."""

_LOSSY = frozenset({'.avif', '.jp2', '.jpe', '.jpeg', '.jpg', '.webp'})

Pixels = npt.NDArray[np.uint8]


def record_folder(
    folder: Path, bag: Path, labels: Path | None, *, rate: float, storage: Storage, weights: str
) -> None:
    """Writes a bag for `ros2 bag play` and `bisenet demo --source`.

    Args:
        folder: Frames of one size, taken in natural order of their names.
        bag: The folder to create; it appears only when it is complete.
        labels: A folder with a label image for each frame, with the same name and size.
        rate: Frames per second.
        storage: A storage plugin of rosbag2.
        weights: Weights with the label space of the labels; not read without labels.

    Raises:
        UserError: A value is invalid, the bag exists, a frame or label image is missing, broken or
            of another size, or a label is not a class id.
    """
    if not MIN_RATE <= rate < math.inf:
        raise UserError(f'--rate must be {MIN_RATE} or more frames per second, not {rate}')
    _check_new(bag)
    frames = list_files(folder, IMAGE_SUFFIXES)
    if not frames:
        raise UserError(f'{folder}: no images directly in this folder')
    truths = _labels_of(frames, labels) if labels is not None else None
    label_space = Checkpoint.load(weights).label_space if truths is not None else None

    bag_folder = bag.absolute().parent
    make_folder(bag_folder)
    try:
        # An unfinished bag is removed.
        with tempfile.TemporaryDirectory(prefix=f'.{bag.name}.', dir=bag_folder) as unfinished:
            path = Path(unfinished) / bag.name
            with BagWriter(path, storage) as writer, progress_bar() as progress:
                size: tuple[int, ...] | None = None
                for index, frame in enumerate(progress.track(frames, description='recording')):
                    stamp = START + round(index * 1e9 / rate)
                    image = read_image(frame)
                    size = size or image.shape
                    if image.shape != size:
                        raise UserError(
                            f'{frame} is {_size(image.shape)}, but the frames before it are '
                            f'{_size(size)}'
                        )
                    writer.write(IMAGE_TOPIC, stamp, FRAME_ID, image, 'bgr8')
                    if truths is not None and label_space is not None:
                        truth = _read_truth(truths[index], image.shape, label_space)
                        writer.write(LABELS_TOPIC, stamp, FRAME_ID, truth, 'mono8')
            path.rename(bag)
    except OSError as error:
        _check_new(bag)  # another recording may have finished first
        raise UserError(f'{bag}: {error.strerror or error}') from error
    count = counted(len(frames), 'frame')
    topics = IMAGE_TOPIC if truths is None else f'{IMAGE_TOPIC} and {LABELS_TOPIC}'
    seconds = len(frames) / rate
    print_line(notes, f'{count}, {seconds:.1f} s at {rate:g} Hz, on {topics}: {bag}')


def _check_new(bag: Path) -> None:
    if bag.exists():
        raise UserError(f'{bag} exists already: choose another name, or remove it first')


def _labels_of(frames: Sequence[Path], folder: Path) -> list[Path]:
    """Returns the label image of each frame: same name, any extension.

    Raises:
        UserError: A label image is missing, or belongs to several frames, or a frame has several.
    """
    _by_stem(frames)
    files = list_files(folder, IMAGE_SUFFIXES)
    exact = _by_stem([path for path in files if path.suffix.lower() not in _LOSSY])
    # The frames themselves may be beside their label images. A label image that was compressed with
    # loss is refused when it is read.
    by_stem = {path.stem: path for path in files} | exact
    missing = [frame for frame in frames if frame.stem not in by_stem]
    if missing:
        raise UserError(
            f'{len(missing)} of {len(frames)} frames have no label image in {folder}; '
            f'first: {missing[0].name} needs {missing[0].stem}.png'
        )
    return [by_stem[frame.stem] for frame in frames]


def _by_stem(files: Sequence[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in files:
        other = found.setdefault(path.stem, path)
        if other != path:
            raise UserError(
                f'{path} and {other.name} differ only in the suffix: remove one of them'
            )
    return found


def _read_truth(path: Path, shape: tuple[int, ...], label_space: LabelSpace) -> Pixels:
    """Reads (H, W) uint8 class ids; `IGNORE` where a pixel has no class.

    Raises:
        UserError: The file is not a label image, has another size, or values that are not classes.
    """
    labels = read_labels(path)
    if labels.shape != shape[:2]:
        raise UserError(f'{path} is {_size(labels.shape)}, but its frame is {_size(shape)}')
    truth, num_classes = label_space.truth_of(labels), len(label_space)
    strange = truth[(truth >= num_classes) & (truth != IGNORE)]
    if strange.size:
        raise UserError(
            f'{path} has the value {strange.max()}, but the classes are 0 to {num_classes - 1} '
            f'({num_classes} and {IGNORE} mean no class): give --weights that have these classes, '
            'or label images with the class ids of the weights'
        )
    return truth


def _size(shape: tuple[int, ...]) -> str:
    return f'{shape[1]}x{shape[0]}'
