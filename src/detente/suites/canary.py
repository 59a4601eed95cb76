# SPDX-License-Identifier: Apache-2.0
"""Canary strings in other people's data: every suite and headers file begins with one, so that a leak can be found by searching."""

import gzip
import json
import zlib
from collections.abc import Iterable
from io import BufferedReader
from typing import NamedTuple

from detente.errors import CannotTell

CHUNK = 1 << 20  # bytes read at a time, whatever the size of the file
GZIP = b"\x1f\x8b"


class Sighting(NamedTuple):
    """A canary string in one file: how often, and the byte (unpacked, where the file is gzip) at which it first stands."""

    canary: str
    n: int
    at: int


def search_stream(stream: BufferedReader, canaries: Iterable[str], place: str = "") -> list[Sighting]:
    """Every canary string that stands in a stream of any size, plain or gzip, as UTF-8 or with JSON's escapes.

    Memory does not grow with the stream. CannotTell (canary-unreadable) for gzip that breaks off or is damaged.
    """
    if not stream.peek(len(GZIP)).startswith(GZIP):
        return _search(stream, canaries)
    try:
        with gzip.GzipFile(fileobj=stream, mode="rb") as plain:
            return _search(plain, canaries)
    except (EOFError, OSError, zlib.error) as error:
        raise CannotTell("canary-unreadable", place, got=error) from error


def spellings(canary: str) -> set[bytes]:
    """The bytes that a canary string may be written in: as it is, and as JSON writes it with escapes."""
    return {canary.encode(), json.dumps(canary)[1:-1].encode(), json.dumps(canary, ensure_ascii=False)[1:-1].encode()}


def _search(stream: BufferedReader | gzip.GzipFile, canaries: Iterable[str]) -> list[Sighting]:
    wanted = [(canary, form) for canary in canaries for form in spellings(canary)]
    keep = max((len(form) for _, form in wanted), default=1) - 1
    found: dict[str, tuple[int, int]] = {}
    tail, read = b"", 0
    while chunk := stream.read(CHUNK):
        window = tail + chunk
        for canary, form in wanted:
            at = window.find(form, max(0, len(tail) - len(form) + 1))
            while at >= 0:
                n, first = found.get(canary, (0, read - len(tail) + at))
                found[canary] = (n + 1, min(first, read - len(tail) + at))
                at = window.find(form, at + len(form))
        read += len(chunk)
        tail = window[len(window) - min(keep, len(window)) :]
    return [Sighting(canary, n, at) for canary, (n, at) in found.items()]
