# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO computes what torch computes, for every network, whatever the size and the batch."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from cpu_marks import needs_bf16, needs_winograd
from torch import Tensor, nn

from bisenet_ros.engine.engine import UnsupportedNetworkError
from bisenet_ros.engine.pipeline import Pipeline
from bisenet_ros.engine.torch_engine import TorchEngine
from bisenet_ros.engine.winograd import WinogradConvolution, use_winograd
from bisenet_ros.errors import UserError
from bisenet_ros.network import NETWORKS, SegmentationNetwork, options_of
from bisenet_ros.preprocess import Normalization
from bisenet_ros.segmenter import Segmenter

if find_spec('openvino') is None:
    pytest.skip('needs OpenVINO', allow_module_level=True)

import openvino as ov

from bisenet_ros.engine import openvino_engine
from bisenet_ros.engine.openvino_engine import OpenVinoEngine
from bisenet_ros.engine.openvino_graph import translate

CPU = torch.device('cpu')
NORMALIZATION = Normalization(mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
SIZE = (100, 70)  # padded to 128x96


def build(name: str, **options: str | bool) -> SegmentationNetwork:
    """A network whose batch norms are not the identity."""
    generator = torch.manual_seed(0)
    network = NETWORKS[name](7, **options).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return network


def frames(count: int, width: int, height: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8))


def relative_error(actual: Tensor, expected: Tensor) -> float:
    return float((actual - expected).norm() / expected.norm())


@pytest.mark.usefixtures('small_images_pay')
@pytest.mark.parametrize('name', ['bisenetv2', 'bisenetv1_resnet18', 'bisenetv1_xception39'])
def test_a_network_has_the_logits_of_torch(name: str) -> None:
    """With batch norms as training leaves them; test_loading.py takes every network."""
    if 'resnet' in name and find_spec('torchvision') is None:
        pytest.skip('needs torchvision, which has the ResNets')
    network = build(name)
    shown = frames(1, *SIZE)
    logits = OpenVinoEngine(network, NORMALIZATION, SIZE, CPU, 'fp32')(shown)
    with torch.inference_mode():
        expected = network.coarse(NORMALIZATION(torch.from_numpy(np.stack(shown))))
    assert logits.shape == (1, 7, 12, 16)
    assert logits.dtype == torch.float32
    assert logits[0].permute(1, 2, 0).is_contiguous()
    assert relative_error(logits, expected) < 1e-4


@pytest.mark.usefixtures('small_images_pay')
@needs_winograd
def test_nothing_is_transposed_between_convolutions_of_ours() -> None:
    """Features that the library needs as well would be, there and back."""
    pipeline = Pipeline(build('bisenetv2'), SIZE, normalization=NORMALIZATION, output='coarse')
    use_winograd(pipeline.network, 'fp32')
    model = translate(pipeline, (1, *SIZE[::-1], 3), torch.uint8, names=('frames', 'coarse'))

    def source(node: ov.Node) -> ov.Node:
        return node.input_value(0).get_node()

    ours = [node for node in model.get_ops() if node.get_type_name() == 'WinogradOp']
    kinds = [source(node).get_type_name() for node in ours]
    assert kinds.count('WinogradOp') >= 6  # in the Detail Branch alone
    for node in ours:
        if source(node).get_type_name() == 'Transpose':
            assert source(source(node)).get_type_name() != 'Transpose'


@pytest.mark.parametrize(
    ('name', 'options'),
    [
        *(
            (name, {option: value})
            for name in ('bisenetv1_xception39', 'bisenetv2')
            for option, values in options_of(name).items()
            for value in values[1:]
        ),
        ('bisenetv1_xception39', {'upsampling': 'bilinear'}),
        ('bisenetv2', {'upsampling': 'nearest'}),
    ],
)
def test_so_has_every_form_of_a_network(name: str, options: dict[str, str | bool]) -> None:
    network = build(name, **options)
    shown = frames(1, 64, 96)
    logits = OpenVinoEngine(network, NORMALIZATION, (64, 96), CPU, 'fp32')(shown)
    expected = TorchEngine(network, NORMALIZATION, (64, 96), CPU, 'fp32')(shown)
    assert relative_error(logits, expected) < 1e-4


def test_channels_in_the_order_of_the_checkpoint() -> None:
    network = build('bisenetv2')
    normalization = Normalization(NORMALIZATION.mean, NORMALIZATION.std, 'bgr')
    shown = frames(1, 64, 64)
    logits = OpenVinoEngine(network, normalization, (64, 64), CPU, 'fp32')(shown)
    expected = TorchEngine(network, normalization, (64, 64), CPU, 'fp32')(shown)
    assert relative_error(logits, expected) < 1e-4


@pytest.mark.parametrize('precision', ['fp32', pytest.param('bf16', marks=needs_bf16)])
def test_frames_of_a_batch_may_differ_in_size_and_have_the_logits_they_have_alone(
    precision: str,
) -> None:
    engine = OpenVinoEngine(build('bisenetv2'), NORMALIZATION, SIZE, CPU, precision)
    batch = [*frames(1, *SIZE), frames(1, 333, 200)[0], frames(1, 90, 300)[0][::-1, ::2]]
    together = engine(batch)
    for logits, frame in zip(together, batch, strict=True):
        assert torch.equal(logits, engine([frame])[0])


def test_results_stay_when_the_next_frame_comes() -> None:
    engine = OpenVinoEngine(build('bisenetv2'), NORMALIZATION, (64, 64), CPU, 'fp32')
    first, second = frames(2, 64, 64)
    logits = engine([first])
    before = logits.clone()
    assert not torch.equal(engine([second]), before)
    assert torch.equal(logits, before)


def test_a_module_that_was_translated_is_given_back_at_once() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()).eval()
    left = weakref.ref(module)
    gc.disable()
    try:
        translate(module, (1, 3, 64, 64), torch.float32, names=('image', 'features'))
        del module
        assert left() is None, 'its weights would stay until Python looks for reference cycles'
    finally:
        gc.enable()


@pytest.mark.usefixtures('small_images_pay')
@needs_winograd
def test_an_engine_that_was_used_leaves_none_of_its_convolutions() -> None:
    engine = OpenVinoEngine(build('bisenetv2'), NORMALIZATION, SIZE, CPU, 'fp32')
    engine([np.zeros((70, 100, 3), np.uint8)])
    left = [weakref.ref(module) for module in engine._convolutions]
    left += [weakref.ref(op) for module in engine._convolutions for op in module.operations]
    assert left
    del engine
    gc.collect()
    assert not any(ref() for ref in left)


def test_an_operation_without_a_translation_is_named() -> None:
    with pytest.raises(UnsupportedNetworkError, match='Softplus'):
        translate(nn.Sequential(nn.Softplus()), (1,), torch.float32, names=('x', 'y'))


@pytest.mark.parametrize(
    ('layer', 'reason'),
    [
        (nn.Conv2d(3, 3, 3, padding=1, padding_mode='reflect'), 'a convolution that pads with zer'),
        (nn.Conv2d(3, 3, 3, padding='same'), 'padding by name'),
        (nn.BatchNorm2d(3, track_running_stats=False), 'a batch norm without statistics'),
        (nn.MaxPool2d(2, ceil_mode=True), 'max pooling that rounds down'),
        (nn.AvgPool2d(2, divisor_override=3), 'average pooling by the size of its window'),
        (nn.Upsample(scale_factor=2), 'Upsample'),
    ],
)
def test_a_form_that_is_not_translated_is_no_other_form(layer: nn.Module, reason: str) -> None:
    with pytest.raises(UnsupportedNetworkError, match=reason):
        translate(nn.Sequential(layer.eval()), (1, 3, 8, 8), torch.float32, names=('x', 'y'))


@pytest.mark.parametrize(
    'forward',
    [
        lambda x: F.interpolate(x, size=(4, 4)),
        lambda x: F.interpolate(x, scale_factor=2.0, mode='bicubic', align_corners=False),
        lambda x: F.pad(x, (1, 1, 1, 1), mode='reflect'),
        lambda x: x[:, :, ::2],
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x.repeat(1, x.shape[1], 1, 1),
    ],
)
def test_neither_is_one_of_a_function(forward: Callable[[Tensor], Tensor]) -> None:
    class Module(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return forward(x)

    with pytest.raises(UnsupportedNetworkError) as error:
        translate(Module(), (1, 3, 8, 8), torch.float32, names=('x', 'y'))
    assert '\n' not in str(error.value)


def test_what_openvino_does_not_compile_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Core:
        def compile_model(self, *_: object) -> ov.CompiledModel:
            raise RuntimeError('Exception from src/plugins/x.cpp:7:\nno such operation')

    monkeypatch.setattr(openvino_engine, 'core', Core)
    with pytest.raises(UnsupportedNetworkError, match=r'^OpenVINO does not compile it: Exception'):
        OpenVinoEngine(build('bisenetv2'), NORMALIZATION, (64, 64), CPU, 'fp32')


@pytest.mark.parametrize('output', ['logits', 'labels'])
def test_a_whole_pipeline_for_any_batch(output: str) -> None:
    network = build('bisenetv2')
    pipeline = Pipeline(network, SIZE, normalization=NORMALIZATION, output=output)
    shape, shown = (-1, SIZE[1], SIZE[0], 3), np.stack(frames(2, *SIZE))
    model = translate(pipeline, shape, torch.uint8, names=('frames', output))
    compiled = ov.Core().compile_model(model, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    actual = compiled(shown)[output]
    with torch.inference_mode():
        expected = pipeline(torch.from_numpy(shown)).numpy()
        logits = network(NORMALIZATION(torch.from_numpy(shown))).numpy()
    assert actual.dtype == expected.dtype
    if output == 'logits':
        np.testing.assert_allclose(actual, logits, atol=1e-4)
        np.testing.assert_allclose(expected, logits, atol=1e-4)
    else:
        assert np.mean(actual != logits.argmax(1)) < 0.001
        assert np.mean(expected != logits.argmax(1)) < 0.001


# ---- in the segmenter ----


@pytest.mark.parametrize(
    ('asked', 'given'), [('auto', 'openvino'), ('openvino', 'openvino'), ('torch', 'torch')]
)
def test_the_segmenter_takes_the_engine_asked_for(weights: Path, asked: str, given: str) -> None:
    assert Segmenter.load(weights, device='cpu', engine=asked).engine == given


def test_without_openvino_auto_is_torch(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'openvino', None)
    monkeypatch.delitem(sys.modules, 'bisenet_ros.engine.openvino_engine')
    assert Segmenter.load(weights, device='cpu').engine == 'torch'
    with pytest.raises(UserError, match='pip install openvino'):
        Segmenter.load(weights, engine='openvino')


@needs_winograd
def test_a_segmenter_of_a_class_does_not_abort_python_at_its_exit(
    weights: Path, tmp_path: Path
) -> None:
    """Python frees classes of imported modules last."""
    module = tmp_path / 'perception.py'
    module.write_text(
        'import sys\n'
        'from bisenet_ros.segmenter import Segmenter\n'
        'class Perception:\n'
        "    segmenter = Segmenter.load(sys.argv[1], device='cpu', engine='openvino')\n"
    )
    program = f'import sys; sys.path.append({str(tmp_path)!r}); import perception'
    subprocess.run([sys.executable, '-c', program, str(weights)], check=True)


@pytest.mark.usefixtures('small_images_pay')
@needs_winograd
def test_what_a_convolution_of_ours_raises_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """And Ctrl-C, which Python raises in the main thread, never ends one half done."""
    engine = OpenVinoEngine(build('bisenetv2'), NORMALIZATION, (64, 64), CPU, 'fp32')
    threads = set()

    def fail(_: WinogradConvolution, images: np.ndarray, outputs: np.ndarray) -> None:
        threads.add(threading.current_thread())
        raise ValueError('out of order')

    monkeypatch.setattr(WinogradConvolution, 'compute', fail)
    with pytest.raises(RuntimeError, match='out of order'):
        engine(frames(1, 64, 64))
    assert threads
    assert threading.main_thread() not in threads
