# SPDX-License-Identifier: Apache-2.0
"""A log as files of fixed names and bytes: C2SP tlog-tiles, paths and contents (L-1).

    tile/<level>/<n>              256 hashes of 32 bytes; at level L each stands for 256^L entries
    tile/<level>/<n>.p/<width>    the last tile of a level while it has fewer
    tile/entries/<n>[.p/<width>]  the entries themselves, each after its length in two bytes

``n`` in groups of three digits, all but the last after an x: 1234067 is ``x001/x234/067``.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from detente.errors import CannotTell, Malformed
from detente.wire.merkle import root

WIDTH = 256
"""Hashes (or entries) in a full tile."""
MAX_ENTRY = 65_535
"""Bytes an entry may have (B-9)."""
ENTRIES = "entries"
MAX_LEVEL = 7
"""256^8 entries are more than a size can say."""

_PATH = re.compile(rf"tile/({ENTRIES}|[0-7])/((?:x[0-9]{{3}}/)*[0-9]{{3}})(?:\.p/([1-9][0-9]{{0,2}}))?")


class TilePath(NamedTuple):
    """What a tile's path says: its level (None for entries), its number, how many hashes or entries it has."""

    level: int | None
    n: int
    width: int


def tile_path(level: int, n: int, width: int = WIDTH) -> str:
    """The path of a tile of hashes."""
    return f"tile/{level}/{_number(n, width)}"


def entries_path(n: int, width: int = WIDTH) -> str:
    """The path of a bundle of entries."""
    return f"tile/{ENTRIES}/{_number(n, width)}"


def parse_tile_path(path: str) -> TilePath | None:
    """What ``path`` names, or None if it is not exactly a path that the two functions above write."""
    found = _PATH.fullmatch(path)
    if not found:
        return None
    kind, number, partial = found.groups()
    n, width = int(number.replace("x", "").replace("/", "")), int(partial or WIDTH)
    level = None if kind == ENTRIES else int(kind)
    written = entries_path(n, width) if level is None else tile_path(level, n, width)
    return TilePath(level, n, width) if width <= WIDTH and written == path else None


def tiles_of(nodes: int, since: int = 0) -> Iterator[tuple[int, int]]:
    """(n, width) of each tile that a level with so many nodes has: the full ones, then the partial one if any.

    Tiles that were full when the level had ``since`` nodes are left out.
    """
    full, rest = divmod(nodes, WIDTH)
    yield from ((n, WIDTH) for n in range(since // WIDTH, full))
    if rest:
        yield full, rest


def tree_levels(leaf_hashes: Sequence[bytes]) -> list[Sequence[bytes]]:
    """Per level L the roots of all complete subtrees of 256^L leaves; the last level has at least one."""
    return grow_levels([()], leaf_hashes)


def grow_levels(levels: Sequence[Sequence[bytes]], more: Sequence[bytes]) -> list[Sequence[bytes]]:
    """The ``tree_levels`` of a tree with the leaf hashes ``more`` behind its own: only tiles that become full are hashed."""
    grown: list[Sequence[bytes]] = [(*levels[0], *more)]
    while len(below := grown[-1]) >= WIDTH:
        known = levels[len(grown)] if len(grown) < len(levels) else ()
        first = len(known) * WIDTH
        grown.append((*known, *[root(below[i : i + WIDTH]) for i in range(first, len(below) - WIDTH + 1, WIDTH)]))
    return grown


def root_of_levels(levels: Sequence[Sequence[bytes]], size: int | None = None) -> bytes:
    """The root of the first ``size`` leaves (all of them by default) of ``tree_levels``: at most 256 hashes a level.

    A tile is a complete subtree, so the tree over full tiles, with what is left over as its last
    node, is the same tree (RFC 6962, section 2.1).
    """
    size = len(levels[0]) if size is None else size
    left: list[bytes] = []
    for level, row in enumerate(levels):
        nodes = size >> (8 * level)
        if nodes < WIDTH:
            return root([*row[:nodes], *left])
        rest = [*row[nodes - nodes % WIDTH : nodes], *left]
        left = [root(rest)] if rest else []
    raise IndexError(size)


def tile_files(entries: Sequence[bytes], leaf_hashes: Sequence[bytes], since: int = 0) -> Iterator[tuple[str, bytes]]:
    """``level_files`` of a tree that is given by its leaf hashes."""
    return level_files(entries, tree_levels(leaf_hashes), since)


def level_files(
    entries: Sequence[bytes], levels: Sequence[Sequence[bytes]], since: int = 0
) -> Iterator[tuple[str, bytes]]:
    """(path, bytes) of every file that a log of these entries has, entries first (L-5), then tiles from the leaves up.

    With ``since``, the size of an earlier checkpoint, full tiles that it already covered are left out.
    """
    for n, width in tiles_of(len(entries), since):
        yield entries_path(n, width), encode_entries(entries[n * WIDTH : n * WIDTH + width])
    for level, hashes in enumerate(levels):
        for n, width in tiles_of(len(hashes), since >> (8 * level)):
            yield tile_path(level, n, width), b"".join(hashes[n * WIDTH : n * WIDTH + width])


def covered_width(level: int | None, n: int, size: int) -> int:
    """How many hashes (or entries) of tile ``n`` a checkpoint of ``size`` covers: 0 to 256."""
    return max(0, min(WIDTH, (size >> (8 * (level or 0))) - n * WIDTH))


def tile_bytes(tile: TilePath, entries: Sequence[bytes], levels: Sequence[Sequence[bytes]]) -> bytes | None:
    """What the file of ``tile`` must hold in the tree of ``entries`` and ``tree_levels``; None if it reaches beyond it.

    Partial tiles of earlier sizes are beginnings of later ones, so they can be recomputed too.
    """
    rows: Sequence[bytes] = ()
    if tile.level is None:
        rows = entries
    elif tile.level < len(levels):
        rows = levels[tile.level]
    first, last = tile.n * WIDTH, tile.n * WIDTH + tile.width
    if last > len(rows):
        return None
    return encode_entries(rows[first:last]) if tile.level is None else b"".join(rows[first:last])


def encode_entries(entries: Iterable[bytes]) -> bytes:
    """A bundle: each entry after its length (u16, most significant first); Malformed ``B-9.entry`` above 65,535."""
    parts = []
    for entry in entries:
        if len(entry) > MAX_ENTRY:
            raise Malformed("B-9.entry", expected=MAX_ENTRY, got=len(entry))
        parts.append(len(entry).to_bytes(2, "big") + entry)
    return b"".join(parts)


def parse_entries(raw: bytes, width: int, place: str = "", *, more: bool = False) -> list[bytes]:
    """The first ``width`` entries of a bundle.

    CannotTell ``file-cut`` if it stops early, Malformed ``L-1.bundle`` if it goes on, unless it may hold ``more``.
    """
    entries, at = [], 0
    for _ in range(width):
        end = at + 2 + int.from_bytes(raw[at : at + 2], "big")
        if at + 2 > len(raw) or end > len(raw):
            raise CannotTell("file-cut", place)
        entries.append(raw[at + 2 : end])
        at = end
    if at != len(raw) and not more:
        raise Malformed("L-1.bundle", place, expected=at, got=len(raw))
    return entries


def _number(n: int, width: int) -> str:
    groups = [f"{n % 1000:03d}"]
    while n := n // 1000:
        groups.append(f"x{n % 1000:03d}")
    return "/".join(reversed(groups)) + ("" if width == WIDTH else f".p/{width}")
