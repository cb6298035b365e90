# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Builds the network to train: initialised randomly, from ImageNet, or from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.network import NETWORKS, SegmentationNetwork, Upsampling
from bisenet_ros.preprocess import Normalization
from bisenet_training.config import NetworkSettings
from bisenet_training.imagenet import installed_imagenet_weights

_LAST_LAYER = 'head.classify.'


@dataclass(frozen=True)
class InitialNetwork:
    """A network for training, and how it was built.

    Attributes:
        network: The network, with boosters.
        options: Differences from the network's defaults, for the checkpoint.
        normalization: That of the checkpoint it starts from; None without one.
    """

    network: SegmentationNetwork
    options: Mapping[str, Any]
    normalization: Normalization | None = None


def make_network(
    settings: NetworkSettings, label_space: LabelSpace, seed: int, say: Callable[[str], None]
) -> InitialNetwork:
    """Builds a network with its initial weights.

    Args:
        settings: The network and its initial weights.
        label_space: Label space of the network's output.
        seed: Seed of the random initialisation.
        say: Called with notes on what was loaded.

    Raises:
        UserError: A file is missing or belongs to a different network.
    """
    start = None if settings.initial_weights is None else Checkpoint.load(settings.initial_weights)
    if start is None:
        initial = _build(settings, settings.upsampling, settings.options, label_space, seed)
    elif start.network != settings.name:
        raise UserError(
            f'{settings.initial_weights} is a {start.network}, but network.name is {settings.name}'
        )
    else:
        # Weights fit only the options that they were trained with.
        options = {**start.options, **settings.options}
        upsampling = settings.upsampling or start.upsampling
        initial = _build(settings, upsampling, options, label_space, seed)
        _take_over(initial.network, start, label_space, say)
        initial = replace(initial, normalization=start.normalization)
    if settings.imagenet_weights is not None:
        path = settings.imagenet_weights
        if path == 'installed':
            path = installed_imagenet_weights(settings.name)
        backbone = initial.network.imagenet_backbone
        assert backbone is not None  # as `NetworkSettings` checks
        backbone.load_imagenet(path)
        say(f'the backbone starts from {path}')
    return initial


def _build(
    settings: NetworkSettings,
    upsampling: Upsampling | None,
    options: Mapping[str, Any],
    label_space: LabelSpace,
    seed: int,
) -> InitialNetwork:
    torch.manual_seed(seed)
    arguments = options if upsampling is None else {**options, 'upsampling': upsampling}
    network = NETWORKS[settings.name](len(label_space), boosters=True, **arguments)
    return InitialNetwork(network, options)


def _take_over(
    network: SegmentationNetwork,
    start: Checkpoint,
    label_space: LabelSpace,
    say: Callable[[str], None],
) -> None:
    """Loads the tensors of a checkpoint into a network."""
    same_classes = start.label_space.names == label_space.names
    taken = {
        name: tensor
        for name, tensor in start.state_dict.items()
        if same_classes or not name.startswith(_LAST_LAYER)
    }
    expected = network.state_dict()
    foreign = [
        name
        for name, tensor in taken.items()
        if name not in expected or expected[name].shape != tensor.shape
    ]
    if foreign:
        raise UserError(
            f'initial_weights do not fit at {foreign[0]!r}: use the network.options and '
            'network.upsampling that they were trained with'
        )
    network.load_state_dict(taken, strict=False)
    say(f'{len(taken)} tensors initialised from weights for {len(start.label_space)} classes')
    if not same_classes:
        say(
            'the classes or their order differ from those of the weights: '
            'the last layer is initialised randomly'
        )
