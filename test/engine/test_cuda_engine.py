# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The engine for GPUs: its logits, its graphs and their fallback, and its ways to and from a GPU.

On a CPU all of it runs but CUDA itself: graphs, streams that overlap, cuDNN.
"""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from types import SimpleNamespace
from typing import Any

import kernel_calls
import numpy as np
import numpy.typing as npt
import pytest
import torch
from fake_cuda import GPU, FakeCuda
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from bisenet_ros.checkpoint import shipped_weights
from bisenet_ros.engine import cuda_engine, cuda_graphs, native, pinned_memory
from bisenet_ros.engine.branches import run_side_by_side
from bisenet_ros.engine.channel_padding import pad_classes, pad_colors
from bisenet_ros.engine.cuda_engine import CudaEngine
from bisenet_ros.engine.cuda_graphs import MAX_RUNNERS, EagerRunner, GraphRunner, Runners
from bisenet_ros.engine.epilogues import ConvReLU, fuse_epilogues
from bisenet_ros.engine.kernels import in_torch
from bisenet_ros.engine.labels import DeviceLabels, DrawSettings, HostLabels
from bisenet_ros.engine.pinned_memory import Download, reserve_page_locked_memory, upload
from bisenet_ros.engine.streams import stream_of
from bisenet_ros.engine.torch_engine import TorchEngine
from bisenet_ros.errors import UserError
from bisenet_ros.model_settings import DEFAULT_WEIGHTS
from bisenet_ros.network import NETWORKS, fold_batch_norm
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.synthetic.drive import SyntheticDrive

CPU = torch.device('cpu')
NETWORK_NAMES = ['bisenetv2', 'bisenetv1_xception39']
NETWORK_SIZE = (100, 70)  # is padded to 128x96

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='needs an NVIDIA GPU')
needs_weights = pytest.mark.skipif(
    not shipped_weights(), reason='needs the weights that ship with the package'
)


def noise(height: int, width: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


FRAMES = [noise(70, 100), noise(50, 120, seed=1), noise(140, 200, seed=2)]


def engine_on(device: torch.device, name: str = 'bisenetv2', **options: Any) -> CudaEngine:
    network, normalization = kernel_calls.build(name), kernel_calls.normalization()
    return CudaEngine(network, normalization, NETWORK_SIZE, device, 'fp32', **options)


def expected_logits(name: str = 'bisenetv2') -> Tensor:
    network, normalization = kernel_calls.build(name), kernel_calls.normalization()
    return TorchEngine(network, normalization, NETWORK_SIZE, CPU, 'fp32')(FRAMES)


# ---- logits ----


@pytest.mark.parametrize('name', NETWORK_NAMES)
@pytest.mark.parametrize('side_by_side', [True, False])
def test_logits_are_those_of_the_cpu(name: str, side_by_side: bool) -> None:
    logits = engine_on(CPU, name, side_by_side=side_by_side)(FRAMES)
    assert logits.shape == (3, 7, 12, 16)
    assert logits.dtype == torch.float32
    assert logits[0].permute(1, 2, 0).is_contiguous()
    torch.testing.assert_close(logits, expected_logits(name))


def test_earlier_frames_leave_no_trace() -> None:
    engine = engine_on(CPU)
    first = engine(FRAMES)
    before = first.clone()
    engine([np.full_like(frame, 255) for frame in FRAMES])
    torch.testing.assert_close(first, before, rtol=0, atol=0)
    torch.testing.assert_close(engine(FRAMES), before, rtol=0, atol=0)


@pytest.mark.slow
@kernel_calls.needs_interpreter
def test_logits_through_the_kernels_are_those_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    size, frames = (40, 32), [noise(40, 33)]
    network, normalization = kernel_calls.build('bisenetv2'), kernel_calls.normalization()
    expected = TorchEngine(network, normalization, size, CPU, 'fp32')(frames)
    monkeypatch.setenv('TRITON_INTERPRET', '1')
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context('spawn')) as interpreting:
        logits = interpreting.submit(
            kernel_calls.engine_logits, 'cpu', 'bisenetv2', size, frames
        ).result()
    torch.testing.assert_close(torch.from_numpy(logits), expected)


def test_the_network_that_was_given_is_not_changed() -> None:
    network = kernel_calls.build('bisenetv2')
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    CudaEngine(network, kernel_calls.normalization(), NETWORK_SIZE, CPU, 'bf16')
    after = network.state_dict()
    assert after.keys() == before.keys()
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, rtol=0, atol=0)


@pytest.mark.skipif(torch.cuda.is_available(), reason='needs a machine without an NVIDIA GPU')
@pytest.mark.parametrize('device', ['auto', 'cpu'])
def test_the_engine_is_refused_without_a_gpu(device: str) -> None:
    with pytest.raises(UserError, match='engine cuda is for NVIDIA GPUs, not for cpu'):
        Segmenter.load(device=device, engine='cuda')


# ---- one runner for each number of frames ----


def doubling(frames: int) -> EagerRunner:
    return EagerRunner(lambda images: 2 * images, torch.zeros(frames, 1))


def test_a_runner_runs_on_what_its_input_holds() -> None:
    runner = doubling(2)
    runner.input[:] = torch.tensor([[1.0], [3.0]])
    assert runner.run().tolist() == [[2.0], [6.0]]


def test_runners_are_kept_for_the_numbers_of_frames_that_came_last() -> None:
    made = []

    def make(frames: int) -> EagerRunner:
        made.append(frames)
        return doubling(frames)

    runners = Runners(make, doubling, [])
    for frames in range(1, MAX_RUNNERS + 1):
        assert runners.of(frames) is runners.of(frames)
        assert runners.of(frames).input.shape[0] == frames
    runners.of(1)
    runners.of(MAX_RUNNERS + 1)  # in the place of 2, the longest unused
    runners.of(1)
    assert made == [*range(1, MAX_RUNNERS + 2)]
    runners.of(2)
    assert made[-1] == 2


@pytest.mark.parametrize(
    'error',
    [
        torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 20 MiB\nmore'),
        RuntimeError('CUDA error: operation not permitted when stream is capturing'),
    ],
)
def test_a_capture_that_fails_is_reported_once_and_the_network_runs_on(
    error: RuntimeError,
) -> None:
    asked = []

    def capture(frames: int) -> EagerRunner:
        asked.append(frames)
        if frames > 1:
            raise error
        return doubling(frames)

    notes: list[str] = []
    runners = Runners(capture, doubling, notes)
    captured = runners.of(1)
    assert notes == []
    for frames in (2, 3, 2):
        runners.of(frames).input[:] = 4
        assert runners.of(frames).run().tolist() == [[8.0]] * frames
    assert runners.of(1) is captured
    assert asked == [1, 2]
    first_line = str(error).splitlines()[0]
    assert [f'no CUDA graph for 2 frame(s) ({first_line})' in note for note in notes] == [True]


def test_what_fails_without_a_graph_as_well_is_no_secret() -> None:
    def fail(frames: int) -> EagerRunner:
        raise RuntimeError('CUDA error: an illegal memory access was encountered')

    with pytest.raises(RuntimeError, match='illegal memory access'):
        Runners(fail, fail, []).of(1)


# ---- captures, as torch does them ----


@pytest.fixture
def _no_streams() -> Iterator[None]:
    stream_of.cache_clear()
    yield
    stream_of.cache_clear()


def on_fake_gpu(frames: int) -> Tensor:
    """An input that says that it is on the GPU."""

    class OnGpu(Tensor):
        device = GPU

    return torch.zeros(frames, 1).as_subclass(OnGpu)


@pytest.mark.usefixtures('_no_streams')
def test_a_graph_is_captured_on_a_stream_of_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda, seen = FakeCuda(monkeypatch, tells_allocator=True), []
    before = cuda.current

    def forward(images: Tensor) -> Tensor:
        seen.append((cuda.current, cuda.capturing))
        return images

    for frames in (1, 2):
        GraphRunner(forward, on_fake_gpu(frames), 7)
    (stream,) = {stream for stream, _ in seen}  # of both graphs, as a pool that they share wants it
    assert stream is stream_of(GPU, 'capture')
    assert [capturing for _, capturing in seen] == 2 * [None, None, None, stream]
    assert before in stream.waited_for
    assert stream in before.waited_for
    assert cuda.current is before
    assert cuda.pools == {7: 2}


@pytest.mark.usefixtures('_no_streams')
@pytest.mark.parametrize('tells_allocator', [False, True], ids=['torch 2.11', 'torch 2.12'])
def test_an_invalid_capture_leaves_stream_and_allocator_as_they_were(
    monkeypatch: pytest.MonkeyPatch, tells_allocator: bool
) -> None:
    cuda = FakeCuda(monkeypatch, tells_allocator=tells_allocator)
    before = cuda.current
    cuda.fails = RuntimeError('CUDA error: operation failed due to a previous error during capture')
    with pytest.raises(RuntimeError, match='previous error'):
        GraphRunner(lambda images: images, on_fake_gpu(1), 7)
    assert cuda.current is before
    assert cuda.underway == []
    assert cuda.pools == {7: int(tells_allocator)}  # torch's own affair from 2.12 on


@pytest.mark.usefixtures('_no_streams')
def test_nothing_else_runs_on_the_branches_stream_while_a_graph_is_captured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda = FakeCuda(monkeypatch, tells_allocator=True)
    held = []

    def forward(images: Tensor) -> Tensor:
        held.append((cuda.capturing is not None, cuda_graphs._streams_in_use.locked()))
        return images

    GraphRunner(forward, on_fake_gpu(1), 7)
    EagerRunner(forward, torch.zeros(1)).run()
    assert held == [(False, True)] * 3 + [(True, True), (False, True)]
    assert not cuda_graphs._streams_in_use.locked()


def test_streams_are_kept_for_their_role() -> None:
    assert stream_of(CPU, 'branch') is stream_of(CPU, 'branch')
    assert stream_of(CPU, 'branch') is not stream_of(CPU, 'capture')


def test_a_call_on_another_stream_waits_for_the_work_of_the_last_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both write the same input and read the same output, and a call ends before its work."""
    streams, done = ['first', 'second'], []

    class Event:
        def wait(self, stream: str) -> None:
            done.append(f'{stream} waits')

        def record(self, stream: str) -> None:
            done.append(f'{stream} records')

    runtime = SimpleNamespace(Event=Event, current_stream=lambda device: streams[0])
    monkeypatch.setattr(cuda_engine, 'runtime_of', lambda device: runtime)
    engine = engine_on(CPU)
    runner = engine._runners.of(1)
    prepare, run = engine._prepare, runner.run
    engine._prepare = lambda *frame: done.append('input') or prepare(*frame)
    runner.run = lambda: done.append('network') or run()
    engine(FRAMES[:1])
    streams.reverse()
    engine(FRAMES[:1])
    assert done == [
        *('first waits', 'input', 'network', 'first records'),
        *('second waits', 'input', 'network', 'second records'),
    ]


@pytest.mark.usefixtures('_no_streams')
def test_small_kernels_of_a_branch_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeCuda(monkeypatch, tells_allocator=True)
    assert stream_of(GPU, 'branch').priority < stream_of(GPU, 'capture').priority


# ---- the network on a GPU ----


@pytest.mark.parametrize('name', NETWORK_NAMES)
def test_branches_are_called_in_the_order_in_which_they_fork_and_join(name: str) -> None:
    network = kernel_calls.build(name)
    called: list[str] = []

    def note(branch: str) -> Callable[..., None]:
        return lambda *_: called.append(branch)

    assert network.branches is not None
    for branch in network.branches:
        getattr(network, branch).register_forward_hook(note(branch))
    with torch.inference_mode():
        network.coarse(torch.zeros(1, 3, 64, 64))
    assert tuple(called) == network.branches


@pytest.mark.parametrize('name', NETWORK_NAMES)
def test_side_by_side_the_branches_give_the_same(name: str) -> None:
    network, images = kernel_calls.build(name), torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        expected = network.coarse(images)
        assert network.branches is not None
        run_side_by_side(network, network.branches, CPU)
        torch.testing.assert_close(network.coarse(images), expected, rtol=0, atol=0)


@pytest.mark.parametrize('name', NETWORK_NAMES)
@pytest.mark.parametrize('cudnn', [False, True])
def test_fused_epilogues_give_the_same(
    monkeypatch: pytest.MonkeyPatch, name: str, cudnn: bool
) -> None:
    if cudnn:
        cudnn_on_cpu(monkeypatch)
    network, images = fold_batch_norm(kernel_calls.build(name)), torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        expected = network.coarse(images)
        fuse_epilogues(network, in_torch)
        torch.testing.assert_close(network.coarse(images), expected)
    fused = [module for module in network.modules() if isinstance(module, ConvReLU)]
    assert len(fused) > 10
    assert all(layer.fuses is cudnn for layer in fused)
    assert all(layer.conv.groups == 1 and layer.conv.bias is not None for layer in fused)


class KernelCounter(TorchDispatchMode):
    """Counts the kernels that torch would launch for what is called, were it on a GPU.

    Views are none, a convolution and its bias are two, all else is one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kernels: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = function.overloadpacket.__name__
        if name in ('conv2d', 'convolution'):
            self.kernels[name] += 2 if isinstance((*args, None)[2], Tensor) else 1
        elif not function.is_view and name not in ('dropout', 'empty'):
            self.kernels[name] += 1
        return function(*args, **(kwargs or {}))


def test_a_frame_takes_65_kernels_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """One each for what cuDNN and Triton do at once, which is opaque to torch on a GPU, too."""
    network = fold_batch_norm(NETWORKS['bisenetv2'](11).eval())
    counter = KernelCounter()
    images = torch.zeros(1, 3, 64, 128)

    def opaque(function: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
        def call(*arguments: Any) -> Tensor:
            with _disable_current_modes():
                result = function(*arguments)
            counter.kernels[name] += 1
            return result

        return call

    cudnn_on_cpu(monkeypatch)
    with torch.inference_mode():
        with counter:
            network.coarse(images)
        before = sum(counter.kernels.values())
        kernels = SimpleNamespace(
            depthwise=opaque(in_torch.depthwise, 'depthwise'),
            aggregate=opaque(in_torch.aggregate, 'aggregate'),
            concatenate_pooled=opaque(in_torch.concatenate_pooled, 'concatenate_pooled'),
        )
        fuse_epilogues(network, kernels)
        for name in ('cudnn_convolution_relu', 'cudnn_convolution_add_relu'):
            monkeypatch.setattr(torch, name, opaque(getattr(torch, name), name))
        network.coarse(images)  # proves the fused convolutions
        counter.kernels.clear()
        with counter:
            network.coarse(images)
    after = sum(counter.kernels.values())
    assert before > 160
    assert after <= 65, counter.kernels
    assert counter.kernels['depthwise'] == 16
    assert counter.kernels['cudnn_convolution_add_relu'] == 8


@pytest.mark.parametrize('name', NETWORK_NAMES)
def test_channels_are_padded_to_eight_and_change_nothing(name: str) -> None:
    network, images = fold_batch_norm(kernel_calls.build(name)), torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        expected = network.coarse(images)
        assert pad_classes(network) == 7
        assert pad_colors(network) == 8
        logits = network.coarse(torch.cat((images, torch.zeros(2, 5, 64, 96)), dim=1))
        assert logits.shape[1] == 8
        torch.testing.assert_close(logits[:, :7], expected)


def test_colors_of_a_network_that_does_more_with_them_are_not_padded() -> None:
    """One that subtracts the mean over all channels first."""
    network = fold_batch_norm(kernel_calls.build('bisenetv2'))
    coarse = network.coarse
    network.coarse = lambda images: coarse(images - images.mean(1, keepdim=True))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert pad_colors(network) == 3
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def cudnn_on_cpu(
    monkeypatch: pytest.MonkeyPatch, *, multiplies_by_zero: bool = False, drops_nan: bool = False
) -> list[Tensor]:
    """Replaces cuDNN's functions; returns the summands that they are given.

    Args:
        monkeypatch: Replaces the functions.
        multiplies_by_zero: Whether a summand with the factor 0 is read.
        drops_nan: Whether ReLU returns 0 for NaN, as one of cuDNN's modes does.
    """
    summands = []

    def relu_of(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, 0.0) if drops_nan else x.relu()

    def add_relu(
        x: Tensor, weight: Tensor, z: Tensor, alpha: float, bias: Tensor, *geometry: Any
    ) -> Tensor:
        summands.append(z)
        out = torch.conv2d(x, weight, bias, *geometry)
        return relu_of(out + alpha * z if alpha or multiplies_by_zero else out)

    def relu(x: Tensor, weight: Tensor, bias: Tensor, *geometry: Any) -> Tensor:
        return torch.conv2d(x, weight, bias, *geometry).relu()

    monkeypatch.setattr(torch, 'cudnn_convolution_relu', relu)
    monkeypatch.setattr(torch, 'cudnn_convolution_add_relu', add_relu)
    return summands


@pytest.mark.parametrize('drops_nan', [False, True])
@pytest.mark.parametrize('multiplies_by_zero', [False, True])
def test_cudnn_gets_zeros_where_it_would_read_what_is_not_there(
    monkeypatch: pytest.MonkeyPatch, multiplies_by_zero: bool, drops_nan: bool
) -> None:
    summands = cudnn_on_cpu(monkeypatch, multiplies_by_zero=multiplies_by_zero, drops_nan=drops_nan)
    layer = ConvReLU(nn.Conv2d(3, 4, 3, stride=2, padding=1))
    with torch.inference_mode():
        for size in (8, 6, 8):
            images = torch.randn(1, 3, size, size)
            torch.testing.assert_close(layer(images), layer.conv(images).relu())
    assert layer.fuses
    poisoned = [z for z in summands if z.isnan().all()]
    assert len(poisoned) == 2  # once for each size
    zeros = [z for z in summands if (z == 0).all()]
    assert len(zeros) == (5 if multiplies_by_zero else 0)  # and for each of three frames
    assert len(poisoned) + len(zeros) == len(summands)


def test_cudnn_is_not_used_where_it_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    cudnn_on_cpu(monkeypatch)
    monkeypatch.setattr(
        torch, 'cudnn_convolution_add_relu', lambda *_: torch.ones(1, 4, 4, 4, dtype=torch.float32)
    )
    layer = ConvReLU(nn.Conv2d(3, 4, 3, stride=2, padding=1))
    with torch.inference_mode():
        images = torch.randn(1, 3, 8, 8)
        torch.testing.assert_close(layer(images), layer.conv(images).relu())
    assert not layer.fuses


def test_batch_norms_that_are_not_folded_are_not_lost() -> None:
    network = kernel_calls.build('bisenetv2')
    fuse_epilogues(network, in_torch)
    assert not any(isinstance(module, ConvReLU) for module in network.modules())


# ---- to the device and back ----


@pytest.mark.parametrize('in_c', [True, False])
def test_frames_arrive_as_they_are(monkeypatch: pytest.MonkeyPatch, in_c: bool) -> None:
    if not in_c:
        monkeypatch.setattr(pinned_memory, 'tasks', lambda _: None)
    elif native.tasks('copy_rows') is None:
        pytest.skip('needs the C library')
    whole = noise(700, 900)  # several tasks
    for frame in (whole, whole[5:40, ::3], whole[::-1], whole[:, ::-1], whole[..., ::-1]):
        np.testing.assert_array_equal(upload(frame, CPU).numpy(), frame)
    whole.setflags(write=False)
    np.testing.assert_array_equal(upload(whole, CPU).numpy(), whole)


def test_a_download_is_what_was_there_when_it_began() -> None:
    tensor = torch.arange(6, dtype=torch.uint8).view(2, 3)
    download = Download(tensor)
    tensor.zero_()
    assert download.array().tolist() == [[0, 1, 2], [3, 4, 5]]


def test_an_engine_is_freed_at_once() -> None:
    engine = engine_on(CPU)
    engine(FRAMES[:1])
    left = [weakref.ref(engine), weakref.ref(engine._runners)]
    gc.disable()
    try:
        del engine
        assert [one() for one in left] == [None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize(('min_confidence', 'min_drivable_confidence'), [(0, 0), (60, 0), (0, 90)])
@pytest.mark.parametrize('device', ['cpu', pytest.param('cuda', marks=needs_gpu, id='gpu')])
def test_what_is_drawn_does_not_depend_on_where(
    min_confidence: int, min_drivable_confidence: int, device: str
) -> None:
    torch.manual_seed(0)
    logits = torch.randn(7, 12, 16)
    settings = DrawSettings((1, 4), min_confidence, min_drivable_confidence)
    arguments = ((90, 120), (7.5, 7.5), settings)
    host = HostLabels(logits, *arguments)
    drawn = DeviceLabels(logits.to(device), *arguments)
    np.testing.assert_array_equal(drawn.labels, host.labels)
    np.testing.assert_array_equal(drawn.drivable, host.drivable)
    assert np.abs(drawn.confidence.astype(int) - host.confidence).max() <= 1
    assert drawn.confidence is drawn.confidence


# ---- on a GPU ----


@needs_gpu
@pytest.mark.parametrize('name', NETWORK_NAMES)
def test_a_graph_gives_what_its_kernels_give_one_by_one(name: str) -> None:
    gpu = torch.device('cuda', 0)
    captured, eager = engine_on(gpu, name), engine_on(gpu, name, graphs=False, side_by_side=False)
    for frames in (FRAMES[:1], FRAMES, FRAMES[1:2], FRAMES[::-1]):
        torch.testing.assert_close(captured(frames), eager(frames), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(captured(FRAMES).cpu(), expected_logits(name), rtol=1e-3, atol=1e-3)


@needs_gpu
def test_memory_for_the_first_frame_is_there_before_it() -> None:
    reserve_page_locked_memory(torch.device('cuda', 0), 1)
    blocks = torch.cuda.host_memory_stats()['num_host_alloc']
    held = [torch.empty(1 << 22, dtype=torch.uint8, pin_memory=True) for _ in range(2)]
    assert torch.cuda.host_memory_stats()['num_host_alloc'] == blocks
    assert len(held) == 2


@needs_gpu
def test_bias_and_relu_are_fused_on_a_gpu() -> None:
    convolution = (
        nn.Conv2d(64, 64, 3, padding=1).cuda().half().to(memory_format=torch.channels_last)
    )
    images = torch.randn(1, 64, 64, 128, device='cuda', dtype=torch.float16)
    images = images.to(memory_format=torch.channels_last)
    layer = ConvReLU(convolution)
    with torch.inference_mode():
        fused = layer(images)
        torch.testing.assert_close(fused, convolution(images).relu(), rtol=1e-2, atol=1e-2)
        for _ in range(3):  # whatever lies where the result goes
            torch.full_like(fused, float('nan'))
            assert not layer(images).isnan().any()
    assert layer.fuses


@needs_gpu
@pytest.mark.parametrize(
    ('forward', 'reason'),
    [
        (lambda images: images.expand(1 << 40).clone(), 'out of memory'),
        (lambda images: images * float(images.sum()), 'captur'),  # waits for the GPU
    ],
)
def test_a_capture_that_fails_leaves_the_gpu_usable(
    forward: Callable[[Tensor], Tensor], reason: str
) -> None:
    gpu = torch.device('cuda', 0)

    def capture(frames: int) -> GraphRunner:
        return GraphRunner(forward, torch.ones(frames, device=gpu))

    notes: list[str] = []
    Runners(capture, doubling, notes).of(1)
    assert len(notes) == 1
    assert reason in notes[0]
    torch.testing.assert_close(
        engine_on(gpu)(FRAMES).cpu(), expected_logits(), rtol=1e-3, atol=1e-3
    )


@needs_gpu
@needs_weights
def test_fp16_keeps_the_labels_of_trained_weights() -> None:
    drive = SyntheticDrive(seed=1)
    exact = Segmenter.load(DEFAULT_WEIGHTS, device='cpu', precision='fp32', engine='torch')
    rounded = Segmenter.load(DEFAULT_WEIGHTS, device='cuda', precision='fp16')
    assert rounded.engine == 'cuda'
    differing = []
    for index in range(0, 60, 15):
        frame, _ = drive.frame(index)
        differing.append(np.mean(exact(frame).labels != rounded(frame).labels))
    assert np.mean(differing) < 0.002
