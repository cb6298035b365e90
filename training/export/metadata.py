# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metadata of exported files.

The metadata consists of two JSON documents. `bisenet_ros` is the same as in a checkpoint: classes,
mean and standard deviation, channel order, network size, provenance. `bisenet_ros_export` describes
the input and output of this file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from bisenet_ros.checkpoint import METADATA_KEY, Checkpoint
from bisenet_ros.errors import UserError
from bisenet_ros.json_text import parse_json

EXPORT_KEY = 'bisenet_ros_export'

FORMAT = 1

Input = Literal['frames', 'images']
"""`frames`: (B, height, width, 3) uint8 BGR. `images`: (B, 3, height, width) normalised float32."""

Output = Literal['logits', 'labels']
"""`logits`: (B, classes, height, width) float32. `labels`: (B, height, width) uint8."""

Precision = Literal['fp32', 'fp16']
"""Precision of the weights and, where a runtime supports it, of the arithmetic. Inputs and outputs
are the same for both."""


class ExportError(UserError):
    """A file was not exported by this package, is damaged, or could not be written."""


@dataclass(frozen=True)
class Interface:
    """Input, output and precision. A model's input and output have these names."""

    input: Input
    output: Output
    precision: Precision


@dataclass(frozen=True)
class Metadata:
    """The metadata of a file.

    Attributes:
        checkpoint: The exported checkpoint without tensors, with the network size of the file.
        interface: Input, output and precision.
    """

    checkpoint: Checkpoint
    interface: Interface

    def to_dict(self) -> dict[str, str]:
        """Returns the two documents by name."""
        interface = {'format': FORMAT, **vars(self.interface)}
        return {METADATA_KEY: self.checkpoint.to_metadata(), EXPORT_KEY: json.dumps(interface)}

    @classmethod
    def from_dict(cls, path: Path, documents: Mapping[str, str]) -> Metadata:
        """Inverts `to_dict`.

        Args:
            path: The file, for messages.
            documents: All documents in the file.

        Raises:
            ExportError: A document is missing, or that of the export is damaged.
            CheckpointError: The document of the checkpoint is damaged.
        """
        if not {METADATA_KEY, EXPORT_KEY} <= documents.keys():
            raise ExportError(
                f'{path} lacks the metadata that `bisenet export` writes: export it again from its '
                'checkpoint'
            )
        checkpoint = Checkpoint.from_metadata(path, documents[METADATA_KEY], {})
        try:
            said = parse_json(documents[EXPORT_KEY])
            if said['format'] != FORMAT:
                raise ExportError(
                    f'{path} has export format {said["format"]}, but this version of bisenet_ros '
                    f'reads format {FORMAT}: export it again, or use the version that wrote it'
                )
            interface = Interface(said['input'], said['output'], said['precision'])
        except (KeyError, TypeError, ValueError) as error:
            raise ExportError(
                f'the metadata of {path} is damaged ({type(error).__name__}: {error}): '
                'export it again'
            ) from error
        for value, choices in (
            (interface.input, get_args(Input)),
            (interface.output, get_args(Output)),
            (interface.precision, get_args(Precision)),
        ):
            if value not in choices:
                raise ExportError(
                    f'{path} has an unknown value {value!r}; known are {", ".join(choices)}'
                )
        return cls(checkpoint, interface)
