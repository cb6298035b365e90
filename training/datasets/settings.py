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


class CocoStuffSettings(_Settings):
    """COCO-Stuff with the images of COCO 2017.

    Attributes:
        root: Folder with `images/` and `annotations/` (or `stuffthingmaps/`).
        split: train2017 or val2017.
        image_list: A file with names of images; without it, all are taken.
    """

    kind: Literal['coco_stuff']
    root: FilePath
    split: str
    image_list: FilePath | None = None


class CocoStuff10kSettings(_Settings):
    """COCO-Stuff-10k, version 1.1.

    Attributes:
        root: Folder with `images/`, `annotations/` and `imageLists/`.
        split: train or test.
    """

    kind: Literal['coco_stuff_10k']
    root: FilePath
    split: str


class PairsSettings(_Settings):
    """Images and label images of any kind, in two folders.

    Attributes:
        images: Folder of the images.
        labels: Folder of the label images, under the same names.
        label_map: YAML file that says what label images hold.
    """

    kind: Literal['pairs']
    images: FilePath
    labels: FilePath
    label_map: FilePath


class PairListSettings(_Settings):
    """Images and label images of any kind, listed.

    Attributes:
        pairs: Text file with an image and its labels in each line.
        label_map: YAML file that says what label images hold.
    """

    kind: Literal['pair_list']
    pairs: FilePath
    label_map: FilePath


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
    CamvidSettings
    | CityscapesSettings
    | CocoStuffSettings
    | CocoStuff10kSettings
    | PairsSettings
    | PairListSettings
    | SyntheticSettings,
    Field(discriminator='kind'),
]
"""Any of them; `kind` says which."""
