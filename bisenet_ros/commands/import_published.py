# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet import`: converts weights published by other projects to a checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch

from bisenet_ros.commands.checkpoint_file import check_name, write_checkpoint
from bisenet_ros.console import notes, print_line
from bisenet_ros.errors import UserError
from bisenet_ros.importing import import_weights
from bisenet_ros.json_text import parse_json
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.preprocess import Normalization

RGB = tuple[float, float, float]


def import_file(
    source: Path,
    output: Path,
    *,
    label_space: Path | None,
    mean: RGB | None,
    std: RGB | None,
    network_size: tuple[int, int] | None,
) -> None:
    """Imports a file, and prints what became of its tensors.

    Args:
        source: A published .pth file.
        output: The checkpoint to write; an older one is replaced.
        label_space: A JSON file with names, colors and drivable.
        mean: Mean of the input, RGB, 0 to 1.
        std: Standard deviation of the input, RGB, 0 to 1.
        network_size: (width, height) of the network's input.

    Raises:
        UserError: The source cannot be imported, the arguments are incomplete or contradict it, or
            the checkpoint cannot be written.
    """
    check_name(output)
    if (mean is None) != (std is None):
        raise UserError('give both --mean and --std, or neither')
    imported = import_weights(
        source,
        label_space=None if label_space is None else _read_label_space(label_space),
        normalization=None if mean is None or std is None else Normalization(mean, std),
        network_size=network_size,
    )
    # In the published precision, so that the logits are the same.
    write_checkpoint(imported.checkpoint, output, torch.float32)
    print_line(
        notes,
        f'{imported.title}, {len(imported.checkpoint.label_space)} classes: '
        f'{len(imported.checkpoint.state_dict)} tensors into {output}',
    )
    if imported.wrapper:
        print_line(notes, f'removed: {imported.wrapper}')
    if imported.left_out:
        heads = ', '.join(sorted({name.split('.')[0] for name in imported.left_out}))
        print_line(
            notes,
            f'left out: {len(imported.left_out)} tensors of heads that only training needs '
            f'({heads})',
        )


def _read_label_space(path: Path) -> LabelSpace:
    """Reads a label space from JSON, in the form of `LabelSpace.to_dict`.

    Raises:
        UserError: The file cannot be read, is not JSON, or holds no label space.
    """
    try:
        return LabelSpace.from_dict(parse_json(path.read_text(encoding='utf-8-sig')))
    except OSError as error:
        raise UserError(f'cannot read {path}: {error.strerror}') from error
    except ValueError as error:
        raise UserError(
            f'{path} is not JSON: {error}; a label space is JSON with names, colors and drivable, '
            'unlike the label map of a data set'
        ) from error
    except UserError as error:
        raise UserError(f'{path}: {error}') from error
