# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Holds the CUDA streams that engines use beside the current one.

On a CPU, where the tests of all this run, `torch.cpu` has streams and events that do nothing.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from types import ModuleType
from typing import Any, Literal

import torch

Role = Literal['branch', 'capture']


def runtime_of(device: torch.device) -> ModuleType:
    """`torch.cuda`, or `torch.cpu`, which has the same streams and events."""
    return torch.cuda if device.type == 'cuda' else torch.cpu


def on_device(device: torch.device) -> AbstractContextManager[object]:
    """Where CUDA is to work on this device, and not on the first."""
    return torch.cuda.device(device) if device.type == 'cuda' else nullcontext()


@cache
def stream_of(device: torch.device, role: Role) -> Any:
    """The device's one stream for a role.

    It is kept, for torch has 32 streams and then hands out the first again: after many reloads a
    new one could be a stream that is in use. What is in a branch's stream goes first: it has small
    kernels, which would wait behind the large ones of the other branch.
    """
    with on_device(device):
        return runtime_of(device).Stream(priority=-1 if role == 'branch' else 0)
