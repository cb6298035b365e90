# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a GPU says of its memory and its temperature, and what it does not."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
import torch

from bisenet_ros.engine.device_state import device_state


def test_what_a_gpu_tells_and_what_it_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_state('cpu') == {}
    monkeypatch.setattr(torch.cuda, 'mem_get_info', lambda _: (3 << 30, 8 << 30))
    shown = device_state('cuda:0')
    assert shown['device_memory_used_mib'] == 5 * 1024
    assert shown['device_memory_total_mib'] == 8 * 1024

    def fail(_: str) -> None:
        raise torch.AcceleratorError('CUDA error: an illegal memory access was encountered')

    monkeypatch.setattr(torch.cuda, 'mem_get_info', fail)
    assert device_state('cuda:0') == {}


@pytest.mark.parametrize('library', ['absent', 'failing', 'well'])
def test_the_temperature_of_a_gpu_where_it_is_known(
    monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    pynvml = ModuleType('pynvml')
    pynvml.__spec__ = ModuleSpec('pynvml', None)
    pynvml.NVMLError = type('NVMLError', (Exception,), {})

    def temperature(device: str) -> int:
        assert device == 'cuda:1'
        if library == 'failing':
            raise pynvml.NVMLError('Not Supported')
        return 61

    # None stands for a module that is not installed.
    monkeypatch.setitem(sys.modules, 'pynvml', None if library == 'absent' else pynvml)
    monkeypatch.setattr(torch.cuda, 'temperature', temperature)
    monkeypatch.setattr(torch.cuda, 'mem_get_info', lambda _: (3 << 30, 8 << 30))
    shown = device_state('cuda:1').get('device_temperature_celsius')
    assert shown == (61.0 if library == 'well' else None)
