# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads YAML files, and knows the line of each value.

Files are not trusted: only plain values are created, and a short file that would expand to millions
of values is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bisenet_ros.errors import UserError
from bisenet_ros.limits import MAX_DOCUMENT

Location = Sequence[str | int]
"""The path to a value: keys and indices."""

_MAX_DEPTH = 50
_MAX_VALUES = 100_000
"""Maximum number of scalars, lists and mappings in a file, with aliases expanded."""


class DocumentError(UserError):
    """An invalid file; the message names file and line."""


@contextmanager
def yaml_errors(path: Path | str) -> Iterator[None]:
    """Turns errors of reading and parsing YAML into one line that names the place.

    Args:
        path: The file, or what else the text is called in messages.

    Raises:
        DocumentError: The file cannot be read, or is not YAML.
    """
    try:
        yield
    except OSError as error:
        raise DocumentError(f'{path}: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise DocumentError(f'{path}: not UTF-8: {error.reason}') from error
    except ValueError as error:  # a null character in the path
        raise DocumentError(f'{path}: {error}') from error
    except yaml.MarkedYAMLError as error:
        line = 1 if error.problem_mark is None else error.problem_mark.line + 1
        raise DocumentError(f'{path}:{line}: not YAML: {error.problem}') from error
    except yaml.YAMLError as error:
        reason = str(error).partition('\n')[0]
        raise DocumentError(f'{path}: not YAML: {reason}') from error


def read_yaml(path: Path) -> str:
    """Reads the text of a YAML file and checks its size; call it inside `yaml_errors`.

    Raises:
        DocumentError: The file is too large, nested too deeply, or has aliases that expand to too
            many values.
    """
    text = _read_text(path)
    check_values(path, text)
    return text


def _read_text(path: Path) -> str:
    with path.open('rb') as file:
        content = file.read(MAX_DOCUMENT + 1)
    if len(content) > MAX_DOCUMENT:
        raise DocumentError(f'{path}: larger than {MAX_DOCUMENT >> 20} MiB, the limit')
    return content.decode('utf-8-sig')


def check_values(path: Path | str, text: str) -> None:
    """Refuses YAML that would expand to too many values, or endlessly.

    Args:
        path: As for `yaml_errors`.
        text: The YAML.

    Raises:
        DocumentError: The text has too many values or levels, or an alias inside its own anchor.
        yaml.YAMLError: The text is not YAML.
    """
    count = 0
    open_: list[tuple[str | None, int]] = []  # anchor of a list or mapping, count before it
    sizes: dict[str, int] = {}  # number of values by anchor
    for event in yaml.parse(text, yaml.CSafeLoader):
        line = 1 if event.start_mark is None else event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_):
                raise DocumentError(
                    f'{path}:{line}: *{event.anchor} refers to the value that contains it'
                )
            count += sizes.get(event.anchor or '', 1)
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            open_.append((event.anchor, count))
            count += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_.pop()
            if anchor is not None:
                sizes[anchor] = count - before
        if len(open_) > _MAX_DEPTH:
            raise DocumentError(f'{path}:{line}: over {_MAX_DEPTH} levels deep')
        if count > _MAX_VALUES:
            raise DocumentError(f'{path}:{line}: over {_MAX_VALUES} values')


class _Loader(yaml.SafeLoader):
    """Names the line of a value that is invalid for its type, such as the number 0b_."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, OverflowError) as error:
            kind = node.tag.rpartition(':')[2]
            raise yaml.constructor.ConstructorError(
                None, None, f'{str(node.value)[:100]!r} is no {kind}', node.start_mark
            ) from error

    def construct_date(self, node: yaml.ScalarNode) -> Any:
        """Keeps a date as text: folders may be named by dates, and no key takes a date."""
        return self.construct_scalar(node)


_Loader.add_constructor('tag:yaml.org,2002:timestamp', _Loader.construct_date)


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
        """Reads a file.

        Raises:
            DocumentError: The file cannot be read, is not YAML, is refused by `read_yaml`, or has a
                key twice.
        """
        with yaml_errors(path):
            text = _read_text(path)
        return cls(path, *_parse(path, text))

    def line(self, location: Location) -> int:
        """Returns the line, from 1, of a value's key; of its parent if there is no such value."""
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
        """Creates an error about a value, with file, line and path in the message.

        An error about the whole, such as two values that contradict each other, has no line.
        """
        line = f':{self.line(location)}' if location else ''
        return DocumentError(f'{self.path}{line}: {prefix_of(location)}{message}')


def prefix_of(location: Location) -> str:
    """Returns the start of a message about a value, 'train[0].share: '; '' for the whole."""
    steps = ''.join(f'[{step}]' if isinstance(step, int) else f'.{step}' for step in location)
    return f'{steps.lstrip(".")}: ' if steps else ''


def parse_value(name: str, text: str) -> Any:
    """Reads a value that is given elsewhere than in a file, as `Document` reads those of files.

    Args:
        name: What the value is called in messages.
        text: The value in YAML.

    Raises:
        DocumentError: It is not YAML, is refused by `check_values`, or has a key twice.
    """
    value, _ = _parse(name, text)
    return value


def _parse(path: Path | str, text: str) -> tuple[Any, yaml.Node | None]:
    """Returns the value of a text, and the node that knows its lines."""
    with yaml_errors(path):
        check_values(path, text)
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            value = None if root is None else loader.construct_document(root)
        finally:
            loader.dispose()
    _refuse_twins(path, root, set())
    return value, root


def _refuse_twins(path: Path | str, node: yaml.Node | None, seen: set[int]) -> None:
    """Refuses duplicate keys, of which the YAML parser would silently use the last."""
    if not isinstance(node, yaml.CollectionNode) or id(node) in seen:
        return
    seen.add(id(node))
    keys: set[str] = set()
    for child in node.value:
        if not isinstance(child, tuple):
            _refuse_twins(path, child, seen)
            continue
        key, value = child
        if isinstance(key, yaml.ScalarNode) and key.value in keys:
            line = key.start_mark.line + 1
            raise DocumentError(f'{path}:{line}: {key.value} is given twice')
        keys.add(str(key.value))
        _refuse_twins(path, value, seen)
