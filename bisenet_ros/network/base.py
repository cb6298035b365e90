# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Defines the interface of networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Protocol

import torch.nn.functional as F
from torch import Tensor, nn

from bisenet_ros.network.layers import SegmentationHead, Upsampling, upsample

STRIDE = 32
"""The deepest features are 1/32 of the input, so the input is padded to a multiple of this."""

COARSE_STRIDE = 8
"""The logits of the main head are 1/8 of the padded input."""


class ImagenetBackbone(Protocol):
    """A backbone for which weights from the classification of ImageNet are published."""

    def load_imagenet(self, path: Path) -> None:
        """Loads the published weights.

        Args:
            path: The .pth file of the classifier.

        Raises:
            UserError: The file cannot be read, or holds something else.
        """


class SegmentationNetwork(nn.Module, ABC):
    """Normalised images (B, 3, H, W) of any size from 32x32 -> logits (B, classes, H, W).

    The input is padded to a multiple of 32 with zeros (the mean colour) at the right and the
    bottom, and the logits are cropped: every pixel is at the same place in training, in evaluation
    and on the vehicle.

    Attributes:
        head: The main head.
        boosters: The auxiliary heads of the training form; empty in the inference form.
        upsampling: How features are upsampled inside.
        branches: Names of two children that `features` calls one after the other, in this order.
            Neither uses the other's output, so an engine may run them concurrently. None if there
            are no such children.
        options: Further arguments of the constructor, which weights from other implementations may
            need, with their possible values. The first value is the default.
    """

    branches: ClassVar[tuple[str, str] | None] = None
    options: ClassVar[Mapping[str, tuple[str | bool, ...]]] = {}

    head: SegmentationHead
    boosters: nn.ModuleList
    upsampling: Upsampling

    @abstractmethod
    def features(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Computes the inputs of the heads, for images whose sides are multiples of 32.

        Args:
            x: (B, 3, H', W').

        Returns:
            Features for the main head, at 1/8, and for each booster, at its own scale.
        """

    def coarse(self, x: Tensor) -> Tensor:
        """Computes the main head's logits at 1/8 of the padded input: (B, classes, H'/8, W'/8)."""
        fused, _ = self.features(pad_to_stride(x))
        logits: Tensor = self.head(fused)
        return logits

    def coarse_heads(self, x: Tensor) -> tuple[Tensor, ...]:
        """Like `coarse`, with the logits of each booster at its own scale of the padded input."""
        return self.features_and_heads(x)[1]

    def features_and_heads(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Returns the input of the main head, (B, C, H'/8, W'/8), and `coarse_heads`."""
        fused, boosted = self.features(pad_to_stride(x))
        boosters = (head(seen) for head, seen in zip(self.boosters, boosted, strict=False))
        return fused, (self.head(fused), *boosters)

    @property
    def imagenet_backbone(self) -> ImagenetBackbone | None:
        """The part that published ImageNet weights can initialise; None without such a part."""
        return None

    @property
    def feature_channels(self) -> int:
        """Number of channels of the main head's input."""
        return self.head.project.conv.in_channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> logits (B, classes, H, W)."""
        height, width = x.shape[2:]
        logits = upsample(self.coarse(x), COARSE_STRIDE, 'bilinear')
        return logits[:, :, :height, :width]


class NetworkConstructor(Protocol):
    """The signature of every network's constructor; each has its own default for `upsampling`."""

    def __call__(
        self, num_classes: int, *, boosters: bool = False, upsampling: Upsampling = ...
    ) -> SegmentationNetwork:
        """Builds an untrained network.

        Args:
            num_classes: Number of classes.
            boosters: Build the auxiliary heads of the training form. They do not exist in the
                inference form.
            upsampling: How features are upsampled inside.
        """


def pad_to_stride(x: Tensor) -> Tensor:
    """Pads (B, 3, H, W) with zeros at the right and the bottom to multiples of 32."""
    height, width = x.shape[2:]
    right, bottom = -width % STRIDE, -height % STRIDE
    return F.pad(x, (0, right, 0, bottom)) if right or bottom else x
