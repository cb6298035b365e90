# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Declares the node's parameters with rclpy from `Settings`, and reads them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter

from bisenet_ros.declaration import Changes, Declaration, Value, plain
from bisenet_ros.errors import UserError
from bisenet_ros.node_name import matches
from bisenet_ros.parameter_file import nodes_in
from bisenet_ros.settings import (
    PARAMETERS,
    PER_CAMERA,
    Settings,
    check_camera,
    declaration_of,
    declarations_of,
    is_foreign,
    is_ours,
)


def declare(node: Node) -> Settings:
    """Declares every parameter of `Settings` on a node and reads the values it was started with.

    Raises:
        UserError: A value is refused, or a parameter name is misspelt.
    """
    # rclpy has no public access to the parameters that a node was started with.
    given: Mapping[str, Parameter[Any]] = node._parameter_overrides
    values: dict[str, Any] = {}
    for name in given:
        if is_ours(name):
            values[name] = declaration_of(name).value_of(given[name].value)
    settings = Settings().changed(values)
    for name in values:
        check_camera(name, settings.cameras)
    for name, declared in PARAMETERS.items():
        _declare(node, declared, values.get(name, declared.default))
    declare_of_cameras(node, settings)
    return settings


def foreign(node: Node) -> list[str]:
    """Returns the parameters that a node was started with and that are meant for other nodes."""
    return [name for name in node._parameter_overrides if is_foreign(name)]


def declare_of_cameras(node: Node, settings: Settings) -> None:
    """Declares the parameters of each camera, and undeclares those of other cameras."""
    wanted = declarations_of(settings.cameras)
    endings = tuple(f'.{name}' for name in PER_CAMERA)
    for name in [name for name in node._parameters if name.endswith(endings)]:
        if name not in wanted:
            node.undeclare_parameter(name)
    for name, declared in wanted.items():
        if not node.has_parameter(name):
            _declare(node, declared, settings.of_cameras.get(name, declared.default))


def converted(node: Node, given: Sequence[Parameter[Any]]) -> list[Parameter[Any]]:
    """Converts values that are to be set to the declared types, see `Declaration.converted`.

    `ros2 param set` guesses the type from the text: 5 is an integer, and [] an array of bools.
    """

    def convert(parameter: Parameter[Any]) -> Parameter[Any]:
        name = parameter.name
        if not (is_ours(name) and node.has_parameter(name)) or parameter.value is None:
            return parameter
        declared = declaration_of(name)
        value = declared.converted(parameter.value)
        if not declared.has_type_of(value):
            return parameter
        return Parameter(name, _ros_type(declared), _ros_value(value))

    return [convert(parameter) for parameter in given]


def files_without_this_node(arguments: Sequence[str], node: str) -> list[str]:
    """Returns a sentence for each parameter file that has no section for a node.

    ROS silently ignores such a file.

    Args:
        arguments: Command-line arguments of the process.
        node: The node's name with its namespace.
    """
    sentences: list[str] = []
    for flag, file in pairwise(arguments):
        if flag != '--params-file':
            continue
        try:
            named = nodes_in(Path(file))
        except UserError as error:
            sentences.append(str(error))
            continue
        if named and not any(matches(pattern, node) for pattern in named):
            sentences.append(
                f'{file} has no parameters for this node, {node}, only for {", ".join(named)}: '
                f"put them under '{node}' or '/**'"
            )
    return sentences


def _declare(node: Node, declared: Declaration, value: Value) -> None:
    name, descriptor = declared.name, describe(declared)
    if value != ():
        node.declare_parameter(name, _ros_value(value), descriptor, ignore_override=True)
        return
    # rclpy guesses an array's type from its elements, so an empty one is set after its type.
    kind = _ros_type(declared)
    node.declare_parameter(name, kind, descriptor, ignore_override=True)
    node.set_parameters([Parameter(name, kind, [])])


def _ros_type(declared: Declaration) -> Parameter.Type:
    return Parameter.Type[declared.type.upper().replace(' ', '_')]


def _ros_value(value: Value) -> Any:
    return list(value) if isinstance(value, tuple) else value


def describe(declared: Declaration) -> ParameterDescriptor:
    """Returns the descriptor that `ros2 param describe` shows."""
    descriptor = ParameterDescriptor(
        name=declared.name,
        description=declared.description,
        read_only=declared.changes is Changes.AT_START,
        additional_constraints=declared.constraints(),
    )
    if declared.bounds is not None:
        low, high = declared.bounds
        if declared.type == 'integer':
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
        else:
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    return descriptor


def check_reported(node: Node, values: Mapping[str, Sequence[Any]]) -> None:
    """Checks that read-only parameters in a file, as from `ros2 param dump`, fit the checkpoint.

    Raises:
        UserError: The node was started with a value that contradicts the checkpoint.
    """
    for name, value in values.items():
        given = node._parameter_overrides.get(name)
        if given is not None and plain(given.value) != tuple(value):
            raise UserError(
                f'parameter {name} is read-only: its value comes from the weights. Remove it from'
                ' the parameter file'
            )
