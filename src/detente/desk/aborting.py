# SPDX-License-Identifier: Apache-2.0
"""Giving a run up in the open: an aborted conclusion in the log at once (T-5), and its reason for this lab's close (F-11).

    desk/runs/<run>/reason.json    why, in every language of the plan's texts; before anything is signed

The attempt is used up and stays in every report as "no result". The answers so far stay on the desk; nobody reads them.
"""

import time
from collections.abc import Mapping

from detente.desk.keys import Desk, alone, log_entry, own_log, sign_statement
from detente.desk.runs import EXTERNAL, RunState, runs_of
from detente.errors import WrongUsage
from detente.evidence.statements import Conclude, OutcomeCounts, Start
from detente.pact.plan import PlanFile
from detente.run.journal import glance, held_journal
from detente.tlog.folder import Folder
from detente.wire.canonical import decode, decode_as, encode
from detente.wire.digests import sha256_of
from detente.wire.times import encode_time

REASON = "reason.json"


@alone
def abort_run(desk: Desk, plan: PlanFile, run: RunState, reason: Mapping[str, str]) -> None:
    """Sign that the run is given up, and log it; the same call goes on after a crash, and signs nothing twice.

    ``reason``: in all languages of the plan's texts. WrongUsage: ``abort-texts``; ``abort-concluded`` for a run whose
    answers are fixed; ``journal-busy`` while it is asked.
    """
    if sorted(reason) != sorted(plan.plan.texts) or not all(reason.values()):
        raise WrongUsage("abort-texts", "--reason", expected=", ".join(plan.plan.texts), got=", ".join(reason) or "-")
    with held_journal(run.journal_path()):  # nobody asks, and nobody begins to, until it is signed
        if run.concluded() and not run.aborted():
            raise WrongUsage("abort-concluded", run.id[:16], run=run.id[:16])
        if not run.concluded():
            old = run.folder.read(REASON) if run.folder.exists(REASON) else None
            run.folder.swap(REASON, old, encode(dict(reason)))
            run.out().create("conclude.json", _signed(desk, plan, run))
    entry = run.out().read("conclude.json")
    if entry not in own_log(desk, plan).entries:
        log_entry(desk, plan, entry)


def _signed(desk: Desk, plan: PlanFile, run: RunState) -> bytes:
    folder, now = run.folder, encode_time(int(time.time()))
    begun = folder.exists("start.json")
    counts, journal = glance(run.journal_path()), Folder(run.journal_path())
    kept = run.register.engine.name != EXTERNAL and journal.exists("trace.jsonl")
    conclusion = Conclude(
        attestations=[],
        finishedAt=now,
        outcomes=OutcomeCounts(**counts._asdict()),
        party=desk.party,
        plan=plan.id,
        root=None,
        run=run.id,
        start=decode_as(folder.read("start.json"), Start, folder.place("start.json")) if begun else Start([], []),
        startedAt=folder.read("started-at").decode() if folder.exists("started-at") else now,
        status="aborted",
        trace=sha256_of(journal.pieces("trace.jsonl")) if kept else None,
    )
    return sign_statement(desk, "conclude", [("register.json", run.id)], conclusion)


def with_reasons(desk: Desk, plan: PlanFile, given: Mapping[str, str] | None) -> dict[str, str] | None:
    """A reservation with the reasons of this lab's aborted runs behind it, in log order; None where there is neither."""
    text = {tag: [given[tag]] if given is not None else [] for tag in plan.plan.texts}
    for run in runs_of(desk, plan):
        if run.logged is not None and run.folder.exists(REASON):
            reason = decode(run.folder.read(REASON), run.folder.place(REASON))
            for tag, lines in text.items():
                lines.append(f"{run.test.subject}/{run.test.section} {run.id[:16]}: {reason[tag]}")
    joined = {tag: "\n".join(lines) for tag, lines in text.items()}
    return joined if all(joined.values()) else None
