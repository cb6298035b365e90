# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Registers the engines by name. Importing it loads neither an engine nor torch."""

from __future__ import annotations

from dataclasses import dataclass

AUTO = 'auto'
"""Stands for the fastest engine that runs here."""

PLAIN = 'torch'
"""The engine that runs every network on every device; the fallback for the others."""


@dataclass(frozen=True)
class EngineEntry:
    """Where an engine is defined, and what it needs.

    Attributes:
        module: Name of the engine's module, imported on demand.
        constructor: Name of its `EngineConstructor` in that module.
        device_types: Types of torch's devices that it runs on.
        extra: The extra (group of optional dependencies) that it needs.
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
"""Every engine. `auto` takes the first engine for the device that is installed and can run the
network, with `torch` last. The order is fixed and nothing is measured at start-up, because OpenVINO
was faster than torch with nearly every network, size and precision tried (docs/benchmarks.md)."""


def engine_choices() -> tuple[str, ...]:
    """Returns the names that a user may choose from."""
    return (AUTO, *ENGINES)


def device_for(engine: str, device: str) -> str:
    """Replaces the device `auto` by `cpu` for an engine that runs on CPUs only."""
    entry = ENGINES.get(engine)
    return 'cpu' if device == 'auto' and entry and entry.device_types == ('cpu',) else device


def candidates(device_type: str) -> list[str]:
    """Returns the engines for a type of device, in the order in which `auto` tries them."""
    names = [name for name, entry in ENGINES.items() if device_type in entry.device_types]
    return sorted(names, key=lambda name: name == PLAIN)
