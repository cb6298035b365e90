# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reports of an evaluation: tables on the terminal, and a folder with a page and pictures."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bisenet_ros.errors import file_errors, printable
from bisenet_ros.formatting import percent, quantity
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.media import write_image
from bisenet_ros.metrics import figures as known_figures
from bisenet_ros.output_files import make_folder
from bisenet_training.evaluation.confusion_chart import draw_confusion
from bisenet_training.evaluation.result import EvaluatedFrame
from bisenet_training.evaluation.worst_frames import draw_frame


class ClassRow(NamedTuple):
    """The figures of a class.

    Attributes:
        id: Id in the label space of the data set.
        name: Name of the class.
        iou: From 0 to 1; None if the class is in neither ground truth nor labels.
        boundary_f: Boundary F-score, with the same range and None.
        true_pixels: Pixels of this class in the ground truth.
        labelled_pixels: Pixels labelled as this class, where there is ground truth.
    """

    id: int
    name: str
    iou: float | None
    boundary_f: float | None
    true_pixels: int
    labelled_pixels: int


def class_rows(figures: Mapping[str, Any]) -> Iterator[ClassRow]:
    """Yields the figures of each class, in the order of the ids."""
    counts = np.array(figures['confusion'])  # (C, C + 1) by true class and label
    for index, (name, iou) in enumerate(figures['iou'].items()):
        yield ClassRow(
            index,
            name,
            iou,
            figures['boundary_f_by_class'][name],
            int(counts[index].sum()),
            int(counts[:, index].sum()),
        )


def print_tables(console: Console, title: str, figures: Mapping[str, Any]) -> None:
    """Prints the figures of each class and the overall figures, from `Accuracy.figures`."""
    table = Table(title=Text(printable(title)))
    table.add_column('class')
    for column in ('IoU', 'boundary F-score', 'share of ground truth'):
        table.add_column(column, justify='right')
    rows = list(class_rows(figures))
    total = sum(row.true_pixels for row in rows)
    for row in rows:
        name = Text(printable(row.name))
        if row.iou is None:
            table.add_row(name, 'does not occur', '', '')
        else:
            share = row.true_pixels / total
            table.add_row(name, percent(row.iou), percent(row.boundary_f), percent(share))
    console.print(table)
    summary = Table.grid(padding=(0, 2))
    for title, value in summary_rows(figures):
        summary.add_row(title, value)
    console.print(summary)


def summary_rows(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns title and value of the overall figures that are defined."""
    return [
        (figure.title, quantity(figures[name], figure.unit))
        for name, figure in known_figures(truth=True).items()
        if figures[name] is not None
    ]


def write_report(
    folder: Path,
    title: str,
    facts: Mapping[str, Any],
    figures: Mapping[str, Any],
    worst: Sequence[EvaluatedFrame],
    label_space: LabelSpace,
) -> None:
    """Writes `report.md`, `classes.csv`, `confusion.png` and `worst/*.jpg`.

    Args:
        folder: An existing folder.
        title: Title of the page.
        facts: Names and values that describe what was evaluated, and how.
        figures: The figures, from `Accuracy.figures`.
        worst: Frames to show.
        label_space: Label space of the data set.

    Raises:
        UserError: A file cannot be written, or matplotlib is not installed.
    """
    rows = list(class_rows(figures))
    draw_confusion(folder / 'confusion.png', np.array(figures['confusion']), label_space)
    make_folder(folder / 'worst')
    pictures = []
    for rank, frame in enumerate(worst, start=1):
        picture = f'worst/{rank:02}.jpg'
        write_image(folder / picture, draw_frame(frame, label_space))
        pictures.append((frame.sample.name, picture))
    with file_errors(folder):
        # Names may not be UTF-8.
        with (folder / 'classes.csv').open('w', -1, 'utf-8', 'backslashreplace', '') as file:
            writer = csv.writer(file)
            writer.writerow(ClassRow._fields)
            writer.writerows(rows)
        page = _page(title, facts, figures, rows, pictures)
        text = '\n'.join(page) + '\n'
        (folder / 'report.md').write_text(text, encoding='utf-8', errors='backslashreplace')


def _page(
    title: str,
    facts: Mapping[str, Any],
    figures: Mapping[str, Any],
    rows: Sequence[ClassRow],
    pictures: Sequence[tuple[str, str]],
) -> Iterator[str]:
    """Yields the lines of report.md."""
    yield from (f'# {title}', '')
    yield from _table(('', ''), facts.items())
    yield from ('## Figures', '', '– marks classes that do not occur.', '')
    yield from _table(('', ''), summary_rows(figures))
    yield from ('## Classes', '')
    yield from _table(
        ('class', 'IoU', 'boundary F-score', 'pixels in ground truth'),
        ((row.name, percent(row.iou), percent(row.boundary_f), row.true_pixels) for row in rows),
    )
    yield from ('## Confusion', '', '![Confusion matrix](confusion.png)', '')
    yield from ('## Worst frames', '', 'Image, labels, ground truth, and errors in red.', '')
    for name, picture in pictures:
        yield from (f'![{name}]({picture})', '')


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Yields a Markdown table and an empty line."""
    yield f'| {" | ".join(header)} |'
    yield '|---' * len(header) + '|'
    for row in rows:
        yield f'| {" | ".join(str(cell) for cell in row)} |'
    yield ''
