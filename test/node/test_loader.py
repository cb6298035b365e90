# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The thread that loads networks."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator

import pytest

from bisenet_ros.errors import UserError
from bisenet_ros.node.loader import Loader


class Network:
    pass


@pytest.fixture
def loader() -> Iterator[Loader]:
    loader = Loader()
    yield loader
    loader.close()


def test_it_is_busy_until_everything_is_loaded(loader: Loader) -> None:
    assert not loader.busy
    go_on = threading.Event()
    first = loader.submit(lambda: go_on.wait(60))
    second = loader.submit(lambda: go_on.wait(60))
    del first
    assert loader.busy
    go_on.set()
    assert second.result(60)
    assert not loader.busy


def test_a_closed_loader_is_busy_while_the_first_of_two_loads_runs(loader: Loader) -> None:
    started, go_on = threading.Event(), threading.Event()

    def load() -> None:
        started.set()
        assert go_on.wait(60)

    first, second = loader.submit(load), loader.submit(load)
    assert started.wait(60)
    loader.close()
    assert second.cancelled()
    assert loader.busy
    go_on.set()
    first.result(60)
    assert not loader.busy


def test_it_does_not_keep_a_network_that_the_node_let_go(loader: Loader) -> None:
    network = loader.submit(Network).result(60)
    alive = weakref.ref(network)
    # The thread drops the future's result some time after it was delivered: by the next load.
    loader.submit(lambda: None).result(60)
    del network
    assert alive() is None


def test_an_error_reaches_the_caller(loader: Loader) -> None:
    def fail() -> None:
        raise UserError('no weights')

    with pytest.raises(UserError, match='no weights'):
        loader.submit(fail).result(60)
    assert not loader.busy
