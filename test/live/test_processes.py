# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Processes are heard, fail loudly, and none is left behind."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from bisenet_ros.errors import UserError
from bisenet_ros.live.processes import Process, ProcessError, Processes, ros_environment

TIMEOUT = 90.0

WORKER = """
import signal, sys, threading
from bisenet_ros.live.events import emit
stop = threading.Event()
signal.signal(signal.SIGINT, lambda *_: stop.set())
emit('ready', number=7)
print('a line for people')
stop.wait()
emit('last')
"""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(os.environ, tmp_path) as processes:
        yield processes


def start(processes: Processes, code: str) -> Process:
    return processes.start('worker', [sys.executable, '-u', '-c', code])


def test_events_are_heard_and_the_rest_is_logged(processes: Processes, tmp_path: Path) -> None:
    worker = start(processes, WORKER)
    assert processes.next_event(TIMEOUT) == {'event': 'ready', 'number': 7}
    worker.interrupt()
    assert processes.next_event(TIMEOUT) == {'event': 'last'}
    assert worker.wait(TIMEOUT)
    assert processes.next_event(0.0) is None  # an end that was asked for is no failure
    assert (tmp_path / 'worker.log').read_text() == 'a line for people\n'


def test_a_process_finishes_with_its_last_event(processes: Processes) -> None:
    worker = start(processes, WORKER)
    processes.next_event(TIMEOUT)
    processes.finish(worker, 'last')
    processes.end(worker)
    assert worker.wait(0.0)


def test_a_process_that_hangs_when_it_is_to_end_is_a_failure(tmp_path: Path) -> None:
    with Processes(os.environ, tmp_path, patience=0.5) as processes:
        worker = start(processes, WORKER + 'threading.Event().wait()')
        processes.next_event(TIMEOUT)
        with pytest.raises(ProcessError, match='the worker did not end within 0 s'):
            processes.end(worker)


def test_a_process_that_does_not_finish_is_a_failure(tmp_path: Path) -> None:
    with Processes(os.environ, tmp_path, patience=0.5) as processes:
        worker = start(processes, WORKER)
        processes.next_event(TIMEOUT)
        with pytest.raises(ProcessError, match='the worker did not finish within 0 s'):
            processes.finish(worker, 'another')


def test_a_process_can_be_told_something(processes: Processes) -> None:
    code = """
import sys
from bisenet_ros.live.events import emit
emit('heard', line=sys.stdin.readline())
sys.stdin.read()
"""
    worker = start(processes, code)
    worker.tell('play')
    assert processes.next_event(TIMEOUT) == {'event': 'heard', 'line': 'play\n'}


def test_silence_is_no_event(processes: Processes) -> None:
    start(processes, WORKER)
    processes.next_event(TIMEOUT)
    assert processes.next_event(0.05) is None


def test_a_crash_is_reported_with_its_reason(processes: Processes) -> None:
    start(processes, 'raise SystemError("the wheels came off")')
    with pytest.raises(ProcessError, match='ended with exit code 1: SystemError: the wheels'):
        processes.next_event(TIMEOUT)


def test_an_error_in_the_log_of_ros_comes_before_the_last_line(processes: Processes) -> None:
    code = 'import sys; print("[ERROR] no such camera\\n[INFO] bye"); sys.exit(3)'
    start(processes, code)
    with pytest.raises(ProcessError, match='ended with exit code 3: no such camera '):
        processes.next_event(TIMEOUT)


def test_a_traceback_of_faulthandler_is_no_reason(processes: Processes) -> None:
    start(processes, 'import faulthandler; faulthandler.enable(); faulthandler._sigabrt()')
    with pytest.raises(ProcessError, match='exit code -6: Fatal Python error: Aborted '):
        processes.next_event(TIMEOUT)


def test_bad_input_is_the_users(processes: Processes) -> None:
    start(processes, 'import sys; print("no weights there", file=sys.stderr); sys.exit(2)')
    with pytest.raises(UserError, match=r'^no weights there$'):
        processes.next_event(TIMEOUT)


def test_an_end_that_was_not_asked_for_is_a_failure(processes: Processes) -> None:
    start(processes, 'pass')
    with pytest.raises(ProcessError, match='ended with exit code 0: no output'):
        processes.next_event(TIMEOUT)


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    heeding = 'signal.signal(signal.SIGINT, lambda *_: stop.set())'
    deaf = WORKER.replace(heeding, 'signal.signal(signal.SIGINT, signal.SIG_IGN)')
    threads, others = threading.active_count(), _children()
    with suppress(ZeroDivisionError), Processes(os.environ, tmp_path, patience=0.5) as processes:
        for code in (WORKER, deaf):
            start(processes, code)
            processes.next_event(TIMEOUT)
        assert len(_children() - others) == 2
        raise ZeroDivisionError
    assert _children() == others
    assert threading.active_count() == threads


def test_the_graph_is_isolated(tmp_path: Path) -> None:
    vehicle = {'ROS_DOMAIN_ID': '42', 'ROS_STATIC_PEERS': 'truck'}
    with ros_environment(vehicle, tmp_path) as environment:
        assert environment['ROS_DOMAIN_ID'] != '42'
        assert 1 <= int(environment['ROS_DOMAIN_ID']) <= 101
        assert environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
        assert 'ROS_STATIC_PEERS' not in environment
        assert Path(environment['FASTDDS_DEFAULT_PROFILES_FILE']).is_file()


def test_graphs_that_start_together_are_isolated_from_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('random.sample', lambda domains, count: list(domains))
    with (
        ros_environment({}, tmp_path) as first,
        ros_environment({}, tmp_path) as second,
    ):
        assert first['ROS_DOMAIN_ID'] != second['ROS_DOMAIN_ID']


def test_humble_is_isolated_in_its_own_way(tmp_path: Path) -> None:
    with ros_environment({'ROS_DISTRO': 'humble'}, tmp_path) as environment:
        assert environment['ROS_LOCALHOST_ONLY'] == '1'
        assert Path(environment['FASTRTPS_DEFAULT_PROFILES_FILE']).is_file()


def test_a_profile_of_the_users_own_stays(tmp_path: Path) -> None:
    own = {'FASTDDS_DEFAULT_PROFILES_FILE': '/etc/own.xml'}
    with ros_environment(own, tmp_path) as environment:
        assert environment['FASTDDS_DEFAULT_PROFILES_FILE'] == '/etc/own.xml'


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}
