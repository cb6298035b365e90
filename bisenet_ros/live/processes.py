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
from typing import IO, Any

from bisenet_ros.errors import BAD_INPUT, UserError
from bisenet_ros.live.events import Event, parse
from bisenet_ros.node.large_images import use_profile

_ERRORS = ('[ERROR]', '[FATAL]', 'Fatal Python error:', 'Timeout (')
"""Beginnings of errors in a log. The last two are faulthandler's, before its traceback."""


class ProcessError(Exception):
    """A process failed; the message says in one line which and why."""


@dataclass(frozen=True)
class _Exit:
    code: int


class Process:
    """One process; its events come from standard output, all other output goes to a log file."""

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
        # In its own session, so that Ctrl-C reaches only the parent, which ends them in order.
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
        """Writes a line to its standard input; does nothing if the process has ended."""
        with suppress(BrokenPipeError):
            self._input.write(f'{line}\n'.encode())
            self._input.flush()

    def interrupt(self) -> None:
        """Asks the process to end, once."""
        if not self.ending:
            self.ending = True
            self._process.send_signal(signal.SIGINT)

    def wait(self, seconds: float) -> bool:
        """Waits up to `seconds`; returns whether the process has ended and its output was read."""
        self._listener.join(seconds)
        return not self._listener.is_alive()

    def close(self) -> None:
        """Kills the process if it still runs, and closes its files."""
        self._process.kill()
        self._listener.join()
        with suppress(BrokenPipeError):  # input that the process did not read
            self._input.close()
        self._output.close()
        self._log.close()

    def failure(self, what: str) -> ProcessError:
        """Creates an error with the reason from the process's own output."""
        return ProcessError(f'the {self.name} {what}: {self.reason()} (log: {self._log_path})')

    def reason(self) -> str:
        """Returns the last error in its log, else the last line."""
        log = self._log_path.read_text(errors='replace')
        lines = [line.strip() for line in log.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith(_ERRORS)]
        last = (errors or lines or ['no output'])[-1]
        return re.sub(r'^\[[A-Z]+\] ', '', last)


class Processes:
    """Starts processes and receives their events; a context manager that ends them all.

    Args:
        environment: Environment variables of all processes.
        logs: A folder for the log files NAME.log.
        patience: Seconds that a process may take to end.
    """

    def __init__(self, environment: Mapping[str, str], logs: Path, patience: float = 10.0) -> None:
        self._environment = environment
        self._logs = logs
        self._patience = patience
        self._events: queue.Queue[tuple[Process, Event | _Exit]] = queue.Queue()
        self._processes: list[Process] = []

    def start(self, name: str, command: Sequence[str]) -> Process:
        """Starts a process."""
        log = self._logs / f'{name}.log'
        process = Process(name, command, self._environment, log, self._events)
        self._processes.append(process)
        return process

    def next_event(self, seconds: float) -> Event | None:
        """Returns the next event of any process; None if there is none in time.

        Raises:
            UserError: A process reported bad input.
            ProcessError: A process ended by itself, or with an error.
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

    def finish(self, process: Process, last: str) -> None:
        """Asks a process to end, and waits for its last event; other events are dropped.

        Raises:
            UserError: A process reported bad input.
            ProcessError: The event did not come in time, or a process ended with an error.
        """
        process.interrupt()
        deadline = time.monotonic() + self._patience
        while (event := self.next_event(deadline - time.monotonic())) is not None:
            if event['event'] == last:
                return
        raise process.failure(f'did not finish within {self._patience:.0f} s')

    def end(self, process: Process) -> None:
        """Ends a process in order; events that have not been read are dropped.

        Raises:
            UserError: A process reported bad input.
            ProcessError: The process did not end in time, or a process ended with an error.
        """
        process.interrupt()
        if not process.wait(self._patience):
            raise process.failure(f'did not end within {self._patience:.0f} s')
        while self.next_event(0.0) is not None:
            pass

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


def node_command(*arguments: str, **parameters: object) -> list[str]:
    """Returns the command line of a segmenter node.

    Args:
        arguments: Arguments for ROS.
        parameters: Parameters of the node; a value is written as `str` writes it.
    """
    command = [sys.executable, '-m', 'bisenet_ros.node.segmenter_node', '--ros-args', *arguments]
    for name, value in parameters.items():
        command += ['-p', f'{name}:={value}']
    return command


@contextmanager
def ros_environment(environment: Mapping[str, str], logs: Path) -> Iterator[dict[str, str]]:
    """Yields an environment whose ROS nodes see only each other: no vehicle, no other graph.

    Args:
        environment: Environment variables of this process.
        logs: A folder for ROS's log files.

    Raises:
        ProcessError: Every DDS domain is in use.
    """
    isolated = dict(environment)
    for elsewhere in ('ROS_DISCOVERY_SERVER', 'ROS_LOCALHOST_ONLY', 'ROS_STATIC_PEERS'):
        isolated.pop(elsewhere, None)
    if environment.get('ROS_DISTRO') == 'humble':
        isolated['ROS_LOCALHOST_ONLY'] = '1'
    else:
        isolated['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    isolated['ROS_LOG_DIR'] = str(logs)
    isolated['RCUTILS_COLORIZED_OUTPUT'] = '0'
    isolated['RCUTILS_CONSOLE_OUTPUT_FORMAT'] = '[{severity}] {message}'
    isolated['PYTHONUNBUFFERED'] = '1'
    # Spinning threads of the network would take CPU time from the player.
    isolated.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
    use_profile(isolated)
    with _own_domain(taken=environment.get('ROS_DOMAIN_ID')) as domain:
        yield {**isolated, 'ROS_DOMAIN_ID': str(domain)}


@contextmanager
def _own_domain(taken: str | None) -> Iterator[int]:
    """Yields a DDS domain without a participant on this machine, other than the user's own.

    The first participant of domain D listens on UDP port 7410 + 250 D. Until it does, a socket in
    Linux's abstract namespace tells other graphs that the domain is taken.
    """
    # Low domains are what people choose for their robots. Domains above 101 use ports that Linux
    # gives to outgoing connections.
    for domain in random.sample(range(21, 102), 81):
        if str(domain) == taken:
            continue
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as claim,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe,
        ):
            try:
                claim.bind(f'\0bisenet_ros-domain-{domain}')
                probe.bind(('0.0.0.0', 7410 + 250 * domain))  # noqa: S104, as DDS does
            except OSError:
                continue
            probe.close()
            yield domain
            return
    raise ProcessError('all DDS domains of this machine are in use')
