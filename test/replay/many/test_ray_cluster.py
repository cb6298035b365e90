# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet replay --ray` on a cluster of two local nodes: the figures of one process."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import bisenet
from replay_results import untimed_messages
from small_bags import drive, write_bag
from typer.testing import Result

from bisenet_ros.replay.many.jobs import Job, ReplayOptions
from bisenet_ros.replay.many.ray_cluster import (
    actors_for,
    evaluate_on_ray,
    with_absolute_files,
)
from bisenet_ros.settings import Settings

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec('ray') is None,
    reason='needs Ray: pip install ray',
)


@pytest.fixture(scope='module')
def cluster() -> Iterator[str]:
    """The address of two nodes with a core each."""
    from ray.cluster_utils import Cluster

    nodes = Cluster(
        initialize_head=True, head_node_args={'num_cpus': 1, 'include_dashboard': False}
    )
    try:
        nodes.add_node(num_cpus=1)
        nodes.wait_for_nodes()
        yield nodes.address
    finally:
        nodes.shutdown()


@pytest.fixture(scope='module')
def drives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three bags."""
    folder = tmp_path_factory.mktemp('drives')
    for name, count in (('a', 3), ('b', 2), ('c', 4)):
        write_bag(folder / name, drive(count, f'/{name}', truth=name != 'b'))
    return folder


def replay(weights: Path, *arguments: str | Path) -> Result:
    command = ['replay', '--weights', weights, '--device', 'cpu', *arguments]
    return bisenet(*command)


def figures(output: Path) -> Any:
    """What of the metrics does not depend on time or place."""
    metrics = json.loads((output / 'metrics.json').read_text())
    return _without(metrics, ('latency_ms', 'age_ms', 'fps', 'weights'))


def _without(metrics: Any, names: tuple[str, ...]) -> Any:
    if isinstance(metrics, dict):
        return {n: _without(value, names) for n, value in metrics.items() if n not in names}
    return [_without(value, names) for value in metrics] if isinstance(metrics, list) else metrics


@needs_ray
def test_a_cluster_counts_as_one_process_does(
    weights: Path, cluster: str, drives: Path, tmp_path: Path
) -> None:
    result = replay(weights, drives, '-o', tmp_path / 'ray', '--ray', cluster)
    assert result.exit_code == 0, result.output
    result = replay(weights, drives, '-o', tmp_path / 'here', '--workers', '1')
    assert result.exit_code == 0, result.output
    assert figures(tmp_path / 'ray') == figures(tmp_path / 'here')
    for name in ('a', 'b', 'c'):
        on_ray, here = tmp_path / 'ray' / name, tmp_path / 'here' / name
        assert untimed_messages(on_ray) == untimed_messages(here)


@needs_ray
def test_both_nodes_work_and_a_bag_that_fails_is_named(
    weights: Path, cluster: str, drives: Path, tmp_path: Path
) -> None:
    import ray

    bags = [drives / 'a', tmp_path / 'nowhere', drives / 'b']
    jobs = [Job(bag, tmp_path / bag.name) for bag in bags]
    settings = Settings(weights=str(weights), device='cpu')
    options = ReplayOptions(settings, image_topic=None, labels_topic=None, rate=None)
    free_cores = []
    outcomes = {}
    for outcome in evaluate_on_ray(jobs, options, cluster, workers=None):
        outcomes[outcome.job] = outcome
        free_cores.append(ray.available_resources().get('CPU', 0))
    assert 'no such file or folder' in outcomes[jobs[1]].failure
    assert not outcomes[jobs[0]].problems
    assert not outcomes[jobs[2]].problems
    assert min(free_cores) == 0


@needs_ray
def test_settings_that_cannot_be_used(
    weights: Path, cluster: str, drives: Path, tmp_path: Path
) -> None:
    result = replay(
        weights, drives, '-o', tmp_path / 'out', '--ray', cluster, '--precision', 'fp16'
    )
    assert result.exit_code == 2
    assert 'fp16 needs a GPU' in result.stderr


@needs_ray
def test_no_cluster_there(weights: Path, drives: Path, tmp_path: Path) -> None:
    result = replay(weights, drives, '-o', tmp_path / 'out', '--ray', '127.0.0.1:1')
    assert result.exit_code == 2
    assert 'no Ray cluster at 127.0.0.1:1' in result.stderr


@pytest.mark.parametrize(
    ('cores', 'actors'),
    [
        ([8], (2, 4)),
        ([1, 8], (1, 9)),
        ([0, 8, 5], (2, 6)),  # a head node that only leads
        ([0], (2, 0)),
    ],
)
def test_nodes_without_cores_do_not_make_actors_slower(
    cores: list[int], actors: tuple[int, int]
) -> None:
    assert actors_for(cores) == actors


def test_without_ray(
    weights: Path, drives: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, 'ray', None)  # as if it were not installed
    result = replay(weights, drives, '-o', tmp_path / 'out', '--ray', '127.0.0.1:1')
    assert result.exit_code == 2
    assert 'python3 -m pip install ray' in result.stderr


def test_files_are_found_from_any_folder(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path('own.safetensors').symlink_to(weights)
    given = Settings(
        weights='own.safetensors',
        ego_mask='ego.png',
        cameras=('front',),
        of_cameras={
            'front.ego_mask': 'masks/front.png',
            'front.mounting': (0.0, 0.0, 1.0, 0, 0, 0),
        },
    )
    found = with_absolute_files(given)
    assert found.weights == str(tmp_path / 'own.safetensors')
    assert found.ego_mask == str(tmp_path / 'ego.png')
    assert found.for_camera('front').ego_mask == str(tmp_path / 'masks' / 'front.png')
    assert found.for_camera('front').mounting == given.for_camera('front').mounting
    assert with_absolute_files(Settings()) == Settings()
