# SPDX-License-Identifier: Apache-2.0
"""Watching the log of another party: cosign it while it only grows, hold its bytes, keep proof if it forks.

The rule of C2SP tlog-witness (L-2), with the whole tree at hand instead of a proof: a checkpoint is
cosigned if its log signed it, it is not smaller than the last one cosigned, and the tree of that
last one is its beginning. In this order, each on the disk before the next:

    tiles into the mirror      a cosignature says "I hold these bytes"
    the cosigned note into the private state
    the note into the mirror, where others see it
    partial tiles out of the mirror that larger ones stand for now

So a witness that crashed can always repeat itself, and never has to contradict itself. What it
cosigned last is the largest note of its state and of its mirror (L-6): one of them may have come
from a backup. A mirror is ``<party>/mirror/<H(origin)>/{checkpoint, tile/, notes/, fork/}`` (L-4).

A log that does not grow is cosigned again only when the caller says that a date has passed (``since``):
"nothing had been logged by then" needs a note from after it (R-11, A-5). The later note of a size lies
beside the first, since statements may name the first by its digest. A cosignature says "at this time the
largest tree that I saw was this one", so nothing is cosigned while the clock is behind the last note.

Of a fork the mirror keeps both notes in ``fork/``, and where they are of two sizes what the longer tree
has at the shorter size (``wire.fork``): whoever has the log's key can check it without the log.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from detente.errors import CannotTell, DetenteError, Malformed, NotVerified
from detente.tlog.folder import Folder, is_leftover
from detente.tlog.log import CHECKPOINT, LogView, prune, read_log, read_tree
from detente.wire.digests import sha256
from detente.wire.fork import MAX_PROOF, OtherBeginning, parse_beginning, show_beginning
from detente.wire.keys import Signer
from detente.wire.merkle import roots_at
from detente.wire.note import MAX_NOTE, Checkpoint, cosign, parse_note, strip_note, verify_cosigned, verify_note
from detente.wire.tiles import level_files, root_of_levels
from detente.wire.times import encode_time

_STEP = "V-2"
_NOTE = re.compile(r"notes/[0-9]{20}(-[0-9]{20})?")
_FORK = re.compile(r"fork/[0-9a-f]{64}")
_PROOF = re.compile(r"fork/[0-9a-f]{64}\.proof")


class Receipt(NamedTuple):
    """What a tester holds when it may start (R-4): the run id, where it is logged, and what it had seen by then.

    ``notes`` are the digests of the note files over the registration and ``releases`` those of
    the release envelopes, both in plan order. ``unwitnessed`` says that it started without.
    """

    run: str
    index: int  # type: ignore[assignment]  # it hides tuple.index, which no receipt needs
    notes: tuple[str, ...]
    releases: tuple[str, ...]
    unwitnessed: bool


class Cosigned(NamedTuple):
    """The newest note under which a witness stands; ``digest`` is H of the note file, ``grew`` if it is new."""

    size: int
    root: str
    at: int
    digest: str
    grew: bool


class Seen(NamedTuple):
    """One valid cosignature in a mirror: ``witness`` saw this head at ``at``; ``raw`` is the note file."""

    witness: str
    size: int
    root: str
    at: int
    digest: str
    raw: bytes


def note_path(size: int, at: int | None = None) -> str:
    """Where a mirror keeps its note of that size: twenty digits, so that names sort as sizes do (L-4).

    A later note of the same size has its time behind it, and sorts after the first.
    """
    return f"notes/{size:020d}" if at is None else f"notes/{size:020d}-{at:020d}"


def state_path(origin: str) -> str:
    """Where a witness keeps the last note it cosigned of a log, in its private state."""
    return f"{sha256(origin.encode())}.note"


def witness_log(  # noqa: PLR0917 - a log, a witness and two folders, each in the parts that a caller has
    log: Folder, origin: str, log_public: str, name: str, signer: Signer, state: Folder, mirror: Folder, now: int,
    *, since: int = 0, former: Mapping[str, str] | None = None,
) -> Cosigned:  # fmt: skip
    """Cosign ``log`` as it stands and mirror it, by the rule at the top of this file (L-2).

    ``name`` and ``signer`` are the witness's, ``now`` its clock in unix seconds. Nothing new: the
    note that exists, again, unless it is not later than ``since`` and ``now`` is. ``former``: names and keys with
    which this witness cosigned before; under a new one a log is cosigned afresh. Raises NotVerified ``L-2.rollback`` (the log is smaller than what was
    cosigned), ``L-2.fork`` (another history: both notes are kept in the mirror's ``fork/``), or as
    ``read_log`` for a log that does not verify; CannotTell where something is missing, and
    ``L-2.clock`` where ``now`` is earlier than the last note. After any of them nothing was signed.
    """
    witness = {**(former or {}), name: signer.public}
    with state.held():
        last = _last_note(state, mirror, origin, log_public, witness)
        raw = log.read(CHECKPOINT, MAX_NOTE + 1)
        head = verify_note(raw, origin, log_public, log.place(CHECKPOINT))
        bare = strip_note(raw, origin, log_public)
        if last is not None:
            _refuse_older(mirror, last, head, bare)
        # Read again, with everything under it; if the log was swapped meanwhile, the next call sees it.
        view = read_log(log, origin, log_public)
        if view.checkpoint != raw:
            raise CannotTell("file-moved-on", log.place(CHECKPOINT))
        if last is not None and root_of_levels(view.levels, last.size).hex() != last.root:
            raise _forked(mirror, last, head, bare, show_beginning(view.leaf_hashes, last.size, bare))
        for path in filter(is_leftover, mirror.names()):
            mirror.drop(path)
        mirror.create_all(dict(level_files(view.entries, view.levels)))
        if last is None or last.size < head.size or last.witness != name or last.at <= since < now:
            if last is not None and now < last.at:
                raise CannotTell(
                    "L-2.clock", log.place(CHECKPOINT), expected=encode_time(last.at), got=encode_time(now)
                )
            note, grew = cosign(bare, name, signer, now), True
        else:
            note, grew = last.raw, False
        at = verify_cosigned(note, origin, log_public, witness)[1][0].at
        _keep(state, mirror, origin, (head.size, at), note)
        prune(mirror, head.size)
    return Cosigned(head.size, head.root, at, sha256(note), grew)


def read_notes(mirror: Folder, origin: str, log_public: str, witnesses: Mapping[str, str]) -> list[Seen]:
    """Every cosigned note of a mirror, by rising size, with the tiles it holds compared to the newest one.

    ``witnesses`` (name to public key, hex) are whose cosignature counts here: give the mirror's
    owner alone, and every note must bear it. No file at all is no note. Raises CannotTell
    ``file-missing``, ``file-cut``, ``mirror-behind`` (its ``checkpoint`` is an earlier note: it was
    copied half-way); NotVerified as ``verify_cosigned`` and ``read_tree``, ``L-4.note`` (a note
    under another size's name), ``L-4.checkpoint`` (not the newest note).
    """
    names = [name for name in mirror.names() if not is_leftover(name)]
    notes = [name for name in names if _NOTE.fullmatch(name)]
    if not notes and CHECKPOINT not in names:
        if any(name.startswith("tile/") for name in names):
            raise CannotTell("file-missing", mirror.place(CHECKPOINT))
        return []
    found: list[Seen] = []
    for path in notes:
        raw = mirror.read(path, MAX_NOTE + 1)
        head, cosignatures = verify_cosigned(raw, origin, log_public, witnesses, mirror.place(path))
        if path not in {note_path(head.size), *(note_path(head.size, at) for _, at in cosignatures)}:
            raise NotVerified("L-4.note", mirror.place(path), step=_STEP, got=head.size)
        found += [Seen(by, head.size, head.root, at, sha256(raw), raw) for by, at in cosignatures]
    newest = _newest(mirror, found, origin, log_public, witnesses)
    tree = read_tree(mirror, newest)
    check_history(LogView(*newest, tree.entries, tree.levels, b"", tree.unread), found)
    return found


def known_notes(mirror: Folder, origin: str, log_public: str) -> list[bytes]:
    """Every note in a mirror that could be one of the log, whatever else is wrong with the mirror: for rule L-6.

    Nothing is verified but what cannot be read. CannotTell ``file-cut``: who knows what it said.
    """
    found = []
    for path in mirror.names():
        if path == CHECKPOINT or _NOTE.fullmatch(path) or _FORK.fullmatch(path):
            raw, place = mirror.read(path, MAX_NOTE + 1), mirror.place(path)
            try:
                parse_note(raw, place)
            except Malformed:
                with suppress(NotVerified):
                    verify_note(raw, origin, log_public, place)
            else:
                found.append(raw)
    return found


def read_forks(mirror: Folder, origin: str, log_public: str) -> list[tuple[Checkpoint, bytes]]:
    """The notes in a mirror's ``fork/``, each signed by the log: proof, for anyone, of two histories (L-2).

    Raises as ``verify_note``, and NotVerified ``L-4.fork`` for a file not named by its digest.
    """
    forks = []
    for path in filter(_FORK.fullmatch, mirror.names("fork")):
        raw = mirror.read(path, MAX_NOTE + 1)
        head = verify_note(raw, origin, log_public, mirror.place(path))
        if path != f"fork/{sha256(raw)}":
            raise NotVerified("L-4.fork", mirror.place(path), step=_STEP, got=sha256(raw))
        forks.append((head, raw))
    return forks


def read_beginnings(mirror: Folder, origin: str, log_public: str) -> list[tuple[Checkpoint, OtherBeginning]]:
    """What a mirror's ``fork/`` shows of longer trees at earlier sizes, each note of them signed by the log (L-2).

    Raises as ``verify_note`` and ``parse_beginning``, and NotVerified ``L-4.fork`` as ``read_forks``.
    """
    found = []
    for path in filter(_PROOF.fullmatch, mirror.names("fork")):
        raw, place = mirror.read(path, MAX_PROOF + 1), mirror.place(path)
        if path != f"fork/{sha256(raw)}.proof":
            raise NotVerified("L-4.fork", place, step=_STEP, got=sha256(raw))
        shown = parse_beginning(raw, place)
        found.append((verify_note(shown.note, origin, log_public, place), shown))
    return found


def check_history(view: LogView, seen: Iterable[Seen]) -> None:
    """Every note that others hold must be a beginning of the log as it lies here (L-3).

    Raises NotVerified ``L-3.rollback`` (a note knows more entries than the log has now) and
    ``L-3.history`` (the log had another root at that size: a fork).
    """
    seen = list(seen)
    for note in seen:
        if note.size > view.size:
            raise NotVerified(
                "L-3.rollback", view.origin, step=_STEP, expected=note.size, got=view.size, witness=note.witness
            )
    roots = roots_at(view.leaf_hashes, [note.size for note in seen])
    for note in seen:
        if roots[note.size].hex() != note.root:
            raise NotVerified(
                "L-3.history",
                view.origin,
                step=_STEP,
                expected=note.root,
                got=roots[note.size].hex(),
                size=note.size,
                witness=note.witness,
            )


def _last_note(state: Folder, mirror: Folder, origin: str, log_public: str, witness: Mapping[str, str]) -> Seen | None:
    """The largest note that this witness ever cosigned of the log, as far as its state and its mirror know (L-6)."""
    places = [(mirror, path) for path in [*filter(_NOTE.fullmatch, mirror.names("notes"))][-1:]]
    places += [(folder, path) for folder, path in ((mirror, CHECKPOINT), (state, state_path(origin)))]
    last: Seen | None = None
    for folder, path in places:
        if not folder.exists(path):
            continue
        raw = folder.read(path, MAX_NOTE + 1)
        head, [(by, at), *_] = verify_cosigned(raw, origin, log_public, witness, folder.place(path))
        note = Seen(by, head.size, head.root, at, sha256(raw), raw)
        if last is not None and last.size == note.size and last.root != note.root:
            raise _forked(mirror, last, head, raw)
        if last is None or (last.size, last.at) < (note.size, note.at):
            last = note
    return last


def _refuse_older(mirror: Folder, last: Seen, head: Checkpoint, bare: bytes) -> None:
    """Raise unless ``head`` may follow ``last``: the checkpoint alone tells, so a log that hides its tiles is caught."""
    if head.size == last.size and head.root != last.root:
        raise _forked(mirror, last, head, bare)
    if head.size < last.size:
        try:
            tree = read_tree(mirror, Checkpoint(head.origin, last.size, last.root))
        except DetenteError:
            tree = None  # the mirror is damaged: smaller it is all the same
        if tree is not None and root_of_levels(tree.levels, head.size).hex() != head.root:
            raise _forked(mirror, last, head, bare, show_beginning(tree.leaf_hashes, head.size, last.raw))
        raise NotVerified("L-2.rollback", head.origin, step=_STEP, expected=last.size, got=head.size)


def _forked(mirror: Folder, last: Seen, head: Checkpoint, bare: bytes, shown: bytes | None = None) -> NotVerified:
    """The error to raise, after both notes are on the disk, and what the longer one ``shown`` has at the size of the other."""
    for raw in (last.raw, bare):
        mirror.create(f"fork/{sha256(raw)}", raw)
    if shown is not None:
        mirror.create(f"fork/{sha256(shown)}.proof", shown)
    return NotVerified(
        "L-2.fork", head.origin, step=_STEP, expected=last.root, got=head.root, old=last.size, new=head.size
    )


def _keep(state: Folder, mirror: Folder, origin: str, named: tuple[int, int], note: bytes) -> None:
    """The note (``named``: size and time) into the state, and only then to where others see it (L-2)."""
    first = note_path(named[0])
    later = mirror.exists(first) and mirror.read(first) != note
    kept = note_path(*named) if later else first
    for folder, path in ((state, state_path(origin)), (mirror, kept), (mirror, CHECKPOINT)):
        if path == kept:
            folder.create(path, note)
        else:
            folder.swap(path, folder.read(path) if folder.exists(path) else None, note)


def _newest(
    mirror: Folder, found: list[Seen], origin: str, log_public: str, witnesses: Mapping[str, str]
) -> Checkpoint:
    """The head of the newest note, which the mirror's ``checkpoint`` must copy (L-4)."""
    place = mirror.place(CHECKPOINT)
    raw = mirror.read(CHECKPOINT, MAX_NOTE + 1)
    if not found or raw != found[-1].raw:
        head, [(_, at), *_] = verify_cosigned(raw, origin, log_public, witnesses, place)
        if raw in [note.raw for note in found]:
            raise CannotTell("mirror-behind", place)
        same = [note for note in found if note.size == head.size]
        if all(note.root == head.root and note.at < at for note in same):  # its own file has not come
            raise CannotTell("file-missing", mirror.place(note_path(head.size, at if same else None)))
        raise NotVerified("L-4.checkpoint", place, step=_STEP)
    return Checkpoint(origin, found[-1].size, found[-1].root)
