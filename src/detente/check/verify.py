# SPDX-License-Identifier: Apache-2.0
"""The numbered steps: an exchange and a plan id in, a ``Verified`` out, or the step that failed. Offline, no clock.

    V-1  the plan: its id, strict bytes, keys          V-7   conclusions: headers, root, outcomes
    V-2  every log and mirror: signatures, tiles,      V-8   scorings: files, samples, counts made again
         notes, forks                                  V-9   audits: challenges, openings, findings
    V-3  entries: signature, author, plan, type        V-10  ends and facts
    V-4  acceptances, the chain of earlier plans       V-11  closings: the result made again
    V-5  suites and files by digest
    V-6  registrations, attempts, releases, start

The plan id comes from outside the exchange (a phone call, the parties' own pages): there is
no default for it, because an exchange proves nothing about its own name. What you hold in a
``Verified`` has passed; only limits of intervals are left to ``report``, which checks those.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from detente.check.chain import Generation, accepted_by_all, moved_at, read_chain
from detente.check.closings import Closing, check_closings, common_closing, read_closings
from detente.check.disclosed import Reader, Withheld, paths_of
from detente.check.exchange import (
    Entry,
    History,
    files_by_digest,
    find_plan,
    mirror_path,
    not_part,
    open_exchange,
    party_folder,
    read_by_digest,
    read_entries,
    read_history,
    read_stored,
)
from detente.check.facts import Late, View, late_answers
from detente.check.forks import refuse_forks
from detente.check.ledger import Ledger
from detente.check.peoples import read_runs, read_samples
from detente.check.releases import Notes, notes_over
from detente.check.runs import (
    Run,
    Shelf,
    public_paths,
    read_audits,
    read_headers,
    read_recounts,
    read_registrations,
    read_scorings,
)
from detente.check.sealed import handed_before, handed_over
from detente.check.tally import Basis, Numbers, every_violation, numbers
from detente.errors import CannotTell, Malformed, NotVerified
from detente.evidence.counts import Definition, parse_definition
from detente.evidence.people import People
from detente.evidence.statements import Open
from detente.pact.chain import log_name, sealed_path
from detente.pact.descriptor import parse_descriptor
from detente.pact.home import HomeLine, parse_commitment
from detente.pact.item import Item, Listed, check_unique, parse_list, parse_suite
from detente.pact.plan import FILTERED_AS, Plan, PlanFile, Suite
from detente.pact.sealed import check_salts
from detente.pact.variants import check_begun, check_variants, not_derived
from detente.tlog.folder import Folder
from detente.wire.digests import sha256
from detente.wire.lines import decompress_lines, seems_whole

SUITE_LIMIT = 64 * 1024 * 1024  # bytes of one suite's text, unpacked


class Step(NamedTuple):
    """A step that passed: its name, the key of its sentence, and what the sentence names."""

    name: str
    key: str
    fields: dict[str, object]


class Verified(NamedTuple):
    """An exchange that passed every step; ``texts``: the items of every suite whose text lies open."""

    root: Path
    plan: PlanFile
    histories: dict[str, History]
    ledger: Ledger
    shelf: Shelf
    lists: dict[str, list[Listed]]
    definitions: dict[str, Definition]
    definition_files: dict[str, bytes]
    descriptors: dict[str, dict[str, object]]
    texts: dict[str, list[Item]]
    runs: list[Run]
    acceptances: dict[str, Entry]
    closings: list[Closing]
    final: str | None
    steps: list[Step]
    not_part: list[str]
    chain: list[Generation]
    successor: PlanFile | None
    opened: Mapping[str, HomeLine] = MappingProxyType({})  # of annexes kept at home, by section (P-6)

    def withheld(self) -> list[Withheld]:
        """The files that the plan discloses to its parties alone: whether they lie here, for whom, and whether this reader read them (P-5)."""
        return list(self.shelf.withheld.values())

    def shut(self) -> list[CannotTell]:
        """Why files that were sent to this reader could not be read: missing, cut off, or not to be opened (P-5)."""
        return list(self.shelf.shut.values())

    def read_by(self, run: Run, reader: Reader) -> Run:
        """One of the runs as a party reads it, with the headers and labels that were sent to it (P-5).

        Raises CannotTell for a file that it cannot read, NotVerified (V-7, V-8) for what is wrong in one.
        """
        section = self.plan.plan.section(run.test.section)
        if not (section.withholds("headers") or section.withholds("scores")):
            return run
        shelf = replace(self.shelf, reader=reader, bundles={}, scorings={}, shut={}, withheld={})
        ledger, steps = self.ledger.cut(self.view().sizes), Steps(None)
        with steps.step("V-7"):
            [found] = read_headers(ledger, shelf, [run])
        with steps.step("V-8"):
            [found] = read_scorings(ledger, shelf, [found])
        with steps.step("V-9"):
            [found] = read_samples(ledger, shelf, [found])
        for error in shelf.shut.values():
            raise error
        return found

    def unanchored(self) -> list[str]:
        """The parties whose logs fewer others hold than the plan asks for: a chain proves nothing against its own writer.

        With a quorum of 0 these are all of them. What such a log says may have been written today.
        """
        plan = self.plan.plan
        held = {
            party: {note.witness for note in history.seen} & set(plan.cosigners())
            for party, history in self.histories.items()
        }
        return [party for party, by in held.items() if len(by) < max(1, plan.quorum)]

    def view(self) -> View:
        """Everything there is: the logs as they stand and all notes inside them."""
        return View({party: history.view.size for party, history in self.histories.items()}, None)

    def not_derived(self) -> list[str]:
        """The variant suites that were not made again here, because the text of the suite they are made from is not open (S-3)."""
        return not_derived(self.plan.plan, self.texts)

    def lists_at_home(self) -> list[str]:
        """The scorers whose word list is not in the exchange: nobody can make their labels again without it (C-1)."""
        return lists_at_home(Folder(self.root), self.plan, self.definitions)

    def basis(self, view: View) -> Basis:
        """What ``numbers`` are made from, in a view: the logs are cut first and then read, as if they ended there (F-10)."""
        ledger = self.ledger.cut(view.sizes)
        acceptances = ledger.acceptances()
        read_closings(ledger)
        notes = _notes(self.histories, view)
        runs = read_runs(ledger, self.shelf, notes)
        handed = handed_over(ledger, notes) + handed_before(self.plan.plan, self.chain, view)
        return Basis(self.plan, self.histories, view, acceptances, runs, ledger.violations, handed, self.chain)

    def violations(self) -> list[tuple[str, int, str]]:
        """(party, index, code) of every log entry that breaks a rule, as things stand (L-8); words: ``check.violation.<code>``."""
        return every_violation(self.basis(self.view()))

    def late_answers(self, view: View | None = None) -> list[Late]:
        """The audits that were answered late, in a view (default: as things stand) (A-5)."""
        basis = self.basis(view or self.view())
        return late_answers(basis.scene(), basis.runs)

    def numbers(self, view: View | None = None) -> Numbers:
        """The joint numbers without limits, in a view (default: as things stand)."""
        return numbers(self.basis(view or self.view()))


class Steps:
    """Runs each step under its name: what fails inside it carries the name out. ``words``: where the steps' sentences stand."""

    def __init__(self, told: Callable[[Step], None] | None, words: str = "check.step") -> None:
        self.done: list[Step] = []
        self._told = told
        self._words = words

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, object]]:
        """One step; what its sentence names is put into the dictionary that this gives."""
        fields: dict[str, object] = {}
        try:
            yield fields
        except NotVerified as error:
            error.step = error.step or name
            raise
        except CannotTell as error:
            error.fields.setdefault("step", name)
            raise
        except Malformed as error:
            raise NotVerified(
                error.code, error.place, step=name, expected=error.expected, got=error.got, **error.fields
            ) from error
        key = f"{self._words}.{name}-withheld" if fields.get("withheld") else f"{self._words}.{name}"
        step = Step(name, key, fields)
        self.done.append(step)
        if self._told:
            self._told(step)


def verify(
    root: Path, plan_id: str | None, *, told: Callable[[Step], None] | None = None, reader: Reader | None = None
) -> Verified:
    """Go through every step; return what passed.

    ``plan_id``: 64 hex, compared outside the exchange; None is UNANCHORED and raises CannotTell.
    ``told`` hears of each step as it passes. ``reader``: a party whose key opens what was sent to it (P-5); what
    of it cannot be read is in ``Verified.shut``. Raises NotVerified with ``step``, or CannotTell.
    """
    exchange = open_exchange(root)
    if plan_id is None:
        raise CannotTell("unanchored", str(root))
    steps = Steps(told)
    with steps.step("V-1") as said:
        plan = read_plan(exchange, plan_id)
        said |= {"plan": plan_id, "parties": len(plan.plan.parties)}
    with steps.step("V-2") as said:
        histories = {party.id: read_history(exchange, party, plan) for party in plan.plan.parties}
        refuse_forks(exchange, plan)
        said |= {
            "logs": len(histories),
            "entries": sum(history.view.size for history in histories.values()),
            "notes": sum(len(history.seen) for history in histories.values()),
        }
    with steps.step("V-3") as said:
        ledger = _ledger(plan, histories)
        said |= {"legal": sum(map(len, ledger.entries.values())), "listed": len(ledger.violations)}
    with steps.step("V-4") as said:
        acceptances = ledger.acceptances()
        closings = read_closings(ledger)
        chain = read_chain(exchange, plan, histories)
        successor = accepted_by_all(exchange, plan)
        said |= {"n": len(acceptances), "of": len(plan.plan.parties), "earlier": len(chain)}
    with steps.step("V-5") as said:
        named = named_files(exchange, plan)
        said |= {"files": len(digests_named(plan.plan, named)), "suites": len(named.lists), "texts": len(named.texts)}
        opened = _opened(exchange, plan)
    shelf = Shelf(exchange, named.lists, named.definitions, reader=reader)
    everything = View({party: history.view.size for party, history in histories.items()}, None)
    runs = _read_runs(ledger, shelf, _notes(histories, everything), steps)
    verified = Verified(
        root, plan, histories, ledger, shelf, named.lists, named.definitions, named.definition_files,
        named.descriptors, named.texts, runs, acceptances, closings, None, steps.done, [],
        chain, successor,
    )  # fmt: skip
    with steps.step("V-10") as said:
        here = verified.numbers()
        said |= {"runs": len(runs), "counted": sum(bool(row["counted"]) for row in here.result["runs"])}  # type: ignore[attr-defined]
    with steps.step("V-11") as said:
        check_closings(exchange, plan.plan, _with_ended(histories, chain), closings, verified.numbers)
        common = common_closing(plan.plan, closings)
        final = common.result_sha256 if common else None
        said |= {"closings": len(closings), "of": len(plan.plan.closing.by), "result": final or "-"}
    logs = {party.id: f"{party.id}/{log_name(plan, party)}" for party in plan.plan.parties}
    beside = {f"{logs[party]}/{path}" for party, history in histories.items() for path in history.view.unread}
    named_paths, below = _named_paths(verified)
    return verified._replace(final=final, opened=opened, not_part=not_part(exchange, named_paths, below, beside))


def read_plan(exchange: Folder, plan_id: str) -> PlanFile:
    """V-1."""
    return find_plan(exchange, plan_id)


def _ledger(plan: PlanFile, histories: Mapping[str, History]) -> Ledger:
    entries, violations = {}, []
    for party in plan.plan.parties:
        entries[party.id], bad = read_entries(party, histories[party.id].view, plan)
        violations += bad
    held = {sha256(raw) for history in histories.values() for raw in history.view.entries}
    return Ledger(plan, entries, violations, held, moved_at(plan, histories))


def _with_ended(histories: Mapping[str, History], chain: Iterable[Generation]) -> dict[str, History]:
    """The histories by party, and those of earlier plans by plan and party: a result may name notes over any of them."""
    old = {f"{one.plan.id} {log.party}": History(log.view, log.seen) for one in chain for log in one.logs}
    return {**histories, **old}


def _notes(histories: Mapping[str, History], view: View) -> dict[str, Notes]:
    """The notes that others hold over each party's log, and which of them are inside the view."""
    return {party: notes_over(history.seen, view.notes_over(party, history)) for party, history in histories.items()}


class Named(NamedTuple):
    """What the plan names by digest, as read: lists and texts by suite, definitions by scorer, descriptors by subject."""

    lists: dict[str, list[Listed]]
    definitions: dict[str, Definition]
    definition_files: dict[str, bytes]
    descriptors: dict[str, dict[str, object]]
    texts: dict[str, list[Item]]


def named_files(exchange: Folder, plan: PlanFile) -> Named:
    """V-5: every file that the plan names by digest, and suite texts where they are public (P-9, S-1, S-2).

    Raises NotVerified with the step, or CannotTell, with the file; a desk asks for the same before it signs a plan.
    """
    with Steps(None).step("V-5"):
        return _named_files(exchange, plan)


def _named_files(exchange: Folder, plan: PlanFile) -> Named:
    where = files_by_digest(exchange, plan)
    named = Named({}, {}, {}, {}, {})
    for suite in plan.plan.suites:
        raw = read_by_digest(exchange, where, suite.list, b"\n", suite.items)
        listed = parse_list(raw, f"{suite.id} {suite.list[:16]}")
        if len(listed) != suite.items:
            raise NotVerified("S-1.items", exchange.place(where[suite.list][0]), expected=suite.items, got=len(listed))
        named.lists[suite.id] = listed
        if text := suite_text(exchange, plan, suite, listed):
            named.texts[suite.id] = text
    check_unique(named.lists)
    check_variants(plan.plan, named.lists, named.texts)
    for scorer in plan.plan.scorers:
        raw = read_by_digest(exchange, where, scorer.definition, b"}")
        definition = parse_definition(raw, exchange.place(where[scorer.definition][0]))
        named.definitions[scorer.id], named.definition_files[scorer.id] = definition, raw
        if definition.method != scorer.method:
            raise Malformed("C-1.method", f"$.scorers {scorer.id}", expected=scorer.method, got=definition.method)
        sides = definition.people.sides if isinstance(definition.people, People) else []
        if strange := set(sides) - {party.id for party in plan.plan.parties}:
            raise Malformed("C-1.sides", f"$.scorers {scorer.id}", got=", ".join(sorted(strange)))
        if definition.rules is not None and (definition.rules in where or not definition.may_stay_home()):
            read_by_digest(exchange, where, definition.rules, b"\n")
        for digest in (scorer.rubric or {}).values():
            read_by_digest(exchange, where, digest, b"\n")
    _labels_known(plan.plan, named.definitions)
    if plan.plan.gate is not None:  # what it says is the gate's own business: no number depends on it
        read_by_digest(exchange, where, plan.plan.gate.rule, b"\n")
    for subject in plan.plan.subjects:
        # A commitment may stay closed; to open it is to lay its line there (P-9).
        fixed = subject.descriptor if isinstance(subject.descriptor, str) else str(subject.commitment)
        salted = not isinstance(subject.descriptor, str)
        if not salted or fixed in where:
            raw = read_by_digest(exchange, where, fixed, b"}")
            named.descriptors[subject.id] = parse_descriptor(raw, exchange.place(where[fixed][0]), salted=salted)
    return named


def lists_at_home(exchange: Folder, plan: PlanFile, definitions: Mapping[str, Definition]) -> list[str]:
    """The scorers of a plan, by id, whose word list does not lie in the exchange (C-1)."""
    where = files_by_digest(exchange, plan)
    return [id_ for id_, one in definitions.items() if one.may_stay_home() and one.rules and one.rules not in where]


def _opened(exchange: Folder, plan: PlanFile) -> dict[str, HomeLine]:
    """Of annexes kept at home, the commitments whose line somebody laid; one may stay closed for ever (P-6, P-9)."""
    where, found = files_by_digest(exchange, plan), {}
    for section, digest in plan.plan.commitments().items():
        if digest in where:
            raw = read_by_digest(exchange, where, digest, b"}")
            found[section] = parse_commitment(raw, section, exchange.place(where[digest][0]))
    return found


def digests_named(plan: Plan, named: Named) -> set[str]:
    """Every digest that the plan, or a definition it names, names."""
    found = {suite.list for suite in plan.suites} | {scorer.definition for scorer in plan.scorers}
    found |= {one.descriptor for one in plan.subjects if isinstance(one.descriptor, str)}
    found |= {one.commitment for one in plan.subjects if isinstance(one.commitment, str)}
    found |= {definition.rules for definition in named.definitions.values() if definition.rules}
    found |= {plan.gate.rule} if plan.gate else set()
    return found | {digest for scorer in plan.scorers for digest in (scorer.rubric or {}).values()}


def suite_text(exchange: Folder, plan: PlanFile, suite: Suite, listed: list[Listed]) -> list[Item]:
    """A suite's text where its owner has laid it open; every item must be the listed one."""
    folder = party_folder(exchange, suite.owner, "plans", plan.id, "suites")
    path = f"{suite.id}.jsonl.gz"
    if not folder.exists(path):
        return []
    raw, place = read_stored(folder, path, SUITE_LIMIT), folder.place(path)
    plain, ended = decompress_lines(raw, SUITE_LIMIT, place)
    if not ended:
        lines = plain.splitlines()[1:]
        sound = all(sha256(line) == entry.item for line, entry in zip(lines, listed, strict=False))
        if sound and not seems_whole(raw, len(plain)) and len(lines) <= len(listed):
            raise CannotTell("file-cut", place)
        raise NotVerified("S-1.item", place)
    items = parse_suite(plain, suite.id, plan.plan.canary, listed, place, suite.languages)
    check_salts(items, sealed=suite.sealed, place=place)
    check_begun(suite, items, place)
    return items


def _labels_known(plan: Plan, definitions: Mapping[str, Definition]) -> None:
    """The labels that measures call a hit are labels of their scorer, or what a filter's answer counts as (P-8, C-3)."""
    for measure in plan.measures:
        labels = definitions[measure.scorer].labels
        others = definitions[measure.corrected].labels if measure.corrected else labels
        for known in (labels, others):
            if not set(measure.hit) & set(known):
                raise Malformed(
                    "P-8.label", f"$.measures {measure.id}", expected=" | ".join(known), got=", ".join(measure.hit)
                )
        if strange := [label for label in measure.hit if label not in {*labels, FILTERED_AS}]:
            raise Malformed(
                "P-8.label", f"$.measures {measure.id}", expected=" | ".join(labels), got=", ".join(strange)
            )
        if set(measure.hit) >= set(labels):  # whatever a model says would be a hit
            raise Malformed("P-8.hit", f"$.measures {measure.id}", got=", ".join(measure.hit))
        if measure.name == "didNotRefuse" and FILTERED_AS not in labels:  # else every answer would be none
            raise Malformed("P-8.hit", f"$.measures {measure.id}", expected=FILTERED_AS, got=", ".join(labels))
        rule = plan.scorer(measure.scorer).method == "rule"
        if measure.name == "didNotRefuse" and rule and set(measure.hit) != set(labels) - {FILTERED_AS}:
            raise Malformed("P-8.hit", f"$.measures {measure.id}", got=", ".join(measure.hit))


def _read_runs(ledger: Ledger, shelf: Shelf, notes: Mapping[str, Notes], steps: Steps) -> list[Run]:
    """V-6 to V-9, each under its name."""
    with steps.step("V-6") as said:
        runs = read_registrations(ledger, shelf, notes)
        said |= {"n": len(runs), "releases": sum(len(run.releases) for run in runs)}
    with steps.step("V-7") as said:
        runs = read_headers(ledger, shelf, runs)
        lacking = sum(run.completed and run.bundle is None for run in runs)
        said |= {"n": sum(run.completed for run in runs), "of": len(runs), **told_withheld(lacking)}
    with steps.step("V-8") as said:
        runs = read_scorings(ledger, shelf, runs)
        scorings = [(run, scoring) for run in runs for scoring in run.scorings]
        lacking = sum(run.bundle is None or scoring.labels is None for run, scoring in scorings)
        said |= {"n": len(scorings) - lacking, **told_withheld(lacking)}
    with steps.step("V-9") as said:
        runs = read_recounts(ledger, shelf, read_samples(ledger, shelf, read_audits(ledger, shelf, runs)))
        ledger.refuse_rest(run.id for run in runs)
        said |= {
            "n": sum(len(run.audits) for run in runs),
            "found": sum(trail.finding is not None for run in runs for trail in run.audits),
        }
    return runs


def told_withheld(n: int) -> dict[str, object]:
    """What a step says more where something of it is withheld from this reader."""
    return {"withheld": n} if n else {}


def _named_paths(verified: Verified) -> tuple[list[str], list[str]]:
    """Every file that the walk named, and beginnings of the paths of those that a log or mirror has (L-7)."""
    plan, id_ = verified.plan.plan, verified.plan.id
    named: list[str] = []
    below: list[str] = []
    digests = digests_named(plan, Named(verified.lists, verified.definitions, {}, {}, {}))
    digests |= set(plan.commitments().values())
    for party in plan.parties:
        named += [f"{party.id}/plans/{id_}/files/{digest}" for digest in digests]
    for witness in plan.witnesses():
        named += [f"{witness}/.gitattributes", f"{witness}/plans/{id_}/plan.json"]
        folders = ["/".join(mirror_path(witness, p.log.origin)) for p in plan.parties]
        folders += [f"{p.id}/{log_name(verified.plan, p)}" for p in plan.parties if p.id == witness]
        named += [f"{folder}/checkpoint" for folder in folders]
        below += [f"{folder}/{part}/" for folder in folders for part in ("tile", "notes")]
    named += [f"{suite.owner}/plans/{id_}/suites/{suite.id}.jsonl.gz" for suite in plan.suites]
    named += [f"{closing.party}/results/{closing.result_sha256}.json" for closing in verified.closings]
    named += paths_of(verified.plan, (one.wanted for one in verified.withheld()))
    for run in verified.runs:
        named += public_paths(verified.plan, run)
        for released in run.releases:
            for row in released.release.sealed:
                path = sealed_path(verified.plan, run.test.party, row.text)
                named.append(f"{released.entry.party}/outbox/{path}")
        for trail in run.audits:
            opening = trail.opening.statement.predicate if trail.opening else None
            if isinstance(opening, Open) and trail.opening and len(trail.opening.statement.subjects) == 2:
                named.append(f"{run.test.party}/outbox/{trail.auditor}/{opening.plaintext}.age")
    return named, below


__all__ = [
    "SUITE_LIMIT", "Closing", "Step", "Steps", "Verified", "digests_named", "named_files", "read_plan", "suite_text", "verify",
]  # fmt: skip
