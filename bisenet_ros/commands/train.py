# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet train`: a training from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bisenet_training.config import load_config
from bisenet_training.loop import fit


def train(config: str, overrides: Sequence[str], output: Path | None, *, resume: bool) -> int:
    """Train as a configuration says.

    Args:
        config: A YAML file, or the name of a recipe that comes with the package.
        overrides: Values to replace in it, as `key.sub=value`.
        output: Folder of the run; None for one in runs/ that is called like the configuration.
        resume: Go on with the run in the folder.

    Returns:
        The exit status: that of a process which a signal has ended, if one did.

    Raises:
        UserError: The configuration, the data or the folder is not as it should be.
    """
    folder = Path('runs', Path(config).stem) if output is None else output
    signal: int | None = fit(load_config(config, overrides), folder, resume=resume)
    return 0 if signal is None else 128 + signal
