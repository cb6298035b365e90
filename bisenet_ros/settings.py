# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every parameter of the node `segmenter`: those of the model, and those of its life in ROS."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bisenet_ros.declaration import Changes, declarations, parameter
from bisenet_ros.model_settings import ModelSettings

_MAX_CAMERA_NAME = 128
"""Characters. ROS takes topic names of about 240; namespace and name of the output go in, too."""


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
class Settings(ModelSettings):
    """A snapshot of the node's parameters; a change makes a new one."""

    cameras: tuple[str, ...] = parameter(
        ('',),
        "Names of the cameras; a name is the prefix of the camera's topics. [''] is one camera"
        ' without a prefix. All share one network, in batches where these are faster.',
        Changes.ON_CONFIGURE,
        check=_check_cameras,
    )
    transport: str = parameter(
        'raw',
        "How images arrive: 'raw' on image, 'compressed' on image/compressed.",
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
        'Most rounds of inference, one frame of each camera, per second; 0 is as many as the device'
        ' manages.',
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
        'Diagnostics report an error when processing stays over its allowed time for longer.',
        Changes.AT_ONCE,
        bounds=(0.0, 600000.0),
    )
    autostart: bool = parameter(
        True,
        'Configure and activate at start, without a lifecycle manager.',
        Changes.AT_START,
    )


PARAMETERS = declarations(Settings)
"""Every parameter that can be set, by name, in the order of the documentation."""

REPORTED: dict[str, str] = {
    'class_names': 'Names of the classes, by id.',
    'class_colors': 'Colours of the classes, by id: red, green, blue, 0 to 255, one after another.',
}
"""Read-only parameters and their descriptions: what the loaded checkpoint says."""

OF_EVERY_NODE = re.compile(r'use_sim_time|start_type_description_service|qos_overrides\..*')
"""Parameters that ROS itself gives to every node."""


def markdown() -> str:
    """The documentation of all parameters: docs/parameters.md."""
    lines = [
        '# Parameters of the node `segmenter`',
        '',
        'Generated from the declarations in bisenet_ros/settings.py and model_settings.py by'
        ' `python3 -m bisenet_ros.settings > docs/parameters.md`.',
        '',
        'A name that is not in this table, a value of another type or outside its range is refused'
        ' with a reason: at start the node says so and ends with exit code 2. `--params FILE` of'
        ' every verb reads the same files by the same rules.',
        '',
        '| parameter | type | default | may be | takes effect | meaning |',
        '|---|---|---|---|---|---|',
    ]
    for declared in PARAMETERS.values():
        if declared.bounds is not None:
            allowed = '{:g} to {:g}'.format(*declared.bounds)
        else:
            allowed = ', '.join(declared.choices)
        lines.append(
            f'| `{declared.name}` | {declared.type} | `{declared.example()}`'
            f' | {allowed} | {declared.changes.value} | {declared.description} |'
        )
    lines += ['', 'Read-only, set when a checkpoint is loaded:', '']
    lines += [f'- `{name}`: {description}' for name, description in REPORTED.items()]
    return '\n'.join(lines) + '\n'


if __name__ == '__main__':
    print(markdown(), end='')
