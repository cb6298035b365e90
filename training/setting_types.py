# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Types of the numbers in the configuration of a training run.

They refuse booleans, which pydantic would read as 0 and 1: `flip: true` would flip every frame, and
`hard_from: true` would put OHEM off until the end of the training.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError('must be a number, not true or false')
    return value


Number = Annotated[float, BeforeValidator(_no_boolean), Field(allow_inf_nan=False)]
WholeNumber = Annotated[int, BeforeValidator(_no_boolean)]

Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
Count = Annotated[WholeNumber, Field(ge=1)]
CountOrZero = Annotated[WholeNumber, Field(ge=0)]
