# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segments frames. All inference goes through `Segmenter`.

segmenter = Segmenter.load('camvid')
result = segmenter(frame)  # (H, W, 3) uint8 BGR, any size from 32x32
result.labels, result.confidence, result.drivable  # each (H, W) uint8, or of `output_size`
"""

from __future__ import annotations

import gc
import math
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.declaration import Changes
from bisenet_ros.ego_mask import EgoMask, load_ego_masks
from bisenet_ros.engine.engine import Engine
from bisenet_ros.engine.hardware import (
    cpu_threads,
    resolve_device,
    resolve_precision,
    unused_gpu,
)
from bisenet_ros.engine.labels import DrawSettings, draw_labels
from bisenet_ros.engine.loading import load_engine
from bisenet_ros.engine.profiling import stage
from bisenet_ros.engine.registry import PLAIN, device_for
from bisenet_ros.engine.upsample_argmax import scale_to
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.limits import MIN_SIDE
from bisenet_ros.model_settings import (
    DEFAULT_WEIGHTS,
    MODEL_PARAMETERS,
    OF_CHECKPOINT,
    ModelSettings,
)
from bisenet_ros.network import COARSE_STRIDE
from bisenet_ros.segmentation import Segmentation

T = TypeVar('T', bool, int, float)

_AT_ONCE = [
    name for name, declared in MODEL_PARAMETERS.items() if declared.changes is Changes.AT_ONCE
]


class Segmenter:
    """A network that is ready to run; created by `load` or `from_settings`.

    Threads may share a segmenter; it runs for one of them at a time. Processes may not: each loads
    its own, and is started by `spawn` or `forkserver`, not forked from a process that has loaded
    one.

    Attributes:
        checkpoint: Its weights and their metadata.
        network_size: (width, height) that frames are resized to for the network.
        ego_mask: Mask of the vehicle itself in frames; None without one.
        engine_note: Why the engine or device is not the best or the selected one, in one line;
            empty if it is.
    """

    # Id of the process that has read weights: of this one, or of one that it was forked from.
    _process: ClassVar[int | None] = None

    def __init__(self, checkpoint: Checkpoint, settings: ModelSettings, note: str = '') -> None:
        """Sets the network up and runs it once, so that the first frame is as fast as others.

        Args:
            checkpoint: The network to run; `settings.weights` only names it.
            settings: The settings.
            note: Why the settings differ from those requested, for `engine_note`.

        Raises:
            UserError: The settings need something that is not available, or contradict the
                checkpoint.
            RuntimeError: The process was forked from one that has loaded a network.
        """
        self._refuse_fork()
        Segmenter._process = os.getpid()  # reading the weights has started torch's threads
        requested = device_for(settings.engine, settings.device)
        device = resolve_device(requested)
        precision = resolve_precision(settings.precision, device)
        self.checkpoint = checkpoint
        self.ego_mask = load_ego_masks({'': settings.ego_mask}).get('')
        self.network_size = settings.requested_network_size or checkpoint.network_size
        self._active = (settings, checkpoint.label_space)
        self.apply(settings)  # before the network is loaded, which takes seconds
        with cpu_threads(settings.cpu_threads):
            threads = torch.get_num_threads()
            loaded = load_engine(
                settings.engine,
                checkpoint.build(),
                checkpoint.normalization,
                self.network_size,
                device,
                precision,
                self_check=settings.self_check,
            )
        self._engine: Engine | None = loaded.engine
        self._engine_notes = loaded.engine.notes
        self._engine_lock = threading.Lock()
        gpu_note = unused_gpu() if requested == 'auto' else ''
        self.engine_note = '; '.join(filter(None, (note, gpu_note, loaded.note)))
        self._asked_for = (settings, note)
        resolved = replace(
            self.settings,
            device=str(device),
            precision=precision,
            engine=loaded.engine.name,
            cpu_threads=threads,
            network_size=self.network_size,
        )
        self._active = (resolved, self.label_space)

    @staticmethod
    def _refuse_fork() -> None:
        """Refuses to go on where a network could wait forever for threads of the parent process.

        A fork copies the thread pools of torch and OpenVINO, but not their threads. Nor can it use
        a GPU that its parent has used.
        """
        if Segmenter._process not in (None, os.getpid()):
            raise RuntimeError(
                'this process was forked from one that loaded a Segmenter, and has neither its'
                " threads nor its GPU: start it with multiprocessing.get_context('spawn'), and load"
                ' a Segmenter in it'
            )

    def __reduce__(self) -> NoReturn:
        """Refuses to be pickled or copied."""
        raise TypeError('a Segmenter cannot be pickled or copied: load one in each process')

    @classmethod
    def load(
        cls,
        weights: str | Path = DEFAULT_WEIGHTS,
        *,
        device: str | torch.device = 'auto',
        precision: str = 'auto',
        engine: str = 'auto',
        cpu_threads: int = 0,
        network_size: Sequence[int] | npt.NDArray[np.integer] | None = None,
        output_size: Sequence[int] | npt.NDArray[np.integer] | None = None,
        confidence_threshold: float = 0.0,
        drivable_classes: Sequence[str] | npt.NDArray[np.str_] | None = None,
        drivable_threshold: float = 0.0,
        anomaly_threshold: float = 0.0,
        min_drivable_area: float = 0.0,
        ego_mask: str | Path = '',
        self_check: bool = True,
    ) -> Segmenter:
        """Reads weights and sets the network up.

        The arguments are those of `ModelSettings`.

        Args:
            weights: Name of weights that ship with the package, or path of a checkpoint.
            device: `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N`, or a `torch.device`.
            precision: `auto` (the fastest that hardly changes labels), `fp16`, `bf16` or `fp32`.
            engine: `auto` (the fastest available) or a key of `ENGINES`.
            cpu_threads: Number of threads for a network on the CPU; 0 for torch's default.
            network_size: (width, height) of the network's input; None for that of the checkpoint.
            output_size: (width, height) of labels and masks; None for the size of the frame.
            confidence_threshold: A pixel is not labelled (`IGNORE`) if its confidence, 0 to 255, is
                below 255 times this.
            drivable_classes: Names of the drivable classes; None for those of the checkpoint.
            drivable_threshold: A pixel is not drivable if its confidence is below 255 times this; 0
                for the value of the checkpoint's claim, if it has one.
            anomaly_threshold: A pixel is not labelled (`IGNORE`) and not drivable if its anomaly, 0
                to 255, is at least 255 times this; 0 labels all.
            min_drivable_area: Drivable components of a smaller fraction of the frame are dropped.
            ego_mask: Path of a PNG that is white where the vehicle itself is in every frame.
            self_check: Whether the labels of one frame are compared with those of plain PyTorch.

        Raises:
            UserError: An argument is invalid, or needs something that is not available.
            RuntimeError: The process was forked from one that has loaded a network.
        """
        if isinstance(drivable_classes, str):  # a sequence of its letters
            raise UserError(
                f'drivable_classes must be a list of names, such as [{drivable_classes!r}]'
            )
        return cls.from_settings(
            ModelSettings(
                weights=str(weights),
                device=str(device),
                precision=precision,
                engine=engine,
                cpu_threads=_number(cpu_threads),
                network_size=_sides(network_size),
                output_size=_sides(output_size),
                confidence_threshold=_number(confidence_threshold),
                drivable_classes=_names(drivable_classes) or OF_CHECKPOINT,
                drivable_threshold=_number(drivable_threshold),
                anomaly_threshold=_number(anomaly_threshold),
                min_drivable_area=_number(min_drivable_area),
                ego_mask=str(ego_mask),
                self_check=_number(self_check),
            )
        )

    @classmethod
    def from_settings(cls, settings: ModelSettings) -> Segmenter:
        """Reads the weights and sets the network up.

        Raises:
            UserError: The settings need something that is not available.
            RuntimeError: The process was forked from one that has loaded a network.
        """
        cls._refuse_fork()  # reading the weights would wait, too
        return cls(Checkpoint.load(settings.weights), settings.model)

    def again(self) -> Segmenter:
        """Creates this segmenter anew, from the weights in memory: their file may have changed.

        Settings that were applied later are left out.
        """
        settings, note = self._asked_for
        return Segmenter(self.checkpoint, settings, note)

    def plain(self, reason: str) -> Segmenter:
        """Creates a segmenter with the same weights that uses plain torch in float32.

        Args:
            reason: Why this segmenter cannot continue.
        """
        settings = replace(self._asked_for[0], engine=PLAIN, precision='fp32')
        return Segmenter(self.checkpoint, settings, f'{reason}: {PLAIN} runs in fp32 instead')

    @property
    def settings(self) -> ModelSettings:
        """The settings in effect, with device, precision, engine, size and classes resolved."""
        return self._active[0]

    @property
    def device(self) -> str:
        """`cpu` or `cuda:N`."""
        return self.settings.device

    @property
    def precision(self) -> str:
        """`fp16`, `bf16` or `fp32`."""
        return self.settings.precision

    @property
    def engine(self) -> str:
        """Name of the engine that runs the network, one of `ENGINES`."""
        return self.settings.engine

    def apply(self, settings: ModelSettings) -> None:
        """Applies the settings that can change between frames, from the next frame on.

        These are the ones declared with `Changes.AT_ONCE`. All others need a new `Segmenter`.

        Raises:
            UserError: A drivable class is not a class of the network, or the checkpoint cannot
                recognise anomalies; nothing changes then.
        """
        if settings.anomaly_threshold > 0 and self.checkpoint.max_logits is None:
            raise UserError(
                'anomaly_threshold needs weights with statistics of their logits, which `bisenet'
                ' calibrate` adds'
            )
        label_space = self.checkpoint.label_space
        drivable = tuple(filter(None, settings.drivable_classes))
        if drivable:
            label_space = replace(label_space, drivable=drivable)
        claim = self.checkpoint.claim
        claimed_threshold = 0.0 if claim is None else claim.threshold
        applied = {name: getattr(settings, name) for name in _AT_ONCE}
        applied['drivable_classes'] = label_space.drivable
        applied['drivable_threshold'] = settings.drivable_threshold or claimed_threshold
        resolved = replace(self.settings, **applied)
        # One assignment, because another thread may be segmenting a frame.
        self._active = (resolved, label_space)

    @property
    def drivable_threshold(self) -> float:
        """The setting in effect: that of the claim if none was selected."""
        return self.settings.drivable_threshold

    @property
    def claim_problem(self) -> str:
        """Why the checkpoint's claim does not apply to `settings`; empty if it does."""
        claim = self.checkpoint.claim
        return '' if claim is None else claim.problem(vars(self.settings))

    @property
    def notes(self) -> tuple[str, ...]:
        """`engine_note`, if any, and the engine's notes on degraded operation; may grow."""
        return (*filter(None, (self.engine_note,)), *self._engine_notes)

    @property
    def label_space(self) -> LabelSpace:
        """The classes of the network, with the drivable classes of `settings`."""
        return self._active[1]

    def close(self) -> None:
        """Frees the device's memory; later frames are refused with a RuntimeError.

        The attributes stay valid.
        """
        with self._engine_lock:
            self._engine = None
        gc.collect()  # the engine and its parts have circular references
        if self.device != 'cpu':
            torch.cuda.empty_cache()

    def __call__(self, frame: npt.NDArray[np.uint8]) -> Segmentation:
        """Segments one frame; see `batch`."""
        return self.batch([frame])[0]

    def with_logits(
        self, frame: npt.NDArray[np.uint8]
    ) -> tuple[Segmentation, npt.NDArray[np.float32]]:
        """Segments one frame, and returns the logits behind it, before upsampling.

        Returns:
            The segmentation, and the logits (C, h, w) of the frame at 1/8 of the network size,
            without those of the padding at the right and the bottom.
        """
        (segmentation,), logits = self._run([frame], [self.ego_mask])
        width, height = (math.ceil(side / COARSE_STRIDE) for side in self.network_size)
        return segmentation, logits[0, :, :height, :width].float().cpu().numpy()

    def batch(
        self,
        frames: Sequence[npt.NDArray[np.uint8]] | npt.NDArray[np.uint8],
        ego_masks: Sequence[EgoMask | None] | None = None,
    ) -> list[Segmentation]:
        """Segments frames, for example of several cameras, in one inference.

        Args:
            frames: (H, W, 3) uint8 BGR arrays, each of any size from 32x32, contiguous or not. An
                array (B, H, W, 3) is B frames.
            ego_masks: One ego mask or None per frame; None to use `ego_mask` for all.

        Raises:
            UserError: A frame is invalid, or does not have the aspect ratio of its ego mask, or
                there are more or fewer masks than frames.
            NotFiniteError: The network's output is not finite.
            RuntimeError: The device failed, the segmenter is closed, or the process was forked from
                one that has loaded a network.
        """
        frames = list(frames)  # an array (B, H, W, 3) has no truth value
        if not frames:
            return []
        masks = [self.ego_mask] * len(frames) if ego_masks is None else ego_masks
        if len(masks) != len(frames):
            raise UserError(
                f'the number of ego masks, {len(masks)}, must be that of the frames, {len(frames)}:'
                ' give None for a frame without a mask'
            )
        return self._run(frames, masks)[0]

    def _run(
        self, frames: Sequence[npt.NDArray[np.uint8]], masks: Sequence[EgoMask | None]
    ) -> tuple[list[Segmentation], torch.Tensor]:
        """Returns the segmentations of at least one frame, and the logits (B, C, h, w)."""
        for frame, mask in zip(frames, masks, strict=True):
            _check_frame(frame)
            if mask is not None:
                mask.check((frame.shape[1], frame.shape[0]))
        self._refuse_fork()
        settings, label_space = self._active
        draw_settings = DrawSettings(
            label_space.ids_of(label_space.drivable),
            settings.min_confidence,
            settings.min_drivable_confidence,
            self.checkpoint.max_logits,
        )
        logits = self._logits(frames)
        sizes = [settings.output_size[::-1] or frame.shape[:2] for frame in frames]
        # On a GPU, the labels of all frames are queued before the first are waited for.
        with stage('post'), cpu_threads(settings.cpu_threads):
            drawn = [
                draw_labels(
                    coarse,
                    (height, width),
                    scale_to((height, width), self.network_size),
                    draw_settings,
                )
                for coarse, (height, width) in zip(logits, sizes, strict=True)
            ]
            segmentations = [
                Segmentation(
                    each,
                    label_space,
                    settings.min_drivable_area,
                    None if mask is None else mask.at((width, height)),
                    settings.min_anomaly,
                )
                for each, mask, (height, width) in zip(drawn, masks, sizes, strict=True)
            ]
        return segmentations, logits

    def _logits(self, frames: Sequence[npt.NDArray[np.uint8]]) -> torch.Tensor:
        with self._engine_lock, cpu_threads(self.settings.cpu_threads):
            if self._engine is None:
                raise RuntimeError('the segmenter is closed')
            return self._engine(frames)


def _sides(size: Sequence[int] | npt.NDArray[np.integer] | None) -> tuple[int, ...]:
    """Returns a size, which may be an array, as `ModelSettings` takes it; () for None."""
    return () if size is None else tuple(np.ravel(size).tolist())


def _names(names: Sequence[str] | npt.NDArray[np.str_] | None) -> tuple[str, ...]:
    return () if names is None else tuple(map(str, names))


def _number(value: T) -> T:
    """Returns a scalar of NumPy as a number of Python, and other values as they are."""
    return value.item() if isinstance(value, np.generic) else value


def _check_frame(frame: npt.NDArray[np.uint8]) -> None:
    if not isinstance(frame, np.ndarray):
        raise UserError(f'a frame is a NumPy array, not {type(frame).__name__}')
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise UserError(
            f'a frame is (height, width, 3) uint8 in BGR order, not {frame.shape} {frame.dtype}'
        )
    height, width = frame.shape[:2]
    if min(width, height) < MIN_SIDE:
        raise UserError(f'a frame must be at least {MIN_SIDE}x{MIN_SIDE}, not {width}x{height}')
