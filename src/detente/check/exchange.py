# SPDX-License-Identifier: Apache-2.0
"""An exchange as a reader finds it: whose folders, whose logs, whose notes, and bytes held against their digests.

Every failure says which of three things it is (L-7): missing or cut off is ``CannotTell``,
whole and wrong is ``NotVerified``, and a file that nothing names is not read at all. No file is
read beyond the size that it may honestly have, so that nobody can fill a reader's memory.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from detente.errors import CannotTell, DetenteError, Malformed, NotVerified
from detente.evidence.statements import Statement, parse_statement
from detente.pact.plan import Party, PlanFile, parse_plan
from detente.tlog.folder import Folder
from detente.tlog.log import LogView, read_log
from detente.tlog.witness import Seen, check_history, note_path, read_notes
from detente.wire.digests import sha256
from detente.wire.dsse import open_envelope
from detente.wire.times import parse_time

PLAN_LIMIT = 16 * 1024 * 1024  # bytes of a plan
FILE_LIMIT = 256 * 1024 * 1024  # bytes of a file that is named by its digest
LATEST = parse_time("9999-12-31T23:59:59Z")  # no later time can be written (B-1)


@dataclass(frozen=True, slots=True)
class Entry:
    """One legal statement of a log: whose, at which index, the envelope's digest, what it says."""

    party: str
    index: int
    digest: str
    statement: Statement


@dataclass(frozen=True, slots=True)
class Violation:
    """An entry that counts for nothing, and why (L-8): listed, never hidden."""

    party: str
    index: int
    code: str


class History(NamedTuple):
    """One party's log, as read, and what others cosigned of it."""

    view: LogView
    seen: list[Seen]

    def first_seen(self, index: int, size_limit: int, notes: frozenset[str] | None) -> dict[str, int]:
        """Who witnessed entry ``index`` when first (L-3): {witness: unix time}, from notes of size <= ``size_limit``."""
        found: dict[str, int] = {}
        for note in self.seen:
            if index < note.size <= size_limit and (notes is None or note.digest in notes):
                found[note.witness] = min(found.get(note.witness, note.at), note.at)
        return found


def open_exchange(root: Path) -> Folder:
    """The exchange at ``root``; CannotTell (exchange-missing) if there is no such folder."""
    if not root.is_dir():
        raise CannotTell("exchange-missing", str(root))
    return Folder(root)


def party_folder(exchange: Folder, party: str, *parts: str) -> Folder:
    """A folder below one party's own."""
    return exchange.sub("/".join((party, *parts)))


def read_at_most(folder: Folder, path: str, limit: int) -> bytes:
    """A file's bytes; NotVerified (file-long) if it has more than ``limit`` of them."""
    if folder.exists(path) and (size := (folder.root / path).lstat().st_size) > limit:
        raise NotVerified("file-long", folder.place(path), expected=limit, got=size)
    return folder.read(path)


def read_stored(folder: Folder, path: str, limit: int) -> bytes:
    """A gzip file's bytes; ``limit`` is what it may unfold to, and deflate never needs much more than that (B-8)."""
    return read_at_most(folder, path, limit + limit // 1000 + 1024)


def bound_bytes(
    folder: Folder, path: str, digest: str, looks_cut: Callable[[bytes], bool], limit: int = FILE_LIMIT
) -> bytes:
    """A file's bytes, which must hash to ``digest``; else CannotTell (file-cut) or NotVerified (file-changed)."""
    raw = read_at_most(folder, path, limit)
    if sha256(raw) == digest:
        return raw
    if looks_cut(raw):
        raise CannotTell("file-cut", folder.place(path), expected=digest)
    raise NotVerified("file-changed", folder.place(path), expected=digest, got=sha256(raw))


def cut_text(digest: str, ending: bytes) -> Callable[[bytes], bool]:
    """Whether a text that should hash to ``digest`` and end in ``ending`` (one byte) looks cut off.

    A changed last byte is not a cut: with the right last byte the digest fits again.
    """

    def looks_cut(raw: bytes) -> bool:
        if not raw.endswith(ending):
            return sha256(raw[:-1] + ending) != digest
        if ending == b"\n":
            return False
        try:
            json.loads(raw)
        except json.JSONDecodeError as error:
            # The text stops where something more was due; a broken string inside is damage, not a cut.
            return error.pos >= len(error.doc) and not error.msg.startswith("Unterminated")
        except (ValueError, RecursionError):  # bytes that are no text, a number without end, a thousand brackets
            return False
        return False

    return looks_cut


def find_plan(exchange: Folder, plan_id: str) -> PlanFile:
    """V-1: the plan whose bytes hash to ``plan_id``; every copy in the exchange must be those bytes."""
    copies = [p for p in exchange.names("") if p.count("/") == 3 and p.endswith(f"/plans/{plan_id}/plan.json")]
    if not copies:
        raise CannotTell("plan-missing", exchange.place(""), expected=plan_id)
    bytes_of = {path: read_at_most(exchange, path, PLAN_LIMIT) for path in copies}
    good = next((raw for raw in bytes_of.values() if sha256(raw) == plan_id), None)
    if good is None:
        good = bound_bytes(exchange, copies[0], plan_id, cut_text(plan_id, b"}"), PLAN_LIMIT)
    for path, raw in bytes_of.items():
        if raw != good and good.startswith(raw):
            raise CannotTell("file-cut", exchange.place(path), expected=len(good), got=len(raw))
        if raw != good:
            raise NotVerified("P-1.id", exchange.place(path), expected=plan_id, got=sha256(raw))
    plan = parse_plan(good, exchange.place(copies[0]))
    for path in copies:
        if path.split("/")[0] not in {party.id for party in plan.plan.parties}:
            raise NotVerified("L-4.stranger", exchange.place(path), got=path.split("/")[0])
    return plan


def mirror_path(party: str, origin: str) -> tuple[str, str, str]:
    """Where ``party`` keeps what it cosigned of the log ``origin`` (L-4)."""
    return party, "mirror", sha256(origin.encode())


def read_history(exchange: Folder, party: Party, plan: PlanFile) -> History:
    """V-2: one party's log and every note others hold of it; raises for a fork, a rollback or a changed byte."""
    view = read_log(party_folder(exchange, party.id, "log"), party.log.origin, party.log.key)
    seen = notes_of(exchange, party, plan)
    check_history(view, seen)
    return History(view, seen)


def notes_of(exchange: Folder, party: Party, plan: PlanFile) -> list[Seen]:
    """All notes that other cosigners hold over ``party``'s log; ``Seen.witness`` is the cosigner's id."""
    found = []
    for id_, key in plan.plan.cosigners().items():
        mirror = party_folder(exchange, *mirror_path(id_, party.log.origin))
        if id_ != party.id and mirror.root.is_dir():
            for note in read_notes(mirror, party.log.origin, party.log.key, {key.name: key.key}):
                if note.at > LATEST:
                    raise NotVerified("L-3.time", mirror.place(note_path(note.size)), got=note.at)
                found.append(note._replace(witness=id_))
    return found


def read_entries(party: Party, view: LogView, plan: PlanFile) -> tuple[list[Entry], list[Violation]]:
    """V-3: the entries of one log that are this party's statements under this plan, and the rest with the reason."""
    entries, violations = [], []
    digests: set[str] = set()
    for index, raw in enumerate(view.entries):
        place = f"{party.id}/log #{index}"
        try:
            statement = parse_statement(open_envelope(raw, party.statement, place), place)
            _belongs(statement, party.id, plan.id, place)
            if (digest := sha256(raw)) in digests:
                raise Malformed("T-3.again", place, got=digest)
        except DetenteError as error:
            violations.append(Violation(party.id, index, _reason(error)))
        else:
            digests.add(digest)
            entries.append(Entry(party.id, index, digest, statement))
    return entries, violations


def _reason(error: DetenteError) -> str:
    """The code that an entry is listed with.

    Of bytes that are no statement every reader says the same (T-2.shape), whatever its own parser
    stumbles over first: a result holds these codes, and must come out the same everywhere (F-10).
    """
    return error.code if error.code.startswith("T-") else "T-2.shape"


def _belongs(statement: Statement, party: str, plan: str, place: str) -> None:
    if statement.predicate.party != party:
        raise Malformed("T-2.party", place, expected=party, got=statement.predicate.party)
    if statement.predicate.plan != plan:
        raise Malformed("T-2.plan", place, expected=plan, got=statement.predicate.plan)


def files_by_digest(exchange: Folder, plan: PlanFile) -> dict[str, list[str]]:
    """Where the files named by digest lie: {sha256: paths in the exchange} (P-9)."""
    found: dict[str, list[str]] = {}
    for party in plan.plan.parties:
        folder = f"{party.id}/plans/{plan.id}/files"
        for path in exchange.names(folder):
            found.setdefault(path.removeprefix(f"{folder}/"), []).append(path)
    return found


def read_by_digest(exchange: Folder, where: Mapping[str, list[str]], digest: str, ending: bytes) -> bytes:
    """One file named by digest; every copy must be right (P-9). CannotTell (file-missing) if nobody laid it."""
    if digest not in where:
        raise CannotTell("P-9.missing", exchange.place(""), expected=digest)
    copies = [bound_bytes(exchange, path, digest, cut_text(digest, ending)) for path in where[digest]]
    return copies[0]


def not_part(exchange: Folder, named: Iterable[str], prefixes: Iterable[str], unread: set[str]) -> list[str]:
    """The files that no walk names (L-7), sorted: not in ``named``, nor below ``prefixes`` but for those in ``unread``."""
    known, below = set(named), tuple(prefixes)
    paths = exchange.names("")
    return [path for path in paths if path in unread or (path not in known and not path.startswith(below))]
