# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turns torchvision's ResNets into backbones of BiSeNet V1."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from bisenet_ros.errors import UserError
from bisenet_ros.network.pytorch_file import load_pytorch_file
from bisenet_ros.torchvision_import import import_torchvision

ResNetName = Literal['resnet18', 'resnet101']

CHANNELS: dict[ResNetName, tuple[int, int]] = {'resnet18': (256, 512), 'resnet101': (1024, 2048)}
"""Channels of the features at 1/16 and 1/32."""


class ResNet(nn.Module):
    """(B, 3, H, W) -> features at 1/16 and 1/32, `channels` wide.

    The parameters have torchvision's names.

    Args:
        name: Which of torchvision's ResNets.

    Raises:
        UserError: torchvision is not installed.
    """

    def __init__(self, name: ResNetName) -> None:
        super().__init__()
        self.name = name
        self.channels = CHANNELS[name]
        classifier = getattr(import_torchvision('models'), name)(weights=None)
        self.conv1 = classifier.conv1
        self.bn1 = classifier.bn1
        self.relu = classifier.relu
        self.maxpool = classifier.maxpool
        self.layer1 = classifier.layer1
        self.layer2 = classifier.layer2
        self.layer3 = classifier.layer3
        self.layer4 = classifier.layer4

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x2 = self.relu(self.bn1(self.conv1(x)))  # (B, 64, H/2, W/2)
        x4 = self.layer1(self.maxpool(x2))  # (B, 64 or 256, H/4, W/4)
        x8 = self.layer2(x4)  # (B, 128 or 512, H/8, W/8)
        x16 = self.layer3(x8)  # (B, 256 or 1024, H/16, W/16)
        return x16, self.layer4(x16)  # (B, 512 or 2048, H/32, W/32)

    def load_imagenet(self, path: Path) -> None:
        """Loads the weights of an ImageNet classifier that torchvision published.

        Args:
            path: The .pth file; its classification layer is left out.

        Raises:
            UserError: The file cannot be read, or holds something else.
        """
        classifier = load_pytorch_file(path, f"torchvision's {self.name}")
        try:
            self.load_state_dict(
                {name: value for name, value in classifier.items() if not name.startswith('fc.')}
            )
        except (AttributeError, RuntimeError) as error:
            raise UserError(
                f"{path} does not hold the weights of torchvision's {self.name}"
            ) from error
