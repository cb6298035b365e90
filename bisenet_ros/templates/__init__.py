# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""HTML pages: Jinja2 templates beside this module, and `render`, which fills them in."""

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
    """A page as text; values are escaped unless the template marks them as safe.

    Bytes of file names that are not UTF-8 are shown as escape sequences.

    Args:
        template: A file of this folder, without `.html.j2`.
        context: Variables of the template.

    Raises:
        jinja2.TemplateNotFound: There is no such template.
        jinja2.UndefinedError: A variable of the template is missing.
    """
    page = _ENVIRONMENT.get_template(f'{template}.html.j2').render(context)
    return page.encode('utf-8', 'backslashreplace').decode('utf-8')
