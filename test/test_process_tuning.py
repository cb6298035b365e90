# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Memory, threads and time slices of programs, each in a process of its own."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

FAULTS = """
import ctypes, resource, threading
from bisenet_ros.process_tuning import prepare_process
{prepare}
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = libc.free.argtypes = libc.memset.argtypes = None
def use():
    block = ctypes.c_void_p(libc.malloc(ctypes.c_size_t(100 << 20)))
    libc.memset(block, 1, ctypes.c_size_t(100 << 20))
    libc.free(block)
def work():
    use()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        use()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
worker = threading.Thread(target=work)
worker.start()
worker.join()
"""

# Every other page's worth of blocks stays in use, so that the heap cannot shrink at its end.
FREED = """
import ctypes
from bisenet_ros.malloc_tuning import return_free_memory
from bisenet_ros.process_tuning import prepare_process
def megabytes():
    with open('/proc/self/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('RssAnon')) / 1000
prepare_process()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
before = megabytes()
blocks = [ctypes.c_void_p(libc.malloc(ctypes.c_size_t(1 << 20))) for _ in range(200)]
for block in blocks:
    libc.memset(block, 1, ctypes.c_size_t(1 << 20))
for block in blocks[::2]:
    libc.free(block)
kept = megabytes() - before
return_free_memory()
print(kept, megabytes() - before)
"""

# A value that the node refuses ends it when rclpy is at work, and before the network is loaded.
HEAPS = """
import ctypes, sys
from bisenet_ros.node.segmenter_node import main
sys.argv = ['segmenter_node', '--ros-args', '-p', 'max_rate:=-1.0']
assert main() == 2
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, 'stdout'))
libc.fflush(None)
"""

MALLOC = """
from bisenet_ros.benchmark.machine import describe_machine
from bisenet_ros.process_tuning import prepare_process
print(describe_machine()['malloc'])
prepare_process()
print(describe_machine()['malloc'])
"""

POLICY = """
import os
from bisenet_ros.process_tuning import prepare_process
prepare_process()
print(os.environ['OMP_WAIT_POLICY'])
"""

SLICES = """
import os, re, threading
from pathlib import Path
from bisenet_ros import time_slices
from bisenet_ros.process_tuning import prepare_process
# This process may have inherited short slices.
short, time_slices._SLICE_NS = time_slices._SLICE_NS, 3_000_000
time_slices.ask_for_short_slices()
time_slices._SLICE_NS = short
{before}
prepare_process()
def show():
    text = Path(f'/proc/self/task/{{threading.get_native_id()}}/sched').read_text()
    found = re.search(r'^se.slice +: +([0-9]+)$', text, re.MULTILINE)
    print(found and found[1], os.sched_getscheduler(0), os.nice(0))
thread = threading.Thread(target=show)
thread.start()
thread.join()
"""

SHOWN = Path('/proc/self/sched')


def run(code: str, **environment: str) -> str:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(('MALLOC_', 'GLIBC_', 'OMP_'))
    }
    done = subprocess.run(
        [sys.executable, '-c', code],
        env=clean | environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
    )
    return done.stdout.strip()


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='needs glibc')
def test_freed_memory_is_kept_in_every_thread() -> None:
    """100 MB are 50 huge pages or 25,000 small ones: fetched each time, or once when prepared."""
    by_default = int(run(FAULTS.format(prepare='')))
    assert by_default >= 150
    assert int(run(FAULTS.format(prepare='prepare_process()'))) < by_default / 10


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='needs glibc')
def test_free_memory_is_returned_on_request() -> None:
    kept, left = map(float, run(FREED).split())
    assert kept > 190
    assert left < 120


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='needs glibc')
def test_what_the_user_set_for_malloc_wins() -> None:
    code = FAULTS.format(prepare='prepare_process()')
    assert int(run(code, MALLOC_ARENA_MAX='2')) >= 150


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='needs glibc')
def test_benchmarks_report_what_was_done_to_malloc() -> None:
    assert run(MALLOC).splitlines() == ['freed memory is given back', 'freed memory is kept']
    assert run(MALLOC, MALLOC_ARENA_MAX='2').splitlines() == 2 * ["{'MALLOC_ARENA_MAX': '2'}"]


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='needs glibc')
def test_threads_of_the_node_share_one_heap(tmp_path: Path) -> None:
    """rclpy starts threads when it is imported, and by default each gets a heap of its own."""
    pytest.importorskip('rclpy', reason='needs ROS 2')
    told = run(HEAPS, ROS_AUTOMATIC_DISCOVERY_RANGE='OFF', ROS_LOG_DIR=str(tmp_path))
    assert re.findall('<heap nr="(.*?)"', told) == ['0']


def test_threads_sleep_unless_the_user_says_otherwise() -> None:
    assert run(POLICY) == 'PASSIVE'
    assert run(POLICY, OMP_WAIT_POLICY='ACTIVE') == 'ACTIVE'


@pytest.mark.skipif(
    not SHOWN.exists() or 'se.slice ' not in SHOWN.read_text(),
    reason='needs Linux 6.12 or newer, with the slices of threads in /proc',
)
@pytest.mark.parametrize(
    ('before', 'short', 'policy', 'nice'),
    [
        ('', True, os.SCHED_OTHER, 0),
        ('os.nice(5)', True, os.SCHED_OTHER, 5),
        (
            'os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))',
            False,
            os.SCHED_BATCH,
            0,
        ),
    ],
    ids=['usual', 'nice', 'batch'],
)
def test_threads_have_short_slices(before: str, short: bool, policy: int, nice: int) -> None:
    """Priority and scheduling policy stay as the user chose them."""
    length, *rest = run(SLICES.format(before=before)).split()
    assert int(length) == (100_000 if short else 3_000_000)
    assert rest == [str(policy), str(min(nice + os.nice(0), 19))]
