# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node's parameters: each declared once, as a field of `Settings`.

The declaration to ROS, the check of every value, the snapshot that the node reads and the table
of docs/parameters.md all come from these fields::

    python3 -m bisenet_ros.node.settings > docs/parameters.md
"""

from __future__ import annotations

import array
import dataclasses
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar, get_type_hints

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from bisenet_ros.errors import UserError

Value = bool | int | float | str | tuple[str, ...] | tuple[int, ...]
"""A parameter's value as the node reads it: what ROS calls an array is a tuple here."""

T = TypeVar('T', bound=Value)


class Changes(Enum):
    """When a new value of a parameter takes effect; the value completes 'takes effect …'."""

    AT_ONCE = 'at once'
    ON_RELOAD = 'with ~/reload, or when the node is configured'
    ON_CONFIGURE = 'when the node is configured; refused in between'
    AT_START = 'at start; read-only afterwards'


@dataclass(frozen=True)
class Declaration:
    """One parameter: what it is called, what it may be and when it may change.

    Attributes:
        name: As in parameter files.
        default: The value without a parameter file; its type is the parameter's type.
        type: The type by its ROS name.
        description: One sentence or two, for `ros2 param describe` and the documentation.
        changes: When a new value takes effect.
        bounds: Smallest and largest value of a number; None for everything else.
        choices: The values that a string may have; empty where any may be.
        check: The reason to refuse a value that type, bounds and choices allow, or None.
    """

    name: str
    default: Value
    type: Parameter.Type
    description: str
    changes: Changes
    bounds: tuple[float, float] | None
    choices: tuple[str, ...]
    check: Callable[[Any], str | None] | None

    def refusal(self, value: Value) -> str | None:
        """Why a value of the right type cannot be taken, or None where it can."""
        if self.bounds is not None:
            low, high = self.bounds
            if not isinstance(value, (int, float)) or not low <= value <= high:
                return f'{self.name} must be from {low:g} to {high:g}, not {value}'
        if self.choices and value not in self.choices:
            return f'{self.name} must be one of {", ".join(self.choices)}, not {value!r}'
        return self.check(value) if self.check else None

    def value_of(self, parameter: Parameter[Any]) -> Value:
        """The value that a parameter file or the command line gave.

        A whole number where a float is wanted, and an empty list (which has no type in YAML), are
        taken for what they mean.

        Raises:
            UserError: The type is wrong, or the value is refused.
        """
        value: Value = plain(parameter.value)
        if self.type is Parameter.Type.DOUBLE and parameter.type_ is Parameter.Type.INTEGER:
            value = float(parameter.value)
        elif isinstance(self.default, tuple) and parameter.type_ is Parameter.Type.NOT_SET:
            value = ()
        elif parameter.type_ is not self.type:
            raise UserError(
                f'parameter {self.name} must be of type {_type_name(self.type)}, such as'
                f' {self.example()}, not the {_type_name(parameter.type_)} {parameter.value!r}'
            )
        reason = self.refusal(value)
        if reason is not None:
            raise UserError(f'parameter {reason}')
        return value

    def descriptor(self) -> ParameterDescriptor:
        """What `ros2 param describe` shows."""
        descriptor = ParameterDescriptor(
            name=self.name,
            description=self.description,
            read_only=self.changes is Changes.AT_START,
            additional_constraints=self.constraints(),
        )
        if self.bounds is not None:
            low, high = self.bounds
            if self.type is Parameter.Type.INTEGER:
                descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
            else:
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=low, to_value=high)
                ]
        return descriptor

    def example(self) -> str:
        """The default as it is written in a parameter file."""
        return repr(list(self.default) if isinstance(self.default, tuple) else self.default)

    def constraints(self) -> str:
        """Choices and the time of effect, in words."""
        choices = f'one of {", ".join(self.choices)}; ' if self.choices else ''
        return f'{choices}takes effect {self.changes.value}'


def plain(value: Any) -> Any:
    """A ROS parameter's value as the node keeps it: arrays become tuples."""
    return tuple(value) if isinstance(value, (list, tuple, array.array)) else value


def _parameter(
    default: T,
    description: str,
    changes: Changes,
    *,
    bounds: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
    check: Callable[[Any], str | None] | None = None,
) -> T:
    """A field of `Settings` that is a parameter of the node."""
    metadata = {
        'description': description,
        'changes': changes,
        'bounds': bounds,
        'choices': choices,
        'check': check,
    }
    return dataclasses.field(default=default, metadata=metadata)


def _check_cameras(names: tuple[str, ...]) -> str | None:
    if not names:
        return "cameras needs a name; [''] is one camera without a prefix"
    if len(set(names)) != len(names):
        return f'cameras must be different from each other: {", ".join(names)}'
    for name in names:
        if name == '' and len(names) > 1:
            return 'cameras: each of several cameras needs a name'
        if name and not re.fullmatch(r'[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*', name):
            return f'cameras: {name!r} cannot be part of a topic name'
    return None


def _check_weights(weights: str) -> str | None:
    return None if weights else 'weights must be a name or a path'


def _check_device(device: str) -> str | None:
    if re.fullmatch(r'auto|cpu|cuda(:\d+)?', device):
        return None
    return f'device must be auto, cpu, cuda or cuda:N, not {device!r}'


def _check_network_size(size: tuple[int, ...]) -> str | None:
    if size and (len(size) != 2 or not all(32 <= side <= 8192 for side in size)):
        return f'network_size must be [width, height], 32 to 8192 each, or [], not {list(size)}'
    return None


@dataclass(frozen=True)
class Settings:
    """A snapshot of the node's parameters; a change makes a new one."""

    cameras: tuple[str, ...] = _parameter(
        ('',),
        "Names of the cameras; a name is the prefix of the camera's topics. [''] is one camera"
        ' without a prefix. All share one network, in batches where these are faster.',
        Changes.ON_CONFIGURE,
        check=_check_cameras,
    )
    transport: str = _parameter(
        'raw',
        "How images arrive: 'raw' on image, 'compressed' on image/compressed.",
        Changes.ON_CONFIGURE,
        choices=('raw', 'compressed'),
    )
    image_reliability: str = _parameter(
        'auto',
        "Reliability of the image subscriptions; 'auto' follows what the publishers offer.",
        Changes.ON_CONFIGURE,
        choices=('auto', 'reliable', 'best_effort'),
    )
    drop_policy: str = _parameter(
        'newest',
        'Which frame is kept when frames arrive faster than they are segmented.',
        Changes.ON_CONFIGURE,
        choices=('newest',),
    )
    weights: str = _parameter(
        'camvid',
        'Checkpoint: the name of one that ships with the package, or a path.',
        Changes.ON_RELOAD,
        check=_check_weights,
    )
    device: str = _parameter(
        'auto',
        'Where the network runs: auto (a GPU where there is one), cpu, cuda or cuda:N.',
        Changes.ON_RELOAD,
        check=_check_device,
    )
    precision: str = _parameter(
        'auto',
        'Number format of the network.',
        Changes.ON_RELOAD,
        choices=('auto', 'fp16', 'bf16', 'fp32'),
    )
    engine: str = _parameter(
        'auto',
        'What runs the network: auto (the fastest there is), torch, openvino (only on a CPU), or '
        'cuda (only on an NVIDIA GPU).',
        Changes.ON_RELOAD,
        choices=('auto', 'torch', 'openvino', 'cuda'),
    )
    network_size: tuple[int, ...] = _parameter(
        (),
        '[width, height] of what the network sees; empty for what the checkpoint was trained for.',
        Changes.ON_RELOAD,
        check=_check_network_size,
    )
    confidence_threshold: float = _parameter(
        0.0,
        'Pixels with a softmax maximum below it are labelled 255; 0 labels every pixel.',
        Changes.AT_ONCE,
        bounds=(0.0, 1.0),
    )
    drivable_classes: tuple[str, ...] = _parameter(
        ('',),
        "Names of the classes that may be driven on; [''] for those that the checkpoint names.",
        Changes.AT_ONCE,
    )
    min_drivable_area: float = _parameter(
        0.0,
        'Connected drivable areas under this share of the image are dropped; 0 keeps all.',
        Changes.AT_ONCE,
        bounds=(0.0, 1.0),
    )
    max_rate: float = _parameter(
        0.0,
        'Most rounds of inference, one frame of each camera, per second; 0 is as many as the device'
        ' manages.',
        Changes.AT_ONCE,
        bounds=(0.0, 1000.0),
    )
    overlay_alpha: float = _parameter(
        0.5,
        "Weight of the classes' colours in segmentation/overlay; 0 shows the camera's image alone.",
        Changes.AT_ONCE,
        bounds=(0.0, 1.0),
    )
    camera_timeout: float = _parameter(
        2.0,
        'Seconds without a frame after which a camera is reported as silent.',
        Changes.AT_ONCE,
        bounds=(0.1, 3600.0),
    )
    max_allowed_processing_time_ms: float = _parameter(
        200.0,
        'Diagnostics warn when decoding, inference and publishing together take longer.',
        Changes.AT_ONCE,
        bounds=(0.0, 60000.0),
    )
    max_acceptable_consecutive_delay_ms: float = _parameter(
        1000.0,
        'Diagnostics report an error when processing stays over its allowed time for longer.',
        Changes.AT_ONCE,
        bounds=(0.0, 600000.0),
    )
    autostart: bool = _parameter(
        True,
        'Configure and activate at start, without a lifecycle manager.',
        Changes.AT_START,
    )


_ROS_TYPES: dict[object, Parameter.Type] = {
    bool: Parameter.Type.BOOL,
    float: Parameter.Type.DOUBLE,
    str: Parameter.Type.STRING,
    tuple[int, ...]: Parameter.Type.INTEGER_ARRAY,
    tuple[str, ...]: Parameter.Type.STRING_ARRAY,
}


def _declarations() -> dict[str, Declaration]:
    types = get_type_hints(Settings)
    defaults = vars(Settings())
    return {
        field.name: Declaration(
            name=field.name,
            default=defaults[field.name],
            type=_ROS_TYPES[types[field.name]],
            **field.metadata,
        )
        for field in dataclasses.fields(Settings)
    }


DECLARATIONS: dict[str, Declaration] = _declarations()
"""Every parameter that can be set, by name, in the order of the documentation."""

REPORTED: dict[str, str] = {
    'class_names': 'Names of the classes, by id.',
    'class_colors': 'Colours of the classes, by id: red, green, blue, 0 to 255, one after another.',
}
"""Read-only parameters and their descriptions: what the loaded checkpoint says."""

_ROS_PARAMETERS = re.compile(r'use_sim_time|start_type_description_service|qos_overrides\..*')
"""Parameters that rclpy itself gives to every node."""


def declare(node: Node) -> Settings:
    """Declare every parameter of `Settings` on a node and read the values it was started with.

    Raises:
        UserError: A value is refused, or a name in the node's parameters is none of ours.
    """
    # rclpy has no public way to ask what a node was started with.
    given: Mapping[str, Parameter[Any]] = node._parameter_overrides
    for name in given:
        if name not in (*DECLARATIONS, *REPORTED) and not _ROS_PARAMETERS.fullmatch(name):
            raise UserError(f'unknown parameter {name!r}{_suggestion(name)}')
    values: dict[str, Any] = {}
    for name, declaration in DECLARATIONS.items():
        value = declaration.value_of(given[name]) if name in given else declaration.default
        _declare(node, declaration, value)
        values[name] = value
    return Settings(**values)


def _declare(node: Node, declaration: Declaration, value: Value) -> None:
    name, descriptor = declaration.name, declaration.descriptor()
    if value != ():
        initial = list(value) if isinstance(value, tuple) else value
        node.declare_parameter(name, initial, descriptor, ignore_override=True)
        return
    # rclpy guesses a type from the elements of a list, so an empty one comes after its type.
    node.declare_parameter(name, declaration.type, descriptor, ignore_override=True)
    node.set_parameters([Parameter(name, declaration.type, [])])


def check_reported(node: Node, values: Mapping[str, Sequence[Any]]) -> None:
    """Allow a read-only parameter in a file only for what it is, as `ros2 param dump` writes it.

    Raises:
        UserError: A node was started with a value that the checkpoint contradicts.
    """
    for name, value in values.items():
        given = node._parameter_overrides.get(name)
        if given is not None and plain(given.value) != tuple(value):
            raise UserError(f'parameter {name} is read-only, it follows the weights: leave it out')


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name, DECLARATIONS, n=1)
    return f': did you mean {close[0]!r}?' if close else f'; there are {", ".join(DECLARATIONS)}'


def markdown() -> str:
    """The documentation of all parameters: docs/parameters.md."""
    lines = [
        '# Parameters of the node `segmenter`',
        '',
        'Generated from the declarations in bisenet_ros/node/settings.py by'
        ' `python3 -m bisenet_ros.node.settings > docs/parameters.md`.',
        '',
        'A name that is not in this table, a value of another type or outside its range is refused'
        ' with a reason: at start the node says so and ends with exit code 2.',
        '',
        '| parameter | type | default | may be | takes effect | meaning |',
        '|---|---|---|---|---|---|',
    ]
    for declaration in DECLARATIONS.values():
        if declaration.bounds is not None:
            allowed = '{:g} to {:g}'.format(*declaration.bounds)
        else:
            allowed = ', '.join(declaration.choices)
        lines.append(
            f'| `{declaration.name}` | {_type_name(declaration.type)} | `{declaration.example()}`'
            f' | {allowed} | {declaration.changes.value} | {declaration.description} |'
        )
    lines += ['', 'Read-only, set when a checkpoint is loaded:', '']
    lines += [f'- `{name}`: {description}' for name, description in REPORTED.items()]
    return '\n'.join(lines) + '\n'


def _type_name(kind: Parameter.Type) -> str:
    return str(kind.name).lower().replace('_', ' ')


if __name__ == '__main__':
    print(markdown(), end='')
