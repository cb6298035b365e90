# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Declares all parameters of the node `segmenter`: those of the model, the ground, and ROS."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bisenet_ros.declaration import (
    Changes,
    Declaration,
    check_name,
    declarations,
    parameter,
    resembles,
)
from bisenet_ros.errors import UserError
from bisenet_ros.ground_settings import GroundSettings
from bisenet_ros.model_settings import ModelSettings

_MAX_CAMERA_NAME = 128
"""Maximum length. ROS limits a topic name, with namespace and output name, to about 240."""


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
        if len(name) > _MAX_CAMERA_NAME:
            return (
                f'cameras: a name has {len(name)} characters, over the {_MAX_CAMERA_NAME} that '
                f'leave room for the rest of a topic name: {name}'
            )
    return None


@dataclass(frozen=True)
class Settings(GroundSettings, ModelSettings):
    """An immutable snapshot of the node's parameters.

    Attributes:
        of_cameras: Non-empty values of single cameras, by the names of camera and parameter, such
            as `front.mounting`.
    """

    cameras: tuple[str, ...] = parameter(
        ('',),
        "Names of the cameras; a name is the prefix of the camera's topics. [''] is one camera"
        ' without a prefix. All share one network, in batches where these are faster.',
        Changes.ON_CONFIGURE,
        check=_check_cameras,
    )
    transport: str = parameter(
        'raw',
        "How the images of all cameras arrive: 'raw' on image, 'compressed' on image/compressed.",
        Changes.ON_CONFIGURE,
        choices=lambda: ('raw', 'compressed'),
    )
    image_reliability: str = parameter(
        'auto',
        "Reliability of the image subscriptions; 'auto' follows what the publishers offer.",
        Changes.ON_CONFIGURE,
        choices=lambda: ('auto', 'reliable', 'best_effort'),
    )
    max_rate: float = parameter(
        0.0,
        'Maximum number of rounds per second; a round segments the newest frame of each camera.'
        ' 0: no limit.',
        Changes.AT_ONCE,
        bounds=(0.0, 1000.0),
    )
    overlay_alpha: float = parameter(
        0.5,
        "Weight of the classes' colours in segmentation/overlay; 0 shows the camera's image alone.",
        Changes.AT_ONCE,
        bounds=(0.0, 1.0),
    )
    camera_timeout: float = parameter(
        2.0,
        'Seconds without a frame after which a camera is reported as silent.',
        Changes.AT_ONCE,
        bounds=(0.1, 3600.0),
    )
    max_allowed_processing_time_ms: float = parameter(
        200.0,
        'Diagnostics warn when decoding, inference and publishing together take longer.',
        Changes.AT_ONCE,
        bounds=(0.0, 60000.0),
    )
    max_acceptable_consecutive_delay_ms: float = parameter(
        1000.0,
        'Diagnostics report an error when processing has exceeded max_allowed_processing_time_ms'
        ' for longer than this.',
        Changes.AT_ONCE,
        bounds=(0.0, 600000.0),
    )
    autostart: bool = parameter(
        True,
        'Configure and activate at start, without a lifecycle manager.',
        Changes.AT_START,
    )
    of_cameras: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def values(self) -> dict[str, Any]:
        """Returns all values by parameter, those of single cameras included."""
        own = {name: getattr(self, declared.field) for name, declared in PARAMETERS.items()}
        return {**own, **self.of_cameras}

    def changed(self, values: Mapping[str, Any]) -> Settings:
        """Returns a copy with other values by parameter; single cameras' parameters are allowed.

        With other `cameras`, the values of cameras that are no longer there are removed.

        Raises:
            UserError: A name is not a parameter, or a value is invalid.
        """
        fields: dict[str, Any] = {}
        known = declarations_of(values['cameras']) if 'cameras' in values else self.of_cameras
        own = {name: value for name, value in self.of_cameras.items() if name in known}
        for name, value in values.items():
            declared = declaration_of(name)
            if name in PARAMETERS:
                fields[declared.field] = value
                continue
            reason = declared.refusal(value)
            if reason is not None:
                raise UserError(reason)
            own[name] = value
        given = {name: value for name, value in own.items() if value}
        return replace(self, **fields, of_cameras=given)

    def for_camera(self, camera: str) -> Settings:
        """Returns the settings for one camera: its own values replace the general ones."""
        own = {
            declared.field: self.of_cameras[name]
            for declared in PER_CAMERA.values()
            if (name := declared.of_camera(camera).name) in self.of_cameras
        }
        return replace(self, **own, of_cameras={}) if own else self


PARAMETERS = declarations(Settings)
"""All parameters that can be set, by name, in the order of the documentation."""

PER_CAMERA = {name: declared for name, declared in PARAMETERS.items() if declared.per_camera}
"""The parameters that each camera may override as `<camera>.<name>`."""

REPORTED: dict[str, str] = {
    'class_names': 'Names of the classes, by id.',
    'class_colors': 'Colours of the classes, by id: red, green, blue, 0 to 255, one after another.',
}
"""Read-only parameters, set from the loaded checkpoint, and their descriptions."""

OF_EVERY_NODE = re.compile(r'use_sim_time|start_type_description_service|qos_overrides\..*')
"""Parameters that ROS itself declares on every node."""


def is_ours(name: str) -> bool:
    """Returns whether a parameter is one of `Settings`, perhaps misspelt."""
    group, _, last = name.rpartition('.')
    resembles_ours = group == 'grid' or resembles(name, PARAMETERS) or resembles(last, PER_CAMERA)
    return resembles_ours and not _is_reserved(name)


def is_foreign(name: str) -> bool:
    """Returns whether a parameter is meant for other nodes.

    Launch files, and sections for all nodes in a parameter file, can set parameters on every node.
    """
    return not (is_ours(name) or _is_reserved(name))


def _is_reserved(name: str) -> bool:
    """Returns whether a parameter belongs to ROS, or is one of `REPORTED`."""
    return name in REPORTED or OF_EVERY_NODE.fullmatch(name) is not None


def declaration_of(name: str) -> Declaration:
    """Returns the declaration of a parameter, general or of a camera.

    Raises:
        UserError: There is no parameter of that name.
    """
    for general, declared in PER_CAMERA.items():
        camera = name.removesuffix(f'.{general}')
        if camera and camera != name:
            return declared.of_camera(camera)
    check_name(name, PARAMETERS)
    return PARAMETERS[name]


def declarations_of(cameras: Sequence[str]) -> dict[str, Declaration]:
    """Returns the declarations of the cameras' own parameters by name.

    Args:
        cameras: The value of `cameras`.
    """
    own = (
        declared.of_camera(camera)
        for camera in cameras
        if camera
        for declared in PER_CAMERA.values()
    )
    return {declared.name: declared for declared in own}


def check_camera(name: str, cameras: Sequence[str]) -> None:
    """Refuses a camera's parameter if there is no such camera.

    Args:
        name: Name of any parameter.
        cameras: The value of `cameras`.

    Raises:
        UserError: `cameras` does not contain the camera.
    """
    if name not in PARAMETERS and name not in declarations_of(cameras):
        raise UserError(f'parameter {name}: its camera is not among cameras, {list(cameras)}')


def markdown() -> str:
    """Returns the documentation of all parameters: docs/parameters.md."""
    model, ground = declarations(ModelSettings), declarations(GroundSettings)
    own = {name: PARAMETERS[name] for name in PARAMETERS if name not in {**model, **ground}}
    groups = {'Model': model, 'Ground plane': ground, 'Cameras and node': own}
    lines = [
        '# Parameters of the node `segmenter`',
        '',
        'A misspelt name, and a value of another type or outside its range, is refused with a'
        ' reason: at start the node says so and ends with exit code 2. Parameters that resemble'
        ' none of these are ignored with a warning, since launch files can set parameters on every'
        ' node. `--params FILE` of every verb reads the same files by the same rules.',
        '',
        'Parameters with a second name, `<camera>.…`, can be set for each camera, such as'
        ' `front.mounting`. An empty value stands for the general one.',
    ]
    for title, group in groups.items():
        lines += [
            *('', f'## {title}', ''),
            '| parameter | meaning | type | default | allowed | takes effect |',
            '|---|---|---|---|---|---|',
            *map(_row, group.values()),
        ]
    lines += ['', '## Read-only', '', 'Set when a checkpoint is loaded:', '']
    lines += [f'- `{name}`: {description}' for name, description in REPORTED.items()]
    lines += [
        '',
        'This page is generated from bisenet_ros/settings.py, model_settings.py and'
        ' ground_settings.py: `python3 -m bisenet_ros.settings > docs/parameters.md`.',
    ]
    return '\n'.join(lines) + '\n'


def _row(declared: Declaration) -> str:
    """Returns a parameter's row of a Markdown table."""
    if declared.bounds is not None:
        allowed = '{:g} to {:g}'.format(*declared.bounds)
    else:
        allowed = ', '.join(declared.choices)
    names = f'`{declared.name}`'
    if declared.per_camera:
        names += f', `<camera>.{declared.name}`'
    return (
        f'| {names} | {declared.description} | {declared.type} | `{declared.example()}`'
        f' | {allowed} | {declared.changes.value} |'
    )


if __name__ == '__main__':
    print(markdown(), end='')
