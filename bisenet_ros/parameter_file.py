# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads ROS parameter files without ROS, to the values that the node would get.

ROS reads several files as if each continued the one before.

Scalars are parsed as in ROS (rcl_yaml_param_parser), which differs from YAML 1.1: `2e-3` is a
number, `y` is a bool, `null` is a string. Of tags, only `!!str` has a meaning, and aliases are
refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bisenet_ros.declaration import type_name
from bisenet_ros.errors import UserError
from bisenet_ros.node_name import matches
from bisenet_ros.settings import (
    PARAMETERS,
    Settings,
    check_camera,
    declaration_of,
    is_foreign,
    is_ours,
)
from bisenet_ros.yaml_document import read_yaml, yaml_errors

NODE = 'segmenter'

_VALUES = 'ros__parameters'
_STRING = 'tag:yaml.org,2002:str'  # `!!str`
_TRUE = frozenset(('Y', 'y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'))
_FALSE = frozenset(('N', 'n', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'))
_NODE_NAME = re.compile(r'(/(\*\*?|[A-Za-z_][A-Za-z0-9_]*))+')
# What strtol (with base 0) and strtod of C accept.
_INTEGER = re.compile(r'\s*[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)')
_DOUBLE = re.compile(
    r'\s*[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?|\.?inf|infinity|\.?nan)',
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Entry:
    """One parameter of a file.

    Attributes:
        file: The file.
        node: Name or pattern of the nodes that it is for, such as `/**` or `/front/segmenter`.
        name: Name of the parameter, its parts joined by dots.
        value: The value that the node gets.
        line: Line in the file, from 1.
    """

    file: Path
    node: str
    name: str
    value: Any
    line: int

    @property
    def place(self) -> str:
        """The file and the line, for errors."""
        return f'{self.file}:{self.line}'


def read_settings(
    files: Sequence[Path], options: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> Settings:
    """Reads settings from parameter files; single options override them, for every camera.

    Args:
        files: The files, in the order in which the node gets them; none for the defaults.
        options: Values by parameter; None leaves the value to the files.
        defaults: Values by parameter that replace the usual defaults.

    Raises:
        UserError: A file cannot be read, or the node would refuse a value in it or an option.
    """
    values = read_parameters(files)
    given = {name: value for name, value in options.items() if value is not None}
    given = {name: PARAMETERS[name].value_of(value) for name, value in given.items()}
    overridden = {name for name in values.keys() - PARAMETERS if name.rpartition('.')[2] in given}
    values = {name: value for name, value in values.items() if name not in overridden}
    return Settings().changed({**(defaults or {}), **values, **given})


def read_parameters(files: Sequence[Path]) -> dict[str, Any]:
    """Reads the values for the node `segmenter` by parameter; none without files.

    Of several sections that match the node, the one that begins later wins, as in ROS.

    Raises:
        UserError: A file cannot be read, is not a parameter file, or has a parameter that the node
            would refuse; or the files have no section for the node, or sections for nodes of this
            name in several namespaces.
    """
    entries = _entries(files)
    return _parameters_of(files, entries, _segmenter_in(files, entries))


def foreign_in(files: Sequence[Path]) -> list[str]:
    """Returns the parameters for the node `segmenter` that are meant for other nodes.

    Raises:
        UserError: As `read_parameters`.
    """
    entries = _entries(files)
    node = _segmenter_in(files, entries)
    of_node = (entry.name for entry in entries if matches(entry.node, node))
    return [name for name in dict.fromkeys(of_node) if is_foreign(name)]


def _segmenter_in(files: Sequence[Path], entries: Sequence[Entry]) -> str:
    """Returns the name, with its namespace, of the node `segmenter` that files are for."""
    named = {entry.node for entry in entries if entry.node.endswith(f'/{NODE}')}
    nodes = sorted(name for name in named if '*' not in name)
    if not nodes:
        # The sections are for any namespace, as `/*/segmenter` is: take one that all of them match.
        examples = [name.replace('/**', '').replace('*', 'any') for name in named]
        fitting = [node for node in examples if all(matches(name, node) for name in named)]
        nodes = fitting[:1] or sorted(named)
    if len(nodes) > 1:
        raise UserError(
            f'{listed(files)}: parameters for several nodes ({", ".join(nodes)}): keep only one of'
            ' them'
        )
    node = nodes[0] if nodes else f'/{NODE}'
    if files and not any(matches(entry.node, node) for entry in entries):
        raise UserError(
            f"{listed(files)}: no parameters for the node '{NODE}': put them under "
            f"'/**: {_VALUES}:' or '{NODE}: {_VALUES}:'"
        )
    return node


def listed(files: Sequence[Path]) -> str:
    """Returns the names of files, for messages about all of them."""
    return ', '.join(map(str, files))


def read_parameters_of(file: Path, node: str) -> dict[str, Any]:
    """Reads the values for a node by parameter; empty if the file has no section for it.

    Args:
        file: The file.
        node: The node's name with its namespace, such as `/robot/segmenter`.

    Raises:
        UserError: The file cannot be read, is not a parameter file, or has a parameter that the
            node would refuse.
    """
    return _parameters_of([file], _entries([file]), node)


def _parameters_of(files: Sequence[Path], entries: Sequence[Entry], node: str) -> dict[str, Any]:
    # In ROS, a section that is given again continues the first one of its name.
    sections = list(dict.fromkeys(entry.node for entry in entries))
    last: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda entry: sections.index(entry.node)):
        if not (matches(entry.node, node) and is_ours(entry.name)):
            continue
        before = last.get(entry.name, entry)
        if before.node == entry.node and type_name(before.value) != type_name(entry.value):
            raise UserError(
                f'{entry.place}: {entry.name} is given twice, with another type in'
                f' {before.place}; ROS may take the first: keep one'
            )
        last[entry.name] = entry
    values: dict[str, Any] = {}
    for name, entry in last.items():
        try:
            values[name] = declaration_of(name).value_of(entry.value)
        except UserError as error:
            raise UserError(f'{entry.place}: {error}') from error
    cameras = values.get('cameras', PARAMETERS['cameras'].default)
    for name, entry in last.items():
        try:
            check_camera(name, cameras)
        except UserError as error:
            raise UserError(f'{entry.place}: {error}') from error
    try:
        Settings().changed(values)  # valid values may be invalid together
    except UserError as error:
        raise UserError(f'{listed(files)}: {error}') from error
    return values


def write_parameters(path: Path, values: Mapping[str, object]) -> None:
    """Writes a parameter file that applies to any node; ROS reads back the same values.

    Raises:
        UserError: A value is not valid UTF-8, as paths may be.
    """
    for name, value in values.items():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise UserError(
                f'{name}: {value} is not valid UTF-8, as parameters of ROS must be: rename it'
            ) from error
    # JSON is YAML in which every string is quoted, so that strings such as `1` or `no` stay
    # strings.
    text = json.dumps({'/**': {_VALUES: dict(values)}}, ensure_ascii=False)
    path.write_text(text, encoding='utf-8')


def nodes_in(file: Path) -> list[str]:
    """Returns the names and patterns of the nodes that a file has parameters for.

    Raises:
        UserError: The file cannot be read, or is not a parameter file.
    """
    return [node for node, _ in _all_sections(file)]


def _entries(files: Sequence[Path]) -> list[Entry]:
    """Returns every parameter of files in order.

    Raises:
        UserError: A file cannot be read, or is not a parameter file.
    """
    return [
        entry
        for file in files
        for node, values in _all_sections(file)
        for entry in _parameters(file, node, values, '')
    ]


def _all_sections(file: Path) -> Iterator[tuple[str, yaml.Node]]:
    with yaml_errors(file):
        text = read_yaml(file)
        _refuse_aliases(file, text)
        documents = list(yaml.compose_all(text, _Loader))
    for document in documents:
        yield from _sections(file, document, '')


def _refuse_aliases(file: Path, text: str) -> None:
    for event in yaml.parse(text, yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            line = 1 if event.start_mark is None else event.start_mark.line + 1
            raise UserError(
                f'{file}:{line}: ROS does not read aliases: write the value of *{event.anchor} here'
            )


class _Loader(yaml.SafeLoader):
    """Keeps the tags that a file has, and adds none."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        return ''


def _sections(file: Path, node: yaml.Node, name: str) -> Iterator[tuple[str, yaml.Node]]:
    """Yields each node's name with its namespace, and the YAML node with its parameters."""
    if not isinstance(node, yaml.MappingNode):
        line = node.start_mark.line + 1
        raise UserError(
            f'{file}:{line}: not a ROS parameter file: node names with {_VALUES} below each are '
            'expected'
        )
    for key, value in node.value:
        text = _name(file, key)
        if text == _VALUES and name:
            node_name = f'/{name.removeprefix("/")}'
            if not _NODE_NAME.fullmatch(node_name):
                raise UserError(
                    f'{file}:{key.start_mark.line + 1}: ROS refuses the node name {name!r}: each'
                    ' part must be *, **, or letters, digits and _ without a digit at its beginning'
                )
            yield node_name, value
        else:
            separator = '/' if name and not name.endswith('/') else ''
            yield from _sections(file, value, f'{name}{separator}{text}')


def _parameters(file: Path, node: str, values: yaml.Node, prefix: str) -> Iterator[Entry]:
    if not isinstance(values, yaml.MappingNode):
        line = values.start_mark.line + 1
        raise UserError(f'{file}:{line}: {_VALUES} must contain names with values')
    for key, value in values.value:
        name, line = f'{prefix}{_name(file, key)}', key.start_mark.line + 1
        if isinstance(value, yaml.MappingNode):
            yield from _parameters(file, node, value, f'{name}.')
        elif isinstance(value, yaml.SequenceNode):
            elements = tuple(_scalar(file, element) for element in value.value)
            types = sorted({type_name(element) for element in elements})
            if len(types) > 1:
                raise UserError(
                    f'{file}:{line}: {name}: values of different types in one list '
                    f'({", ".join(types)}), which ROS refuses; among doubles write 1.0, not 1'
                )
            yield Entry(file, node, name, elements, line)
        else:
            yield Entry(file, node, name, _scalar(file, value), line)


def _name(file: Path, key: yaml.Node) -> str:
    if isinstance(key, yaml.ScalarNode):
        return str(key.value)
    raise UserError(f'{file}:{key.start_mark.line + 1}: a name must be a string')


def _scalar(file: Path, node: yaml.Node) -> Any:
    text, line = node.value, node.start_mark.line + 1
    if not isinstance(node, yaml.ScalarNode):
        raise UserError(f'{file}:{line}: a parameter cannot be a list of lists')
    if node.style in ("'", '"'):
        return text
    if not text:
        raise UserError(f'{file}:{line}: no value')
    if node.tag == _STRING:
        return text
    return _plain_meaning(text)


def _plain_meaning(text: str) -> Any:
    """Converts a scalar without quotes as ROS does."""
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        digits = text.strip().lstrip('+-')
        base = 16 if digits[:2].lower() == '0x' else 8 if digits.startswith('0') else 10
        # Python refuses to parse very long decimal numbers, which are out of range anyway.
        is_short = base != 10 or len(digits) < 20
        if is_short and (base != 8 or not digits.strip('01234567')):
            number = int(digits, base) * (-1 if text.strip().startswith('-') else 1)
            if -(2**63) <= number < 2**63:
                return number
    if _DOUBLE.fullmatch(text):
        value = float(re.sub(r'\.(?=inf|nan)', '', text.strip(), flags=re.IGNORECASE))
        # A number that is too large for a double stays a string, unless it is infinity itself.
        if abs(value) != float('inf') or 'inf' in text.lower():
            return value
    return text
