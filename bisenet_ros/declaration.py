# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Declares parameters as fields of frozen dataclasses: type, default, range, description.

From a declaration come the node's parameter, the check of a parameter file, the option of the
command line and the documentation. Nothing here knows ROS: types go by ROS's names for them.
"""

from __future__ import annotations

import array
import dataclasses
import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar, cast, get_type_hints

from bisenet_ros.errors import UserError

Value = bool | int | float | str | tuple[str, ...] | tuple[int, ...] | tuple[float, ...]
"""A parameter's value: what ROS calls an array is a tuple here."""

T = TypeVar('T', bound=Value)

NOT_SET = 'not set'
"""The type of an empty list, which has none in YAML."""

_TYPE_NAMES: dict[object, str] = {
    bool: 'bool',
    int: 'integer',
    float: 'double',
    str: 'string',
    tuple[int, ...]: 'integer array',
    tuple[float, ...]: 'double array',
    tuple[str, ...]: 'string array',
}


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
        field: The attribute of the settings that has the value.
        default: The value without a parameter file.
        type: The type by its ROS name, such as `string array`.
        description: One sentence or two, for `ros2 param describe` and the documentation.
        changes: When a new value takes effect.
        bounds: Smallest and largest value of a number; None for everything else.
        choices: The values that a string may have; empty where any may be.
        check: The reason to refuse a value that type, bounds and choices allow, which begins with
            the parameter's name; or None.
        per_camera: Whether a camera may have a value of its own, as `<camera>.<name>`; the default
            is empty then, and an empty value of a camera leaves it to the parameter itself.
    """

    name: str
    field: str
    default: Value
    type: str
    description: str
    changes: Changes
    bounds: tuple[float, float] | None
    choices: tuple[str, ...]
    check: Callable[[Any], str | None] | None
    per_camera: bool

    def of_camera(self, camera: str) -> Declaration:
        """The declaration of a camera's own value."""
        general = self.check

        def check(value: Any) -> str | None:
            reason = general(value) if general else None
            return None if reason is None else f'{camera}.{reason}'

        return dataclasses.replace(self, name=f'{camera}.{self.name}', check=check)

    def refusal(self, value: Value) -> str | None:
        """Why a value of the right type cannot be taken, or None where it can."""
        if self.bounds is not None:
            low, high = self.bounds
            if not isinstance(value, (int, float)) or not low <= value <= high:
                return f'{self.name} must be from {low:g} to {high:g}, not {value}'
        if self.choices and value not in self.choices:
            return f'{self.name} must be one of {", ".join(self.choices)}, not {value!r}'
        return self.check(value) if self.check else None

    def value_of(self, given: Any) -> Value:
        """The value that a parameter file or the command line of ROS gave.

        Whole numbers where floats are wanted, and an empty list, are taken for what they mean.

        Raises:
            UserError: The type is wrong, or the value is refused.
        """
        value: Value = plain(given)
        found = type_name(value)
        if self.type == 'double' and found == 'integer':
            value = _double(given)
        elif self.type == 'double array' and found == 'integer array':
            value = tuple(map(_double, given))
        elif isinstance(self.default, tuple) and found == NOT_SET:
            value = ()
        elif found != self.type:
            raise UserError(
                f'parameter {self.name} must be of type {self.type}, such as {self.example()}, not'
                f' the {found} {given!r}'
            )
        reason = self.refusal(value)
        if reason is not None:
            raise UserError(f'parameter {reason}')
        return value

    def example(self) -> str:
        """The default as it is written in a parameter file."""
        return repr(list(self.default) if isinstance(self.default, tuple) else self.default)

    def constraints(self) -> str:
        """Choices and the time of effect, in words."""
        choices = f'one of {", ".join(self.choices)}; ' if self.choices else ''
        return f'{choices}takes effect {self.changes.value}'


def parameter(
    default: T,
    description: str,
    changes: Changes,
    *,
    bounds: tuple[float, float] | None = None,
    choices: Callable[[], tuple[str, ...]] = tuple,
    check: Callable[[Any], str | None] | None = None,
    name: str | None = None,
    per_camera: bool = False,
) -> T:
    """A field of a dataclass that is a parameter; see `Declaration`, and `choices` gives those.

    Without a `name`, the field's is the parameter's.
    """
    metadata = {
        'name': name,
        'description': description,
        'changes': changes,
        'bounds': bounds,
        'choices': choices,
        'check': check,
        'per_camera': per_camera,
    }
    return dataclasses.field(default=default, metadata=metadata)


def declarations(settings: type) -> dict[str, Declaration]:
    """The parameters of a class of settings by name, in the order of its fields."""
    types = get_type_hints(settings)
    found: dict[str, Declaration] = {}
    for field in dataclasses.fields(settings):
        if not field.metadata:
            continue
        name = field.metadata['name'] or field.name
        found[name] = Declaration(
            **{**field.metadata, 'name': name, 'choices': field.metadata['choices']()},
            field=field.name,
            default=cast('Value', field.default),
            type=_TYPE_NAMES[types[field.name]],
        )
    return found


@dataclass(frozen=True)
class Declared:
    """Settings whose fields are parameters.

    Raises:
        UserError: A value is not one that its parameter may have.
    """

    def __post_init__(self) -> None:
        for declared in declarations(type(self)).values():
            reason = declared.refusal(getattr(self, declared.field))
            if reason is not None:
                raise UserError(reason)


def check_name(name: str, known: Mapping[str, object]) -> None:
    """Refuse a name that is no parameter.

    Raises:
        UserError: It is none; the message has the closest one.
    """
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f': did you mean {close[0]!r}?' if close else f'; there are {", ".join(known)}'
        raise UserError(f'unknown parameter {name!r}{hint}')


def plain(value: Any) -> Any:
    """A value as ROS or YAML has it, with arrays as tuples."""
    return tuple(value) if isinstance(value, (list, tuple, array.array)) else value


def type_name(value: Any) -> str:
    """The ROS name of a plain value's type; `NOT_SET` for an empty tuple or None."""
    if value is None or value == ():
        return NOT_SET
    if isinstance(value, tuple):
        kinds = {type_name(element) for element in value}
        return f'{kinds.pop()} array' if len(kinds) == 1 else 'mixed array'
    return _TYPE_NAMES.get(type(value), type(value).__name__)


def _double(number: Any) -> float:
    """A number as ROS's double; infinite where it is beyond the integers that ROS has."""
    return float(number) if abs(number) < 2**63 else float('inf')
