# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks criteria, which are limits on figures, and lists the frames that decided the result."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from bisenet_ros.errors import UserError
from bisenet_ros.replay.measure.figures import (
    CLASS_IOU,
    FIGURES,
    AccuracyCounts,
    KnownFigure,
    figures_from_counts,
    figures_of_run,
    find_figure,
    is_from_counts,
)
from bisenet_ros.replay.measure.run_result import EvaluatedFrame, RunResult
from bisenet_ros.strict_model import StrictModel

DECIDING = 5
"""Number of frames that a judgement lists."""

_END = re.compile(r'(=[^,=]*),')
"""The minimum of a criterion of `--fail-under`, and the comma after it. Names of classes may have
commas and equals signs, too."""

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Statistic = Literal['min', 'p01', 'p05', 'p50', 'mean', 'p95', 'p99', 'max']


class Criterion(StrictModel):
    """Limits on a figure.

    Attributes:
        figure: Name of the figure.
        at_least: Lower limit.
        at_most: Upper limit.
        statistic: Statistic over the frames; None for accuracy over all frames together, the sum of
            dropped frames, and the mean of other figures.
        between: Interval in seconds since the first frame, inclusive; None for the whole bag.
        camera: Image topic of the only camera that counts; None for all cameras.
        name: Title of the criterion; None for a generated one.
    """

    figure: str
    at_least: Number | None = None
    at_most: Number | None = None
    statistic: Statistic | None = None
    between: tuple[Number, Number] | None = None
    camera: str | None = None
    name: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode='after')
    def _is_consistent(self) -> Criterion:
        figure = find_figure(self.figure)
        if figure is None:
            names = ', '.join((*FIGURES, f'{CLASS_IOU}CLASS'))
            raise ValueError(f'unknown figure {self.figure!r}; choose from {names}')
        least, most = self.at_least, self.at_most
        if least is None and most is None:
            raise ValueError('give a limit: at_least, at_most or both')
        if least is not None and most is not None and least > most:
            raise ValueError('at_least is greater than at_most')
        lowest = -1 if figure.is_change else 0
        limits = [limit for limit in (least, most) if limit is not None]
        if figure.unit == 'fraction' and not all(lowest <= limit <= 1 for limit in limits):
            raise ValueError(f'{self.figure} is a fraction: write a number from {lowest} to 1')
        if self.between is not None and self.between[0] > self.between[1]:
            raise ValueError('between must be [from, to] in seconds, with from <= to')
        parts = [name for name in ('statistic', 'between', 'camera') if getattr(self, name)]
        if not figure.per_frame and parts:
            raise ValueError(f'{self.figure} is for the whole bag: remove {" and ".join(parts)}')
        return self

    @property
    def definition(self) -> KnownFigure:
        """The definition of the figure."""
        figure = find_figure(self.figure)
        assert figure is not None
        return figure

    @property
    def title(self) -> str:
        """The name, or else a title made from figure and scope."""
        if self.name is not None:
            return self.name
        words = [self.figure]
        if self.statistic is not None:
            words.append(self.statistic)
        if self.between is not None:
            words.append('from {:g} to {:g} s'.format(*self.between))
        if self.camera is not None:
            words.append(f'of {self.camera}')
        return ' '.join(words)

    @property
    def limits(self) -> str:
        """The limits in words."""
        least = f'at least {self.at_least:g}' if self.at_least is not None else ''
        most = f'at most {self.at_most:g}' if self.at_most is not None else ''
        return ', '.join(filter(None, (least, most)))

    def allows(self, value: float | None) -> bool:
        """Returns whether a value is within the limits; None (not measured) is not."""
        if value is None:
            return False
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )


@dataclass(frozen=True)
class DecidingFrame:
    """A frame that counted for a criterion, and its figure."""

    frame: EvaluatedFrame
    value: float


@dataclass(frozen=True)
class Judgement:
    """The verdict on a criterion.

    Attributes:
        criterion: The criterion.
        value: The measured value; None if nothing was measured.
        frames: Number of frames measured; None for a figure of a whole run or comparison.
        beyond: How many of these frames are outside of the limits by themselves.
        deciding: The frames with the most extreme values on the deciding side, most extreme first.
    """

    criterion: Criterion
    value: float | None
    frames: int | None = None
    beyond: int = 0
    deciding: tuple[DecidingFrame, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the value is within the limits."""
        return self.criterion.allows(self.value)

    @property
    def sentence(self) -> str:
        """The criterion, its value and, if it fails, the frames that decided it, in one line."""
        title, limits = self.criterion.title, self.criterion.limits
        if self.value is None:
            return f'{title}: not measured, {limits}'
        said = f'{title}: {self.value:.4g}, {limits}'
        if self.frames is None:
            return said
        said += f'; {self.beyond} of {self.frames} frames outside'
        if self.passed:
            return said
        cameras = {one.frame.id.camera for one in self.deciding}
        frames = [
            f'{one.value:.4g} at {one.frame.time_s:.1f} s (frame {one.frame.id.frame}'
            + (f' of {one.frame.id.camera})' if len(cameras) > 1 else ')')
            for one in self.deciding
        ]
        return f'{said}; decided by {", ".join(frames)}'

    def to_dict(self) -> dict[str, Any]:
        """Returns the verdict, ready for JSON."""
        criterion = self.criterion.model_dump(exclude_none=True)
        return {
            **criterion,
            'name': self.criterion.title,
            'value': self.value,
            'passed': self.passed,
            'measured_frames': self.frames,
            'frames_beyond': self.beyond,
            'deciding_frames': [
                {**d.frame.id._asdict(), 'time_s': d.frame.time_s, 'value': d.value}
                for d in self.deciding
            ],
        }


def parse_criteria(texts: Sequence[str], names: Sequence[str]) -> list[Criterion]:
    """Parses criteria in the short form of `--fail-under`: `miou=0.60,drivable_iou=0.90`.

    Args:
        texts: The argument of each such option.
        names: The figures that may be used.

    Raises:
        UserError: A criterion is malformed, or its figure is unknown.
    """
    criteria: dict[str, Criterion] = {}
    for part in (part for text in texts for part in _END.sub(r'\1\n', text).split('\n')):
        name, equals, limit = (word.strip() for word in part.rpartition('='))
        if not equals:
            raise UserError(
                f'--fail-under: {part.strip()!r} is not NAME=MINIMUM, such as miou=0.60'
            )
        if name not in names:
            raise UserError(
                f'--fail-under: unknown figure {name!r}; choose from {", ".join(names)}'
            )
        if name in criteria:
            raise UserError(f'--fail-under: {name} is given twice')
        try:
            least = float(limit)
        except ValueError:
            least = math.nan
        if not math.isfinite(least):
            raise UserError(f'--fail-under: {name}={limit}: {limit!r} is not a number')
        try:
            criteria[name] = Criterion(figure=name, at_least=least)
        except ValidationError as error:
            reason = error.errors()[0]['ctx']['error']
            raise UserError(f'--fail-under: {name}={limit}: {reason}') from error
    return list(criteria.values())


def judge_figure(criterion: Criterion, figures: Mapping[str, float | None]) -> Judgement:
    """Checks a criterion on figures of a whole run or comparison; a missing figure fails."""
    return Judgement(criterion, figures.get(criterion.figure))


def judge(criterion: Criterion, run: RunResult) -> Judgement:
    """Checks a criterion on the frames of a replay; a figure that was not measured fails."""
    if not criterion.definition.per_frame:
        return judge_figure(criterion, figures_of_run(run.metrics))
    measured = [
        DecidingFrame(frame, value)
        for frame in run.frames
        if _counts(criterion, frame) and (value := _value(criterion, frame, run)) is not None
    ]
    value = _together(criterion, measured, run) if measured else None
    # The lowest frames decide about a lower limit, the highest ones about an upper limit.
    too_high = criterion.at_least is None or (
        criterion.at_most is not None and value is not None and value > criterion.at_most
    )
    ranked = sorted(measured, key=lambda one: -one.value if too_high else one.value)
    return Judgement(
        criterion,
        value,
        len(measured),
        sum(not criterion.allows(one.value) for one in measured),
        tuple(ranked[:DECIDING]),
    )


def _counts(criterion: Criterion, frame: EvaluatedFrame) -> bool:
    if criterion.camera not in (None, frame.id.camera):
        return False
    return criterion.between is None or (
        criterion.between[0] <= frame.time_s <= criterion.between[1]
    )


def _value(criterion: Criterion, frame: EvaluatedFrame, run: RunResult) -> float | None:
    """Returns the figure of one frame; None if the frame does not have it."""
    if criterion.figure == 'dropped':
        return float(frame.dropped)
    if criterion.figure.startswith(CLASS_IOU):
        return _accuracy(criterion.figure, [frame], run)
    return frame.figures.get(criterion.figure)


def _together(
    criterion: Criterion, measured: Sequence[DecidingFrame], run: RunResult
) -> float | None:
    """Returns the figure over one or more frames."""
    values = np.array([one.value for one in measured])
    statistic = criterion.statistic
    if statistic is None:
        if is_from_counts(criterion.figure):
            return _accuracy(criterion.figure, [one.frame for one in measured], run)
        return float(values.sum() if criterion.figure == 'dropped' else values.mean())
    if statistic == 'mean':
        return float(values.mean())
    percentiles = {'min': 0, 'max': 100}
    percentile = percentiles[statistic] if statistic in percentiles else int(statistic[1:])
    return float(np.percentile(values, percentile))


def _accuracy(figure: str, frames: Sequence[EvaluatedFrame], run: RunResult) -> float | None:
    """Computes accuracy from the summed counts of frames; None if it is undefined."""
    counts = [frame.counts for frame in frames if frame.counts is not None]
    if not counts:
        return None
    return figures_from_counts(AccuracyCounts.stack(counts).sum(), run.classes)[figure]
