# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Starts processes, receives their events, and ends them together."""

from __future__ import annotations

import queue
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any

from bisenet_ros.errors import UserError
from bisenet_ros.live.events import BAD_INPUT, Event, parse
from bisenet_ros.node.large_images import use_profile


class ProcessError(Exception):
    """A process failed; one line that says which and why."""


@dataclass(frozen=True)
class _Exit:
    code: int


class Process:
    """One process: its events from standard output, everything else it says in a log file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        events: queue.Queue[tuple[Process, Event | _Exit]],
    ) -> None:
        self.name = name
        self.ending = False
        self._log_path = log
        self._events = events
        self._log: IO[bytes] = log.open('wb')
        # In a session of its own, so that Ctrl-C reaches the one who ends them in order.
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input = self._process.stdin
        self._output = self._process.stdout
        self._listener = threading.Thread(target=self._listen, name=name)
        self._listener.start()

    def _listen(self) -> None:
        for line in self._output:
            event = parse(line.decode(errors='replace'))
            if event is not None:
                self._events.put((self, event))
            else:
                self._log.write(line)
                self._log.flush()
        self._events.put((self, _Exit(self._process.wait())))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def tell(self, line: str) -> None:
        """Write a line to its standard input; nothing happens where it has ended."""
        with suppress(BrokenPipeError):
            self._input.write(f'{line}\n'.encode())
            self._input.flush()

    def interrupt(self) -> None:
        """Ask it to end."""
        self.ending = True
        self._process.send_signal(signal.SIGINT)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, all it said been heard, within a time."""
        self._listener.join(seconds)
        return not self._listener.is_alive()

    def close(self) -> None:
        """Make sure that it has ended."""
        self._process.kill()
        self._listener.join()
        with suppress(BrokenPipeError):  # what it was told and did not read
            self._input.close()
        self._output.close()
        self._log.close()

    def failure(self, what: str) -> ProcessError:
        """What went wrong, with the reason that it gave itself."""
        return ProcessError(
            f'the {self.name} {what}: {self.reason()} (all it said: {self._log_path})'
        )

    def reason(self) -> str:
        """The last error that it told of, else the last that it said."""
        log = self._log_path.read_text(errors='replace')
        lines = [line.strip() for line in log.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith(('[ERROR]', '[FATAL]'))]
        last = (errors or lines or ['it said nothing'])[-1]
        return re.sub(r'^\[[A-Z]+\] ', '', last)


class Processes:
    """Starts processes of one DDS domain and hears them; a context that ends them all.

    Args:
        environment: What they all get.
        logs: A folder for NAME.log.
        patience: Seconds that a process has to end after it was asked to.
    """

    def __init__(self, environment: Mapping[str, str], logs: Path, patience: float = 10.0) -> None:
        self._environment = environment
        self._logs = logs
        self._patience = patience
        self._events: queue.Queue[tuple[Process, Event | _Exit]] = queue.Queue()
        self._processes: list[Process] = []

    def start(self, name: str, command: Sequence[str]) -> Process:
        """Start a process."""
        log = self._logs / f'{name}.log'
        process = Process(name, command, self._environment, log, self._events)
        self._processes.append(process)
        return process

    def next_event(self, seconds: float) -> Event | None:
        """The next event of any process; None when there is none in time.

        Raises:
            UserError: A process could not use what it was given.
            ProcessError: A process has ended that was not asked to, or not well.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                process, event = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return None
            if not isinstance(event, _Exit):
                return event
            if event.code == BAD_INPUT:
                raise UserError(process.reason())
            if event.code != 0 or not process.ending:
                raise process.failure(f'ended with exit code {event.code}')

    def end(self, process: Process) -> list[Event]:
        """End a process in order; the events that it had left to say.

        Raises:
            ProcessError: It did not end in time, or not well.
        """
        process.interrupt()
        if not process.wait(self._patience):
            raise process.failure(f'did not end within {self._patience:.0f} s')
        return list(self.pending_events())

    def pending_events(self) -> Iterator[Event]:
        """The events that are there already; see `next_event`."""
        while (event := self.next_event(0.0)) is not None:
            yield event

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *exception: Any) -> None:
        try:
            for process in self._processes:
                process.interrupt()
            deadline = time.monotonic() + self._patience
            for process in self._processes:
                process.wait(max(0.0, deadline - time.monotonic()))
        finally:
            for process in self._processes:
                process.close()


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind as Ctrl-C does, so that no process is left behind."""

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ros_environment(environment: Mapping[str, str], logs: Path) -> dict[str, str]:
    """An environment whose ROS nodes see each other and nobody else: no vehicle, no other graph.

    Args:
        environment: What this process was started with.
        logs: A folder for ROS's own log files.
    """
    isolated = dict(environment)
    for elsewhere in ('ROS_DISCOVERY_SERVER', 'ROS_LOCALHOST_ONLY', 'ROS_STATIC_PEERS'):
        isolated.pop(elsewhere, None)
    if environment.get('ROS_DISTRO') == 'humble':
        isolated['ROS_LOCALHOST_ONLY'] = '1'
    else:
        isolated['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    isolated['ROS_DOMAIN_ID'] = str(_free_domain(taken=environment.get('ROS_DOMAIN_ID')))
    isolated['ROS_LOG_DIR'] = str(logs)
    isolated['RCUTILS_COLORIZED_OUTPUT'] = '0'
    isolated['RCUTILS_CONSOLE_OUTPUT_FORMAT'] = '[{severity}] {message}'
    isolated['PYTHONUNBUFFERED'] = '1'
    # Threads of the network that spin while they wait would take the camera's time.
    isolated.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
    use_profile(isolated)
    return isolated


def _free_domain(taken: str | None) -> int:
    """A DDS domain in which no participant of this machine is, the user's own left out.

    The first participant of domain D listens on UDP port 7410 + 250 D.
    """
    # Domains above 101 use ports that Linux gives to outgoing connections. In random order, as two
    # graphs that start at the same time see the same domains free.
    for domain in random.sample(range(1, 102), 101):
        if str(domain) == taken:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(('0.0.0.0', 7410 + 250 * domain))  # noqa: S104, as DDS does
            except OSError:
                continue
            return domain
    raise ProcessError('all DDS domains of this machine are in use')
