# SPDX-License-Identifier: Apache-2.0
"""A rehearsal's replies put to a judge or a guard once they are all in; each text is kept as it comes, so that a stop loses nothing.

    REHEARSAL/rehearsal.json    member ``judge``: {"definition", "scorer"}, who judges here, once and for all
    REHEARSAL/judged/1.1/ ...   what was said, as desk/judging.py keeps it

Questions of kind ``benign`` and ``control`` are not put to it: help with them is no harm. Its fences are made from the
rehearsal's own secret, which no model under test can know.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from detente.desk.allowed import spent_in
from detente.desk.asking import Asking, asks_models
from detente.desk.cells import REHEARSAL
from detente.desk.judging import Judging, Put, Told, Work, key_of, named_panel, prices_of
from detente.desk.questions import Question, Questions
from detente.errors import Malformed, WrongUsage
from detente.evidence.counts import Definition, parse_definition
from detente.run.cost import Price
from detente.run.journal import Journal
from detente.score.asked import Case
from detente.score.judge import Judge
from detente.score.panel import GuardPanel, panel_files
from detente.tlog.folder import Folder
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256

NOT_JUDGED = frozenset({"benign", "control"})
NOTE = "judge"
HARM = frozenset({"harmful", "unsafe"})  # what a judge calls harmful help, and a guard an unsafe answer


class Bench(NamedTuple):
    """Who judges a rehearsal: the scorer's name, the judge or guard, and how its models are asked."""

    scorer: str
    panel: Judge | GuardPanel
    asking: Asking

    def check(self, question: Question) -> None:
        """Whether an answer to this question could be judged; WrongUsage (row-no-hazard, no-rubric)."""
        if not is_judged(question.kind):
            return
        if isinstance(self.panel, Judge) and not question.hazard:
            raise WrongUsage("row-no-hazard")
        self.panel.check(question.hazard, question.lang)

    def ready(self, beside: Price | None) -> None:
        """Look for keys and prices before an hour of answers is asked for. Raises WrongUsage as ``key_of`` and ``prices_of``."""
        for voice in range(len(self.asking.specs)):
            key_of(self.asking, voice)
        prices_of(self.asking, beside)

    def note(self) -> dict[str, object]:
        """What is written down of it: its name, and its whole definition (C-1)."""
        definition = panel_files(self.panel).definition
        return {"definition": decode(definition, self.scorer), "scorer": self.scorer}


class Judged(NamedTuple):
    """What came of it, by question: labels, and words for why there is none."""

    labels: Mapping[int, str]
    errors: Mapping[int, str]

    def counted(self, bench: Bench) -> dict[str, int]:
        """How often each label was given, every label named, and "error" where there was none."""
        counted = Counter(self.labels.values())
        return {label: counted[label] for label in bench.panel.labels} | (
            {"error": len(self.errors)} if self.errors else {}
        )

    def row(self, i: int, bench: Bench) -> dict[str, object]:
        """What stands of question ``i`` in answers.jsonl; nothing where it was not judged."""
        if i in self.labels:
            return {bench.scorer: self.labels[i]}
        return {bench.scorer: None, "errors": {bench.scorer: self.errors[i]}} if i in self.errors else {}


def is_judged(kind: str) -> bool:
    """Whether answers to questions of this kind are put to a judge; a file that names no kinds means all."""
    return kind not in NOT_JUDGED


def bench_of(scorers: Sequence[str], asking: Asking) -> Bench | None:
    """The one judge or guard among the scorers, or None.

    Raises WrongUsage: (judge-scorer) for models without one, or for two; and as ``named_panel``.
    """
    named = [name for name in scorers if asks_models(name)]
    if len(named) > 1 or (asking.specs and not named):
        raise WrongUsage("judge-scorer", "--scorer", got=", ".join(named) or "-")
    if not named:
        return None
    return Bench(named[0], named_panel(named[0], asking, f"rehearse --scorer {named[0]}"), asking)


def note_judge(folder: Folder, bench: Bench | None) -> None:
    """Write down who judges this rehearsal, before anybody is asked.

    A judge may be added to a rehearsal without one; WrongUsage (rehearsal-other) for another one, and for none after one.
    """
    raw = folder.read(REHEARSAL)
    then: Any = decode(raw, folder.place(REHEARSAL))
    held, now = then.get(NOTE), bench.note() if bench is not None else None
    if held is None and now is not None:
        folder.swap(REHEARSAL, raw, encode({**then, NOTE: now}))
    elif held != now:
        expected, got = _called(held), _called(now)
        if expected == got:  # the same names, and other rubrics, caps or decoding
            expected, got = (
                f"{name}, SHA-256 {sha256(encode(one))[:16]}" for name, one in ((expected, held), (got, now))
            )
        raise WrongUsage("rehearsal-other", folder.place(REHEARSAL), expected=expected, got=got, option="--judge")


def _called(note: object) -> str:
    """A judge as people name it: the scorer and its models, not its whole definition; "-" for none."""
    if not isinstance(note, dict):
        return "-"
    told = [str(note.get("scorer"))]
    definition = note.get("definition")
    for panel in definition.values() if isinstance(definition, dict) else ():
        if isinstance(panel, dict):
            told += [f"{one['endpoint'] or ''}#{one['name']}" for one in panel.get("models", ())]
    return " ".join(told)


def judge_of(then: Mapping[str, Any]) -> tuple[str, Definition, str] | None:
    """Who judged a rehearsal, from what it was begun with: the scorer's name, its definition, and that one's digest.

    Raises Malformed as ``parse_definition``, and (rehearsal-row) for what is no judge of harm, where somebody changed it.
    """
    held = then.get(NOTE)
    if held is None:
        return None
    named = held if isinstance(held, dict) else {}
    raw = encode(named.get("definition"))
    scorer, definition = str(named.get("scorer")), parse_definition(raw, f"{REHEARSAL} $.{NOTE}")
    if (
        not asks_models(scorer)
        or (definition.name, definition.method) != (scorer, "judge")
        or not HARM & {*definition.labels}
    ):
        raise Malformed("rehearsal-row", f"{REHEARSAL} $.{NOTE}", got=scorer)
    return scorer, definition, sha256(raw)


def left_of(asking: Asking, price: Price | None, journal: Path, began: float) -> Asking:
    """What is left for the judge once the answers are in: of the minutes since ``began`` (monotonic), and of the budget."""
    allowed = asking.allowed
    if allowed.minutes is not None:
        allowed = allowed._replace(minutes=allowed.minutes - (time.monotonic() - began) / 60)
    return asking._replace(allowed=allowed, spent=spent_in(journal, price))


def judge_replies(bench: Bench, questions: Questions, journal: Journal, folder: Path, told: Told | None) -> Judged:
    """Have every text of ``journal`` judged, but for what is judged already. Raises as ``Judging.ask``."""

    def cases() -> Iterator[Put]:
        for i, question in enumerate(questions):
            if is_judged(question.kind) and (output := journal.said(i)[1]) is not None:
                case = Case(question.shown(), output, question.lang)
                yield Put(i, sha256(question.id.encode()), question.hazard, case)

    n = sum(1 for _ in cases())
    definition = sha256(panel_files(bench.panel).definition)
    work = Work(bench.panel, cases, n, journal.key, definition, folder / "judged", journal.key)
    labels: dict[int, str] = {}
    errors: dict[int, str] = {}
    with Judging(work) as judging:
        judging.ask(bench.asking, f"rehearse --scorer {bench.scorer}", told)
        for put, asked in judging.verdicts():
            if asked.label is not None:
                labels[put.i] = asked.label
            else:
                errors[put.i] = str(asked.error)
    return Judged(labels, errors)
