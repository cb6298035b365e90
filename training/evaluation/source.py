# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets as the command line names them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bisenet_ros.errors import UserError
from bisenet_training.datasets import (
    CamvidSettings,
    CityscapesSettings,
    CocoStuff10kSettings,
    CocoStuffSettings,
    Dataset,
    DatasetSettings,
    PairListSettings,
    PairsSettings,
    open_dataset,
)
from bisenet_training.evaluation.submission import UnseenCityscapes

Kind = Literal['camvid', 'cityscapes', 'coco_stuff', 'coco_stuff_10k', 'pairs']

_USUAL_SPLITS: dict[Kind, str] = {
    'camvid': 'val',
    'cityscapes': 'val',
    'coco_stuff': 'val2017',
    'coco_stuff_10k': 'test',
}


@dataclass(frozen=True)
class Source:
    """Which data set, and which part of it.

    Attributes:
        kind: What it is.
        root: Its folder; for pairs also a list of pairs, a file.
        part: The split; None for the one that is usually evaluated, and for pairs without splits.
        label_map: What the labels of pairs mean, a YAML file.

    Raises:
        UserError: A label map is missing, or given for a data set that needs none.
    """

    kind: Kind
    root: Path
    part: str | None = None
    label_map: Path | None = None

    def __post_init__(self) -> None:
        if self.kind == 'pairs' and self.label_map is None:
            raise UserError('--dataset pairs needs --label-map: what the label images hold')
        if self.kind != 'pairs' and self.label_map is not None:
            raise UserError('--label-map is for --dataset pairs')

    @property
    def split(self) -> str | None:
        """The part that is meant."""
        return _USUAL_SPLITS.get(self.kind) if self.part is None else self.part

    @property
    def has_truth(self) -> bool:
        """Whether there are labels to compare with."""
        return (self.kind, self.split) != ('cityscapes', 'test')

    def open(self) -> Dataset:
        """Find its files.

        Raises:
            UserError: They are not there, or not all.
        """
        if self.has_truth:
            return open_dataset(self._settings())
        return UnseenCityscapes(self.root, 'test')

    def _settings(self) -> DatasetSettings:
        if self.kind == 'pairs':
            return self._pairs()
        assert self.split is not None
        match self.kind:
            case 'camvid':
                return CamvidSettings(kind=self.kind, root=self.root, split=self.split)
            case 'cityscapes':
                return CityscapesSettings(kind=self.kind, root=self.root, split=self.split)
            case 'coco_stuff':
                return CocoStuffSettings(kind=self.kind, root=self.root, split=self.split)
            case 'coco_stuff_10k':
                return CocoStuff10kSettings(kind=self.kind, root=self.root, split=self.split)

    def _pairs(self) -> DatasetSettings:
        """Pairs from a list, or from `images/` and `labels/` or the split's folders in them."""
        assert self.label_map is not None
        if self.root.is_file():
            if self.split is not None:
                raise UserError(f'--split does not go with a list of pairs: {self.root} is a file')
            return PairListSettings(kind='pair_list', pairs=self.root, label_map=self.label_map)
        part = self.split or '.'
        return PairsSettings(
            kind='pairs',
            images=self.root / 'images' / part,
            labels=self.root / 'labels' / part,
            label_map=self.label_map,
        )
