# SPDX-License-Identifier: Apache-2.0
"""Answers that another harness made: registered first all the same, marked external everywhere after (R-10)."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from detente.desk.given import read_given
from detente.desk.keys import Desk
from detente.desk.plans import suite_lists
from detente.desk.runs import EXTERNAL, RunState, conclude_run, own_bundle, register_run
from detente.errors import WrongUsage
from detente.evidence.bundle import Bundle
from detente.evidence.statements import Engine
from detente.pact.plan import PlanFile, Test
from detente.pact.slots import Slots
from detente.run.external import read_answers, take_answers
from detente.run.journal import Journal
from detente.tlog.witness import Receipt
from detente.wire.digests import sha256


class Given(NamedTuple):
    """What a lab gives: the file of answers, the name and version of the harness that made them, and whether anew."""

    path: Path
    made_by: str
    again: bool = False


def import_answers(
    desk: Desk, plan: PlanFile, test: Test, given: Given, receipt: Callable[[RunState], Receipt]
) -> tuple[RunState, Bundle]:
    """Register with the file's digest, take every answer of it into the journal, conclude.

    WrongUsage (R-10.not-allowed) where the section does not allow imports, (R-10.sealed) where others' sealed
    suites are in it: a registration names the file, and their questions come after it; (R-10.other-file) if
    the run was registered over another file. Nothing is registered for a file with a slot missing.
    """
    if not plan.plan.section(test.section).external:
        raise WrongUsage("R-10.not-allowed", f"$.sections {test.section}")
    if unseen := [s.id for s in plan.plan.suites_of(test.section) if s.sealed and s.owner != desk.party]:
        raise WrongUsage("R-10.sealed", f"$.suites {unseen[0]}", got=", ".join(unseen))
    path, digest = given.path, sha256(read_given(given.path))
    engine = Engine(name=EXTERNAL, version=given.made_by, sha256=digest)
    _check_first(desk, plan, test, path)
    run = register_run(desk, plan, test, engine, again=given.again)
    if run.register.engine != engine:
        raise WrongUsage("R-10.other-file", str(path), expected=run.register.engine.sha256, got=digest)
    if run.concluded():
        return run, own_bundle(plan, run)
    held = receipt(run)
    with Journal(run.journal_path(), run.key()) as journal:
        take_answers(path, run.slots, journal)
        return run, conclude_run(desk, plan, run, held, journal)


def _check_first(desk: Desk, plan: PlanFile, test: Test, path: Path) -> None:
    """The whole file is judged before a registration is spent on it."""
    read_answers(path, Slots(plan.plan, test.section, suite_lists(desk.open_exchange(), plan)))
