# SPDX-License-Identifier: Apache-2.0
"""Laying a lost or truncated log back from a mirror of it: bytes that the log signed already, so nothing is signed (L-6).

In this order, each step on the disk before the next: entries and tiles, the checkpoint, and then
what lies beyond it goes. A crash leaves a log that the next call mends.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from detente.errors import CannotTell, DetenteError, NotVerified
from detente.tlog.folder import Folder
from detente.tlog.log import CHECKPOINT, LogView, read_log, read_tree
from detente.tlog.witness import Seen
from detente.wire.merkle import roots_at
from detente.wire.note import MAX_NOTE, Checkpoint, strip_note, verify_note
from detente.wire.tiles import covered_width, level_files, parse_tile_path

_STEP = "V-2"


class Copy(NamedTuple):
    """A mirror of the log that was verified as a whole: every note of it, and the tree of the newest."""

    mirror: Folder
    notes: Sequence[Seen]


class Restored(NamedTuple):
    """The log as it stands now; ``before``: how many of its entries could be read before; ``source``: the mirror used, if any."""

    view: LogView
    before: int
    source: Folder | None


def restore_log(
    log: Folder, origin: str, log_public: str, copies: Sequence[Copy], seen: Iterable[bytes] = ()
) -> Restored:
    """The log with everything that the fullest of ``copies`` holds of it; unchanged if it has all that already.

    ``seen`` are all notes of it that others hold (L-6). Raises CannotTell ``restore-none`` (nobody
    holds any of it), ``restore-behind`` (its own checkpoint, or a note, says more than any copy
    has); NotVerified ``L-6.fork`` where copies, notes or the log contradict each other: then two
    histories were signed and none is to be chosen here.
    """
    mine = _readable(log, origin, log_public)
    best = max((copy for copy in copies if copy.notes), key=lambda copy: copy.notes[-1].size, default=None)
    heads = [Checkpoint(origin, note.size, note.root) for copy in copies for note in copy.notes]
    heads += _signed(
        [*seen, *([log.read(CHECKPOINT, MAX_NOTE + 1)] if log.exists(CHECKPOINT) else [])], origin, log_public
    )
    known = max((head.size for head in heads), default=0)
    if mine and (best is None or mine.size >= best.notes[-1].size):
        _refuse_fork(origin, mine.leaf_hashes, heads)
        if known > mine.size:
            raise CannotTell("restore-behind", log.place(CHECKPOINT), expected=known, got=mine.size)
        _clear(log, mine.size)
        return Restored(mine, mine.size, None)
    if best is None:
        raise CannotTell("restore-none", log.place(CHECKPOINT))
    newest = best.notes[-1]
    tree = read_tree(best.mirror, Checkpoint(origin, newest.size, newest.root))
    _refuse_fork(origin, tree.leaf_hashes, heads)
    if known > newest.size:
        raise CannotTell("restore-behind", log.place(CHECKPOINT), expected=known, got=newest.size)
    for path, raw in level_files(tree.entries, tree.levels):
        log.swap(path, log.read(path) if log.exists(path) else None, raw)
    old = log.read(CHECKPOINT) if log.exists(CHECKPOINT) else None
    log.swap(CHECKPOINT, old, strip_note(newest.raw, origin, log_public))
    _clear(log, newest.size)
    return Restored(read_log(log, origin, log_public), mine.size if mine else 0, best.mirror)


def _readable(log: Folder, origin: str, log_public: str) -> LogView | None:
    try:
        return read_log(log, origin, log_public)
    except DetenteError:
        return None


def _signed(notes: Iterable[bytes], origin: str, log_public: str) -> list[Checkpoint]:
    """The heads that the log signed among ``notes``; the log's own checkpoint counts whatever became of its tiles."""
    found = []
    for raw in notes:
        with suppress(DetenteError):
            found.append(verify_note(raw, origin, log_public))
    return found


def _refuse_fork(origin: str, leaf_hashes: Sequence[bytes], heads: Sequence[Checkpoint]) -> None:
    roots = roots_at(leaf_hashes, [head.size for head in heads])
    for head in heads:
        if head.size in roots and roots[head.size].hex() != head.root:
            raise NotVerified("L-6.fork", origin, step=_STEP, expected=head.root, size=head.size)


def _clear(log: Folder, size: int) -> None:
    """Remove tile files that a tree of ``size`` does not need: beyond it (of an append that came to nothing), or superseded."""
    for path in log.names("tile"):
        tile = parse_tile_path(path)
        if tile and tile.width != covered_width(tile.level, tile.n, size):
            log.drop(path)
