# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Registry of the engines by name. Importing it loads neither an engine nor torch."""

from __future__ import annotations

from dataclasses import dataclass

AUTO = 'auto'
"""Stands for the fastest engine that runs here."""

PLAIN = 'torch'
"""The engine that runs every network on every device, and that others fall back to."""


@dataclass(frozen=True)
class EngineEntry:
    """Where an engine is found, and what it needs.

    Attributes:
        module: Name of the module that has it, imported when it is asked for.
        constructor: Name of its `EngineConstructor` in there.
        device_types: The types of torch's devices that it runs on.
        extra: The optional dependencies of this package that it needs.
    """

    module: str
    constructor: str
    device_types: tuple[str, ...]
    extra: str | None = None


ENGINES: dict[str, EngineEntry] = {
    'torch': EngineEntry('bisenet_ros.engine.torch_engine', 'TorchEngine', ('cpu', 'cuda')),
    'openvino': EngineEntry(
        'bisenet_ros.engine.openvino_engine', 'OpenVinoEngine', ('cpu',), extra='openvino'
    ),
    'cuda': EngineEntry('bisenet_ros.engine.cuda_engine', 'CudaEngine', ('cuda',)),
}
"""Every engine. `auto` takes the first one for the device that is installed and can run the
network, `torch` after all others. OpenVINO was faster than torch with nearly every network, size
and precision that was tried (docs/benchmarks.md): the order decides, no measurement at start."""


def engine_choices() -> tuple[str, ...]:
    """What a user may ask for."""
    return (AUTO, *ENGINES)


def device_for(engine: str, device: str) -> str:
    """The device to ask for: `auto` is the CPU for an engine that runs on nothing else."""
    entry = ENGINES.get(engine)
    return 'cpu' if device == 'auto' and entry and entry.device_types == ('cpu',) else device


def candidates(device_type: str) -> list[str]:
    """The engines for a type of device, in the order in which `auto` tries them."""
    names = [name for name, entry in ENGINES.items() if device_type in entry.device_types]
    return sorted(names, key=lambda name: name == PLAIN)
