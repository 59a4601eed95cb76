# SPDX-License-Identifier: Apache-2.0
"""Letting the others start: one signed release for each registered run that this lab's witness has cosigned (R-2, R-4).

A release holds 32 random bytes that nobody knew when the run was registered; the run's seeds come
from them (R-5). It names the size of the tester's log that this lab had cosigned (T-4).
"""

from typing import NamedTuple

from detente.check.exchange import Entry, History, read_entries, read_history
from detente.desk.keys import Desk, alone, log_entry, own_log, sign_statement
from detente.errors import CannotTell, DetenteError, WrongUsage
from detente.evidence.statements import Register, Release
from detente.pact.plan import Party, PlanFile, Test
from detente.wire.digests import sha256
from detente.wire.keys import new_seed


class Awaiting(NamedTuple):
    """A registered run of another party in a section that this lab releases.

    ``size``: the newest size of its log that this lab has cosigned with the registration in it, None before that.
    """

    run: str
    party: str
    test: Test
    size: int | None


class Row(NamedTuple):
    """What became of one run, or of a party whose log could not be read (``run`` None, ``trouble`` says why)."""

    party: str
    run: str | None
    digest: str | None
    new: bool
    trouble: DetenteError | None


@alone
def release(desk: Desk, plan: PlanFile, prefix: str | None) -> list[Row]:
    """Release every run of the others that waits for this lab and that its witness has cosigned, or the one named.

    One that was released before is told and nothing more: a run has one release of this lab (R-2).
    WrongUsage (R-2.not-releaser, R-2.no-run); what is not cosigned yet is told as CannotTell (R-2.unseen).
    """
    if not any(desk.party in section.releasers for section in plan.plan.sections):
        raise WrongUsage("R-2.not-releaser", "$.sections", got=desk.party)
    before = _released(desk, plan)
    rows: list[Row] = []
    found: list[Awaiting] = []
    for party in plan.plan.parties:
        if party.id != desk.party:
            try:
                found += _awaiting(desk, plan, party)
            except DetenteError as error:
                rows.append(Row(party.id, None, None, new=False, trouble=error))
    fits = [one for one in found if one.run.startswith(prefix or "")]
    if prefix and len(fits) != 1:
        known = " ".join(one.run[:16] for one in found) or "-"
        raise WrongUsage("R-2.no-run", str(desk.exchange), expected=known, got=prefix)
    for one in fits:
        if one.run in before:
            rows.append(Row(one.party, one.run, before[one.run], new=False, trouble=None))
        elif one.size is None:
            unseen = CannotTell("R-2.unseen", f"{one.party}/log", run=one.run[:16], party=one.party)
            rows.append(Row(one.party, one.run, None, new=False, trouble=unseen))
        else:
            digest = _release(desk, plan, one.run, one.size)
            rows.append(Row(one.party, one.run, digest, new=True, trouble=None))
    return rows


def _released(desk: Desk, plan: PlanFile) -> dict[str, str]:
    """The lab's release of each run so far: {run: envelope digest}, after what a crash kept from the log (L-5)."""
    entries, _ = read_entries(desk.me(plan), own_log(desk, plan), plan)
    found: dict[str, str] = {}
    for entry in entries:
        if isinstance(entry.statement.predicate, Release):
            found.setdefault(entry.statement.predicate.run, entry.digest)
    return found


def _awaiting(desk: Desk, plan: PlanFile, party: Party) -> list[Awaiting]:
    """The party's registered runs of planned tests in sections that this lab releases, in log order."""
    history = read_history(desk.open_exchange(), party, plan)
    entries, _ = read_entries(party, history.view, plan)
    found = []
    for entry in entries:
        register = entry.statement.predicate
        if isinstance(register, Register):
            test = Test(register.subject, register.section, party.id)
            if test in plan.plan.tests and desk.party in plan.plan.section(test.section).releasers:
                found.append(Awaiting(entry.digest, party.id, test, _cosigned(desk, history, entry)))
    return found


def _cosigned(desk: Desk, history: History, entry: Entry) -> int | None:
    """The newest size of a log that this lab cosigned, if the entry is under it (T-4)."""
    size = max((note.size for note in history.seen if note.witness == desk.party), default=0)
    return size if size > entry.index else None


def _release(desk: Desk, plan: PlanFile, run: str, size: int) -> str:
    statement = Release(beacon=new_seed().hex(), party=desk.party, plan=plan.id, run=run, sealed=[], size=size)
    entry = sign_statement(desk, "release", [("register.json", run)], statement)
    log_entry(desk, plan, entry)
    return sha256(entry)
