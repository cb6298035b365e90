# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The contestants: our engines in every precision that runs here, and what others do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from bisenet_ros.benchmark import baselines
from bisenet_ros.benchmark.baselines import Labeller, Size
from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.engine.hardware import DTYPES, resolve_device
from bisenet_ros.engine.registry import ENGINES
from bisenet_ros.errors import UserError
from bisenet_ros.segmenter import Segmenter

ALL = 'all'
"""In place of an engine or a precision: each that runs here."""


@dataclass(frozen=True)
class Candidates:
    """Who is measured.

    Attributes:
        preferred: The name of ours that runs where nothing else is asked for.
        baselines: By name; the first one is what the others are compared with.
        segmenters: Ours, by name.
        left_out: Who is not measured, and why.
    """

    preferred: str
    baselines: dict[str, Labeller] = field(default_factory=dict)
    segmenters: dict[str, Segmenter] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def labellers(self) -> dict[str, Labeller]:
        """All of them, from frame to labels."""
        ours = {name: _labeller(segmenter) for name, segmenter in self.segmenters.items()}
        return self.baselines | ours


def load_candidates(
    weights: str, *, device: str, precision: str, engine: str, network_size: Size
) -> Candidates:
    """Set everybody up.

    Args:
        weights: Name of shipped weights, or a path.
        device: What `Segmenter.load` takes.
        precision: What `Segmenter.load` takes, or `ALL`.
        engine: What `Segmenter.load` takes, or `ALL`.
        network_size: (width, height) that every network runs at.

    Raises:
        UserError: An argument is wrong, or asks for what is not here.
    """

    def load(engine: str, precision: str) -> Segmenter:
        return Segmenter.load(
            weights, device=device, precision=precision, engine=engine, network_size=network_size
        )

    # What is asked for must run, or say why not; of all the rest, what can.
    first = load('auto' if engine == ALL else engine, 'auto' if precision == ALL else precision)
    candidates = Candidates(preferred=_name(first.engine, first.precision))
    for engine_name in ENGINES if engine == ALL else (first.engine,):
        for precision_name in DTYPES if precision == ALL else (first.precision,):
            name = _name(engine_name, precision_name)
            try:
                segmenter = (
                    first if name == candidates.preferred else load(engine_name, precision_name)
                )
            except UserError as error:
                candidates.left_out[name] = str(error)
                continue
            if segmenter.engine == engine_name:
                candidates.segmenters[name] = segmenter
            else:
                candidates.left_out[name] = segmenter.engine_note
    checkpoint = Checkpoint.load(weights)
    for name, make in _baselines(checkpoint, network_size, resolve_device(device)).items():
        try:
            candidates.baselines[name] = make()
        except UserError as error:
            candidates.left_out[name] = str(error)
    return candidates


def _baselines(
    checkpoint: Checkpoint, size: Size, device: torch.device
) -> dict[str, Callable[[], Labeller]]:
    """What makes them, by name."""

    def eager(precision: str, *, enlarges_logits: bool = False) -> Callable[[], Labeller]:
        return lambda: baselines.eager(
            checkpoint, size, device, DTYPES[precision], enlarges_logits=enlarges_logits
        )

    if device.type == 'cuda':
        return {
            'eager torch, fp16': eager('fp16'),
            'eager torch, fp16, logits enlarged': eager('fp16', enlarges_logits=True),
            'eager torch, fp32': eager('fp32'),
        }
    return {
        'eager torch, fp32': eager('fp32'),
        'eager torch, fp32, logits enlarged': eager('fp32', enlarges_logits=True),
        'ONNX Runtime + argmax, fp32': lambda: baselines.onnx_runtime(checkpoint, size),
        'OpenVINO + argmax, fp32': lambda: baselines.openvino(checkpoint, size, 'fp32'),
        'OpenVINO + argmax, bf16': lambda: baselines.openvino(checkpoint, size, 'bf16'),
    }


def _name(engine: str, precision: str) -> str:
    return f'bisenet: {engine}, {precision}'


def _labeller(segmenter: Segmenter) -> Labeller:
    return lambda frame: segmenter(frame).labels
