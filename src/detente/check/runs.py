# SPDX-License-Identifier: Apache-2.0
"""V-6 to V-9: each registered run with its conclusion, its scorings and its audits, held against the files they name."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from detente.check.exchange import Entry, History, Violation, bound_bytes, cut_text, party_folder
from detente.errors import CannotTell, DetenteError, NotVerified
from detente.evidence.bundle import Bundle, read_bundle
from detente.evidence.counts import Counts, Definition, count, is_scored, kinds_scored, parse_counts, read_scores
from detente.evidence.record import draw_commit
from detente.evidence.statements import (
    Accept,
    AuditFinding,
    Challenge,
    Close,
    Conclude,
    Open,
    Register,
    Score,
)
from detente.pact.item import Listed
from detente.pact.plan import PlanFile, Test
from detente.pact.slots import Slots
from detente.tlog.folder import Folder
from detente.wire.digests import sha256

P = TypeVar("P")


class Shelf(NamedTuple):
    """Where files lie, and those that V-5 read already: list files by suite, definitions by scorer."""

    exchange: Folder
    lists: Mapping[str, list[Listed]]
    definitions: Mapping[str, Definition]


class Scoring(NamedTuple):
    """One scoring of a run: who, the envelope, its counts file, and whether it is the one that counts (C-6)."""

    entry: Entry
    score: Score
    counts: Counts
    counts_sha256: str
    labels: dict[int, str]
    counted: bool


class AuditTrail(NamedTuple):
    """One auditor's questions to one run: challenge, opening, finding, as far as they got (A-5)."""

    auditor: str
    challenge: Entry
    opening: Entry | None
    finding: Entry | None


class Run(NamedTuple):
    """One registered run and all that the logs say of it."""

    id: str
    registration: Entry
    register: Register
    test: Test
    attempt: int
    lawful: bool
    slots: Slots
    conclusion: Entry | None
    conclude: Conclude | None
    bundle: Bundle | None
    scorings: list[Scoring]
    audits: list[AuditTrail]


class Ledger:
    """All legal entries of all logs, and the lookups that the steps share; collects what counts for nothing."""

    def __init__(
        self, plan: PlanFile, entries: Mapping[str, Sequence[Entry]], histories: Mapping[str, History]
    ) -> None:
        self.plan = plan
        self.entries = entries
        self.histories = histories
        self.violations: list[Violation] = []

    def of(self, party: str, kind: type[P]) -> list[tuple[Entry, P]]:
        """A party's statements of one kind, in log order."""
        rows = ((entry, entry.statement.predicate) for entry in self.entries.get(party, ()))
        return [(entry, predicate) for entry, predicate in rows if isinstance(predicate, kind)]

    def first(self, rows: Iterable[tuple[Entry, P]]) -> tuple[Entry, P] | None:
        """The first of entries that may exist once; the rest become violations (T-3)."""
        kept: tuple[Entry, P] | None = None
        for entry, predicate in rows:
            if kept is None:
                kept = (entry, predicate)
            else:
                self.refuse(entry, "T-3.twice")
        return kept

    def refuse(self, entry: Entry, code: str) -> None:
        """List an entry that counts for nothing (L-8)."""
        self.violations.append(Violation(entry.party, entry.index, code))

    def acceptances(self) -> dict[str, Entry]:
        """V-4: each party's acceptance of this plan, by party."""
        found = {}
        for party in self.plan.plan.parties:
            rows = []
            for entry, accept in self.of(party.id, Accept):
                if entry.statement.subject_digests() == [self.plan.id]:
                    rows.append((entry, accept))
                else:
                    self.refuse(entry, "P-2.subject")
            if kept := self.first(rows):
                found[party.id] = kept[0]
        return found


def read_runs(ledger: Ledger, shelf: Shelf) -> list[Run]:
    """Every registration of every log with what belongs to it, in plan order of tests, then log order."""
    plan = ledger.plan.plan
    runs = []
    for test in plan.tests:
        attempts = 0
        for entry, register in ledger.of(test.party, Register):
            if (register.subject, register.section) == (test.subject, test.section):
                attempts += 1
                if attempts > plan.runs.max:
                    ledger.refuse(entry, "R-1.attempts")
                runs.append(_read_run(ledger, shelf, entry, register, test, attempts))
    tested = {(test.party, test.subject, test.section) for test in plan.tests}
    for party in plan.parties:
        for entry, register in ledger.of(party.id, Register):
            if (party.id, register.subject, register.section) not in tested:
                ledger.refuse(entry, "R-1.not-planned")
    _refuse_strays(ledger, {run.id for run in runs})
    return runs


def _read_run(ledger: Ledger, shelf: Shelf, entry: Entry, register: Register, test: Test, attempt: int) -> Run:
    slots = Slots(ledger.plan.plan, test.section, shelf.lists)
    conclusion = _conclusion(ledger, entry)
    bundle = None
    if conclusion and conclusion[1].status == "completed":
        bundle = _bundle(ledger, shelf.exchange, conclusion[0], conclusion[1], slots)
    scorings: list[Scoring] = []
    audits: list[AuditTrail] = []
    if conclusion and bundle:
        scorings = _scorings(ledger, shelf, conclusion[0], bundle, slots)
        audits = _audits(ledger, shelf.exchange, entry, register, conclusion[0])
    lawful = attempt <= ledger.plan.plan.runs.max
    return Run(
        entry.digest, entry, register, test, attempt, lawful, slots,
        conclusion[0] if conclusion else None, conclusion[1] if conclusion else None, bundle, scorings, audits,
    )  # fmt: skip


def _conclusion(ledger: Ledger, registration: Entry) -> tuple[Entry, Conclude] | None:
    """The run's one conclusion in the tester's own log, after the registration (T-3, T-5)."""
    rows = []
    for entry, conclude in ledger.of(registration.party, Conclude):
        if conclude.run != registration.digest:
            continue
        aborted = conclude.status == "aborted"
        shape = (
            entry.statement.subject_digests() == [registration.digest]
            if aborted
            else len(entry.statement.subjects) == 2
        )
        if entry.index < registration.index or not shape or aborted != (conclude.root is None):
            ledger.refuse(entry, "T-5.shape")
        else:
            rows.append((entry, conclude))
    return ledger.first(rows)


def run_folder(exchange: Folder, party: str, run: str) -> Folder:
    """Where a party keeps what it publishes of a run (L-4)."""
    return party_folder(exchange, party, "runs", run)


def _bundle(ledger: Ledger, exchange: Folder, entry: Entry, conclude: Conclude, slots: Slots) -> Bundle:
    """V-7: the headers file, its digests, slots, root and outcomes (T-5, R-7)."""
    folder = run_folder(exchange, entry.party, conclude.run)
    place = folder.place("headers.jsonl.gz")
    stored = folder.read("headers.jsonl.gz")
    stored_sha256, plain_sha256 = entry.statement.subject_digests()
    plan = ledger.plan
    try:
        bundle = read_bundle(stored, plan.id, conclude.run, plan.plan.canary, slots, place)
    except CannotTell:
        raise
    except DetenteError as error:
        if sha256(stored) != stored_sha256:
            raise NotVerified("R-7.file", place, expected=stored_sha256, got=sha256(stored)) from error
        raise
    for code, expected, got in (
        ("R-7.file", stored_sha256, bundle.stored_sha256),
        ("R-7.file", plain_sha256, bundle.plain_sha256),
        ("R-7.root", conclude.root, bundle.root),
    ):
        if expected != got:
            raise NotVerified(code, place, expected=expected, got=got)
    if bundle.outcomes() != conclude.outcomes:
        raise NotVerified("T-5.outcomes", place, expected=conclude.outcomes, got=bundle.outcomes())
    return bundle


def _scorings(ledger: Ledger, shelf: Shelf, conclusion: Entry, bundle: Bundle, slots: Slots) -> list[Scoring]:
    """V-8: every scoring of the run by anyone, recounted; per scorer of the plan the first by its party counts (C-6)."""
    plan = ledger.plan.plan
    found: list[Scoring] = []
    settled: set[str] = set()
    for party in plan.parties:
        for entry, score in ledger.of(party.id, Score):
            if score.run != conclusion.statement.predicate.run:  # type: ignore[union-attr]
                continue
            known = [s for s in plan.scorers if s.id == score.scorer and s.definition == score.definition]
            subjects = entry.statement.subject_digests()
            if not known or len(subjects) != 4 or subjects[3] != conclusion.digest or score.sample is not None:
                ledger.refuse(entry, "C-6.shape")
                continue
            by = conclusion.party if known[0].by == "tester" else known[0].by
            counted = party.id == by and score.scorer not in settled
            if counted:
                settled.add(score.scorer)
            scoring = _scoring(ledger, shelf, entry, score, bundle, slots)
            found.append(scoring._replace(counted=counted))
    return found


def scores_path(scorer: str, stored_sha256: str) -> str:
    """The stem of a scoring's two files below a run's folder (L-4)."""
    return f"scores/{scorer}.{stored_sha256[:16]}"


def _scoring(ledger: Ledger, shelf: Shelf, entry: Entry, score: Score, bundle: Bundle, slots: Slots) -> Scoring:
    stored_sha256, plain_sha256, counts_sha256, _ = entry.statement.subject_digests()
    folder, definition = run_folder(shelf.exchange, entry.party, score.run), shelf.definitions[score.scorer]
    stem = scores_path(score.scorer, stored_sha256)
    stored, place = folder.read(f"{stem}.jsonl.gz"), folder.place(f"{stem}.jsonl.gz")
    kinds = kinds_scored(ledger.plan.plan, score.scorer)
    expected = [slot.i for slot in slots if is_scored(slot, bundle.codes[slot.i], kinds)]
    try:
        labels, plain = read_scores(stored, expected, definition.labels, place)
    except CannotTell:
        raise
    except DetenteError as error:
        if sha256(stored) != stored_sha256:
            raise NotVerified("C-4.file", place, expected=stored_sha256, got=sha256(stored)) from error
        raise
    for want, got in ((stored_sha256, sha256(stored)), (plain_sha256, sha256(plain))):
        if want != got:
            raise NotVerified("C-4.file", place, expected=want, got=got)
    raw = bound_bytes(folder, f"{stem}.counts.json", counts_sha256, cut_text(counts_sha256, b"}"))
    recounted = count(ledger.plan.plan, score.scorer, definition.labels, slots, bundle.codes, labels)
    if recounted != raw:
        raise NotVerified(
            "C-7.recount", folder.place(f"{stem}.counts.json"), expected=sha256(recounted), got=counts_sha256
        )
    return Scoring(entry, score, parse_counts(raw, folder.place(f"{stem}.counts.json")), counts_sha256, labels, False)


def _audits(
    ledger: Ledger, exchange: Folder, registration: Entry, register: Register, conclusion: Entry
) -> list[AuditTrail]:
    """V-9: who asked this run for records, what was shown, what was found (A-1, A-4, A-5)."""
    section = ledger.plan.plan.section(register.section)
    trails = []
    for auditor in section.audit.by if section.audit else []:
        if auditor == registration.party:
            continue
        rows = []
        for entry, challenge in ledger.of(auditor, Challenge):
            if challenge.run == registration.digest:
                if conclusion.digest in entry.statement.subject_digests():
                    rows.append((entry, challenge))
                else:
                    ledger.refuse(entry, "A-1.conclusion")
        if kept := ledger.first(rows):
            opening = _opening(ledger, exchange, kept[0], register, auditor, registration.party)
            trails.append(AuditTrail(auditor, kept[0], opening, _finding(ledger, auditor, opening)))
    return trails


def _opening(
    ledger: Ledger, exchange: Folder, challenge: Entry, register: Register, auditor: str, holder: str
) -> Entry | None:
    commits = {commit.auditor: commit.commit for commit in register.drawCommits}
    rows = []
    for entry, opening in ledger.of(holder, Open):
        subjects = entry.statement.subject_digests()
        if not subjects or subjects[0] != challenge.digest:
            continue
        if draw_commit(bytes.fromhex(opening.nonce)) != commits.get(auditor):
            ledger.refuse(entry, "A-1.nonce")
            continue
        if len(subjects) == 2:
            path = f"{auditor}/{opening.plaintext}.age"
            bound_bytes(party_folder(exchange, holder, "outbox"), path, subjects[1], lambda raw: not raw)
        rows.append((entry, opening))
    kept = ledger.first(rows)
    return kept[0] if kept else None


def _finding(ledger: Ledger, auditor: str, opening: Entry | None) -> Entry | None:
    if opening is None:
        return None
    rows = [
        (entry, finding)
        for entry, finding in ledger.of(auditor, AuditFinding)
        if entry.statement.subject_digests() == [opening.digest]
    ]
    kept = ledger.first(rows)
    return kept[0] if kept else None


def _refuse_strays(ledger: Ledger, known: set[str]) -> None:
    """Statements about runs that no log registered count for nothing, and are listed."""
    for entries in ledger.entries.values():
        for entry in entries:
            predicate = entry.statement.predicate
            if not isinstance(predicate, Accept | Register | Close) and predicate.run not in known:
                ledger.refuse(entry, "T-3.no-run")


__all__ = ["AuditTrail", "Ledger", "Run", "Scoring", "read_runs", "run_folder", "scores_path"]
