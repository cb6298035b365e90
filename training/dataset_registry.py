# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Registry of the data sets for configurations and `bisenet evaluate --dataset`.

The command line needs only the names for its help, so modules are imported on first use.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING

from bisenet_ros.errors import UserError

if TYPE_CHECKING:
    from bisenet_training.datasets.settings import DatasetSettings

DATASETS = {
    'camvid': 'bisenet_training.datasets.camvid:CamvidSettings',
    'cityscapes': 'bisenet_training.datasets.cityscapes:CityscapesSettings',
    'coco_stuff': 'bisenet_training.datasets.coco_stuff:CocoStuffSettings',
    'coco_stuff_10k': 'bisenet_training.datasets.coco_stuff:CocoStuff10kSettings',
    'pairs': 'bisenet_training.datasets.pairs:PairsSettings',
    'pair_list': 'bisenet_training.datasets.pairs:PairListSettings',
    'synthetic': 'bisenet_training.datasets.synthetic:SyntheticSettings',
}
"""Settings classes by name, as module:class."""


def settings_class(kind: object) -> type[DatasetSettings]:
    """Returns the settings class of a data set.

    Args:
        kind: A key of `DATASETS`, or whatever a configuration has instead.

    Raises:
        UserError: There is no such data set.
    """
    if not isinstance(kind, str) or kind not in DATASETS:
        raise UserError(f'no data set {kind!r}; choose from {", ".join(DATASETS)}')
    found: type[DatasetSettings] = resolve_name(DATASETS[kind])
    return found
