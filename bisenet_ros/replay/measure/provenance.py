# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Describes the provenance of results: files of the bag, model, versions."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from bisenet_ros.bag.messages import BagError
from bisenet_ros.checkpoint import resolve_weights
from bisenet_ros.segmenter import Segmenter

_BLOCK = 1 << 20


def describe_bag(path: Path) -> dict[str, Any]:
    """Returns every file of a bag with size and SHA-256, ready for JSON.

    Raises:
        BagError: A file cannot be read.
    """
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        described = [
            {'name': file.name, 'bytes': file.stat().st_size, 'sha256': sha256_of(file)}
            for file in files
            if file.is_file()
        ]
    except OSError as error:
        raise BagError(f'{error.filename or path}: {error.strerror or error}') from error
    return {'path': str(path), 'files': described}


def describe_model(segmenter: Segmenter) -> dict[str, Any]:
    """Returns the model and its settings as resolved on this machine, ready for JSON."""
    described = {
        **vars(segmenter.settings),
        'network': segmenter.checkpoint.network,
        'sha256': sha256_of(resolve_weights(segmenter.settings.weights)),
        'classes': segmenter.label_space.names,
        'notes': segmenter.notes,
    }
    return {name: list(v) if isinstance(v, tuple) else v for name, v in described.items()}


def sha256_of(file: Path) -> str:
    """Returns the SHA-256 of a file of any size, in hexadecimal."""
    digest = hashlib.sha256()
    with file.open('rb') as content:
        while block := content.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
