# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Saves and loads checkpoints: a trained network in one file, with everything needed to use it.

The format is safetensors, so loading a file executes no code. The metadata holds one JSON document
under the key `bisenet_ros`, so that weights are never used with the wrong mean, channel order or
class names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load
from safetensors.torch import save as serialize
from torch import Tensor

from bisenet_ros.errors import UserError, check_utf8
from bisenet_ros.json_text import parse_json
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.limits import MAX_SIDE, MIN_SIDE
from bisenet_ros.network import NETWORKS, SegmentationNetwork, Upsampling, options_of
from bisenet_ros.preprocess import ChannelOrder, Normalization
from bisenet_ros.trust.anomaly import MaxLogits
from bisenet_ros.trust.claim import Claim

METADATA_KEY = 'bisenet_ros'
FORMAT = 1
WEIGHTS_DIRECTORY = Path(__file__).parent / 'weights'

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64)
"""Types that a tensor of a file may have."""


class CheckpointError(UserError):
    """A weights file is missing, damaged, or not a checkpoint."""


def _advice(path: Path) -> str:
    """Returns what to do about a file that is not in the format safetensors, by its suffix."""
    if path.suffix in ('.pth', '.pt'):
        return 'bisenet import turns published PyTorch weights into one'
    if path.suffix in ('.onnx', '.xml', '.torchscript'):
        return 'give the checkpoint that this model was exported from'
    if path.suffix == '.safetensors':
        return 'copy or download it again'
    return 'give a checkpoint, as bisenet train and bisenet import write it'


def shipped_weights() -> tuple[str, ...]:
    """Returns the names of the weights that ship with the package."""
    return tuple(sorted(path.stem for path in WEIGHTS_DIRECTORY.glob('*.safetensors')))


def resolve_weights(weights: str | Path) -> Path:
    """Returns the file for a name of shipped weights or a path.

    Raises:
        CheckpointError: There is no such file.
    """
    shipped = shipped_weights()
    if str(weights) in shipped:
        return WEIGHTS_DIRECTORY / f'{weights}.safetensors'
    path = Path(os.path.expanduser(weights))
    if os.path.isfile(path):  # unlike Path's, also false for a name that is too long
        return path
    raise CheckpointError(
        f'no weights {str(weights)!r}: give the path of a .safetensors file'
        + (f' or the name of shipped weights ({", ".join(shipped)})' if shipped else '')
    )


@dataclass(frozen=True)
class Checkpoint:
    """Weights of an inference network, with the metadata needed to use them.

    Attributes:
        network: Name of the network, a key of `bisenet_ros.network.NETWORKS`.
        label_space: The classes, in the order of the network's outputs.
        normalization: Mean, standard deviation and channel order of the input.
        network_size: (width, height) in pixels that the network was trained for.
        upsampling: Upsampling method inside the network.
        state_dict: The tensors, in the precision of the file.
        options: Differences from the usual architecture, as imported weights need them: names and
            values of `bisenet_ros.network.options_of`.
        provenance: Origin of the weights: data, recipe, versions.
        accuracy: Measured accuracy, from 0 to 1, by the name of the data.
        claim: The stated error rate of the drivable mask; None if nothing is stated.
        max_logits: Statistics to recognise unknown objects; None without them.

    Raises:
        CheckpointError: The network size is out of range.
    """

    network: str
    label_space: LabelSpace
    normalization: Normalization
    network_size: tuple[int, int]
    upsampling: Upsampling
    state_dict: Mapping[str, Tensor]
    options: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    accuracy: Mapping[str, Any] = field(default_factory=dict)
    claim: Claim | None = None
    max_logits: MaxLogits | None = None

    def __post_init__(self) -> None:
        if not all(MIN_SIDE <= side <= MAX_SIDE for side in self.network_size):
            width, height = self.network_size
            raise CheckpointError(
                f'network size {width}x{height} is not from {MIN_SIDE} to {MAX_SIDE}'
            )

    def build(self) -> SegmentationNetwork:
        """Builds the network with these weights, in float32 on the CPU, in evaluation mode.

        Raises:
            CheckpointError: The tensors do not fit the network.
        """
        # Whatever torch's default device and type are.
        with torch.device('cpu'):
            network = NETWORKS[self.network](
                len(self.label_space), upsampling=self.upsampling, **self.options
            ).float()
        expected = network.state_dict()
        missing = sorted(expected.keys() - self.state_dict.keys())
        unknown = sorted(self.state_dict.keys() - expected.keys())
        misshapen = sorted(
            name
            for name in expected.keys() & self.state_dict.keys()
            if expected[name].shape != self.state_dict[name].shape
        )
        for problem, names in (
            ('lacks the tensor', missing),
            ('has an unknown tensor', unknown),
            ('has a tensor of the wrong shape', misshapen),
        ):
            if names:
                raise CheckpointError(
                    f'not the weights of {self.network} with {len(self.label_space)} classes: '
                    f'the file {problem} {names[0]!r} ({len(names)} in total)'
                )
        network.load_state_dict(self.state_dict)
        return network.eval()

    def save(self, path: Path, *, dtype: torch.dtype = torch.float16) -> list[str]:
        """Writes the file, with floating-point tensors as `dtype`.

        Returns:
            Names of the tensors that keep their type because `dtype` cannot hold their values: a
            high learning rate leads to running variances above 65504, the largest float16.
        """
        tensors = {name: _as_stored(tensor, dtype) for name, tensor in self.state_dict.items()}
        path.write_bytes(serialize(tensors, {METADATA_KEY: self.to_metadata()}))
        return [
            name
            for name, tensor in tensors.items()
            if tensor.is_floating_point() and tensor.dtype != dtype
        ]

    def to_metadata(self) -> str:
        """Returns everything except the tensors as JSON, as stored under `METADATA_KEY`."""
        return json.dumps(
            {
                'format': FORMAT,
                'network': self.network,
                'label_space': self.label_space.to_dict(),
                'mean': self.normalization.mean,
                'std': self.normalization.std,
                'channel_order': self.normalization.channel_order,
                'network_size': self.network_size,
                'upsampling': self.upsampling,
                'options': dict(self.options),
                'provenance': dict(self.provenance),
                'accuracy': dict(self.accuracy),
                'claim': None if self.claim is None else self.claim.to_dict(),
                'max_logits': None if self.max_logits is None else self.max_logits.to_dict(),
            }
        )

    @classmethod
    def load(cls, weights: str | Path) -> Checkpoint:
        """Reads a file.

        Args:
            weights: Name of shipped weights, or a path.

        Raises:
            CheckpointError: The file is missing, truncated, not a checkpoint, or in another format
                version.
            UserError: Its name is not UTF-8.
        """
        path = resolve_weights(weights)
        check_utf8(path, 'safetensors')
        try:
            with safe_open(path, framework='pt') as file:
                metadata = (file.metadata() or {}).get(METADATA_KEY)
                if metadata is None:
                    raise CheckpointError(
                        f'{path} is a safetensors file, but not a bisenet_ros checkpoint: '
                        'its metadata is missing'
                    )
            # Not from `file`: its tensors are memory-mapped, so truncating the file would kill the
            # process. Also, safetensors 0.8 leaks objects with each of them.
            state_dict = load(path.read_bytes())
        except SafetensorError as error:
            raise CheckpointError(
                f'{path} is not a whole safetensors file ({error}): {_advice(path)}'
            ) from error
        except OSError as error:
            raise CheckpointError(f'cannot read {path}: {error.strerror or error}') from error
        return cls.from_metadata(path, metadata, state_dict)

    @classmethod
    def from_metadata(cls, path: Path, text: str, state_dict: Mapping[str, Tensor]) -> Checkpoint:
        """Reads the JSON that `to_metadata` wrote.

        Args:
            path: The file that it is from, for messages.
            text: JSON.
            state_dict: The tensors; empty for an exported model, which stores them in its own form.

        Raises:
            CheckpointError: The metadata is damaged or in another format version, or the tensors
                have the wrong type or non-finite values.
        """
        try:
            metadata = parse_json(text)
            if metadata['format'] != FORMAT:
                raise CheckpointError(
                    f'checkpoint format {metadata["format"]}, but this version of bisenet_ros '
                    f'reads format {FORMAT}: use the version that wrote it, or newer'
                )
            red, green, blue = (float(value) for value in metadata['mean'])
            std_red, std_green, std_blue = (float(value) for value in metadata['std'])
            width, height = (int(value) for value in metadata['network_size'])
            _check_tensors(state_dict)
            network = _one_of(metadata['network'], tuple(NETWORKS), 'network')
            label_space = LabelSpace.from_dict(metadata['label_space'])
            claim, max_logits = metadata.get('claim'), metadata.get('max_logits')
            return cls(
                network=network,
                label_space=label_space,
                normalization=Normalization(
                    mean=(red, green, blue),
                    std=(std_red, std_green, std_blue),
                    channel_order=_one_of(
                        metadata['channel_order'], get_args(ChannelOrder), 'channel order'
                    ),
                ),
                network_size=(width, height),
                upsampling=_one_of(metadata['upsampling'], get_args(Upsampling), 'upsampling'),
                state_dict=state_dict,
                # The first checkpoints have no options.
                options=_options_of(network, metadata.get('options', {})),
                provenance=dict(metadata['provenance']),
                accuracy=dict(metadata['accuracy']),
                claim=None if claim is None else Claim.from_dict(claim),
                max_logits=None if max_logits is None else _max_logits_of(label_space, max_logits),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise CheckpointError(
                f'the metadata of {path} is damaged ({type(error).__name__}: {error})'
            ) from error
        except UserError as error:
            raise CheckpointError(f'{path}: {error}') from error


def _check_tensors(state_dict: Mapping[str, Tensor]) -> None:
    for name, tensor in state_dict.items():
        if tensor.dtype not in _DTYPES:
            raise CheckpointError(
                f'the tensor {name!r} is of {tensor.dtype}: weights are of float16, bfloat16, '
                'float32 or float64'
            )
    if not all(t.isfinite().all() for t in state_dict.values() if t.is_floating_point()):
        raise CheckpointError('the weights are not finite: train or copy them again')


def _as_stored(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    stored = tensor.to(dtype) if tensor.is_floating_point() else tensor
    overflows = not bool(stored.isfinite().all()) and bool(tensor.isfinite().all())
    return (tensor if overflows else stored).cpu().contiguous()


def _max_logits_of(label_space: LabelSpace, data: Any) -> MaxLogits:
    max_logits = MaxLogits.from_dict(data)
    if len(max_logits.mean) != len(label_space):
        raise CheckpointError(
            f'max logits of {len(max_logits.mean)} classes, but there are {len(label_space)}'
        )
    return max_logits


def _options_of(network: str, options: Any) -> dict[str, Any]:
    if not isinstance(options, Mapping):
        raise CheckpointError(f'options of {network} are names with values, not {options!r}')
    known = options_of(network)
    return {
        _one_of(name, tuple(known), f'option of {network}'): _one_of(value, known[name], name)
        for name, value in options.items()
    }


def _one_of(value: Any, choices: tuple[Any, ...], what: str) -> Any:
    if value not in choices:
        raise CheckpointError(f'unknown {what} {value!r}: known are {", ".join(map(str, choices))}')
    return value
