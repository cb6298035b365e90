# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""torchvision imports beside whatever build of torch is installed."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest
import torch

from bisenet_ros.errors import UserError
from bisenet_ros.torchvision_import import import_torchvision

needs_torchvision = pytest.mark.skipif(find_spec('torchvision') is None, reason='needs torchvision')


@needs_torchvision
def test_models_and_transforms_work() -> None:
    transforms = import_torchvision('transforms.v2')
    labels = torch.arange(16, dtype=torch.uint8).view(1, 4, 4)
    assert transforms.functional.horizontal_flip(labels)[0, 0].tolist() == [3, 2, 1, 0]
    assert import_torchvision('models').resnet18.__name__ == 'resnet18'


@needs_torchvision
def test_a_module_that_torchvision_lacks_is_a_mistake_here() -> None:
    with pytest.raises(ModuleNotFoundError):
        import_torchvision('no_such_module')


def test_a_missing_torchvision_is_named_with_the_torch_to_keep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, 'torchvision', None)
    with pytest.raises(UserError, match='pip install torchvision torch==') as caught:
        import_torchvision('models')
    assert str(caught.value).endswith(torch.__version__)
