# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Imports torchvision, which is optional and does not always import by itself.

torchvision on PyPI is built for CUDA. With a CPU build of torch, its compiled operators (such as
non-maximum suppression; none is used here) cannot be loaded. torchvision allows for that, but then
registers metadata for two of them, and torch fails with "operator torchvision::nms does not exist".
If both are declared beforehand, without an implementation, models and transforms work.
"""

from __future__ import annotations

import importlib
from types import ModuleType

import torch

from bisenet_ros.errors import UserError
from bisenet_ros.extras import advice

_DESCRIBED_OPERATORS = {
    'torchvision::nms': '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor',
    'torchvision::qnms': '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor',
}


def import_torchvision(module: str) -> ModuleType:
    """Imports `torchvision.<module>`, with or without its compiled operators.

    Args:
        module: Such as 'models' or 'transforms.v2'.

    Raises:
        UserError: torchvision is not installed.
    """
    try:
        try:
            importlib.import_module('torchvision')
        except RuntimeError as error:
            # Declared only now, because compiled operators that do load declare themselves.
            if 'operator torchvision::' not in str(error):
                raise
            for operator, schema in _DESCRIBED_OPERATORS.items():
                torch.library.define(operator, schema)
        return importlib.import_module(f'torchvision.{module}')
    except ModuleNotFoundError as error:
        if error.name != 'torchvision':
            raise
        # Without the version of torch, pip would upgrade it to the newest.
        install = advice('torchvision', f'torch=={torch.__version__}')
        raise UserError(f'this needs torchvision: {install}') from error
