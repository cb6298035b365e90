# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stages are heard of where somebody listens, and only there."""

from __future__ import annotations

import threading

import pytest

from bisenet_ros.engine.profiling import Stage, listening, stage


def test_who_listens_hears_of_each_stage_when_it_is_over() -> None:
    heard: list[tuple[Stage, float]] = []
    settled: list[int] = []
    with listening(lambda name, ms: heard.append((name, ms)), lambda: settled.append(len(heard))):
        with stage('pre'):
            assert heard == []
        with stage('network'):
            pass
    with stage('post'):
        pass
    assert [name for name, _ in heard] == ['pre', 'network']
    assert all(ms >= 0 for _, ms in heard)
    # The device is waited for before each stage, and before it counts as over.
    assert settled == [0, 0, 1, 1]


def test_another_thread_is_not_heard() -> None:
    heard: list[Stage] = []

    def work() -> None:
        with stage('network'):
            pass

    with listening(lambda name, _: heard.append(name), lambda: None):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert heard == []


def test_a_stage_that_fails_does_not_count() -> None:
    heard: list[Stage] = []
    with listening(lambda name, _: heard.append(name), lambda: None):
        with pytest.raises(RuntimeError, match='out of memory'), stage('network'):
            raise RuntimeError('out of memory')
        with stage('post'):
            pass
    assert heard == ['post']
