# SPDX-License-Identifier: Apache-2.0
"""People's labels at home: which answers are to be labelled, a sheet for each person, what came back, and the signed scoring.

    desk/runs/<run>/people/<scorer>/<rater>.json   what one person said so far: [slot, label] pairs
    desk/runs/<run>/people/<scorer>/adjudicated.json   the last word where people differ

Sheets leave by hand, to people who may sit on the other side; nothing of them enters the exchange but labels under
pseudonyms, once the scoring is signed and published.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from detente.check.peoples import verdicts_of
from detente.check.runs import Run
from detente.check.samples import drawn_of, planned, pool_of, sample_key
from detente.check.verify import verify
from detente.desk.keys import Desk, alone
from detente.desk.runs import RunState, own_bundle
from detente.desk.scores import Answer, Given, answers_to, definition_of, fix_scoring, scorer_in, wanted_by
from detente.errors import CannotTell, WrongUsage
from detente.evidence.lines import Rater
from detente.evidence.people import People, Sampled
from detente.evidence.record import nonce_of
from detente.evidence.statements import Challenge, Sample
from detente.pact.plan import PlanFile, Scorer
from detente.tlog.folder import Folder
from detente.wire.canonical import encode
from detente.wire.digests import keyed, sha256

ADJUDICATED = "adjudicated"
RATER = re.compile(r"[a-z0-9][a-z0-9-]{0,63}(?:/[a-z0-9][a-z0-9-]{0,63})?")


class Task(NamedTuple):
    """What people are asked: a run's drawn answers (of each slot 1 or 0), by whom, and what the draw rests on (C-5).

    ``spared``: of each slot 1 if it gets a line (C-4) and nobody is asked, because no measure of the scorer covers its suite.
    """

    run: RunState
    scorer: Scorer
    people: People
    labels: list[str]
    drawn: bytes
    sample: Sample | None
    verdicts: Mapping[str, Mapping[int, str]]
    spared: bytes = b""

    def folder(self) -> Folder:
        """Where what people said lies on the desk."""
        return self.run.folder.sub(f"people/{self.scorer.id}")

    def slots(self) -> list[int]:
        """The slots to be labelled, ascending."""
        return [i for i, taken in enumerate(self.drawn) if taken]


class Standing(NamedTuple):
    """How far people are: answers to label, how many each person has done, how many are settled, split, or lack people."""

    answers: int
    by: dict[str, int]
    settled: int
    split: list[int]
    open: list[int]


def task_of(desk: Desk, plan: PlanFile, run: RunState, scorer: str) -> Task:
    """The answers that people are to label: every scored one, or the sample that an opened audit draws (C-5).

    WrongUsage (label-not-people); CannotTell (label-no-scores) while the labels to be corrected are not published,
    (label-no-draw) while no audit that names them was answered.
    """
    known = scorer_in(plan, scorer)
    definition = definition_of(desk, plan, known.definition)
    if not isinstance(definition.people, People):
        raise WrongUsage("label-not-people", scorer, got=known.method)
    bundle = own_bundle(plan, run)
    if not plan.plan.corrects(scorer):
        wanted = wanted_by(plan, run, bundle, scorer)
        asked, spared = _covered(plan, run, scorer, wanted)
        return Task(run, known, definition.people, definition.labels, asked, None, {}, spared)
    found = next((one for one in verify(desk.exchange, plan.id).runs if one.id == run.id), None)
    corrected = {measure.scorer for measure in plan.plan.measures if measure.corrected == scorer}
    counted = [one for one in found.scorings if one.counted and one.score.scorer in corrected] if found else []
    if found is None or not counted:
        raise CannotTell("label-no-scores", run.id[:16], expected=", ".join(sorted(corrected)))
    of = counted[0]
    challenge, key = _drawn_by(plan, run, found, of.entry.digest)
    languages = list(dict.fromkeys(tag for suite in plan.plan.suites_of(run.test.section) for tag in suite.languages))
    pool = pool_of(plan.plan, scorer, run.slots, bundle.codes, of.labels)
    of_labels = definition_of(desk, plan, plan.plan.scorer(of.score.scorer).definition).labels
    per = planned(definition.people, pool, of_labels, languages)
    sample = Sample(challenge=challenge, design=definition.people.design, of=of.entry.digest, per=per)
    verdicts = {id_: one.labels for id_, one in verdicts_of(found, sample).items() if one.labels is not None}
    drawn = drawn_of(sample, pool, key, run.id[:16])
    return Task(run, known, definition.people, definition.labels, drawn, sample, verdicts)


def _covered(plan: PlanFile, run: RunState, scorer: str, wanted: bytes) -> tuple[bytes, bytes]:
    """Of the slots with a line those that a measure of the scorer covers, and the others."""
    measures = [one for one in plan.plan.measures if one.scorer == scorer]
    idle = {suite.id for suite in plan.plan.suites if not any(one.covers(suite.id) for one in measures)}
    spared = bytes(w and slot.suite in idle for w, slot in zip(wanted, run.slots, strict=True)) if idle else b""
    return (bytes(w and not s for w, s in zip(wanted, spared, strict=True)) if any(spared) else wanted), spared


def _drawn_by(plan: PlanFile, run: RunState, found: Run, of: str) -> tuple[str | None, bytes]:
    """The challenge that draws the sample, and the key; without anybody who could ask, this desk draws by its own secret."""
    audit = plan.plan.section(run.test.section).audit
    for trail in found.audits:
        challenge = trail.challenge.statement.predicate
        if trail.opening and isinstance(challenge, Challenge) and of in trail.challenge.statement.subject_digests():
            assert found.conclusion
            nonce = nonce_of(run.key(), trail.auditor)
            return trail.challenge.digest, sample_key(nonce, bytes.fromhex(challenge.seed), found.conclusion.digest)
    if audit and any(auditor != run.test.party for auditor in audit.by):
        raise CannotTell("label-no-draw", run.id[:16], expected=", ".join(audit.by))
    return None, keyed(run.key(), "labels", of.encode())


def sheet_for(desk: Desk, plan: PlanFile, task: Task, rater: str) -> Iterator[dict[str, object]]:
    """The rows of one person's sheet: question and answer, an empty label, in an order that is this person's own.

    Nothing in it tells the verdict that is corrected or what another person said. ``adjudicated``: the answers on
    which people differ, with what each of them said. WrongUsage (label-rater).
    """
    check_rater(task, rater)
    said = read_said(task)
    wanted = set(standing(task).split) if rater == ADJUDICATED else set(task.slots()) - set(said.get(rater, {}))
    order = keyed(task.run.key(), "sheet", rater.encode()).hex()
    rows = [one for one in answers_to(desk, plan, task.run, task.drawn) if one.slot.i in wanted]
    for one in sorted(rows, key=lambda one: sha256(f"{order} {one.slot.i}".encode())):
        yield _row(one, said if rater == ADJUDICATED else {})


def _row(one: Answer, said: Mapping[str, Mapping[int, str]]) -> dict[str, object]:
    row: dict[str, object] = {"i": one.slot.i, "lang": one.slot.lang, "question": one.question, "answer": one.answer}
    given = {f"said {by}": labels[one.slot.i] for by, labels in sorted(said.items()) if one.slot.i in labels}
    return {**row, **given, "label": ""}


def check_rater(task: Task, rater: str) -> None:
    """WrongUsage (label-rater) unless this is a pseudonym: PARTY/NAME, of one of the sides that the definition asks for."""
    side = rater.partition("/")[0]
    sides = task.people.sides
    if rater != ADJUDICATED and (not RATER.fullmatch(rater) or (sides and (side not in sides or "/" not in rater))):
        raise WrongUsage("label-rater", rater, expected=" | ".join(f"{side}/..." for side in sides) or "name")


@alone
def take_labels(desk: Desk, task: Task, rater: str, rows: Sequence[Mapping[str, object]]) -> tuple[int, int]:  # noqa: ARG001 - @alone's
    """Keep what one person said; rows without a label are left for later. How many are new, how many were changed.

    WrongUsage (label-signed) once the scoring is signed, (label-rater), (label-row, label-slot, label-unknown) for a
    row that does not fit; then nothing is kept.
    """
    check_rater(task, rater)
    if task.run.out().exists(f"{task.scorer.id}.score.json"):
        raise WrongUsage("label-signed", task.run.id[:16], got=task.scorer.id)
    given: dict[int, str] = {}
    for number, row in enumerate(rows, 1):
        i, label = row.get("i"), row.get("label")
        if not isinstance(i, int) or not isinstance(label, str | None):
            raise WrongUsage("label-row", f"{rater}:{number}", expected="i, label", got=", ".join(map(str, row)))
        if not 0 <= i < len(task.drawn) or not task.drawn[i]:
            raise WrongUsage("label-slot", f"{rater}:{number}", got=i)
        if label and label not in task.labels:
            raise WrongUsage("label-unknown", f"{rater}:{number}", expected=" | ".join(task.labels), got=label)
        if label:
            given[i] = label
    folder, name = task.folder(), f"{rater.replace('/', '.')}.json"
    old = folder.read(name) if folder.exists(name) else None
    before = _said(old) if old is not None else {}
    changed = sum(i in before and before[i] != label for i, label in given.items())
    after = {**before, **given}
    folder.swap(name, old, encode({"by": rater, "labels": [[i, after[i]] for i in sorted(after)]}))
    return len(after) - len(before), changed


def read_said(task: Task) -> dict[str, dict[int, str]]:
    """What everybody said so far, by pseudonym; without the adjudicator's."""
    return {by: labels for by, labels in _everybody(task).items() if by != ADJUDICATED}


def _everybody(task: Task) -> dict[str, dict[int, str]]:
    folder, found = task.folder(), {}
    for name in folder.names():
        raw = folder.read(name)
        try:
            found[str(json.loads(raw)["by"])] = _said(raw)
        except (ValueError, KeyError, TypeError) as error:
            raise CannotTell("desk-damaged", folder.place(name)) from error
    return found


def _said(raw: bytes) -> dict[int, str]:
    return {int(i): str(label) for i, label in json.loads(raw)["labels"]}


def standing(task: Task) -> Standing:
    """How far people are."""
    said, last = read_said(task), _everybody(task).get(ADJUDICATED, {})
    split, lacking, settled = [], [], 0
    for i in task.slots():
        given = {by: labels[i] for by, labels in said.items() if i in labels}
        sides = {by.partition("/")[0] for by in given}
        if len(given) < task.people.least or not set(task.people.sides) <= sides:
            lacking.append(i)
        elif len(set(given.values())) > 1 and i not in last:
            split.append(i)
        else:
            settled += 1
    by = {rater: len(labels) for rater, labels in sorted(said.items())}
    return Standing(len(task.slots()), by, settled, split, lacking)


@alone
def score_people(desk: Desk, plan: PlanFile, task: Task, *, incomplete: bool = False) -> dict[str, int]:
    """Sign what people said as the scoring of this run; {label: n}. Every label is kept beside the one that counts (C-4).

    CannotTell (label-open) while answers lack people or people differ, unless ``incomplete``: then those answers
    have no label (``unlabelled``, ``split``), which the report counts against whoever it hurts.
    """
    now = standing(task)
    if (now.open or now.split) and not incomplete:
        raise CannotTell("label-open", task.run.id[:16], expected=now.answers, got=now.settled, split=len(now.split))
    said, last = read_said(task), _everybody(task).get(ADJUDICATED, {})
    raters = {i: [Rater(by, labels[i]) for by, labels in sorted(said.items()) if i in labels] for i in task.slots()}
    spared = (i for i, one in enumerate(task.spared) if one)
    errors = {**dict.fromkeys([*spared, *now.open], "unlabelled"), **dict.fromkeys(now.split, "split")}
    differ = {i for i, given in raters.items() if len({rater.label for rater in given}) > 1}
    labels = {i: last[i] if i in differ else given[0].label for i, given in raters.items() if i not in errors}
    more = {i: {"raters": given} for i, given in raters.items() if given}
    people = Sampled(raters, task.verdicts if task.sample else None)
    fix_scoring(desk, plan, task.run, task.scorer, Given(labels, errors, more, people, task.sample))
    return {label: n for label, n in Counter(labels.values()).items() if n}
