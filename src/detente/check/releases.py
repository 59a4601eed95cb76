# SPDX-License-Identifier: Apache-2.0
"""V-6, releases: who let a registered run start, and whether it might (R-2, R-4, T-4).

A legal release stands in the log of a releaser of the run's section who does not test it, is about
that one registration, and names a size of the tester's log that the releaser had cosigned and that
holds the registration: so the registration was there first, whatever any clock says.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from detente.check.exchange import Entry
from detente.check.ledger import Ledger
from detente.errors import CannotTell
from detente.evidence.record import beacon_of
from detente.evidence.statements import Conclude, Release
from detente.pact.plan import Plan, Section
from detente.tlog.witness import Seen


class Released(NamedTuple):
    """One release that lets a run start: the entry in the releaser's log, and what it says."""

    entry: Entry
    release: Release


class Notes(NamedTuple):
    """The notes that others hold over one log: digests of all, (witness, size) of all and of those that may be used."""

    digests: AbstractSet[str]
    held: AbstractSet[tuple[str, int]]
    used: AbstractSet[tuple[str, int]]


def notes_over(held: Sequence[Seen], used: Iterable[Seen]) -> Notes:
    """``held``: every note over a log; ``used``: those inside the view that is looked at (F-10)."""
    digests = {note.digest for note in held}
    return Notes(digests, {(n.witness, n.size) for n in held}, {(n.witness, n.size) for n in used})


def needed(section: Section, tester: str) -> list[str]:
    """Whose releases a run waits for: every releaser of the section but the tester itself (R-4)."""
    return [id_ for id_ in section.releasers if id_ != tester]


def releases_of(ledger: Ledger, registration: Entry, section: Section, notes: Notes) -> list[Released]:
    """The legal releases of one run, one a releaser, in the plan's order of parties; the others are listed (T-3)."""
    found = []
    for party in ledger.plan.plan.parties:
        rows = []
        for entry, release in ledger.of(party.id, Release, registration.digest):
            if code := _illegal(ledger.plan.plan, (entry, release), registration, section, notes):
                ledger.refuse(entry, code)
            else:
                rows.append((entry, release))
        if kept := ledger.first(rows):
            found.append(Released(*kept))
    return found


def _illegal(plan: Plan, row: tuple[Entry, Release], registration: Entry, section: Section, notes: Notes) -> str | None:
    """Why an entry is no release of this run: the last question is the one that a note not here leaves open."""
    entry, release = row
    if entry.party not in needed(section, registration.party):
        return "R-2.releaser"
    if entry.statement.subject_digests() != [registration.digest]:
        return "R-2.subject"
    if sorted(row.suite for row in release.sealed) != sorted(sealed_by(plan, section.id, entry.party)):
        return "R-2.sealed"
    if release.size <= registration.index:
        return "T-4.size"
    return None if (entry.party, release.size) in notes.used else "T-4.note"


def sealed_by(plan: Plan, section: str, owner: str) -> list[str]:
    """The sealed suites of a section that a party owns and its releases carry, whole, in plan order (R-2)."""
    return [suite.id for suite in plan.suites_of(section) if suite.sealed and suite.owner == owner]


def started_with(conclude: Conclude | None, releases: Sequence[Released]) -> list[Released]:
    """Of a run's legal releases those that its conclusion names, in the plan's order."""
    named = set(conclude.start.releases) if conclude else set()
    return [one for one in releases if one.entry.digest in named]


def is_start(
    ledger: Ledger, run: tuple[Entry, Section], conclude: Conclude, releases: Sequence[Released], notes: Notes
) -> bool:
    """Whether what a run says it started with are legal releases of it, each once, in the plan's order (R-4).

    ``run``: its registration and section. Raises CannotTell (R-4.release, T-4.note) if it names an
    envelope, or one that names a note, that has not come here.
    """
    registration, section = run
    if len(conclude.start.releases) > len(needed(section, registration.party)):
        return False
    place = f"{registration.party}/log #{registration.index}"
    for digest in conclude.start.releases:
        if digest not in ledger.held:
            raise CannotTell("R-4.release", place, expected=digest)
    for party in ledger.entries:
        for entry, release in ledger.of(party, Release, registration.digest):
            lacks = _illegal(ledger.plan.plan, (entry, release), registration, section, notes) == "T-4.note"
            if entry.digest in conclude.start.releases and lacks and (party, release.size) not in notes.held:
                raise CannotTell("T-4.note", place, expected=f"{party}/mirror {release.size}")
    return conclude.start.releases == [one.entry.digest for one in started_with(conclude, releases)]


def lacks_release(section: Section, tester: str, started: Sequence[Released]) -> bool:
    """Whether a run started without the release of some releaser (R-4): then nobody let it start."""
    return not set(needed(section, tester)) <= {one.entry.party for one in started}


def beacon(run: str, started: Sequence[Released]) -> bytes:
    """A run's 32-byte beacon (R-5), from the releases it started with."""
    return beacon_of(run, [one.release.beacon for one in started])
