# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the pydantic models of YAML files have in common, and their errors in words for users."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from bisenet_ros.yaml_document import Location

UNKNOWN_KEY = 'unknown_key'
"""Type of the error for a key that a model does not have."""


class StrictModel(BaseModel):
    """A model that refuses unknown keys, and whose values do not change."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode='before')
    @classmethod
    def _has_no_other_keys(cls, value: Any) -> Any:
        """Refuses unknown keys; unlike pydantic's own error, with those that are known."""
        known = list(cls.model_fields)
        unknown = [key for key in value if key not in known] if isinstance(value, Mapping) else []
        if unknown:
            near = difflib.get_close_matches(str(unknown[0]), known, n=1, cutoff=0.5)
            hint = f'did you mean {near[0]}?' if near else f'choose from {", ".join(known)}'
            raise PydanticCustomError(
                UNKNOWN_KEY, 'unknown key; {hint}', {'key': unknown[0], 'hint': hint}
            )
        return value


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


def location_of(error: Any) -> Location:
    """Returns where the value of an error of pydantic is, or the key if that is unknown."""
    location: Location = error['loc']
    return (*location, error['ctx']['key']) if error['type'] == UNKNOWN_KEY else location


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
