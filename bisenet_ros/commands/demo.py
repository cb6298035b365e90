# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo: a camera, the node and a recorder as three processes on real ROS 2, and a report.

This process starts them, listens to what they say and ends them; it takes no part in ROS itself.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from bisenet_ros.checkpoint import Checkpoint, resolve_weights
from bisenet_ros.console import make_folder, notes, progress_bar, write_json
from bisenet_ros.demo.page import write_page
from bisenet_ros.demo.report import Offline, Recording, draw, figures, rows
from bisenet_ros.errors import UserError
from bisenet_ros.live.processes import (
    Process,
    ProcessError,
    Processes,
    ended_by_signals,
    ros_environment,
)
from bisenet_ros.live.sources import Source, View, open_source
from bisenet_ros.parameter_file import write_parameters
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.settings import Settings

START_TIMEOUT = 120.0
"""Seconds for the node to load its network and for the recorder to find it."""

SILENCE_TIMEOUT = 30.0
"""Seconds without any news of the processes after which the demo is given up."""

LAST_FRAME_TIMEOUT = 3.0
"""Seconds for the labels of the last frames to arrive; after that they are dropped frames."""


@dataclass(frozen=True)
class Demo:
    """What a demo runs.

    Attributes:
        view: What the camera sees.
        output: A folder for the report.
        settings: The node's parameters.
        verify: Whether to segment the frames again without ROS, and compare.
    """

    view: View = field(default_factory=View)
    output: Path = Path('out/demo')
    settings: Settings = field(default_factory=Settings)
    verify: bool = False


def run_demo(demo: Demo) -> dict[str, Any]:
    """Run the graph until the source is at its end, write the report; what was measured.

    Raises:
        UserError: Something that was given cannot be used, or ROS 2 is not installed.
        ProcessError: A process failed.
    """
    if importlib.util.find_spec('rclpy') is None:
        raise UserError(
            'the demo runs on ROS 2, which is not here: source a ROS 2, or '
            "pip install 'bisenet_ros[ros]'"
        )
    source = open_source(demo.view)
    checkpoint = Checkpoint.load(demo.settings.weights)
    logs = demo.output / 'log'
    make_folder(logs)
    with tempfile.TemporaryDirectory(prefix='.frames.', dir=demo.output) as folder:
        recording = Recording(Path(folder))
        environment = ros_environment(os.environ, Path(folder))
        if demo.view.path is None:
            demo = replace(demo, view=replace(demo.view, rendered=Path(folder)))
            source = open_source(demo.view)
        with ended_by_signals(), Processes(environment, logs) as processes:
            _Graph(demo, source, checkpoint, recording, processes).run()
        if not recording.received:
            raise ProcessError(
                f'no labels came back for {len(recording.published)} frames; see {logs}'
            )
        model = vars(Segmenter.from_settings(demo.settings).settings)
        measured = figures(recording, source, checkpoint, model)
        offline = _offline(demo.settings) if demo.verify else None
        with progress_bar() as progress:
            task = progress.add_task('drawing', total=len(recording.published))
            pictures = draw(
                recording,
                source,
                checkpoint.label_space,
                demo.output,
                offline=offline,
                advance=lambda: progress.advance(task),
            )
        if offline is not None:
            measured['offline'] = offline.figures()
    write_json(demo.output / 'metrics.json', measured)
    write_page(demo.output / 'index.html', measured, pictures, checkpoint.label_space)
    return measured


def print_table(measured: Mapping[str, Any], output: Path) -> None:
    """Show what was measured, and where the rest is."""
    console = Console(highlight=False)
    table = Table(show_header=False)
    table.add_column(style='bold')
    table.add_column()
    for row in rows(measured):
        table.add_row(*map(Text, row))
    console.print(table)
    console.print(f'{output / "index.html"} shows it', markup=False, soft_wrap=True)


def _offline(settings: Settings) -> Offline:
    return Offline(Segmenter.from_settings(settings))


class _Graph:
    """One run of the three processes."""

    def __init__(
        self,
        demo: Demo,
        source: Source,
        checkpoint: Checkpoint,
        recording: Recording,
        processes: Processes,
    ) -> None:
        self._demo = demo
        self._source = source
        self._label_space = checkpoint.label_space
        self._recording = recording
        self._processes = processes
        self._heard: set[str] = set()

    def run(self) -> None:
        """Start node and recorder, then the camera, stream, and end them all in order."""
        segmenter = self._start_segmenter()
        recorder = self._start_recorder()
        if self._demo.view.rendered is not None:
            self._render(self._demo.view.rendered)
        with notes.status('starting the segmentation node'):
            self._wait_for('ready', START_TIMEOUT, segmenter)
        with notes.status('starting the camera'):
            camera = self._start_camera()
            self._wait_for('published', START_TIMEOUT, camera)
        self._stream()
        # The recorder first: what it counts must not change any more.
        for event in self._processes.end(recorder):
            self._take(event)
        for process in (camera, segmenter):
            self._processes.end(process)

    def _render(self, folder: Path) -> None:
        """Render the synthetic drive while the node loads its network."""
        from bisenet_ros.live.rendering import render

        with progress_bar() as progress:
            task = progress.add_task('rendering the drive', total=self._source.frame_count)

            def advance() -> None:
                progress.advance(task)
                for event in self._processes.pending_events():
                    self._take(event)

            render(self._demo.view, self._source.frame_count, folder, advance)

    def _start_segmenter(self) -> Process:
        settings = self._demo.settings
        parameters = self._recording.labels / 'parameters.yaml'
        weights = str(resolve_weights(settings.weights).absolute())
        write_parameters(parameters, {**vars(settings), 'weights': weights, 'autostart': True})
        return self._processes.start(
            'segmenter',
            [
                *_module('bisenet_ros.node.segmenter_node'),
                *('--ros-args', '--params-file', str(parameters)),
            ],
        )

    def _start_recorder(self) -> Process:
        drivable = self._label_space.ids_of(self._label_space.drivable)
        return self._processes.start(
            'recorder',
            [
                *_module('bisenet_ros.live.recorder'),
                str(self._recording.labels),
                '--classes',
                str(len(self._label_space)),
                '--drivable',
                *map(str, drivable),
                *(['--truth'] if self._source.has_truth else []),
            ],
        )

    def _start_camera(self) -> Process:
        view = self._demo.view
        return self._processes.start(
            'camera',
            [
                *_module('bisenet_ros.live.camera'),
                *(['--source', str(view.path)] if view.path is not None else []),
                f'--seconds={view.seconds}',
                f'--seed={view.seed}',
                '--size',
                *map(str, view.size),
                f'--rate={view.rate}',
                *(['--rendered', str(view.rendered)] if view.rendered is not None else []),
            ],
        )

    def _wait_for(self, name: str, seconds: float, culprit: Process) -> None:
        deadline = time.monotonic() + seconds
        while name not in self._heard:
            event = self._processes.next_event(deadline - time.monotonic())
            if event is None:
                raise culprit.failure(f'was not ready within {seconds:.0f} s')
            self._take(event)

    def _stream(self) -> None:
        recording = self._recording
        with _Display(self._source.frame_count) as display:
            while not ('end' in self._heard and recording.published[-1] in recording.received):
                timeout = LAST_FRAME_TIMEOUT if 'end' in self._heard else SILENCE_TIMEOUT
                event = self._processes.next_event(timeout)
                if event is not None:
                    self._take(event)
                    display.show(recording)
                elif 'end' in self._heard:
                    return  # the last frames were dropped
                else:
                    raise ProcessError(
                        f'nothing happened for {timeout:.0f} s; what the processes said is in '
                        f'{self._demo.output / "log"}'
                    )

    def _take(self, event: Mapping[str, Any]) -> None:
        recording = self._recording
        self._heard.add(event['event'])
        if event['event'] == 'published':
            recording.published.append(event['stamp'])
        elif event['event'] == 'segmented':
            recording.received[event['stamp']] = event['received']
        elif event['event'] == 'summary':
            recording.summary = dict(event)


class _Display:
    """The stream as it goes: a bar on a terminal, a line every ten seconds in a log."""

    def __init__(self, frame_count: int) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn('streaming'),
            BarColumn(),
            TextColumn('{task.fields[news]}'),
            console=notes,
            disable=not notes.is_terminal,
        )
        self._task: TaskID = self._progress.add_task('', total=frame_count or None, news='')
        self._start = time.monotonic()
        self._next_line = 10.0

    def show(self, recording: Recording) -> None:
        """Bring what is shown up to date."""
        received = recording.received
        if not received:
            return
        seconds = time.monotonic() - self._start
        newest = next(reversed(received))
        latency = 1e-6 * (received[newest] - newest)
        # The recorder's word of a frame may come before the camera's.
        dropped = max(0, bisect_right(recording.published, newest) - len(received))
        news = (
            f'{len(received)} frames, {len(received) / max(seconds, 1e-3):.1f} FPS, '
            f'latency {latency:.0f} ms, {dropped} dropped'
        )
        self._progress.update(self._task, completed=len(recording.published), news=news)
        if self._progress.disable and seconds >= self._next_line:
            self._next_line += 10.0
            notes.print(news, markup=False)

    def __enter__(self) -> _Display:
        if self._progress.disable:
            notes.print('streaming')
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _module(name: str) -> list[str]:
    return [sys.executable, '-m', name]
