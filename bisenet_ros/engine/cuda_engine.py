# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The CUDA engine: preprocessing, network and labels on an NVIDIA GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import convert_conv2d_weight_memory_format

from bisenet_ros.engine.branches import run_side_by_side
from bisenet_ros.engine.channel_padding import pad_classes, pad_colors
from bisenet_ros.engine.cuda_graphs import EagerRunner, GraphRunner, Runner, Runners
from bisenet_ros.engine.engine import Frame
from bisenet_ros.engine.epilogues import fuse_epilogues
from bisenet_ros.engine.hardware import DTYPES
from bisenet_ros.engine.kernels import kernel_notes, kernels_for
from bisenet_ros.engine.kernels.resampling import Resampling
from bisenet_ros.engine.labels import DrawSettings, draw_labels
from bisenet_ros.engine.pinned_memory import reserve_page_locked_memory, upload
from bisenet_ros.engine.profiling import stage
from bisenet_ros.engine.streams import on_device, runtime_of
from bisenet_ros.network import STRIDE, SegmentationNetwork, fold_batch_norm
from bisenet_ros.preprocess import Normalization


class CudaEngine:
    """An `Engine` for NVIDIA GPUs.

    Frames are uploaded in uint8 at their own size. One kernel resizes and normalises a frame and
    writes it to the network's input. The network is launched as a CUDA graph. There is one graph
    per batch size, captured when that size first occurs. Nothing that depends on a camera or on
    options is in a graph, so a camera of another size or a changed threshold needs no new capture.

    Args:
        network: In evaluation mode; not changed.
        normalization: The normalisation that the network expects.
        network_size: (width, height) to run the network at.
        device: An NVIDIA GPU. On a CPU everything except the graphs works, but slowly.
        precision: A key of `DTYPES`.
        graphs: Launch the network as a CUDA graph instead of kernel by kernel.
        side_by_side: Run the network's branches, if it names two, on two streams.
    """

    name = 'cuda'

    def __init__(
        self,
        network: SegmentationNetwork,
        normalization: Normalization,
        network_size: tuple[int, int],
        device: torch.device,
        precision: str,
        *,
        graphs: bool = True,
        side_by_side: bool = True,
    ) -> None:
        self.device = device
        self._dtype = DTYPES[precision]
        self._normalization = normalization
        self._network_size = network_size
        self._kernels = kernels_for(device)
        self._network = fold_batch_norm(network)
        self._classes = pad_classes(self._network)
        self._channels = pad_colors(self._network)
        fuse_epilogues(self._network, self._kernels)
        self._network.to(device, self._dtype)
        convert_conv2d_weight_memory_format(self._network, torch.channels_last)
        if side_by_side and self._network.branches is not None:
            run_side_by_side(self._network, self._network.branches, device)
        self.notes = kernel_notes(device)
        captures = graphs and device.type == 'cuda'
        # Graphs can share it: they run one after the other, and each output is copied in between.
        graph_memory = torch.cuda.graph_pool_handle() if captures else None
        width, height = (size + -size % STRIDE for size in network_size)
        self._input_shape = height, width, self._channels
        factory = _RunnerFactory(
            self._network, self._input_shape, self._dtype, device, graph_memory
        )
        self._runners = Runners(
            factory.captured if captures else factory.eager, factory.eager, self.notes
        )
        self._done = runtime_of(device).Event()
        self._compile_kernels()

    @torch.inference_mode()
    def __call__(self, frames: Sequence[Frame]) -> Tensor:
        """See `Engine.__call__`; the layout is channels last."""
        with on_device(self.device):
            # The work of the last call may be queued on another stream, and use the same buffers.
            stream = runtime_of(self.device).current_stream(self.device)
            self._done.wait(stream)
            runner = self._runners.of(len(frames))
            with stage('pre'):
                for target, frame in zip(runner.input, frames, strict=True):
                    self._prepare(upload(frame, self.device), target)
            with stage('network'):
                output = runner.run()[:, : self._classes].permute(0, 2, 3, 1)
                # A dense copy, because the next run overwrites the output.
                logits = torch.empty_like(
                    output, dtype=torch.float32, memory_format=torch.contiguous_format
                ).copy_(output)
            self._done.record(stream)
            return logits.permute(0, 3, 1, 2)

    def _prepare(self, pixels: Tensor, target: Tensor) -> None:
        """Writes a frame, (H, W, 3) uint8, to one image of the input, (h', w', channels)."""
        width, height = self._network_size
        source = pixels.shape[1], pixels.shape[0]
        resampling = Resampling.between(source, self._network_size, self.device)
        # Everything beyond the network's size and the three colours is padding and stays 0.
        colors = target[:height, :width, :3]
        self._kernels.prepare(pixels, colors, resampling, self._normalization)

    @torch.inference_mode()
    def _compile_kernels(self) -> None:
        """Runs everything around the network once, so that the first frame does not have to.

        `prepare` has two variants: for frames that shrink and for frames that grow.
        """
        with on_device(self.device):
            target = torch.zeros(self._input_shape, dtype=self._dtype, device=self.device)
            height, width, _ = target.shape
            for size in ((height, width), (height // 2, width // 2)):
                pixels = np.zeros((*size, 3), np.uint8)
                self._prepare(upload(pixels, self.device), target)
            if self.device.type == 'cuda':
                logits = torch.zeros(1, 4, 4, dtype=torch.float32, device=self.device)
                _ = draw_labels(logits, (32, 32), (8.0, 8.0), DrawSettings((0,))).labels


@dataclass(frozen=True)
class _RunnerFactory:
    """Makes the network's runners.

    It does not refer to the engine, so that an engine that is replaced, and its memory on the GPU,
    are freed at once.

    Attributes:
        network: Prepared for the device.
        input_shape: (h', w', channels) of an image; h' and w' are multiples of `STRIDE`.
        dtype: Type of the input.
        device: Where to run.
        graph_memory: Memory pool of the graphs; None without graphs.
    """

    network: SegmentationNetwork
    input_shape: tuple[int, int, int]
    dtype: torch.dtype
    device: torch.device
    graph_memory: Any

    def captured(self, frames: int) -> Runner:
        """Returns a runner that launches a CUDA graph for a batch size."""
        runner = GraphRunner(self._forward, self._empty_input(frames), self.graph_memory)
        reserve_page_locked_memory(self.device, frames)
        return runner

    def eager(self, frames: int) -> Runner:
        """Returns a runner that launches kernel by kernel."""
        reserve_page_locked_memory(self.device, frames)
        return EagerRunner(self._forward, self._empty_input(frames))

    def _empty_input(self, frames: int) -> Tensor:
        shape = frames, *self.input_shape
        return torch.zeros(shape, dtype=self.dtype, device=self.device)

    def _forward(self, images: Tensor) -> Tensor:
        # TF32 is less exact. Benchmarking all of cuDNN's algorithms, for each batch size and again
        # in each thread, made the network 2 % faster on an H100. The flags apply at capture;
        # launching a graph does not need them.
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=False):
            return self.network.coarse(images.permute(0, 3, 1, 2))
