# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluates bags in processes on this machine, one segmenter each."""

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
"""Network and metrics run in turn; only the network uses the second core."""

WORKERS_PER_GPU = 4
"""More processes do not keep a GPU busier: the rest of a replay runs on the CPU."""

_PATIENCE = 10.0  # seconds for a process to end by itself


def evaluate_bags(
    jobs: Sequence[Job], options: ReplayOptions, workers: int | None
) -> Generator[Progress | Outcome]:
    """Evaluates bags in child processes; yields progress and outcomes as they happen.

    If a process dies, the outcome of its bag says so, and the process is replaced.

    Args:
        jobs: The bags, in the order in which they are started.
        options: How to evaluate them; `threads` is set here, to the cores of a process. Processes
            are spread over all GPUs unless one is named.
        workers: Maximum number of processes; None chooses by cores and GPUs.

    Raises:
        UserError: The options are invalid.
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
    """A process, restarted if it dies.

    Attributes:
        connection: Pipe to the process; readable when there is a message.
        job: Its current job; None while it is idle.

    Args:
        options: How to evaluate bags.
    """

    def __init__(self, options: ReplayOptions) -> None:
        self._options = options
        self.job: Job | None = None
        self._start()

    def begin(self, job: Job) -> None:
        """Sends a job."""
        self.job = job
        if self._process.poll() is not None:
            self.end()
            self._start()
        self._send(job)

    def receive(self) -> Progress | Outcome:
        """Returns the next message about the current job.

        Raises:
            UserError: The options are invalid.
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
        """Asks the process to end."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """Waits for the process to end, and kills it if it does not."""
        self.connection.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> None:
        self.connection, theirs = Pipe()
        with theirs:
            # In a new session, so that Ctrl-C reaches only the parent, which then ends the process.
            self._process = subprocess.Popen(
                [sys.executable, '-m', 'bisenet_ros.replay.many.worker', str(theirs.fileno())],
                env={'OMP_NUM_THREADS': str(self._options.threads), **os.environ},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._send(self._options)

    def _send(self, what: ReplayOptions | Job) -> None:
        with suppress(ConnectionError):  # `receive` reports a process that died
            self.connection.send(what)


def _default_workers(cores: int, device: str) -> int:
    """Returns the number of processes for the cores and GPUs of this machine."""
    limit = max(1, cores // CORES_PER_WORKER)
    if device != 'cpu' and torch.cuda.is_available():
        limit = min(limit, WORKERS_PER_GPU * torch.cuda.device_count())
    return limit


def _devices(device: str) -> list[str]:
    """Returns the devices to which processes are assigned in turn."""
    if device in ('auto', 'cuda') and torch.cuda.device_count() > 1:
        return [f'cuda:{index}' for index in range(torch.cuda.device_count())]
    return [device]


def _end_of(code: int) -> str:
    """Describes how a process ended, as the end of a sentence."""
    if code == -signal.SIGKILL:
        return 'was ended by SIGKILL (out of memory?)'
    if code < 0:
        return f'was ended by {signal.Signals(-code).name}'
    return f'ended with exit code {code}'
