# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet train`: trains a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bisenet_ros.errors import UserError
from bisenet_training.config import load_config
from bisenet_training.distributed import leave
from bisenet_training.loop import fit


def train(config: str, overrides: Sequence[str], output: Path | None, *, resume: bool) -> int:
    """Trains from a configuration.

    Args:
        config: A YAML file, or the name of a configuration that comes with the package.
        overrides: Values to override, as `key.sub=value`.
        output: Folder of the run; None for runs/ and the name of the configuration.
        resume: Continue the run in the folder.

    Returns:
        The exit status: 0, or 128 plus the number of the signal that ended the training.

    Raises:
        UserError: The configuration, the data or the folder is invalid, or a file cannot be
            written.
    """
    folder = Path('runs', Path(config).stem) if output is None else output
    try:
        signal: int | None = fit(load_config(config, overrides), folder, resume=resume)
    except OSError as error:
        raise UserError(
            f'{error.filename or folder}: {error.strerror or error}: the run in {folder} '
            'stopped: fix this, then run the same command with --resume'
        ) from error
    leave()
    return 0 if signal is None else 128 + signal
