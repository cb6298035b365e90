# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What of the augmentation can be chosen."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Probability = Annotated[float, Field(ge=0, le=1)]
Scale = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class AugmentationSettings(BaseModel):
    """Random scale, crop, flip and colour, and what a bad camera or the weather add.

    The defaults of scale and colour are those with which CoinCheung/BiSeNet trains V1 (V2: from a
    scale of 0.25 on); the papers draw the scale from .75, 1, 1.25, 1.5, 1.75 and 2 (V1, section
    4.1) and from .75 to 2 (V2, training settings).

    Attributes:
        min_scale: Least enlargement of the frame; scales are drawn evenly on a log axis.
        max_scale: Greatest enlargement.
        aspect: Width is changed against height by up to this factor, either way; 1 is never.
        max_class_share: A crop is drawn again while one class holds more than this share of its
            labelled pixels (mmsegmentation's `cat_max_ratio`); 1 takes every crop.
        attempts: How often a crop is drawn at most; the last one is taken as it is.
        balanced: Share of the crops that are placed around a class drawn evenly from those in the
            frame. Without it, thin and rare classes are hardly ever in the middle of a crop.
        flip: Probability of a left-right flip.
        brightness: Greatest relative change of the brightness.
        contrast: Greatest relative change of the contrast.
        saturation: Greatest relative change of the saturation.
        hue: Greatest shift of the hue, in turns of the colour circle. It costs more time than all
            the rest.
        gamma: Exposure curve: the exponent is drawn from 1 / gamma to gamma, evenly on a log axis;
            1 is never.
        blur: Probability of a blur, as from a lens that is dirty or out of focus.
        jpeg: Probability of JPEG artefacts, as from a camera that sends compressed images.
        rain: Probability of rain-like streaks.
        noise: Probability of a sensor's noise.
        cutout: Probability that a rectangle is hidden: grey, and without labels.
        copy_paste: Probability that pixels of `pasted_classes` are copied from a view of another
            frame of the same data set (Ghiasi et al. 2021), where they stay in their places.
        pasted_classes: Names of classes that are rare in the data set: poles, signs, pedestrians.
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    min_scale: Scale = 0.75
    max_scale: Scale = 2.0
    aspect: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.0
    max_class_share: Annotated[float, Field(gt=0, le=1)] = 0.75
    attempts: Annotated[int, Field(ge=1)] = 10
    balanced: Probability = 0.0
    flip: Probability = 0.5
    brightness: Probability = 0.4
    contrast: Probability = 0.4
    saturation: Probability = 0.4
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    gamma: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.0
    blur: Probability = 0.0
    jpeg: Probability = 0.0
    rain: Probability = 0.0
    noise: Probability = 0.0
    cutout: Probability = 0.0
    copy_paste: Probability = 0.0
    pasted_classes: tuple[str, ...] = ()

    @model_validator(mode='after')
    def _is_consistent(self) -> AugmentationSettings:
        if self.min_scale > self.max_scale:
            raise ValueError('min_scale is greater than max_scale: nothing can be between')
        if bool(self.copy_paste) != bool(self.pasted_classes):
            raise ValueError('copy_paste and pasted_classes go together: give both or neither')
        return self
