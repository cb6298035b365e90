# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets as the command line names them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bisenet_training.dataset_registry import settings_class
from bisenet_training.datasets import DatasetSettings


@dataclass(frozen=True)
class Source:
    """Which data set, and which part of it.

    Attributes:
        kind: What it is, a name in the registry.
        split: The part that is meant; None where there are none.
        settings: How to open it.
    """

    kind: str
    split: str | None
    settings: DatasetSettings

    @classmethod
    def named(cls, kind: str, data: Path, split: str | None, label_map: Path | None) -> Source:
        """What `--dataset`, `--data`, `--split` and `--label-map` name.

        Raises:
            UserError: There is no such data set, or the options do not go together.
        """
        settings = settings_class(kind)
        part = settings.evaluated_split if split is None else split
        return cls(kind, part, settings.locate(data, part, label_map))
