# SPDX-License-Identifier: Apache-2.0
"""Every legal statement of every log, by author, kind and run; and what counts for nothing, with the reason (T-3, L-8).

A ledger can be cut at earlier sizes of the logs. Whatever is read from a cut one follows from
those entries alone, so a result stays what it was however the logs go on (F-10).
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

from detente.check.exchange import Entry, Violation
from detente.evidence.statements import Accept
from detente.pact.plan import PlanFile

P = TypeVar("P")


class Ledger:
    """The entries that V-3 found legal, and a place for each: it counts, or it is listed. None is passed over."""

    def __init__(
        self,
        plan: PlanFile,
        entries: Mapping[str, Sequence[Entry]],
        violations: Sequence[Violation] = (),
        held: AbstractSet[str] = frozenset(),
        moved: Mapping[str, int] | None = None,
    ) -> None:
        """``violations``: the entries that V-3 refused; others are added as the steps meet them.

        ``held``: the digests of all envelopes of all logs, legal or not and beyond any cut. One that
        a statement names and that is not among them has not come here (L-7).
        ``moved``: per party, where its log first holds its acceptance of a plan that supersedes this one (P-11).
        """
        self.plan = plan
        self.held = held
        self.moved = moved or {}
        self.entries = entries
        self.violations = list(violations)
        self._unread = tuple(violations)
        self._placed: set[tuple[str, int]] = set()
        self._rows: dict[tuple[str, type, str | None], list[Entry]] = {}
        for party, rows in entries.items():
            for entry in rows:
                self._rows.setdefault((party, type(entry.statement.predicate), run_of(entry)), []).append(entry)

    def cut(self, sizes: Mapping[str, int]) -> "Ledger":
        """The ledger as it was when each party's log had that size: nothing counted or refused yet."""
        entries = {
            party: [entry for entry in rows if entry.index < sizes.get(party, 0)]
            for party, rows in self.entries.items()
        }
        unread = [row for row in self._unread if row.index < sizes.get(row.party, 0)]
        return Ledger(self.plan, entries, unread, self.held, self.moved)

    def of(self, party: str, kind: type[P], run: str | None = None) -> list[tuple[Entry, P]]:
        """A party's statements of one kind, in log order; ``run``: for the kinds that name a run, those about it."""
        rows = [(entry, entry.statement.predicate) for entry in self._rows.get((party, kind, run), ())]
        return [(entry, predicate) for entry, predicate in rows if isinstance(predicate, kind)]

    def place(self, entry: Entry) -> None:
        """Note that an entry has its place, whether or not it is the one that counts."""
        self._placed.add((entry.party, entry.index))

    def refuse(self, entry: Entry, code: str) -> None:
        """List an entry that counts for nothing (L-8)."""
        self.place(entry)
        self.violations.append(Violation(entry.party, entry.index, code))

    def first(self, rows: Iterable[tuple[Entry, P]]) -> tuple[Entry, P] | None:
        """The first of entries that may exist once; the rest are listed (T-3)."""
        kept: tuple[Entry, P] | None = None
        for entry, predicate in rows:
            if kept is None:
                kept = (entry, predicate)
                self.place(entry)
            else:
                self.refuse(entry, "T-3.twice")
        return kept

    def acceptances(self) -> dict[str, Entry]:
        """V-4: each party's acceptance of this plan, by party (P-2)."""
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

    def refuse_rest(self, runs: Iterable[str]) -> None:
        """List every entry that no step gave a place: about a run that nobody registered, or about nothing that counts."""
        known = {None, *runs}
        for rows in self.entries.values():
            for entry in rows:
                if (entry.party, entry.index) not in self._placed:
                    self.refuse(entry, "T-2.stray" if run_of(entry) in known else "T-3.no-run")


def run_of(entry: Entry) -> str | None:
    """The run that a statement is about; None for acceptances, registrations and closes, which name none."""
    run: str | None = getattr(entry.statement.predicate, "run", None)
    return run
