# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Times a frame to its labels on an NVIDIA GPU: our engines, other runtimes, and the roofline.

    python -m benchmarks.gpu --json gpu.json

Each candidate runs in a process of its own, in turn with the reference. Candidates that fail, time
out or are not installed are reported and skipped. The JSON file is rewritten after each result.

All but the reference upload, resize and normalise the frame on the GPU as our engines do, so that
they differ only in what runs the network. The reference is eager PyTorch, like published
implementations of BiSeNet. The roofline is the time at the rates that the GPU reaches in the same
run: upload of the frame, multiplications of the network at the speed of a large matrix product, and
download of the labels. The drivable mask, which our engines draw as well, may arrive later.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import convert_conv2d_weight_memory_format
from torch.utils.flop_counter import FlopCounterMode

from bisenet_ros.benchmark import baselines
from bisenet_ros.benchmark.baselines import Labeller, Pixels, Size
from bisenet_ros.benchmark.machine import describe_machine
from bisenet_ros.benchmark.rounds import in_turn
from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.engine.cuda_engine import CudaEngine
from bisenet_ros.engine.cuda_graphs import GraphRunner
from bisenet_ros.engine.engine import Engine
from bisenet_ros.engine.hardware import DTYPES, resolve_device, resolve_precision
from bisenet_ros.engine.kernels import kernels_for
from bisenet_ros.engine.kernels.resampling import Resampling
from bisenet_ros.engine.labels import DrawSettings, draw_labels
from bisenet_ros.engine.pinned_memory import Download, upload
from bisenet_ros.engine.pipeline import Pipeline
from bisenet_ros.engine.profiling import listening, stage
from bisenet_ros.engine.streams import on_device
from bisenet_ros.engine.torch_engine import TorchEngine
from bisenet_ros.engine.upsample_argmax import scale_to
from bisenet_ros.errors import UserError, first_line
from bisenet_ros.model_settings import DEFAULT_WEIGHTS
from bisenet_ros.onnx_program import onnx_program
from bisenet_ros.process_tuning import prepare_process
from bisenet_ros.resizing import resize
from bisenet_ros.synthetic.drive import SyntheticDrive

RATES = 'rates'
REFERENCE = 'reference: eager'
COMPILED = 'torch.compile, argmax in the graph'
TENSORRT = 'TensorRT, argmax in the graph'
TRTEXEC = 'TensorRT by trtexec, the network alone'
FASTEST = 'engine cuda: graph, two streams'
OURS = {
    FASTEST: {'graphs': True, 'side_by_side': True},
    'engine cuda: graph, one stream': {'graphs': True, 'side_by_side': False},
    'engine cuda: kernel by kernel': {'graphs': False, 'side_by_side': False},
    'engine torch': None,
}
"""Our engines by name, with the arguments of `CudaEngine`."""

CANDIDATES = (REFERENCE, *OURS, TENSORRT, TRTEXEC, COMPILED)
"""All candidates; those with a set-up of minutes are last."""


@dataclass(frozen=True)
class Setting:
    """Settings of all candidates.

    Attributes:
        checkpoint: The weights.
        network_size: (width, height).
        device: The device.
        precision: A key of `DTYPES`.
    """

    checkpoint: Checkpoint
    network_size: Size
    device: torch.device
    precision: str

    def synchronize(self) -> None:
        """Waits for the device."""
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)


def ours(setting: Setting, options: dict[str, bool] | None) -> tuple[Labeller, list[str]]:
    """Returns one of our engines, used as in the segmenter, and its notes, which may grow."""
    network, normalization = setting.checkpoint.build(), setting.checkpoint.normalization
    size, device = setting.network_size, setting.device
    engine: Engine
    if options is None:
        engine = TorchEngine(network, normalization, size, device, setting.precision)
    else:
        engine = CudaEngine(network, normalization, size, device, setting.precision, **options)
    return lambda frame: drawn(engine, setting, frame), engine.notes


def drawn(engine: Engine, setting: Setting, frame: Pixels) -> Pixels:
    """Returns the labels of a frame, computed with the drivable mask as in the segmenter."""
    space = setting.checkpoint.label_space
    size = frame.shape[:2]
    scale = scale_to(size, setting.network_size)
    logits = engine([frame])[0]
    with stage('post'):
        settings = DrawSettings(space.ids_of(space.drivable))
        return draw_labels(logits, size, scale, settings).labels


class LabelsInGraph(nn.Module):
    """Maps prepared frames (1, h, w, 3), as in our engines, to labels (1, h, w) int32."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.pipeline = Pipeline(
            setting.checkpoint.build(),
            setting.network_size,
            normalization=None,
            output='logits',
            dtype=DTYPES[setting.precision],
        )

    def forward(self, prepared: Tensor) -> Tensor:
        logits: Tensor = self.pipeline(prepared.permute(0, 3, 1, 2))
        return logits.argmax(1).to(torch.int32)


def around(setting: Setting, run: Callable[[Tensor], Tensor], prepared: Tensor) -> Labeller:
    """Combines our preprocessing, a network, and labels resized to the frame as usual.

    Args:
        setting: Settings of all candidates.
        run: Runs `LabelsInGraph`.
        prepared: Its input buffer, (1, h, w, 3).
    """
    device, kernels = setting.device, kernels_for(setting.device)

    @torch.inference_mode()
    def label(frame: Pixels) -> Pixels:
        height, width = frame.shape[:2]
        with on_device(device):
            resampling = Resampling.between((width, height), setting.network_size, device)
            pixels = upload(frame, device)
            kernels.prepare(pixels, prepared[0], resampling, setting.checkpoint.normalization)
            labels = run(prepared)[None].to(torch.uint8)  # (1, 1, h, w)
            return Download(F.interpolate(labels, (height, width), mode='nearest')[0, 0]).array()

    return label


def empty_input(setting: Setting) -> Tensor:
    """Returns the input buffer for prepared frames."""
    width, height = setting.network_size
    dtype = DTYPES[setting.precision]
    return torch.zeros((1, height, width, 3), dtype=dtype, device=setting.device)


def compiled(setting: Setting) -> Labeller:
    """Returns the network run by torch.compile with maximum tuning, including a CUDA graph."""
    module = LabelsInGraph(setting).eval().to(setting.device)
    convert_conv2d_weight_memory_format(module, torch.channels_last)
    # Not dynamic: for a second size, torch would compile a graph for all sizes.
    graph = torch.compile(module, mode='max-autotune', dynamic=False)
    prepared = empty_input(setting)
    torch._dynamo.mark_static_address(prepared)  # avoids a copy of the input in its CUDA graph
    return around(setting, graph, prepared)


def onnx_of(setting: Setting) -> bytes:
    """Returns `LabelsInGraph` for TensorRT; the graph contains the precision, as required."""
    program = onnx_program(
        LabelsInGraph(setting).eval(),
        empty_input(setting).cpu(),
        input_name='prepared',
        output_name='labels',
    )
    return bytes(program.model_proto.SerializeToString())


def tensorrt(setting: Setting) -> Labeller:
    """Returns the network run by the Python API of TensorRT, launched as a CUDA graph."""
    import tensorrt as trt

    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    # Strongly typed: the graph contains the precisions, the only way since version 11.
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(onnx_of(setting)):
        errors = [str(parser.get_error(index)) for index in range(parser.num_errors)]
        raise UserError(f'TensorRT cannot read the network: {"; ".join(errors)}')
    plan = builder.build_serialized_network(network, builder.create_builder_config())
    if plan is None:
        raise UserError('TensorRT cannot build the network')
    runtime = trt.Runtime(logger)
    context = runtime.deserialize_cuda_engine(plan).create_execution_context()
    prepared = empty_input(setting)
    labels = torch.zeros(prepared.shape[:3], dtype=torch.int32, device=setting.device)
    context.set_tensor_address('prepared', prepared.data_ptr())
    context.set_tensor_address('labels', labels.data_ptr())

    def forward(_: Tensor) -> Tensor:
        context.execute_async_v3(torch.cuda.current_stream(setting.device).cuda_stream)
        return labels

    with on_device(setting.device):
        runner = GraphRunner(forward, prepared)

    def run(_: Tensor, context: Any = context) -> Tensor:  # the graph uses the context's memory
        return runner.run()

    return around(setting, run, prepared)


def trtexec(setting: Setting) -> dict[str, float]:
    """Returns times of the network alone, measured by trtexec."""
    with TemporaryDirectory() as folder:
        path = Path(folder, 'network.onnx')
        path.write_bytes(onnx_of(setting))
        options = ('--stronglyTyped', '--useCudaGraph', '--noDataTransfers', '--duration=3')
        command = ['trtexec', f'--onnx={path}', f'--device={setting.device.index or 0}', *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    line = re.search(r'GPU Compute Time: (.*)', done.stdout)
    if done.returncode != 0 or line is None:
        raise UserError(
            f'trtexec ended with {done.returncode}: {(done.stderr or done.stdout)[-300:]}'
        )
    median, p99 = (
        float(match[1]) if (match := re.search(rf'{name} = ([\d.]+) ms', line[1])) else float('nan')
        for name in ('median', r'percentile\(99%\)')
    )
    return {'p50_ms': median, 'p99_ms': p99}


# ---- the roofline ----


@dataclass(frozen=True)
class Rates:
    """Measured rates of a device.

    Attributes:
        flops: Floating-point operations per second in a large matrix product.
        to_device: Upload from page-locked memory, bytes per second.
        to_host: Download to page-locked memory, bytes per second.
    """

    flops: float
    to_device: float
    to_host: float


def measured_rates(setting: Setting) -> Rates:
    """Returns the best rate of several trials each."""
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
    """Returns the minimum time of upload, network and download at these rates."""
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
        'labels back': 1e3 * pixels / rates.to_host,
    }
    return {**parts, 'together': sum(parts.values())}


# ---- the run ----


@dataclass(frozen=True)
class Task:
    """A measurement for a child process.

    Attributes:
        name: The candidate, or `RATES`.
        weights: Argument of `Checkpoint.load`.
        device: The device.
        precision: A key of `DTYPES`.
        frame: (H, W, 3).
        rounds: Number of measured rounds.
        expected: The reference labels of the frame, by network size.
    """

    name: str
    weights: str
    device: torch.device
    precision: str
    frame: Pixels
    rounds: int
    expected: dict[Size, Pixels]


def work(task: Task, report: Connection) -> None:
    """Entry point of a process: sends (size, result) for each size, or an error."""
    prepare_process()
    try:
        checkpoint = Checkpoint.load(task.weights)
        rates = None
        for size, expected in task.expected.items():
            setting = Setting(checkpoint, size, task.device, task.precision)
            if task.name == RATES:
                rates = rates or measured_rates(setting)
                report.send((size, {**asdict(rates), **roofline_ms(setting, task.frame, rates)}))
            else:
                report.send((size, measure(setting, task, expected)))
    except Exception as error:
        # So that the next process starts.
        report.send((None, f'{type(error).__name__}: {first_line(error)}'))
        raise


def measure(setting: Setting, task: Task, expected: Pixels) -> dict[str, Any]:
    """Measures a candidate at one network size, in turn with the reference."""
    if task.name == TRTEXEC:
        return trtexec(setting)
    start = time.perf_counter()
    makers: dict[str, Callable[[], Labeller]] = {
        REFERENCE: lambda: reference(setting),
        COMPILED: lambda: compiled(setting),
        TENSORRT: lambda: tensorrt(setting),
    }
    notes: list[str] = []
    if task.name in makers:
        label = makers[task.name]()
    else:
        label, notes = ours(setting, OURS[task.name])
    labels = label(task.frame).copy()
    ready = time.perf_counter() - start
    beside = label if task.name == REFERENCE else reference(setting)
    times = in_turn(
        {REFERENCE: lambda: beside(task.frame), task.name: lambda: label(task.frame)},
        task.rounds,
        advance=lambda: None,
    )
    result = {
        **times[task.name].figures(),
        'faster': times[REFERENCE].median_ms / times[task.name].median_ms,
        'differing': float(np.mean(labels != expected)),
        'ready_s': ready,
        'notes': notes,
    }
    if task.name == FASTEST:
        result['stages_ms'] = stage_times(setting, label, task.frame, task.rounds)
    return result


def reference(setting: Setting) -> Labeller:
    """Returns eager PyTorch."""
    dtype = DTYPES[setting.precision]
    return baselines.eager(setting.checkpoint, setting.network_size, setting.device, dtype)


def stage_times(setting: Setting, label: Labeller, frame: Pixels, rounds: int) -> dict[str, float]:
    """Returns the median times of an engine's stages, synchronised after each stage."""
    times_ms: dict[str, list[float]] = {}
    with listening(lambda name, ms: times_ms.setdefault(name, []).append(ms), setting.synchronize):
        for _ in range(rounds):
            label(frame)
    return {name: float(np.median(milliseconds)) for name, milliseconds in times_ms.items()}


def results(task: Task, until: float) -> Iterator[tuple[Size, dict[str, Any]]]:
    """Yields the result or error of each size, measured in a child process.

    Args:
        task: What to measure.
        until: Time limit, by `time.monotonic`.
    """
    left = dict(task.expected)
    while left:
        if time.monotonic() >= until:
            yield from ((size, {'error': 'skipped, out of time'}) for size in left)
            return
        receiver, sender = get_context('spawn').Pipe(duplex=False)
        process = get_context('spawn').Process(
            target=work, args=(Task(**{**vars(task), 'expected': left}), sender)
        )
        process.start()
        sender.close()
        error = ''
        while left and not error:
            if not receiver.poll(max(0.0, until - time.monotonic())):
                error = 'not finished in time'
                break
            try:
                size, result = receiver.recv()
            except EOFError:
                process.join()
                error = f'the process ended with exit code {process.exitcode}'
                break
            if size is None:
                error = result
            else:
                del left[size]
                yield size, result
        if error:
            size = next(iter(left))  # later sizes are tried in a new process
            del left[size]
            yield size, {'error': error}
            process.kill()
        process.join()
        receiver.close()


def line(name: str, size: Size, result: dict[str, Any]) -> str:
    """Returns a result as a row of the table."""
    row = f'{name:40} {size[0]}x{size[1]:<5}'
    if 'error' in result:
        return f'{row} {result["error"]}'
    row += f' {result["p50_ms"]:8.3f} {result["p99_ms"]:8.3f}'
    if 'faster' in result:
        row += f' {result["faster"]:7.1f}x {100 * result["differing"]:11.3f} %'
    return '\n  '.join((row, *result.get('notes', ())))


def rows_of_rates(size: Size, result: dict[str, Any]) -> Iterator[str]:
    """Yields the rows of a size's roofline and the underlying rates."""
    if 'error' in result:
        yield line('roofline', size, result)
        return
    yield (
        f'{result["flops"] / 1e12:.1f} TFLOP/s, {result["to_device"] / 1e9:.1f} GB/s to the device,'
        f' {result["to_host"] / 1e9:.1f} GB/s back'
    )
    for part, milliseconds in result.items():
        if part not in Rates.__dataclass_fields__:
            yield f'{"roofline, " + part:40} {size[0]}x{size[1]:<5} {milliseconds:8.3f}'


def options_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--weights', default=DEFAULT_WEIGHTS)
    parser.add_argument(
        '--device', default='cuda', help='cpu is only for checking that everything runs'
    )
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
    parser.add_argument('--minutes', type=float, default=4.8, help='time limit')
    parser.add_argument(
        '--only',
        nargs='+',
        choices=CANDIDATES,
        default=CANDIDATES,
        metavar='NAME',
        help='names of candidates',
    )
    parser.add_argument('--json', type=Path, help='also write all results to this file')
    return parser


def installed(names: Sequence[str]) -> list[str]:
    """Returns the candidates among `names` that are installed, and prints the others."""
    found = {
        TENSORRT: ('tensorrt or onnxscript', _modules('tensorrt', 'onnxscript')),
        TRTEXEC: ('trtexec or onnxscript', _modules('onnxscript') and shutil.which('trtexec')),
    }
    missing = {name: what for name, (what, is_there) in found.items() if not is_there}
    for name in missing:
        if name in names:
            print(f'{name} is skipped: {missing[name]} is not installed')
    return [name for name in CANDIDATES if name in names and name not in missing]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures all candidates and prints the results; see the module docstring."""
    parser = options_parser()
    options = parser.parse_args(arguments)
    prepare_process()  # as in the candidates' processes, which `describe_machine` describes
    until = time.monotonic() + 60 * options.minutes

    try:
        device = resolve_device(options.device)
        precision = resolve_precision(options.precision, device)
        checkpoint = Checkpoint.load(options.weights)
    except UserError as error:
        parser.error(str(error))
    candidates = installed(options.only)
    width, height = options.frame
    frame = resize(SyntheticDrive(seed=1).frame(0)[0], (width, height))
    sizes = [(w, h) for w, h in options.network or [(1024, 512), (2048, 1024)]]
    report: dict[str, Any] = {
        'machine': describe_machine(),
        'device': str(device),
        'precision': precision,
        'frame': (width, height),
        'sizes': [{'network_size': size, 'roofline': {}, 'results': {}} for size in sizes],
    }
    print(f'{device} in {precision}, frames of {width}x{height}')
    print(
        f'{"":40} {"network":10} {"p50 ms":>8} {"p99 ms":>8} {"faster":>8} {"other labels":>13}',
        flush=True,
    )
    expected = {size: baselines.exact(checkpoint, size)(frame) for size in sizes}
    for name in (RATES, *candidates):
        task = Task(name, options.weights, device, precision, frame, options.rounds, expected)
        for size, result in results(task, until):
            found = report['sizes'][sizes.index(size)]
            if name == RATES:
                found['roofline'] = result
                print(*rows_of_rates(size, result), sep='\n', flush=True)
            else:
                found['results'][name] = result
                print(line(name, size, result), flush=True)
            if options.json:
                options.json.write_text(json.dumps(report, indent=2) + '\n')


def _modules(*names: str) -> bool:
    return all(find_spec(name) for name in names)


if __name__ == '__main__':
    main()
