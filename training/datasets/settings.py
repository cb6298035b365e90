# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets as a configuration names them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bisenet_training.datasets.cityscapes import LabelKind

FilePath = Annotated[Path, AfterValidator(Path.expanduser)]
"""A path; `~` is the home folder."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra='forbid', frozen=True)


class CamvidSettings(_Settings):
    """CamVid, 11 classes, in the layout of the SegNet tutorial.

    Attributes:
        root: Folder with `train/`, `trainannot/`, …
        split: Which part.
    """

    kind: Literal['camvid']
    root: FilePath
    split: str


class CityscapesSettings(_Settings):
    """Cityscapes' fine annotations.

    Attributes:
        root: Folder with `leftImg8bit/` and `gtFine/`.
        split: Which part.
        labels: Whether to read `*_labelIds.png` or `*_labelTrainIds.png`.
    """

    kind: Literal['cityscapes']
    root: FilePath
    split: str
    labels: LabelKind = 'label_ids'


class SyntheticSettings(_Settings):
    """The synthetic drive, with CamVid's classes.

    Attributes:
        frames: How many.
        first_seed: Seed of the first street. Streets from 1000 on are learned from; demos and
            tests measure on lower ones.
        size: (width, height) of the frames.
    """

    kind: Literal['synthetic']
    frames: Annotated[int, Field(ge=1)]
    first_seed: Annotated[int, Field(ge=0)] = 1000
    size: tuple[Annotated[int, Field(ge=32)], Annotated[int, Field(ge=32)]] = (480, 360)


DatasetSettings = Annotated[
    CamvidSettings | CityscapesSettings | SyntheticSettings, Field(discriminator='kind')
]
"""Any of them; `kind` says which."""
