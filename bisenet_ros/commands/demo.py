# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet demo`: runs camera, node and recorder as three ROS 2 processes, and writes a report."""

from __future__ import annotations

import math
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from bisenet_ros.bag.recorded_outputs import RecordedOutputs
from bisenet_ros.commands.model import load_segmenter
from bisenet_ros.console import notes, print_line, progress_bar, warn
from bisenet_ros.demo.drawings import Picture
from bisenet_ros.demo.page import write_page
from bisenet_ros.demo.report import Offline, evaluate, figures, results_in, rows
from bisenet_ros.errors import UserError
from bisenet_ros.live.events import Event
from bisenet_ros.live.graph import require_ros, run_graph
from bisenet_ros.live.processes import ProcessError
from bisenet_ros.live.rendering import Rendering, render
from bisenet_ros.live.sources import Frames, Source, main_source, open_source
from bisenet_ros.output_files import check_apart, is_standard_output, make_folder, write_json
from bisenet_ros.replay.measure.provenance import describe_model
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.settings import Settings
from bisenet_ros.synthetic.drive import SyntheticDrive

if TYPE_CHECKING:  # Rerun is optional
    from bisenet_ros.rerun_view import RerunView, ViewTarget

_GRID = {'grid.resolution': 0.3, 'grid.length': 20.0, 'grid.width': 16.0}
"""Metres. The pixels of the synthetic drive resolve the ground this finely up to 14 m."""


@dataclass(frozen=True)
class Scene:
    """The frames that a demo shows.

    Attributes:
        path: A video, a folder of images or a bag; None for the synthetic drive.
        seconds: How many seconds of it to stream.
        seed: Seed of the synthetic drive.
        size: (width, height) of the synthetic drive.
        rate: Frames per second of the synthetic drive.
    """

    path: Path | None = None
    seconds: float = 45.0
    seed: int = 0
    size: tuple[int, int] = (480, 360)
    rate: float = 10.0

    @property
    def parameters(self) -> dict[str, Any]:
        """Node parameters of the synthetic camera; empty for other sources."""
        if self.path is not None:
            return {}
        mounting = SyntheticDrive(self.seed, self.size, self.rate).mounting
        return {'mounting': mounting, **_GRID}


@dataclass(frozen=True)
class Demo:
    """Settings of a demo.

    Attributes:
        scene: The frames that the camera publishes.
        output: A folder for the report.
        settings: The node's parameters.
        verify: Whether to segment the frames again without ROS, and compare.
        view: Where to show the frames; None for no view. They are shown after the drive, so that
            this does not slow down the node.
    """

    scene: Scene = field(default_factory=Scene)
    output: Path = Path('out/demo')
    settings: Settings = field(default_factory=Settings)
    verify: bool = False
    view: ViewTarget | None = None


def show_demo(demo: Demo, json_file: Path | None) -> bool:
    """Runs a demo, prints its figures, and writes them as JSON if `json_file` is given.

    Returns:
        Whether all processes worked, and all frames and their ground truth could be used.

    Raises:
        UserError: See `run_demo`; or the JSON cannot be written.
    """
    try:
        measured = run_demo(demo)
    except ProcessError as error:
        print(f'bisenet: {error}', file=sys.stderr)
        return False
    if json_file is not None:
        write_json(json_file, measured)
    if not is_standard_output(json_file):
        _print_table(measured, demo.output)
    if measured['problems']:
        print(f'bisenet: {"; ".join(measured["problems"])}', file=sys.stderr)
    return not measured['problems']


def run_demo(demo: Demo) -> dict[str, Any]:
    """Runs the graph until the source ends, writes the report, and returns the figures.

    Raises:
        UserError: The source or a setting cannot be used, ROS 2 is not installed, or a result
            cannot be written.
        ProcessError: A process failed.
    """
    require_ros(demo.output)
    if demo.view is not None:
        demo.view.check()
    scene, output = demo.scene, demo.output
    source = None if scene.path is None else main_source(scene.path, scene.seconds)
    if source is not None:
        check_apart(f'the source {source.path}', source.files(), results_in(output))
    # First, so that settings that cannot be used are refused at once.
    segmenter = load_segmenter(demo.settings)
    logs = output / 'log'
    make_folder(logs)
    try:
        with tempfile.TemporaryDirectory(prefix='.frames.', dir=output) as name:
            folder = Path(name)
            if source is None:
                source = _rendered(scene, folder / 'drive')
            frames = open_source(source)
            with _Display(frames.frame_count) as display:
                problem = run_graph(
                    source,
                    demo.settings,
                    folder,
                    logs,
                    restamp=True,
                    on_event=display.on_event,
                )
            if problem:
                warn(problem)
            with RecordedOutputs(folder, segmenter.label_space) as outputs:
                measured, pictures = _measured(demo, frames, outputs, segmenter)
        write_json(output / 'metrics.json', measured)
        write_page(output / 'index.html', measured, pictures, segmenter.label_space)
    except OSError as error:
        raise UserError(f'{error.filename or output}: {error.strerror or error}') from error
    return measured


def _measured(
    demo: Demo, frames: Frames, outputs: RecordedOutputs, segmenter: Segmenter
) -> tuple[dict[str, Any], list[Picture]]:
    """Measures and draws the outputs of the node; returns the figures and the pictures.

    Raises:
        UserError: The source cannot be read any more.
        ProcessError: There are no outputs.
    """
    count = sum(map(len, outputs.published.values()))
    if not outputs.arrivals:
        raise ProcessError(
            f'the node published no labels for {count} frames; see {demo.output / "log"}'
        )
    offline = Offline(segmenter) if demo.verify else None
    shown = frames.name if demo.scene.path else f'Synthetic drive, seed {demo.scene.seed}'
    label_space = segmenter.label_space
    with ExitStack() as stack:
        progress = stack.enter_context(progress_bar())
        view: RerunView | None = None
        if demo.view is not None:
            from bisenet_ros.rerun_view import RerunView

            view = stack.enter_context(
                RerunView(demo.view, shown, label_space, frames.cameras, demo.settings)
            )
        task = progress.add_task('measuring', total=count)
        evaluated = evaluate(
            frames,
            outputs,
            label_space,
            demo.output,
            settings=demo.settings,
            offline=offline,
            view=view,
            advance=lambda: progress.advance(task),
        )
    model = describe_model(segmenter)
    measured = figures(frames, shown, outputs, evaluated, model)
    if offline is not None:
        measured['offline'] = offline.figures()
    return measured, evaluated.pictures


def _print_table(measured: Mapping[str, Any], output: Path) -> None:
    """Prints the figures and the path of the report."""
    console = Console(highlight=False)
    table = Table(show_header=False)
    table.add_column(style='bold')
    table.add_column()
    for row in rows(measured):
        table.add_row(*map(Text, row))
    console.print(table)
    print_line(console, f'report: {output / "index.html"}')


def _rendered(scene: Scene, bag: Path) -> Source:
    """Renders the synthetic drive to a bag."""
    frame_count = math.ceil(scene.seconds * scene.rate)
    rendering = Rendering(scene.seed, scene.size, scene.rate, frame_count)
    with progress_bar() as progress:
        task = progress.add_task('rendering the drive', total=rendering.frame_count)
        render(rendering, bag, lambda: progress.advance(task))
    return Source(bag)


class _Display:
    """Progress of the graph: a bar on a terminal, a line every ten seconds in a log."""

    def __init__(self, frame_count: int) -> None:
        self._starting = notes.status('starting the segmentation node')
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn('streaming'),
            BarColumn(),
            TextColumn('{task.fields[news]}'),
            console=notes,
            disable=not notes.is_terminal,
        )
        self._task: TaskID = self._progress.add_task('', total=frame_count or None, news='')
        self._start = 0.0
        self._next_line = 10.0
        self._published: dict[int, int] = {}  # time of publishing, by stamp
        self._stamps: list[int] = []
        self._segmented = 0

    def on_event(self, event: Event) -> None:
        """Updates the display."""
        if event['event'] == 'playing':
            self._starting.stop()
            if self._progress.disable:
                notes.print('streaming')
            self._progress.start()
            self._start = time.monotonic()
        elif event['event'] == 'published':
            self._published[event['stamp']] = event['time']
            self._stamps.append(event['stamp'])
        elif event['event'] == 'segmented':
            # Earlier frames only probed whether the node is ready.
            if not self._stamps or event['stamp'] < self._stamps[0]:
                return
            self._segmented += 1
            # The recorder's event of a frame may arrive before the player's.
            if event['stamp'] in self._published:
                self._show(event['stamp'], event['received'])

    def _show(self, stamp: int, received: int) -> None:
        seconds = time.monotonic() - self._start
        latency = 1e-6 * (received - self._published[stamp])
        # Dropped, lost or impossible to decode: only the report can tell.
        missing = max(0, bisect_right(self._stamps, stamp) - self._segmented)
        news = (
            f'{self._segmented} frames, {self._segmented / max(seconds, 1e-3):.1f} FPS, '
            f'latency {latency:.0f} ms, {missing} not segmented'
        )
        self._progress.update(self._task, completed=len(self._published), news=news)
        if self._progress.disable and seconds >= self._next_line:
            self._next_line += 10.0
            notes.print(news, markup=False)

    def __enter__(self) -> _Display:
        self._starting.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._starting.stop()
        self._progress.stop()
