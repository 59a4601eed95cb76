# SPDX-License-Identifier: Apache-2.0
"""The log of one party: reading it so that no changed byte passes, and adding to it so that no crash forks it.

Reading (L-1, L-7): the checkpoint once, then what it covers. Every tile file that is covered is
recomputed from the entries and compared; the entries are compared with the signed root. What is
missing or stops early cannot be told (4); what is whole and wrong is not verified (3). A partial
tile that is gone is read from the beginning of a larger one of the same number.

Adding (L-5, L-6), in this order, each step on the disk before the next:
    compare the log with every note of it that others hold; sign nothing if they know better
    what is added into ``pending/``, as one file, where a crash cannot lose it
    entries, tiles, checkpoint, each by rename
    that file out of ``pending/``
    partial tiles out of the log that larger ones stand for now
After a crash what lies in ``pending/`` is added first, in one piece, so that the same bytes get the
same place. Entries are told apart by their bytes, so none is ever in the log twice.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from detente.errors import CannotTell, DetenteError, Malformed, NotVerified
from detente.tlog.folder import Folder, is_leftover
from detente.wire.digests import sha256
from detente.wire.keys import Signer
from detente.wire.merkle import find_leaf, hash_leaves, leaf_hash, root, roots_at
from detente.wire.note import MAX_NOTE, Checkpoint, check_name, parse_checkpoint, sign_checkpoint, verify_note
from detente.wire.tiles import (
    MAX_ENTRY,
    WIDTH,
    covered_width,
    encode_entries,
    entries_path,
    grow_levels,
    level_files,
    parse_entries,
    parse_tile_path,
    root_of_levels,
    tile_bytes,
    tile_path,
    tiles_of,
    tree_levels,
)

CHECKPOINT = "checkpoint"
_STEP = "V-2"
_HASH = 32
_MAX_BUNDLE = WIDTH * (2 + MAX_ENTRY)
_PENDING = re.compile(r"([0-9a-f]{64})(?:-([1-9][0-9]{0,8}))?")
Levels = tuple[Sequence[bytes], ...]


class Tree(NamedTuple):
    """Entries that were proved to be those of a signed root, ``tree_levels`` of them, and files that no walk names."""

    entries: tuple[bytes, ...]
    levels: Levels
    unread: tuple[str, ...]

    @property
    def leaf_hashes(self) -> Sequence[bytes]:
        """The entries' leaf hashes."""
        return self.levels[0]


class LogView(NamedTuple):
    """A log as it was read: signed head, all entries, their ``tree_levels``, and the files beside them that are not part of it."""

    origin: str
    size: int
    root: str
    entries: tuple[bytes, ...]
    levels: Levels
    checkpoint: bytes
    unread: tuple[str, ...] = ()

    @property
    def leaf_hashes(self) -> Sequence[bytes]:
        """The entries' leaf hashes."""
        return self.levels[0]


def origin_of(base: str, log_public: str) -> str:
    """``base`` and the first 16 digits of the log key's hash, with a slash between (P-4); Malformed ``L-1.name``."""
    return check_name(f"{base}/{sha256(bytes.fromhex(log_public))[:16]}")


def check_origin(origin: str, log_public: str, place: str = "") -> str:
    """``origin`` if it ends as P-4 asks for this key, else Malformed ``P-4.origin``."""
    base = check_name(origin, place).rpartition("/")[0]
    if not base or origin != origin_of(base, log_public):
        raise Malformed("P-4.origin", place, expected=sha256(bytes.fromhex(log_public))[:16], got=origin)
    return origin


def read_log(folder: Folder, origin: str, public: str) -> LogView:
    """The log in ``folder``, proved byte by byte to be what ``public`` signed as ``origin``.

    Raises CannotTell ``file-missing`` (a log without a checkpoint, too) and ``file-cut``;
    NotVerified as ``wire.note.verify_note`` does, and as ``read_tree``.
    """
    raw = folder.read(CHECKPOINT, MAX_NOTE + 1)
    head = verify_note(raw, origin, public, folder.place(CHECKPOINT))
    tree = read_tree(folder, head)
    beside = [name for name in folder.names() if name != CHECKPOINT and not name.startswith("tile/")]
    return LogView(origin, head.size, head.root, tree.entries, tree.levels, raw, (*beside, *tree.unread))


def read_tree(folder: Folder, head: Checkpoint) -> Tree:
    """The tree under ``folder`` that the verified ``head`` covers, every covered tile file compared.

    Raises CannotTell ``file-missing`` and ``file-cut``; NotVerified ``L-1.entries`` (an entry is
    not the one that the tiles and the root name), ``L-1.tile``, ``L-1.root``.
    """
    names = folder.names("tile")
    shelf = _Shelf(names)
    entries = _read_entries(folder, head, shelf)
    levels = tuple(tree_levels(hash_leaves(entries)))
    if root_of_levels(levels).hex() != head.root:
        _blame_bundles(folder, head, shelf)
        raise NotVerified("L-1.root", folder.place(CHECKPOINT), step=_STEP, expected=head.root)
    used = {shelf.find(None, n, width) for n, width in tiles_of(head.size)}
    used |= {shelf.find(level, n, width) for level, row in enumerate(levels) for n, width in tiles_of(len(row))}
    missing = sorted(path for path in used if path not in shelf)
    if missing:
        raise CannotTell("file-missing", folder.place(missing[0]))
    unread = []
    for name in names:
        tile = parse_tile_path(name)
        covered = covered_width(tile.level, tile.n, head.size) if tile else 0
        if tile is None or not covered or (tile.width > covered and name not in used):
            unread.append(name)
            continue
        if tile.level is None and name in used:
            continue  # read to its end, or as far as it is covered, and proved by the root
        expected = tile_bytes(tile._replace(width=min(tile.width, covered)), entries, levels)
        _compare(folder, name, expected or b"", whole=tile.width <= covered)
    return Tree(tuple(entries), levels, tuple(unread))


class _Shelf:
    """Which tile files lie in a folder, by tile."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = set(names)
        self._widths: dict[tuple[int | None, int], list[int]] = {}
        for tile in filter(None, map(parse_tile_path, self._names)):
            self._widths.setdefault((tile.level, tile.n), []).append(tile.width)

    def __contains__(self, path: str) -> bool:
        return path in self._names

    def find(self, level: int | None, n: int, width: int) -> str:
        """The path of the smallest file that holds so much of a tile; the exact one, if there is none (L-7)."""
        width = min((held for held in self._widths.get((level, n), ()) if held >= width), default=width)
        return entries_path(n, width) if level is None else tile_path(level, n, width)


def prune(folder: Folder, size: int) -> None:
    """Remove the partial tiles that a larger file of the same tile stands for in a tree of ``size`` (L-5).

    ``size`` is that of a checkpoint that lies in ``folder`` already: a reader of it, or of an earlier
    one, finds what it needs in the larger file. What a crash leaves here, the next call removes.
    """
    names = folder.names("tile")
    shelf = _Shelf(names)
    for name in names:
        tile = parse_tile_path(name)
        covered = covered_width(tile.level, tile.n, size) if tile else 0
        if tile and tile.width < covered and shelf.find(tile.level, tile.n, covered) in shelf:
            folder.drop(name, sync=False)


def append(
    folder: Folder, pending: Folder, entry: bytes, signer: Signer, origin: str, seen: Iterable[bytes]
) -> LogView:
    """The log with ``entry`` in it: ``append_all`` of one."""
    return append_all(folder, pending, [entry], signer, origin, seen)


def append_all(
    folder: Folder, pending: Folder, entries: Sequence[bytes], signer: Signer, origin: str, seen: Iterable[bytes]
) -> LogView:
    """The log with ``entries`` in it under one new checkpoint, after whatever a crash left in ``pending``.

    ``seen`` are the notes of this log that others hold (L-6). An entry that is in the log already
    is not added again. Raises NotVerified ``L-6.ahead`` and ``L-6.fork``, then nothing was signed;
    Malformed ``B-9.entry``; CannotTell of a full disk and the like, then the next call goes on.
    """
    for entry in entries:
        if len(entry) > MAX_ENTRY:
            raise Malformed("B-9.entry", expected=MAX_ENTRY, got=len(entry))
    with pending.held():
        view = _finish(folder, pending, signer, origin, seen)
        if not (added := _new(view, entries)):
            return view
        raw = added[0] if len(added) == 1 else encode_entries(added)
        name = sha256(raw) if len(added) == 1 else f"{sha256(raw)}-{len(added)}"
        pending.create(name, raw)
        view = _add(folder, view, added, signer)
        pending.drop(name, sync=False)  # what is in the log is not added again
        return _pruned(folder, view)


def finish(folder: Folder, pending: Folder, signer: Signer, origin: str, seen: Iterable[bytes]) -> LogView:
    """The log with what a crash left in ``pending`` added: before new statements are made from its state.

    An empty log is a view of size 0 without a checkpoint. Raises as ``append``.
    """
    with pending.held():
        return _finish(folder, pending, signer, origin, seen)


def compare_with_seen(view: LogView, log_public: str, seen: Iterable[bytes]) -> None:
    """Rule L-6: NotVerified ``L-6.ahead`` or ``L-6.fork`` if a note of this log knows more, or something else.

    Notes that this log's key did not sign prove nothing about it and are passed over, or else any
    file of a counterparty could stop a log.
    """
    notes = []
    for raw in seen:
        try:
            notes.append((parse_checkpoint(raw), raw))
        except Malformed:
            continue
    roots = _roots(view, [head.size for head, _ in notes])
    for head, raw in sorted(notes):  # a fork is told before what is only missing
        if head.size <= view.size and roots[head.size].hex() == head.root:
            continue
        try:
            verify_note(raw, view.origin, log_public)
        except DetenteError:
            continue
        if head.size > view.size:
            raise NotVerified("L-6.ahead", view.origin, step=_STEP, expected=head.size, got=view.size)
        raise NotVerified("L-6.fork", view.origin, step=_STEP, expected=head.root, size=head.size)


def _roots(view: LogView, sizes: Sequence[int]) -> Mapping[int, bytes]:
    """The roots of the log at those of ``sizes`` that it reached: few from the tiles, many in one pass over the leaves."""
    reached = {size for size in sizes if size <= view.size}
    if len(reached) * WIDTH > view.size:
        return roots_at(view.leaf_hashes, reached)
    return {size: root_of_levels(view.levels, size) for size in reached}


def _finish(folder: Folder, pending: Folder, signer: Signer, origin: str, seen: Iterable[bytes]) -> LogView:
    if folder.exists(CHECKPOINT):
        view = read_log(folder, origin, signer.public)
    else:
        view = LogView(origin, 0, root(()).hex(), (), ((),), b"", tuple(folder.names()))
    compare_with_seen(view, signer.public, seen)
    for place, names in ((folder, view.unread), (pending, pending.names())):
        for name in filter(is_leftover, names):
            place.drop(name)
    view = view._replace(unread=tuple([name for name in view.unread if not is_leftover(name)]))
    for name in pending.names():
        named = _PENDING.fullmatch(name)
        if named is None:
            continue  # not ours: what is added lies under its digest
        raw = pending.read(name)
        if sha256(raw) != named[1]:
            raise CannotTell("file-cut", pending.place(name))
        waiting = parse_entries(raw, int(named[2]), pending.place(name)) if named[2] else [raw]
        if added := _new(view, waiting):
            view = _add(folder, view, added, signer)
        pending.drop(name, sync=False)  # what is in the log is not added again
    return _pruned(folder, view) if view.size else view


def _new(view: LogView, entries: Iterable[bytes]) -> list[bytes]:
    """Those of ``entries`` that the log does not hold, each once, in their order."""
    there = set(view.leaf_hashes)
    return [entry for entry in dict.fromkeys(entries) if leaf_hash(entry) not in there]


def _add(folder: Folder, view: LogView, added: Sequence[bytes], signer: Signer) -> LogView:
    """Some entries more: their files, then the checkpoint that covers them (L-5)."""
    entries = (*view.entries, *added)
    levels = tuple(grow_levels(view.levels, hash_leaves(added)))
    files = dict(level_files(entries, levels, since=view.size))
    folder.create_all(files)
    head = Checkpoint(view.origin, len(entries), root_of_levels(levels).hex())
    note = sign_checkpoint(head, signer)
    folder.swap(CHECKPOINT, view.checkpoint or None, note)
    unread = tuple([path for path in view.unread if path not in files])
    return LogView(*head, entries, levels, note, unread)


def _pruned(folder: Folder, view: LogView) -> LogView:
    prune(folder, view.size)
    return view


def _read_entries(folder: Folder, head: Checkpoint, shelf: _Shelf) -> list[bytes]:
    entries: list[bytes] = []
    for n, width in tiles_of(head.size):
        path = shelf.find(None, n, width)
        raw = folder.read(path, _MAX_BUNDLE + 1)
        try:
            entries += parse_entries(raw, width, folder.place(path), more=path != entries_path(n, width))
        except (CannotTell, Malformed) as error:
            # A length that was changed looks like a cut, or like bytes too many.
            _blame_bundles(folder, head, shelf)
            if isinstance(error, CannotTell):
                raise
            raise NotVerified("L-1.entries", folder.place(path), step=_STEP) from None
    return entries


def _blame_bundles(folder: Folder, head: Checkpoint, shelf: _Shelf) -> None:
    """Name the first bundle that is not what the hash tiles say, if those tiles are the signed ones.

    The entries do not give the signed root, so only the tiles of level 0 can tell where. Raises
    NotVerified ``L-1.entries`` for other bytes, CannotTell ``file-cut`` for a bundle that stops
    early; returns if the tiles cannot tell either.
    """
    hashes: list[bytes] = []
    for n, width in tiles_of(head.size):
        path = shelf.find(0, n, width)
        raw = folder.read(path, width * _HASH) if path in shelf else b""
        if len(raw) != width * _HASH:
            return
        hashes += [raw[i : i + _HASH] for i in range(0, len(raw), _HASH)]
    if root(hashes).hex() != head.root:
        return
    for n, width in tiles_of(head.size):
        path = shelf.find(None, n, width)
        raw, more = folder.read(path, _MAX_BUNDLE + 1), path != entries_path(n, width)
        _blame_bundle(raw, hashes[n * WIDTH : n * WIDTH + width], folder.place(path), more=more)


def _blame_bundle(raw: bytes, hashes: Sequence[bytes], place: str, *, more: bool) -> None:
    at = 0
    for index, expected in enumerate(hashes):
        length, rest = int.from_bytes(raw[at : at + 2], "big"), raw[at + 2 :]
        cut = at + 2 > len(raw) or len(rest) < length
        if not cut and leaf_hash(rest[:length]) == expected:
            at += 2 + length
        elif cut and find_leaf(rest, expected) is None:
            raise CannotTell("file-cut", place)
        else:  # another entry, or the right one under a wrong length
            raise NotVerified("L-1.entries", f"{place} entry {index}", step=_STEP, expected=expected.hex())
    if at != len(raw) and not more:
        raise NotVerified("L-1.entries", place, step=_STEP, expected=at, got=len(raw))


def _compare(folder: Folder, name: str, expected: bytes, *, whole: bool) -> None:
    """Hold a tile file, or (not ``whole``) its beginning, against what it must be."""
    raw = folder.read(name, len(expected) + whole)
    if raw == expected:
        return
    if expected.startswith(raw):
        raise CannotTell("file-cut", folder.place(name))
    raise NotVerified("L-1.tile", folder.place(name), step=_STEP)
