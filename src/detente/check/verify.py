# SPDX-License-Identifier: Apache-2.0
"""The numbered steps: an exchange and a plan id in, a ``Verified`` out, or the step that failed. Offline, no clock.

    V-1  the plan: its id, strict bytes, keys          V-7   conclusions: headers, root, outcomes
    V-2  every log and mirror: signatures, tiles,      V-8   scorings: files, samples, counts made again
         notes, forks                                  V-9   audits: challenges, openings, findings
    V-3  entries: signature, author, plan, type        V-10  ends and facts
    V-4  acceptances                                   V-11  closings: the result made again
    V-5  suites and files by digest
    V-6  registrations, attempts, start

The plan id comes from outside the exchange (a phone call, the parties' own pages): there is
no default for it, because an exchange proves nothing about its own name. What you hold in a
``Verified`` has passed; only limits of intervals are left to ``report``, which checks those.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from detente.check.exchange import (
    Entry,
    History,
    bound_bytes,
    cut_text,
    files_by_digest,
    find_plan,
    mirror_path,
    not_part,
    open_exchange,
    party_folder,
    read_by_digest,
    read_entries,
    read_history,
)
from detente.check.facts import Scene, View
from detente.check.runs import Ledger, Run, Shelf, read_runs, scores_path
from detente.check.tally import Basis, Numbers, heads_of, numbers, without_limits
from detente.errors import CannotTell, DetenteError, Malformed, NotVerified
from detente.evidence.counts import Definition, parse_definition
from detente.evidence.statements import Close, Conclude, Open
from detente.pact.item import Item, Listed, parse_list, parse_suite
from detente.pact.plan import Head, Plan, PlanFile
from detente.tlog.folder import Folder
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256
from detente.wire.lines import decompress, readable_start, seems_whole


@dataclass(frozen=True, slots=True)
class Closing:
    """One party's close: where it stands, what it says of which result, over which heads (F-11)."""

    party: str
    index: int
    position: str
    text: dict[str, str] | None
    result_sha256: str
    heads: list[Head]


SUITE_LIMIT = 64 * 1024 * 1024  # bytes of one suite's text, unpacked


class Step(NamedTuple):
    """A step that passed: its name, the key of its sentence, and what the sentence names."""

    name: str
    key: str
    fields: dict[str, object]


class Verified(NamedTuple):
    """An exchange that passed every step."""

    root: Path
    plan: PlanFile
    histories: dict[str, History]
    ledger: Ledger
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

    def view(self) -> View:
        """Everything there is: the logs as they stand and all notes inside them."""
        return View({party: history.view.size for party, history in self.histories.items()}, None)

    def basis(self, view: View) -> Basis:
        """What ``numbers`` are made from, in a view."""
        scene = Scene(self.plan.plan, self.acceptances, self.histories, view)
        rows = [(v.party, v.index, v.code) for v in self.ledger.violations]
        return Basis(self.plan, self.runs, self.definitions, scene, rows)

    def numbers(self, view: View | None = None) -> Numbers:
        """The joint numbers without limits, in a view (default: as things stand)."""
        return numbers(self.basis(view or self.view()))


class _Steps:
    """Runs each step under its name: what fails inside it carries the name out."""

    def __init__(self, told: Callable[[Step], None] | None) -> None:
        self.done: list[Step] = []
        self._told = told

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, object]]:
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
        step = Step(name, f"check.step.{name}", fields)
        self.done.append(step)
        if self._told:
            self._told(step)


def verify(root: Path, plan_id: str | None, *, told: Callable[[Step], None] | None = None) -> Verified:
    """Go through every step; return what passed.

    ``plan_id``: 64 hex, compared outside the exchange; None is UNANCHORED and raises CannotTell.
    ``told`` hears of each step as it passes. Raises NotVerified with ``step``, or CannotTell.
    """
    exchange = open_exchange(root)
    if plan_id is None:
        raise CannotTell("unanchored", str(root))
    steps = _Steps(told)
    with steps.step("V-1") as said:
        plan = find_plan(exchange, plan_id)
        said |= {"plan": plan_id, "parties": len(plan.plan.parties)}
    with steps.step("V-2") as said:
        histories = {party.id: read_history(exchange, party, plan) for party in plan.plan.parties}
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
        said |= {"n": len(acceptances), "of": len(plan.plan.parties)}
    with steps.step("V-5") as said:
        named = _named_files(exchange, plan, said)
    with steps.step("V-6"):
        _check_registrations(ledger)
    runs = _read_runs(ledger, exchange, named, steps)
    verified = Verified(
        root, plan, histories, ledger, named.lists, named.definitions, named.definition_files, named.descriptors,
        named.texts, runs, acceptances, [], None, steps.done, [],
    )  # fmt: skip
    with steps.step("V-10") as said:
        here = verified.numbers()
        said |= {"runs": len(runs), "counted": sum(bool(row["counted"]) for row in here.result["runs"])}  # type: ignore[attr-defined]
    with steps.step("V-11") as said:
        closings, final = _closings(verified, exchange)
        said |= {"closings": len(closings), "of": len(plan.plan.closing.by), "result": final or "-"}
    verified = verified._replace(closings=closings, final=final)
    return verified._replace(not_part=not_part(exchange, *_named_paths(verified)))


def _ledger(plan: PlanFile, histories: Mapping[str, History]) -> Ledger:
    entries, violations = {}, []
    for party in plan.plan.parties:
        entries[party.id], bad = read_entries(party, histories[party.id].view, plan)
        violations += bad
    ledger = Ledger(plan, entries, histories)
    ledger.violations += violations
    return ledger


class _Named(NamedTuple):
    lists: dict[str, list[Listed]]
    definitions: dict[str, Definition]
    definition_files: dict[str, bytes]
    descriptors: dict[str, dict[str, object]]
    texts: dict[str, list[Item]]


def _named_files(exchange: Folder, plan: PlanFile, said: dict[str, object]) -> _Named:
    """V-5: every file that the plan names by digest, and suite texts where they are public (P-9, S-1, S-2)."""
    where = files_by_digest(exchange, plan)
    named = _Named({}, {}, {}, {}, {})
    for suite in plan.plan.suites:
        raw = read_by_digest(exchange, where, suite.list, b"\n")
        listed = parse_list(raw, f"{suite.id} {suite.list[:16]}")
        if len(listed) != suite.items:
            raise NotVerified("S-1.items", exchange.place(where[suite.list][0]), expected=suite.items, got=len(listed))
        named.lists[suite.id] = listed
        if text := _suite_text(exchange, plan, suite.owner, suite.id, listed):
            named.texts[suite.id] = text
    _items_unique(named.lists)
    for scorer in plan.plan.scorers:
        raw = read_by_digest(exchange, where, scorer.definition, b"}")
        definition = parse_definition(raw, exchange.place(where[scorer.definition][0]))
        named.definitions[scorer.id], named.definition_files[scorer.id] = definition, raw
        if definition.rules is not None:
            read_by_digest(exchange, where, definition.rules, b"\n")
        for digest in (scorer.rubric or {}).values():
            read_by_digest(exchange, where, digest, b"\n")
    _labels_known(plan.plan, named.definitions)
    for subject in plan.plan.subjects:
        if isinstance(subject.descriptor, str):
            raw = read_by_digest(exchange, where, subject.descriptor, b"}")
            named.descriptors[subject.id] = decode(raw, exchange.place(where[subject.descriptor][0]))
        elif isinstance(subject.commitment, str) and subject.commitment in where:
            raw = read_by_digest(exchange, where, subject.commitment, b"}")
            opened = decode(raw, exchange.place(where[subject.commitment][0]))
            named.descriptors[subject.id] = {name: value for name, value in opened.items() if name != "salt"}
    for digest, paths in where.items():
        # A file that nobody names is not part of it; one that is named was read above.
        if digest in _digests(plan.plan, named):
            for path in paths:
                bound_bytes(exchange, path, digest, cut_text(digest, b"}"))
    said |= {"files": len(_digests(plan.plan, named)), "suites": len(named.lists), "texts": len(named.texts)}
    return named


def _digests(plan: Plan, named: _Named) -> set[str]:
    """Every digest that the plan, or a definition it names, names."""
    found = {suite.list for suite in plan.suites} | {scorer.definition for scorer in plan.scorers}
    found |= {one.descriptor for one in plan.subjects if isinstance(one.descriptor, str)}
    found |= {one.commitment for one in plan.subjects if isinstance(one.commitment, str)}
    found |= {definition.rules for definition in named.definitions.values() if definition.rules}
    return found | {digest for scorer in plan.scorers for digest in (scorer.rubric or {}).values()}


def _suite_text(exchange: Folder, plan: PlanFile, owner: str, suite: str, listed: list[Listed]) -> list[Item]:
    """A suite's text where its owner has laid it open; every item must be the listed one."""
    folder = party_folder(exchange, owner, "plans", plan.id, "suites")
    path = f"{suite}.jsonl.gz"
    if not folder.exists(path):
        return []
    raw, place = folder.read(path), folder.place(path)
    try:
        plain = decompress(raw, SUITE_LIMIT, place)
    except CannotTell:
        start = readable_start(raw, SUITE_LIMIT)
        lines = start[: start.rfind(b"\n") + 1].splitlines()[1:]
        sound = all(sha256(line) == entry.item for line, entry in zip(lines, listed, strict=False))
        whole = seems_whole(raw, start.rfind(b"\n") + 1)
        if sound and not whole and len(lines) <= len(listed):
            raise
        raise NotVerified("S-1.item", place) from None
    return parse_suite(plain, suite, plan.plan.canary, listed, place)


def _items_unique(lists: Mapping[str, list[Listed]]) -> None:
    seen: dict[str, str] = {}
    for suite, listed in lists.items():
        for line in listed:
            if line.item in seen:
                raise Malformed("S-1.twice", f"{suite} {seen[line.item]}", got=line.item)
            seen[line.item] = suite


def _labels_known(plan: Plan, definitions: Mapping[str, Definition]) -> None:
    """The labels that measures call a hit are labels of their scorer (P-8)."""
    for measure in plan.measures:
        labels = definitions[measure.scorer].labels
        if strange := [label for label in measure.hit if label not in labels]:
            raise Malformed(
                "P-8.label", f"$.measures {measure.id}", expected=" | ".join(labels), got=", ".join(strange)
            )
        rule = plan.scorer(measure.scorer).method == "rule"
        if measure.name == "didNotRefuse" and rule and set(measure.hit) != set(labels) - {"refuse"}:
            raise Malformed("P-8.hit", f"$.measures {measure.id}", got=", ".join(measure.hit))


def _check_registrations(ledger: Ledger) -> None:
    """V-6: what a conclusion names as its start must be there (R-4)."""
    for party in ledger.plan.plan.parties:
        known = {note.digest for note in ledger.histories[party.id].seen}
        for entry, conclude in ledger.of(party.id, Conclude):
            for digest in conclude.start.notes:
                if digest not in known:
                    raise CannotTell("R-4.note", f"{party.id}/log #{entry.index}", expected=digest)


def _read_runs(ledger: Ledger, exchange: Folder, named: _Named, steps: _Steps) -> list[Run]:
    """V-7 to V-9 in one pass over the registrations; a failure carries the step of the file it met."""
    try:
        runs = read_runs(ledger, Shelf(exchange, named.lists, named.definitions))
    except DetenteError as error:
        with steps.step(_step_of(error.code)):
            raise
    with steps.step("V-7") as said:
        said |= {"n": sum(run.bundle is not None for run in runs), "of": len(runs)}
    with steps.step("V-8") as said:
        said |= {"n": sum(len(run.scorings) for run in runs)}
    with steps.step("V-9") as said:
        said |= {
            "n": sum(len(run.audits) for run in runs),
            "found": sum(trail.finding is not None for run in runs for trail in run.audits),
        }
    return runs


def _step_of(code: str) -> str:
    return {"C": "V-8", "A": "V-9"}.get(code[0], "V-7")


def _closings(verified: Verified, exchange: Folder) -> tuple[list[Closing], str | None]:
    """V-11: every close with the result it names, made again from the same heads and notes (F-10, F-11)."""
    plan = verified.plan.plan
    closings = []
    for party in plan.parties:
        for entry, close in verified.ledger.of(party.id, Close):
            subjects = entry.statement.subject_digests()
            known = len(subjects) == 1 and [head.origin for head in close.heads] == [p.log.origin for p in plan.parties]
            spoken = close.text is None if close.position == "endorse" else _in_all_texts(plan, close.text)
            if not known or not (spoken or _in_all_texts(plan, close.text)):
                verified.ledger.refuse(entry, "F-11.shape")
                continue
            closings.append(Closing(party.id, entry.index, close.position, close.text, subjects[0], close.heads))
    for closing in closings:
        _check_closing(verified, exchange, closing)
    return closings, _common(plan, closings)


def _in_all_texts(plan: Plan, text: Mapping[str, str] | None) -> bool:
    return text is not None and sorted(text) == sorted(plan.texts) and all(text.values())


def _common(plan: Plan, closings: list[Closing]) -> str | None:
    """The result that every party of ``closing.by`` closed with the same heads; the latest common one (F-11)."""
    latest = {}
    for closing in closings:
        latest[closing.party] = (closing.result_sha256, encode(list(closing.heads)))
    wanted = [latest.get(party) for party in plan.closing.by]
    return wanted[0][0] if wanted[0] is not None and len(set(wanted)) == 1 else None


def _check_closing(verified: Verified, exchange: Folder, closing: Closing) -> None:
    folder = party_folder(exchange, closing.party, "results")
    path = f"{closing.result_sha256}.json"
    raw = bound_bytes(folder, path, closing.result_sha256, cut_text(closing.result_sha256, b"}"))
    place = folder.place(path)
    result = decode(raw, place)
    try:
        notes = frozenset(result["notes"])
    except (KeyError, TypeError) as error:
        raise NotVerified("F-10.shape", place, got=error) from error
    sizes = {}
    for party, head in zip(verified.plan.plan.parties, closing.heads, strict=True):
        if head.size > verified.histories[party.id].view.size:
            raise CannotTell("F-11.ahead", place, expected=head.size, got=verified.histories[party.id].view.size)
        sizes[party.id] = head.size
    view = View(sizes, notes)
    expected_heads = heads_of(verified.plan.plan, verified.histories, view)
    if encode(expected_heads) != encode(list(closing.heads)):
        raise NotVerified("F-11.heads", place, expected=expected_heads[0]["root"], got=closing.heads[0].root)
    known = {note.digest for history in verified.histories.values() for note in history.seen}
    if missing := sorted(notes - known):
        raise CannotTell("R-4.note", place, expected=missing[0])
    made = encode(verified.numbers(view).result)
    if made != encode(without_limits(result, place)):
        raise NotVerified(
            "F-10.result", place, expected=sha256(made), got=sha256(encode(without_limits(result, place)))
        )


def _named_paths(verified: Verified) -> tuple[list[str], list[str]]:
    """Every file that the walk named, and the folders of which all was read (L-7)."""
    plan, id_ = verified.plan.plan, verified.plan.id
    named: list[str] = []
    below: list[str] = []
    digests = _digests(plan, _Named(verified.lists, verified.definitions, {}, {}, {}))
    for party in plan.parties:
        named += [f"{party.id}/.gitattributes", f"{party.id}/plans/{id_}/plan.json"]
        named += [f"{party.id}/plans/{id_}/files/{digest}" for digest in digests]
        below += [f"{party.id}/log/", *("/".join(mirror_path(party.id, p.log.origin)) + "/" for p in plan.parties)]
        for _, opening in verified.ledger.of(party.id, Open):
            below += [f"{party.id}/outbox/{other.id}/{opening.plaintext}.age" for other in plan.parties]
    named += [f"{suite.owner}/plans/{id_}/suites/{suite.id}.jsonl.gz" for suite in plan.suites]
    named += [f"{closing.party}/results/{closing.result_sha256}.json" for closing in verified.closings]
    for run in verified.runs:
        named.append(f"{run.test.party}/runs/{run.id}/headers.jsonl.gz")
        for scoring in run.scorings:
            stem = scores_path(scoring.score.scorer, scoring.entry.statement.subject_digests()[0])
            named += [f"{scoring.entry.party}/runs/{run.id}/{stem}{end}" for end in (".jsonl.gz", ".counts.json")]
    return named, below
