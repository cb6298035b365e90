# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes and reads the saved states of a run: the last one to resume from, the best one to export.

They are saved with torch, as a zip file. A state that does not match its checksums,
which torch does not compare, is refused.
"""

from __future__ import annotations

import io
import operator
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from bisenet_ros.errors import UserError
from bisenet_ros.network.pytorch_file import DAMAGE
from bisenet_training.average import AverageNetwork
from bisenet_training.distributed import sum_without_gradient
from bisenet_training.extra import Fabric
from bisenet_training.run_folder import RunFolder, replace_file


class Progress(NamedTuple):
    """How far a run was.

    Attributes:
        step: Number of completed steps.
        best: Best mIoU so far, 0 to 1; negative infinity before the first evaluation.
        seconds: Time of all steps, without evaluations.
    """

    step: int
    best: float
    seconds: float


def has_state(folder: RunFolder, fabric: Fabric) -> bool:
    """Returns whether there is a state to resume from.

    Raises:
        UserError: The state is damaged, or not visible to all processes.
    """
    is_there: bool = folder.last.is_file()
    found = int(sum_without_gradient(fabric, torch.tensor(int(is_there))))
    if found not in (0, fabric.world_size):
        raise UserError(
            f'only {found} of {fabric.world_size} processes can see {folder.last}: '
            'the folder of the run must be shared by all machines'
        )
    if is_there and not _is_whole(folder.last):
        raise UserError(f'{folder.last} is damaged: remove it to start again')
    return is_there


def save(fabric: Fabric, file: Path, state: dict[str, Any]) -> None:
    """Saves a state; an earlier one in the file is only replaced by a whole one.

    Args:
        fabric: The processes that train.
        file: The file.
        state: Modules, the optimiser and the fields of `Progress` by name.

    Raises:
        OSError: The file cannot be written.
    """
    # Not by `fabric.save`: it writes to the folder of temporary files first, which may be too
    # small, and if the disk of the run is full, its error names a file there.
    if fabric.is_global_zero:
        content = io.BytesIO()  # to a full disk, torch itself gives a RuntimeError
        torch.save(
            {
                name: part.state_dict() if hasattr(part, 'state_dict') else part
                for name, part in state.items()
            },
            content,
        )
        replace_file(file, content.getbuffer())
    fabric.barrier()  # if the first process fails, torchrun ends those that wait here


def restore(fabric: Fabric, file: Path, learned: dict[str, Any]) -> Progress:
    """Restores `learned` in place, and returns how far the run was.

    Args:
        fabric: The processes that train.
        file: The saved state.
        learned: Modules and the optimiser by name, as they were saved.

    Raises:
        UserError: The state was saved by an earlier version, or is damaged.
    """
    with _errors_of(file, 'remove it to start again'):
        rest = fabric.load(file, learned, weights_only=True)
        progress = Progress(
            operator.index(rest['step']), float(rest['best']), float(rest['seconds'])
        )
        if progress.step < 0:
            raise ValueError(f'{progress.step} steps')
    return progress


def restore_average(file: Path, average: AverageNetwork) -> int:
    """Restores the average of the weights in place, and returns the number of its steps.

    Raises:
        UserError: The state was saved by an earlier version, or is damaged.
    """
    with _errors_of(file, 'train again in another folder'):
        if not _is_whole(file):
            raise ValueError('wrong checksum')
        kept = torch.load(file, map_location='cpu', weights_only=True)
        average.load_state_dict(kept['average'])
        return operator.index(kept['step'])


@contextmanager
def _errors_of(file: Path, advice: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f'cannot read {file}: {error.strerror or error}') from error
    except torch.cuda.OutOfMemoryError:  # a RuntimeError, and no fault of the file
        raise
    except (*DAMAGE, OverflowError) as error:
        raise UserError(
            f'{file} was saved by an earlier version of bisenet_ros, or is damaged: {advice}'
        ) from error


def _is_whole(file: Path) -> bool:
    """Returns whether a file is a zip file as torch writes it, uncompressed, without damage."""
    try:
        with zipfile.ZipFile(file) as archive:
            stored = all(one.compress_type == zipfile.ZIP_STORED for one in archive.infolist())
            return stored and archive.testzip() is None
    except OSError as error:
        raise UserError(f'cannot read {file}: {error.strerror or error}') from error
    except (EOFError, RuntimeError, ValueError, struct.error, zipfile.BadZipFile):
        return False
