# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags spread over processes of this machine, one segmenter each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import cast

import torch

from bisenet_ros.errors import UserError
from bisenet_ros.replay.many.jobs import Job, Outcome, Progress, Refusal, ReplayOptions

CORES_PER_WORKER = 2
"""Network and figures take turns; the network makes use of a second core."""

WORKERS_PER_GPU = 4
"""With more, a GPU is no busier: what a replay does beside the network is done by cores."""

_PATIENCE = 10.0  # seconds that a process has to end in order


def evaluate_bags(
    jobs: Sequence[Job], options: ReplayOptions, workers: int | None
) -> Generator[Progress | Outcome]:
    """Evaluate bags in processes of their own; what happens, as it happens.

    A process that dies takes one bag with it, whose outcome says so, and is replaced.

    Args:
        jobs: The bags, in the order in which they are begun.
        options: How; `threads` is chosen here, by how many cores a process has. Several GPUs are
            shared out unless one is named.
        workers: How many processes there are, at most; None for what suits this machine.

    Raises:
        UserError: The options cannot be used.
    """
    waiting = deque(jobs)
    cores = len(os.sched_getaffinity(0))
    workers = min(workers or _default_workers(cores, options.settings.device), len(jobs))
    devices = _devices(options.settings.device)
    threads = max(1, cores // workers)
    pool = [
        _Worker(
            replace(
                options,
                settings=replace(options.settings, device=devices[index % len(devices)]),
                threads=threads,
            )
        )
        for index in range(workers)
    ]
    try:
        for worker in pool:
            worker.begin(waiting.popleft())
        while busy := {worker.connection: worker for worker in pool if worker.job is not None}:
            readable = cast('list[Connection]', wait(list(busy)))
            for worker in [busy[connection] for connection in readable]:
                event = worker.receive()
                yield event
                if isinstance(event, Outcome) and waiting:
                    worker.begin(waiting.popleft())
    finally:
        for worker in pool:
            worker.interrupt()
        for worker in pool:
            worker.end()


class _Worker:
    """One process, or the next one after it died.

    Attributes:
        connection: To the process; readable when there is news.
        job: What it does; None while it waits for work.

    Args:
        options: What it is to use.
    """

    def __init__(self, options: ReplayOptions) -> None:
        self._options = options
        self.job: Job | None = None
        self._start()

    def begin(self, job: Job) -> None:
        """Give it a bag."""
        self.job = job
        if self._process.poll() is not None:
            self.end()
            self._start()
        self._send(job)

    def receive(self) -> Progress | Outcome:
        """The news of its bag.

        Raises:
            UserError: The options cannot be used.
        """
        assert self.job is not None
        try:
            news: Progress | Outcome | Refusal = self.connection.recv()
        except (EOFError, ConnectionError):
            news = Outcome(self.job, None, f'its process {_end_of(self._process.wait())}')
        if isinstance(news, Refusal):
            raise UserError(news.reason)
        if isinstance(news, Outcome):
            self.job = None
        return news

    def interrupt(self) -> None:
        """Ask it to end."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """Make sure that it has ended."""
        self.connection.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> None:
        self.connection, theirs = Pipe()
        with theirs:
            # In a session of its own, so that Ctrl-C reaches the one who ends it in order.
            self._process = subprocess.Popen(
                [sys.executable, '-m', 'bisenet_ros.replay.many.worker', str(theirs.fileno())],
                env={'OMP_NUM_THREADS': str(self._options.threads), **os.environ},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._send(self._options)

    def _send(self, what: ReplayOptions | Job) -> None:
        with suppress(ConnectionError):  # `receive` tells of a process that has died
            self.connection.send(what)


def _default_workers(cores: int, device: str) -> int:
    """How many processes suit this machine, as far as cores and GPUs go round."""
    limit = max(1, cores // CORES_PER_WORKER)
    if device != 'cpu' and torch.cuda.is_available():
        limit = min(limit, WORKERS_PER_GPU * torch.cuda.device_count())
    return limit


def _devices(device: str) -> list[str]:
    """The devices that processes take in turn."""
    if device in ('auto', 'cuda') and torch.cuda.device_count() > 1:
        return [f'cuda:{index}' for index in range(torch.cuda.device_count())]
    return [device]


def _end_of(code: int) -> str:
    """How a process ended, in a sentence."""
    if code < 0:
        return f'was ended by {signal.Signals(-code).name} (out of memory?)'
    return f'ended with exit code {code}'
