# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Any value for any parameter is taken and valid, or refused in one line that names the parameter.

`--hypothesis-profile million` tries many more than `make test`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bisenet_ros.errors import UserError
from bisenet_ros.parameter_file import read_settings
from bisenet_ros.settings import PARAMETERS, Settings

NAMES = st.sampled_from(list(PARAMETERS))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(0, 9000),
    st.floats(),
    st.floats(0, 2),
    st.text(max_size=8),
    st.sampled_from(['', 'auto', 'cpu', 'cuda:1', 'fp16', 'raw', 'front', 'a/b', 'road', '1e400']),
    st.dates(),
    st.binary(max_size=4),
)
VALUES = SCALARS | st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@pytest.fixture(scope='module')
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('parameters') / 'file.yaml'


def taken(read: Callable[[], Any]) -> tuple[Any, str]:
    """What is read, and nothing; or nothing, and why it is refused."""
    try:
        return read(), ''
    except UserError as error:
        return None, str(error)


def is_valid(settings: Settings, name: str) -> bool:
    return Settings().changed({name: settings.values()[name]}) == settings


@given(NAMES, VALUES)
def test_any_value(name: str, value: Any) -> None:
    found, refusal = taken(lambda: Settings().changed({name: PARAMETERS[name].value_of(value)}))
    if refusal:
        assert name in refusal
        assert refusal.isprintable()
    else:
        assert is_valid(found, name)


def test_values_of_single_cameras_are_checked() -> None:
    settings = Settings(cameras=('front',))
    with pytest.raises(UserError, match=r'^front\.mounting must be \[x, y, z'):
        settings.changed({'front.mounting': (1.0, 2.0)})


@given(NAMES, VALUES.map(yaml.safe_dump) | st.text(max_size=30))
def test_any_text_in_a_file(file: Path, name: str, text: str) -> None:
    indented = text.replace('\n', '\n      ')
    content = f'/**:\n  ros__parameters:\n    {name}: {indented}\n'
    file.write_bytes(content.encode('utf-8', 'surrogatepass'))
    found, refusal = taken(lambda: read_settings([file], {}))
    if refusal:
        assert refusal.startswith(f'{file}:')  # then the line, from which it is plain to see
        assert refusal.isprintable()
    else:
        assert is_valid(found, name)
