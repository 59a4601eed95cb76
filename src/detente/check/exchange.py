# SPDX-License-Identifier: Apache-2.0
"""An exchange as a reader finds it: whose folders, whose logs, whose notes, and bytes held against their digests.

Every failure says which of three things it is (L-7): missing or cut off is ``CannotTell``,
whole and wrong is ``NotVerified``, and a file that nothing names is not read at all. No file is
read beyond the size that it may honestly have, so that nobody can fill a reader's memory.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from detente.errors import CannotTell, DetenteError, Malformed, NotVerified
from detente.evidence.statements import Statement, parse_statement
from detente.pact.chain import log_name, party_in, witness_keys
from detente.pact.plan import Party, PlanFile, parse_plan
from detente.tlog.folder import Folder
from detente.tlog.log import LogView, read_log
from detente.tlog.witness import Seen, check_history, note_path, read_notes
from detente.wire.canonical import decode
from detente.wire.digests import sha256
from detente.wire.dsse import open_envelope
from detente.wire.times import parse_time

PLAN_LIMIT = 16 * 1024 * 1024  # bytes of a plan
FILE_LIMIT = 256 * 1024 * 1024  # bytes of a file that is named by its digest
_PLAN_PATH = re.compile(r"[^/]+/plans/([^/]+)/plan\.json")
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
    _check_size(folder, path, limit)
    return folder.read(path)


def _check_size(folder: Folder, path: str, limit: int) -> None:
    if folder.exists(path) and (size := (folder.root / path).lstat().st_size) > limit:
        raise NotVerified("file-long", folder.place(path), expected=limit, got=size)


def read_stored(folder: Folder, path: str, limit: int) -> bytes:
    """A gzip file's bytes; ``limit`` is what it may unfold to, and deflate never needs much more than that (B-8)."""
    return read_at_most(folder, path, stored_limit(limit))


def stored_pieces(folder: Folder, path: str, limit: int) -> Iterator[bytes]:
    """The same, piece by piece: for a file that nobody need hold."""
    _check_size(folder, path, stored_limit(limit))
    return folder.pieces(path)


def stored_limit(limit: int) -> int:
    """The most bytes that a gzip file of ``limit`` bytes of text can honestly have."""
    return limit + limit // 1000 + 1024


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


def cut_text(digest: str, ending: bytes, lines: int | None = None) -> Callable[[bytes], bool]:
    """Whether a text that should hash to ``digest`` and end in ``ending`` (one byte) looks cut off.

    A changed last byte is not a cut: with the right last byte the digest fits again. ``lines``: how many lines of
    JSON it should have, where that is known: only then can a cut between two lines be told.
    """

    def looks_cut(raw: bytes) -> bool:
        if not raw.endswith(ending):
            return sha256(raw[:-1] + ending) != digest
        if ending == b"\n":
            return lines is not None and raw.count(b"\n") < lines and all(map(_is_json, raw.splitlines()))
        try:
            json.loads(raw)
        except json.JSONDecodeError as error:
            # The text stops where something more was due; a broken string inside is damage, not a cut.
            return error.pos >= len(error.doc) and not error.msg.startswith("Unterminated")
        except (ValueError, RecursionError):  # bytes that are no text, a number without end, a thousand brackets
            return False
        return False

    return looks_cut


def _is_json(line: bytes) -> bool:
    try:
        decode(line)
    except Malformed:
        return False
    return True


def find_plan(exchange: Folder, plan_id: str) -> PlanFile:
    """V-1: the plan whose bytes hash to ``plan_id``; every copy in the exchange must be those bytes.

    The plans that it supersedes are read with it, and must be here (P-11). Of the other plans lying here
    those that supersede it are kept as ``later``; one that is no plan, or another chain's, is passed over.
    """
    where = plan_copies(exchange)
    return with_chain(exchange, _one_plan(exchange, plan_id, where), where)


def plan_copies(exchange: Folder) -> dict[str, list[str]]:
    """Where plans lie: {id as the folder says: paths of plan.json}."""
    found: dict[str, list[str]] = {}
    for path in exchange.names(""):
        if named := _PLAN_PATH.fullmatch(path):
            found.setdefault(named[1], []).append(path)
    return found


def with_chain(exchange: Folder, plan: PlanFile, where: Mapping[str, list[str]] | None = None) -> PlanFile:
    """The plan with the plans before it, and those lying here after it (P-11). Raises as ``find_plan`` for the former."""
    where = plan_copies(exchange) if where is None else where
    earlier: list[PlanFile] = []
    while before := (earlier[-1] if earlier else plan).plan.supersedes:
        earlier.append(_one_plan(exchange, before.plan, where))
    chained: tuple[PlanFile, ...] = ()
    for old in reversed(earlier):
        chained = (old._replace(earlier=chained), *chained)
    later: list[PlanFile] = []
    rest = [id_ for id_ in where if id_ not in {plan.id, *(one.id for one in earlier)}]
    others = [one for id_ in rest if (one := _some_plan(exchange, id_, where[id_]))]
    while more := [
        one
        for one in others
        if one not in later and one.plan.supersedes and one.plan.supersedes.plan in {plan.id, *(x.id for x in later)}
    ]:
        later += more
    known = {one.id: one for one in (*later, plan, *chained)}
    return plan._replace(earlier=chained, later=tuple(one._replace(earlier=_before(one, known)) for one in later))


def _before(plan: PlanFile, known: Mapping[str, PlanFile]) -> tuple[PlanFile, ...]:
    found: list[PlanFile] = []
    while (before := (found[-1] if found else plan).plan.supersedes) and before.plan in known:
        found.append(known[before.plan])
    return tuple(found)


def _some_plan(exchange: Folder, id_: str, copies: Iterable[str]) -> PlanFile | None:
    """A plan that nobody named yet, if it is one: what lies here unasked can spoil nothing."""
    for path in copies:
        try:
            raw = read_at_most(exchange, path, PLAN_LIMIT)
            if sha256(raw) == id_:
                return parse_plan(raw, exchange.place(path))
        except DetenteError:
            continue
    return None


def _one_plan(exchange: Folder, plan_id: str, where: Mapping[str, list[str]]) -> PlanFile:
    copies = where.get(plan_id)
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
        if path.split("/")[0] not in plan.plan.witnesses():
            raise NotVerified("L-4.stranger", exchange.place(path), got=path.split("/")[0])
    return plan


def mirror_path(party: str, origin: str) -> tuple[str, str, str]:
    """Where ``party`` keeps what it cosigned of the log ``origin`` (L-4)."""
    return party, "mirror", sha256(origin.encode())


def log_folder(exchange: Folder, party: Party, plan: PlanFile) -> Folder:
    """Where a party's log under this plan lies (L-4)."""
    return party_folder(exchange, party.id, log_name(plan, party))


def read_history(exchange: Folder, party: Party, plan: PlanFile) -> History:
    """V-2: one party's log and every note others hold of it; raises for a fork, a rollback or a changed byte."""
    view = read_log(log_folder(exchange, party, plan), party.log.origin, party.log.key)
    seen = all_notes(exchange, party, plan)
    check_history(view, seen)
    return History(view, of_plan(seen, plan))


def notes_of(exchange: Folder, party: Party, plan: PlanFile) -> list[Seen]:
    """All notes that others hold over ``party``'s log, observers too, whether or not those count; ``Seen.witness`` is the id."""
    return of_plan(all_notes(exchange, party, plan), plan)


def of_plan(seen: Iterable[Seen], plan: PlanFile) -> list[Seen]:
    """Of notes those by the witness keys of this very plan, under the ids of whose they are."""
    ids = {key.name: id_ for id_, key in plan.plan.witnesses().items()}
    return [note._replace(witness=ids[note.witness]) for note in seen if note.witness in ids]


def all_notes(exchange: Folder, party: Party, plan: PlanFile, others: Iterable[PlanFile] | None = None) -> list[Seen]:
    """The same by any key that a witness of this plan has in the chain (P-11); ``Seen.witness`` is the key's name.

    ``others``: which plans beside this one and those before it are believed; by default, for each witness, the
    later ones that it laid in its own folder, as it does when it signs (an observer: when it cosigns under
    them): nobody speaks for another's keys.
    """
    found = []
    for id_ in plan.plan.witnesses():
        mirror = party_folder(exchange, *mirror_path(id_, party.log.origin))
        if id_ != party.id and mirror.root.is_dir():
            laid = [one for one in plan.later if exchange.exists(f"{id_}/plans/{one.id}/plan.json")]
            keys = witness_keys(plan, id_, laid if others is None else others)
            for note in read_notes(mirror, party.log.origin, party.log.key, keys):
                if note.at > LATEST:
                    raise NotVerified("L-3.time", mirror.place(note_path(note.size)), got=note.at)
                found.append(note)
    return found


def read_entries(party: Party, view: LogView, plan: PlanFile) -> tuple[list[Entry], list[Violation]]:
    """V-3: the entries of one log that are this party's statements under this plan, and the rest with the reason.

    Its statements under earlier plans of the chain are neither: ``check.chain`` reads them (P-11).
    """
    entries, violations = [], []
    digests: set[str] = set()
    for index, raw in enumerate(view.entries):
        place = f"{party.id}/log #{index}"
        try:
            statement = read_statement(raw, party, plan, place)
            if (digest := sha256(raw)) in digests:
                raise Malformed("T-3.again", place, got=digest)
        except DetenteError as error:
            if not any(statement_under(raw, party, before) for before in plan.earlier):
                violations.append(Violation(party.id, index, _reason(error)))
        else:
            digests.add(digest)
            entries.append(Entry(party.id, index, digest, statement))
    return entries, violations


def read_statement(raw: bytes, party: Party, plan: PlanFile, place: str) -> Statement:
    """One entry as the party's statement under the plan (T-1, T-2); Malformed or NotVerified says why it is none."""
    statement = parse_statement(open_envelope(raw, party.statement, place), place)
    _belongs(statement, party.id, plan.id, place)
    return statement


def statement_under(raw: bytes, party: Party, plan: PlanFile) -> Statement | None:
    """What an entry of ``party``'s log says under another plan of the chain, if that has the same log for it; else None."""
    there = party_in(plan, party.id)
    if there is None or there.log.origin != party.log.origin:
        return None
    try:
        return read_statement(raw, there, plan, "")
    except DetenteError:
        return None


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


def read_by_digest(
    exchange: Folder, where: Mapping[str, list[str]], digest: str, ending: bytes, lines: int | None = None
) -> bytes:
    """One file named by digest; every copy must be right (P-9). CannotTell (P-9.missing) if nobody laid it.

    A copy is cut if it looks so (``lines`` as in ``cut_text``), or is the beginning of a whole one (L-7).
    """
    if digest not in where:
        raise CannotTell("P-9.missing", exchange.place(""), expected=digest)
    copies = [read_at_most(exchange, path, FILE_LIMIT) for path in where[digest]]
    good = next((raw for raw in copies if sha256(raw) == digest), None)
    looks_cut = cut_text(digest, ending, lines)
    for path in where[digest]:
        bound_bytes(exchange, path, digest, lambda raw: looks_cut(raw) or (good is not None and good.startswith(raw)))
    return copies[0]


def not_part(exchange: Folder, named: Iterable[str], prefixes: Iterable[str], unread: set[str]) -> list[str]:
    """The files that no walk names (L-7), sorted: not in ``named``, nor below ``prefixes`` but for those in ``unread``."""
    known, below = set(named), tuple(prefixes)
    paths = exchange.names("")
    return [path for path in paths if path in unread or (path not in known and not path.startswith(below))]
