# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The latched LabelInfo, without which Nav2's semantic layer drops every mask.

vision_msgs has no wheel; where it is not installed its two messages are compiled for the test.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import queue
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from ros_peers import (
    QUICK_START,
    TIMEOUT,
    Peer,
    fill_with,
    get_parameters,
    parameter_arguments,
    running,
    running_node,
    set_parameter,
    stamp_of,
    street,
)
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros.label_space import CAMVID, LabelSpace

BUILD_MESSAGES = Path(__file__).parents[2] / 'build_support' / 'messages.py'
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
VISION_MSGS = {
    'msg/VisionClass.msg': 'uint16 class_id\nstring class_name\n',
    'msg/LabelInfo.msg': 'std_msgs/Header header\nVisionClass[] class_map\nfloat32 threshold\n',
    'package.xml': '<package><name>vision_msgs</name><depend>std_msgs</depend></package>',
    'vision_msgs/__init__.py': '',
}


@pytest.fixture(scope='module')
def vision_msgs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The module vision_msgs.msg, which the node's process finds too."""
    if importlib.util.find_spec('vision_msgs') is not None:
        yield importlib.import_module('vision_msgs.msg')
        return
    if shutil.which('c++') is None:
        pytest.skip('needs vision_msgs, or a compiler to make it')
    root = tmp_path_factory.mktemp('vision_msgs')
    for name, text in VISION_MSGS.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    spec = importlib.util.spec_from_file_location('build_messages', BUILD_MESSAGES)
    assert spec is not None
    assert spec.loader is not None
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder, 'PACKAGE', 'vision_msgs')
        patch.setattr(builder, 'ROOT', root)
        builder.build(root / 'vision_msgs', tmp_path_factory.mktemp('scratch'))
        patch.syspath_prepend(root)
        patch.setenv('PYTHONPATH', f'{root}{os.pathsep}{os.environ.get("PYTHONPATH", "")}')
        yield importlib.import_module('vision_msgs.msg')
    for name in [name for name in sys.modules if name.startswith('vision_msgs')]:
        del sys.modules[name]


@pytest.mark.slow
def test_label_info_is_latched_and_follows_the_threshold(
    domain: int, peer: Peer, weights: Path, vision_msgs: Any
) -> None:
    with running_node(domain, weights=weights, confidence_threshold=0.25, **QUICK_START) as node:
        assert 'not installed' not in node.output
        # Who comes after it was published gets it.
        infos = peer.listen(vision_msgs.LabelInfo, 'segmentation/label_info', LATCHED)
        info = infos.wait()
        assert info.threshold == 0.25
        classes = [(entry.class_id, entry.class_name) for entry in info.class_map]
        assert classes == list(enumerate(CAMVID.names))

        value = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=0.5)
        parameters = [Parameter(name='confidence_threshold', value=value)]
        request = SetParameters.Request(parameters=parameters)
        peer.call(SetParameters, '/segmenter/set_parameters', request)
        infos.wait(lambda info: info.threshold == 0.5)


# After each load it waits for a line: the executor does not learn of the network before that.
HELD = """
import sys
from itertools import count
from bisenet_ros.node.loader import Loader
from bisenet_ros.node.segmenter_node import main

numbers = count(1)
submit = Loader.submit

def submit_and_hold(self, load):
    def load_and_hold():
        loaded = load()
        print('loaded', next(numbers), flush=True)
        sys.stdin.readline()
        return loaded

    return submit(self, load_and_hold)

Loader.submit = submit_and_hold
sys.exit(main())
"""


@pytest.mark.slow
def test_the_classes_of_other_weights_come_with_their_first_labels(
    domain: int, peer: Peer, weights: Path, vision_msgs: Any, tmp_path: Path
) -> None:
    other = LabelSpace(('road', 'lawn'), ((0, 0, 0), (0, 255, 0)), drivable=('road',))
    others = save_tiny_checkpoint(tmp_path / 'others.safetensors', other)
    arguments = parameter_arguments(weights=weights, **QUICK_START)
    read_end, write_end = os.pipe()
    with (
        open(read_end),
        open(write_end, 'w') as lines,
        running(
            [sys.executable, '-c', HELD, '--ros-args', *arguments], domain, stdin=read_end
        ) as node,
        peer.streaming(Image, 'image', fill_with(street(120, 160), 'bgr8')) as stream,
    ):
        print('torch', 'weights', sep='\n', file=lines, flush=True)
        infos = peer.listen(vision_msgs.LabelInfo, 'segmentation/label_info', LATCHED)
        assert class_names(infos.wait()) == CAMVID.names
        labels = peer.listen(Image, 'segmentation/labels')
        labels.wait()

        assert set_parameter(peer, 'weights', others).successful
        client = peer.run(lambda: peer.node.create_client(Trigger, '/segmenter/reload'))
        assert client.wait_for_service(TIMEOUT)
        answers: queue.Queue[Any] = queue.Queue()
        client.call_async(Trigger.Request()).add_done_callback(answers.put)
        node.wait_for_output('loaded 3')
        sent = len(stream.stamps)
        labels.wait(lambda message: stamp_of(message) in stream.stamps[sent:])
        infos.wait(lambda info: class_names(info) == other.names)
        assert answers.empty()

        print('other weights', file=lines, flush=True)
        assert answers.get(timeout=TIMEOUT).result().success
        (names,) = get_parameters(peer, 'class_names')
        assert tuple(names.string_array_value) == other.names
        assert [class_names(info) for info in infos.messages] == [CAMVID.names, other.names]


def class_names(info: Any) -> tuple[str, ...]:
    return tuple(entry.class_name for entry in info.class_map)
