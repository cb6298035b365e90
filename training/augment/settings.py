# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of the augmentation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from bisenet_ros.strict_model import StrictModel
from bisenet_training.setting_types import Count, Fraction, Number, Positive


class AugmentationSettings(StrictModel):
    """Random scale, crop, flip and colour, and effects of poor cameras and weather.

    The defaults of scale and colour are those of CoinCheung/BiSeNet for V1 (V2: scale from 0.25).
    The papers draw the scale from .75, 1, 1.25, 1.5, 1.75 and 2 (V1, section 4.1) and from .75 to 2
    (V2, training settings).

    Attributes:
        min_scale: Minimum scale of the frame; log-uniform.
        max_scale: Maximum scale.
        aspect: Maximum change of the aspect ratio, as a factor in either direction; 1 is off.
        max_class_share: A crop is drawn again if one class has more than this fraction of its
            labelled pixels (`cat_max_ratio` of mmsegmentation); 1 is off.
        attempts: Maximum number of draws of a crop; the last one is always taken.
        balanced: Fraction of crops that are placed around a class drawn uniformly from those in the
            frame. Otherwise, thin and rare classes are rarely in the middle of a crop.
        flip: Probability of a horizontal flip.
        brightness: Maximum relative change of brightness.
        contrast: Maximum relative change of contrast.
        saturation: Maximum relative change of saturation.
        hue: Maximum shift of hue, as a fraction of the colour circle. Slower than all others.
        white_balance: Maximum gain of red and of blue against green, in either direction,
            log-uniform; 1 is off.
        gamma: Exposure curve: the exponent is drawn from 1 / gamma to gamma, log-uniform; 1 is off.
        blur: Probability of blur, as from a dirty or unfocused lens.
        jpeg: Probability of JPEG artefacts, as from a camera with compressed images.
        rain: Probability of rain-like streaks.
        noise: Probability of sensor noise.
        cutout: Probability that a rectangle is hidden: grey, and without labels.
        copy_paste: Probability that pixels of `pasted_classes` are copied from a view of another
            frame of the same data set to the same position (Ghiasi et al. 2021).
        pasted_classes: Names of classes that are rare in the data set: poles, signs, pedestrians.
    """

    min_scale: Positive = 0.75
    max_scale: Positive = 2.0
    aspect: Annotated[Number, Field(ge=1)] = 1.0
    max_class_share: Annotated[Number, Field(gt=0, le=1)] = 0.75
    attempts: Count = 10
    balanced: Fraction = 0.0
    flip: Fraction = 0.5
    brightness: Fraction = 0.4
    contrast: Fraction = 0.4
    saturation: Fraction = 0.4
    hue: Annotated[Number, Field(ge=0, le=0.5)] = 0.0
    white_balance: Annotated[Number, Field(ge=1)] = 1.0
    gamma: Annotated[Number, Field(ge=1)] = 1.0
    blur: Fraction = 0.0
    jpeg: Fraction = 0.0
    rain: Fraction = 0.0
    noise: Fraction = 0.0
    cutout: Fraction = 0.0
    copy_paste: Fraction = 0.0
    pasted_classes: tuple[str, ...] = ()

    @model_validator(mode='after')
    def _is_consistent(self) -> AugmentationSettings:
        if self.min_scale > self.max_scale:
            raise ValueError('min_scale is greater than max_scale')
        if bool(self.copy_paste) != bool(self.pasted_classes):
            raise ValueError('copy_paste and pasted_classes go together: give both or neither')
        return self
