# SPDX-License-Identifier: Apache-2.0
"""The log of one party: reading it so that no changed byte passes, and adding to it so that no crash forks it.

Reading (L-1, L-7): the checkpoint once, then what it covers. Every tile file that is covered is
recomputed from the entries and compared; the entries are compared with the signed root. What is
missing or stops early cannot be told (4); what is whole and wrong is not verified (3).

Adding (L-5, L-6), in this order, each step on the disk before the next:
    compare the log with every note of it that others hold; sign nothing if they know better
    the entry into ``pending/``, where a crash cannot lose it
    entries, tiles, checkpoint, each by rename
    the entry out of ``pending/``
After a crash the entry in ``pending/`` is added first. Entries are told apart by their bytes, so
none is ever in the log twice.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from detente.errors import CannotTell, DetenteError, Malformed, NotVerified
from detente.tlog.folder import Folder, is_leftover
from detente.wire.digests import sha256
from detente.wire.keys import Signer
from detente.wire.merkle import find_leaf, hash_leaves, leaf_hash, root, roots_at
from detente.wire.note import MAX_NOTE, Checkpoint, check_name, sign_checkpoint, verify_note
from detente.wire.tiles import (
    MAX_ENTRY,
    WIDTH,
    entries_path,
    parse_entries,
    parse_tile_path,
    tile_bytes,
    tile_files,
    tile_path,
    tiles_of,
    tree_levels,
)

CHECKPOINT = "checkpoint"
_STEP = "V-2"
_HASH = 32
_MAX_BUNDLE = WIDTH * (2 + MAX_ENTRY)


class Tree(NamedTuple):
    """Entries that were proved to be those of a signed root, and files that no walk names."""

    entries: tuple[bytes, ...]
    leaf_hashes: tuple[bytes, ...]
    unread: tuple[str, ...]


class LogView(NamedTuple):
    """A log as it was read: signed head, all entries, and the files beside them that are not part of it."""

    origin: str
    size: int
    root: str
    entries: tuple[bytes, ...]
    leaf_hashes: tuple[bytes, ...]
    checkpoint: bytes
    unread: tuple[str, ...] = ()


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
    return LogView(origin, head.size, head.root, tree.entries, tree.leaf_hashes, raw, (*beside, *tree.unread))


def read_tree(folder: Folder, head: Checkpoint) -> Tree:
    """The tree under ``folder`` that the verified ``head`` covers, every covered tile file compared.

    Raises CannotTell ``file-missing`` and ``file-cut``; NotVerified ``L-1.entries`` (an entry is
    not the one that the tiles and the root name), ``L-1.tile``, ``L-1.root``.
    """
    entries = _read_entries(folder, head)
    leaf_hashes = hash_leaves(entries)
    if root(leaf_hashes).hex() != head.root:
        _blame_bundles(folder, head)
        raise NotVerified("L-1.root", folder.place(CHECKPOINT), step=_STEP, expected=head.root)
    levels = tree_levels(leaf_hashes)
    names = folder.names("tile")
    required = {
        *(entries_path(n, width) for n, width in tiles_of(head.size)),
        *(tile_path(level, n, width) for level, row in enumerate(levels) for n, width in tiles_of(len(row))),
    }
    missing = sorted(required - set(names))
    if missing:
        raise CannotTell("file-missing", folder.place(missing[0]))
    unread = []
    for name in names:
        tile = parse_tile_path(name)
        expected = tile_bytes(tile, entries, levels) if tile else None
        if expected is None:
            unread.append(name)
        else:
            _compare(folder, name, expected)
    return Tree(tuple(entries), tuple(leaf_hashes), tuple(unread))


def append(
    folder: Folder, pending: Folder, entry: bytes, signer: Signer, origin: str, seen: Iterable[bytes]
) -> LogView:
    """The log with ``entry`` in it, after any entry that a crash left in ``pending``.

    ``seen`` are the notes of this log that others hold (L-6). An entry that is in the log already
    is not added again. Raises NotVerified ``L-6.ahead`` and ``L-6.fork``, then nothing was signed;
    Malformed ``B-9.entry``; CannotTell of a full disk and the like, then the next call goes on.
    """
    if len(entry) > MAX_ENTRY:
        raise Malformed("B-9.entry", expected=MAX_ENTRY, got=len(entry))
    with pending.held():
        view = _finish(folder, pending, signer, origin, seen)
        if entry in view.entries:
            return view
        name = sha256(entry)
        pending.create(name, entry)
        view = _add(folder, view, entry, signer)
        pending.drop(name)
        return view


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
    heads = []
    for raw in seen:
        try:
            heads.append(verify_note(raw, view.origin, log_public))
        except DetenteError:
            continue
    roots = roots_at(view.leaf_hashes, [head.size for head in heads])
    for head in heads:
        if head.size > view.size:
            raise NotVerified("L-6.ahead", view.origin, step=_STEP, expected=head.size, got=view.size)
        if roots[head.size].hex() != head.root:
            raise NotVerified("L-6.fork", view.origin, step=_STEP, expected=head.root, size=head.size)


def _finish(folder: Folder, pending: Folder, signer: Signer, origin: str, seen: Iterable[bytes]) -> LogView:
    if folder.exists(CHECKPOINT):
        view = read_log(folder, origin, signer.public)
    else:
        view = LogView(origin, 0, root(()).hex(), (), (), b"", tuple(folder.names()))
    compare_with_seen(view, signer.public, seen)
    for place, names in ((folder, view.unread), (pending, pending.names())):
        for name in filter(is_leftover, names):
            place.drop(name)
    view = view._replace(unread=tuple([name for name in view.unread if not is_leftover(name)]))
    for name in pending.names():
        if len(name) != 64:
            continue  # not ours: entries lie under their digest
        entry = pending.read(name)
        if sha256(entry) != name:
            raise CannotTell("file-cut", pending.place(name))
        if entry not in view.entries:
            view = _add(folder, view, entry, signer)
        pending.drop(name)
    return view


def _add(folder: Folder, view: LogView, entry: bytes, signer: Signer) -> LogView:
    """One entry more: its files, then the checkpoint that covers them (L-5)."""
    entries = (*view.entries, entry)
    leaf_hashes = (*view.leaf_hashes, leaf_hash(entry))
    files = dict(tile_files(entries, leaf_hashes, since=view.size))
    for path, raw in files.items():
        folder.create(path, raw)
    head = Checkpoint(view.origin, len(entries), root(leaf_hashes).hex())
    note = sign_checkpoint(head, signer)
    folder.swap(CHECKPOINT, view.checkpoint or None, note)
    unread = tuple([path for path in view.unread if path not in files])
    return LogView(*head, entries, leaf_hashes, note, unread)


def _read_entries(folder: Folder, head: Checkpoint) -> list[bytes]:
    entries: list[bytes] = []
    for n, width in tiles_of(head.size):
        path = entries_path(n, width)
        raw = folder.read(path, _MAX_BUNDLE + 1)
        try:
            entries += parse_entries(raw, width, folder.place(path))
        except (CannotTell, Malformed) as error:
            # A length that was changed looks like a cut, or like bytes too many.
            _blame_bundles(folder, head)
            if isinstance(error, CannotTell):
                raise
            raise NotVerified("L-1.entries", folder.place(path), step=_STEP) from None
    return entries


def _blame_bundles(folder: Folder, head: Checkpoint) -> None:
    """Name the first bundle that is not what the hash tiles say, if those tiles are the signed ones.

    The entries do not give the signed root, so only the tiles of level 0 can tell where. Raises
    NotVerified ``L-1.entries`` for other bytes, CannotTell ``file-cut`` for a bundle that stops
    early; returns if the tiles cannot tell either.
    """
    hashes: list[bytes] = []
    for n, width in tiles_of(head.size):
        path = tile_path(0, n, width)
        raw = folder.read(path, width * _HASH + 1) if folder.exists(path) else b""
        if len(raw) != width * _HASH:
            return
        hashes += [raw[i : i + _HASH] for i in range(0, len(raw), _HASH)]
    if root(hashes).hex() != head.root:
        return
    for n, width in tiles_of(head.size):
        path = entries_path(n, width)
        _blame_bundle(folder.read(path, _MAX_BUNDLE + 1), hashes[n * WIDTH : n * WIDTH + width], folder.place(path))


def _blame_bundle(raw: bytes, hashes: Sequence[bytes], place: str) -> None:
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
    if at != len(raw):
        raise NotVerified("L-1.entries", place, step=_STEP, expected=at, got=len(raw))


def _compare(folder: Folder, name: str, expected: bytes) -> None:
    raw = folder.read(name, len(expected) + 1)
    if raw == expected:
        return
    if expected.startswith(raw):
        raise CannotTell("file-cut", folder.place(name))
    raise NotVerified("L-1.tile", folder.place(name), step=_STEP)
