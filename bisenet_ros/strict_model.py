# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the pydantic models of YAML files have in common, and their errors in words for users."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """A model that refuses unknown keys, and whose values do not change."""

    model_config = ConfigDict(extra='forbid', frozen=True)


_MESSAGES = {
    'float_type': 'must be a number in digits, such as 1000 or 0.001',  # YAML reads 1e3 as text
    'int_parsing': 'must be a whole number in digits, such as 1000',  # likewise
    'model_attributes_type': 'must be a mapping of keys to values',
    'model_type': 'must be a mapping of keys to values',
    'path_type': 'must be a path',
    'too_long': 'has {actual_length} values, but may have {max_length}',
    'tuple_type': 'must be a list',
    'union_tag_invalid': 'no {discriminator} {tag}; choose from {expected_tags}',
    'union_tag_not_found': 'needs a {discriminator}',
    'value_error': '{error}',
}
"""Messages by type of error, with the fields of its context."""


def reworded(error: Any) -> str:
    """Returns the message of an error of pydantic about a value of a file, reworded for users."""
    kind, context = error['type'], error.get('ctx', {})
    if kind == 'missing':
        is_item = isinstance(error['loc'][-1], int)
        return f'has too few values: {len(error["input"])}' if is_item else 'is missing'
    if kind == 'too_short' and not context['actual_length']:
        return 'must not be empty'
    if kind not in _MESSAGES:
        message = str(error['msg'])
        return message[0].lower() + message[1:]
    message = _MESSAGES[kind].format(**context)
    # pydantic quotes the names of a union.
    return message.replace("'", '') if kind.startswith('union_tag') else message
