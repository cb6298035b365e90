# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a frame to labels on the host through an NVIDIA GPU: ours, what others do, and the roofline.

    python benchmarks/gpu.py --json gpu.json

All are measured in one run, in turn. What is not installed is left out and named. The roofline is
what the GPU would take at the rates that it reaches in the same run: the frame at the rate of
copies to it, the network's multiplications at that of a large matrix product, the labels and the
drivable mask at the rate of copies back.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bisenet_ros.benchmark import baselines
from bisenet_ros.benchmark.baselines import Labeller, Pixels, Size
from bisenet_ros.benchmark.machine import describe_machine
from bisenet_ros.benchmark.rounds import in_turn
from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.engine.cuda_engine import CudaEngine
from bisenet_ros.engine.engine import Engine
from bisenet_ros.engine.hardware import DTYPES, resolve_device, resolve_precision
from bisenet_ros.engine.labels import draw_labels
from bisenet_ros.engine.pipeline import Pipeline
from bisenet_ros.engine.profiling import listening, stage
from bisenet_ros.engine.torch_engine import TorchEngine
from bisenet_ros.engine.upsample_argmax import scale_to
from bisenet_ros.errors import UserError
from bisenet_ros.model_settings import DEFAULT_WEIGHTS
from bisenet_ros.preprocess import resize
from bisenet_ros.synthetic.drive import SyntheticDrive

REFERENCE = 'reference: eager'
COMPILED = 'torch.compile, argmax in the graph'
TENSORRT = 'TensorRT, argmax in the graph'
FASTEST = 'engine cuda: graph, two streams'
OURS = {
    'engine torch': None,
    'engine cuda: kernel by kernel': {'graphs': False, 'side_by_side': False},
    'engine cuda: graph, one stream': {'graphs': True, 'side_by_side': False},
    FASTEST: {'graphs': True, 'side_by_side': True},
}
"""Ours by name, each with what makes it a `CudaEngine`."""


@dataclass(frozen=True)
class Setting:
    """What all are given.

    Attributes:
        checkpoint: Weights and their meaning.
        network_size: (width, height).
        device: Where they run.
        precision: In what, a key of `DTYPES`.
    """

    checkpoint: Checkpoint
    network_size: Size
    device: torch.device
    precision: str

    def synchronize(self) -> None:
        """Wait for the device."""
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)


def ours(setting: Setting, options: dict[str, bool] | None) -> Labeller:
    """One of our engines, as the segmenter uses it."""
    network, normalization = setting.checkpoint.build(), setting.checkpoint.normalization
    size, device = setting.network_size, setting.device
    engine: Engine
    if options is None:
        engine = TorchEngine(network, normalization, size, device, setting.precision)
    else:
        engine = CudaEngine(network, normalization, size, device, setting.precision, **options)
    return lambda frame: drawn(engine, setting, frame)


def drawn(engine: Engine, setting: Setting, frame: Pixels) -> Pixels:
    """The labels of a frame, drawn with the drivable mask as the segmenter does it."""
    space = setting.checkpoint.label_space
    size = frame.shape[:2]
    scale = scale_to(size, setting.network_size)
    logits = engine([frame])[0]
    with stage('post'):
        return draw_labels(logits, size, scale, space.ids_of(space.drivable), 0).labels


def in_one_graph(setting: Setting, compile_for: Callable[[Pipeline], Any]) -> Labeller:
    """What a compiler makes of network, upsampling and argmax, with the ordinary way around it."""
    normalization, dtype = setting.checkpoint.normalization, DTYPES[setting.precision]
    pipeline = Pipeline(
        setting.checkpoint.build(),
        setting.network_size,
        normalization=None,
        output='labels',
        dtype=dtype,
    )
    graph = compile_for(pipeline.eval().to(setting.device))

    @torch.inference_mode()
    def label(frame: Pixels) -> Pixels:
        shown = torch.from_numpy(resize(frame, setting.network_size)).to(setting.device)
        labels: Tensor = graph(normalization(shown[None]).to(dtype))
        height, width = frame.shape[:2]
        enlarged = cv2.resize(
            labels[0].cpu().numpy(), (width, height), interpolation=cv2.INTER_NEAREST
        )
        return np.asarray(enlarged, np.uint8)

    return label


def compiled(setting: Setting) -> Labeller:
    """By torch's own compiler, tuned as far as it goes, CUDA graph included."""
    return in_one_graph(setting, lambda module: torch.compile(module, mode='max-autotune'))


def tensorrt(setting: Setting) -> Labeller:
    """By Torch-TensorRT."""
    import torch_tensorrt

    width, height = setting.network_size
    dtype = DTYPES[setting.precision]
    return in_one_graph(
        setting,
        lambda module: torch_tensorrt.compile(
            module,
            ir='dynamo',
            inputs=[torch_tensorrt.Input((1, 3, height, width), dtype=dtype)],
            enabled_precisions={dtype},
        ),
    )


# ---- the roofline ----


@dataclass(frozen=True)
class Rates:
    """What a device reaches.

    Attributes:
        flops: Floating-point operations per second in a large matrix product.
        to_device: Bytes per second from page-locked memory.
        to_host: Bytes per second to it.
    """

    flops: float
    to_device: float
    to_host: float


def measured_rates(setting: Setting) -> Rates:
    """The best of some tries each."""
    on_gpu = setting.device.type == 'cuda'
    side, length = (8192, 1 << 28) if on_gpu else (256, 1 << 20)
    a, b = torch.randn(2, side, side, dtype=DTYPES[setting.precision], device=setting.device)
    host = torch.zeros(length, dtype=torch.uint8, pin_memory=on_gpu)
    there = torch.zeros(length, dtype=torch.uint8, device=setting.device)

    def seconds(action: Callable[[], object]) -> float:
        tries = []
        for _ in range(10):
            setting.synchronize()
            start = time.perf_counter()
            action()
            setting.synchronize()
            tries.append(time.perf_counter() - start)
        return min(tries)

    return Rates(
        flops=2 * side**3 / seconds(lambda: a @ b),
        to_device=length / seconds(lambda: there.copy_(host, non_blocking=True)),
        to_host=length / seconds(lambda: host.copy_(there, non_blocking=True)),
    )


def roofline_ms(setting: Setting, frame: Pixels, rates: Rates) -> dict[str, float]:
    """The least that upload, network and download can take at these rates."""
    width, height = setting.network_size
    pipeline = Pipeline(
        setting.checkpoint.build(), setting.network_size, normalization=None, output='coarse'
    ).to('meta')
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        pipeline(torch.zeros(1, 3, height, width, device='meta'))
    pixels = frame.shape[0] * frame.shape[1]
    parts = {
        'frame to the GPU': 1e3 * frame.nbytes / rates.to_device,
        'network': 1e3 * counter.get_total_flops() / rates.flops,
        'labels and mask back': 1e3 * 2 * pixels / rates.to_host,
    }
    return {**parts, 'together': sum(parts.values())}


# ---- the run ----


def measure(
    setting: Setting, frame: Pixels, names: Sequence[str], rounds: int, rates: Rates
) -> dict[str, Any]:
    """Measure everybody at one network size, and print a table."""
    makers: dict[str, Callable[[], Labeller]] = {
        REFERENCE: lambda: baselines.eager(
            setting.checkpoint, setting.network_size, setting.device, DTYPES[setting.precision]
        ),
        COMPILED: lambda: compiled(setting),
        TENSORRT: lambda: tensorrt(setting),
        **{name: lambda options=options: ours(setting, options) for name, options in OURS.items()},
    }
    labellers = {name: makers[name]() for name in names}
    on_cpu = replace(setting, device=torch.device('cpu'), precision='fp32')
    expected = ours(on_cpu, OURS['engine torch'])(frame)
    times = in_turn(
        {name: lambda label=label: label(frame) for name, label in labellers.items()},
        rounds,
        advance=lambda: None,
    )
    slowest = times[names[0]].median_ms
    (height, width), (network_width, network_height) = frame.shape[:2], setting.network_size
    print(
        f'\n{f"frame {width}x{height}, network {network_width}x{network_height}":40}'
        f' {"p50 ms":>8} {"p99 ms":>8} {"faster":>8} {"other labels":>13}'
    )
    results: dict[str, Any] = {}
    for name, label in labellers.items():
        figures = times[name].figures()
        differing = float(np.mean(label(frame) != expected))
        results[name] = {**figures, 'differing': differing}
        print(
            f'{name:40} {figures["p50_ms"]:8.3f} {figures["p99_ms"]:8.3f}'
            f' {slowest / figures["p50_ms"]:7.1f}x {100 * differing:11.3f} %'
        )
    roofline = roofline_ms(setting, frame, rates)
    print(f'{"roofline":40} {roofline["together"]:8.3f}')
    for part, milliseconds in list(roofline.items())[:-1]:
        print(f'  {part:38} {milliseconds:8.3f}')
    stages = stage_times(setting, labellers, frame, rounds)
    if stages:
        print(f'{FASTEST}, waiting after each stage')
        for name, milliseconds in stages.items():
            print(f'  {name:38} {milliseconds:8.3f}')
    return {
        'network_size': setting.network_size,
        'results': results,
        'roofline_ms': roofline,
        'stages_ms': stages,
    }


def stage_times(
    setting: Setting, labellers: dict[str, Labeller], frame: Pixels, rounds: int
) -> dict[str, float]:
    """Medians of the stages of our fastest, if it was measured."""
    heard: dict[str, list[float]] = {}
    if FASTEST in labellers:
        with listening(lambda name, ms: heard.setdefault(name, []).append(ms), setting.synchronize):
            for _ in range(rounds):
                labellers[FASTEST](frame)
    return {name: float(np.median(milliseconds)) for name, milliseconds in heard.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print; see the top of this file."""
    everybody = [REFERENCE, COMPILED, TENSORRT, *OURS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--weights', default=DEFAULT_WEIGHTS)
    parser.add_argument('--device', default='cuda', help='cpu shows that everything runs, no more')
    parser.add_argument('--precision', default='auto', choices=('auto', *DTYPES))
    parser.add_argument('--frame', type=int, nargs=2, default=(2048, 1024), metavar=('W', 'H'))
    parser.add_argument(
        '--network',
        type=int,
        nargs=2,
        action='append',
        metavar=('W', 'H'),
        help='may be given again; default: 1024 512 and 2048 1024',
    )
    parser.add_argument('--rounds', type=int, default=200)
    parser.add_argument(
        '--only',
        nargs='+',
        choices=everybody,
        default=everybody,
        metavar='NAME',
        help='of the table',
    )
    parser.add_argument('--json', type=Path, help='also write everything to this file')
    options = parser.parse_args(arguments)

    try:
        device = resolve_device(options.device)
        precision = resolve_precision(options.precision, device)
        checkpoint = Checkpoint.load(options.weights)
    except UserError as error:
        parser.error(str(error))
    names = [name for name in everybody if name in options.only]
    if TENSORRT in names and find_spec('torch_tensorrt') is None:
        names.remove(TENSORRT)
        print('TensorRT is left out: torch_tensorrt is not installed')
    width, height = options.frame
    frame = resize(SyntheticDrive(seed=1).frame(0)[0], (width, height))
    rates = measured_rates(Setting(checkpoint, checkpoint.network_size, device, precision))
    print(
        f'{device} in {precision}: {rates.flops / 1e12:.1f} TFLOP/s, '
        f'{rates.to_device / 1e9:.1f} GB/s to it, {rates.to_host / 1e9:.1f} GB/s back'
    )
    report = {
        'machine': describe_machine(),
        'device': str(device),
        'precision': precision,
        'frame': (width, height),
        'rates': asdict(rates),
        'sizes': [
            measure(
                Setting(checkpoint, (network_width, network_height), device, precision),
                frame,
                names,
                options.rounds,
                rates,
            )
            for network_width, network_height in options.network or [(1024, 512), (2048, 1024)]
        ],
    }
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + '\n')


if __name__ == '__main__':
    main()
