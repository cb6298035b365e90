# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node as its own process, with the camera and the consumers on the other side of DDS.

What is published is compared with what the `Segmenter` gives on the same pixels in this process.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from rcl_interfaces.msg import Parameter
from rcl_interfaces.srv import DescribeParameters, ListParameters, SetParametersAtomically
from rclpy.parameter import get_parameter_value
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_peers import (
    RELIABLE,
    SENSOR_DATA,
    Peer,
    Process,
    change,
    fill_with,
    get_parameters,
    own_domain,
    pixels_of,
    running_node,
    set_parameter,
    set_parameters,
    stamp_of,
    status_of,
    street,
    values_of,
)
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_srvs.srv import SetBool, Trigger
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros.drivable import free_space_boundary
from bisenet_ros.image_codec import decode_compressed
from bisenet_ros.label_space import CAMVID, LabelSpace
from bisenet_ros.limits import MAX_IMAGE_SIDE
from bisenet_ros.model_settings import ModelSettings
from bisenet_ros.overlay import overlay
from bisenet_ros.segmenter import Segmenter

FRAME = street(120, 160)
# What is drivable stays among the classes when the weights are others.
OTHER_CLASSES = LabelSpace(
    names=(*CAMVID.names[::-1], 'lawn'),
    colors=(*CAMVID.colors, (0, 255, 0)),
    drivable=('lawn',),
)


@dataclass(frozen=True)
class Graph:
    """A running node and its peer."""

    process: Process
    peer: Peer

    def diagnostics(self) -> DiagnosticArray:
        """The next message on /diagnostics."""
        return self.peer.listen(DiagnosticArray, '/diagnostics', RELIABLE).wait()


@pytest.fixture(scope='module')
def segmenter(weights: Path) -> Segmenter:
    """What the node is to agree with; what is commonest in `FRAME` can be driven on."""
    untuned = Segmenter.load(weights, device='cpu', precision='fp32')
    commonest = np.bincount(untuned(FRAME).labels.ravel()).argmax()
    untuned.apply(ModelSettings(drivable_classes=(CAMVID.names[commonest],)))
    return untuned


@pytest.fixture(scope='module')
def shared_graph(weights: Path, segmenter: Segmenter) -> Iterator[Graph]:
    """One node for many tests; each leaves its parameters as it found them."""
    with own_domain() as domain:
        peer = Peer(domain)
        try:
            with running_node(
                domain,
                weights=weights,
                device='cpu',
                precision='fp32',
                drivable_classes=list(segmenter.label_space.drivable),
                max_allowed_processing_time_ms=60000.0,  # of a busy machine, too
            ) as process:
                yield Graph(process, peer)
        finally:
            peer.close()


@pytest.fixture
def graph(shared_graph: Graph) -> Iterator[Graph]:
    """The shared node, and a peer that listens to nothing yet."""
    yield shared_graph
    shared_graph.peer.stop_listening()


def test_labels_and_drivable_are_the_segmenters_under_the_cameras_header(
    graph: Graph, segmenter: Segmenter
) -> None:
    labels = graph.peer.listen(Image, 'segmentation/labels', SENSOR_DATA)
    drivable = graph.peer.listen(Image, 'segmentation/drivable', RELIABLE)
    with graph.peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')) as stream:
        found = labels.wait(stream.sent)
        mask = drivable.wait(stream.sent)
    expected = segmenter(FRAME)
    assert len(np.unique(expected.labels)) > 1, 'the comparison would prove nothing'
    assert set(np.unique(expected.drivable)) == {0, 255}
    for message, pixels in ((found, expected.labels), (mask, expected.drivable)):
        assert (message.height, message.width, message.step) == (120, 160, 160)
        assert message.encoding == 'mono8'
        assert message.header.frame_id == 'front_optical'
        np.testing.assert_array_equal(pixels_of(message), pixels)


@pytest.mark.parametrize('encoding', ['rgb8', 'bgra8', 'mono8'])
def test_images_of_other_encodings_have_the_labels_of_their_pixels(
    graph: Graph, segmenter: Segmenter, encoding: str
) -> None:
    code = {
        'rgb8': cv2.COLOR_BGR2RGB,
        'bgra8': cv2.COLOR_BGR2BGRA,
        'mono8': cv2.COLOR_BGR2GRAY,
    }[encoding]
    sent = cv2.cvtColor(FRAME, code)
    seen = cv2.cvtColor(sent, cv2.COLOR_GRAY2BGR) if encoding == 'mono8' else FRAME
    labels = graph.peer.listen(Image, 'segmentation/labels')
    with graph.peer.streaming(Image, 'image', fill_with(sent, encoding)) as stream:
        found = labels.wait(stream.sent)
    np.testing.assert_array_equal(pixels_of(found), segmenter(seen).labels)


def test_confidence_and_overlay_are_published_once_somebody_subscribes(
    graph: Graph, segmenter: Segmenter
) -> None:
    with graph.peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')) as stream:
        confidence = graph.peer.listen(Image, 'segmentation/confidence').wait(stream.sent)
        drawn = graph.peer.listen(Image, 'segmentation/overlay', RELIABLE).wait(stream.sent)
    expected = segmenter(FRAME)
    assert (confidence.encoding, confidence.step) == ('mono8', 160)
    np.testing.assert_array_equal(pixels_of(confidence), expected.confidence)
    bgr = overlay(FRAME, expected.labels, CAMVID, 0.5, drivable=expected.drivable)
    assert (drawn.encoding, drawn.step) == ('rgb8', 480)
    np.testing.assert_array_equal(pixels_of(drawn), bgr[..., ::-1])


def test_compressed_outputs_are_what_image_transport_reads(
    graph: Graph, segmenter: Segmenter
) -> None:
    kinds = ('labels', 'drivable', 'confidence', 'overlay')
    with graph.peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')) as stream:
        inboxes = {
            kind: graph.peer.listen(CompressedImage, f'segmentation/{kind}/compressed')
            for kind in kinds
        }
        found = {kind: inbox.wait(stream.sent) for kind, inbox in inboxes.items()}
    expected = segmenter(FRAME)
    for kind in ('labels', 'drivable', 'confidence'):
        # The formats are those of compressed_image_transport, the space at the end included.
        assert found[kind].format == 'mono8; png compressed '
        pixels = cv2.imdecode(np.frombuffer(found[kind].data, np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(pixels, getattr(expected, kind))
    assert found['overlay'].format == 'rgb8; jpeg compressed bgr8'
    bgr = overlay(FRAME, expected.labels, CAMVID, 0.5, drivable=expected.drivable)
    assert bytes(found['overlay'].data).startswith(b'\xff\xd8')
    difference = decode_compressed(found['overlay']).astype(int) - bgr
    assert np.abs(difference).mean() < 10  # with red and blue swapped it is over 50
    assert found['overlay'].header.frame_id == 'front_optical'


def test_drivable_area_and_timing_describe_the_frame(graph: Graph, segmenter: Segmenter) -> None:
    messages = pytest.importorskip('bisenet_ros.msg', reason='needs the compiled messages')
    areas = graph.peer.listen(messages.DrivableArea, 'segmentation/drivable_area')
    timings = graph.peer.listen(messages.SegmentationTiming, 'segmentation/timing')
    with graph.peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')) as stream:
        area, timing = areas.wait(stream.sent), timings.wait(stream.sent)
    expected = segmenter(FRAME)
    mask = expected.drivable
    assert (area.height, area.width) == (120, 160)
    assert area.fraction == pytest.approx(np.count_nonzero(mask) / mask.size)
    assert area.confidence == pytest.approx(expected.confidence[mask > 0].mean() / 255, abs=1e-6)
    np.testing.assert_array_equal(area.free_space_boundary, free_space_boundary(mask))
    for point in area.outline.points:
        assert mask[int(point.y), int(point.x)] == 255
    assert min(timing.decode_ms, timing.inference_ms, timing.publish_ms) >= 0
    assert timing.age_ms > timing.inference_ms > 0
    assert timing.frames_in >= timing.frames_out + timing.frames_dropped + timing.frames_malformed
    assert timing.frames_out > 0


def test_without_subscribers_the_work_goes_on_and_is_reported(graph: Graph) -> None:
    inbox = graph.peer.listen(DiagnosticArray, '/diagnostics', RELIABLE)
    with graph.peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')):
        before = int(values_of(inbox.wait(), 'camera')['frames_out'])
        inbox.clear()
        array = inbox.wait(lambda array: int(values_of(array, 'camera')['frames_out']) > before)
    after = values_of(array, 'camera')
    assert float(after['pipeline_latency_ms_p50']) > 0
    assert float(after['fps_out']) > 0


def test_where_nothing_is_drivable_the_drivable_area_is_empty(
    graph: Graph, segmenter: Segmenter
) -> None:
    messages = pytest.importorskip('bisenet_ros.msg', reason='needs the compiled messages')
    (absent, *_) = set(range(len(CAMVID))) - set(np.unique(segmenter(FRAME).labels).tolist())
    assert set_parameter(graph.peer, 'drivable_classes', [CAMVID.names[absent]]).successful
    areas = graph.peer.listen(messages.DrivableArea, 'segmentation/drivable_area')
    with graph.peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')):
        area = areas.wait(lambda message: message.fraction == 0)
    drivable = list(segmenter.label_space.drivable)
    assert set_parameter(graph.peer, 'drivable_classes', drivable).successful
    assert np.isnan(area.confidence)
    assert list(area.free_space_boundary) == 160 * [120]
    assert list(area.outline.points) == []


def test_camera_info_goes_along_with_the_labels_of_its_stamp_only(graph: Graph) -> None:
    infos = graph.peer.listen(CameraInfo, 'segmentation/camera_info')
    node = graph.peer.node
    publisher = graph.peer.run(lambda: node.create_publisher(CameraInfo, 'camera_info', RELIABLE))
    frames: list[tuple[int, int]] = []

    def fill(message: Image) -> None:
        # The info of a frame goes out with the next one, so it may come before or after the labels.
        # Every other info has a stamp that no frame has.
        fill_with(FRAME, 'bgr8')(message)
        if frames:
            sec, nanosec = frames[-1]
            info = CameraInfo(width=160, height=120)
            info.header.stamp.sec = sec
            info.header.stamp.nanosec = nanosec ^ len(frames) % 2
            info.k[0] = 1234.5
            publisher.publish(info)

    with graph.peer.streaming(Image, 'image', fill) as stream:
        frames = stream.stamps
        found = infos.wait_for_count(5)
    graph.peer.run(lambda: node.destroy_publisher(publisher))
    assert {stamp_of(info) for info in found} <= set(frames)
    assert all(info.k[0] == 1234.5 for info in found)


def test_malformed_frames_are_dropped_with_a_reason_and_the_node_goes_on(graph: Graph) -> None:
    labels = graph.peer.listen(Image, 'segmentation/labels')

    def cut_short(message: Image) -> None:
        fill_with(FRAME, 'bgr8')(message)
        message.data = message.data[:-1]

    with graph.peer.streaming(Image, 'image', cut_short) as stream:
        line = graph.process.wait_for_output('malformed')
        assert 'camera: malformed frame dropped: 160x120 bgr8 image: data holds 57599 bytes' in line
        broken = len(stream.stamps)
        stream.fill = fill_with(FRAME, 'bgr8')
        assert labels.wait(lambda message: stamp_of(message) in stream.stamps[broken:])
    shown = values_of(graph.diagnostics(), 'camera')
    assert int(shown['frames_malformed']) > 0


def test_frames_with_sides_up_to_the_limit_have_all_outputs_and_longer_ones_are_malformed(
    graph: Graph,
) -> None:
    overlays = graph.peer.listen(CompressedImage, 'segmentation/overlay/compressed', RELIABLE)
    for kind in ('labels', 'drivable', 'confidence'):
        graph.peer.listen(CompressedImage, f'segmentation/{kind}/compressed', RELIABLE)
    frame = np.zeros((32, MAX_IMAGE_SIDE), np.uint8)
    with graph.peer.streaming(Image, 'image', fill_with(frame, 'mono8'), rate=5.0) as stream:
        for pixels in (frame, frame.T):
            stream.fill = fill_with(pixels, 'mono8')
            overlays.wait(lambda m, shape=pixels.shape: decode_compressed(m).shape[:2] == shape)
        # OpenCV writes no JPEG with such a side.
        stream.fill = fill_with(np.zeros((32, 65_600), np.uint8), 'mono8')
        graph.process.wait_for_output('malformed frame dropped: the image is 65600x32, over the')
        stream.fill = fill_with(FRAME, 'bgr8')
        overlays.wait(lambda m: decode_compressed(m).shape == FRAME.shape)


def test_reliability_follows_the_publisher(graph: Graph) -> None:
    def reliability_of_subscriptions() -> list[ReliabilityPolicy]:
        endpoints = graph.peer.node.get_subscriptions_info_by_topic('/image')
        return [endpoint.qos_profile.reliability for endpoint in endpoints]

    labels = graph.peer.listen(Image, 'segmentation/labels')
    for policy in (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT):
        qos = QoSProfile(depth=1, reliability=policy)
        wanted = policy.name.lower().replace('_', ' ')
        with graph.peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8'), qos=qos) as stream:
            diagnostics = graph.peer.listen(DiagnosticArray, '/diagnostics', RELIABLE)
            diagnostics.wait(
                lambda a, wanted=wanted: values_of(a, 'camera')['reliability'] == wanted
            )
            # The peer may hear of the end of the earlier subscription later than of its successor.
            diagnostics.wait(lambda _, policy=policy: reliability_of_subscriptions() == [policy])
            sent = len(stream.stamps)
            assert labels.wait(lambda m, s=stream, n=sent: stamp_of(m) in s.stamps[n:])


def test_only_topics_that_somebody_publishes_are_proposed(graph: Graph) -> None:
    # Activated again, the node does not know that frames have arrived on its topic.
    assert change(graph.peer, Transition.TRANSITION_DEACTIVATE) == 'inactive'
    assert change(graph.peer, Transition.TRANSITION_ACTIVATE) == 'active'
    diagnostics = graph.peer.listen(DiagnosticArray, '/diagnostics', RELIABLE)
    graph.peer.listen(Image, '/other')
    # Of the first topic, only the subscriber is left when the second one is published.
    for topic in ('/other', '/camera/image_raw'):
        advice = (
            'nobody publishes /image (sensor_msgs/msg/Image): remap image to an existing topic,'
            f' such as {topic}'
        )
        with graph.peer.streaming(Image, topic, fill_with(FRAME, 'bgr8')):
            diagnostics.wait(lambda array, said=advice: status_of(array, 'camera').message == said)


def test_the_documentation_lists_the_values_of_diagnostics(graph: Graph) -> None:
    def keys(status: DiagnosticStatus) -> set[str]:
        return {re.sub(r'_p\d\d$', '', value.key) for value in status.values}

    def documented(beginning: str) -> set[str]:
        paragraph = text[text.index(beginning) :].partition('\n\n')[0]
        names = re.findall(r'`(\w+)`', paragraph)
        return {re.sub(r'_p\d\d$', '', name) for name in names} - {''}

    text = (Path(__file__).parents[2] / 'docs' / 'node.md').read_text()
    diagnostics = graph.peer.listen(DiagnosticArray, '/diagnostics', RELIABLE)
    with graph.peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')):
        array = diagnostics.wait(
            lambda array: (
                'pipeline_latency_ms' in keys(status_of(array, 'camera'))
                and 'processing_time_ms' in keys(status_of(array, 'engine'))
            )
        )
    some_values = {'mounting', 'tf', 'missing', 'none'}
    assert documented('The values are') - some_values == keys(status_of(array, 'camera'))
    of_gpu = {
        'device_memory_used_mib',
        'device_memory_total_mib',
        'device_temperature_celsius',
    }
    some_values = {'none', 'available'}
    assert documented('The values are `device`') - of_gpu - some_values == keys(
        status_of(array, 'engine')
    )


def test_thresholds_and_drivable_classes_change_at_once(graph: Graph, segmenter: Segmenter) -> None:
    labels = graph.peer.listen(Image, 'segmentation/labels')
    drivable = graph.peer.listen(Image, 'segmentation/drivable')
    seen = segmenter(FRAME)
    threshold = float(np.median(seen.confidence)) / 255
    with graph.peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')):
        assert set_parameter(graph.peer, 'confidence_threshold', threshold).successful
        expected = np.where(seen.confidence < np.ceil(255 * threshold), 255, seen.labels)
        assert 0 < np.count_nonzero(expected == 255) < expected.size
        labels.wait(lambda message: np.array_equal(pixels_of(message), expected))
        assert set_parameter(graph.peer, 'confidence_threshold', 0.0).successful

        rarest = np.unique(seen.labels)[np.unique(seen.labels, return_counts=True)[1].argmin()]
        assert set_parameter(graph.peer, 'drivable_classes', [CAMVID.names[rarest]]).successful
        mask = np.where(seen.labels == rarest, 255, 0)
        drivable.wait(lambda message: np.array_equal(pixels_of(message), mask))
        before = list(segmenter.label_space.drivable)
        assert set_parameter(graph.peer, 'drivable_classes', before).successful
        drivable.clear()
        drivable.wait(lambda message: np.array_equal(pixels_of(message), seen.drivable))


@pytest.mark.parametrize(
    ('name', 'value', 'reason'),
    [
        ('confidence_threshold', 1.5, 'confidence_threshold out of range'),
        ('max_rate', 'fast', 'Wrong parameter type'),
        ('drivable_classes', ['lawn'], "no class 'lawn': the classes are sky, building"),
        ('transport', 'compressed', 'transport cannot change while the node is configured'),
        ('cameras', ['front'], 'cameras cannot change while the node is configured'),
        ('precision', 'int4', 'precision must be one of auto, fp16, bf16, fp32'),
        ('class_names', ['lawn'], 'class_names is read-only: its value comes from the weights'),
        ('autostart', False, 'read-only'),
    ],
)
def test_wrong_parameters_are_refused_with_a_reason(
    graph: Graph, name: str, value: Any, reason: str
) -> None:
    result = set_parameter(graph.peer, name, value)
    assert not result.successful
    assert reason in result.reason


def test_values_of_the_command_line_are_converted_as_those_of_a_file(graph: Graph) -> None:
    arrays = 'double_array_value', 'integer_array_value'
    for name, text, field, expected in (
        ('max_rate', '5', 'double_value', 5.0),
        ('max_rate', '0', 'double_value', 0.0),
        ('mounting', '[1, 0, 2, 0, 0, 0]', arrays[0], [1.0, 0.0, 2.0, 0.0, 0.0, 0.0]),
        ('mounting', '[]', arrays[0], []),
        ('output_size', '[64, 32]', arrays[1], [64, 32]),
        ('output_size', '[]', arrays[1], []),
    ):
        (before,) = get_parameters(graph.peer, name)
        result = set_parameter(graph.peer, name, text)
        assert result.successful, result.reason
        (after,) = get_parameters(graph.peer, name)
        assert after.type == before.type
        found = getattr(after, field)
        assert (found if isinstance(expected, float) else list(found)) == expected


def test_parameters_may_be_set_to_the_values_that_they_have(graph: Graph) -> None:
    """As `ros2 param load` does with what `ros2 param dump` has written."""
    names = graph.peer.call(
        ListParameters, '/segmenter/list_parameters', ListParameters.Request()
    ).result.names
    described = graph.peer.call(
        DescribeParameters,
        '/segmenter/describe_parameters',
        DescribeParameters.Request(names=names),
    ).descriptors
    settable = [one.name for one in described if not one.read_only]
    assert {'cameras', 'transport', 'image_reliability', 'ego_mask', 'class_names'} <= {*settable}
    values = get_parameters(graph.peer, *settable)
    dumped = [
        Parameter(name=name, value=value) for name, value in zip(settable, values, strict=True)
    ]
    for name, result in zip(settable, set_parameters(graph.peer, dumped), strict=True):
        assert result.successful, f'{name}: {result.reason}'


def test_the_classes_are_parameters(graph: Graph) -> None:
    names, colors = get_parameters(graph.peer, 'class_names', 'class_colors')
    assert tuple(names.string_array_value) == CAMVID.names
    colors = np.array(colors.integer_array_value).reshape(-1, 3)
    assert [tuple(color) for color in colors.tolist()] == list(CAMVID.colors)


def test_enable_pauses_and_goes_on(graph: Graph) -> None:
    labels = graph.peer.listen(Image, 'segmentation/labels')
    with graph.peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')) as stream:
        labels.wait()
        answer = graph.peer.call(SetBool, '/segmenter/enable', SetBool.Request(data=False))
        assert answer.success
        assert status_of(graph.diagnostics(), 'engine').message == 'paused by ~/enable'
        paused = len(stream.stamps)
        labels.clear()
        graph.peer.listen(Image, 'image', RELIABLE).wait_for_count(40)
        # What was segmented before the pause may arrive in it, and nothing else.
        assert {stamp_of(late) for late in labels.messages} <= set(stream.stamps[:paused])
        labels.clear()
        assert graph.peer.call(SetBool, '/segmenter/enable', SetBool.Request(data=True)).success
        # Not the frames of the pause come first, but the newest.
        assert stream.stamps.index(stamp_of(labels.wait())) >= paused + 20


def test_a_camera_that_stops_in_a_pause_leaves_no_old_frame(graph: Graph) -> None:
    labels = graph.peer.listen(Image, 'segmentation/labels')
    with graph.peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')) as first:
        labels.wait()
        pause, go_on = SetBool.Request(data=False), SetBool.Request(data=True)
        assert graph.peer.call(SetBool, '/segmenter/enable', pause).success
        paused = len(first.stamps)
        graph.peer.listen(Image, 'image', RELIABLE).wait_for_count(10)
    assert graph.peer.call(SetBool, '/segmenter/enable', go_on).success
    with graph.peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')) as second:
        labels.wait(second.sent)
    assert {stamp_of(one) for one in labels.messages}.isdisjoint(first.stamps[paused:])


def test_a_pause_does_not_count_as_a_delay(graph: Graph) -> None:
    limit = 'max_allowed_processing_time_ms'
    diagnostics = graph.peer.listen(DiagnosticArray, '/diagnostics', RELIABLE)
    assert set_parameter(graph.peer, limit, 0.0).successful
    try:
        with graph.peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')):
            diagnostics.wait(lambda a: 'over the allowed 0 ms' in status_of(a, 'engine').message)
        diagnostics.clear()
        diagnostics.wait(lambda a: not _unfinished(a))
        for enabled in (False, True):
            request = SetBool.Request(data=enabled)
            assert graph.peer.call(SetBool, '/segmenter/enable', request).success
        assert status_of(graph.diagnostics(), 'engine').message == 'running'
    finally:
        assert set_parameter(graph.peer, limit, 60000.0).successful


def _unfinished(array: DiagnosticArray) -> int:
    """Returns the number of frames that are waiting or being segmented."""
    values = values_of(array, 'camera')
    finished = ('frames_out', 'frames_dropped', 'frames_malformed')
    return int(values['frames_in']) - sum(int(values[name]) for name in finished)


def test_reload_takes_other_weights_and_keeps_the_old_ones_when_it_fails(
    graph: Graph, weights: Path, segmenter: Segmenter
) -> None:
    assert set_parameter(graph.peer, 'weights', '/nowhere/else.safetensors').successful
    answer = graph.peer.call(Trigger, '/segmenter/reload', Trigger.Request())
    assert not answer.success
    assert "no weights '/nowhere/else.safetensors'" in answer.message
    assert 'stays in use' in answer.message
    labels = graph.peer.listen(Image, 'segmentation/labels')
    with graph.peer.streaming(Image, 'image', fill_with(FRAME, 'bgr8')):
        np.testing.assert_array_equal(pixels_of(labels.wait()), segmenter(FRAME).labels)

    other = save_tiny_checkpoint(weights.with_name('other.safetensors'), OTHER_CLASSES)
    for path, classes in ((other, OTHER_CLASSES), (weights, CAMVID)):
        assert set_parameter(graph.peer, 'weights', str(path)).successful
        answer = graph.peer.call(Trigger, '/segmenter/reload', Trigger.Request())
        assert answer.success
        assert answer.message == f'loaded {path}'
        shown = values_of(graph.diagnostics(), 'engine')
        assert shown['weights'] == str(path)
        assert (
            tuple(get_parameters(graph.peer, 'class_names')[0].string_array_value) == classes.names
        )


def test_weights_and_drivable_classes_are_changed_in_the_order_that_the_refusal_says(
    graph: Graph, weights: Path
) -> None:
    other = save_tiny_checkpoint(weights.with_name('lawn.safetensors'), OTHER_CLASSES)
    (classes,) = get_parameters(graph.peer, 'drivable_classes')
    given = {'weights': str(other), 'drivable_classes': ['lawn']}
    wanted = [
        Parameter(name=name, value=get_parameter_value(str(value))) for name, value in given.items()
    ]
    request = SetParametersAtomically.Request(parameters=wanted)
    answer = graph.peer.call(
        SetParametersAtomically, '/segmenter/set_parameters_atomically', request
    )
    assert not answer.result.successful
    assert "no class 'lawn': the classes are sky" in answer.result.reason
    assert answer.result.reason.endswith(
        f'This holds for the loaded weights, {weights}. For others, first set weights, and'
        " drivable_classes to [''], then call ~/reload, and then set this"
    )
    for path, drivable in (
        (other, ['lawn']),
        (weights, list(classes.string_array_value)),
    ):
        assert set_parameter(graph.peer, 'weights', path).successful
        assert set_parameter(graph.peer, 'drivable_classes', ['']).successful
        assert graph.peer.call(Trigger, '/segmenter/reload', Trigger.Request()).success
        assert set_parameter(graph.peer, 'drivable_classes', drivable).successful


def test_three_cameras_have_the_labels_that_each_has_alone(weights: Path) -> None:
    """Together or one after the other: whichever the node has measured to be faster."""
    alone = Segmenter.load(weights, device='cpu', engine='torch')
    sent = {'front': street(120, 160, 1), 'left': street(64, 80, 2), 'right': street(301, 203, 3)}
    options = {'cameras': '[front, left, right]', 'engine': 'torch'}
    with contextlib.ExitStack() as stack:
        domain = stack.enter_context(own_domain())
        peer = Peer(domain)
        stack.callback(peer.close)
        process = stack.enter_context(
            running_node(domain, weights=weights, device='cpu', **options)
        )
        said = process.wait_for_output('3 cameras are segmented (together|one after the other): ')
        inboxes = {name: peer.listen(Image, f'{name}/segmentation/labels') for name in sent}
        for name, pixels in sent.items():
            fill = fill_with(pixels, 'bgr8')
            stack.enter_context(peer.streaming(Image, f'{name}/image', fill, frame_id=name))
        found = {name: inbox.wait_for_count(5) for name, inbox in inboxes.items()}
        shown = values_of(Graph(process, peer).diagnostics(), 'engine')
    assert f'3 cameras are segmented {shown["batching"]}: ' in said
    for name, messages in found.items():
        for message in messages:
            assert message.header.frame_id == name
            np.testing.assert_array_equal(pixels_of(message), alone(sent[name]).labels)


@pytest.mark.slow
def test_several_cameras_compressed_in_a_namespace(weights: Path, segmenter: Segmenter) -> None:
    """One node, two cameras of different size, one of which says nothing at first."""
    sent = {'front': street(120, 160, 1), 'left': street(64, 80, 2)}

    def fill_png(pixels: Any) -> Any:
        encoded = cv2.imencode('.png', pixels)[1].tobytes()

        def fill(message: CompressedImage) -> None:
            message.format = 'bgr8; png compressed bgr8'
            message.data = encoded

        return fill

    options = {'cameras': '[front, left]', 'transport': 'compressed', 'precision': 'fp32'}
    with own_domain() as domain:
        peer = Peer(domain)
        arguments = ('-r', '__ns:=/car', '-r', 'front/image:=/car/front/image_raw')
        try:
            with running_node(domain, *arguments, weights=weights, device='cpu', **options):
                front = peer.listen(Image, '/car/front/segmentation/labels')
                left = peer.listen(Image, '/car/left/segmentation/labels')
                topic = '/car/front/image_raw/compressed'
                with peer.streaming(CompressedImage, topic, fill_png(sent['front'])):
                    found = {'front': front.wait()}
                    with peer.streaming(
                        CompressedImage,
                        '/car/left/image/compressed',
                        fill_png(sent['left']),
                        frame_id='left_optical',
                    ) as stream:
                        found['left'] = left.wait()
                        assert stamp_of(found['left']) in stream.stamps
        finally:
            peer.close()
    assert found['left'].header.frame_id == 'left_optical'
    assert found['front'].header.frame_id == 'front_optical'
    for name, message in found.items():
        np.testing.assert_array_equal(pixels_of(message), segmenter(sent[name]).labels)
