# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The OpenVINO engine, the fastest one on most CPUs."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

import numpy as np
import openvino as ov
import torch
from torch import Tensor

from bisenet_ros.engine.engine import Frame, UnsupportedNetworkError
from bisenet_ros.engine.openvino_core import core
from bisenet_ros.engine.openvino_graph import translate
from bisenet_ros.engine.pipeline import Pipeline
from bisenet_ros.engine.profiling import stage
from bisenet_ros.engine.winograd import WinogradConvolution, use_winograd
from bisenet_ros.errors import first_line
from bisenet_ros.network import SegmentationNetwork
from bisenet_ros.preprocess import Normalization
from bisenet_ros.resizing import resize

_PRECISIONS = {'bf16': ov.Type.bf16, 'fp32': ov.Type.f32}


class OpenVinoEngine:
    """An `Engine` for CPUs.

    Wide convolutions run in `WinogradConvolution`. Normalisation is part of the graph, so that
    OpenVINO does it while it converts uint8 to the layout of the first convolution. The frames of a
    batch run one after the other, each on all threads. This is as fast, and a frame's labels do not
    depend on the number of cameras.

    Args:
        network: In evaluation mode; not changed.
        normalization: The normalisation that the network expects.
        network_size: (width, height) to run the network at.
        device: The CPU.
        precision: `bf16`, if the CPU supports it, or `fp32`.

    Raises:
        UnsupportedNetworkError: See `translate`; or OpenVINO does not compile the network.
    """

    name = 'openvino'

    def __init__(
        self,
        network: SegmentationNetwork,
        normalization: Normalization,
        network_size: tuple[int, int],
        device: torch.device,
        precision: str,
    ) -> None:
        assert device.type == 'cpu'
        self.notes: list[str] = []
        self._network_size = width, height = network_size
        pipeline = Pipeline(network, network_size, normalization=normalization, output='coarse')
        use_winograd(pipeline.network, precision)
        model = translate(pipeline, (1, height, width, 3), torch.uint8, names=('frames', 'coarse'))
        settings = {
            'PERFORMANCE_HINT': 'LATENCY',
            'INFERENCE_PRECISION_HINT': _PRECISIONS[precision],
            # Limits on torch's threads, such as OMP_NUM_THREADS, apply here, too.
            'INFERENCE_NUM_THREADS': torch.get_num_threads(),
            # With pinning, several processes would pin their threads to the same cores.
            'ENABLE_CPU_PINNING': False,
        }
        try:
            compiled = core().compile_model(model, 'CPU', settings)
        except RuntimeError as error:
            raise UnsupportedNetworkError(
                f'OpenVINO does not compile it: {first_line(error)}'
            ) from error
        # They keep the operations of the graph.
        self._convolutions = [
            module
            for module in pipeline.modules()
            if isinstance(module, WinogradConvolution) and module.operations
        ]
        self._request = compiled.create_infer_request()
        self._output_shape = tuple(compiled.output(0).shape)[1:]
        # Where Python frees the request as late as what modules and classes hold, OpenVINO aborts
        # the process. This frees it first.
        weakref.finalize(self, vars(self).clear)

    def __call__(self, frames: Sequence[Frame]) -> Tensor:
        """See `Engine.__call__`; the layout is channels last."""
        coarse = np.empty((len(frames), *self._output_shape), np.float32)  # (B, h', w', C)
        for frame, target in zip(frames, coarse, strict=True):
            with stage('pre'):
                pixels = np.ascontiguousarray(resize(frame, self._network_size))  # (h, w, 3)
            with stage('network'):
                # Not `infer`, which runs operations in the calling thread. If that is the main
                # thread, Ctrl-C aborts an operation written in Python without an error.
                self._request.start_async([pixels[None]], share_inputs=True)
                self._request.wait()
                # A copy, because the request reuses its memory for the next frame.
                target[:] = self._request.get_output_tensor(0).data[0]
        return torch.from_numpy(coarse).permute(0, 3, 1, 2)
