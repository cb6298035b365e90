# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the lifecycle node as a process: ROS, signals and exit codes."""

from __future__ import annotations

import faulthandler
import os
import sys
from concurrent.futures import Future

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.signals import SignalHandlerOptions

from bisenet_ros.engine.device_failure import DeviceLostError
from bisenet_ros.errors import BAD_INPUT, UserError
from bisenet_ros.node import large_images
from bisenet_ros.node.ending import end_in_time
from bisenet_ros.node.lifecycle_node import SegmenterNode
from bisenet_ros.node.loader import Loader
from bisenet_ros.signals import on_stop_signal

DEVICE_LOST = 1
"""Exit code if only a new process can use the device."""


def run() -> int:
    """Runs the node until it is asked to end; returns the exit code."""
    faulthandler.enable()  # prints a traceback if the process crashes
    large_images.use_profile(os.environ)
    shortage = large_images.shortage(large_images.free_shared_memory(), os.environ)
    ended: Future[None] = Future()
    loader = Loader()
    with on_stop_signal(lambda: end_in_time(ended)):
        try:
            rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        except RuntimeError as error:
            # rclpy's own text may be a list of arguments alone, or "error not set".
            print(
                f'segmenter_node: ROS 2 does not start: {error}. Check the arguments after'
                ' --ros-args, and the environment variables ROS_* and HOME (logs go there unless'
                ' ROS_LOG_DIR is set)',
                file=sys.stderr,
            )
            return BAD_INPUT
        if shortage is not None:
            get_logger('segmenter').warning(shortage)
        try:
            code = _run(ended, loader)
        finally:
            loader.close()
            rclpy.shutdown()
    if loader.busy or code == DEVICE_LOST:
        # At exit, Python would wait for the loader's thread, which cannot be cancelled. And torch
        # aborts the process when it frees page-locked memory of a device that is lost.
        os._exit(code)
    return code


def _run(ended: Future[None], loader: Loader) -> int:
    try:
        node = SegmenterNode(ended, loader)
    except (UserError, ParameterException) as error:  # the latter from rclpy
        get_logger('segmenter').error(str(error))
        return BAD_INPUT
    executor = SingleThreadedExecutor()
    try:
        executor.add_node(node)
        if node.autostart and not node.start() and not ended.done():
            return BAD_INPUT
        # Not spin_until_future_complete: up to Jazzy, each round of it adds a callback to `ended`.
        ended.add_done_callback(lambda _: executor.create_task(lambda: None))
        while not ended.done():
            executor.spin_once()
        ended.result()
        return 0
    except DeviceLostError as error:
        get_logger('segmenter').fatal(str(error))
        return DEVICE_LOST
    finally:
        executor.shutdown(timeout_sec=0)  # Humble would wait for a reload that nothing resumes
        node.destroy_node()
