# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Declares parameters as fields of frozen dataclasses: type, default, range, description.

The node's parameter, the check of a parameter file, the command-line option and the documentation
are all derived from a declaration. This module does not depend on ROS, but uses its type names.
"""

from __future__ import annotations

import array
import dataclasses
import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar, cast, get_type_hints

from bisenet_ros.errors import UserError

Value = bool | int | float | str | tuple[str, ...] | tuple[int, ...] | tuple[float, ...]
"""A parameter's value; ROS arrays are tuples."""

T = TypeVar('T', bound=Value)

NOT_SET = 'not set'
"""Type name of an empty list, whose element type is unknown."""

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
    ON_CONFIGURE = 'when the node is configured; can be set only before'
    AT_START = 'at start; read-only afterwards'


@dataclass(frozen=True)
class Declaration:
    """The declaration of one parameter: its name, its valid values, and when it may change.

    Attributes:
        name: Name in parameter files.
        field: Attribute of the settings that holds the value.
        default: Default value.
        type: Type name in ROS, such as `string array`.
        description: One sentence or two, for `ros2 param describe` and the documentation.
        changes: When a new value takes effect.
        bounds: Smallest and largest value of a number; None for other types.
        choices: Valid values of a string; empty if any value is valid.
        check: Further validation; returns the reason to refuse a value, beginning with the
            parameter's name, or None. None if there is no such check.
        per_camera: Whether cameras may have their own value, as `<camera>.<name>`, which is read
            from `Settings.for_camera`. The default is then empty, and a camera with an empty value
            uses the general parameter.
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
        """Returns the declaration of a camera's own value."""
        general = self.check

        def check(value: Any) -> str | None:
            reason = general(value) if general else None
            return None if reason is None else f'{camera}.{reason}'

        return dataclasses.replace(self, name=f'{camera}.{self.name}', check=check)

    def refusal(self, value: Value) -> str | None:
        """Returns why a value of the right type is invalid, or None if it is valid."""
        if self.type == 'bool' and not isinstance(value, bool):
            return f'{self.name} must be true or false, not {value!r}'
        if self.bounds is not None:
            low, high = self.bounds
            kinds, kind = (int, 'an integer ') if self.type == 'integer' else ((int, float), '')
            if not isinstance(value, kinds) or not low <= value <= high:
                return f'{self.name} must be {kind}from {low:g} to {high:g}, not {value!r}'
        if self.choices and value not in self.choices:
            return f'{self.name} must be one of {", ".join(self.choices)}, not {value!r}'
        return self.check(value) if self.check else None

    def value_of(self, given: Any) -> Value:
        """Converts a value from a parameter file or from ROS's command line.

        Accepts integers for doubles, and an empty list for an array of any type.

        Raises:
            UserError: The type is wrong, or the value is invalid.
        """
        value = self.converted(given)
        if not self.has_type_of(value):
            found = type_name(value)
            example = f', such as {self.example()}' if self.default != () else ''
            shown = list(value) if isinstance(value, tuple) else value
            what = 'it is empty' if found == NOT_SET else f'it is the {found} {shown!r}'
            raise UserError(f'parameter {self.name} must be of type {self.type}{example}; {what}')
        reason = self.refusal(value)
        if reason is not None:
            raise UserError(f'parameter {reason}')
        return value

    def converted(self, given: Any) -> Value:
        """Converts integers to doubles, and an empty list to an empty array, where needed.

        Other values are returned as they are, of whatever type.
        """
        value: Value = plain(given)
        found = type_name(value)
        if self.type == 'double' and found == 'integer':
            return _double(given)
        if self.type == 'double array' and found == 'integer array':
            return tuple(map(_double, given))
        if isinstance(self.default, tuple) and found == NOT_SET:
            return ()
        return value

    def has_type_of(self, value: Value) -> bool:
        """Returns whether a value is of the parameter's type; an empty list is of any array's."""
        return type_name(value) == self.type or (value == () and isinstance(self.default, tuple))

    def example(self) -> str:
        """Returns the default as written in a parameter file."""
        return repr(list(self.default) if isinstance(self.default, tuple) else self.default)

    def constraints(self) -> str:
        """Describes the choices and when a change takes effect, in words."""
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
    """Creates a dataclass field that is a parameter; see `Declaration`.

    `choices` returns the choices. Without `name`, the parameter has the name of the field.
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
    """Returns the parameters of a settings class by name, in the order of its fields."""
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
        UserError: A value is invalid for its parameter.
    """

    def __post_init__(self) -> None:
        for declared in declarations(type(self)).values():
            reason = declared.refusal(getattr(self, declared.field))
            if reason is not None:
                raise UserError(reason)


def resembles(name: str, known: Iterable[str]) -> bool:
    """Returns whether a name is one of the known ones, or may be one that is misspelt."""
    return bool(difflib.get_close_matches(name, known))


def check_name(name: str, known: Mapping[str, object]) -> None:
    """Refuses an unknown parameter name.

    Raises:
        UserError: There is no such parameter; the message suggests the closest name.
    """
    if name not in known:
        (closest,) = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
        raise UserError(f'unknown parameter {name!r}: did you mean {closest!r}?')


def plain(value: Any) -> Any:
    """Converts a value from ROS or YAML: arrays become tuples."""
    return tuple(value) if isinstance(value, (list, tuple, array.array)) else value


def type_name(value: Any) -> str:
    """Returns the ROS type name of a plain value; `NOT_SET` for an empty tuple or None."""
    if value is None or value == ():
        return NOT_SET
    if isinstance(value, tuple):
        kinds = {type_name(element) for element in value}
        return f'{kinds.pop()} array' if len(kinds) == 1 else 'mixed array'
    return _TYPE_NAMES.get(type(value), type(value).__name__)


def _double(number: Any) -> float:
    """Converts a number to a double; infinite if it exceeds the 64-bit integers of ROS."""
    return float(number) if abs(number) < 2**63 else float('inf')
