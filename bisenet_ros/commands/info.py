# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet info`: prints the contents of a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bisenet_ros.checkpoint import Checkpoint, resolve_weights
from bisenet_ros.errors import printable
from bisenet_ros.formatting import percent
from bisenet_ros.output_files import is_standard_output, write_json


def show_info(weights: str, json_file: Path | None) -> None:
    """Prints the contents of a checkpoint, and writes them as JSON if `json_file` is given.

    Raises:
        CheckpointError: The file is not a checkpoint.
    """
    path = resolve_weights(weights)
    checkpoint = Checkpoint.load(path)
    facts = describe(checkpoint, path)
    if json_file is not None:
        write_json(json_file, _without_nan(facts))
    if not is_standard_output(json_file):
        _print(Console(), checkpoint, facts)


def describe(checkpoint: Checkpoint, path: Path) -> dict[str, Any]:
    """Returns the contents of a checkpoint, ready for JSON."""
    return {
        'path': str(path),
        'bytes': path.stat().st_size,
        'network': checkpoint.network,
        'parameters': sum(tensor.numel() for tensor in checkpoint.state_dict.values()),
        'network_size': list(checkpoint.network_size),
        'upsampling': checkpoint.upsampling,
        'options': dict(checkpoint.options),
        'mean': list(checkpoint.normalization.mean),
        'std': list(checkpoint.normalization.std),
        'channel_order': checkpoint.normalization.channel_order,
        'label_space': checkpoint.label_space.to_dict(),
        'provenance': dict(checkpoint.provenance),
        'accuracy': dict(checkpoint.accuracy),
        'claim': None if checkpoint.claim is None else checkpoint.claim.to_dict(),
        'max_logits': None if checkpoint.max_logits is None else checkpoint.max_logits.to_dict(),
    }


def _without_nan(value: Any) -> Any:
    """Replaces numbers that JSON does not have, in metadata from elsewhere, by None."""
    if isinstance(value, Mapping):
        return {name: _without_nan(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print(console: Console, checkpoint: Checkpoint, facts: Mapping[str, Any]) -> None:
    width, height = checkpoint.network_size
    summary = Table.grid(padding=(0, 2))
    summary.add_column()
    summary.add_column(overflow='fold')  # no part of a long path is left out
    for name, value in (
        ('file', f'{facts["path"]} ({facts["bytes"] / 1e6:.2f} MB)'),
        ('network', f'{checkpoint.network}, {facts["parameters"] / 1e6:.2f} million parameters'),
        ('network size', f'{width} x {height}'),
        ('upsampling', checkpoint.upsampling),
        *((name, str(value)) for name, value in checkpoint.options.items()),
        ('channel order', checkpoint.normalization.channel_order),
        ('mean', _numbers(checkpoint.normalization.mean)),
        ('std', _numbers(checkpoint.normalization.std)),
        ('claim', _claim(checkpoint)),
        ('anomalies', _anomalies(checkpoint)),
    ):
        summary.add_row(Text(name, 'bold'), Text(value))
    console.print(summary, soft_wrap=True)

    classes = Table(title='classes', title_justify='left', title_style='bold')
    classes.add_column('id', justify='right')
    classes.add_column('')
    classes.add_column('name')
    classes.add_column('colour')
    classes.add_column('drivable')
    space = checkpoint.label_space
    for index, (name, (red, green, blue)) in enumerate(zip(space.names, space.colors, strict=True)):
        classes.add_row(
            str(index),
            Text('    ', f'on rgb({red},{green},{blue})'),
            Text(printable(name)),
            f'{red:3d} {green:3d} {blue:3d}',
            'yes' if name in space.drivable else '',
        )
    console.print(classes)
    for title, values in (
        ('measured accuracy', _in_percent(checkpoint.accuracy)),
        ('provenance', checkpoint.provenance),
    ):
        console.print(Text(title if values else f'{title}: nothing recorded', 'bold'))
        if values:
            console.print(_tree(values), soft_wrap=True)


def _claim(checkpoint: Checkpoint) -> str:
    claim = checkpoint.claim
    if claim is None:
        return 'none: bisenet calibrate adds one'
    return f'{claim} ({claim.data}; drivable_threshold {claim.threshold:.3f})'


def _anomalies(checkpoint: Checkpoint) -> str:
    if checkpoint.max_logits is None:
        return 'not recognised: bisenet calibrate adds what that needs'
    return f'recognised by the logits of {checkpoint.max_logits.data}'


def _in_percent(values: Mapping[str, Any]) -> dict[str, Any]:
    """Converts fractions to percentages, for display."""
    shown: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            shown[name] = _in_percent(value)
        else:
            shown[name] = percent(value) if isinstance(value, float) else value
    return shown


def _tree(values: Mapping[str, Any]) -> Table:
    """Returns a table of names and values; nested mappings become nested tables."""
    grid = Table.grid(padding=(0, 2))
    for name, value in values.items():
        if isinstance(value, Mapping):
            grid.add_row(Text(printable(f'  {name}')), _tree(value))
        else:
            text = f'{value:.4g}' if isinstance(value, float) else str(value)
            grid.add_row(Text(printable(f'  {name}')), Text(printable(text)))
    return grid


def _numbers(values: tuple[float, ...]) -> str:
    return ' '.join(f'{value:.4g}' for value in values)
