# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A ROS graph of ours: node, player and recorder, which see each other on DDS and nobody else."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bisenet_ros.bag.recorded_outputs import Publication, write_publications
from bisenet_ros.errors import UserError
from bisenet_ros.live.events import Event
from bisenet_ros.live.processes import Processes, ended_by_signals, ros_environment
from bisenet_ros.live.sources import Source, open_source
from bisenet_ros.parameter_file import write_parameters
from bisenet_ros.settings import values_for_recorded

START_TIMEOUT = 120.0
"""Seconds for the node to load its network and to answer for the first time."""

LAST_OUTPUT_TIMEOUT = 5.0
"""Seconds without an output, beside the time that `max_rate` asks for, after which the frames that
are left are taken for dropped."""

_LISTENING_PERIOD = 60.0  # seconds; without news of a process it goes on, too


def require_ros() -> None:
    """Check that there is a ROS 2.

    Raises:
        UserError: There is none.
    """
    if importlib.util.find_spec('rclpy') is None:
        raise UserError(
            'this runs on ROS 2, which is not here: source a ROS 2, or let `make install` in this'
            ' project set up an environment with one'
        )


def run_graph(
    source: Source,
    parameters: Mapping[str, object],
    folder: Path,
    logs: Path,
    *,
    rate: float = 1.0,
    restamp: bool = False,
    hear: Callable[[Event], None],
) -> None:
    """Start a node, play to it and record its outputs, and end all in order.

    Nothing is played until the node has answered a frame of each camera, and the recorder has
    heard it. `RecordedOutputs` reads what is in the folder then.

    Args:
        source: What is played.
        parameters: The node's, of which each camera of the source has those of the camera that it
            is; what has to fit the source and the graph is set here: `cameras`,
            `transport`, `image_reliability`, `autostart` and `use_sim_time`.
        folder: A temporary folder.
        logs: A folder for what the processes say.
        rate: How many times as fast as it was recorded.
        restamp: Whether frames carry the time of their publication, instead of their own stamps.
        hear: Told of events: `playing` when all is there, then `published` for each frame and
            `segmented` for each output, in the order in which they are heard.

    Raises:
        UserError: Something that was given cannot be used, or ROS 2 is not installed.
        ProcessError: A process failed.
    """
    require_ros()
    frames = open_source(source)
    transports = {camera.compressed for camera in frames.cameras}
    if len(transports) > 1:
        raise UserError(
            f'{source.path}: a node takes its images raw or compressed, and this bag has both: '
            'name a camera with --image-topic'
        )
    cameras = {camera.name: camera.image_topic for camera in frames.cameras}
    parameter_file = folder / 'parameters.yaml'
    write_parameters(
        parameter_file,
        {
            **values_for_recorded(parameters, cameras),
            'transport': 'compressed' if transports == {True} else 'raw',
            'image_reliability': 'auto',
            'autostart': True,
            'use_sim_time': False,
        },
    )
    environment = ros_environment(os.environ, folder)
    with ended_by_signals(), Processes(environment, logs) as processes:
        segmenter = processes.start(
            'segmenter',
            [
                *_module('bisenet_ros.node.segmenter_node'),
                *('--ros-args', '--params-file', str(parameter_file)),
            ],
        )
        recorder = processes.start(
            'recorder',
            [*_module('bisenet_ros.live.recorder'), str(folder), '--cameras', *cameras],
        )
        player = processes.start(
            'player',
            [
                *_module('bisenet_ros.live.player'),
                str(source.path),
                *_option('image-topic', source.image_topic),
                *_option('labels-topic', source.labels_topic),
                f'--seconds={source.seconds}',
                f'--rate={rate}',
                *(['--restamp'] if restamp else []),
            ],
        )
        awaited = None
        answering: set[str] = set()
        deadline = time.monotonic() + START_TIMEOUT
        while awaited is None or not awaited <= answering:
            event = processes.next_event(deadline - time.monotonic())
            if event is None:
                slow = player if awaited is None else segmenter
                raise slow.failure(f'did not answer within {START_TIMEOUT:.0f} s')
            if event['event'] == 'ready':
                awaited = set(event['cameras'])
            elif event['event'] == 'segmented':
                answering.add(event['camera'])
        player.tell('play')
        hear({'event': 'playing'})
        published = _listen(processes, _patience(parameters), hear)
        # The recorder first: what it records must not change any more.
        for process in (recorder, player, segmenter):
            processes.end(process)
    write_publications(folder, published)


def _listen(
    processes: Processes, patience: float, hear: Callable[[Event], None]
) -> list[Publication]:
    """Hear what is said until the outputs of the last frames are there; the frames."""
    published: list[Publication] = []
    last: dict[str, int] = {}  # stamps by camera
    segmented: dict[str, int] = {}
    ended = False
    while not (ended and last == segmented):
        event = processes.next_event(patience if ended else _LISTENING_PERIOD)
        if event is None:
            if ended:
                break  # the last frames were dropped
            continue  # a long time between two frames
        if event['event'] == 'end':
            ended = True
        elif event['event'] == 'published':
            published.append(Publication(event['camera'], event['stamp'], event['time']))
            last[event['camera']] = event['stamp']
        elif event['event'] == 'segmented':
            segmented[event['camera']] = event['stamp']
        hear(event)
    return published


def _patience(parameters: Mapping[str, object]) -> float:
    """Seconds for which the next output is awaited after the last frame."""
    rate = parameters.get('max_rate')
    return LAST_OUTPUT_TIMEOUT + (1 / rate if isinstance(rate, (int, float)) and rate > 0 else 0)


def _module(name: str) -> list[str]:
    return [sys.executable, '-m', name]


def _option(name: str, value: str | None) -> list[str]:
    return [] if value is None else [f'--{name}={value}']
