# SPDX-License-Identifier: Apache-2.0
"""A gate's evidence and rule as people name them: an exchange, a run's file or rehearsals; a preset, a rule file, or the plan's own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from detente.check.exchange import open_exchange
from detente.check.tally import Pattern
from detente.check.verify import Verified
from detente.desk.cells import REHEARSAL
from detente.desk.given import read_given, write_given
from detente.desk.plans import gate_rule
from detente.desk.rehearsed import Measured, asked_of, begun_with, check_whole, described, measures_of, terms_of
from detente.desk.sheets import xlsx_bytes
from detente.errors import CannotTell, Malformed, WrongUsage
from detente.pact.rule import Rule, parse_rule, preset_file, presets
from detente.report.gate import Finding, Line, Verdict
from detente.report.gate_files import in_tongue, why_of
from detente.report.weighing import Asked, Evidence, Number, Put, Said, Trial
from detente.tlog.folder import Folder
from detente.wire.digests import sha256
from detente.words import say

ANSWERS = "answers.jsonl"


class Rehearsed(NamedTuple):
    """A rehearsal's folder, and what its model is called in the rule."""

    subject: str
    folder: Path


def find_rule(name: str, subjects: Mapping[str, str]) -> Rule:
    """A preset by its id, else a rule file; WrongUsage (gate-waits) for one whose time has not come, and as ``parse_rule``."""
    raw = preset_file(name) if name in presets() else read_rule(name)
    return parse_rule(raw, name).ready(name).with_subjects(subjects, "--subject")


def read_rule(name: str) -> bytes:
    """A rule file that somebody named; WrongUsage (no-gate) where neither a preset nor a file has that name."""
    path = Path(name)
    if not path.exists():
        raise WrongUsage("no-gate", "--rule", expected=", ".join(presets()), got=name)
    return read_given(path)


def plan_rule(verified: Verified) -> Rule:
    """The rule that the plan names by digest (P-9); WrongUsage (gate-none) where it names none."""
    rule = gate_rule(open_exchange(verified.root), verified.plan)
    if rule is None:
        raise WrongUsage("gate-none", str(verified.root), expected=", ".join(presets()))
    return rule


def looks_rehearsed(path: Path) -> bool:
    """Whether a rehearsal lies in this folder."""
    return (path / REHEARSAL).is_file()


def rehearsal_evidence(rehearsals: Sequence[Rehearsed]) -> Evidence:
    """Rehearsals as evidence: a self-check by the refusal rules, and by the judge that a rehearsal had (F-8).

    Raises CannotTell (gate-unfinished) for one that is not finished, Malformed (rehearsal-row) for a row that is not one of ours.
    """
    trials, begun = [], []
    asked: dict[str, Asked] = {}
    for one in rehearsals:
        folder = Folder(one.folder)
        if not folder.exists(ANSWERS):
            raise CannotTell("gate-unfinished", str(one.folder))
        then = begun_with(folder)
        begun.append(str(then.get("suite", "")))
        rows = list(_rows(folder))
        measures = measures_of(then, rows)
        check_whole(folder, rows)
        asked |= {measure.id: asked_of(measure) for measure in measures}
        trial = _trial(one, rows, described(folder, then), measures)
        trials.append(trial._replace(terms=terms_of(then, measures)))
    return Evidence("rehearsal", sha256("\n".join(begun).encode()), "self-check", list(asked.values()), trials)


def _rows(folder: Folder) -> Any:
    for n, line in enumerate(folder.read(ANSWERS).splitlines(), 1):
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise Malformed("rehearsal-row", f"{folder.place(ANSWERS)}:{n}", got=error) from error
        if not isinstance(row, dict) or not {"id", "lang", "outcome"} <= set(row):
            raise Malformed("rehearsal-row", f"{folder.place(ANSWERS)}:{n}", got="row")
        yield row


def _trial(
    one: Rehearsed, rows: Sequence[Mapping[str, Any]], descriptor: Mapping[str, object], measures: Sequence[Measured]
) -> Trial:
    said: dict[tuple[str, str], dict[str, Said]] = {}
    put: dict[str, set[Put]] = {}
    for row in rows:
        for measure in measures:
            if row.get("kind") == measure.kind and row.get("variant", "") == measure.variant:
                put.setdefault(measure.id, set()).add(Put("-", str(row["lang"]), measure.variant))
                cell = said.setdefault((measure.id, str(row["lang"])), {})
                cell[str(row["id"])] = measure.said(row, str(one.folder))
    rates = {}
    for (id_, lang), items in said.items():
        for hazard in [None, *sorted({item.hazard for item in items.values()} - {""})]:
            some = [item for item in items.values() if hazard in {None, item.hazard}]
            patterns = [Pattern((item.hits,), (item.scored,), 1, item.missing) for item in some]
            state = "rate" if any(item.scored for item in some) else "noResult"
            rates[id_, lang, hazard] = Number(state, patterns)

    def answers(measure: str, lang: str) -> Mapping[str, Said]:
        return said.get((measure, lang), {})

    return Trial(one.subject, str(one.folder), "-", "core", {}, descriptor, rates, {}, answers, put)


def check_sheet(path: Path) -> None:
    """WrongUsage (sheet-kind) for a file that is no spreadsheet by its ending."""
    if path.suffix.lower() != ".xlsx":
        raise WrongUsage("sheet-kind", str(path), expected=".xlsx", got=path.suffix or "-")


def write_sheet_of(path: Path, verdict: Verdict, lang: str) -> None:
    """The verdict as a spreadsheet in one language (extra ``sheets``): a row a number, the point rule and the confident verdict apart."""
    check_sheet(path)
    rows = [_sheet_row(line, one, lang) for line in verdict.lines for one in line.findings]
    notes = [in_tongue(one, lang) for one in (verdict.rule.for_, *verdict.rule.says, verdict.rule.source)]
    name = say("desk.gate.sheet", lang)
    write_given(
        path, [xlsx_bytes(name, rows, [*notes, say(f"report.gate.standing.{verdict.evidence.standing}", lang)])]
    )


def _sheet_row(line: Line, one: Finding, lang: str) -> dict[str, object]:
    words = {True: "pass", False: "fail", None: None}

    def word(held: bool | None) -> str | None:
        return say(f"report.gate.word.{words[held]}", lang) if words[held] else None

    cells: dict[str, object] = {
        "criterion": in_tongue(line.title, lang),
        "subject": one.where.get("subject"),
        "language": one.where.get("lang"),
        "n": one.n,
        "name": in_tongue(line.called, lang) if line.called else None,
        "value": one.value,
        "low": one.low,
        "high": one.high,
        "limit": line.limit,
        "point": word(one.point),
        "confident": word(one.confident),
        "verdict": say(f"report.gate.word.{one.verdict}", lang),
        "why": why_of(line, one, lang),
    }
    return {say(f"desk.gate.column.{name}", lang): value for name, value in cells.items()}


__all__ = [
    "Rehearsed",
    "find_rule",
    "looks_rehearsed",
    "plan_rule",
    "rehearsal_evidence",
    "write_sheet_of",
]
