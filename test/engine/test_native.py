# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Threads of the C library: more than tasks, for several callers, in processes that fork."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from bisenet_ros.engine import native
from bisenet_ros.engine.upsample_argmax import argmax_in_torch, upsample_argmax

pytestmark = pytest.mark.skipif(native.library() is None, reason='needs the C library')

SIZE, SCALE = (320, 240), (8.0, 8.0)


def make_logits(seed: int) -> torch.Tensor:
    return torch.randn(7, 40, 30, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures('four_threads')
def test_callers_at_the_same_time_get_each_their_own() -> None:
    logits = [make_logits(seed) for seed in range(8)]
    expected = [argmax_in_torch(each, SIZE, SCALE).numpy() for each in logits]

    def draw_often(index: int) -> bool:
        return all(
            np.array_equal(upsample_argmax(logits[index], SIZE, SCALE), expected[index])
            for _ in range(50)
        )

    with ThreadPoolExecutor(len(logits)) as callers:
        assert all(callers.map(draw_often, range(len(logits))))


@pytest.mark.usefixtures('four_threads')
def test_fewer_tasks_than_threads() -> None:
    logits = make_logits(0)[:, :1, :2]
    labels = upsample_argmax(logits, (8, 16), SCALE)
    np.testing.assert_array_equal(labels, argmax_in_torch(logits, (8, 16), SCALE).numpy())


def test_a_forked_process_starts_threads_of_its_own() -> None:
    script = """if True:
        import os
        import numpy as np
        import torch
        from bisenet_ros.engine.upsample_argmax import upsample_argmax

        torch.set_num_threads(4)
        logits = torch.randn(7, 40, 30)
        labels = upsample_argmax(logits, (320, 240), (8.0, 8.0))
        child = os.fork()
        same = np.array_equal(upsample_argmax(logits, (320, 240), (8.0, 8.0)), labels)
        if child == 0:
            os._exit(0 if same else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert same
    """
    result = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', script], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr


def test_what_the_library_lacks_is_none() -> None:
    assert native.tasks('winograd_of_another_cpu') is None
