# SPDX-License-Identifier: Apache-2.0
"""V-4 over a chain of plans: what the logs of earlier plans still say, up to the heads that the parties agreed on (P-11).

An entry of an earlier plan counts up to the head of its log in the next plan. After it one kind counts
still, the conclusion of a run that was registered before, and only where the party goes on with the
same log and statement key: a key that was replaced says nothing after the head. Everything else
after a head is void, and listed. Runs of earlier plans have an end and no numbers.

A log that goes on under the given plan was read in V-2. Of one that does not, only what the head
covers is read, from its owner or from any mirror: whoever holds a stolen log key can spoil no more.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from detente.check.exchange import (
    Entry,
    History,
    Violation,
    all_notes,
    log_folder,
    mirror_path,
    party_folder,
    read_entries,
    read_history,
    statement_under,
)
from detente.check.facts import View, end_of
from detente.errors import CannotTell, DetenteError, NotVerified
from detente.evidence.statements import Accept, Close, Conclude, Open, Register, Release
from detente.pact.chain import check_chain, links, log_name, party_in, sealed_path, witness_keys
from detente.pact.plan import Head, Party, PlanFile
from detente.tlog.folder import Folder
from detente.tlog.log import CHECKPOINT, LogView, read_log, read_tree
from detente.tlog.witness import Seen, check_history
from detente.wire.merkle import root
from detente.wire.note import MAX_NOTE, Checkpoint, verify_note
from detente.wire.tiles import tree_levels
from detente.wire.times import encode_time, parse_time

_STEP = "V-4"


@dataclass(frozen=True, slots=True)
class OldLog:
    """One party's log under an earlier plan: its entries of that plan, the head, and the notes over it.

    ``goes_on``: the given plan has the same log; ``same_keys``: the next plan has the same log and
    statement key for the party, so that what was running may conclude. ``void``: what was seen beyond the last head
    of a log that ended; no result rests on it, because no head bounds it.
    """

    party: str
    head: int
    goes_on: bool
    same_keys: bool
    view: LogView
    seen: list[Seen]
    entries: list[Entry]
    violations: list[Violation]
    void: list[int]

    def limit(self, view: View) -> int:
        """How many entries of the log a view shows."""
        return view.sizes[self.party] if self.goes_on else self.view.size

    def notes_in(self, view: View) -> list[Seen]:
        """The notes over the log that a view shows."""
        return [n for n in self.seen if n.size <= self.limit(view) and (view.notes is None or n.digest in view.notes)]


class Generation(NamedTuple):
    """An earlier plan and its logs, in its order of parties."""

    plan: PlanFile
    logs: list[OldLog]


def read_chain(exchange: Folder, plan: PlanFile, histories: Mapping[str, History]) -> list[Generation]:
    """Every earlier plan of the chain with its logs, the nearest first.

    Raises NotVerified P-11.head (a log has another root at the head that the next plan names, L-3.history
    for a note); CannotTell P-11.short (it has fewer entries) and what is missing of a log that ended; Malformed
    as ``check_chain``.
    """
    check_chain(plan)
    found = []
    for new, old in links(plan):
        heads = new.plan.supersedes.heads if new.plan.supersedes else []
        logs = [
            _old_log(exchange, plan, (new, old), party, head, histories)
            for party, head in zip(old.plan.parties, heads, strict=True)
        ]
        found.append(Generation(old, logs))
    return found


def _old_log(
    exchange: Folder,
    plan: PlanFile,
    link: tuple[PlanFile, PlanFile],
    party: Party,
    head: Head,
    histories: Mapping[str, History],
) -> OldLog:
    new, old = link
    now, after = party_in(plan, party.id), party_in(new, party.id)
    others = tuple(one for one in (plan, *plan.earlier) if one.id != old.id)
    goes_on = now is not None and now.log.origin == party.log.origin
    seen = all_notes(exchange, party, old, others)
    void: list[int] = []
    if goes_on:
        view = histories[party.id].view
    else:
        last = _last_head(plan, head)
        view = _ended_log(exchange, party, old, last)
        # beyond the last head nothing is read that a verdict rests on; what can be seen there is listed
        seen = [note for note in seen if note.size <= last.size]
        void = _beyond_end(exchange, party, old, last)
    _check_head(view, head, exchange.place(party.id))
    check_history(view, seen)
    same = after is not None and (after.log.key, after.statement) == (party.log.key, party.statement)
    entries, violations = read_entries(party, view, old._replace(earlier=others))
    if goes_on or (after is not None and after.log.origin == party.log.origin):
        violations, void = [], []  # listed with the last plan that has the log
    ids = {name: id_ for id_ in old.plan.witnesses() for name in witness_keys(old, id_, others)}
    seen = [note._replace(witness=ids[note.witness]) for note in seen]
    return OldLog(party.id, head.size, goes_on, same, view, seen, entries, violations, void)


def _beyond_end(exchange: Folder, party: Party, plan: PlanFile, last: Head) -> list[int]:
    """The indices of what lies beyond the last head of a log that ended, as far as somebody's folder goes on from that head."""
    try:
        view = last_seen(exchange, party, plan)
    except DetenteError:
        return []
    goes_on = view.size > last.size and root(view.leaf_hashes[: last.size]).hex() == last.root
    return list(range(last.size, view.size)) if goes_on else []


def check_heads(exchange: Folder, plan: PlanFile) -> None:
    """The heads that a plan names are heads of its predecessor's logs, as they or their mirrors lie here. Raises as ``read_chain``."""
    heads = plan.plan.supersedes.heads if plan.plan.supersedes else []
    for old in plan.earlier[:1]:
        for party, head in zip(old.plan.parties, heads, strict=True):
            _ended_log(exchange, party, old, head)


def last_seen(exchange: Folder, party: Party, plan: PlanFile) -> LogView:
    """A log of ``plan`` as it stands here; where its owner's folder does not have it, the longest that a mirror holds.

    Raises as ``read_history`` where no mirror holds it, or where mirrors hold two histories.
    """
    try:
        return read_history(exchange, party, plan).view
    except DetenteError:
        mirrors = [party_folder(exchange, *mirror_path(id_, party.log.origin)) for id_ in plan.plan.witnesses()]
        held = [_at_checkpoint(mirror, party) for mirror in mirrors if mirror.exists(CHECKPOINT)]
        common = min((view.size for view in held), default=0)
        if len({root(view.leaf_hashes[:common]) for view in held}) != 1:
            raise
        return max(held, key=lambda view: view.size)


def _last_head(plan: PlanFile, head: Head) -> Head:
    """The last head of a log in the chain: a log may serve several plans before it ends."""
    for one in (plan, *plan.earlier):
        for other in one.plan.supersedes.heads if one.plan.supersedes else ():
            if other.origin == head.origin:
                return other
    return head


def _check_head(view: LogView, head: Head, place: str) -> None:
    if view.size < head.size:
        raise CannotTell("P-11.short", place, expected=head.size, got=view.size)
    if (got := root(view.leaf_hashes[: head.size]).hex()) != head.root:
        raise NotVerified("P-11.head", place, step=_STEP, expected=head.root, got=got, size=head.size)


def _ended_log(exchange: Folder, party: Party, plan: PlanFile, head: Head) -> LogView:
    """What the head covers of a log that ended, from the first place that has it: the owner's folder, or a mirror.

    The head is in an accepted plan, so these bytes need no signature, and nothing after them is read.
    """
    if head.size == 0:  # a party that had not signed the earlier plan yet
        return LogView(head.origin, 0, root(()).hex(), (), tuple(tree_levels(())), b"")
    places = [log_folder(exchange, party, plan)]
    places += [party_folder(exchange, *mirror_path(id_, party.log.origin)) for id_ in plan.plan.witnesses()]
    first: DetenteError | None = None
    for folder in places:
        for whole in (False, True):
            try:
                view = _at_checkpoint(folder, party) if whole else _at_head(folder, party, head)
                _check_head(view, head, folder.place(CHECKPOINT))
            except DetenteError as error:
                # Whoever has other bytes says more than whoever has none.
                worse = isinstance(error, NotVerified) and not isinstance(first, NotVerified)
                first = error if first is None or worse else first
            else:
                levels = tuple(tree_levels(view.leaf_hashes[: head.size]))
                return LogView(head.origin, head.size, head.root, view.entries[: head.size], levels, b"")
    raise first or CannotTell("file-missing", places[0].place(CHECKPOINT))


def _at_head(folder: Folder, party: Party, head: Head) -> LogView:
    tree = read_tree(folder, Checkpoint(party.log.origin, head.size, head.root))
    return LogView(party.log.origin, head.size, head.root, tree.entries, tree.levels, b"")


def _at_checkpoint(folder: Folder, party: Party) -> LogView:
    """A log or a mirror of it as far as its own checkpoint goes."""
    signed = verify_note(
        folder.read(CHECKPOINT, MAX_NOTE + 1), party.log.origin, party.log.key, folder.place(CHECKPOINT)
    )
    tree = read_tree(folder, signed)
    return LogView(*signed, tree.entries, tree.levels, b"")


def moved_at(plan: PlanFile, histories: Mapping[str, History]) -> dict[str, int]:
    """Per party the index at which its log first holds its acceptance of a plan that supersedes this one (P-11)."""
    found: dict[str, int] = {}
    for party in plan.plan.parties if plan.later else ():
        for index, raw in enumerate(histories[party.id].view.entries):
            if any(accepts(raw, party, later) for later in plan.later):
                found.setdefault(party.id, index)
    return found


def accepts(raw: bytes, party: Party, plan: PlanFile) -> bool:
    """Whether an entry of ``party``'s log is its acceptance of ``plan``."""
    said = statement_under(raw, party, plan)
    return said is not None and isinstance(said.predicate, Accept) and said.subject_digests() == [plan.id]


def accepted_by_all(exchange: Folder, plan: PlanFile) -> PlanFile | None:
    """The newest plan lying here that supersedes this one and that all its parties accepted, or None: to be warned of."""
    for later in reversed(plan.later):
        try:
            check_chain(later)
            views = [
                (party, read_log(log_folder(exchange, party, later), party.log.origin, party.log.key))
                for party in later.plan.parties
            ]
        except DetenteError:
            continue  # not all of it has come here, or it is no successor
        if all(any(accepts(raw, party, later) for raw in view.entries) for party, view in views):
            return later
    return None


def paths_of_others(plan: PlanFile, chain: Sequence[Generation]) -> tuple[str, ...]:
    """How the paths begin that the other plans of the chain named: not read for this plan, and yet not strangers (L-7)."""
    ours = set(_places(plan))
    found = [place for one in (*plan.earlier, *plan.later) for place in _places(one) if place not in ours]
    for old, log in ((one.plan, log) for one in chain for log in one.logs):
        for entry in log.entries:
            said = entry.statement.predicate
            if isinstance(said, Register):
                found.append(f"{log.party}/runs/{entry.digest}/")
            elif isinstance(said, Close):
                found += [f"{log.party}/results/{digest}.json" for digest in entry.statement.subject_digests()]
            elif isinstance(said, Open):
                found += [f"{log.party}/outbox/{one.id}/{said.plaintext}.age" for one in old.plan.parties]
            elif isinstance(said, Release):
                texts = [(one.id, row.text) for one in old.plan.parties for row in said.sealed]
                found += [f"{log.party}/outbox/{sealed_path(old, to, text)}" for to, text in texts]
    return tuple(found)


def _places(plan: PlanFile) -> Iterator[str]:
    for party in plan.plan.parties:
        yield f"{party.id}/{log_name(plan, party)}/"
        for id_ in plan.plan.witnesses():
            yield "/".join(mirror_path(id_, party.log.origin)) + "/"
    for id_ in plan.plan.witnesses():
        yield f"{id_}/plans/{plan.id}/"


# --- what a result says of earlier plans (F-10) --------------------------------------------------


def earlier_rows(chain: Sequence[Generation], view: View) -> tuple[list[dict[str, object]], set[str]]:
    """result.json's ``earlier``, the nearest plan first, and the digests of the notes that it rests on."""
    rows: list[dict[str, object]] = []
    used: set[str] = set()
    for generation in chain:
        runs: list[dict[str, object]] = []
        void: list[dict[str, object]] = []
        for log in generation.logs:
            notes = [note for note in log.notes_in(view) if note.witness in generation.plan.plan.cosigners()]
            used |= {note.digest for note in notes}
            here, beyond = _split(log, view)
            runs += _run_rows(generation.plan, log, here, notes)
            void += [{"code": "P-11.beyond", "index": entry.index, "party": log.party} for entry in beyond]
            void += [
                {"code": v.code, "index": v.index, "party": v.party}
                for v in log.violations
                if v.index < log.limit(view)
            ]
        rows.append(
            {
                "plan": generation.plan.id,
                "runs": runs,
                "violations": sorted(void, key=lambda row: (str(row["party"]), int(str(row["index"])))),
            }
        )
    return rows, used


def _split(log: OldLog, view: View) -> tuple[list[Entry], list[Entry]]:
    """The entries of an earlier plan that count, and those beyond its head that are void."""
    here: list[Entry] = []
    beyond: list[Entry] = []
    running: set[str] = set()
    for entry in log.entries:
        if entry.index >= log.limit(view):
            break
        said = entry.statement.predicate
        ends = isinstance(said, Conclude) and said.run in running and log.same_keys
        if entry.index < log.head or ends:
            here.append(entry)
            running |= {entry.digest} if isinstance(said, Register) else set()
        else:
            beyond.append(entry)
    return here, beyond


def _run_rows(plan: PlanFile, log: OldLog, entries: Sequence[Entry], notes: Sequence[Seen]) -> list[dict[str, object]]:
    """Every registration of a planned test in an old log, in log order, with its attempt and its end (R-1, R-11)."""
    ends: dict[str, tuple[int, str]] = {}
    attempts: dict[tuple[str, str], int] = {}
    rows: list[dict[str, object]] = []
    for entry in entries:
        said = entry.statement.predicate
        if isinstance(said, Conclude):
            ends.setdefault(said.run, (entry.index, said.status))
    tests = {(test.subject, test.section) for test in plan.plan.tests if test.party == log.party}
    deadline = parse_time(plan.plan.runs.deadline)
    for entry in entries:
        said = entry.statement.predicate
        if not isinstance(said, Register) or (name := (said.subject, said.section)) not in tests:
            continue
        attempts[name] = attempts.get(name, 0) + 1
        end, seen = end_of(deadline, notes, entry.index, ends.get(entry.digest))
        rows.append(
            {
                "attempt": attempts[name],
                "end": end,
                "endSeen": {"at": encode_time(seen[1]), "by": seen[0]} if seen else None,
                "party": log.party,
                "run": entry.digest,
                "section": said.section,
                "subject": said.subject,
            }
        )
    return rows


__all__ = [
    "Generation", "OldLog", "accepted_by_all", "check_heads", "earlier_rows", "last_seen", "moved_at",
    "paths_of_others", "read_chain",
]  # fmt: skip
