# SPDX-License-Identifier: Apache-2.0
"""What a blind plan keeps on the desk for a while: scorings, until nobody's answers can still be changed by them (C-6)."""

import time

from detente.check.exchange import Entry, read_entries, read_history
from detente.check.ledger import Ledger
from detente.check.releases import Notes, notes_over
from detente.check.runs import Run, Shelf, read_registrations
from detente.desk.keys import Desk
from detente.desk.plans import suite_lists
from detente.errors import DetenteError
from detente.pact.plan import PlanFile, Test
from detente.wire.times import parse_time


def waits_for(desk: Desk, plan: PlanFile, ending: str) -> list[str]:
    """Whose tests keep a blind plan's scorings back, as PARTY/SUBJECT/SECTION; none if the plan is not blind.

    A test is waited for while a registered run of it has no conclusion, or while nobody has
    registered it and ``registerBy`` has not come; and if its party's log cannot be read. After the
    deadline nothing is. ``ending``: the id of the run whose conclusion is about to be logged.
    """
    now, runs = time.time(), plan.plan.runs
    if not plan.plan.blind or now > parse_time(runs.deadline):
        return []
    known = _runs(desk, plan)
    early = now <= parse_time(runs.registerBy)
    return [_name(test) for test in plan.plan.tests if _is_waited_for(test, known, ending, early=early)]


def _is_waited_for(test: Test, known: list[Run] | None, ending: str, *, early: bool) -> bool:
    of_test = [run for run in known or [] if run.test == test]
    unfinished = any(run.conclusion is None and run.id != ending for run in of_test)
    return known is None or unfinished or (early and not of_test)


def _runs(desk: Desk, plan: PlanFile) -> list[Run] | None:
    """Every registered run with its conclusion, as far as V-6 reads them; None where some log cannot be read."""
    exchange = desk.open_exchange()
    entries: dict[str, list[Entry]] = {}
    notes: dict[str, Notes] = {}
    try:
        for party in plan.plan.parties:
            history = read_history(exchange, party, plan)
            entries[party.id], _ = read_entries(party, history.view, plan)
            notes[party.id] = notes_over(history.seen, history.seen)
        return read_registrations(Ledger(plan, entries), Shelf(exchange, suite_lists(exchange, plan), {}), notes)
    except DetenteError:
        return None  # what cannot be read may be open: it is waited for, and nothing else of publishing is


def _name(test: Test) -> str:
    return f"{test.party}/{test.subject}/{test.section}"
