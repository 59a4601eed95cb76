# SPDX-License-Identifier: Apache-2.0
"""The walk from a number back to bytes that someone signed before they knew it: what ``detente trace`` prints."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from detente.check.facts import View
from detente.check.runs import Run, Scoring
from detente.check.verify import Verified
from detente.errors import WrongUsage
from detente.report.joint import Step, Walk
from detente.wire.times import encode_time


def walks(verified: Verified, view: View, result: Mapping[str, Any]) -> list[Walk]:
    """One walk per headline number: every rate and gap over all hazards, in the plan's own view of filtered answers."""
    found: list[Walk] = []
    runs = {run.id: run for run in verified.runs}
    for name in ("rates", "gaps"):
        for row in result[name]:
            if row["hazard"] is None and row["view"] == verified.plan.plan.filtered:
                langs = row["langs"] if name == "gaps" else [row["lang"]]
                steps = _steps(verified, view, runs[row["run"]], row, langs)
                found.append({"run": row["run"], "measure": row["measure"], "langs": langs, "steps": steps})
    return found


class Named(NamedTuple):
    """A walk with the name that people give its number (``lab-a/did-not-refuse/en``) and, because names are not unique, its run."""

    name: str
    run: str
    walk: Walk


def named(walks: Sequence[Walk], result: Mapping[str, Any]) -> list[Named]:
    """The walks with their names: PARTY/MEASURE/LANG, or LANG-LANG for a gap; two runs of one party share them."""
    parties = {row["run"]: row["party"] for row in result["runs"]}
    return [Named(f"{parties[w['run']]}/{w['measure']}/{'-'.join(w['langs'])}", w["run"], w) for w in walks]


def pick(walks: Sequence[Named], result: Mapping[str, Any], number: str | None, run: str | None) -> Named:
    """The walk of a number; the first there is if no name is given. ``run``: how the id of its run starts.

    WrongUsage lists the choices: no-such-number, no-such-run, number-of-several.
    """
    of_run = [one for one in walks if one.run.startswith(run or "")]
    there = {one.run for one in of_run}
    if run is not None and len(there) != 1:
        raise WrongUsage("no-such-run", "--run", expected=_runs(walks, result), got=run or "-")
    fits = [one for one in of_run if number in {None, one.name}]
    if not fits:
        names = list(dict.fromkeys(one.name for one in of_run))
        near = get_close_matches(str(number), names, n=4, cutoff=0.5) or names
        raise WrongUsage("no-such-number", "trace", expected=" ".join(near), got=number)
    if number is not None and len({one.run for one in fits}) > 1:
        raise WrongUsage("number-of-several", "--run", expected=_runs(fits, result), got=number)
    return fits[0]


def _runs(walks: Sequence[Named], result: Mapping[str, Any]) -> str:
    """The runs of these walks, each with what tells it from the others: its subject, and which attempt it was."""
    runs = {one.run for one in walks}
    rows = [row for row in result["runs"] if row["run"] in runs]
    return ", ".join(f"{row['run'][:16]} ({row['party']}/{row['subject']} #{row['attempt']})" for row in rows)


def _steps(verified: Verified, view: View, run: Run, row: Mapping[str, Any], langs: Sequence[str]) -> list[Step]:
    measure = next(m for m in verified.plan.plan.measures if m.id == row["measure"])
    scoring = next(s for s in run.scorings if s.counted and s.score.scorer == measure.scorer)
    conclusion, conclude = run.conclusion, run.conclude
    assert conclusion is not None  # a counted run has concluded
    assert conclude is not None
    steps: list[Step] = [_number(row, langs)]
    steps.append(_step("C-7", "counts", sha256=scoring.counts_sha256, path=_counts_path(run, scoring)))
    steps.append(
        _step("C-6", "score", party=scoring.entry.party, index=scoring.entry.index, sha256=scoring.entry.digest)
    )
    stored = conclusion.statement.subject_digests()[0]
    steps.append(
        _step(
            "R-7", "headers" if run.bundle else "headers-withheld", n=len(run.slots), sha256=stored, root=conclude.root
        )
    )
    steps.append(_step("T-5", "conclude", party=conclusion.party, index=conclusion.index, sha256=conclusion.digest))
    steps.append(_step("R-1", "register", party=run.test.party, index=run.registration.index, sha256=run.id))
    for note in view.notes_over(run.test.party, verified.histories[run.test.party]):
        if note.digest in conclude.start.notes and note.size > run.registration.index:
            at = encode_time(note.at)
            steps.append(_step("L-3", "cosigned", witness=note.witness, at=at, size=note.size, sha256=note.digest))
    if verified.plan.plan.quorum == 0:
        steps.append(_step("F-8", "alone", party=run.test.party))
    for party, entry in verified.acceptances.items():
        steps.append(_step("P-2", "accept", party=party, index=entry.index, sha256=entry.digest))
    steps.append(_step("P-1", "plan", sha256=verified.plan.id))
    return steps


def _number(row: Mapping[str, Any], langs: Sequence[str]) -> Step:
    shown = row.get("rate", row.get("gap"))
    if shown is None:
        return _step("C-3", "state", state=row["state"], langs=" / ".join(langs), measure=row["measure"])
    if "gap" in row:
        return _step("C-7", "gap", gap=shown, items=row["items"], langs=" / ".join(langs), measure=row["measure"])
    return _step(
        "C-7", "rate", rate=shown, hits=row["hits"], scored=row["scored"], lang=langs[0], measure=row["measure"]
    )


def _counts_path(run: Run, scoring: Scoring) -> str:
    stored = scoring.entry.statement.subject_digests()[0]
    return f"{scoring.entry.party}/runs/{run.id}/scores/{scoring.score.scorer}.{stored[:16]}.counts.json"


def _step(rule: str, key: str, **fields: object) -> Step:
    return {"rule": rule, "text_key": f"trace.step.{key}", "fields": fields}
