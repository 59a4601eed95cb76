# SPDX-License-Identifier: Apache-2.0
"""Letting the others start: one signed release for each registered run that this lab's witness has cosigned (R-2, R-4).

A release holds 32 random bytes that nobody knew when the run was registered; the run's seeds come
from them (R-5). It names the size of the tester's log that this lab had cosigned (T-4). With it go this
lab's sealed suites, whole, encrypted to the tester, but not before every planned test of them is
registered, or the time to register is over: else a lab could read them first and register afterwards.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

from detente.check.exchange import Entry, History, read_entries, read_history
from detente.check.releases import sealed_by
from detente.desk.keys import Desk, alone, log_entry, own_log, sign_statement
from detente.desk.plans import suite_lists
from detente.desk.sealed import own_items
from detente.errors import CannotTell, DetenteError, WrongUsage
from detente.evidence.statements import Register, Release, SealedText
from detente.pact.chain import sealed_path
from detente.pact.item import encode_suite
from detente.pact.plan import Party, PlanFile, Suite, Test
from detente.pact.seal import seal
from detente.pact.variants import family
from detente.wire.digests import sha256
from detente.wire.keys import new_seed
from detente.wire.lines import compress
from detente.wire.times import parse_time


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
    WrongUsage (R-2.not-releaser, R-2.no-run); told as CannotTell is what is not cosigned yet (R-2.unseen), and
    what must wait because others have not registered yet (R-2.early).
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
            rows.append(_release_or_tell(desk, plan, one, one.size))
    return rows


def _release_or_tell(desk: Desk, plan: PlanFile, one: Awaiting, size: int) -> Row:
    """One run released, or why it has to wait."""
    suites = sealed_by(plan.plan, one.test.section, desk.party)
    try:
        if suites:
            refuse_early(desk, plan, suites)
        handed = [_hand_over(desk, plan, plan.plan.suite(suite), one.party) for suite in suites]
    except DetenteError as error:
        return Row(one.party, one.run, None, new=False, trouble=error)
    statement = Release(beacon=new_seed().hex(), party=desk.party, plan=plan.id, run=one.run, sealed=handed, size=size)
    entry = sign_statement(desk, "release", [("register.json", one.run)], statement)
    log_entry(desk, plan, entry)
    return Row(one.party, one.run, sha256(entry), new=True, trouble=None)


def refuse_early(desk: Desk, plan: PlanFile, suites: Sequence[str]) -> None:
    """CannotTell (R-2.early) names the planned tests of these suites that are not registered as far as this lab has cosigned.

    A test of a variant of one, or of what one is a variant of, asks the same questions and is waited for, too.

    After ``registerBy``, by this lab's clock, nobody is waited for any more (R-2).
    """
    if int(time.time()) > parse_time(plan.plan.runs.registerBy):
        return
    held: set[Test] = set()
    for party in plan.plan.parties:
        history = None if party.id == desk.party else read_history(desk.open_exchange(), party, plan)
        view = own_log(desk, plan) if history is None else history.view
        for entry in read_entries(party, view, plan)[0]:
            register = entry.statement.predicate
            if isinstance(register, Register) and (history is None or _cosigned(desk, history, entry)):
                held.add(Test(register.subject, register.section, party.id))
    sections = {suite.section for suite in family(plan.plan, suites)}
    waiting = [test for test in plan.plan.tests if test.section in sections and test not in held]
    if waiting:
        owing = ", ".join(f"{test.party} ({test.subject}/{test.section})" for test in waiting)
        raise CannotTell(
            "R-2.early", f"$.tests {', '.join(sorted(sections))}", owing=owing, until=plan.plan.runs.registerBy
        )


def _text(desk: Desk, plan: PlanFile, suite: Suite) -> bytes:
    """A sealed suite of this lab as a suite text file (S-2); WrongUsage (S-5.not-sealed-here)."""
    items = own_items(desk, suite, suite_lists(desk.open_exchange(), plan)[suite.id])
    if items is None:
        raise WrongUsage("S-5.not-sealed-here", f"$.suites {suite.id}", got=suite.id)
    return encode_suite(suite.id, plan.plan.canary, items)


def _hand_over(desk: Desk, plan: PlanFile, suite: Suite, to: str) -> SealedText:
    """The suite's text in this lab's outbox, for the tester's eyes alone; what lies there already is what is named."""
    plain = _text(desk, plan, suite)
    path, own = f"outbox/{sealed_path(plan, to, sha256(plain))}", desk.own()
    # age is randomised: after a crash, or for a second run, the file that lies there is the one to log.
    sealed = own.read(path) if own.exists(path) else seal(plain, plan.plan.party(to).recipient)
    own.create(path, sealed)
    return SealedText(age=sha256(sealed), suite=suite.id, text=sha256(plain))


@alone
def reveal(desk: Desk, plan: PlanFile, suite: str) -> str:
    """Lay a sealed suite of this lab open for everybody, with its variants and what it is a variant of (S-5); where it lies.

    Twice is once.
    WrongUsage (S-5.not-yours), CannotTell (R-2.early) while a planned test of it may still be registered.
    """
    own = {one.id: one for one in plan.plan.suites if one.sealed and one.owner == desk.party}
    if suite not in own:
        raise WrongUsage("S-5.not-yours", "reveal", expected=", ".join(own) or "-", got=suite)
    refuse_early(desk, plan, [suite])
    folder = f"plans/{plan.id}/suites"
    for one in family(plan.plan, [suite]):
        desk.own().create(f"{folder}/{one.id}.jsonl.gz", compress(_text(desk, plan, one), spelled_once=True))
    return f"{desk.party}/{folder}/{suite}.jsonl.gz"


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
