# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Prints the figures of a benchmark as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bisenet_ros.console import print_line
from bisenet_ros.formatting import percent

_MEBIBYTE = 2**20


def print_report(figures: Mapping[str, Any]) -> None:
    """Prints the figures and the machine."""
    console = Console(highlight=False)
    for table in (
        _comparison(figures),
        _stages(figures),
        _streaming(figures['streaming']),
        _start(figures['start']),
    ):
        console.print(table)
    for name, reason in figures['left_out'].items():
        print_line(console, f'not measured: {name}: {reason}')
    print_line(console, _machine(figures['machine']))


def _comparison(figures: Mapping[str, Any]) -> Table:
    settings = figures['settings']
    title = (
        f'{_size(settings["size"])} frame to labels, network at {_size(settings["network_size"])}, '
        f'rounds in turn: {settings["rounds"]}'
    )
    table = _table(title, ('p50 ms', 'p95', 'p99', 'faster', 'CPU ms', 'labels differ'))
    for one in figures['comparison']:
        _row(
            table,
            one['name'],
            *map(_milliseconds, (one['p50_ms'], one['p95_ms'], one['p99_ms'])),
            f'{one["times_faster"]:.2f} x',
            _milliseconds(one['cpu_ms']),
            percent(one['differing_pixels'], 3),
            style='bold' if one['ours'] else '',
        )
    return table


def _stages(figures: Mapping[str, Any]) -> Table:
    """Returns a table with a column per stage; engines that merge stages report only some."""
    stages = list(dict.fromkeys(name for one in figures['stages'].values() for name in one))
    title = 'message to messages: medians in ms'
    table = _table(title, stages)
    for name, one in figures['stages'].items():
        cells = (one.get(stage) for stage in stages)
        _row(table, name, *(_milliseconds(cell['p50_ms']) if cell else '' for cell in cells))
    return table


def _streaming(streaming: Mapping[str, Any]) -> Table:
    table = _table(
        f'{streaming["name"]}, newest frame wins',
        ('FPS', 'dropped', 'age p50 ms', 'p95', 'p99', 'CPU'),
    )
    trials = [(f'{one["rate_hz"]:g} Hz', one) for one in streaming['fixed_rates']]
    best = streaming['highest_sustained']
    for name, one in (*trials, (f'highest under 5 % drops: {best["rate_hz"]:.1f} Hz', best)):
        _row(
            table,
            name,
            f'{one["processed_fps"]:.1f}',
            percent(one['dropped_frames'] / one['received_frames'], 1),
            *map(_milliseconds, (one['age_p50_ms'], one['age_p95_ms'], one['age_p99_ms'])),
            f'{one["cpu_percent"]:.0f} %',
        )
    return table


def _start(start: Mapping[str, Any]) -> Table:
    phases = ('python', 'imports', 'load', 'first_frame', 'cold', 'warm')
    memory = start['memory_bytes']
    table = _table(
        f'{start["name"]}, process start to first labels: seconds',
        (*(phase.replace('_', ' ') for phase in phases), *(f'{where} MiB' for where in memory)),
    )
    _row(
        table,
        f'median of {start["rounds"]}',
        *(f'{start[f"{phase}_seconds"]:.2f}' for phase in phases),
        *(f'{size / _MEBIBYTE:.0f}' for size in memory.values()),
    )
    return table


def _machine(machine: Mapping[str, Any]) -> str:
    lines = [
        f'{machine["cpu"]}, {machine["usable_cores"]} of {machine["cores"]} cores, '
        f'capability {machine["cpu_capability"]}',
        *(', '.join(gpu.values()) for gpu in machine['gpus']),
        _pairs(machine['versions']),
        f'threads: {_pairs(machine["threads"])}',
        f'malloc: {_pairs(machine["malloc"])}',
        'load average at the start: ' + ' '.join(f'{load:.2f}' for load in machine['load_average']),
    ]
    return '\n'.join(lines)


def _pairs(values: Mapping[str, Any] | str) -> str:
    if isinstance(values, str):
        return values
    return ', '.join(f'{name} {value}' for name, value in values.items())


def _milliseconds(value: float) -> str:
    """Formats milliseconds with as many significant digits as fit a table of 80 columns."""
    return f'{value:.2f}' if value < 100 else f'{value:.0f}'


def _size(size: Iterable[int]) -> str:
    return 'x'.join(map(str, size))


def _table(title: str, columns: Iterable[str]) -> Table:
    # Without padding, so that tables fit into 80 columns; the box has a space between columns.
    table = Table(title=title, title_justify='left', title_style='bold', box=SIMPLE_HEAD, padding=0)
    table.add_column('', no_wrap=True)
    for column in columns:
        table.add_column(column, justify='right')
    return table


def _row(table: Table, *cells: str, style: str = '') -> None:
    table.add_row(*map(Text, cells), style=style)
