# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet calibrate`: measures what a checkpoint can state about its errors, and adds it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.commands.checkpoint_file import check_name, write_checkpoint
from bisenet_ros.console import print_line, progress_bar, warn
from bisenet_ros.errors import UserError
from bisenet_ros.formatting import percent
from bisenet_ros.metrics import truth_at
from bisenet_ros.model_settings import ModelSettings
from bisenet_ros.output_files import is_standard_output, write_json
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.trust.anomaly import MaxLogits
from bisenet_ros.trust.claim import CLAIMED_SETTINGS, Claim, as_json
from bisenet_training.calibration import (
    LEVELS,
    MaxLogitStatistics,
    lowest_level,
    mask_errors,
    min_frames,
)
from bisenet_training.datasets import Dataset
from bisenet_training.evaluation.predictor import id_table
from bisenet_training.evaluation.source import Source


class Limit(NamedTuple):
    """What is to be stated.

    Attributes:
        false_drivable: Upper limit of the share of the mask that is not drivable, 0 to 1.
        confidence: Probability with which it must hold, 0 to 1.
    """

    false_drivable: float
    confidence: float

    def check(self, frames: int, data: str) -> None:
        """Checks that there are enough frames.

        Args:
            frames: Number of frames.
            data: Description of the data set.

        Raises:
            UserError: There are too few frames, or a limit is out of range.
        """
        for name, value in zip(self._fields, self, strict=True):
            if not 0 < value < 1:
                raise UserError(
                    f'--{name.replace("_", "-")} must be above 0 and below 1, not {value:g}'
                )
        needed = min_frames(*self)
        if frames < needed:
            raise UserError(
                f'{data}: at least {needed} frames with a truth are needed to state a '
                f'false-drivable rate of {self.false_drivable:g} with a confidence of '
                f'{self.confidence:g}, even without any error'
            )


class Measurements(NamedTuple):
    """Figures of the frames whose masks can be judged, and the statistics of all frames.

    Attributes:
        rates: (frames, levels), see `MaskErrors.false_drivable`.
        kept: (levels,) share of the drivable area that is in the mask, mean of the frames.
        confidences: Mean confidence of each frame, 0 to 1.
        max_logits: Statistics of the logits.
    """

    rates: npt.NDArray[np.float64]
    kept: npt.NDArray[np.float64]
    confidences: Sequence[float]
    max_logits: MaxLogits


def calibrate_weights(
    source: Source,
    limit: Limit | None,
    output: Path,
    settings: ModelSettings,
    json_file: Path | None,
) -> None:
    """Measures frames, and writes a checkpoint with the statistics of its logits and the claim.

    Args:
        source: Frames with ground truth that the weights have not learned from.
        limit: The claim; None for none.
        output: The checkpoint to write; an older one is replaced.
        settings: Settings of the model.
        json_file: JSON file for the figures, `-` for standard output; None for none.

    Raises:
        UserError: The data is missing or invalid, the weights are for other classes, an option has
            no meaning here, or the limit cannot be stated.
    """
    check_name(output)
    _check_settings(settings)
    if not source.settings.has_truth:
        raise UserError(f'only the evaluation server has the truth of {source.kind} {source.split}')
    dataset = source.settings.open()
    if limit is not None:
        limit.check(len(dataset), dataset.description)
    checkpoint = replace(Checkpoint.load(settings.weights), claim=None)
    if limit is not None and dataset.description in _known_data(checkpoint):
        warn(
            f'{dataset.description} is named in the checkpoint as data of its training or '
            'evaluation: for new frames, the rate may be higher than stated'
        )
    model = replace(settings.model, ego_mask='', confidence_threshold=0.0)
    segmenter = Segmenter(checkpoint, model)
    measured = _measure(segmenter, dataset)
    left_out = len(dataset) - len(measured.rates)
    if left_out:
        warn(
            f'{left_out} of {len(dataset)} frames do not count: no pixel of their drivable mask '
            'has ground truth'
        )
    claim = None if limit is None else _claim(limit, measured, segmenter, dataset.description)
    # With an anomaly_threshold, the measured masks depend on the checkpoint's own statistics.
    max_logits = checkpoint.max_logits if settings.anomaly_threshold else measured.max_logits
    calibrated = replace(checkpoint, claim=claim, max_logits=max_logits)
    write_checkpoint(calibrated, output, _precision(checkpoint))
    if json_file is not None:
        figures = {
            'frames': len(measured.rates),
            'left_out': left_out,
            'claim': None if claim is None else claim.to_dict(),
            'max_logits': None if max_logits is None else max_logits.to_dict(),
            'thresholds': [level / 255 for level in LEVELS],
            'false_drivable_rates': measured.rates.mean(axis=0).tolist(),
            'kept': measured.kept.tolist(),
            'model': vars(segmenter.settings),
        }
        write_json(json_file, figures)
    if not is_standard_output(json_file):
        for line in (dataset.description, *_lines(measured, claim), str(output)):
            print_line(Console(highlight=False), line)


def _check_settings(settings: ModelSettings) -> None:
    """Refuses or warns of settings that have no meaning here.

    Raises:
        UserError: There is a drivable_threshold.
    """
    if settings.drivable_threshold:
        raise UserError('drivable_threshold is what calibrate determines: leave it out')
    if settings.ego_mask:
        warn('ego_mask is ignored: it belongs to one vehicle, not to a data set')
    if settings.confidence_threshold:
        warn('confidence_threshold is ignored: what is stated must hold without it')


def _measure(segmenter: Segmenter, dataset: Dataset) -> Measurements:
    settings, space = segmenter.settings, segmenter.label_space
    to_data = id_table(space, dataset.label_space)
    table = np.argsort(to_data).astype(np.uint8)  # the inverse, from the truth to the weights' ids
    drivable_ids = space.ids_of(space.drivable)
    statistics = MaxLogitStatistics(len(space), dataset.description)
    rates, kept, confidences = [], [], []
    with progress_bar() as bar:
        for sample in bar.track(dataset, description='calibrating', total=len(dataset)):
            try:
                found, logits = segmenter.with_logits(sample.image)
            except UserError as error:
                raise UserError(f'{sample.name}: {error}') from error
            truth = truth_at(table[sample.labels], sample.image.shape, found.labels.shape)
            errors = mask_errors(found, truth, drivable_ids, settings.min_drivable_area)
            if errors is not None:
                rates.append(errors.false_drivable)
                kept.append(errors.kept)
                confidences.append(found.mean_confidence)
            statistics.add(logits)
    if not rates:
        raise UserError(
            f'{dataset.description}: no frame has a pixel in its drivable mask whose truth is known'
        )
    if np.isnan(kept).all():
        raise UserError(f'{dataset.description}: the ground truth has no drivable area')
    return Measurements(np.stack(rates), np.nanmean(kept, axis=0), confidences, statistics.result())


def _claim(limit: Limit, measured: Measurements, segmenter: Segmenter, data: str) -> Claim:
    rates = measured.rates
    limit.check(len(rates), data)
    level = lowest_level(rates, *limit)
    if level is None or not measured.kept[LEVELS.index(level)]:
        raise UserError(
            f'no drivable_threshold that leaves a drivable area has a false-drivable rate of at '
            f'most {limit.false_drivable:g} with a confidence of {limit.confidence:g} in '
            f'{len(rates)} frames: give a higher limit, or more frames'
        )
    confidences = np.sort(measured.confidences)
    return Claim(
        *limit,
        threshold=level / 255,
        usual_confidence=float(confidences[int(0.01 * (len(confidences) - 1))]),  # 1st percentile
        settings={name: as_json(getattr(segmenter.settings, name)) for name in CLAIMED_SETTINGS},
        data=data,
        frames=len(rates),
    )


def _lines(measured: Measurements, claim: Claim | None) -> Iterator[str]:
    """Yields what the masks are like without a threshold and with that of the claim."""
    rates = measured.rates.mean(axis=0)
    levels = {0} if claim is None else {0, round(255 * claim.threshold)}
    for index in map(LEVELS.index, sorted(levels)):
        yield (
            f'drivable_threshold {LEVELS[index] / 255:.3f}: '
            f'{percent(float(rates[index]))} of the mask is not drivable; it covers '
            f'{percent(float(measured.kept[index]))} of the drivable area'
        )
    if claim is not None:
        yield f'stated: {claim}'


def _known_data(checkpoint: Checkpoint) -> list[str]:
    """Returns the descriptions of the data that weights learned from or were evaluated on."""
    learned = checkpoint.provenance.get('data')  # not a list in weights from elsewhere
    return [*checkpoint.accuracy, *(learned if isinstance(learned, list) else [])]


def _precision(checkpoint: Checkpoint) -> torch.dtype:
    """Returns the type of most tensors."""
    floats = [t.dtype for t in checkpoint.state_dict.values() if t.is_floating_point()]
    return max(set(floats), key=floats.count)
