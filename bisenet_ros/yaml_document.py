# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A YAML file that knows the line of each value, for error messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bisenet_ros.errors import UserError

Location = Sequence[str | int]
"""The path to a value: keys and indices."""


class DocumentError(UserError):
    """An invalid file; the message names file and line."""


@contextmanager
def yaml_errors(path: Path) -> Iterator[None]:
    """Turn errors of reading and parsing YAML into one line that names the place.

    Raises:
        DocumentError: The file cannot be read, or is not YAML.
    """
    try:
        yield
    except OSError as error:
        raise DocumentError(f'{path}: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise DocumentError(f'{path}: not UTF-8: {error.reason}') from error
    except yaml.MarkedYAMLError as error:
        line = 1 if error.problem_mark is None else error.problem_mark.line + 1
        raise DocumentError(f'{path}:{line}: not YAML: {error.problem}') from error
    except yaml.YAMLError as error:
        reason = str(error).partition('\n')[0]
        raise DocumentError(f'{path}: not YAML: {reason}') from error


@dataclass(frozen=True)
class Document:
    """A YAML file.

    Attributes:
        path: The file.
        value: Its content: mappings, lists, strings, numbers.
    """

    path: Path
    value: Any
    _root: yaml.Node | None

    @classmethod
    def load(cls, path: Path) -> Document:
        """Read a file.

        Raises:
            DocumentError: The file cannot be read, is not YAML, or has a key twice.
        """
        with yaml_errors(path):
            loader = yaml.SafeLoader(path.read_text(encoding='utf-8'))
            try:
                root = loader.get_single_node()
                value = None if root is None else loader.construct_document(root)
            finally:
                loader.dispose()
        document = cls(path, value, root)
        document._refuse_twins(root, set())
        return document

    def line(self, location: Location) -> int:
        """The line, from 1, of the key of a value; of its parent if the value does not exist."""
        node, line = self._root, 1
        for step in location:
            if isinstance(node, yaml.MappingNode):
                found = [pair for pair in node.value if pair[0].value == str(step)]
                if not found:
                    break
                key, node = found[0]
                line = key.start_mark.line + 1
            elif isinstance(node, yaml.SequenceNode) and step in range(len(node.value)):
                node = node.value[step]
                line = node.start_mark.line + 1
            else:
                break
        return line

    def error(self, location: Location, message: str) -> DocumentError:
        """An error about a value, with file, line and path in the message."""
        steps = ''.join(f'[{step}]' if isinstance(step, int) else f'.{step}' for step in location)
        place = f'{steps.lstrip(".")}: ' if steps else ''
        return DocumentError(f'{self.path}:{self.line(location)}: {place}{message}')

    def _refuse_twins(self, node: yaml.Node | None, seen: set[int]) -> None:
        """Refuse duplicate keys, of which the YAML parser would silently take the last."""
        if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
            return
        seen.add(id(node))
        keys: set[str] = set()
        for child in node.value:
            if not isinstance(child, tuple):
                self._refuse_twins(child, seen)
                continue
            key, value = child
            if isinstance(key, yaml.ScalarNode) and key.value in keys:
                line = key.start_mark.line + 1
                raise DocumentError(f'{self.path}:{line}: {key.value} is given twice')
            keys.add(str(key.value))
            self._refuse_twins(value, seen)
