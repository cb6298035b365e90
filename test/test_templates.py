# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Templates: what is not there is an error, never a gap in a page."""

from __future__ import annotations

import jinja2
import pytest

from bisenet_ros.templates import render


def test_what_the_template_shows_and_is_not_given_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="'metrics' is undefined"):
        render('collection', subject='2 bags')
