# SPDX-License-Identifier: Apache-2.0
"""Sealed suites: which party had been handed which text when it registered, and releases that came too early (R-2, R-3).

No clock decides whether a run knew its questions: a release names the size that the tester's log had when
the text was handed over, and a registration at or behind that size came after (R-3).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from detente.check.chain import Generation
from detente.check.exchange import Entry, Violation
from detente.check.facts import Scene, View
from detente.check.ledger import Ledger
from detente.check.releases import Notes, Released
from detente.check.runs import Run
from detente.evidence.statements import Register, Release
from detente.pact.plan import Plan, Test
from detente.pact.variants import family
from detente.wire.times import parse_time


class Handed(NamedTuple):
    """A text that left its owner: to whom, when its log had how many entries, which suites."""

    to: str
    size: int
    suites: frozenset[str]


def handed_over(ledger: Ledger, notes: Mapping[str, Notes]) -> list[Handed]:
    """Every release of sealed suites over a size of the receiver's log that the releaser had cosigned (R-3, T-4).

    Whether the release was a lawful one does not matter here: the text was out.
    """
    registered = {
        entry.digest: entry
        for rows in ledger.entries.values()
        for entry in rows
        if isinstance(entry.statement.predicate, Register)
    }
    found = []
    for rows in ledger.entries.values():
        for entry in rows:
            release = entry.statement.predicate
            run = registered.get(release.run) if isinstance(release, Release) else None
            if isinstance(release, Release) and run and (entry.party, release.size) in notes[run.party].used:
                found.append(Handed(run.party, release.size, frozenset(row.suite for row in release.sealed)))
    return found


def handed_before(plan: Plan, chain: Sequence[Generation], view: View) -> list[Handed]:
    """The plan's sealed suites that were released under an earlier plan of the chain, told by their lists (P-11, R-3).

    Where the receiver's log did not go on, all that it registers now came after.
    """
    ours = {suite.list: suite.id for suite in plan.suites if suite.sealed}
    found = []
    for generation in chain if ours else ():
        logs = {log.party: log for log in generation.logs}
        lists = {suite.id: suite.list for suite in generation.plan.plan.suites}
        rows = [entry for log in generation.logs for entry in log.entries if entry.index < log.limit(view)]
        to = {entry.digest: entry.party for entry in rows if isinstance(entry.statement.predicate, Register)}
        for entry in rows:
            release = entry.statement.predicate
            if not isinstance(release, Release) or release.run not in to:
                continue
            log = logs[to[release.run]]
            suites = {ours[lists[row.suite]] for row in release.sealed if lists.get(row.suite) in ours}
            if suites and any((note.witness, note.size) == (entry.party, release.size) for note in log.notes_in(view)):
                found.append(Handed(log.party, release.size if log.goes_on else 0, frozenset(suites)))
    return found


def apart(plan: Plan, run: Run, handed: Sequence[Handed]) -> dict[str, str]:
    """The sealed suites of a run whose numbers stand apart: {suite: ``own`` | ``known``}, plan order (S-5, R-3).

    ``own``: its tester owns it; ``known``: the text was released to the tester before it registered this run.
    """
    read = {
        suite
        for one in handed
        if one.to == run.test.party and run.registration.index >= one.size
        for suite in one.suites
    }
    known = {suite.id for suite in family(plan, read)}
    found = {}
    for suite in plan.suites_of(run.test.section):
        if suite.sealed and suite.owner == run.test.party:
            found[suite.id] = "own"
        elif suite.sealed and suite.id in known:
            found[suite.id] = "known"
    return found


def early_releases(scene: Scene, runs: Sequence[Run]) -> list[Violation]:
    """Releases of sealed suites that somebody saw before every planned test of them was registered and cosigned (R-2).

    Told by the times of cosignatures alone: a witness held the release not later than ``registerBy``, and
    the releaser itself had not cosigned one of the registrations by then (its own: not logged it before).
    """
    limit = parse_time(scene.plan.runs.registerBy)
    by_test: dict[Test, list[Run]] = {}
    for run in runs:
        by_test.setdefault(run.test, []).append(run)
    found = []
    for run in runs:
        for one in run.releases:
            seen_at = min(scene.first_seen(one.entry).values(), default=limit + 1)
            if not one.release.sealed or seen_at > limit:
                continue
            asked = {suite.section for suite in family(scene.plan, (row.suite for row in one.release.sealed))}
            tests = [test for test in scene.plan.tests if test.section in asked]
            if not all(_held(scene, by_test.get(test, []), one, seen_at) for test in tests):
                found.append(Violation(one.entry.party, one.entry.index, "R-2.early"))
    return found


def _held(scene: Scene, runs: Sequence[Run], released: Released, seen_at: int) -> bool:
    """Whether the releaser held a registration of a test by then."""
    by: Entry = released.entry
    return any(
        run.registration.index < by.index
        if run.test.party == by.party
        else any(
            note.witness == by.party and note.size > run.registration.index and note.at <= seen_at
            for note in scene.notes[run.test.party]
        )
        for run in runs
    )
