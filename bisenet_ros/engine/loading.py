# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Loads an engine by name and checks its results."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import cast

import torch

from bisenet_ros.engine.device_failure import is_of_device
from bisenet_ros.engine.engine import Engine, EngineConstructor, UnsupportedNetworkError
from bisenet_ros.engine.registry import AUTO, ENGINES, PLAIN, candidates, engine_choices
from bisenet_ros.engine.self_check import SelfCheck
from bisenet_ros.errors import UserError, first_line
from bisenet_ros.extras import EXTRAS, advice
from bisenet_ros.network import SegmentationNetwork
from bisenet_ros.preprocess import Normalization

_DEVICES = {'cpu': 'CPUs', 'cuda': 'NVIDIA GPUs'}


@dataclass(frozen=True)
class LoadedEngine:
    """An engine that is ready to run.

    Attributes:
        engine: The engine.
        note: Why it is not the intended engine, in one line; empty if it is.
    """

    engine: Engine
    note: str


def load_engine(
    name: str,
    network: SegmentationNetwork,
    normalization: Normalization,
    network_size: tuple[int, int],
    device: torch.device,
    precision: str,
    *,
    self_check: bool,
) -> LoadedEngine:
    """Makes an engine by name and runs it once, so that the first frame is as fast as others.

    `auto` skips engines that cannot run this network. An engine that fails or whose labels are
    wrong is replaced by the next one, even if it was requested by name. In these cases the note
    says why. `auto` skips an engine that is not installed without a note.

    Args:
        name: One of `engine_choices`.
        network: In evaluation mode, float32, on the CPU; not changed.
        normalization: The normalisation that the network expects.
        network_size: (width, height) to run the network at.
        device: Where to run.
        precision: A key of `DTYPES`.
        self_check: Compare the labels with those of plain torch; see `SelfCheck`.

    Raises:
        UserError: The engine does not exist, is not installed, is not for this device, or cannot
            run this network.
        NotFiniteError: The self-check finds that the network's logits are not finite.
        RuntimeError: The device has no memory left or is lost, or plain torch fails.
    """
    if name not in engine_choices():
        raise UserError(f'no engine {name!r}: the choices are {", ".join(engine_choices())}')
    arguments = network, normalization, network_size, device, precision
    check = SelfCheck(*arguments)
    reasons: list[str] = []
    for candidate in candidates(device.type) if name == AUTO else dict.fromkeys((name, PLAIN)):
        try:
            engine = _constructor(candidate, device)(*arguments)
            logits = check.run(engine)
        except UnsupportedNetworkError as error:
            reason = f'engine {candidate} cannot run this network ({error})'
            if name == candidate:
                raise UserError(f'{reason}: use engine auto or {PLAIN}') from error
            reasons.append(reason)
            continue
        except _NotInstalledError as error:
            if name == candidate:
                raise
            if not isinstance(error.__cause__, ModuleNotFoundError):  # there, but broken
                reasons.append(str(error))
            continue
        except RuntimeError as error:
            if candidate == PLAIN or is_of_device(error):
                raise
            reasons.append(f'engine {candidate} failed ({first_line(error)})')
            continue
        fault = check.fault_of(logits) if self_check else ''
        if not fault:
            return LoadedEngine(engine, _note(reasons, candidate))
        reasons.append(f'engine {candidate} {fault}')
    return LoadedEngine(check.plain, _note(reasons, f'plain {PLAIN}'))


class _NotInstalledError(UserError):
    """An engine needs a package that cannot be imported."""


def _constructor(name: str, device: torch.device) -> EngineConstructor:
    entry = ENGINES[name]
    if device.type not in entry.device_types:
        kinds = ' and '.join(_DEVICES.get(kind, kind) for kind in entry.device_types)
        raise UserError(f'engine {name} is for {kinds}, not for {device}: use engine auto')
    try:
        module = import_module(entry.module)
    except ImportError as error:
        if str(error.name).partition('.')[0] == 'bisenet_ros':
            raise
        install = f'{advice(*EXTRAS[entry.extra])}, or ' if entry.extra else ''
        raise _NotInstalledError(
            f'engine {name} is not installed ({first_line(error)}): {install}use auto'
        ) from error
    return cast(EngineConstructor, getattr(module, entry.constructor))


def _note(reasons: list[str], name: str) -> str:
    return f'{"; ".join(reasons)}: {name} runs instead' if reasons else ''
