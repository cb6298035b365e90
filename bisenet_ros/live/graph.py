# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A ROS graph of node, player and recorder, isolated from other DDS participants."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bisenet_ros.bag.recorded_outputs import Publication, write_publications
from bisenet_ros.ego_mask import EgoMask, load_ego_masks
from bisenet_ros.errors import UserError, check_utf8
from bisenet_ros.live.events import Event
from bisenet_ros.live.processes import (
    Process,
    ProcessError,
    Processes,
    node_command,
    ros_environment,
)
from bisenet_ros.live.sources import Source, open_source
from bisenet_ros.parameter_file import write_parameters
from bisenet_ros.recorded_cameras import settings_for_recorded
from bisenet_ros.settings import Settings

START_TIMEOUT = 120.0
"""Seconds for the node to load its network and publish its first output."""

LAST_OUTPUT_TIMEOUT = 5.0
"""Seconds without an output, in addition to the period of `max_rate`, after which the remaining
frames are considered dropped."""

_LISTENING_PERIOD = 60.0  # seconds; also the longest wait without any event


def require_ros(folder: Path) -> None:
    """Checks that ROS 2 is installed, and that it can read files in a folder.

    Raises:
        UserError: ROS 2 is not installed, or the path of the folder is not UTF-8.
    """
    if importlib.util.find_spec('rclpy') is None:
        raise UserError(
            'ROS 2 is not available: source /opt/ros/DISTRO/setup.bash, or run `make install` in '
            'the repository and use .venv/bin/bisenet'
        )
    check_utf8(folder, 'ROS')


def run_graph(
    source: Source,
    settings: Settings,
    folder: Path,
    logs: Path,
    *,
    rate: float = 1.0,
    restamp: bool = False,
    on_event: Callable[[Event], None],
) -> str:
    """Starts a node, plays frames to it, records its outputs, and stops all processes.

    Playing starts when the recorder has received an output for each camera. Afterwards,
    `RecordedOutputs` can read the folder.

    Args:
        source: The source of the frames.
        settings: The node's settings. Those of single cameras apply to the matching cameras of the
            source. Those that depend on the source or the graph are overridden: `cameras`,
            `transport`, `image_reliability` and `autostart`.
        folder: A temporary folder.
        logs: A folder for the output of the processes.
        rate: Playback speed, relative to the recording.
        restamp: Stamp frames with the time of their publication, instead of their own stamps.
        on_event: Called with each event: `playing` when all processes are ready, `published` for
            each frame and `segmented` for each output, in order of arrival.

    Returns:
        How processes failed to end after all outputs were recorded; empty if all ended properly.

    Raises:
        UserError: An argument is invalid, or ROS 2 is not installed.
        ProcessError: A process failed.
    """
    require_ros(folder)
    frames = open_source(source)
    transports = {camera.compressed for camera in frames.cameras}
    if len(transports) > 1:
        raise UserError(
            f'{source.path} has raw and compressed images, but a node takes only one of them: '
            'choose a camera with --image-topic'
        )
    cameras = {camera.name: camera.image_topic for camera in frames.cameras}
    parameter_file = folder / 'parameters.yaml'
    settings = settings_for_recorded(settings, cameras).changed(
        {
            'cameras': tuple(cameras),
            'transport': 'compressed' if transports == {True} else 'raw',
            'image_reliability': 'auto',
            'autostart': True,
        }
    )
    write_parameters(parameter_file, {**settings.values(), 'use_sim_time': False})
    ego_masks = load_ego_masks({name: settings.for_camera(name).ego_mask for name in cameras})
    with (
        ros_environment(os.environ, folder) as environment,
        Processes(environment, logs) as processes,
    ):
        segmenter = processes.start('segmenter', node_command('--params-file', str(parameter_file)))
        recorder = processes.start(
            'recorder',
            [*_module('bisenet_ros.live.recorder'), str(folder), '--cameras', *cameras],
        )
        player = processes.start('player', _player_command(source, rate, restamp=restamp))
        _await_outputs(processes, player, segmenter, ego_masks)
        player.tell('play')
        on_event({'event': 'playing'})
        published = _listen(processes, _patience(settings.max_rate), on_event)
        # First, so that nothing is recorded while the others shut down.
        processes.finish(recorder, 'recorded')
        write_publications(folder, published)
        # All is written. Fast DDS may hang when processes leave: docs/troubleshooting.md.
        problems = []
        for process in (recorder, player, segmenter):
            try:
                processes.end(process)
            except ProcessError as error:
                problems.append(str(error))
    return '; '.join(problems)


def _player_command(source: Source, rate: float, *, restamp: bool) -> list[str]:
    return [
        *_module('bisenet_ros.live.player'),
        str(source.path),
        *_option('image-topic', source.image_topic),
        *_option('labels-topic', source.labels_topic),
        f'--seconds={source.seconds}',
        f'--rate={rate}',
        *(['--restamp'] if restamp else []),
    ]


def _await_outputs(
    processes: Processes,
    player: Process,
    segmenter: Process,
    ego_masks: Mapping[str, EgoMask],
) -> None:
    """Waits until the player is ready, and an output for each of its cameras was recorded.

    Args:
        processes: The processes of the graph.
        player: Plays the frames.
        segmenter: Segments them.
        ego_masks: The node's masks by camera.

    Raises:
        ProcessError: A process failed, or did not answer in time.
        ImageError: The node will refuse every image of a camera because of its mask.
    """
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
            for camera in awaited & ego_masks.keys():
                width, height = event['cameras'][camera]
                ego_masks[camera].check((width, height))
        elif event['event'] == 'segmented':
            answering.add(event['camera'])


def _listen(
    processes: Processes, patience: float, on_event: Callable[[Event], None]
) -> list[Publication]:
    """Processes events until the last frames' outputs arrived; returns the published frames."""
    published: list[Publication] = []
    last: dict[str, int] = {}  # stamps by camera
    segmented: dict[str, int] = {}
    ended = False
    while not (ended and last == segmented):
        event = processes.next_event(patience if ended else _LISTENING_PERIOD)
        if event is None:
            if ended:
                break  # the last frames were dropped
            continue  # a long gap between two frames
        if event['event'] == 'end':
            ended = True
        elif event['event'] == 'published':
            published.append(Publication(event['camera'], event['stamp'], event['time']))
            last[event['camera']] = event['stamp']
        elif event['event'] == 'segmented':
            segmented[event['camera']] = event['stamp']
        on_event(event)
    return published


def _patience(max_rate: float) -> float:
    """Returns the seconds to wait for further outputs after the last frame."""
    period = 1 / max_rate if max_rate > 0 else 0.0
    return min(LAST_OUTPUT_TIMEOUT + period, threading.TIMEOUT_MAX)


def _module(name: str) -> list[str]:
    return [sys.executable, '-m', name]


def _option(name: str, value: str | None) -> list[str]:
    return [] if value is None else [f'--{name}={value}']
