# SPDX-License-Identifier: Apache-2.0
"""Ending it: the joint result that the parties close, each endorsing the same numbers or reserving its position."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from detente.check.verify import Closing, Verified, verify
from detente.desk.aborting import with_reasons
from detente.desk.keys import Desk, alone, log_entry, own_log, sign_statement
from detente.desk.sent import reader_of
from detente.errors import CannotTell, WrongUsage
from detente.evidence.statements import Close
from detente.pact.plan import PlanFile
from detente.report.result import Result, closed_view, heads_now, summarise
from detente.wire.canonical import decode
from detente.wire.times import parse_time


class Closed(NamedTuple):
    """A close as it was logged: the result's digest, the position, and whether all of ``closing.by`` now agree."""

    result: str
    position: str
    final: bool
    waiting: list[str]


@alone
def close(desk: Desk, plan: PlanFile, reservation: Mapping[str, str] | None, *, anew: bool = False) -> Closed:
    """Log this lab's close (F-11): over the heads that another party closed with, if its result can be made again here.

    Otherwise, and with ``anew``, over the logs as they stand; a later common close replaces an earlier one. ``reservation``: the position in all languages of the plan's
    texts, or None to endorse; the reasons of this lab's aborted runs are laid behind it, and reserve it. Who endorses has read what was sent to it: that must be here, open and be right (P-5);
    a reservation may say that it was not. CannotTell (F-11.open) while a planned test has neither concluded nor run out of time.
    """
    if desk.party not in plan.plan.closing.by:
        raise WrongUsage("F-11.not-yours", "$.closing.by", expected=", ".join(plan.plan.closing.by), got=desk.party)
    if reservation is not None and (sorted(reservation) != sorted(plan.plan.texts) or not all(reservation.values())):
        raise WrongUsage("close-texts", "close", expected=", ".join(plan.plan.texts), got=", ".join(reservation))
    reservation = with_reasons(desk, plan, reservation)
    own_log(desk, plan)  # what a crash kept from it is signed already, and comes first (L-5)
    verified = verify(desk.exchange, plan.id, reader=reader_of(desk) if reservation is None else None)
    for error in verified.shut():
        raise error
    standing = None if anew else _standing(desk, verified)
    view = closed_view(verified, standing) if standing else verified.view()
    result = summarise(verified, view)
    if standing and result.digest != standing.result_sha256:
        raise CannotTell("F-10.differs", standing.party, expected=result.digest, got=standing.result_sha256)
    _refuse_open(verified, result)
    desk.own("results").create(f"{result.digest}.json", result.raw)
    position: Literal["endorse", "reserve"] = "endorse" if reservation is None else "reserve"
    statement = Close(
        heads=heads_now(verified, view),
        party=desk.party,
        plan=plan.id,
        position=position,
        text=dict(reservation) if reservation is not None else None,
    )
    log_entry(desk, plan, sign_statement(desk, "close", [("result.json", result.digest)], statement))
    after = verify(desk.exchange, plan.id)
    have = {c.party for c in after.closings if c.result_sha256 == result.digest}
    return Closed(
        result.digest, position, after.final == result.digest, [p for p in plan.plan.closing.by if p not in have]
    )


def _standing(desk: Desk, verified: Verified) -> Closing | None:
    """The close to join: another party's, of several the one over the longest logs; or one's own, if only it came since.

    So the same command given twice, or again after a crash, is one close.
    """
    others = [closing for closing in verified.closings if closing.party != desk.party]
    if others:
        return max(others, key=lambda closing: sum(head.size for head in closing.heads))
    own = [closing for closing in verified.closings if closing.party == desk.party]
    now = [history.view.size for history in verified.histories.values()]
    for closing in reversed(own):
        since = sum(now) - sum(head.size for head in closing.heads)
        if since == sum(other.index >= closing.index for other in own):
            return closing
    return None


def _refuse_open(verified: Verified, result: Result) -> None:
    """A close speaks of what has ended: each planned test concluded, or over by the clocks of others (R-11).

    Over, for a test that was never registered, is told as for a run: somebody else's note over its
    party's log from after the deadline. A run that is over is ``unfinished`` and not ``open``.
    """
    plan, view = verified.plan.plan, result.view
    deadline = parse_time(plan.runs.deadline)
    rows = decode(result.raw)["runs"]
    for test in plan.tests:
        name = (test.party, test.subject, test.section)
        ends = [row["end"] for row in rows if (row["party"], row["subject"], row["section"]) == name]
        over = any(
            note.at > deadline
            and note.witness in plan.cosigners()
            and note.size <= view.sizes[test.party]
            and (view.notes is None or note.digest in view.notes)
            for note in verified.histories[test.party].seen
        )
        if ends[-1] == "open" if ends else not over:
            raise CannotTell(
                "F-11.open",
                f"{test.party}/{test.subject}/{test.section}",
                deadline=plan.runs.deadline,
                party=test.party,
            )
