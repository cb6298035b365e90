# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Loads the candidates: our engines in every precision that runs here, and other runtimes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, partial

import torch

from bisenet_ros.benchmark import baselines
from bisenet_ros.benchmark.baselines import Labeller, Size
from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.engine.hardware import DTYPES, resolve_device
from bisenet_ros.engine.registry import AUTO, ENGINES, device_for
from bisenet_ros.errors import UserError, first_line
from bisenet_ros.model_settings import ModelSettings
from bisenet_ros.segmenter import Segmenter


@dataclass(frozen=True)
class Candidates:
    """The candidates of a benchmark.

    Attributes:
        preferred: Name of our default on this machine.
        baselines: Other runtimes by name; speed is given relative to the first one.
        segmenters: Ours, by name.
        left_out: Why a candidate is not measured, by name.
    """

    preferred: str
    baselines: dict[str, Labeller] = field(default_factory=dict)
    segmenters: dict[str, Segmenter] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def labellers(self) -> dict[str, Labeller]:
        """Returns all candidates as functions from frame to labels, by name."""
        ours = {name: _labeller(segmenter) for name, segmenter in self.segmenters.items()}
        return self.baselines | ours


def load_candidates(settings: ModelSettings) -> Candidates:
    """Sets up all candidates.

    Args:
        settings: Settings of the model; with `engine` or `precision` auto, all that run here are
            measured.

    Raises:
        UserError: A setting is wrong, or asks for an engine or device that is not available.
    """
    # The requested engine must run, or raise; the others are optional.
    auto = settings.engine == AUTO
    engine = Segmenter.from_settings(settings).engine if auto else settings.engine
    first = load_exactly(replace(settings, engine=engine))
    candidates = Candidates(preferred=_name(first.engine, first.precision))
    for engine_name in ENGINES if auto else (first.engine,):
        for precision_name in DTYPES if settings.precision == 'auto' else (first.precision,):
            name = _name(engine_name, precision_name)
            of_name = replace(settings, engine=engine_name, precision=precision_name)
            try:
                candidates.segmenters[name] = (
                    first if name == candidates.preferred else load_exactly(of_name)
                )
            except (UserError, RuntimeError) as error:  # the others are measured
                candidates.left_out[name] = first_line(error)
    device = resolve_device(first.device)
    for name, make in _baselines(first.checkpoint, first.network_size, device).items():
        try:
            candidates.baselines[name] = make()
        except Exception as error:  # a broken package raises anything
            if not candidates.baselines:  # speed is given relative to the first one
                raise
            candidates.left_out[name] = first_line(error)
    return candidates


def load_exactly(settings: ModelSettings) -> Segmenter:
    """Sets up the engine that the settings name, so that figures stand under the right name.

    Raises:
        UserError: A setting is wrong, or the engine is not available, fails, or has wrong labels.
    """
    # With an explicit device, the only possible note is that another engine runs.
    device = resolve_device(device_for(settings.engine, settings.device))
    segmenter = Segmenter.from_settings(replace(settings, device=str(device)))
    if segmenter.engine_note:
        raise UserError(segmenter.engine_note)
    return segmenter


def _baselines(
    checkpoint: Checkpoint, size: Size, device: torch.device
) -> dict[str, Callable[[], Labeller]]:
    """Returns the constructors of the other runtimes by name."""

    def eager(precision: str, *, upsamples_logits: bool = False) -> Callable[[], Labeller]:
        return lambda: baselines.eager(
            checkpoint, size, device, DTYPES[precision], upsamples_logits=upsamples_logits
        )

    if device.type == 'cuda':
        return {
            'eager torch, fp16': eager('fp16'),
            'eager torch, fp16, logits upsampled': eager('fp16', upsamples_logits=True),
            'eager torch, fp32': eager('fp32'),
        }
    openvino_model = cache(partial(baselines.openvino_model, checkpoint, size))

    def openvino(precision: str) -> Labeller:
        return baselines.openvino_labeller(
            openvino_model(), size, checkpoint.normalization, precision
        )

    return {
        'eager torch, fp32': eager('fp32'),
        'eager torch, fp32, logits upsampled': eager('fp32', upsamples_logits=True),
        'ONNX Runtime + argmax, fp32': lambda: baselines.onnx_runtime(checkpoint, size),
        'OpenVINO + argmax, fp32': lambda: openvino('fp32'),
        'OpenVINO + argmax, bf16': lambda: openvino('bf16'),
    }


def _name(engine: str, precision: str) -> str:
    return f'bisenet: {engine}, {precision}'


def _labeller(segmenter: Segmenter) -> Labeller:
    return lambda frame: segmenter(frame).labels
