# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the same network in other runtimes, from a camera frame to labels of its size.

Each is set up as its documentation shows, with the usual pre- and postprocessing: labels are
computed at the network size and resized by nearest neighbour, unless the logits are resized.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.engine.hardware import resolve_precision
from bisenet_ros.engine.pipeline import Pipeline
from bisenet_ros.engine.upsample_argmax import scale_to, upsample_argmax
from bisenet_ros.errors import UserError
from bisenet_ros.extras import EXTRAS, advice
from bisenet_ros.onnx_program import onnx_program
from bisenet_ros.preprocess import Normalization
from bisenet_ros.resizing import resize

if TYPE_CHECKING:
    import openvino

Pixels = npt.NDArray[np.uint8]
Labeller = Callable[[Pixels], Pixels]
"""Maps a frame, (H, W, 3) BGR, to its labels, (H, W)."""

Size = tuple[int, int]
"""(width, height)."""


def exact(checkpoint: Checkpoint, network_size: Size) -> Labeller:
    """Returns the reference labeller: the network as trained, in float32 on the CPU.

    Uses our preprocessing, and the exact argmax of the coarse logits at the size of the frame;
    nothing else is shared with the engines.
    """
    network, normalization = checkpoint.build(), checkpoint.normalization

    @torch.inference_mode()
    def label(frame: Pixels) -> Pixels:
        pixels = torch.from_numpy(resize(frame, network_size))
        coarse = network.coarse(normalization(pixels[None]))[0]  # (C, h', w')
        size = frame.shape[:2]
        return upsample_argmax(coarse, size, scale_to(size, network_size))

    return label


def eager(
    checkpoint: Checkpoint,
    network_size: Size,
    device: torch.device,
    dtype: torch.dtype,
    *,
    upsamples_logits: bool = False,
) -> Labeller:
    """Sets up eager PyTorch like published BiSeNet code: batch norms not folded, NCHW.

    The logits are upsampled by eight before the argmax.

    Args:
        checkpoint: The network.
        network_size: (width, height) of the network's input.
        device: Device of the network.
        dtype: Number format of the network.
        upsamples_logits: Upsample the logits, not the labels, to the size of the frame, as the
            demo of CoinCheung/BiSeNet does: better borders, but slower.
    """
    network = checkpoint.build().to(device, dtype)
    normalization = checkpoint.normalization
    mean = torch.tensor(normalization.mean, dtype=dtype, device=device)[:, None, None]
    std = torch.tensor(normalization.std, dtype=dtype, device=device)[:, None, None]
    if normalization.channel_order == 'bgr':
        mean, std = mean.flip(0), std.flip(0)

    @torch.inference_mode()
    def label(frame: Pixels) -> Pixels:
        shown = cv2.resize(frame, network_size)
        if normalization.channel_order == 'rgb':
            shown = cv2.cvtColor(shown, cv2.COLOR_BGR2RGB)
        planes = np.ascontiguousarray(shown.transpose(2, 0, 1))  # (3, h, w)
        image = torch.from_numpy(planes).to(device, dtype).div_(255).sub_(mean).div_(std)
        logits = network(image[None])  # (1, C, h, w)
        if upsamples_logits:
            logits = F.interpolate(logits, frame.shape[:2], mode='bilinear', align_corners=False)
        labels = logits.argmax(1)[0]  # int64
        return _upsampled(labels.cpu().numpy().astype(np.uint8), frame)

    return label


def openvino_model(checkpoint: Checkpoint, network_size: Size) -> openvino.Model:
    """Converts a network with upsampling and argmax in the graph by OpenVINO's own converter.

    Raises:
        UserError: OpenVINO is not installed.
    """
    _require('openvino', 'openvino')
    import openvino as ov

    image = torch.zeros(1, 3, network_size[1], network_size[0])
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', FutureWarning)  # raised by torch's exporter about torch
        program = torch.export.export(_labels_in_graph(checkpoint, network_size), (image,))
        return ov.convert_model(program)


def openvino_labeller(
    model: openvino.Model, network_size: Size, normalization: Normalization, precision: str
) -> Labeller:
    """Sets up OpenVINO for a model of `openvino_model`, which does not depend on the precision.

    Raises:
        UserError: The CPU does not support this precision.
    """
    resolve_precision(precision, torch.device('cpu'))
    import openvino as ov

    from bisenet_ros.engine.openvino_core import core

    compiled = core().compile_model(
        model,
        'CPU',
        {
            'PERFORMANCE_HINT': 'LATENCY',
            'INFERENCE_PRECISION_HINT': {'fp32': ov.Type.f32, 'bf16': ov.Type.bf16}[precision],
            'INFERENCE_NUM_THREADS': torch.get_num_threads(),
        },
    )
    request = compiled.create_infer_request()

    def label(frame: Pixels) -> Pixels:
        image = _blob(frame, network_size, normalization)
        outputs = request.infer([image], share_inputs=True, share_outputs=True)
        return _upsampled(outputs[0][0], frame)

    return label


def onnx_runtime(checkpoint: Checkpoint, network_size: Size) -> Labeller:
    """Sets up ONNX Runtime on the CPU in float32, with upsampling and argmax in the graph.

    Raises:
        UserError: ONNX Runtime, or the exporter to ONNX, is not installed.
    """
    for package in ('onnx', 'onnxscript', 'onnxruntime'):
        _require(package, 'onnx')
    import onnxruntime

    width, height = network_size
    program = onnx_program(
        _labels_in_graph(checkpoint, network_size),
        torch.zeros(1, 3, height, width),
        input_name='image',
        output_name='labels',
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Otherwise its threads spin while idle, and slow down the candidate that is measured next.
    options.add_session_config_entry('session.force_spinning_stop', '1')
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), options, providers=['CPUExecutionProvider']
    )

    def label(frame: Pixels) -> Pixels:
        image = _blob(frame, network_size, checkpoint.normalization)
        labels: Any = session.run(['labels'], {'image': image})[0]
        return _upsampled(labels[0], frame)

    return label


def _require(package: str, extra: str) -> None:
    if find_spec(package) is None:
        raise UserError(f'{package} is not installed: {advice(*EXTRAS[extra])}')


def _labels_in_graph(checkpoint: Checkpoint, network_size: Size) -> Pipeline:
    """Returns a module from (1, 3, h, w) normalised images to (1, h, w) uint8 labels."""
    network = checkpoint.build()
    return Pipeline(network, network_size, normalization=None, output='labels').eval()


def _blob(
    frame: Pixels, network_size: Size, normalization: Normalization
) -> npt.NDArray[np.float32]:
    """Returns (1, 3, h, w), normalised by the fastest usual method: OpenCV, then in place."""
    swap = normalization.channel_order == 'rgb'
    blob = np.asarray(cv2.dnn.blobFromImage(frame, 1 / 255, network_size, swapRB=swap), np.float32)
    mean_and_std = list(zip(normalization.mean, normalization.std, strict=True))
    for index, (mean, std) in enumerate(mean_and_std if swap else reversed(mean_and_std)):
        blob[0, index] -= mean
        blob[0, index] *= 1 / std
    return blob


def _upsampled(labels: Pixels, frame: Pixels) -> Pixels:
    height, width = frame.shape[:2]
    upsampled = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(upsampled, np.uint8)
