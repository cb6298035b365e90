# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a published .pth file to a checkpoint, with every tensor accounted for.

Such a file holds the tensors and says nothing about classes, mean or standard deviation. For 19
classes these are known: Cityscapes, as published. Whatever else was trained has to be told.

The file is a pickle. Only tensors and plain containers are taken from it: no code in it runs.
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
from bisenet_ros.preprocess import Normalization

CITYSCAPES_SIZE = (2048, 1024)
"""(width, height) of Cityscapes' images, at which the published accuracy was measured."""

StateDict = Mapping[str, Tensor]

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
"""Keys that tensors are stored under, the best first where there are several."""

_COMPILED = '_orig_mod.'
"""What `torch.compile` puts into names, wherever the compiled module is."""

# What torch.load raises at a pickle that was cut off or has a wrong byte: it has no error of its
# own for that.
_DAMAGE = (
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    UnpicklingError,
    ValueError,
    struct.error,
)


@dataclass(frozen=True)
class Imported:
    """What became of a file.

    Attributes:
        checkpoint: What the network is, and its tensors.
        title: Whose network it is.
        left_out: Names in the file of the tensors that only training needs.
        wrapper: What was taken off: the keys that the tensors were found under, and what their
            names began with; empty for nothing.
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
    """Turn a published file into a checkpoint whose network gives the same logits.

    Args:
        path: A .pth file of CoinCheung's BiSeNet or of mmsegmentation.
        label_space: Its classes; may be left out for Cityscapes.
        normalization: Its input; may be left out for Cityscapes, and for mmsegmentation.
        network_size: (width, height) to run at; may be left out for Cityscapes.

    Raises:
        CheckpointError: The file is no weights file, of an unknown or an old layout, lacks a
            tensor, or has one that nothing is known of.
        UserError: What was trained is not known and not told, or torchvision is not installed.
    """
    try:
        file = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f'cannot read {path}: {error.strerror or error}') from error
    keys, tensors = _find_tensors(path, _read(path, file))
    layout, prefix, tensors = _unwrapped(path, tensors)
    _refuse_other_forms(path, tensors)
    bias = layout.their_name('head.classify.bias')
    num_classes = tensors[bias].numel() if bias in tensors else len(CITYSCAPES)
    state_dict, left_out = _translate(path, tensors, layout, num_classes)

    if label_space is not None and len(label_space) != num_classes:
        raise CheckpointError(
            f'{path} has {num_classes} classes, but the label space {len(label_space)}'
        )
    is_cityscapes = label_space in (None, CITYSCAPES) and num_classes == len(CITYSCAPES)
    if is_cityscapes:
        label_space = CITYSCAPES
        network_size = network_size or CITYSCAPES_SIZE
    if is_cityscapes or not layout.per_data_set:
        normalization = normalization or layout.normalization
    if label_space is None or normalization is None or network_size is None:
        told = {
            '--label-space': label_space,
            '--mean and --std': normalization,
            '--network-size': network_size,
        }
        raise CheckpointError(
            f'{path} has {num_classes} classes that are not those of Cityscapes: say what it was '
            f'trained on by {", ".join(option for option, value in told.items() if value is None)}'
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
    wrapper = [f'{key!r}' for key in keys] + ([f'the prefix {prefix!r}'] if prefix else [])
    return Imported(checkpoint, layout.title, left_out, ', '.join(wrapper))


def _read(path: Path, file: bytes) -> object:
    """What a .pth file holds, of tensors and plain containers.

    Raises:
        CheckpointError: It is damaged, or of another kind.
    """
    kind = _other_kind(file)
    if kind:
        raise CheckpointError(f'{path} is {kind}')
    try:
        content: object = torch.load(io.BytesIO(file), map_location='cpu', weights_only=True)
    except _DAMAGE as error:
        if isinstance(error, UnpicklingError) and zipfile.is_zipfile(io.BytesIO(file)):
            raise CheckpointError(
                f'{path} holds Python objects, which are never unpickled here, or is damaged: '
                'save its state dict alone where it was trained, or download it again'
            ) from error
        raise CheckpointError(
            f'{path} is not a whole weights file of PyTorch: copy or download it again'
        ) from error
    return content


def _other_kind(file: bytes) -> str:
    """What a file is if not weights, and what to do about it; empty where that is not known."""
    if file.startswith(b'version https://git-lfs'):
        return 'a pointer of Git LFS and not the file itself: fetch that with git lfs pull'
    if file.lstrip()[:1] == b'<':
        return 'a web page and not the file that was to be downloaded: download it again'
    if file[8:9] == b'{' and int.from_bytes(file[:8], 'little') < len(file):
        return (
            'a safetensors file: one of bisenet_ros needs no import; the tensors of another go '
            'into a .pth file with torch.save'
        )
    if any(name.endswith('/constants.pkl') for name in _names_in_zip(file)):
        return 'a TorchScript program: save the state dict of its network with torch.save'
    return ''


def _names_in_zip(file: bytes) -> list[str]:
    """What a zip file holds; nothing where it is none, or a damaged one."""
    try:
        with zipfile.ZipFile(io.BytesIO(file)) as archive:
            return archive.namelist()
    except (NotImplementedError, ValueError, struct.error, zipfile.BadZipFile):
        return []


def _find_tensors(path: Path, content: object) -> tuple[list[str], StateDict]:
    """The keys under which the tensors are, from the outermost, and the tensors by name.

    Raises:
        CheckpointError: There are none.
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
        f'{path} holds no state dict, which is tensors by name and nothing else, alone or under '
        f'one of {", ".join(_WRAPPERS)}'
    )


def _unwrapped(path: Path, tensors: StateDict) -> tuple[Layout, str, StateDict]:
    """The layout, what all its names begin with in the file, and the tensors without that.

    Wrappers of networks, such as `DataParallel`, `torch.compile` and Lightning's modules, put a
    name before those of the network inside.

    Raises:
        CheckpointError: It is of no layout.
    """
    tensors = {name.replace(_COMPILED, ''): tensor for name, tensor in tensors.items()}
    for layout in LAYOUTS:
        if layout.mark in tensors:
            return layout, '', tensors
    for layout in LAYOUTS:
        mark = next((name for name in tensors if name.endswith(f'.{layout.mark}')), None)
        if mark is not None:
            prefix = mark.removesuffix(layout.mark)
            return layout, prefix, {n.removeprefix(prefix): t for n, t in tensors.items()}
    raise CheckpointError(
        f'{path} has the tensors of no network that is known here, such as '
        f'{next(iter(tensors))!r}; those known are {", ".join(layout.title for layout in LAYOUTS)}'
    )


def _refuse_other_forms(path: Path, tensors: StateDict) -> None:
    """Refuse what has the names of a layout and computes something else.

    Raises:
        CheckpointError: It does.
    """
    # Of V1 a head with PixelShuffle has 64 rows a class, and the auxiliary one at 1/16 has 256.
    rows = [
        tensors[name].shape[:1].numel()
        for name in ('conv_out.conv_out.weight', 'conv_out32.conv_out.weight')
        if name in tensors
    ]
    if 'head.conv_out.0.weight' in tensors or len(set(rows)) > 1 or any(n > IGNORE for n in rows):
        raise CheckpointError(
            f"{path} is of CoinCheung's BiSeNet before July 2021, with heads that end in a "
            'PixelShuffle, which no network here has: take the weights published since'
        )
    if 'head.conv_out.weight' in tensors or (rows and 'conv_out.conv_out.bias' not in tensors):
        raise CheckpointError(
            f"{path} is of CoinCheung's BiSeNet before September 2020, which aligns corners, as "
            'no network here does: take the weights published since July 2021'
        )
    if 'backbone.context_path.backbone.layer1.0.conv3.weight' in tensors:
        raise CheckpointError(
            f"{path} is mmsegmentation's BiSeNet V1 on a ResNet-50 or -101, four times as wide as "
            'any network here: take the one on ResNet-18'
        )


def _translate(
    path: Path, tensors: StateDict, layout: Layout, num_classes: int
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors by our names, and the names of those that only training needs.

    Raises:
        CheckpointError: One is missing, of the wrong shape, not finite, or not known.
        UserError: The network needs torchvision, which is not installed.
    """
    with torch.device('meta'):
        network = NETWORKS[layout.network](num_classes, **layout.options)
    names = {ours: layout.their_name(ours) for ours in network.state_dict()}
    shapes = {names[ours]: tensor.shape for ours, tensor in network.state_dict().items()}
    rest = tensors.keys() - shapes.keys()
    left_out = {name for name in rest if name.startswith(layout.training_heads)}
    _refuse(path, layout, 'lacks the tensor', shapes.keys() - tensors.keys())
    _refuse(path, layout, 'has an unknown tensor', rest - left_out)
    misshapen = {name for name, shape in shapes.items() if tensors[name].shape != shape}
    _refuse(path, layout, 'has a tensor of the wrong shape', misshapen)
    endless = {name for name in shapes if not tensors[name].isfinite().all()}
    _refuse(path, layout, 'has a tensor that is not finite', endless)
    return {ours: tensors[theirs] for ours, theirs in names.items()}, tuple(sorted(left_out))


def _refuse(path: Path, layout: Layout, problem: str, wrong: Set[str]) -> None:
    """Name the first of the tensors that are wrong, if any are.

    Raises:
        CheckpointError: Some are.
    """
    if wrong:
        raise CheckpointError(
            f'{path} is not {layout.title} as published: it {problem} {min(wrong)!r} '
            f'({len(wrong)} such in all)'
        )
