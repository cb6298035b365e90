# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A process that evaluates the bags that it is told to, until nobody tells it any more.

    python3 -m bisenet_ros.replay.many.worker FD

FD is one end of a pipe. `ReplayOptions` come first, then one `Job` at a time; back go `Progress`
and an `Outcome` for each job. Options that cannot be used are a `Refusal`.
"""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection

from bisenet_ros.errors import UserError
from bisenet_ros.malloc_tuning import prepare_process
from bisenet_ros.replay.many.jobs import Job, Refusal, ReplayOptions


def serve(connection: Connection) -> None:
    """Evaluate bags until the other end is closed.

    Raises:
        BrokenPipeError: The other end was closed while a bag was evaluated.
    """
    prepare_process()
    from bisenet_ros.replay.many.bag_evaluator import BagEvaluator  # and with it torch

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
    """The process; its exit code."""
    try:
        with Connection(int(sys.argv[1])) as connection:
            serve(connection)
    except (BrokenPipeError, KeyboardInterrupt):
        return 130  # nobody wants the results any more
    return 0


if __name__ == '__main__':
    sys.exit(main())
