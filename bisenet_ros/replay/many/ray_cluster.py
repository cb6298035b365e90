# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluates bags on a Ray cluster. Ray is optional, and imported only when it is used.

Every node of the cluster needs this package, and bags, weights and the results folder under the
same paths.
"""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bisenet_ros.checkpoint import resolve_weights, shipped_weights
from bisenet_ros.errors import UserError
from bisenet_ros.extras import EXTRAS, advice
from bisenet_ros.process_tuning import prepare_process
from bisenet_ros.replay.many.jobs import Job, Outcome, Refusal, ReplayOptions
from bisenet_ros.replay.many.workers import CORES_PER_WORKER, WORKERS_PER_GPU
from bisenet_ros.settings import Settings

if TYPE_CHECKING:
    from bisenet_ros.replay.many.bag_evaluator import BagEvaluator

_CONNECTION_TIMEOUT = 10.0  # seconds


def evaluate_on_ray(
    jobs: Sequence[Job], options: ReplayOptions, address: str, workers: int | None
) -> Generator[Outcome]:
    """Evaluates bags in actors on a cluster; yields each outcome as soon as it is known.

    If an actor dies, the outcome of its bag says so, and the actor is replaced.

    Args:
        jobs: The bags, in the order in which they are started.
        options: How to evaluate them; `threads` is set here, to the cores of an actor.
        address: Address of the cluster, as `ray.init` takes it.
        workers: Maximum number of actors; None for as many as the cluster has room for.

    Raises:
        UserError: Ray is not installed, the cluster is not reachable, or the options are invalid.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise UserError(
            f'--ray needs Ray, which is not installed: {advice(*EXTRAS["ray"])}'
        ) from error
    _check_reachable(address)
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError) as error:
        raise UserError(f'no Ray cluster at {address}: {error}') from error
    try:
        yield from _Cluster(ray, options, workers).evaluate(jobs)
    finally:
        ray.shutdown()


def actors_for(cores: Sequence[int]) -> tuple[int, int]:
    """Returns the number of threads of an actor, and of actors that the cores have room for.

    Args:
        cores: Number of cores of each node. Those without any are left out, as a head node may be.
    """
    threads = min([CORES_PER_WORKER, *filter(None, cores)])
    return threads, sum(count // threads for count in cores)


class _Cluster:
    """Actors on the cluster that `ray` is connected to."""

    def __init__(self, ray: Any, options: ReplayOptions, workers: int | None) -> None:
        self._ray = ray
        nodes = [node['Resources'] for node in ray.nodes() if node['Alive']]
        threads, room = actors_for([int(resources.get('CPU', 0)) for resources in nodes])
        gpus = sum(int(resources.get('GPU', 0)) for resources in nodes)
        needed: dict[str, float] = {'num_cpus': threads}
        if gpus and options.settings.device != 'cpu':
            needed['num_gpus'] = 1 / WORKERS_PER_GPU
            room = min(room, WORKERS_PER_GPU * gpus)
        self._workers = min(workers or room, max(1, room))
        settings = with_absolute_files(options.settings)
        self._options = replace(options, threads=threads, settings=settings)
        self._actor = ray.remote(**needed)(_Actor)

    def evaluate(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        waiting = deque(jobs)
        busy: dict[Any, tuple[Any, Job]] = {}  # actor and job by the reference of the outcome
        idle = [self._actor.remote(self._options) for _ in range(min(self._workers, len(jobs)))]
        while waiting or busy:
            while idle and waiting:
                actor, job = idle.pop(), waiting.popleft()
                busy[actor.evaluate.remote(_with_absolute_paths(job))] = actor, job
            done, _ = self._ray.wait(list(busy))
            for reference in done:
                actor, job = busy.pop(reference)
                try:
                    outcome: Outcome | Refusal = self._ray.get(reference)
                except self._ray.exceptions.RayError as error:
                    last_line = str(error).strip().splitlines()[-1]
                    reason = last_line.partition('. ')[0]
                    outcome = Outcome(job, None, f'its Ray actor failed: {reason}')
                    actor = self._actor.remote(self._options)
                if isinstance(outcome, Refusal):
                    raise UserError(outcome.reason)
                idle.append(actor)
                yield replace(outcome, job=job)


class _Actor:
    """One segmenter on a node of the cluster."""

    def __init__(self, options: ReplayOptions) -> None:
        self._options = options
        self._evaluator: BagEvaluator | None = None

    def evaluate(self, job: Job) -> Outcome | Refusal:
        """Returns the outcome of a bag, or why no bag can be evaluated with these options."""
        if self._evaluator is None:
            prepare_process()
            from bisenet_ros.replay.many.bag_evaluator import BagEvaluator  # imports torch

            try:
                self._evaluator = BagEvaluator(self._options)
            except UserError as error:
                return Refusal(str(error))
        return self._evaluator.evaluate(job, listen=lambda progress: None)


def _check_reachable(address: str) -> None:
    """Checks that the address accepts connections, because Ray would retry for minutes.

    Raises:
        UserError: Nothing listens at this address.
    """
    host, _, port = address.removeprefix('ray://').rpartition(':')
    if not port.isdigit():
        return  # 'auto'
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECTION_TIMEOUT).close()
    except OSError as error:
        raise UserError(f'no Ray cluster at {address}: {error.strerror or error}') from error


def _with_absolute_paths(job: Job) -> Job:
    """Returns the job with absolute paths, which any actor can use in any working directory."""
    return Job(job.bag.absolute(), job.output.absolute())


def with_absolute_files(settings: Settings) -> Settings:
    """Returns the settings with absolute paths of weights and ego masks, for the same reason.

    Raises:
        UserError: There are no such weights.
    """
    files = {
        name: os.path.abspath(os.path.expanduser(value))
        for name, value in settings.values().items()
        if value and (name == 'ego_mask' or name.endswith('.ego_mask'))
    }
    if settings.weights not in shipped_weights():
        files['weights'] = str(resolve_weights(settings.weights).absolute())
    return settings.changed(files)
