# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The contestants: our engines in every precision that runs here, and what others do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from bisenet_ros.benchmark import baselines
from bisenet_ros.benchmark.baselines import Labeller, Size
from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.engine.hardware import DTYPES, resolve_device
from bisenet_ros.engine.registry import ENGINES
from bisenet_ros.errors import UserError
from bisenet_ros.model_settings import ModelSettings
from bisenet_ros.segmenter import Segmenter


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


def load_candidates(settings: ModelSettings) -> Candidates:
    """Set everybody up.

    Args:
        settings: The model's; where `engine` or `precision` is auto, each is measured that runs
            here.

    Raises:
        UserError: An argument is wrong, or asks for what is not here.
    """

    # What is asked for must run, or say why not; of all the rest, what can.
    first = Segmenter.from_settings(settings)
    candidates = Candidates(preferred=_name(first.engine, first.precision))
    for engine_name in ENGINES if settings.engine == 'auto' else (first.engine,):
        for precision_name in DTYPES if settings.precision == 'auto' else (first.precision,):
            name = _name(engine_name, precision_name)
            of_name = replace(settings, engine=engine_name, precision=precision_name)
            try:
                segmenter = (
                    first if name == candidates.preferred else Segmenter.from_settings(of_name)
                )
            except UserError as error:
                candidates.left_out[name] = str(error)
                continue
            if segmenter.engine == engine_name:
                candidates.segmenters[name] = segmenter
            else:
                candidates.left_out[name] = segmenter.engine_note
    device = resolve_device(first.device)
    for name, make in _baselines(first.checkpoint, first.network_size, device).items():
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
