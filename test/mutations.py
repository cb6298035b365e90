# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Damages files, reproducibly by seed."""

from __future__ import annotations

import json
import random
import struct
import zlib
from collections.abc import Callable, Sequence

Mutate = Callable[[bytes, random.Random], bytes]

_PNG = b'\x89PNG\r\n\x1a\n'
_EXTREMES = (0, 1, 31, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 30000, 2**31 - 1, 2**31, 2**32 - 1)
_JSON_VALUES = (
    None, True, 0, -1, 2**31, 2**63, 10**30, 0.5, float('nan'), float('inf'), -float('inf'), '',
    'x', '\n\x1b[2J', 'ä' * 300, [], {}, [[]], [1, 2], ['x'], {'x': 1}, [1e999, 1], 'F8_E4M3',
    'BOOL', 'C64', 'I64', 'F64', 'U8', 'BF16', 'F8_E8M0', 'F4',
)  # fmt: skip


def damage(data: bytes, rng: random.Random) -> bytes:
    """Makes one to four random changes to bytes; may correct the checksums of a PNG."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        rng.choice((_flip, _number, _number, _cut, _repeat, _remove, _overwrite))(changed, rng)
    found = bytes(changed)
    return with_png_checksums(found) if rng.random() < 0.7 else found


def damage_text(tokens: Sequence[str]) -> Mutate:
    """Returns a function that changes words of a text, also into the given tokens."""

    def mutate(data: bytes, rng: random.Random) -> bytes:
        words = _words(data.decode())
        for _ in range(rng.choice((1, 1, 2, 3))):
            place = rng.randrange(len(words))
            action = rng.randrange(6)
            if action < 3:
                words[place] = rng.choice(tokens)
            elif action == 3:
                words[place:place] = [rng.choice(tokens)]
            elif action == 4:
                del words[place : place + rng.randrange(1, 5)]
            else:
                start = rng.randrange(len(words))
                words[place:place] = words[start : start + rng.randrange(1, 30)]
            words = words or ['']
        text = ''.join(words).encode('utf-8', 'surrogatepass')
        return damage(text, rng) if rng.random() < 0.1 else text

    return mutate


def damage_json(text: str, rng: random.Random) -> str:
    """Changes or removes a value of a JSON document, or renames one."""
    document = json.loads(text)
    places: list[tuple[list[object] | dict[str, object], str | int]] = []

    def collect(node: object) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                places.append((node, key))
                collect(value)
        elif isinstance(node, list):
            for index, value in enumerate(node):
                places.append((node, index))
                collect(value)

    collect(document)
    parent, key = rng.choice(places)
    action = rng.randrange(5)
    if action == 0 and isinstance(parent, dict):
        parent[rng.choice(('x', '', 'format', '\n'))] = parent.pop(str(key))
    elif action == 1:
        del parent[key]  # type: ignore[arg-type]
    else:
        parent[key] = rng.choice(_JSON_VALUES)  # type: ignore[index]
    written = json.dumps(document)
    deep = rng.random() < 0.05
    return written.replace('[', '[' * 20_000, 1) if deep else written


def with_png_checksums(data: bytes) -> bytes:
    """Corrects the checksums of all chunks of a PNG; returns other data unchanged."""
    if not data.startswith(_PNG):
        return data
    mended, place = bytearray(data), len(_PNG)
    while place + 12 <= len(mended):
        (length,) = struct.unpack_from('>I', mended, place)
        end = place + 8 + length
        if end + 4 > len(mended):
            break
        struct.pack_into('>I', mended, end, zlib.crc32(mended[place + 4 : end]))
        place = end + 4
    return bytes(mended)


def _words(text: str) -> list[str]:
    words: list[str] = ['']
    for character in text:
        if character.isalnum() != words[-1][-1:].isalnum() or character == '\n':
            words.append('')
        words[-1] += character
    return words


def _flip(data: bytearray, rng: random.Random) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _number(data: bytearray, rng: random.Random) -> None:
    """Overwrites an integer of any width and byte order; half of the time near the beginning."""
    size = rng.choice((1, 2, 4, 4, 8))
    if len(data) < size:
        return
    reach = len(data) if rng.random() < 0.5 else min(len(data), 200)
    place = rng.randrange(max(1, reach - size))
    value = rng.choice((*_EXTREMES, len(data), 2**63, 2**64 - 1)) % 256**size
    data[place : place + size] = value.to_bytes(size, rng.choice(('little', 'big')))


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _repeat(data: bytearray, rng: random.Random) -> None:
    place, start = rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)
    data[place:place] = data[start : start + rng.randrange(1, 2000)]


def _remove(data: bytearray, rng: random.Random) -> None:
    place = rng.randrange(len(data) + 1)
    del data[place : place + rng.randrange(1, 200)]


def _overwrite(data: bytearray, rng: random.Random) -> None:
    place = rng.randrange(len(data) + 1)
    block = rng.randbytes(rng.randrange(1, 32))
    data[place : place + len(block)] = block
