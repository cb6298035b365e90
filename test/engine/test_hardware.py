# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Devices and precisions: what is asked for is given, or one line says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bisenet_ros.engine import hardware
from bisenet_ros.engine.hardware import (
    CAPABILITY_VARIABLE,
    CPU_CAPABILITIES,
    DTYPES,
    cpu_capability,
    cpu_has_bf16,
    cpu_threads,
    resolve_device,
    resolve_precision,
)
from bisenet_ros.errors import UserError
from bisenet_ros.model_settings import PRECISIONS
from bisenet_ros.segmenter import Segmenter

CPU = torch.device('cpu')
CUDA = torch.device('cuda', 0)


def set_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: count > 0)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: count)


@pytest.mark.parametrize(
    ('name', 'gpus', 'device'),
    [
        ('auto', 0, 'cpu'),
        ('auto', 1, 'cuda:0'),
        ('cpu', 0, 'cpu'),
        ('cpu', 2, 'cpu'),
        ('cuda', 2, 'cuda:0'),
        ('cuda:1', 2, 'cuda:1'),
    ],
)
def test_devices(monkeypatch: pytest.MonkeyPatch, name: str, gpus: int, device: str) -> None:
    set_gpus(monkeypatch, gpus)
    assert str(resolve_device(name)) == device


@pytest.mark.parametrize(
    ('name', 'gpus', 'message'),
    [
        ('cuda', 0, "device 'cuda' needs an NVIDIA GPU.*use auto or cpu"),
        ('cuda:1', 0, "device 'cuda:1' needs an NVIDIA GPU"),
        ('cuda:2', 2, "no device 'cuda:2': the GPUs are cuda:0, cuda:1"),
        ('cuda:', 1, "no device 'cuda:': the choices are auto, cpu, cuda and cuda:N"),
        ('cuda:-1', 1, "no device 'cuda:-1'"),
        ('CPU', 1, "no device 'CPU'"),
        ('', 1, "no device ''"),
    ],
)
def test_devices_that_are_not_there(
    monkeypatch: pytest.MonkeyPatch, name: str, gpus: int, message: str
) -> None:
    set_gpus(monkeypatch, gpus)
    with pytest.raises(UserError, match=message):
        resolve_device(name)


@pytest.mark.parametrize(
    ('built_for', 'reason'), [(None, 'was built without CUDA'), ('13.0', 'cannot use it')]
)
def test_a_gpu_that_torch_cannot_use_is_reported(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    weights: Path,
    built_for: str | None,
    reason: str,
) -> None:
    set_gpus(monkeypatch, 0)
    monkeypatch.setattr(torch.version, 'cuda', built_for)
    monkeypatch.setattr(hardware, '_DRIVER_GPUS', tmp_path)
    assert Segmenter.load(weights, engine='torch').engine_note == ''  # no GPU
    (tmp_path / '0000:3b:00.0').mkdir()
    segmenter = Segmenter.load(weights, engine='torch')
    assert f'the NVIDIA driver lists a GPU, but torch {torch.__version__} {reason}' in (
        segmenter.engine_note
    )
    assert segmenter.notes == (segmenter.engine_note,)
    assert Segmenter.load(weights, device='cpu', engine='torch').engine_note == ''


@pytest.mark.parametrize(
    ('name', 'device', 'has_bf16', 'precision'),
    [
        ('auto', CUDA, False, 'fp16'),
        ('auto', CPU, True, 'bf16'),
        ('auto', CPU, False, 'fp32'),
        ('bf16', CPU, True, 'bf16'),
        ('bf16', CUDA, False, 'bf16'),
        ('fp32', CPU, True, 'fp32'),
        ('fp32', CUDA, False, 'fp32'),
        ('fp16', CUDA, False, 'fp16'),
    ],
)
def test_precisions(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    device: torch.device,
    has_bf16: bool,
    precision: str,
) -> None:
    monkeypatch.setattr(hardware, 'cpu_has_bf16', lambda: has_bf16)
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda _: (8, 0))
    assert resolve_precision(name, device) == precision


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('fp16', 'needs a GPU'),
        ('bf16', 'needs a CPU with AVX-512 bf16 or AMX; .* use auto or fp32'),
        ('half', 'the choices'),
    ],
)
def test_precisions_that_are_not_there(
    monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.setattr(hardware, 'cpu_has_bf16', lambda: False)
    with pytest.raises(UserError, match=message):
        resolve_precision(name, CPU)


FLAGS = {
    'default': ('sse2', 'avx', 'avx2'),  # without fma
    'avx2': ('avx', 'avx2', 'fma'),
    'avx512': ('avx2', 'fma', 'avx512f', 'avx512bw', 'avx512vl'),
    'avx512_bf16': ('avx2', 'fma', 'avx512f', 'avx512bw', 'avx512vl', 'avx512_bf16'),
    'amx': ('avx2', 'fma', 'avx512f', 'avx512bw', 'avx512vl', 'avx512_bf16', 'amx_bf16'),
}


@pytest.mark.parametrize('had', CPU_CAPABILITIES)
@pytest.mark.parametrize('allowed', [None, *CPU_CAPABILITIES])
def test_the_best_that_a_cpu_has_and_may_use(
    monkeypatch: pytest.MonkeyPatch, had: str, allowed: str | None
) -> None:
    monkeypatch.setattr(hardware, 'cpu_flags', lambda: frozenset(FLAGS[had]))
    monkeypatch.delenv(CAPABILITY_VARIABLE, raising=False)
    if allowed is not None:
        monkeypatch.setenv(CAPABILITY_VARIABLE, allowed)
    expected = min(had, allowed or had, key=CPU_CAPABILITIES.index)
    assert cpu_capability() == expected
    assert cpu_has_bf16() == (expected in ('avx512_bf16', 'amx'))
    assert resolve_precision('auto', CPU) == ('bf16' if cpu_has_bf16() else 'fp32')


def test_another_value_of_the_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CAPABILITY_VARIABLE, 'AVX2')
    message = "BISENET_CPU_CAPABILITY must be one of default, avx2, avx512.*, not 'AVX2'"
    with pytest.raises(UserError, match=message):
        cpu_capability()


def test_every_precision_that_a_user_may_choose_has_a_type() -> None:
    assert tuple(DTYPES) == PRECISIONS


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()

    def fail() -> None:
        assert torch.get_num_threads() == before + 1
        raise UserError('out of order')

    with pytest.raises(UserError, match='out of order'), cpu_threads(before + 1):
        fail()
    with cpu_threads(0):
        assert torch.get_num_threads() == before
    assert torch.get_num_threads() == before


def test_bf16_is_refused_on_a_gpu_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda _: (7, 5))
    with pytest.raises(UserError, match='cuda:0 does not support precision bf16: use auto'):
        resolve_precision('bf16', CUDA)
    assert resolve_precision('fp16', CUDA) == 'fp16'
