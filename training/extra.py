# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Imports the packages of the extra `train`: Lightning Fabric, TensorBoard, matplotlib.

Where torchmetrics is installed, Fabric imports it, and with it torchvision, which can fail.
`bisenet_ros.torchvision_import` explains why, and why importing torchvision first helps.
"""

from __future__ import annotations

from bisenet_ros.errors import UserError
from bisenet_ros.extras import EXTRAS, advice
from bisenet_ros.torchvision_import import import_torchvision

import_torchvision('transforms.v2')

try:
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
    from lightning_fabric.strategies.ddp import DDPStrategy
    from matplotlib.figure import Figure
    from torch.utils.tensorboard import SummaryWriter
except ModuleNotFoundError as error:
    library = str(error.name).partition('.')[0]
    raise UserError(f'training needs {library}: {advice(*EXTRAS["train"])}') from error

__all__ = [
    'DDPStrategy',
    'Fabric',
    'Figure',
    'LightningEnvironment',
    'SummaryWriter',
    'TorchElasticEnvironment',
]
