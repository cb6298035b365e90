# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Programs keep what they freed, and their threads sleep; each in a process of its own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import ctypes, resource, threading
from bisenet_ros.malloc_tuning import prepare_process
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

POLICY = """
import os
from bisenet_ros.malloc_tuning import prepare_process
prepare_process()
print(os.environ['OMP_WAIT_POLICY'])
"""


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


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='a setting of glibc')
def test_freed_memory_is_kept_in_every_thread() -> None:
    """100 MB are 50 huge pages or 25,000 small ones: fetched each time, or once when prepared."""
    by_default = int(run(FAULTS.format(prepare='')))
    assert by_default >= 150
    assert int(run(FAULTS.format(prepare='prepare_process()'))) < by_default / 10


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='a setting of glibc')
def test_what_the_user_set_for_malloc_wins() -> None:
    code = FAULTS.format(prepare='prepare_process()')
    assert int(run(code, MALLOC_ARENA_MAX='2')) >= 150


def test_threads_sleep_unless_the_user_says_otherwise() -> None:
    assert run(POLICY) == 'PASSIVE'
    assert run(POLICY, OMP_WAIT_POLICY='ACTIVE') == 'ACTIVE'
