# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What CONTRIBUTING.md adds with a file and a line works as it stands there."""

from __future__ import annotations

import importlib
import json
import re
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from command_line import bisenet
from seen_frames import classes, labelled
from small_bags import drive, write_bag
from small_datasets import make_camvid_tree, write_image
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros import outputs
from bisenet_ros.bag.messages import messages, open_bag
from bisenet_ros.label_space import IGNORE
from bisenet_ros.metrics import METRICS
from bisenet_ros.metrics.accuracy import Accuracy
from bisenet_ros.replay.measure.evaluation import known_figures
from bisenet_training.config import load_config
from bisenet_training.dataset_registry import DATASETS

CONTRIBUTING = Path(__file__).parents[1] / 'CONTRIBUTING.md'


def examples(title: str) -> tuple[str, str]:
    """The file and the line of a section."""
    section = CONTRIBUTING.read_text().partition(f'## {title}\n')[2].partition('\n## ')[0]
    file, line = re.findall(r'```python\n(.*?)```', section, re.DOTALL)
    return file, line.strip().removesuffix(',')


def evaluate(*arguments: object) -> dict[str, object]:
    """What `bisenet evaluate` writes for machines."""
    command = ['evaluate', *map(str, arguments), '--device', 'cpu', '--json', '-']
    result = bisenet(*command)
    assert result.exit_code == 0, result.output
    figures: dict[str, object] = json.loads(result.stdout)
    return figures


def test_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, line = examples('Add a data set')
    name, place = re.findall(r"'([^']+)'", line)
    module, _, settings = place.rpartition('.')[2].partition(':')
    (tmp_path / 'outside').mkdir()
    (tmp_path / 'outside' / f'{module}.py').write_text(file)
    monkeypatch.syspath_prepend(tmp_path / 'outside')
    monkeypatch.setitem(DATASETS, name, f'{module}:{settings}')

    rng = np.random.default_rng(0)
    for frame in ('a', 'b'):
        write_image(tmp_path / 'val' / f'{frame}.png', rng.integers(0, 256, (48, 64, 3), np.uint8))
        labels = rng.choice(np.array([0, 1, IGNORE], np.uint8), (48, 64))
        write_image(tmp_path / 'val_labels' / f'{frame}.png', labels)
    yard = importlib.import_module(module).YARD
    weights = save_tiny_checkpoint(tmp_path / 'weights.safetensors', yard)
    figures = evaluate('--dataset', name, '--data', tmp_path, '--weights', weights)
    assert (figures['dataset'], figures['split'], figures['frames']) == (name, 'val', 2)

    config = load_config('bisenetv2_camvid', [f'validation={{kind: {name}, root: ., split: val}}'])
    assert config.validation is not None
    assert f'kind: {name}' in config.to_yaml()


def test_a_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, line = examples('Add a metric')
    name, _, metric = line.replace("'", '').partition(': ')
    (tmp_path / f'{name}_metric.py').write_text(file)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(METRICS, name, getattr(importlib.import_module(f'{name}_metric'), metric))

    accuracy = Accuracy(classes(5))
    truth = np.array([[0, 1, IGNORE, 2]], np.uint8)
    labels = np.array([[0, IGNORE, IGNORE, 1]], np.uint8)
    accuracy.update(labelled(labels, truth, np.zeros_like(truth)))
    accuracy.add(accuracy)
    figures = accuracy.figures()
    assert figures[name] == accuracy.of_frame()[name] == 1 / 3
    assert known_figures()[name].unit == 'fraction'

    data = make_camvid_tree(tmp_path / 'camvid', train=0, val=1, size=(64, 48))
    weights = save_tiny_checkpoint(tmp_path / 'weights.safetensors')
    out = tmp_path / 'out'
    assert evaluate('--data', data, '--weights', weights, '-o', out)[name] == 0
    assert '| not labelled | 0.00 % |' in (out / 'report.md').read_text()


def test_an_output_topic(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = CONTRIBUTING.read_text().partition('## Add an output topic\n')[2]
    (code,) = re.findall(r'```python\n(.*?)```', section, re.DOTALL)
    namespace = dict(vars(outputs))
    exec(code, namespace)  # noqa: S102, of our own documentation
    added = namespace['OUTPUTS'][1]
    monkeypatch.setattr(outputs, 'OUTPUTS', (*outputs.OUTPUTS[:-1], added, outputs.OUTPUTS[-1]))

    bag = write_bag(tmp_path / 'bag', drive(2))
    command = ['replay', bag, '-o', tmp_path / 'out', '--weights', weights, '--device', 'cpu']
    result = bisenet(*command)
    assert result.exit_code == 0, result.output
    with closing(open_bag(tmp_path / 'out' / 'output.mcap')) as reader:
        labels, sky = (
            [found.message.data for found in messages(reader, [f'/segmentation/{name}'])]
            for name in ('labels', added.name)
        )
    np.testing.assert_array_equal(sky, 255 * (np.array(labels) == 0))

    rclpy = pytest.importorskip('rclpy', reason='needs ROS 2')
    publishers = importlib.import_module('bisenet_ros.node.publishers')
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('segmenter', context=context)
    try:
        publishers.CameraPublishers(node, 'front')
        topics = dict(node.get_topic_names_and_types())
        assert topics['/front/segmentation/sky'] == ['sensor_msgs/msg/Image']
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
