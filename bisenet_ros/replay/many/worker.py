# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluates the bags that it receives, as a process, until the other end of the pipe closes.

    python3 -m bisenet_ros.replay.many.worker FD

FD is one end of a pipe. It receives `ReplayOptions`, then one `Job` at a time. It sends `Progress`
and one `Outcome` for each job, or a `Refusal` if the options are invalid.
"""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection

from bisenet_ros.errors import UserError
from bisenet_ros.process_tuning import prepare_process
from bisenet_ros.replay.many.jobs import Job, Refusal, ReplayOptions


def serve(connection: Connection) -> None:
    """Evaluates bags until the other end closes.

    Raises:
        BrokenPipeError: The other end closed while a bag was being evaluated.
    """
    prepare_process()
    from bisenet_ros.replay.many.bag_evaluator import BagEvaluator  # imports torch

    options: ReplayOptions = connection.recv()
    try:
        evaluator = BagEvaluator(options)
    except UserError as error:
        connection.send(Refusal(str(error)))
        return
    while True:
        try:
            job: Job = connection.recv()
        except EOFError:
            return
        connection.send(evaluator.evaluate(job, connection.send))


def main() -> int:
    """Runs the process; returns its exit code."""
    try:
        with Connection(int(sys.argv[1])) as connection:
            serve(connection)
    except (BrokenPipeError, KeyboardInterrupt):
        return 130  # the parent is gone
    return 0


if __name__ == '__main__':
    sys.exit(main())
