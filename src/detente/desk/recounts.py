# SPDX-License-Identifier: Apache-2.0
"""Counting again for those who cannot: what was sent to this lab alone is read, recounted, and the finding logged for everybody (C-7, F-3, T-6)."""

from collections.abc import Callable
from typing import NamedTuple

from detente.check.facts import recounted_by
from detente.check.runs import Run, Scoring
from detente.check.verify import Verified, verify
from detente.desk.keys import Desk, alone, log_entry, own_log, sign_statement
from detente.desk.sent import reader_of
from detente.errors import CannotTell, DetenteError, NotVerified
from detente.evidence.statements import AuditFinding
from detente.pact.plan import PlanFile

# Another file than the signed one may come from anybody who can write into the folder: no reason to accuse the tester.
UNBOUND = ("P-5.", "L-4.", "file-")


class Recounted(NamedTuple):
    """One run recounted: whose, how many scorings, what was logged, and whether just now."""

    run: str
    party: str
    scorings: int
    verdict: str
    new: bool
    why: DetenteError | None = None


@alone
def recount(
    desk: Desk, plan: PlanFile, prefix: str | None, told: Callable[[DetenteError], None] | None = None
) -> list[Recounted]:
    """Recount every scoring of the others that not everybody can, or those of the run named, and log what came out.

    ``disputed`` is logged only where the very files that the tester signed contradict it. A file that has not
    come, does not open or is another one is told (``told``) and nothing is logged; it is raised if nothing else
    was done. What is logged already is told again. CannotTell (C-7.nothing) where nothing is withheld.
    """
    own_log(desk, plan)  # what a crash kept from it is signed already, and comes first (L-5)
    verified = verify(desk.exchange, plan.id)
    rows: list[Recounted] = []
    waiting: list[DetenteError] = []
    for run in verified.runs:
        section = plan.plan.section(run.test.section)
        theirs = [scoring for scoring in run.scorings if scoring.entry.party != desk.party]
        apart = section.withholds("headers") or section.withholds("scores")
        if not apart or run.test.party == desk.party or not theirs or not run.id.startswith(prefix or ""):
            continue
        try:
            rows += _recount(desk, plan, verified, run, theirs)
        except DetenteError as error:
            waiting.append(error)
    if not rows:
        raise waiting[0] if waiting else CannotTell("C-7.nothing", str(desk.exchange), got=prefix or "-")
    for one in waiting:
        if told:
            told(one)
    return rows


def _recount(desk: Desk, plan: PlanFile, verified: Verified, run: Run, theirs: list[Scoring]) -> list[Recounted]:
    """One run: what this lab logged of it before, then what it has not counted yet."""
    rows, due = [], []
    for scoring in theirs:
        mine = [finding for by, finding in recounted_by(run, scoring) if by == desk.party]
        if mine:
            rows.append(Recounted(run.id, run.test.party, 1, mine[-1].verdict, new=False))
        else:
            due.append(scoring)
    if not due:
        return rows
    why: NotVerified | None = None
    try:
        verified.read_by(run, reader_of(desk))
    except NotVerified as error:
        if error.code.startswith(UNBOUND):
            raise
        why = error
    finding = AuditFinding(
        details=None, matched=0, opened=0, party=desk.party, plan=plan.id, recounted=True, rerun=None, rescored=[],
        run=run.id, verdict="disputed" if why else "consistent",
    )  # fmt: skip
    subjects = [("score.json", scoring.entry.digest) for scoring in due]
    log_entry(desk, plan, sign_statement(desk, "audit", subjects, finding))
    return [*rows, Recounted(run.id, run.test.party, len(due), finding.verdict, new=True, why=why)]
