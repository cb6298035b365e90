# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of the model: weights, device, precision, sizes and masks.

The node's parameters, the options of every verb, `--params` files and `Segmenter.load` all become a
`ModelSettings`, so that the node runs with the settings that were evaluated.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from bisenet_ros.declaration import Changes, Declared, declarations, parameter
from bisenet_ros.engine.registry import engine_choices
from bisenet_ros.limits import MAX_SIDE, MIN_SIDE
from bisenet_ros.trust.threshold import image_value

DEFAULT_WEIGHTS = 'camvid'
PRECISIONS = ('fp16', 'bf16', 'fp32')
"""The keys of `DTYPES` in engine/hardware.py; importing that would load torch."""

OF_CHECKPOINT = ('',)
"""Selects the drivable classes of the checkpoint; ROS has no value for a list that is not set."""


def _check_weights(weights: str) -> str | None:
    return None if weights else 'weights must be a name or a path'


def _check_device(device: str) -> str | None:
    if re.fullmatch(r'auto|cpu|cuda(:\d+)?', device):
        return None
    return f'device must be auto, cpu, cuda or cuda:N, not {device!r}'


def _is_side(side: object) -> bool:
    return isinstance(side, int) and MIN_SIDE <= side <= MAX_SIDE


def _check_size(name: str, size: tuple[int, ...]) -> str | None:
    if size and (len(size) != 2 or not all(map(_is_side, size))):
        return (
            f'{name} must be [width, height], {MIN_SIDE} to {MAX_SIDE} each, or [],'
            f' not {list(size)}'
        )
    return None


def _check_classes(names: tuple[str, ...]) -> str | None:
    if '' in names and names != OF_CHECKPOINT:
        return (
            f"drivable_classes must be names of classes, or [''] for those of the checkpoint, not"
            f' {list(names)}'
        )
    return None


@dataclass(frozen=True)
class ModelSettings(Declared):
    """The requested settings of a model; `Segmenter.settings` has the ones in effect."""

    weights: str = parameter(
        DEFAULT_WEIGHTS,
        'The name of shipped weights, or a checkpoint file.',
        Changes.ON_RELOAD,
        check=_check_weights,
    )
    device: str = parameter(
        'auto',
        'Where the network runs: auto (a GPU where there is one), cpu, cuda or cuda:N.',
        Changes.ON_RELOAD,
        check=_check_device,
    )
    precision: str = parameter(
        'auto',
        'Number format of the network; auto is the fastest that hardly changes the labels.',
        Changes.ON_RELOAD,
        choices=lambda: ('auto', *PRECISIONS),
    )
    engine: str = parameter(
        'auto',
        'What runs the network: auto (the fastest that can), torch, openvino (only on a CPU), or '
        'cuda (only on an NVIDIA GPU).',
        Changes.ON_RELOAD,
        choices=engine_choices,
    )
    cpu_threads: int = parameter(
        0,
        'Number of threads for a network on the CPU; 0: OMP_NUM_THREADS if set, else one per core'
        ' that the process may use.',
        Changes.ON_RELOAD,
        bounds=(0, 1024),
    )
    network_size: tuple[int, ...] = parameter(
        (),
        "Width and height of the network's input, 32 to 8192; by default those of the checkpoint's"
        ' training.',
        Changes.ON_RELOAD,
        check=partial(_check_size, 'network_size'),
    )
    output_size: tuple[int, ...] = parameter(
        (),
        'Width and height of labels, masks, confidence and overlay, 32 to 8192; by default the'
        " camera's.",
        Changes.AT_ONCE,
        check=partial(_check_size, 'output_size'),
    )
    ego_mask: str = parameter(
        '',
        'Path of a PNG with the aspect ratio of the images, white where the vehicle itself is'
        ' visible. Pixels there are labelled 255, are not drivable, and do not end the free space.',
        Changes.ON_CONFIGURE,
        per_camera=True,
    )
    self_check: bool = parameter(
        True,
        'When the network is loaded, compare its labels on one frame with those of plain PyTorch,'
        ' and use another engine if they differ.',
        Changes.ON_RELOAD,
    )
    confidence_threshold: float = parameter(
        0.0,
        'Pixels with a softmax maximum below it are labelled 255; 0 labels every pixel.',
        Changes.AT_ONCE,
        bounds=(0.0, 1.0),
    )
    drivable_classes: tuple[str, ...] = parameter(
        OF_CHECKPOINT,
        'Names of the classes that may be driven on; empty for those that the checkpoint names.',
        Changes.AT_ONCE,
        check=_check_classes,
    )
    drivable_threshold: float = parameter(
        0.0,
        'Pixels of a drivable class with a softmax maximum below it are not drivable; 0 for the'
        ' value that the checkpoint was calibrated with, or else none.',
        Changes.AT_ONCE,
        bounds=(0.0, 1.0),
    )
    anomaly_threshold: float = parameter(
        0.0,
        'Pixels whose anomaly is at least 255 times this value are labelled 255 and are not'
        ' drivable; 0 ignores anomalies.',
        Changes.AT_ONCE,
        bounds=(0.0, 1.0),
    )
    min_drivable_area: float = parameter(
        0.0,
        'Connected drivable areas under this share of the image are dropped; 0 keeps all.',
        Changes.AT_ONCE,
        bounds=(0.0, 1.0),
    )

    @property
    def requested_network_size(self) -> tuple[int, int] | None:
        """`network_size` as (width, height); None for the size of the checkpoint."""
        return (self.network_size[0], self.network_size[1]) if self.network_size else None

    @property
    def min_confidence(self) -> int:
        """The minimum confidence, 0 to 255, of a labelled pixel."""
        return image_value(self.confidence_threshold)

    @property
    def min_drivable_confidence(self) -> int:
        """The minimum confidence, 0 to 255, of a drivable pixel."""
        return image_value(self.drivable_threshold)

    @property
    def min_anomaly(self) -> int:
        """The minimum anomaly, 0 to 255, of a pixel that is not labelled; 0 for none."""
        return image_value(self.anomaly_threshold)

    @property
    def model(self) -> ModelSettings:
        """Only the settings of the model, without those that a subclass adds."""
        return ModelSettings(**{name: getattr(self, name) for name in MODEL_PARAMETERS})


MODEL_PARAMETERS = declarations(ModelSettings)
"""The declarations of `ModelSettings`, by name."""
