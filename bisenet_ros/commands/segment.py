# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet segment`: writes label images and overlays of images, folders and videos."""

from __future__ import annotations

import glob
import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bisenet_ros.birds_eye import birds_eye
from bisenet_ros.calibration_file import read_calibration
from bisenet_ros.console import notes, print_line, progress_bar, warn
from bisenet_ros.errors import UserError, printable
from bisenet_ros.formatting import counted
from bisenet_ros.ground.camera_model import CameraInfoError, CameraModel
from bisenet_ros.ground.pose import Pose
from bisenet_ros.ground.tables import GroundTables
from bisenet_ros.label_space import IGNORE, LabelSpace
from bisenet_ros.media import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    Video,
    VideoWriter,
    is_video,
    list_files,
    read_image,
    write_image,
)
from bisenet_ros.output_files import is_standard_output, make_folder, write_json
from bisenet_ros.overlay import overlay

if TYPE_CHECKING:
    from bisenet_ros.segmentation import Segmentation
    from bisenet_ros.segmenter import Segmenter
    from bisenet_ros.settings import Settings

_BAG_SUFFIXES = frozenset(['.bag', '.db3', '.mcap'])
_IS_A_BAG = '{0} is a bag, not an image or a video; use: bisenet replay {0} -o DIR'
_BIRDS_EYE = '_birdseye.png'
_KINDS = ('_labels.png', '_drivable.png', '_overlay.jpg', '_overlay.webm', _BIRDS_EYE)
_FRAME_NUMBER = re.compile(r'[0-9]{6}|[1-9][0-9]{6,}')
_FRAME_RESULT = re.compile(f'({_FRAME_NUMBER.pattern})({"|".join(map(re.escape, _KINDS))})')
_BIRDS_EYE_HEIGHT = 600  # pixels

Pixels = npt.NDArray[np.uint8]


def segment_files(
    inputs: Sequence[Path],
    output: Path,
    settings: Settings,
    *,
    camera_info: Path | None,
    json_file: Path | None,
) -> bool:
    """Segments every image and video, and reports failures at the end.

    Args:
        inputs: Images, videos and folders of them.
        output: The folder for the results; files of an earlier run are replaced.
        settings: Settings of the model, and the opacity of overlays; with `camera_info` also the
            mounting and the grid.
        camera_info: Calibration of the camera in YAML, to draw the ground from above.
        json_file: JSON file for the figures, `-` for standard output.

    Returns:
        Whether each video was complete; the frames before the end of a truncated one are segmented.

    Raises:
        UserError: Two inputs would be written to the same file, there are no inputs, or an input
            failed (raised after all others were segmented).
    """
    if camera_info is not None and not settings.mounting:
        raise UserError('--camera-info needs the pose of the camera, too: --mounting, or --params')
    ground = None if camera_info is None else _GroundView(camera_info, settings)
    files = find_files(inputs)
    check_outputs(files, output)
    make_folder(output)

    from bisenet_ros.commands.model import load_segmenter

    segmenter = load_segmenter(settings)
    start = time.perf_counter()
    file_segmenter = _FileSegmenter(segmenter, output, settings.overlay_alpha, ground)
    figures, failures = _segment_all(files, file_segmenter)
    seconds = time.perf_counter() - start
    if json_file is not None:
        summary = {
            **vars(segmenter.settings),
            'output': str(output),
            'files': figures,
            'failures': failures,
        }
        write_json(json_file, summary)
    if not is_standard_output(json_file):
        frames = sum(entry['frames'] for entry in figures)
        print_line(
            notes,
            f'{counted(frames, "frame")} of {counted(len(figures), "file")} in {seconds:.1f} s: '
            f'{output}',
        )
    done = {entry['input'] for entry in figures}
    failed = [message for path, message in failures.items() if path not in done]
    if failed:
        others = ', the others are done' if figures else ''
        raise UserError(
            f'{len(failed)} of {counted(len(files), "input")} failed{others}; first: {failed[0]}'
        )
    return not failures


def find_files(inputs: Iterable[Path]) -> list[Path]:
    """Returns the input images and videos, and those directly in input folders.

    Raises:
        UserError: A path does not exist or is a bag, or a folder has no image or video.
    """
    files: list[Path] = []
    for path in inputs:
        if os.path.isdir(path):
            found = list_files(path, IMAGE_SUFFIXES | VIDEO_SUFFIXES)
            if not found and os.path.isfile(path / 'metadata.yaml'):
                raise UserError(_IS_A_BAG.format(path))
            if not found:
                raise UserError(f'{path}: no images or videos directly in this folder')
            files += found
        elif not os.path.exists(path):
            raise UserError(f'{path}: no such file or folder')
        elif path.suffix in _BAG_SUFFIXES:
            raise UserError(_IS_A_BAG.format(path))
        else:
            files.append(path)
    return list(dict.fromkeys(files))


def check_outputs(files: Sequence[Path], output: Path) -> None:
    """Checks that no result overwrites another result or an input.

    Raises:
        UserError: A result would overwrite another result or an input.
    """
    by_stem: dict[str, Path] = {}
    for path in files:
        other = by_stem.setdefault(path.stem, path)
        if other is not path:
            raise UserError(
                f'{other} and {path} would both be written as {output / path.stem}_...: '
                'segment them into two folders'
            )
    for path in files:
        stem, _, number = path.stem.rpartition('_')
        video = by_stem.get(stem)
        is_frame = not is_video(path) and _FRAME_NUMBER.fullmatch(number) is not None
        if is_frame and video is not None and is_video(video):
            raise UserError(
                f'{path} and frames of {video} would be written to the same files: '
                'segment them into two folders'
            )
    results = {(output / f'{path.stem}{kind}').resolve() for path in files for kind in _KINDS}
    results |= {
        result.resolve()
        for path in files
        if is_video(path)
        for result in _results_of_frames(path, output)
    }
    overwritten = next((path for path in files if path.resolve() in results), None)
    if overwritten is not None:
        raise UserError(f'{overwritten} would be overwritten by a result: choose another folder')


def _results_of_frames(video: Path, output: Path) -> list[Path]:
    """Returns the results for frames of a video that exist in a folder."""
    return [
        result
        for result in output.glob(f'{glob.escape(video.stem)}_*')
        if _FRAME_RESULT.fullmatch(result.name.removeprefix(f'{video.stem}_'))
    ]


@dataclass
class Shares:
    """Pixel counts by class over one or more frames of the same size.

    Attributes:
        size: (width, height) in pixels.
        frames: Number of frames.
        counts: (256,) int64, pixels by label.
        drivable: Number of drivable pixels.
    """

    size: tuple[int, int]
    frames: int
    counts: npt.NDArray[np.int64]
    drivable: int

    @classmethod
    def of(cls, result: Segmentation) -> Shares:
        """Counts one frame."""
        height, width = result.labels.shape
        counts = np.bincount(result.labels.reshape(-1), minlength=256)
        return cls((width, height), 1, counts, int(np.count_nonzero(result.drivable)))

    def add(self, other: Shares) -> None:
        """Adds the counts of another one."""
        self.frames += other.frames
        self.counts = self.counts + other.counts
        self.drivable += other.drivable

    def to_dict(self, label_space: LabelSpace) -> dict[str, Any]:
        """Returns size, frames, drivable fraction and the share of each class, ready for JSON."""
        pixels = int(self.counts.sum())
        shares = {name: int(self.counts[i]) / pixels for i, name in enumerate(label_space.names)}
        return {
            'width': self.size[0],
            'height': self.size[1],
            'frames': self.frames,
            'drivable_fraction': self.drivable / pixels,
            'class_shares': shares,
            'unlabelled': int(self.counts[IGNORE]) / pixels,
        }


class _GroundView:
    """Draws the drivable ground from above."""

    def __init__(self, camera_info: Path, settings: Settings) -> None:
        self._info = read_calibration(camera_info)
        self._path = camera_info
        self._pose = Pose.from_mounting(settings.mounting)
        self._layout = settings.layout
        self._layout.trusted_range(self._pose.height)  # refused now if no ground is trusted
        self._tables: dict[tuple[tuple[int, int], tuple[int, int]], GroundTables] = {}
        """By the sizes (width, height) of the frame and of its masks."""

    def write(self, path: Path, frame: Pixels, result: Segmentation) -> None:
        key = (frame.shape[1], frame.shape[0]), result.size
        if key not in self._tables:
            self._tables[key] = self._make_tables(*key, result.ego)
        grid = self._tables[key].grid(result.drivable)
        write_image(path, birds_eye(grid, self._layout, _BIRDS_EYE_HEIGHT))

    def _make_tables(
        self,
        frame_size: tuple[int, int],
        mask_size: tuple[int, int],
        ego: npt.NDArray[np.bool_] | None,
    ) -> GroundTables:
        try:
            camera = CameraModel.from_info(self._info, frame_size)
        except CameraInfoError as error:
            raise CameraInfoError(f'{self._path}: {error}') from error
        return GroundTables(camera.resized(mask_size), self._pose, self._layout, ego)


def _segment_all(
    files: Sequence[Path], segmenter: _FileSegmenter
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Segments the files; returns the figures of those that could be read, and failures by path."""
    figures: list[dict[str, Any]] = []
    failures: dict[str, str] = {}
    with progress_bar() as progress:
        task = progress.add_task('segmenting', total=len(files))

        def advance() -> None:
            progress.advance(task)

        for path in files:
            progress.update(task, description=path.name)
            try:
                if is_video(path):
                    video = Video(path)
                    more = max(0, video.frame_count - 1)
                    progress.update(task, total=(progress.tasks[task].total or 0) + more)
                    shares, problem = segmenter.segment_video(video, advance)
                    if problem:
                        failures[str(path)] = problem
                        warn(f'{printable(problem)}; these were segmented')
                else:
                    shares = segmenter.segment_image(path)
                    advance()
            except UserError as error:
                # Errors of files start with the path; those of frames (e.g. too small) do not.
                message, name = str(error), printable(str(path))
                failures[str(path)] = message if name in message else f'{name}: {message}'
                warn(failures[str(path)])
                advance()
            else:
                figures.append({'input': str(path), **shares.to_dict(segmenter.label_space)})
    return figures, failures


class _FileSegmenter:
    """Segments files, and writes the results of each.

    Attributes:
        label_space: Label space of the results.

    Args:
        segmenter: Segments the frames.
        output: The folder for the results.
        alpha: Opacity of the overlays, 0 to 1.
        ground: Draws the ground from above; None for no such pictures.
    """

    def __init__(
        self, segmenter: Segmenter, output: Path, alpha: float, ground: _GroundView | None
    ) -> None:
        self.label_space = segmenter.label_space
        self._segmenter = segmenter
        self._output = output
        self._alpha = alpha
        self._ground = ground

    def segment_image(self, path: Path) -> Shares:
        frame = read_image(path)
        result = self._segment(frame, path.stem)
        write_image(self._output / f'{path.stem}_overlay.jpg', self._overlay(frame, result))
        return Shares.of(result)

    def segment_video(self, video: Video, advance: Callable[[], None]) -> tuple[Shares, str]:
        """Segments a video, and returns `Video.problem_after`, too."""
        output, stem = self._output, video.path.stem
        # An earlier run may have had more frames.
        make_folder(output, without=[path.name for path in _results_of_frames(video.path, output)])
        total: Shares | None = None
        with VideoWriter(output / f'{stem}_overlay.webm', video.rate) as writer:
            for index, frame in enumerate(video):
                result = self._segment(frame, f'{stem}_{index:06d}')
                writer.write(self._overlay(frame, result))
                advance()
                if total is None:
                    total = Shares.of(result)
                else:
                    total.add(Shares.of(result))
        assert total is not None  # a Video without a frame raises
        return total, video.problem_after(total.frames)

    def _segment(self, frame: Pixels, stem: str) -> Segmentation:
        """Segments a frame, and writes its masks and the ground from above."""
        result = self._segmenter(frame)
        if self._ground is not None:  # first, because it may refuse the frame
            self._ground.write(self._output / f'{stem}{_BIRDS_EYE}', frame, result)
        write_image(self._output / f'{stem}_labels.png', result.labels)
        write_image(self._output / f'{stem}_drivable.png', result.drivable)
        return result

    def _overlay(self, frame: Pixels, result: Segmentation) -> Pixels:
        labels, drivable = result.labels, result.drivable
        return overlay(frame, labels, result.label_space, self._alpha, drivable=drivable)
