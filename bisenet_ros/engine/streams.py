# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Holds the CUDA streams that engines use in addition to the current one.

On a CPU, where the tests run, `torch.cpu` has streams and events that do nothing.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from types import ModuleType
from typing import Any, Literal

import torch

Role = Literal['branch', 'capture']


def runtime_of(device: torch.device) -> ModuleType:
    """Returns `torch.cuda`, or `torch.cpu`, which has the same streams and events."""
    return torch.cuda if device.type == 'cuda' else torch.cpu


def on_device(device: torch.device) -> AbstractContextManager[object]:
    """Makes a GPU the current CUDA device in this context; does nothing for a CPU."""
    return torch.cuda.device(device) if device.type == 'cuda' else nullcontext()


@cache
def stream_of(device: torch.device, role: Role) -> Any:
    """Returns the device's one stream for a role.

    The stream is kept because torch has 32 streams and then reuses the first: after many reloads, a
    new stream could be one that is in use. The stream of a branch has a higher priority, because
    its small kernels would otherwise wait behind the large ones of the other branch.
    """
    with on_device(device):
        return runtime_of(device).Stream(priority=-1 if role == 'branch' else 0)
