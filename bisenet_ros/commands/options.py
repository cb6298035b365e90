# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Declares the options of verbs that run a model: `--params`, and one for each model setting."""

from __future__ import annotations

import csv
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from bisenet_ros.declaration import Declaration
from bisenet_ros.model_settings import MODEL_PARAMETERS

if TYPE_CHECKING:
    from bisenet_ros.settings import Settings

_PARAMS = Annotated[
    list[Path] | None,
    typer.Option(
        '--params',
        metavar='FILE',
        dir_okay=False,
        help='A ROS parameter file of the node: same settings, same labels. Several are read like '
        "the node's, in their order. Options on the command line override them.",
    ),
]
_PANEL = 'Model'


@dataclass(frozen=True)
class ModelOptions:
    """Model settings from the command line.

    Attributes:
        params: The parameter files.
        values: Values of the single options, by parameter; None for an option that is not given.
    """

    params: Sequence[Path]
    values: Mapping[str, Any]

    def read(self, defaults: Mapping[str, Any] | None = None) -> Settings:
        """Reads the settings; values in `defaults`, by parameter, replace the usual ones.

        Raises:
            UserError: A file or an option is invalid.
        """
        from bisenet_ros.parameter_file import read_settings

        warn_of_foreign(self.params)
        return read_settings(self.params, self.values, defaults)

    def read_for_one_camera(self) -> Settings:
        """Reads the settings for frames of one camera, with its own values in the files.

        With several cameras in the files, a warning says that their own values are ignored.

        Raises:
            UserError: A file or an option is invalid.
        """
        from bisenet_ros.console import warn
        from bisenet_ros.parameter_file import listed, read_settings

        warn_of_foreign(self.params)
        of_files = read_settings(self.params, {})
        if len(of_files.cameras) == 1:
            of_files = of_files.for_camera(of_files.cameras[0])
        elif of_files.of_cameras:
            warn(
                f'{listed(self.params)}: {", ".join(of_files.of_cameras)} are ignored: the images'
                f' could be from any of the cameras {", ".join(of_files.cameras)}'
            )
        return read_settings((), self.values, of_files.values())


def warn_of_foreign(params: Sequence[Path]) -> None:
    """Warns of parameters for other nodes in parameter files.

    Raises:
        UserError: A file is invalid.
    """
    from bisenet_ros.console import warn
    from bisenet_ros.parameter_file import foreign_in, listed

    if foreign := foreign_in(params):
        warn(f'{listed(params)}: parameters of other nodes are ignored: {", ".join(foreign)}')


def takes_model_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Replaces the argument `model` of a verb by `--params` and an option for each setting."""
    hints = get_type_hints(verb, include_extras=True)
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(verb).parameters.values():
        if parameter.name != 'model':
            parameters.append(parameter.replace(annotation=hints[parameter.name]))
    options = {'params': _PARAMS, **{n: _option(d) for n, d in MODEL_PARAMETERS.items()}}
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in options.items()
    ]

    @functools.wraps(verb)
    def with_options(*args: Any, params: list[Path] | None, **values: Any) -> None:
        given = {name: values.pop(name) for name in MODEL_PARAMETERS}
        verb(*args, model=ModelOptions(params or (), given), **values)

    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {p.name: p.annotation for p in parameters}
    return with_options


def _option(declared: Declaration) -> Any:
    """Declares the option of a parameter; its value is None if it is not given."""
    name = f'--{declared.name.replace("_", "-")}'
    # Typer would read backquotes as Markdown.
    text = declared.description
    if declared.type == 'bool':
        flags = f'{name}/--no-{name[2:]}'
        return Annotated[bool | None, typer.Option(flags, help=text, rich_help_panel=_PANEL)]
    settings: dict[str, Any] = {'help': text, 'rich_help_panel': _PANEL}
    kind: Any = {'double': float, 'integer': int}.get(declared.type, str)
    if declared.choices:
        # Not declared as a choice to typer: the parameter's own check has the same error in a file.
        settings['metavar'] = '|'.join(declared.choices)
    elif declared.type == 'integer array':
        kind = tuple[int, int]
        settings['metavar'] = 'WIDTH HEIGHT'
    elif declared.type == 'string array':
        settings |= {'metavar': 'NAME,...', 'parser': _names}
    elif declared.type == 'string':
        settings['metavar'] = {'weights': 'NAME_OR_PATH', 'ego_mask': 'FILE'}.get(
            declared.name, 'NAME'
        )
    return Annotated[kind | None, typer.Option(name, **settings)]


def _names(text: str) -> Any:
    """Splits names at commas and line ends; a name in double quotes may contain commas."""
    lines = csv.reader(text.splitlines(), skipinitialspace=True)
    return tuple(name.strip() for line in lines for name in line) or ('',)
