# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an exported file says of itself, so that nobody has to guess how it is to be used.

Two JSON documents by name: `bisenet_ros`, the same as in a checkpoint (classes, mean and standard
deviation, channel order, network size, provenance), and `bisenet_ros_export`, what goes in and what
comes out of this file.
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
"""Of the weights, and of arithmetic where a runtime has it. Inputs and outputs stay the same."""


class ExportError(UserError):
    """A file is not an exported model of ours, is damaged, or could not be made."""


@dataclass(frozen=True)
class Interface:
    """What goes in, what comes out, under these names, and in which numbers it is computed."""

    input: Input
    output: Output
    precision: Precision


@dataclass(frozen=True)
class Metadata:
    """All that a file says of itself.

    Attributes:
        checkpoint: What was exported, without the tensors; its network size is the file's.
        interface: How it is run.
    """

    checkpoint: Checkpoint
    interface: Interface

    def to_dict(self) -> dict[str, str]:
        """The two documents by their names."""
        interface = {'format': FORMAT, **vars(self.interface)}
        return {METADATA_KEY: self.checkpoint.to_metadata(), EXPORT_KEY: json.dumps(interface)}

    @classmethod
    def from_dict(cls, path: Path, documents: Mapping[str, str]) -> Metadata:
        """Read what `to_dict` gave.

        Args:
            path: The file that held it, for messages.
            documents: Whatever is in the file.

        Raises:
            ExportError: They are not there or damaged.
            CheckpointError: The first one is.
        """
        if not {METADATA_KEY, EXPORT_KEY} <= documents.keys():
            raise ExportError(
                f'{path} does not say what its input and its classes are, as what `bisenet export` '
                'writes does: export it from its checkpoint'
            )
        checkpoint = Checkpoint.from_metadata(path, documents[METADATA_KEY], {})
        try:
            said = parse_json(documents[EXPORT_KEY])
            if said['format'] != FORMAT:
                raise ExportError(
                    f'{path} has export format {said["format"]}, and this version of bisenet_ros '
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
                raise ExportError(f'{path} has {value!r}, known are {", ".join(choices)}')
        return cls(checkpoint, interface)
