# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the package must not use so that it works with NumPy 1.21, which Ubuntu 22.04 has."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / 'bisenet_ros'

NEWER_ARGUMENTS = {
    'asarray': {'copy', 'device'},
    'clip': {'max', 'min'},
    'hstack': {'casting', 'dtype'},
    'nanmax': {'initial', 'where'},
    'nanmean': {'where'},
    'nanmin': {'initial', 'where'},
    'nanquantile': {'method', 'weights'},
    'nansum': {'initial', 'where'},
    'percentile': {'method', 'weights'},
    'quantile': {'method', 'weights'},
    'reshape': {'copy', 'shape'},
    'sort': {'stable'},
    'stack': {'casting', 'dtype'},
    'std': {'correction', 'mean'},
    'unique': {'equal_nan', 'sorted'},
    'var': {'correction', 'mean'},
    'vstack': {'casting', 'dtype'},
}
"""Arguments of functions that NumPy has since 1.22 or later."""

INDEXERS = {'c_', 'mgrid', 'ogrid', 'r_', 's_'}


def evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """Everything in a module except annotations, which are never evaluated."""
    for name, child in ast.iter_fields(node):
        if name in ('annotation', 'returns'):
            continue
        for each in child if isinstance(child, list) else [child]:
            if isinstance(each, ast.AST):
                yield each
                yield from evaluated(each)


def of_numpy(node: ast.AST) -> str:
    """The name that follows `np.`; empty for anything else."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id == 'np' else ''
    return ''


def newer(node: ast.AST) -> bool:
    """Whether an expression needs a NumPy newer than 1.21."""
    if isinstance(node, ast.Subscript):
        # The classes of NumPy, such as np.floating, have no [] before 1.22.
        return of_numpy(node.value) not in {'', *INDEXERS}
    if isinstance(node, ast.Call):
        arguments = NEWER_ARGUMENTS.get(of_numpy(node.func), set())
        return not arguments.isdisjoint(keyword.arg for keyword in node.keywords)
    return False


def test_nothing_is_newer_than_numpy_1_21() -> None:
    assert [
        f'{path}:{getattr(node, "lineno", 0)}: {ast.unparse(node)}'
        for path in sorted(PACKAGE.rglob('*.py'))
        for node in evaluated(ast.parse(path.read_text()))
        if newer(node)
    ] == []
