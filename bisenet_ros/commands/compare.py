# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet compare`: compares two replays of the same frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bisenet_ros.console import print_line, print_outcome, warn
from bisenet_ros.errors import file_errors, printable
from bisenet_ros.formatting import counted, percent, points
from bisenet_ros.output_files import make_folder, write_json
from bisenet_ros.replay.measure.comparison import compare
from bisenet_ros.replay.measure.criteria import judge_figure, parse_criteria
from bisenet_ros.replay.measure.figures import figures_of_comparison, names_of_comparison
from bisenet_ros.replay.measure.run_result import RunResult
from bisenet_ros.replay.report.comparison_page import verdict, write_comparison_page


def compare_runs(run_a: Path, run_b: Path, output: Path, fail_under: Sequence[str]) -> bool:
    """Writes comparison.json and comparison.html, and prints what changed.

    Args:
        run_a: The folder of a finished replay.
        run_b: The folder of another replay of the same frames.
        output: The folder for the results; files of an earlier comparison are replaced.
        fail_under: Criteria on B's figures and on their change, as `parse_criteria` takes them.

    Returns:
        Whether all criteria are met.

    Raises:
        UserError: The two replays cannot be compared, or a criterion is invalid.
    """
    a, b = RunResult.load(run_a), RunResult.load(run_b)
    criteria = parse_criteria(fail_under, names_of_comparison(b.classes))
    comparison = compare(a, b)
    figures = comparison.figures()
    figures_file, page = output / 'comparison.json', output / 'comparison.html'
    make_folder(output, without=[figures_file.name, page.name])
    write_json(figures_file, figures)
    with file_errors(output):
        write_comparison_page(page, comparison, figures)
    if (bags := figures['settings'].get('bag')) is not None:
        warn(
            f'the replays are of different bags, {bags["a"]} and {bags["b"]}: their frames are '
            'compared only because camera, number and stamp are equal'
        )
    if others := figures['frames']['other_truth']:
        warn(
            f'the true labels of A and B differ in {counted(others, "frame")}, because of the '
            'ground truth or ego_mask: accuracy changes with them, too'
        )
    console = Console(highlight=False)
    _print(console, figures, page)
    judgements = [judge_figure(one, figures_of_comparison(figures)) for one in criteria]
    for judgement in judgements:
        print_outcome(console, judgement.passed, judgement.sentence)
    return all(judgement.passed for judgement in judgements)


def _print(console: Console, figures: Mapping[str, Any], page: Path) -> None:
    frames = figures['frames']
    print_line(
        console,
        f'{counted(frames["common"], "frame")} in common (A has {frames["a"]}, B has '
        f'{frames["b"]}), {frames["with_truth"]} of them with truth',
    )
    if (accuracy := figures['accuracy']) is not None:
        table = Table(box=None, pad_edge=False)
        table.add_column('')
        for head in ('A', 'B', 'change, points', '95 % interval'):
            table.add_column(head, justify='right')
        rows = {
            'mIoU': accuracy['miou'],
            'drivable IoU': accuracy['drivable_iou'],
            'pixel accuracy': accuracy['pixel_accuracy'],
            **accuracy['iou'],
        }
        for name, row in rows.items():
            spread = row.get('interval')
            table.add_row(
                Text(printable(name)),
                percent(row['a']),
                percent(row['b']),
                points(row['change']),
                '–' if spread is None else f'{points(spread[0])} to {points(spread[1])}',
            )
        console.print(table)
    if figures['changed_labels'] is not None:
        print_line(console, f'pixels whose label changed: {percent(figures["changed_labels"])}')
    short, sentence = verdict(figures)
    print_line(console, f'{short}. {sentence}')
    print_line(console, f'pictures and all figures: {page}')
