# SPDX-License-Identifier: Apache-2.0
"""An auditor's second look at a judge's labels: the shown transcripts are read again, and, with the models at hand, asked again (C-1, A-6).

desk/rejudged/<run>/<scorer>/1.1/ ...   what this lab's own models said, kept until the finding is logged, so that a stopped check goes on
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from detente.check.audit import Shown
from detente.check.disclosed import Wanted, fetch
from detente.check.exchange import stored_limit, stored_pieces
from detente.check.releases import beacon, started_with
from detente.check.runs import Run, Scoring, run_folder, scores_path
from detente.desk.asking import Asking
from detente.desk.judges import asking_for, panel_of
from detente.desk.judging import Judging, Put, Work
from detente.desk.keys import Desk
from detente.desk.sent import reader_of
from detente.errors import DetenteError
from detente.evidence.lines import SCORE_LIMIT, read_whys
from detente.evidence.record import judge_seed
from detente.evidence.statements import Rescored
from detente.pact.item import Item, question_of
from detente.pact.plan import PlanFile
from detente.score.asked import Case, parse_transcript, recheck
from detente.score.judge import sampling_seed
from detente.score.panel import Panel
from detente.wire.digests import sha256


class _Opened(NamedTuple):
    """One shown record that the scoring has a line for: the case, the label that the line gives ("" for an error), the transcript if it was shown."""

    put: Put
    given: str
    line: bytes | None


def rejudge(
    desk: Desk,
    plan: PlanFile,
    told_by: tuple[Run, Scoring],
    shown: Sequence[Shown],
    items: Mapping[str, Item],
    asking: Asking,
) -> Rescored:
    """How many of the shown records with a line have a transcript that gives its label (``parsed``), and agree (``agreed``).

    A transcript counts if it is the one that the line names, asks what definition, seed and record make, and reads
    to the line's label or error. Where this lab names the judge's models they are asked again, and a label agrees
    if they give it, too; else the readable ones agree. Raises as ``Judging.ask``, and Malformed as ``panel_of``.
    """
    run, scoring = told_by
    known = plan.plan.scorer(scoring.score.scorer)
    panel, start = panel_of(desk, plan, known), beacon(run.id, started_with(run.conclude, run.releases))
    opened = list(_opened(desk, plan, told_by, shown, items))
    parsed = {one.put.i for one in opened if _reads(panel, one, judge_seed(start, known.definition, one.put.i))}
    agreed = parsed
    # What is shown outside the exchange goes to no model that was not named for this very check.
    audit = plan.plan.section(run.test.section).audit
    asked = asking_for(desk, known.id, asking) if audit is None or audit.place == "crosses" else asking
    if asked.specs and opened:
        folder = desk.folder("rejudged", run.id, known.id)
        work = Work(
            panel, lambda: [one.put for one in opened], len(opened), start, known.definition, folder.root,
            bytes.fromhex(scoring.entry.digest),
        )  # fmt: skip
        with Judging(work) as judging:
            judging.ask(asked, "audit check --judge", None)
            again = {put.i: result.label or "" for put, result in judging.verdicts()}
        agreed = {one.put.i for one in opened if one.put.i in parsed and again[one.put.i] == one.given}
    return Rescored(agreed=len(agreed), n=len(opened), parsed=len(parsed), scorer=known.id)


def forget(desk: Desk, run: str) -> None:
    """Put away what the models said of a run once the finding about it is logged."""
    shutil.rmtree(desk.folder("rejudged", run).root, ignore_errors=True)


def _opened(
    desk: Desk, plan: PlanFile, told_by: tuple[Run, Scoring], shown: Sequence[Shown], items: Mapping[str, Item]
) -> Iterator[_Opened]:
    run, scoring = told_by
    labels = scoring.labels or {}
    mine = sorted((record for record in shown if record.i in labels), key=lambda record: record.i)
    whys = _whys(desk, plan, run, scoring, [record.i for record in mine])
    for record in mine:
        slot, item = run.slots[record.i], items[record.body.item]
        lines = {sha256(line.encode()): line.encode() for line in record.opened.why}
        case = Case(question_of(item, slot.lang), record.body.output or "", slot.lang)
        yield _Opened(Put(slot.i, slot.item, slot.hazard, case), labels[record.i], lines.get(whys.get(record.i, "")))


def _whys(desk: Desk, plan: PlanFile, run: Run, scoring: Scoring, slots: Sequence[int]) -> dict[int, str]:
    """The ``why`` digests of some slots, off the signed scores file, which was read and found sound before."""
    exchange, n = desk.open_exchange(), len(run.slots)
    stored = scoring.entry.statement.subject_digests()[0]
    folder, path = (
        run_folder(exchange, scoring.entry.party, run.id),
        f"{scores_path(scoring.score.scorer, stored)}.jsonl.gz",
    )
    limit = SCORE_LIMIT * (n + 1)
    if plan.plan.section(run.test.section).withholds("scores"):
        wanted = Wanted(scoring.entry.party, run.id, path, stored)
        raw = fetch(exchange, plan, reader_of(desk), wanted, stored_limit(limit))
        return read_whys(raw or b"", n, slots, folder.place(path))
    return read_whys(stored_pieces(folder, path, limit), n, slots, folder.place(path))


def _reads(panel: Panel, one: _Opened, seed: bytes) -> bool:
    """Whether the transcript of one line was made by the rules and gives the line's label, or its error."""
    if one.line is None:
        return False
    try:
        transcript = parse_transcript(one.line, f"slot {one.put.i}")
        forms = panel.forms(one.put.hazard, seed)
        found = recheck(transcript, forms, one.put.case, sampling_seed(seed), panel.together)
    except DetenteError:
        return False
    return transcript.i == one.put.i and (found.label or "") == one.given
