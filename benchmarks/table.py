# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Prints the tables of docs/benchmarks.md: `bisenet benchmark` in four settings, as Markdown.

    python benchmarks/table.py --output out/benchmark > tables.md

It measures the shipped weights, and untrained ones for 19 classes, as in published figures; each
with freed memory kept, as in the node, and returned to the system, the default of glibc.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bisenet_ros.formatting import percent
from bisenet_ros.malloc_tuning import environment_without_malloc_settings

MALLOC: dict[str, dict[str, str]] = {
    'freed memory kept': {},
    # If it is set, the program does not change it.
    'freed memory given back': {'GLIBC_TUNABLES': ''},
}


def run(arguments: list[str], settings: Mapping[str, str]) -> None:
    """Runs a Python program with settings of malloc."""
    environment = {**environment_without_malloc_settings(), **settings}
    # Standard output is for the tables.
    subprocess.run([sys.executable, *arguments], env=environment, check=True, stdout=sys.stderr)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Returns a Markdown table."""
    head = list(head)
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines) + '\n'


def comparison(columns: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns a table of all candidates' medians, with a column for each setting."""
    rows = []
    first = next(iter(columns.values()))
    for index, one in enumerate(first['comparison']):
        cells = [figures['comparison'][index] for figures in columns.values()]
        rows.append(
            [
                f'**{one["name"]}**' if one['ours'] else one['name'],
                *(f'{cell["p50_ms"]:.1f} ms, {cell["times_faster"]:.1f} x' for cell in cells),
                percent(one['differing_pixels'], 3),
            ]
        )
    return table(['', *columns, 'pixels with another label'], rows)


def stages(figures: Mapping[str, Any]) -> str:
    """Returns a table of median stage times of our engines."""
    names = list(dict.fromkeys(name for one in figures['stages'].values() for name in one))
    return table(
        ['median, ms', *names],
        (
            [name, *(f'{one[stage]["p50_ms"]:.2f}' if stage in one else '' for stage in names)]
            for name, one in figures['stages'].items()
        ),
    )


def streaming(figures: Mapping[str, Any]) -> str:
    """Returns a table of latency at fixed rates and at the highest sustained rate."""
    trials = figures['streaming']
    best = trials['highest_sustained']
    return table(
        [trials['name'], 'FPS', 'dropped', 'age p50 / p95 / p99, ms', 'CPU'],
        (
            [
                name,
                f'{one["processed_fps"]:.1f}',
                percent(one['dropped_frames'] / one['received_frames'], 1),
                ' / '.join(f'{one[f"age_{p}_ms"]:.1f}' for p in ('p50', 'p95', 'p99')),
                f'{one["cpu_percent"]:.0f} %',
            ]
            for name, one in (
                *((f'{one["rate_hz"]:g} Hz', one) for one in trials['fixed_rates']),
                (f'{best["rate_hz"]:.1f} Hz, the most under 5 % drops', best),
            )
        ),
    )


def start(figures: Mapping[str, Any]) -> str:
    """Returns a table of the time of a new process to its first labels."""
    measured = figures['start']
    phases = ('python', 'imports', 'load', 'first_frame', 'cold', 'warm')
    memory = measured['memory_bytes']
    return table(
        [measured['name'], *(p.replace('_', ' ') for p in phases), *(f'{m} MB' for m in memory)],
        [
            [
                f'median of {measured["rounds"]}',
                *(f'{measured[f"{phase}_seconds"]:.2f} s' for phase in phases),
                *(f'{size / 1e6:.0f}' for size in memory.values()),
            ]
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--output', type=Path, required=True, help='folder for the figures')
    parser.add_argument(
        'options', nargs='*', help='options of bisenet benchmark after --, such as -- --rounds 50'
    )
    arguments = parser.parse_args()
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    untrained = output / 'untrained.safetensors'
    run([str(Path(__file__).with_name('untrained_weights.py')), str(untrained)], {})

    shown: Mapping[str, Any] = {}
    for title, weights in (('shipped weights', 'camvid'), ('untrained', str(untrained))):
        columns = {}
        for index, (malloc, settings) in enumerate(MALLOC.items()):
            file = output / f'{title.split()[0]}_{index}.json'
            files = ['--json', str(file), '--plot', str(file.with_suffix('.svg'))]
            run(
                [
                    *('-m', 'bisenet_ros.cli', 'benchmark'),
                    *('--weights', weights, *files, *arguments.options),
                ],
                settings,
            )
            columns[malloc] = json.loads(file.read_text())
        kept = next(iter(columns.values()))
        shown = shown or kept
        classes = kept['settings']['classes']
        print(f'{title}, {classes} classes:\n\n{comparison(columns)}')
    for part in (stages, streaming, start):
        print(part(shown))
    print(json.dumps(shown['machine'], indent=2))


if __name__ == '__main__':
    main()
