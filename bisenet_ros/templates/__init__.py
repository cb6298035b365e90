# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The HTML pages: Jinja2 templates that lie beside this module, and the one way to fill them."""

from __future__ import annotations

import jinja2


def percent(share: float | None, digits: int = 1) -> str:
    """A share from 0 to 1 in percent, for people."""
    return '–' if share is None else f'{100 * share:.{digits}f} %'


def points(change: float | None) -> str:
    """A change of a share in percentage points, with its sign, for people."""
    return '–' if change is None else f'{100 * change:+.2f}'


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader('bisenet_ros'),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters.update(percent=percent, points=points)


def render(template: str, **context: object) -> str:
    """A page as text; what is not marked as safe in the template is escaped.

    Args:
        template: A file of this folder, without `.html.j2`.
        context: What the template shows.

    Raises:
        jinja2.TemplateNotFound: There is no such template.
        jinja2.UndefinedError: The template shows something that is not in the context.
    """
    return _ENVIRONMENT.get_template(f'{template}.html.j2').render(context)
