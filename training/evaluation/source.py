# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The data set that the options of the command line select."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bisenet_training.dataset_registry import settings_class
from bisenet_training.datasets import DatasetSettings


@dataclass(frozen=True)
class Source:
    """A data set and a split of it.

    Attributes:
        kind: Name in the registry.
        split: The split; None if there are no splits.
        settings: Settings to open it.
    """

    kind: str
    split: str | None
    settings: DatasetSettings

    @classmethod
    def named(cls, kind: str, data: Path, split: str | None, label_map: Path | None) -> Source:
        """Returns the data set for `--dataset`, `--data`, `--split` and `--label-map`.

        Raises:
            UserError: There is no such data set, or the options contradict each other.
        """
        settings = settings_class(kind)
        part = settings.evaluated_split if split is None else split
        return cls(kind, part, settings.locate(data, part, label_map))
