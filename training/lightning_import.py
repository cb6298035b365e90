# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one way to Lightning, which brings torchvision, which does not always import by itself.

Lightning imports torchmetrics, and that torchvision where it is installed: see
`bisenet_ros.torchvision_import` for what goes wrong then, and why importing it first helps.
"""

from __future__ import annotations

from bisenet_ros.errors import UserError
from bisenet_ros.torchvision_import import import_torchvision

import_torchvision('transforms.v2')

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
    from lightning.pytorch.loggers import TensorBoardLogger
    from lightning.pytorch.strategies import DDPStrategy
except ModuleNotFoundError as error:
    if error.name != 'lightning':
        raise
    raise UserError("training needs Lightning: pip install 'bisenet_ros[train]'") from error

__all__ = ['Callback', 'DDPStrategy', 'LightningModule', 'TensorBoardLogger', 'Trainer']
