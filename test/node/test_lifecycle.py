# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the node's process starts and ends, and its way through the lifecycle."""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import sys
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import GetState
from rcl_interfaces.msg import ParameterType
from ros_peers import (
    QUICK_START,
    RELIABLE,
    TIMEOUT,
    Peer,
    change,
    fill_with,
    get_parameters,
    parameter_arguments,
    running,
    running_node,
    set_parameter,
    stamp_of,
    state_of,
    street,
    write_parameters,
)
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool, Trigger
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros.extras import advice
from bisenet_ros.label_space import CAMVID, LabelSpace
from bisenet_ros.live.processes import node_command
from bisenet_ros.node import ending

FRAME = street(120, 160)


NO_ERROR = re.compile(r'\[(INFO|WARN)\]|RTPS_(TRANSPORT_SHM|MSG_OUT|PARTICIPANT)\S* Error\]')
"""Lines that may come on any machine: ROS's log below ERROR, and Fast DDS's about shared memory."""


def errors_of(output: str) -> list[str]:
    """The lines of a node's output that tell of errors; a traceback would be some."""
    return [line for line in output.splitlines() if not NO_ERROR.search(line)]


# The wheels of ROS 2 have no tf2_ros.
TF2 = """
class TransformException(Exception):
    pass

class Buffer:
    def lookup_transform(self, target, source, time):
        raise TransformException

class TransformListener:
    def __init__(self, buffer, node):
        print('TF on', flush=True)

    def unregister(self):
        print('TF off', flush=True)
"""


def test_a_lifecycle_manager_leads_the_node_around(
    domain: int, peer: Peer, weights: Path, tmp_path: Path
) -> None:
    (tmp_path / 'tf2_ros.py').write_text(TF2)
    path = os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
    command = node_command(weights='/nowhere/else.safetensors', autostart=False, **QUICK_START)
    with running(command, domain, {'PYTHONPATH': path}) as process:
        assert state_of(peer) == 'unconfigured'
        for service, request in ((SetBool, 'enable'), (Trigger, 'reload')):
            answer = peer.call(service, f'/segmenter/{request}', service.Request())
            assert not answer.success
            assert 'is not configured: run `ros2 lifecycle set /segmenter conf' in answer.message

        assert change(peer, Transition.TRANSITION_CONFIGURE) == 'unconfigured'
        process.wait_for_output(r"ERROR.*no weights '/nowhere/else.safetensors'")
        process.wait_for_output('TF off')

        assert set_parameter(peer, 'weights', weights).successful
        assert change(peer, Transition.TRANSITION_CONFIGURE) == 'inactive'
        assert peer.node.count_subscribers('/image') == 0
        for enabled in (True, False):
            answer = peer.call(SetBool, '/segmenter/enable', SetBool.Request(data=enabled))
            assert not answer.success
            assert 'is not active: run `ros2 lifecycle set /segmenter activate`' in answer.message

        labels = peer.listen(Image, 'segmentation/labels')
        with peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')) as stream:
            for _ in range(2):
                assert change(peer, Transition.TRANSITION_ACTIVATE) == 'active'
                sent = len(stream.stamps)
                labels.wait(lambda message, n=sent: stamp_of(message) in stream.stamps[n:])
                assert change(peer, Transition.TRANSITION_DEACTIVATE) == 'inactive'
        assert change(peer, Transition.TRANSITION_CLEANUP) == 'unconfigured'
        assert change(peer, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN) == 'finalized'
        process.send(signal.SIGINT)
        assert process.wait() == 0
        assert 'Traceback' not in process.output
        assert process.output.count('TF off') == process.output.count('TF on')


def test_the_parameters_of_a_camera_come_and_go_with_it(domain: int, peer: Peer) -> None:
    with running(node_command(autostart=False), domain):
        assert state_of(peer) == 'unconfigured'
        for cameras in ("['front']", "['rear', 'front']"):
            assert set_parameter(peer, 'cameras', cameras).successful
            (mounting,) = get_parameters(peer, 'front.mounting')
            assert mounting.type == ParameterType.PARAMETER_DOUBLE_ARRAY
            assert list(mounting.double_array_value) == [], 'of an earlier camera of that name'
            assert set_parameter(peer, 'front.mounting', '[0, 0, 1, 0, 0, 0]').successful
            assert set_parameter(peer, 'cameras', "['rear']").successful
            assert not set_parameter(peer, 'front.mounting', '[0, 0, 1, 0, 0, 0]').successful


def test_classes_of_a_parameter_file_are_those_of_its_weights_only(
    domain: int, peer: Peer, weights: Path, tmp_path: Path
) -> None:
    other = LabelSpace(('road', 'lawn'), ((0, 0, 0), (0, 255, 0)), drivable=('road',))
    others = save_tiny_checkpoint(tmp_path / 'others.safetensors', other)
    dumped = {'weights': str(weights), 'class_names': list(CAMVID.names)}
    file = write_parameters(tmp_path / 'dumped.yaml', str(dumped))
    command = node_command('--params-file', str(file), autostart=False, **QUICK_START)
    with running(command, domain):
        for path, classes in ((weights, CAMVID), (others, other)):
            assert set_parameter(peer, 'weights', path).successful
            assert change(peer, Transition.TRANSITION_CONFIGURE) == 'inactive'
            (names,) = get_parameters(peer, 'class_names')
            assert tuple(names.string_array_value) == classes.names
            assert change(peer, Transition.TRANSITION_CLEANUP) == 'unconfigured'


def frames_of(array: DiagnosticArray, kind: str) -> int:
    """The frames of a kind, such as `dropped`, that the node has counted."""
    values = [value for status in array.status for value in status.values]
    return sum(int(value.value) for value in values if value.key == f'frames_{kind}')


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_node_while_it_works(
    domain: int, peer: Peer, weights: Path, number: signal.Signals
) -> None:
    labels = peer.listen(Image, 'segmentation/labels')
    diagnostics = peer.listen(DiagnosticArray, '/diagnostics', RELIABLE)
    frame = street(600, 800)[..., 0]
    options = {'network_size': [512, 384], **QUICK_START}
    with (
        running_node(domain, weights=weights, **options) as process,
        peer.streaming(Image, 'image', fill_with(frame, 'mono8'), rate=50.0),
    ):
        labels.wait()
        diagnostics.clear()
        dropped = frames_of(diagnostics.wait(), 'dropped')
        # A node that goes on dropping frames is busy all the time.
        diagnostics.wait(lambda array: frames_of(array, 'dropped') > dropped)
        process.send(number)
        process.send(number)  # Ctrl-C twice is a habit
        assert process.wait() == 0
        assert 'Traceback' not in process.output


@pytest.mark.parametrize('seconds', [30.0, None])
def test_the_limit_of_a_signal_that_comes_while_another_one_is_changed_holds(
    monkeypatch: pytest.MonkeyPatch, seconds: float | None
) -> None:
    ended: Future[None] = Future()
    limits: list[float | None] = []

    def limit(seconds: float | None = None, **_: bool) -> None:
        limits.append(seconds)
        if not ended.done():
            ended.set_result(None)

    monkeypatch.setattr(faulthandler, 'dump_traceback_later', limit)
    monkeypatch.setattr(faulthandler, 'cancel_dump_traceback_later', limit)
    for _ in range(2):
        ending._limit_time(ended, seconds)
        assert limits == [seconds, ending.TIME_TO_END]


def test_a_signal_after_networks_have_come_and_gone(domain: int, peer: Peer, weights: Path) -> None:
    with running_node(domain, weights=weights, device='cpu') as process:
        assert peer.call(Trigger, '/segmenter/reload', Trigger.Request()).success
        assert change(peer, Transition.TRANSITION_ACTIVE_SHUTDOWN) == 'finalized'
        process.send(signal.SIGTERM)
        assert process.wait() == 0


def test_a_signal_before_the_network_is_loaded(domain: int, peer: Peer, weights: Path) -> None:
    with running(node_command(weights=weights, **QUICK_START), domain) as process:
        # The node is in the graph as soon as rclpy is up; torch is still being imported then.
        client = peer.run(lambda: peer.node.create_client(GetState, '/segmenter/get_state'))
        assert client.wait_for_service(TIMEOUT)
        process.send(signal.SIGTERM)
        assert process.wait() == 0
        assert 'Traceback' not in process.output


@pytest.mark.parametrize(
    ('parameters', 'line'),
    [
        ('weights: /nowhere/else.safetensors', "no weights '/nowhere/else.safetensors'"),
        ('device: "cuda:99"', 'cuda:99'),
        ('drivable_classes: [lawn]', "no class 'lawn': the classes are sky, building"),
        ('class_names: [lawn]', 'class_names is read-only: its value comes from the weights. Rem'),
        ('max_rat: 1.0', "unknown parameter 'max_rat': did you mean 'max_rate'?"),
        (f'cameras: [{300 * "a"}]', 'cameras: a name has 300 characters, over the 128'),
        ('use_sim_time: "true"', "'use_sim_time' to 'true' of type 'STRING', expecting type 'BOOL"),
        ('use_sim_time: []', "The parameter 'use_sim_time' is not initialized"),
    ],
)
def test_what_cannot_work_ends_with_2_and_one_line(
    domain: int, weights: Path, tmp_path: Path, parameters: str, line: str
) -> None:
    file = write_parameters(tmp_path / 'parameters.yaml', parameters)
    command = node_command('--params-file', str(file))
    if 'weights' not in parameters:
        command += ['-p', f'weights:={weights}']
    with running(command, domain) as process:
        assert process.wait() == 2
        (said,) = errors_of(process.output)
    assert 'ERROR' in said
    assert line in said


@pytest.mark.parametrize(
    ('remapping', 'line'),
    [
        (f'__ns:=/{300 * "a"}', 'ROS cannot create the node: error creating node: invalid node'),
        (
            f'image:=/{240 * "a"}',
            'ROS rejects the topic name image/compressed (namespace /, after remapping): ',
        ),
    ],
)
def test_names_that_are_too_long_end_with_2_and_one_line(
    domain: int, remapping: str, line: str
) -> None:
    with running(node_command('-r', remapping), domain) as process:
        assert process.wait() == 2
        (said,) = errors_of(process.output)
    assert 'ERROR' in said
    assert line in said


def test_a_name_that_is_too_long_fails_the_transition(domain: int, peer: Peer) -> None:
    command = node_command('-r', f'image:=/{240 * "a"}', autostart=False)
    with running(command, domain) as process:
        assert change(peer, Transition.TRANSITION_CONFIGURE) == 'unconfigured'
        process.wait_for_output('ERROR.*ROS rejects the topic name image')
        process.send(signal.SIGINT)
        assert process.wait() == 0
        # One line for each call: on a busy machine there may be a second one.
        assert all('ROS rejects the topic name' in line for line in errors_of(process.output))


def test_a_parameter_file_for_other_nodes_is_reported(domain: int, tmp_path: Path) -> None:
    file = tmp_path / 'parameters.yaml'
    file.write_text('camera:\n  ros__parameters:\n    max_rate: 1.0\n')
    command = node_command('--params-file', str(file), autostart=False)
    with running(command, domain) as process:
        process.wait_for_output(
            'WARN.*no parameters for this node, /segmenter, only for /camera: put'
        )
        process.send(signal.SIGINT)
        assert process.wait() == 0


# torch aborts the process if it frees page-locked memory of a device that is lost.
FAIL = """
import os
import sys
import torch
from bisenet_ros.node.segmenter_node import main
from bisenet_ros.segmenter import Segmenter

class PageLocked:
    def __del__(self):
        os.abort()

def fail(*_):
    memory = PageLocked()
    raise torch.AcceleratorError('CUDA error: device-side assert triggered\\nCUDA kernel errors')

when = sys.argv.pop(1)
if when == 'while loading':
    Segmenter.from_settings = fail
elif when == 'with a frame':
    Segmenter.batch = fail
else:  # the name of a file: while loading, once the file is there
    load = Segmenter.from_settings
    Segmenter.from_settings = lambda settings: (fail if os.path.exists(when) else load)(settings)
sys.exit(main())
"""


@pytest.mark.parametrize('when', ['while loading', 'with a frame'])
def test_a_device_that_is_lost_ends_the_process_with_1_and_one_line(
    domain: int, peer: Peer, weights: Path, when: str
) -> None:
    arguments = ['--ros-args', *parameter_arguments(weights=weights, device='cpu')]
    with (
        running([sys.executable, '-c', FAIL, when, *arguments], domain) as process,
        peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')),
    ):
        assert process.wait() == 1
        (line,) = errors_of(process.output)
    assert '[FATAL]' in line
    assert 'failed permanently: CUDA error: device-side assert triggered. Restart the' in line
    assert 'respawn:=true' in line


def test_a_device_that_is_lost_while_reloading_ends_the_process_with_1(
    domain: int, peer: Peer, weights: Path, tmp_path: Path
) -> None:
    lost = tmp_path / 'lost'
    program = [sys.executable, '-c', FAIL, str(lost)]
    arguments = parameter_arguments(weights=weights, **QUICK_START)
    with running([*program, '--ros-args', *arguments], domain) as process:
        process.wait_for_output('waiting for')
        # The answer to a client's first call may be lost, and a repeated one would find no node.
        assert peer.call(Trigger, '/segmenter/reload', Trigger.Request()).success
        lost.touch()
        response = peer.call(Trigger, '/segmenter/reload', Trigger.Request())
        assert not response.success
        assert 'failed permanently' in response.message
        assert process.wait() == 1
        assert 'Traceback' not in process.output


@pytest.mark.parametrize(
    ('error', 'message'),
    [
        (
            'ModuleNotFoundError("No module named \'torch\'", name="torch")',
            f'the Python module torch is missing: {advice("torch")}',
        ),
        (
            'OSError("libcudart.so.12: cannot open shared object file")',
            'cannot be loaded: libcudart.so.12: cannot open shared object file. `python3 -c',
        ),
    ],
)
def test_without_torch_the_node_says_why(
    domain: int, tmp_path: Path, error: str, message: str
) -> None:
    (tmp_path / 'torch.py').write_text(f'raise {error}\n')
    with running(node_command(), domain, {'PYTHONPATH': str(tmp_path)}) as process:
        assert process.wait() == 2
        (line,) = errors_of(process.output)
    assert message in line


def test_security_that_the_middleware_does_not_have_ends_with_2_and_one_line(
    domain: int, tmp_path: Path
) -> None:
    enclave = tmp_path / 'enclaves' / 'segmenter'
    enclave.mkdir(parents=True)
    for name in (
        *('identity_ca.cert.pem', 'cert.pem', 'key.pem', 'permissions_ca.cert.pem'),
        *('governance.p7s', 'permissions.p7s'),
    ):
        (enclave / name).touch()
    environment = {
        'ROS_SECURITY_KEYSTORE': str(tmp_path),
        'ROS_SECURITY_ENABLE': 'true',
        'ROS_SECURITY_STRATEGY': 'Enforce',
    }
    with running(node_command('--enclave', '/segmenter'), domain, environment) as process:
        code = process.wait()
    if "doesn't have the security libraries" not in process.output:
        pytest.skip('needs Fast DDS without security')
    assert code == 2
    (line,) = errors_of(process.output)
    assert 'ERROR' in line
    assert 'ROS cannot create the node' in line


@pytest.mark.parametrize(
    ('arguments', 'environment', 'reason'),
    [
        (('--params-file', 'nowhere.yaml'), {}, '--params-file'),
        (('--log-levle', 'info'), {}, '--log-levle'),
        ((), {'HOME': '/dev/null', 'ROS_HOME': '', 'ROS_LOG_DIR': ''}, '/dev/null/.ros/log'),
    ],
)
def test_what_ros_does_not_start_with_ends_with_2_and_advice(
    domain: int, arguments: tuple[str, ...], environment: Mapping[str, str], reason: str
) -> None:
    with running(node_command(*arguments), domain, environment) as process:
        assert process.wait() == 2
        assert 'Traceback' not in process.output
        assert reason in process.output
        assert 'Check the arguments after --ros-args, and the environment' in process.output


# In a process of its own, where the first load imports torch.
FREED = """
import gc
import sys
import weakref
from concurrent.futures import Future

import rclpy

from bisenet_ros.node.lifecycle_node import SegmenterNode
from bisenet_ros.node.loader import Loader

rclpy.init(args=sys.argv)
gc.disable()  # which comes rarely
node = SegmenterNode(Future(), Loader())
for _ in range(2):
    node.trigger_configure()
    node.trigger_activate()
    network = weakref.ref(node._worker.segmenter)
    node.trigger_deactivate()
    node.trigger_cleanup()
    print('freed' if network() is None else 'kept')
"""


def test_the_network_is_freed_when_the_node_is_cleaned_up(domain: int, weights: Path) -> None:
    arguments = parameter_arguments(autostart=False, weights=weights, device='cpu')
    with running([sys.executable, '-c', FREED, '--ros-args', *arguments], domain) as process:
        assert process.wait() == 0
        assert process.output.count('freed') == 2, process.output
