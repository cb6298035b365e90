# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet evaluate`: measures the accuracy of weights, or of an exported model, on a data set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from bisenet_ros.checkpoint import resolve_weights
from bisenet_ros.console import notes, print_line, progress_bar, warn
from bisenet_ros.errors import UserError
from bisenet_ros.formatting import counted
from bisenet_ros.metrics.accuracy import Accuracy
from bisenet_ros.model_settings import ModelSettings
from bisenet_ros.output_files import is_standard_output, make_folder, write_json
from bisenet_ros.replay.measure.provenance import sha256_of
from bisenet_ros.version import versions
from bisenet_training.datasets import Dataset
from bisenet_training.datasets.settings import LabelWriter
from bisenet_training.evaluation.confusion_chart import check_matplotlib
from bisenet_training.evaluation.label_images import LabelImages
from bisenet_training.evaluation.loading import load_predictor, unused_settings
from bisenet_training.evaluation.predictor import LoadedPredictor
from bisenet_training.evaluation.report import print_tables, write_report
from bisenet_training.evaluation.result import EvaluatedFrame, evaluate
from bisenet_training.evaluation.source import Source
from bisenet_training.evaluation.views import STRIDE, Views
from bisenet_training.evaluation.worst_frames import SHOWN, WorstFrames

LABELS = 'labels'
"""Name of the folder with the labels of every frame."""


@dataclass(frozen=True)
class Outputs:
    """Where results are written besides the terminal; None for no such output.

    Attributes:
        json_file: JSON file for the figures, `-` for standard output.
        folder: Folder for a report and the label images.
        submission: Folder for label images in the format of the evaluation server.
    """

    json_file: Path | None = None
    folder: Path | None = None
    submission: Path | None = None


def views_of(scales: str, flip: bool, crop: str | None, stride: float | None) -> Views:
    """Parses views from command-line options: scales '0.75,1', a crop '1024x512' or '512'.

    Raises:
        UserError: An option is malformed or out of range, or there is a stride without a crop.
    """
    if crop is None and stride is not None:
        raise UserError('--stride needs --crop')
    try:
        numbers = tuple(float(scale) for scale in scales.split(','))
    except ValueError as error:
        raise UserError(f'--scales {scales}: not a list of numbers such as 0.75,1,1.25') from error
    if crop is None:
        return Views(numbers, flip)
    match = re.fullmatch(r'(\d+)(?:x(\d+))?', crop)
    if match is None:
        raise UserError(f'--crop {crop}: not a size such as 1024x512 or 512')
    width, height = int(match[1]), int(match[2] or match[1])
    return Views(numbers, flip, (width, height), STRIDE if stride is None else stride)


def evaluate_weights(
    source: Source,
    views: Views,
    outputs: Outputs,
    settings: ModelSettings,
) -> None:
    """Segments a data set, prints the figures, and writes the outputs.

    Args:
        source: The data set.
        views: The views of each frame over which predictions are averaged.
        outputs: What to write.
        settings: Settings of the model; `weights` may also be the path of an exported model.

    Raises:
        UserError: The data is missing or invalid, the weights are for other classes, or the options
            contradict each other.
    """
    if settings.ego_mask:
        warn('ego_mask is ignored: it belongs to one vehicle, not to a data set')
        settings = replace(settings, ego_mask='')
    submission = _submission(source, outputs, settings)
    dataset = source.settings.open()
    if outputs.folder is not None:
        check_matplotlib()
        _check_labels(outputs.folder / LABELS, dataset)
        make_folder(outputs.folder)
    predictor = load_predictor(settings, views)
    origin = {
        'sha256': sha256_of(resolve_weights(settings.weights)),
        'versions': versions(('openvino', 'onnxruntime', 'triton')),
    }
    settings = replace(
        settings,
        drivable_threshold=predictor.drivable_threshold,
        drivable_classes=tuple(filter(None, settings.drivable_classes))
        or dataset.label_space.drivable,
    )
    labels = None if outputs.folder is None else LabelImages(outputs.folder / LABELS)
    writers = [writer for writer in (submission, labels) if writer is not None]
    result, worst = _segment(predictor, dataset, settings, writers)
    if labels is not None and (others := labels.others()):
        warn(f'{labels.folder} also has {counted(len(others), "image")} of other frames')
    if not source.settings.has_truth:
        print_line(notes, f'{dataset.description}: {outputs.submission}')
        return
    unused = unused_settings(predictor)
    facts = {
        'dataset': source.kind,
        'data': dataset.description,
        'split': source.split,
        **{name: value for name, value in vars(settings).items() if name not in unused},
        'device': predictor.device,
        'precision': predictor.precision,
        'engine': predictor.engine,
        'network_size': predictor.network_size,
        'scales': list(views.scales),
        'flip': views.flip,
        'crop': None if views.crop is None else list(views.crop),
        'stride': None if views.crop is None else views.stride,
    }
    title, figures = dataset.description, result.figures()
    written = {**facts, **origin, **figures}
    if outputs.json_file is not None:
        write_json(outputs.json_file, written)
    if outputs.folder is not None:
        write_json(outputs.folder / 'figures.json', written)
        write_report(outputs.folder, title, facts, figures, worst.frames, result.label_space)
    if not is_standard_output(outputs.json_file):
        print_tables(Console(highlight=False), title, figures)


def _check_labels(folder: Path, dataset: Dataset) -> None:
    """Checks that label images in a folder cannot replace files of the data set.

    Raises:
        UserError: The folder has some of them.
    """
    if not folder.exists():
        return
    place = folder.resolve()
    for file in dataset.files():
        # A file may be a link, and others may link to it.
        if any(path.is_relative_to(place) for path in (file.parent.resolve(), file.resolve())):
            raise UserError(
                f'{folder} has files of the data set, such as {file.name}, and the labels would '
                'replace them: choose another --output'
            )


def _submission(source: Source, outputs: Outputs, settings: ModelSettings) -> LabelWriter | None:
    """Returns what writes the files for the evaluation server, if they are asked for.

    Raises:
        UserError: The options contradict each other, or ask for what the data set lacks.
    """
    submission = None
    if outputs.submission is not None:
        if settings.output_size:
            raise UserError(
                '--submission needs labels at the size of the frames: remove output_size'
            )
        submission = source.settings.submission(outputs.submission)
    asks_for_figures = outputs.json_file is not None or outputs.folder is not None
    if not source.settings.has_truth and (asks_for_figures or submission is None):
        raise UserError(
            f'only the evaluation server has the truth of {source.kind} {source.split}: '
            'give --submission DIR, without --json and --output'
        )
    return submission


def _segment(
    predictor: LoadedPredictor,
    dataset: Dataset,
    settings: ModelSettings,
    writers: Sequence[LabelWriter],
) -> tuple[Accuracy, WorstFrames]:
    """Segments and evaluates all frames, and shows the progress.

    Args:
        predictor: Labels the frames.
        dataset: The frames.
        settings: Decide what is drivable.
        writers: Write the labels of each frame.
    """
    worst = WorstFrames(SHOWN)
    with progress_bar() as bar:
        task = bar.add_task('evaluating', total=len(dataset))

        def count(frame: EvaluatedFrame) -> None:
            worst.offer(frame)
            for writer in writers:
                writer.write(frame.sample.name, frame.labels)
            bar.advance(task)

        result = evaluate(
            predictor,
            dataset,
            count,
            drivable_classes=settings.drivable_classes,
            min_drivable_confidence=settings.min_drivable_confidence,
            min_drivable_area=settings.min_drivable_area,
        )
    return result, worst
