# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The kernels of the GPU do what the CPU does, to the last bit.

Where there is no GPU, Triton's interpreter runs the very code of the kernels, slowly, in a process
of its own: whether it interprets is settled when Triton is imported.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import kernel_calls
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bisenet_ros.checkpoint import Checkpoint, shipped_weights
from bisenet_ros.engine import kernels
from bisenet_ros.engine.torch_engine import TorchEngine
from bisenet_ros.engine.upsample_argmax import (
    Scale,
    Shape,
    upsample_argmax,
    upsample_confidence,
)
from bisenet_ros.label_space import IGNORE
from bisenet_ros.model_settings import DEFAULT_WEIGHTS
from bisenet_ros.network import Upsampling
from bisenet_ros.preprocess import ChannelOrder
from bisenet_ros.resizing import resize
from bisenet_ros.synthetic.drive import SyntheticDrive

CPU = torch.device('cpu')

needs_triton = pytest.mark.skipif(importlib.util.find_spec('triton') is None, reason='needs Triton')
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs an NVIDIA GPU')

Call = Callable[..., Any]
"""Calls a function of `kernel_calls` on a device that it chooses, with all other arguments."""


@pytest.fixture(scope='module')
def interpreting() -> Iterator[ProcessPoolExecutor]:
    """Another process, in which Triton interprets."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context('spawn')) as process:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv('TRITON_INTERPRET', '1')
            assert process.submit(kernel_calls.kernels_in_use, 'cpu').result() == 'in_triton'
        yield process


@pytest.fixture(
    params=[
        'torch',
        pytest.param('interpreter', marks=kernel_calls.needs_interpreter),
        pytest.param('gpu', marks=[needs_triton, needs_gpu]),
    ]
)
def call(request: pytest.FixtureRequest) -> Call:
    """The kernels in Triton, or what stands in for them."""
    if request.param == 'interpreter':
        process: ProcessPoolExecutor = request.getfixturevalue('interpreting')
        return lambda function, *rest, **named: process.submit(
            function, 'cpu', *rest, **named
        ).result()
    device, expected = {'torch': ('cpu', 'in_torch'), 'gpu': ('cuda', 'in_triton')}[request.param]
    assert kernel_calls.kernels_in_use(device) == expected
    return lambda function, *rest, **named: function(device, *rest, **named)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


# ---- frames to inputs ----

SIZES = [
    # frame, network: (width, height)
    ((64, 48), (64, 48)),  # as it is
    ((96, 64), (48, 32)),  # half, which OpenCV rounds in a way of its own
    ((72, 60), (24, 20)),  # a third
    ((72, 72), (12, 12)),  # a sixth: means end in a half now and then
    ((96, 50), (60, 33)),
    ((70, 100), (70, 41)),
    ((40, 30), (80, 60)),
    ((33, 57), (50, 60)),
    ((100, 20), (50, 33)),  # shrinks as a whole, grows along y
    ((20, 100), (33, 50)),  # and along x
    ((100, 20), (50, 60)),  # grows as a whole, shrinks along x
    ((72, 60), (24, 45)),  # whole pixels along x only
    ((60, 96), (45, 32)),  # and along y only
    ((45, 50), (49, 39)),  # with a value that needs all bits of a sum, shrinking as a whole
    ((41, 56), (77, 85)),  # and growing
]


def noise(width: int, height: int) -> kernel_calls.Image:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ('source', 'size', 'order'),
    [(*each, order) for each, order in zip(SIZES, cycle(get_args(ChannelOrder)), strict=False)],
)
def test_inputs_are_those_of_the_cpu(
    call: Call, source: tuple[int, int], size: tuple[int, int], order: ChannelOrder
) -> None:
    frame = noise(*source)
    prepared = call(kernel_calls.prepare, frame, size, order)
    shown = torch.from_numpy(resize(frame, size))[None]
    expected = kernel_calls.normalization(order)(shown)[0].permute(1, 2, 0).half().numpy()
    width, height = size
    np.testing.assert_array_equal(prepared[:height, :width], expected)
    assert (prepared[height:] == kernel_calls.BEYOND).all()
    assert (prepared[:, width:] == kernel_calls.BEYOND).all()


@pytest.mark.parametrize(
    ('source', 'size'),
    [
        ((2048, 1024), (1024, 512)),
        ((1920, 1200), (960, 544)),
        ((960, 720), (480, 360)),
        ((1281, 721), (480, 360)),
        ((480, 360), (1024, 512)),
        ((640, 480), (1024, 288)),
        ((2400, 1600), (800, 600)),
        # Shrink as a whole, one axis grows, and edges of pixels meet: the last bit decides.
        ((960, 540), (800, 600)),
        ((720, 576), (800, 448)),
    ],
)
def test_large_frames_are_resized_as_opencv_does(
    source: tuple[int, int], size: tuple[int, int]
) -> None:
    frame = noise(*source)
    prepared = kernel_calls.prepare('cpu', frame, size, 'bgr')[:-3, :-5]
    shown = torch.from_numpy(resize(frame, size))[None]
    expected = kernel_calls.normalization('bgr')(shown)[0].permute(1, 2, 0).half().numpy()
    np.testing.assert_array_equal(prepared, expected)


# ---- logits to labels ----


def smooth(classes: int, height: int, width: int) -> torch.Tensor:
    """Large areas with a clear winner, as a network that has learnt something gives them."""
    coarse = torch.randn(1, classes, height, width) * 8
    return F.avg_pool2d(coarse, 3, stride=1, padding=1)[0] * 3


LOGITS: dict[str, Callable[[int, int, int], torch.Tensor]] = {
    'random': lambda *shape: torch.randn(shape),
    'smooth': smooth,
    'ties': lambda *shape: torch.randint(-2, 3, shape).float(),
    'equal': lambda *shape: torch.full(shape, 0.3),
    'near ties': lambda *shape: (
        torch.randn(shape[1:]) + torch.randint(-2, 3, shape) * 1e-7  # units in the last place
    ),
}

# classes, grid (h, w), scale (y, x), rows and columns cropped
GEOMETRIES: list[tuple[int, Shape, Scale, Shape]] = [
    *((5, (4, 5), (float(scale), float(scale)), (0, 0)) for scale in range(1, 17)),
    (3, (4, 12), (20.5, 13.25), (7, 5)),
    (11, (8, 8), (7.3, 8.9), (9, 17)),
    (4, (12, 9), (1.02, 1.3), (1, 2)),
    (4, (20, 12), (0.4, 0.9), (0, 1)),
    (4, (32, 16), (0.5, 0.3125), (0, 0)),
    (1, (4, 4), (8.0, 8.0), (3, 0)),
    (60, (4, 4), (4.0, 4.0), (0, 0)),
]


def size_of(grid: Shape, scale: Scale, crop: Shape) -> Shape:
    return int(grid[0] * scale[0]) - crop[0], int(grid[1] * scale[1]) - crop[1]


@pytest.mark.parametrize('kind', LOGITS)
def test_labels_are_those_of_the_cpu(call: Call, kind: str) -> None:
    """Which are those of `interpolate` and `argmax`: see test_upsample_argmax.py."""
    # With near ties, any other rounding shows.
    for geometry in GEOMETRIES if kind == 'near ties' else GEOMETRIES[15::2]:
        classes, grid, scale, crop = geometry
        logits, size = LOGITS[kind](classes, *grid), size_of(grid, scale, crop)
        labels, mask = call(kernel_calls.draw, logits.numpy(), size, scale, drivable_ids=[0, 2])
        expected = upsample_argmax(logits, size, scale)
        np.testing.assert_array_equal(labels, expected, err_msg=str(geometry))
        drivable = np.where(np.isin(expected, [0, 2]), 255, 0)
        np.testing.assert_array_equal(mask, drivable, err_msg=str(geometry))


def test_labels_are_the_argmax_of_interpolate(call: Call) -> None:
    logits = torch.randn(19, 6, 10)
    upsampled = F.interpolate(logits[None], scale_factor=16, mode='bilinear', align_corners=False)
    labels, _ = call(kernel_calls.draw, logits.numpy(), (96, 160), (16.0, 16.0))
    np.testing.assert_array_equal(labels, upsampled[0].argmax(0).numpy())


@pytest.fixture(scope='module')
def logits() -> torch.Tensor:
    """(11, 12, 20) of a synthetic frame."""
    checkpoint = Checkpoint.load(DEFAULT_WEIGHTS)
    engine = TorchEngine(checkpoint.build(), checkpoint.normalization, (160, 96), CPU, 'fp32')
    frame, _ = SyntheticDrive(seed=1).frame(0)
    return engine([frame])[0]


@pytest.mark.skipif(not shipped_weights(), reason='needs the weights that ship with the package')
def test_labels_of_trained_weights_are_those_of_the_cpu(call: Call, logits: torch.Tensor) -> None:
    size, scale = (190, 320), (16.0, 16.0)
    labels, _ = call(kernel_calls.draw, logits.numpy(), size, scale)
    assert len(np.unique(labels)) > 3
    np.testing.assert_array_equal(labels, upsample_argmax(logits, size, scale))


@pytest.mark.parametrize('kind', ['random', 'smooth', 'equal'])
def test_confidence_is_that_of_the_cpu_and_thresholds_the_rest(call: Call, kind: str) -> None:
    logits, size, scale = LOGITS[kind](7, 6, 8), (50, 100), (9.0, 13.0)
    expected = upsample_confidence(logits, size, scale).astype(int)
    lowest = int(np.median(expected))
    min_drivable_confidence = int(np.quantile(expected, 0.8))
    labels, mask, confidence = call(
        kernel_calls.draw,
        logits.numpy(),
        size,
        scale,
        drivable_ids=range(7),
        min_confidence=lowest,
        with_confidence=True,
        min_drivable_confidence=min_drivable_confidence,
    )
    assert np.abs(confidence - expected).max() <= 1
    assert np.mean(confidence != expected) < 0.001
    known = confidence >= lowest
    np.testing.assert_array_equal(
        labels, np.where(known, upsample_argmax(logits, size, scale), IGNORE)
    )
    np.testing.assert_array_equal(mask, np.where(confidence >= min_drivable_confidence, 255, 0))


def test_memory_layout_does_not_matter(call: Call) -> None:
    logits = smooth(5, 6, 8).numpy()
    channels_last = np.ascontiguousarray(logits.transpose(1, 2, 0)).transpose(2, 0, 1)
    part = np.concatenate((logits, logits), axis=2)[:, :, 8:]
    expected = call(kernel_calls.draw, logits, (48, 64), (8.0, 8.0))
    for view in (channels_last, part):
        np.testing.assert_array_equal(call(kernel_calls.draw, view, (48, 64), (8.0, 8.0)), expected)


# ---- depth-wise convolutions ----


@pytest.mark.parametrize(
    ('dtype', 'batch', 'channels', 'multiplier', 'size', 'stride', 'relu'),
    [
        ('float16', 1, 16, 6, (6, 20), 1, True),  # expansion: 96 channels
        ('float32', 1, 16, 6, (5, 7), 1, True),
        ('float16', 2, 16, 6, (9, 13), 2, False),
        ('float16', 1, 64, 1, (7, 40), 1, True),
        ('float32', 2, 32, 1, (8, 10), 2, False),
        ('float16', 2, 32, 1, (8, 10), 2, False),
        ('float16', 1, 128, 1, (5, 3), 1, False),
        ('float16', 1, 20, 1, (1, 1), 1, True),  # no multiple of anything
    ],
)
def test_depthwise_convolutions_are_torchs(
    call: Call,
    dtype: str,
    batch: int,
    channels: int,
    multiplier: int,
    size: Shape,
    stride: int,
    relu: bool,
) -> None:
    images = torch.randn(batch, channels, *size).to(getattr(torch, dtype))
    conv = torch.nn.Conv2d(
        channels, multiplier * channels, 3, stride=stride, padding=1, groups=channels
    ).requires_grad_(False)
    conv.to(images.dtype)
    out = call(kernel_calls.depthwise, images.numpy(), conv.weight.numpy(), conv.bias.numpy(),
               stride, relu)  # fmt: skip
    expected = conv.float()(images.float())
    expected = expected.relu() if relu else expected
    tolerance = {'float32': 1e-5, 'float16': 2e-3}[dtype]
    torch.testing.assert_close(
        torch.from_numpy(out).float(), expected, rtol=tolerance, atol=tolerance
    )


# ---- stem ----


@pytest.mark.parametrize('dtype', ['float32', 'float16'])
@pytest.mark.parametrize(
    ('batch', 'channels', 'size'),
    [(1, 16, (6, 80)), (2, 16, (7, 9)), (2, 12, (1, 2)), (1, 32, (5, 1)), (1, 72, (4, 5))],
)
def test_pooled_images_follow_the_features_as_in_torch(
    call: Call, dtype: str, batch: int, channels: int, size: Shape
) -> None:
    halves = [-(-each // 2) for each in size]
    features, images = (
        torch.randn(batch, channels, *each).to(getattr(torch, dtype)) for each in (halves, size)
    )
    for value in (float('inf'), -float('inf'), float('nan')):
        images[torch.rand(images.shape) < 0.1] = value
    images[0, 0] = -float('inf')
    expected = torch.cat((features, torch.nn.MaxPool2d(3, stride=2, padding=1)(images)), dim=1)
    out = call(kernel_calls.concatenate_pooled, features.numpy(), images.numpy())
    np.testing.assert_array_equal(out, expected.numpy())


# ---- guided aggregation ----


@pytest.mark.parametrize('dtype', ['float32', 'float16'])
@pytest.mark.parametrize(
    ('upsampling', 'batch', 'channels', 'size'),
    [('bilinear', 2, 64, (2, 3)), ('bilinear', 1, 20, (1, 5)), ('nearest', 1, 20, (2, 3))],
)
def test_the_aggregation_is_torchs(
    call: Call, dtype: str, upsampling: Upsampling, batch: int, channels: int, size: Shape
) -> None:
    shapes = [(4 * size[0], 4 * size[1]), size, size, size]
    tensors = [torch.randn(batch, channels, *each).to(getattr(torch, dtype)) for each in shapes]
    fine, gate, coarse, coarse_gate = (each.float() for each in tensors)

    def grown(each: torch.Tensor) -> torch.Tensor:
        return torch.nn.Upsample(scale_factor=4, mode=upsampling)(each)

    expected = fine * grown(gate).sigmoid() + grown(coarse * coarse_gate.sigmoid())
    out = call(kernel_calls.aggregate, [each.numpy() for each in tensors], upsampling)
    tolerance = {'float32': 1e-5, 'float16': 4e-3}[dtype]
    torch.testing.assert_close(
        torch.from_numpy(out).float(), expected, rtol=tolerance, atol=tolerance
    )


# ---- on real GPUs, and without Triton ----


@pytest.mark.slow
@needs_triton
@pytest.mark.parametrize('capability', [75, 90])
def test_kernels_compile_for_gpus(
    capability: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No GPU is needed to compile for one, from Turing (75) to Hopper (90)."""
    from triton import compile, knobs
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from bisenet_ros.engine.kernels.triton_kernels import (
        aggregate_kernel,
        concatenate_pooled_kernel,
        depthwise_kernel,
        draw_kernel,
        prepare_kernel,
    )

    monkeypatch.setattr(knobs.cache, 'dir', str(tmp_path))
    pointers = {
        **dict.fromkeys(('frame', 'drivable', 'planes'), '*u8'),
        **dict.fromkeys(('x_first', 'y_first', 'tiles', 'columns'), '*i32'),
        **dict.fromkeys(('below_weights', 'right_weights'), '*fp32'),
        'logits': '*fp32',
        **dict.fromkeys(('target', 'images', 'weights', 'biases', 'out'), '*fp16'),
        **dict.fromkeys(('fine', 'gate', 'coarse', 'coarse_gate', 'features'), '*fp16'),
        'channels': 'i32',
    }
    sizes = {'block': 512, 'tile_rows': 16, 'tile_columns': 128, 'ignored': IGNORE, 'reverse': True}
    variants = [
        *((prepare_kernel, {'truncate': value}) for value in (False, True)),
        *((draw_kernel, {'with_confidence': value}) for value in (False, True)),
        *(
            (depthwise_kernel, {'stride': stride, 'relu': relu, 'multiplier': multiplier})
            for stride, relu, multiplier in ((1, True, 6), (2, False, 6), (1, True, 1))
        ),
        *((aggregate_kernel, {'bilinear': value}) for value in (False, True)),
        (concatenate_pooled_kernel, {}),
    ]
    for kernel, values in variants:
        exact = kernel in (prepare_kernel, draw_kernel)
        weights = '*i32' if values.get('truncate') else '*fp32'
        types = pointers | dict.fromkeys(('x_weights', 'y_weights'), weights)
        for tile_channels in (0,) if exact else (16, 64):
            constants = {
                **sizes,
                **values,
                'tile_channels': tile_channels,
                'tile_pixels': 512 // (tile_channels or 1),
            }
            signature = {
                parameter.name: 'constexpr'
                if parameter.is_constexpr
                else types.get(parameter.name, 'i32' if parameter.do_not_specialize else 'fp32')
                for parameter in kernel.params
            }
            constants = {name: constants[name] for name in constants if name in signature}
            compiled = compile(
                ASTSource(kernel, signature, constants),
                target=GPUTarget('cuda', capability, 32),
                options={'enable_fp_fusion': not exact},
            )
            # Multiply-add is fused where the C code fuses it, and nowhere else.
            if exact:
                assert ('fma.rn.f32' in compiled.asm['ptx']) == (kernel is draw_kernel)
            binary = tmp_path / 'kernel.cubin'
            binary.write_bytes(compiled.asm['cubin'])
            command = [knobs.nvidia.cuobjdump.path, '-res-usage', binary]
            usage = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            assert re.search(r'STACK:0 .*LOCAL:0 ', usage), 'registers are spilled to memory'


def test_without_triton_there_is_a_note_and_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('TRITON_INTERPRET', '1')
    monkeypatch.setitem(sys.modules, 'triton', None)
    monkeypatch.delitem(sys.modules, 'bisenet_ros.engine.kernels.in_triton', raising=False)
    monkeypatch.delattr(kernels, 'in_triton', raising=False)
    kernels._choose.cache_clear()
    try:
        engines = [kernel_calls.engine_on_cpu() for _ in range(2)]
        assert kernel_calls.kernels_in_use('cpu') == 'in_torch'
    finally:
        kernels._choose.cache_clear()
    for engine in engines:
        (note,) = engine.notes
        assert re.match(r'Triton does not work here \(.*triton.*\): torch', note)


@needs_triton
def test_triton_without_its_driver_is_not_used_and_a_failed_device_says_nothing_about_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv('TRITON_INTERPRET', '1')
    of_the_device = [
        torch.cuda.OutOfMemoryError('CUDA out of memory'),
        RuntimeError('Triton Error [CUDA]: out of memory'),
        RuntimeError('Triton Error [CUDA]: an illegal memory access was encountered'),
    ]
    errors: list[Exception] = [*of_the_device, AssertionError('libcuda.so cannot found!')]

    def fail(*_: object) -> None:
        raise errors.pop(0)

    stand_in = SimpleNamespace(TritonError=ZeroDivisionError)
    monkeypatch.setattr(kernels, 'in_triton', stand_in, raising=False)
    monkeypatch.setattr(kernels, '_draw_once', fail)
    kernels._choose.cache_clear()
    try:
        for error in of_the_device:
            with pytest.raises(type(error), match=re.escape(str(error))):
                kernels.kernels_for(CPU)
        assert kernel_calls.kernels_in_use('cpu') == 'in_torch'  # tried again
        assert 'libcuda.so cannot found!' in kernels.kernel_notes(CPU)[0]
    finally:
        kernels._choose.cache_clear()


def test_where_torch_is_meant_to_do_it_there_is_no_note() -> None:
    assert kernel_calls.engine_on_cpu().notes == []
