# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The HTML pages: Jinja2 templates that lie beside this module, and the one way to fill them."""

from __future__ import annotations

import jinja2

from bisenet_ros.formatting import percent, points

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
