# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Converts a published .pth file to a checkpoint, and accounts for every tensor.

Such a file has tensors, but no classes, mean or standard deviation. With 19 classes, they are
assumed to be those of Cityscapes, as published. Otherwise the caller must give them.

The file is a pickle. Only tensors and plain containers are read from it: no code in it runs.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

from bisenet_ros.checkpoint import Checkpoint, CheckpointError
from bisenet_ros.importing.layouts import LAYOUTS, Layout
from bisenet_ros.label_space import CITYSCAPES, IGNORE, LabelSpace
from bisenet_ros.network import NETWORKS
from bisenet_ros.network.pytorch_file import DAMAGE
from bisenet_ros.preprocess import Normalization

CITYSCAPES_SIZE = (2048, 1024)
"""(width, height) of Cityscapes images, at which the published accuracy was measured."""

StateDict = Mapping[str, Tensor]

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

_WRAPPERS = (
    'state_dict',
    'model_state_dict',
    'ema',
    'model_ema',
    'model',
    'module',
    'net',
    'network',
    'params',
    'weights',
)
"""Keys under which tensors may be stored, in order of preference."""

_COMPILED = '_orig_mod.'
"""Inserted into names by `torch.compile`, at the position of the compiled module."""


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Attributes:
        checkpoint: The checkpoint.
        title: The published network, e.g. "mmsegmentation's BiSeNet V2".
        left_out: Names in the file of the tensors that only training needs.
        wrapper: Keys around the tensors and parts of their names that were removed; empty for none.
    """

    checkpoint: Checkpoint
    title: str
    left_out: tuple[str, ...]
    wrapper: str


def import_weights(
    path: Path,
    *,
    label_space: LabelSpace | None = None,
    normalization: Normalization | None = None,
    network_size: tuple[int, int] | None = None,
) -> Imported:
    """Converts a published file to a checkpoint whose network gives the same logits.

    Args:
        path: A .pth file of CoinCheung's BiSeNet or of mmsegmentation.
        label_space: Its classes; optional for Cityscapes.
        normalization: Mean and standard deviation; optional for Cityscapes and mmsegmentation.
        network_size: (width, height) of the network's input; optional for Cityscapes.

    Raises:
        CheckpointError: The file has no weights, has an unknown or outdated layout, lacks a tensor,
            or has an unknown one, or the network size is out of range.
        UserError: A required argument is missing, or torchvision is not installed.
    """
    try:
        file = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f'cannot read {path}: {error.strerror or error}') from error
    keys, tensors = _find_tensors(path, _read(path, file))
    layout, removed, tensors = _unwrapped(path, tensors)
    bias = layout.their_name('head.classify.bias')
    num_classes = tensors[bias].numel() if bias in tensors else len(CITYSCAPES)
    _refuse_other_forms(path, tensors, num_classes)
    state_dict, left_out = _translate(path, tensors, layout, num_classes)

    if label_space is not None and len(label_space) != num_classes:
        raise CheckpointError(
            f'{path} has {num_classes} classes, but the label space has {len(label_space)}'
        )
    if label_space is None:
        is_cityscapes = num_classes == len(CITYSCAPES)
    else:  # other colours, or another drivable class, do not change what it was trained on
        is_cityscapes = label_space.names == CITYSCAPES.names
    if is_cityscapes:
        label_space = label_space or CITYSCAPES
        network_size = network_size or CITYSCAPES_SIZE
    if is_cityscapes or not layout.per_data_set:
        normalization = normalization or layout.normalization
    if label_space is None or normalization is None or network_size is None:
        told = {
            '--label-space': label_space,
            '--mean and --std': normalization,
            '--network-size': network_size,
        }
        data = (
            f'{num_classes} classes, so it was not trained on Cityscapes'
            if num_classes != len(CITYSCAPES)
            else 'other classes than Cityscapes'
        )
        raise CheckpointError(
            f'{path} has {data}: give '
            f'{", ".join(option for option, value in told.items() if value is None)}'
        )
    checkpoint = Checkpoint(
        network=layout.network,
        label_space=label_space,
        normalization=normalization,
        network_size=network_size,
        upsampling=layout.upsampling,
        options=layout.options,
        state_dict=state_dict,
        provenance={
            'imported_from': layout.title,
            'file': path.name,
            'sha256': hashlib.sha256(file).hexdigest(),
        },
    )
    wrapper = ', '.join([*map(repr, keys), *removed])
    return Imported(checkpoint, layout.title, left_out, wrapper)


def _read(path: Path, file: bytes) -> object:
    """Returns the tensors and plain containers in a .pth file.

    Raises:
        CheckpointError: The file is damaged or of a different kind.
    """
    kind = _other_kind(file)
    if kind:
        raise CheckpointError(f'{path} is {kind}')
    try:
        content: object = torch.load(io.BytesIO(file), map_location='cpu', weights_only=True)
    except UnpicklingError as error:
        raise CheckpointError(
            f'{path} contains Python objects, which are never unpickled, or is damaged: '
            'save only the state dict where it was trained, or download it again'
        ) from error
    except DAMAGE as error:
        raise CheckpointError(
            f'{path} is a truncated or damaged weights file of PyTorch: copy or download it again'
        ) from error
    return content


def _other_kind(file: bytes) -> str:
    """Returns what the file is if not weights, and what to do; empty if unknown."""
    if file.startswith(b'version https://git-lfs'):
        return 'a Git LFS pointer, not the file itself: run git lfs pull'
    if file.lstrip()[:1] == b'<':
        return 'a web page, not the weights file: download it again'
    if file[8:9] == b'{' and int.from_bytes(file[:8], 'little') < len(file):
        return (
            'a safetensors file: a checkpoint of bisenet_ros needs no import; save the tensors of '
            'any other as .pth with torch.save'
        )
    # torch writes a zip file; its older versions wrote a pickle.
    if file and not file.startswith((b'PK', b'\x80')):
        return 'not a weights file of PyTorch: give a .pth or .pt file'
    if any(name.endswith('/constants.pkl') for name in _names_in_zip(file)):
        return 'a TorchScript program: save the state dict of its network with torch.save'
    return ''


def _names_in_zip(file: bytes) -> list[str]:
    """Returns the names in a zip file; none if it is not a zip file, or damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(file)) as archive:
            return archive.namelist()
    except (NotImplementedError, ValueError, struct.error, zipfile.BadZipFile):
        return []


def _find_tensors(path: Path, content: object) -> tuple[list[str], StateDict]:
    """Returns the keys of the mapping with the tensors, outermost first, and the tensors by name.

    Raises:
        CheckpointError: There are no tensors.
    """
    keys: list[str] = []
    while isinstance(content, Mapping):
        if content and all(
            isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
        ):
            return keys, content
        key = next((key for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if key is None:
            break
        keys.append(key)
        content = content[key]
    raise CheckpointError(
        f'{path} has no state dict (tensors by name, and nothing else), neither at the top nor '
        f'under one of the keys {", ".join(_WRAPPERS)}'
    )


def _unwrapped(path: Path, tensors: StateDict) -> tuple[Layout, list[str], StateDict]:
    """Returns the layout, what wrappers added to the names, and the tensors without that.

    `DataParallel` and Lightning modules add a prefix to the names of the wrapped network,
    `torch.compile` inserts `_COMPILED`.

    Raises:
        CheckpointError: The layout is unknown.
    """
    is_compiled = any(_COMPILED in name for name in tensors)
    removed = [f"{_COMPILED!r} in the tensors' names"] if is_compiled else []
    tensors = {name.replace(_COMPILED, ''): tensor for name, tensor in tensors.items()}
    for layout in LAYOUTS:
        if layout.mark in tensors:
            return layout, removed, tensors
    for layout in LAYOUTS:
        mark = next((name for name in tensors if name.endswith(f'.{layout.mark}')), None)
        if mark is not None:
            prefix = mark.removesuffix(layout.mark)
            removed.insert(0, f'the prefix {prefix!r}')
            return layout, removed, {n.removeprefix(prefix): t for n, t in tensors.items()}
    raise CheckpointError(
        f'{path} has tensors of an unknown network, such as {next(iter(tensors))!r}; known '
        f'networks are {", ".join(layout.title for layout in LAYOUTS)}'
    )


def _refuse_other_forms(path: Path, tensors: StateDict, num_classes: int) -> None:
    """Refuses networks that share tensor names with a known layout but compute something else.

    Raises:
        CheckpointError: The file has such a network.
    """
    # In V1, a head with PixelShuffle has 64 rows per class, the auxiliary one at 1/16 has 256.
    rows = [
        tensors[name].shape[:1].numel()
        for name in ('conv_out.conv_out.weight', 'conv_out32.conv_out.weight')
        if name in tensors
    ]
    if 'head.conv_out.0.weight' in tensors or len(set(rows)) > 1 or any(n > IGNORE for n in rows):
        raise CheckpointError(
            f"{path} is of CoinCheung's BiSeNet before July 2021, whose heads end in a "
            'PixelShuffle, which is not supported: use weights published since July 2021'
        )
    if 'head.conv_out.weight' in tensors or (rows and 'conv_out.conv_out.bias' not in tensors):
        raise CheckpointError(
            f"{path} is of CoinCheung's BiSeNet before September 2020, which aligns corners, "
            'which is not supported: use weights published since July 2021'
        )
    if 'backbone.context_path.backbone.layer1.0.conv3.weight' in tensors:
        raise CheckpointError(
            f"{path} is mmsegmentation's BiSeNet V1 on a ResNet-50 or -101, which is not "
            'supported: use the one on ResNet-18'
        )
    if num_classes == 1:
        raise CheckpointError(
            f'{path} has one output, which tells two classes apart by a threshold. This is not '
            'supported: train it with an output for each class'
        )


def _translate(
    path: Path, tensors: StateDict, layout: Layout, num_classes: int
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Returns the tensors by our names, and the names of the tensors that only training needs.

    Raises:
        CheckpointError: A tensor is missing, unknown, of the wrong type or shape, or not finite.
        UserError: The network needs torchvision, which is not installed.
    """
    with torch.device('meta'):
        network = NETWORKS[layout.network](num_classes, **layout.options)
    names = {ours: layout.their_name(ours) for ours in network.state_dict()}
    expected = {names[ours]: tensor for ours, tensor in network.state_dict().items()}
    # PyTorch before 0.4.1 did not count batches, and `half()` over a state dict changes the type of
    # the counts. Nothing is computed from them.
    counts = {
        name: torch.zeros((), dtype=ours.dtype)
        for name, ours in expected.items()
        if name.endswith('.num_batches_tracked')
        and not (name in tensors and _has_type_of(ours, tensors[name]))
    }
    tensors = {**tensors, **counts}
    rest = tensors.keys() - expected.keys()
    left_out = {name for name in rest if name.startswith(layout.training_heads)}
    _refuse(path, layout, 'lacks the tensor', expected.keys() - tensors.keys())
    _refuse(path, layout, 'has an unknown tensor', rest - left_out)
    mistyped = {name for name, ours in expected.items() if not _has_type_of(ours, tensors[name])}
    _refuse(path, layout, 'has a tensor of the wrong type', mistyped)
    misshapen = {name for name, ours in expected.items() if tensors[name].shape != ours.shape}
    _refuse(path, layout, 'has a tensor of the wrong shape', misshapen)
    # As float32, in which the network computes: float64 reaches further.
    not_finite = {name for name in expected if not tensors[name].float().isfinite().all()}
    _refuse(path, layout, 'has a tensor that is not finite', not_finite)
    negative = {
        name for name in expected if name.endswith('running_var') and (tensors[name] < 0).any()
    }
    _refuse(path, layout, 'has a negative variance', negative)
    return {ours: tensors[theirs] for ours, theirs in names.items()}, tuple(sorted(left_out))


def _has_type_of(ours: Tensor, theirs: Tensor) -> bool:
    """Whether a tensor of a file is a plain array of numbers, of floats where ours is."""
    types = _FLOATS if ours.is_floating_point() else (ours.dtype,)
    is_plain = theirs.layout == torch.strided and not theirs.is_nested and not theirs.is_meta
    return is_plain and theirs.dtype in types


def _refuse(path: Path, layout: Layout, problem: str, wrong: Set[str]) -> None:
    """Raises an error that names the first wrong tensor, if there are any.

    Raises:
        CheckpointError: There are wrong tensors.
    """
    if wrong:
        raise CheckpointError(
            f'{path} is not {layout.title} as published: it {problem} {min(wrong)!r} '
            f'({len(wrong)} in total)'
        )
