# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A node and a player of a bag: two processes that see each other on DDS and nobody else."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bisenet_ros.bag.reader import ReplayBag
from bisenet_ros.checkpoint import resolve_weights
from bisenet_ros.errors import UserError
from bisenet_ros.live.events import Event
from bisenet_ros.live.processes import Process, Processes, ended_by_signals, ros_environment
from bisenet_ros.parameter_file import write_parameters
from bisenet_ros.settings import Settings

START_TIMEOUT = 120.0
"""Seconds for the node to load its network and to answer for the first time."""

_LISTENING_PERIOD = 60.0  # seconds; without news of a process it goes on, too


def play_live(
    bag: ReplayBag,
    folder: Path,
    logs: Path,
    *,
    rate: float,
    image_topic: str | None,
    labels_topic: str | None,
    settings: Settings,
    advance: Callable[[], None],
) -> None:
    """Start a node, play a bag to it, and end both.

    Args:
        bag: What is played.
        folder: A temporary folder; `Answers` reads what is in it then.
        logs: A folder for what the processes say.
        rate: How many times as fast as it was recorded.
        image_topic: What the bag was opened with, as the next.
        labels_topic: Not published, but no camera's picture either.
        settings: The node's parameters; cameras and transport are the bag's.
        advance: Called after every frame.

    Raises:
        UserError: Something that was given cannot be used, or ROS 2 is not installed.
        ProcessError: A process failed.
    """
    if importlib.util.find_spec('rclpy') is None:
        raise UserError(
            'a live replay runs on ROS 2, which is not here: source a ROS 2, or '
            "pip install 'bisenet_ros[ros]'"
        )
    transports = {camera.compressed for camera in bag.cameras}
    if len(transports) > 1:
        raise UserError(
            f'{bag.path}: a node takes its images raw or compressed, and this bag has both: name '
            'a camera with --image-topic'
        )
    parameters = folder / 'parameters.yaml'
    write_parameters(
        parameters,
        {
            **vars(settings),
            'weights': str(resolve_weights(settings.weights).absolute()),
            'cameras': tuple(camera.name for camera in bag.cameras),
            'transport': 'compressed' if transports == {True} else 'raw',
            'autostart': True,
        },
    )
    environment = ros_environment(os.environ, folder)
    with ended_by_signals(), Processes(environment, logs) as processes:
        segmenter = processes.start(
            'segmenter',
            [
                *_module('bisenet_ros.node.segmenter_node'),
                *('--ros-args', '--params-file', str(parameters)),
            ],
        )
        player = processes.start(
            'player',
            [
                *_module('bisenet_ros.live.player'),
                str(bag.path),
                str(folder),
                f'--rate={rate}',
                *([] if image_topic is None else [f'--image-topic={image_topic}']),
                *([] if labels_topic is None else [f'--labels-topic={labels_topic}']),
            ],
        )
        _wait_for_ready(processes, segmenter)
        while (event := _next_event(processes))['event'] != 'end':
            if event['event'] == 'published':
                advance()
        for process in (player, segmenter):
            processes.end(process)


def _wait_for_ready(processes: Processes, segmenter: Process) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    event = processes.next_event(START_TIMEOUT)
    while event is None or event['event'] != 'ready':
        if event is None:
            raise segmenter.failure(f'did not answer within {START_TIMEOUT:.0f} s')
        event = processes.next_event(deadline - time.monotonic())


def _next_event(processes: Processes) -> Event:
    while (event := processes.next_event(_LISTENING_PERIOD)) is None:
        pass  # a long time between two frames
    return event


def _module(name: str) -> list[str]:
    return [sys.executable, '-m', name]
