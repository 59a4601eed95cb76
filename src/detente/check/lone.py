# SPDX-License-Identifier: Apache-2.0
"""A run handed over without its exchange: the steps that can be gone through with it alone, and what they cannot show (F-12).

    V-1  the plan: its id, strict bytes, keys     V-6  the registration and its conclusion
    V-2  the notes, and each entry's place        V-7  headers, root, outcomes
         in a tree that one of them is of         V-8  scorings: files, counts made again
    V-3  entries: signature, author, plan, type
    V-5  lists, definitions, descriptors by digest

The code of each step is that of ``check.verify``; only where entries come from is another thing: not from whole
logs, but one by one, each with a proof. So nothing here says what else those logs hold. Other runs,
attempts and audits are not looked for, nor acceptances, releases, or a later plan: the one fact that can
hold is ``complete``. An exchange lists an entry that fits nowhere, because its log holds it anyhow; here somebody
chose the entries, so such an entry is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from detente.check.exchange import LATEST, Entry, not_part, read_at_most, read_statement
from detente.check.ledger import Ledger
from detente.check.runs import Run, Shelf, is_conclusion, public_paths, read_headers, read_scorings, unlawful
from detente.check.verify import (
    Named,
    Step,
    Steps,
    digests_named,
    lists_at_home,
    named_files,
    read_plan,
    told_withheld,
)
from detente.errors import CannotTell, Malformed, NotVerified
from detente.evidence.lone import LONE_FILE, LONE_LIMIT, LoneEntry, LoneRun, parse_lone
from detente.evidence.statements import Conclude, Register
from detente.pact.chain import check_chain
from detente.pact.plan import Party, PlanFile, Test
from detente.pact.slots import Slots
from detente.pact.variants import not_derived
from detente.tlog.folder import Folder
from detente.wire.canonical import stops_early
from detente.wire.digests import sha256
from detente.wire.merkle import leaf_hash, verify_inclusion
from detente.wire.note import Checkpoint, parse_note, verify_cosigned, verify_note


class Held(NamedTuple):
    """One entry, and who showed to have held it when: {witness id: unix time}, the earliest shown here."""

    entry: Entry
    by: dict[str, int]


class Lone(NamedTuple):
    """A lone run that passed its steps: its headers are complete, and that is all that it can show."""

    plan: PlanFile
    run: Run
    held: list[Held]
    unlawful: str | None
    not_derived: list[str]
    not_part: list[str]
    steps: list[Step]
    descriptors: Mapping[str, dict[str, object]] = MappingProxyType({})
    at_home: Sequence[str] = ()  # scorers whose word list is not here (C-1)

    def unanchored(self) -> list[Held]:
        """The entries that fewer others are shown to hold than the plan asks for (at least one): they may be of today."""
        needed, counting = max(1, self.plan.plan.quorum), self.plan.plan.cosigners().keys()
        return [one for one in self.held if len(one.by.keys() & counting) < needed]


class _Head(NamedTuple):
    """A note that proofs lead to: whose log, which tree, and who cosigned it when."""

    party: str
    head: Checkpoint
    by: dict[str, int]


def verify_lone(folder: Folder, plan_id: str | None, *, told: Callable[[Step], None] | None = None) -> Lone:
    """Go through the steps that a lone run allows; return what passed (F-12).

    ``folder``: its files, laid open (L-4's paths, and run.json). ``plan_id``: 64 hex, compared outside the file; None
    raises CannotTell. Raises NotVerified with ``step``, or CannotTell (what is missing, was cut, or never concluded).
    """
    if plan_id is None:
        raise CannotTell("unanchored", folder.place(""))
    steps = Steps(told, "check.lone")
    with steps.step("V-1") as said:
        lone = _read_file(folder)
        if lone.plan != plan_id:
            raise CannotTell("lone-plan", folder.place(""), expected=plan_id, got=lone.plan)
        plan = read_plan(folder, plan_id)
        check_chain(plan)
        said |= {"plan": plan_id, "parties": len(plan.plan.parties)}
    with steps.step("V-2") as said:
        heads = _heads(lone, plan, folder.place(LONE_FILE))
        by = [_proved(row, heads, folder.place(LONE_FILE)) for row in lone.entries]
        said |= {"entries": len(by), "notes": len(heads)}
    with steps.step("V-3") as said:
        entries = _entries(lone, plan)
        said |= {"legal": len(entries)}
    with steps.step("V-5") as said:
        named = named_files(folder, plan)
        said |= {"files": len(digests_named(plan.plan, named)), "suites": len(named.lists)}
    shelf = Shelf(folder, named.lists, named.definitions)
    ledger = Ledger(plan, {p.id: [e for e in entries if e.party == p.id] for p in plan.plan.parties})
    with steps.step("V-6") as said:
        run, code = _run(ledger, shelf, lone.run)
        said |= {"run": run.id}
    with steps.step("V-7") as said:
        [run] = read_headers(ledger, shelf, [run])
        if run.completed and run.bundle is None:
            raise CannotTell("lone-withheld", folder.place(""), got=run.id)
        if run.bundle is None:
            raise CannotTell("lone-not-concluded", folder.place(""), got=run.id)
        said |= {"n": len(run.bundle.codes), "of": len(run.slots)}
    with steps.step("V-8") as said:
        [run] = read_scorings(ledger, shelf, [run])
        ledger.refuse_rest([run.id])
        for stray in ledger.violations:
            raise NotVerified("F-12.entry", f"{stray.party}/log #{stray.index}", got=stray.code)
        lacking = sum(scoring.labels is None for scoring in run.scorings)
        said |= {"n": len(run.scorings) - lacking, **told_withheld(lacking)}
    held = [Held(entry, seen) for entry, seen in zip(entries, by, strict=True)]
    unread = not_part(folder, _named_paths(plan, named, run), (), set())
    derived, at_home = not_derived(plan.plan, named.texts), lists_at_home(folder, plan, named.definitions)
    return Lone(plan, run, held, code, derived, unread, steps.done, named.descriptors, at_home)


def _read_file(folder: Folder) -> LoneRun:
    raw, place = read_at_most(folder, LONE_FILE, LONE_LIMIT), folder.place(LONE_FILE)
    try:
        return parse_lone(raw, place)
    except Malformed:
        if stops_early(raw):
            raise CannotTell("file-cut", place) from None
        raise


def _heads(lone: LoneRun, plan: PlanFile, place: str) -> dict[str, _Head]:
    """The notes by digest: each signed by the log that it is of, and by each cosigner whose line counts (L-1, L-3)."""
    found: dict[str, _Head] = {}
    roots: dict[tuple[str, int], str] = {}
    parties = {party.log.origin: party for party in plan.plan.parties}
    for n, text in enumerate(lone.notes):
        raw, here = text.encode(), f"{place} $.notes[{n}]"
        party = parties.get(text.partition("\n")[0])
        if party is None:
            raise NotVerified("L-1.origin", here, expected=" | ".join(parties), got=text.partition("\n")[0])
        found[sha256(raw)] = one = _head(raw, party, plan, here)
        if roots.setdefault((party.id, one.head.size), one.head.root) != one.head.root:
            raise NotVerified("F-12.heads", here, expected=roots[party.id, one.head.size], got=one.head.root)
    return found


def _head(raw: bytes, party: Party, plan: PlanFile, place: str) -> _Head:
    """One note; a log's own checkpoint has no line of a witness, and then nobody else is shown to have seen it."""
    keys = {key.name: (id_, key.key) for id_, key in plan.plan.witnesses().items() if id_ != party.id}
    alone = verify_note(raw, party.log.origin, party.log.key, place)
    if not any(line.name in keys for line in parse_note(raw, place).signatures):
        return _Head(party.id, alone, {})
    witnesses = {name: key for name, (_, key) in keys.items()}
    head, lines = verify_cosigned(raw, party.log.origin, party.log.key, witnesses, place)
    by: dict[str, int] = {}
    for name, at in lines:
        if at > LATEST:
            raise NotVerified("L-3.time", place, got=at)
        by[keys[name][0]] = min(at, by.get(keys[name][0], at))
    return _Head(party.id, head, by)


def _proved(row: LoneEntry, heads: Mapping[str, _Head], place: str) -> dict[str, int]:
    """Who held an entry when first, after each of its proofs was followed to the root of a note (L-3)."""
    leaf, entry = leaf_hash(row.envelope.encode()), f"{row.party}/log #{row.index}"
    if not row.proofs:
        raise CannotTell("F-12.missing", f"{place} {entry}", expected="proofs")
    by: dict[str, int] = {}
    for one in row.proofs:
        if one.note not in heads:
            raise CannotTell("F-12.missing", f"{place} {entry}", expected=one.note)
        party, head, seen = heads[one.note]
        path = [bytes.fromhex(step) for step in one.proof]
        fits = party == row.party and verify_inclusion(leaf, row.index, head.size, path, bytes.fromhex(head.root))
        if not fits:
            raise NotVerified("F-12.proof", f"{place} {entry}", expected=head.root, size=head.size)
        for witness, at in seen.items():
            by[witness] = min(at, by.get(witness, at))
    return by


def _entries(lone: LoneRun, plan: PlanFile) -> list[Entry]:
    """V-3: each entry a statement of its log's owner under this plan, none of them twice."""
    parties, found = {party.id: party for party in plan.plan.parties}, []
    met: set[str | tuple[str, int]] = set()
    for row in lone.entries:  # a note of the party's log was found, so it is a party
        raw, place = row.envelope.encode(), f"{row.party}/log #{row.index}"
        entry = Entry(row.party, row.index, sha256(raw), read_statement(raw, parties[row.party], plan, place))
        if met & {entry.digest, (entry.party, entry.index)}:
            raise NotVerified("F-12.entry", place, got="T-3.again")
        met |= {entry.digest, (entry.party, entry.index)}
        found.append(entry)
    return found


def _run(ledger: Ledger, shelf: Shelf, run: str) -> tuple[Run, str | None]:
    """V-6: the registration whose envelope is the run's id, of a planned test, with its conclusion; and why it may be no legal attempt.

    How many attempts there were before it, what it waited for and who let it start is not asked.
    """
    plan = ledger.plan.plan
    rows = [row for party in plan.parties for row in ledger.of(party.id, Register) if row[0].digest == run]
    if not rows:
        raise CannotTell("F-12.missing", LONE_FILE, expected=run)
    entry, register = rows[0]
    ledger.place(entry)
    place, test = f"{entry.party}/log #{entry.index}", Test(register.subject, register.section, entry.party)
    if test not in plan.tests or entry.statement.subject_digests() != [ledger.plan.id]:
        raise NotVerified("F-12.entry", place, got="R-1.not-planned" if test not in plan.tests else "R-1.subject")
    code = unlawful(register, plan.section(test.section), too_many=False)
    concluded: tuple[Entry, Conclude] | None = None
    for there, conclude in ledger.of(entry.party, Conclude, run):
        if concluded or there.index <= entry.index or not is_conclusion(there, conclude, register):
            raise NotVerified(
                "F-12.entry", f"{there.party}/log #{there.index}", got="T-3.twice" if concluded else "T-5.shape"
            )
        ledger.place(there)
        concluded = there, conclude
    slots = Slots(plan, test.section, shelf.lists)
    there_, conclude_ = concluded or (None, None)
    # which attempt it was is not known here: 0
    return Run(run, entry, register, test, 0, not code, slots, [], there_, conclude_, None, [], []), code


def _named_paths(plan: PlanFile, named: Named, run: Run) -> list[str]:
    """Every file that the walk named (L-7)."""
    parties = [party.id for party in plan.plan.parties]
    found = [LONE_FILE, *public_paths(plan, run)]
    for id_ in parties:
        found += [f"{id_}/plans/{one.id}/plan.json" for one in (plan, *plan.earlier)]
        found += [f"{id_}/plans/{plan.id}/files/{digest}" for digest in digests_named(plan.plan, named)]
    return found


__all__ = ["Held", "Lone", "verify_lone"]
