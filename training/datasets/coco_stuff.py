# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""COCO-Stuff: 80 classes of things and 91 of stuff; the full 164k images, or the 10k subset."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np

from bisenet_ros.label_space import IGNORE, LabelSpace
from bisenet_training.datasets.image_pairs import ImagePairs, Pair, match
from bisenet_training.datasets.label_reader import MAX_ID, IdImageReader, IdTable, Labels
from bisenet_training.datasets.listing import files_by_stem, read_list
from bisenet_training.datasets.matlab_file import read_integer_matrix
from bisenet_training.datasets.sample import DatasetError
from bisenet_training.datasets.settings import FilePath, SplitSettings

_THINGS = """
    person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant
    street_sign stop_sign parking_meter bench bird cat dog horse sheep cow elephant bear zebra
    giraffe hat backpack umbrella shoe eye_glasses handbag tie suitcase frisbee skis snowboard
    sports_ball kite baseball_bat baseball_glove skateboard surfboard tennis_racket bottle plate
    wine_glass cup fork knife spoon bowl banana apple sandwich orange broccoli carrot hot_dog
    pizza donut cake chair couch potted_plant bed mirror dining_table window desk toilet door tv
    laptop mouse remote keyboard cell_phone microwave oven toaster sink refrigerator blender
    book clock vase scissors teddy_bear hair_drier toothbrush hair_brush
"""
_STUFF = """
    banner blanket branch bridge building_other bush cabinet cage cardboard carpet ceiling_other
    ceiling_tile cloth clothes clouds counter cupboard curtain desk_stuff dirt door_stuff fence
    floor_marble floor_other floor_stone floor_tile floor_wood flower fog food_other fruit
    furniture_other grass gravel ground_other hill house leaves light mat metal mirror_stuff
    moss mountain mud napkin net paper pavement pillow plant_other plastic platform playingfield
    railing railroad river road rock roof rug salad sand sea shelf sky_other skyscraper snow
    solid_other stairs stone straw structural_other table tent textile_other towel tree
    vegetable wall_brick wall_concrete wall_other wall_panel wall_stone wall_tile wall_wood
    water_other waterdrops window_blind window_other wood
"""
LABELS = (*_THINGS.split(), *_STUFF.split())
"""The 182 labels of COCO-Stuff's `labels.txt` without `unlabeled`; ids start at 0 here."""

_NOT_ANNOTATED = 'street_sign hat shoe eye_glasses plate mirror window desk door blender hair_brush'
"""Things that have a label in COCO but were not annotated."""

CLASS_IDS = tuple(
    label_id for label_id, name in enumerate(LABELS) if name not in _NOT_ANNOTATED.split()
)
"""The label id, from 0, of each of the 171 classes."""


def _color(number: int) -> tuple[int, int, int]:
    """Returns a colour of Pascal VOC's map: the bits of a number, distributed to R, G and B."""
    red, green, blue = (
        sum((number >> (3 * place + channel) & 1) << (7 - place) for place in range(3))
        for channel in range(3)
    )
    return red, green, blue


COCO_STUFF = LabelSpace(
    names=tuple(LABELS[label_id] for label_id in CLASS_IDS),
    colors=tuple(_color(1 + index) for index in range(len(CLASS_IDS))),
    drivable=('road',),
)
"""The 171 classes. COCO-Stuff defines no colours. Pascal VOC's colour 0, black, is unused."""

_FROM_LABEL_IDS = {label_id: index for index, label_id in enumerate(CLASS_IDS)} | {IGNORE: IGNORE}
_CONVERTED = '_labelTrainIds'
"""Suffix of the files that mmsegmentation writes next to the originals."""


class CocoStuffSettings(SplitSettings):
    """COCO-Stuff with all images of COCO 2017 (the "164k").

    Images are in `images/<split>/` or `<split>/`, the pixel maps in `annotations/<split>/` or
    `stuffthingmaps/<split>/`.

    Attributes:
        root: The folder of the data set.
        split: train2017 or val2017.
        image_list: A text file with the images to use, one per line. Names of COCO 2014 are also
            accepted (COCO_train2014_000000000077), so that the lists of the 10k subset work.
    """

    kind: Literal['coco_stuff'] = 'coco_stuff'
    evaluated_split = 'val2017'
    image_list: FilePath | None = None

    def open(self) -> ImagePairs:
        root, split, image_list = self.root, self.split, self.image_list
        image_folder = _first_folder(root / 'images' / split, root / split)
        label_folder = _first_folder(root / 'annotations' / split, root / 'stuffthingmaps' / split)
        images, labels = files_by_stem(image_folder), files_by_stem(label_folder)
        labels = {key: path for key, path in labels.items() if not key.endswith(_CONVERTED)}
        title = f'COCO-Stuff {split}'
        if image_list is not None:
            keys = [name.rpartition('_')[2] for name in read_list(image_list)]
            images = {key: images[key] for key in keys if key in images}
            absent = sorted(set(keys) - images.keys())
            if absent:
                raise DatasetError(
                    f'{image_list} names {absent[0]}, which is not in {image_folder}'
                )
            labels = {key: labels[key] for key in keys if key in labels}
            title += f', {image_list.name}'
        pairs = match(images, labels, image_folder, label_folder)
        return ImagePairs(title, pairs, COCO_STUFF, IdImageReader(_FROM_LABEL_IDS, 'COCO-Stuff'))


def _first_folder(*candidates: Path) -> Path:
    """Returns the first folder that exists."""
    for folder in candidates:
        if os.path.isdir(folder):
            return folder
    raise DatasetError(f'no such folder: neither {" nor ".join(map(str, candidates))}')


class CocoStuff10kSettings(SplitSettings):
    """COCO-Stuff-10k, version 1.1, in the layout of its unpacked download.

    `imageLists/<split>.txt` names the files in `images/` (.jpg) and `annotations/` (.mat).

    Attributes:
        root: The folder that contains `imageLists`, `images` and `annotations`.
        split: train (9000 images) or test (1000).
    """

    kind: Literal['coco_stuff_10k'] = 'coco_stuff_10k'
    evaluated_split = 'test'

    def open(self) -> ImagePairs:
        root = self.root
        image_list = root / 'imageLists' / f'{self.split}.txt'
        pairs = []
        for name in read_list(image_list):
            pair = Pair(name, root / 'images' / f'{name}.jpg', root / 'annotations' / f'{name}.mat')
            for path in (pair.image, pair.labels):
                if not os.path.isfile(path):
                    raise DatasetError(f'{image_list} names {name}, but there is no {path}')
            pairs.append(pair)
        return ImagePairs(f'COCO-Stuff-10k {self.split}', pairs, COCO_STUFF, _MatlabReader())


class _MatlabReader:
    """Reads the MATLAB label files of COCO-Stuff-10k: ids from 1, and 0 for unlabelled."""

    def __init__(self) -> None:
        from_one = {0: IGNORE} | {1 + label_id: index for index, label_id in enumerate(CLASS_IDS)}
        self._table = IdTable(from_one, 'COCO-Stuff-10k')

    def __call__(self, path: Path) -> Labels:
        """Reads a file; see `LabelReader`."""
        values = read_integer_matrix(path, 'S').clip(0, MAX_ID)
        return self._table.translate(np.ascontiguousarray(values, np.uint16), path)
