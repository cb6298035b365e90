# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The error rate of the drivable mask that a checkpoint states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bisenet_ros.errors import UserError, printable
from bisenet_ros.formatting import percent
from bisenet_ros.trust.threshold import image_value

CLAIMED_SETTINGS = (
    'network_size',
    'output_size',
    'drivable_classes',
    'min_drivable_area',
    'anomaly_threshold',
)
"""Model settings that change the drivable mask, besides `drivable_threshold`.

A claim holds for any `confidence_threshold`, because it is measured without one: the mask loses the
same pixels as by an equal `drivable_threshold`.
"""


@dataclass(frozen=True)
class Claim:
    """States how much of the drivable mask is not drivable, as `bisenet calibrate` determines it.

    The rate is that of a frame, averaged over frames like those of the calibration.

    Attributes:
        false_drivable: Upper limit of the rate, 0 to 1.
        confidence: Probability that the limit holds, 0 to 1.
        threshold: The lowest `drivable_threshold` for which it is stated, 0 to 1.
        usual_confidence: Mean confidence, 0 to 1, that 99 % of the calibration's frames exceeded.
        settings: Values of `CLAIMED_SETTINGS` for which it is stated, as JSON has them.
        data: Description of the data set.
        frames: Number of frames.

    Raises:
        UserError: A value is out of range.
    """

    false_drivable: float
    confidence: float
    threshold: float
    usual_confidence: float
    settings: Mapping[str, Any]
    data: str
    frames: int

    def __post_init__(self) -> None:
        for name in ('false_drivable', 'confidence', 'threshold', 'usual_confidence'):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f'{name} of a claim must be from 0 to 1')
        if self.settings.keys() != set(CLAIMED_SETTINGS):
            raise UserError(f'a claim needs the settings {", ".join(CLAIMED_SETTINGS)}')

    def __str__(self) -> str:
        return (
            f'at most {percent(self.false_drivable, None)} of the drivable mask is not drivable, '
            f'with a confidence of {percent(self.confidence, None)}'
        )

    def to_dict(self) -> dict[str, Any]:
        """Converts the claim to JSON types; the inverse of `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Claim:
        """Creates a claim; the inverse of `to_dict`.

        Raises:
            UserError: A value is missing, has the wrong type, or is out of range.
        """
        try:
            return cls(
                false_drivable=float(data['false_drivable']),
                confidence=float(data['confidence']),
                threshold=float(data['threshold']),
                usual_confidence=float(data['usual_confidence']),
                settings=dict(data['settings']),
                data=printable(str(data['data'])),
                frames=int(data['frames']),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UserError(f'the claim is damaged: {type(error).__name__}: {error}') from error

    def problem(self, settings: Mapping[str, Any]) -> str:
        """Returns why the claim does not apply to a model with these settings; empty if it does.

        Args:
            settings: The model's settings in effect, `drivable_threshold` and those of
                `CLAIMED_SETTINGS` among them.
        """
        threshold = settings['drivable_threshold']
        # A threshold is compared as the confidence that it selects: 0.078, as people read and
        # type it, gives the mask of 20/255.
        if image_value(threshold) < image_value(self.threshold):
            return f'drivable_threshold is {threshold:g}, below {self.threshold:g}'
        for name, claimed in self.settings.items():
            value = as_json(settings[name])
            if value != claimed and not (name == 'drivable_classes' and _same_set(value, claimed)):
                return f'{name} is {value}, not {claimed}'
        return ''


def _same_set(names: list[str], claimed: Any) -> bool:
    return isinstance(claimed, list) and sorted(names) == sorted(map(str, claimed))


def as_json(value: Any) -> Any:
    """Returns the value of a setting as it comes out of JSON."""
    return list(value) if isinstance(value, tuple) else value
