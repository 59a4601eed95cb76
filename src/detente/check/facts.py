# SPDX-License-Identifier: Apache-2.0
"""V-10: how each run ended and the six dated facts about it, side by side, never a grade (R-11, F-1 to F-9).

Facts are taken over a ``View``: the logs cut at given sizes and the notes that may be used, so
that everybody who looks at the same heads says the same (F-10).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from detente.check.audit import detection_odds
from detente.check.exchange import Entry, History
from detente.check.runs import AuditTrail, Run
from detente.evidence.statements import AuditFinding, Score
from detente.pact.plan import Audit, Plan, Section
from detente.wire.canonical import decimal, encode_decimal
from detente.wire.times import encode_time, parse_time

ODDS_SHARE = "0.05"  # the share of forged records that printed odds speak of

Fact = dict[str, object]


class View(NamedTuple):
    """The logs cut at ``sizes`` (by party), and the digests of the notes that may be used (None: all)."""

    sizes: Mapping[str, int]
    notes: frozenset[str] | None

    def covers(self, entry: Entry | None) -> bool:
        """Whether an entry exists and is inside the view."""
        return entry is not None and entry.index < self.sizes.get(entry.party, 0)


class Facts(NamedTuple):
    """Everything F says of one run in one view."""

    end: str
    end_seen: tuple[str, int] | None
    facts: dict[str, Fact]
    counted: bool
    missing: list[str]


class Scene(NamedTuple):
    """What facts are read from: the plan, its acceptances, all histories, and the view."""

    plan: Plan
    acceptances: Mapping[str, Entry]
    histories: Mapping[str, History]
    view: View

    def first_seen(self, entry: Entry) -> dict[str, int]:
        """Who else witnessed an entry when first, within the view (L-3)."""
        return self.histories[entry.party].first_seen(entry.index, self.view.sizes[entry.party], self.view.notes)

    def witnessed(self, entry: Entry) -> bool:
        """Whether a quorum of others holds the entry (L-3)."""
        return len(self.first_seen(entry)) >= self.plan.quorum


def facts_of(scene: Scene, run: Run, runs: Sequence[Run]) -> Facts:
    """One run's end and facts in this view, and whether its numbers are part of the joint result (F-9)."""
    end, end_seen = _end(scene, run)
    facts: dict[str, Fact] = {
        "agreed": _agreed(scene, run),
        "seen": _seen(scene, run),
        "complete": _complete(scene, run),
        "checked": _checked(scene, run),
        "repeated": _repeated(scene, run, runs),
        "attested": _attested(scene, run),
    }
    required = ["agreed", *(name for name in scene.plan.requires if name != "agreed")]
    missing = [name for name in required if facts[name]["holds"] != "yes"]
    if not run.lawful or scene.plan.quorum == 0:
        missing.append("attempt" if not run.lawful else "witnesses")
    if end not in {"concluded", "late"}:
        missing.append("conclusion")
    return Facts(end, end_seen, facts, not missing, missing)


def _end(scene: Scene, run: Run) -> tuple[str, tuple[str, int] | None]:
    """R-11: concluded, aborted, late, unfinished or open; only others' cosignature times are clocks."""
    deadline = parse_time(scene.plan.runs.deadline)
    concluded = scene.view.covers(run.conclusion)
    notes = scene.histories[run.test.party]
    after = [
        note
        for note in notes.seen
        if note.at > deadline
        and run.registration.index < note.size <= scene.view.sizes[run.test.party]
        and (scene.view.notes is None or note.digest in scene.view.notes)
    ]
    without = [note for note in after if not (run.conclusion and run.conclusion.index < note.size)]
    earliest = min(((note.at, note.witness) for note in without), default=None)
    word = (earliest[1], earliest[0]) if earliest else None
    if concluded and run.conclude and run.conclude.status == "aborted":
        return "aborted", None
    if concluded:
        return ("late", word) if word else ("concluded", None)
    return ("unfinished", word) if word else ("open", None)


def _agreed(scene: Scene, run: Run) -> Fact:
    """F-1: every acceptance in its party's log, and their digests in the registration."""
    entries = [scene.acceptances.get(party.id) for party in scene.plan.parties]
    there = [entry for entry in entries if entry is not None and scene.view.covers(entry)]
    named = run.register.acceptances == [entry.digest for entry in there]
    holds = len(there) == len(entries) and named
    firsts = [min(scene.first_seen(entry).values(), default=None) for entry in there]
    known = [at for at in firsts if at is not None]
    dated = holds and len(known) == len(firsts) and known
    return {"at": encode_time(max(known)) if dated else None, "holds": _word(holds)}


def _seen(scene: Scene, run: Run) -> Fact:
    """F-2: who held the registration before the conclusion was logged, by the notes its start names."""
    by: dict[str, int] = {}
    if run.conclude and scene.view.covers(run.conclusion):
        named = set(run.conclude.start.notes)
        for note in scene.histories[run.test.party].seen:
            allowed = scene.view.notes is None or note.digest in scene.view.notes
            if note.digest in named and allowed and note.size > run.registration.index:
                by[note.witness] = min(by.get(note.witness, note.at), note.at)
    holds = len(by) >= scene.plan.quorum > 0 and run.conclusion is not None and scene.witnessed(run.conclusion)
    for scoring in run.scorings:
        if scoring.counted and scene.view.covers(scoring.entry):
            holds = holds and scene.witnessed(scoring.entry)
    return {
        "by": [{"at": encode_time(at), "witness": witness} for witness, at in sorted(by.items())],
        "holds": _word(holds),
        "needed": scene.plan.quorum,
    }


def _complete(scene: Scene, run: Run) -> Fact:
    """F-3: every planned slot has its header line."""
    there = run.bundle is not None and scene.view.covers(run.conclusion)
    return {"holds": _word(there), "n": len(run.bundle.codes) if there and run.bundle else 0, "of": len(run.slots)}


def _checked(scene: Scene, run: Run) -> Fact:
    """F-4: spot-checked, by whom, how many, with which odds; one disputed or refused audit undoes it."""
    section = scene.plan.section(run.test.section)
    audits = [_audit_row(scene, run, trail, section) for trail in run.audits if scene.view.covers(trail.challenge)]
    states = [row["state"] for row in audits]
    good = "consistent" in states and not {"disputed", "refused"} & set(states)
    return {"audits": audits, "holds": _word(good)}


def _audit_row(scene: Scene, run: Run, trail: AuditTrail, section: Section) -> Fact:
    assert section.audit is not None  # a challenge is only read where the section has an audit
    n = min(section.audit.n, len(run.slots))
    return {
        "auditor": trail.auditor,
        "n": n,
        "odds": encode_decimal(detection_odds(len(run.slots), n, decimal(ODDS_SHARE)), 4),
        "of": len(run.slots),
        "place": section.audit.place,
        "state": _audit_state(scene, run, trail, section.audit, n),
    }


def _audit_state(scene: Scene, run: Run, trail: AuditTrail, audit: Audit, n: int) -> str:
    """A-5: who owes the next step, told by cosignatures only."""
    if trail.finding is not None and scene.view.covers(trail.finding):
        return "consistent" if finding_holds(scene.plan, trail.finding, n) else "disputed"
    if trail.opening is not None and scene.view.covers(trail.opening):
        return "opened"
    seen_at = scene.first_seen(trail.challenge).get(run.test.party)
    if seen_at is None:
        return "challenged"
    limit = seen_at + audit.answerHours * 3600
    for note in scene.histories[run.test.party].seen:
        allowed = scene.view.notes is None or note.digest in scene.view.notes
        inside = note.size <= scene.view.sizes[run.test.party]
        if note.witness == trail.auditor and note.at > limit and allowed and inside:
            return "refused"
    return "seen"


def finding_holds(plan: Plan, entry: Entry, n: int) -> bool:
    """Whether a finding is ``consistent`` over all ``n`` records and every scorer is within its tolerance (F-4, A-6)."""
    finding = entry.statement.predicate
    if not isinstance(finding, AuditFinding) or finding.verdict != "consistent":
        return False
    if finding.opened != n or finding.matched != n:
        return False
    for row in finding.rescored:
        tolerance = next((decimal(s.tolerance) for s in plan.scorers if s.id == row.scorer), decimal("0"))
        if row.n - row.agreed > tolerance * row.n:
            return False
    return True


def _repeated(scene: Scene, run: Run, runs: Sequence[Run]) -> Fact:
    """F-5: another party's complete run of the same subject and section, or an exact re-run in a finding."""
    by = sorted(
        other.test.party
        for other in runs
        if other.test.party != run.test.party
        and (other.test.subject, other.test.section) == (run.test.subject, run.test.section)
        and other.bundle is not None
        and scene.view.covers(other.conclusion)
    )
    exact = []
    for trail in run.audits:
        finding = trail.finding.statement.predicate if scene.view.covers(trail.finding) and trail.finding else None
        if isinstance(finding, AuditFinding) and finding.rerun is not None:
            exact.append({"by": trail.auditor, "equal": finding.rerun.equal, "n": finding.rerun.n})
    return {"by": by, "exact": exact, "holds": _word(bool(by or exact))}


def _attested(scene: Scene, run: Run) -> Fact:
    """F-6: attestations are listed; without a plugin that reads one it is present, not checked."""
    there = run.conclude.attestations if run.conclude and scene.view.covers(run.conclusion) else []
    return {"holds": "cannot tell" if there else "no", "kinds": [one.kind for one in there]}


def _word(holds: bool) -> str:
    return "yes" if holds else "no"


def scorings_in(view: View, run: Run) -> list[tuple[Entry, Score, str, bool]]:
    """The scorings of a run inside the view: entry, predicate, counts digest, whether it counts."""
    return [(s.entry, s.score, s.counts_sha256, s.counted) for s in run.scorings if view.covers(s.entry)]
