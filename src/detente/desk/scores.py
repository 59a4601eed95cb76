# SPDX-License-Identifier: Apache-2.0
"""Labels over fixed answers: by the plan's rules here, and signed with their counts, whoever or whatever gave them (C-4 to C-7)."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from detente.check.runs import scores_path
from detente.desk.keys import Desk, alone, sign_statement
from detente.desk.runs import RunState, fixed_line, own_bundle, own_leaves
from detente.desk.texts import section_items
from detente.desk.wordlists import list_of
from detente.errors import WrongUsage
from detente.evidence.bundle import Bundle
from detente.evidence.counts import (
    NO_LABEL,
    Definition,
    Labels,
    count,
    encode_scores,
    kinds_scored,
    parse_definition,
    score_blocks,
    scored_slots,
)
from detente.evidence.people import Sampled
from detente.evidence.record import parse_body
from detente.evidence.statements import Sample, Score
from detente.pact.item import question_of
from detente.pact.plan import PlanFile, Scorer
from detente.pact.slots import Slot
from detente.run.journal import Journal
from detente.score.label import Unscored
from detente.score.scorer import RuleScorer, definition_file, load_scorer
from detente.wire.digests import sha256
from detente.wire.lines import LineWriter, compress


class Answer(NamedTuple):
    """A fixed answer with its question, as a scorer is given them."""

    slot: Slot
    question: str
    answer: str
    reference: str | None


class Given(NamedTuple):
    """What a scorer gave: labels, words for why there is none, and what stands beside them in the file (C-4).

    ``people`` and ``sample`` belong to people's labels (C-5).
    """

    labels: Mapping[int, str]
    errors: Mapping[int, str]
    more: Mapping[int, Mapping[str, object]]
    people: Sampled | None = None
    sample: Sample | None = None


def scorer_in(plan: PlanFile, scorer: str) -> Scorer:
    """The plan's scorer of that id; WrongUsage (no-scorer)."""
    known = next((one for one in plan.plan.scorers if one.id == scorer), None)
    if known is None:
        raise WrongUsage("no-scorer", "score", expected=", ".join(s.id for s in plan.plan.scorers), got=scorer)
    return known


def answers_to(desk: Desk, plan: PlanFile, run: RunState, wanted: bytes) -> Iterator[Answer]:
    """The fixed answers of the slots that ``wanted`` holds a 1 for, in order, each as it is under the run's root."""
    items = section_items(desk, plan, run.test.section)
    leaves = own_leaves(run)
    with Journal(run.journal_path(), run.key()) as journal:
        for slot in itertools.compress(run.slots, wanted):
            item = items[slot.item]
            body = parse_body(fixed_line(journal, run, leaves, slot.i), f"slot {slot.i}")
            reference = item.reference[slot.lang] if isinstance(item.reference, dict) else None
            yield Answer(slot, question_of(item, slot.lang), body.output or "", reference)


def wanted_by(plan: PlanFile, run: RunState, bundle: Bundle, scorer: str) -> bytes:
    """Of each slot 1 if this scorer labels it (C-4), else 0."""
    return scored_slots(run.slots, bundle.codes, kinds_scored(plan.plan, scorer))


@alone
def score_run(
    desk: Desk, plan: PlanFile, run: RunState, scorer: str, told: Callable[[int, int], None] | None
) -> dict[str, int]:
    """Label a concluded run's replies with one of the plan's rule scorers; {label: n}, "error" too. Nothing leaves yet (C-4, C-6).

    WrongUsage (C-1.other-rules) if the plan fixed other rules than this installation has.
    """
    known = scorer_in(plan, scorer)
    bundle = own_bundle(plan, run)
    labels_of, definition = scorer_of(desk, plan, known.definition)
    wanted = wanted_by(plan, run, bundle, scorer)
    codes, errors = bytearray([NO_LABEL]) * len(run.slots), dict[int, str]()
    for n, one in enumerate(answers_to(desk, plan, run, wanted), 1):
        said = labels_of.label(one.question, one.answer, one.reference, one.slot.lang)
        if isinstance(said, Unscored):
            errors[one.slot.i] = said.error
        else:
            codes[one.slot.i] = definition.labels.index(said.label)
        if told:
            told(n, wanted.count(1))
    fix_scoring(desk, plan, run, known, Given(Labels(definition.labels, bytes(codes)), errors, {}))
    failed = {"error": len(errors)} if errors else {}
    return {label: codes.count(code) for code, label in enumerate(definition.labels)} | failed


def fix_scoring(desk: Desk, plan: PlanFile, run: RunState, known: Scorer, given: Given) -> None:
    """Lay a scoring's files on the desk and sign it; a second call after a crash changes nothing that was signed (C-6, C-7)."""
    definition, bundle = definition_of(desk, plan, known.definition), own_bundle(plan, run)
    if isinstance(given.labels, Labels) and not (given.errors or given.more):
        writer = LineWriter()
        stored, labels = b"".join(writer.pieces(score_blocks(given.labels))), given.labels
        stored_sha256, plain_sha256 = writer.stored_sha256, writer.plain_sha256
    else:
        plain = encode_scores(given.labels, given.errors, given.more)
        stored = compress(plain)
        stored_sha256, plain_sha256 = sha256(stored), sha256(plain)
        everything = {**given.labels, **dict.fromkeys(given.errors, "")}
        labels = Labels.of(definition.labels, len(run.slots), everything)
    counted = count(plan.plan, (known.id, definition.labels), run.slots, bundle.codes, labels, given.people)
    out, stem = run.out(), scores_path(known.id, stored_sha256)
    score = Score(
        definition=known.definition, party=desk.party, plan=plan.id, run=run.id, sample=given.sample, scorer=known.id
    )
    subjects = [
        (f"{stem}.jsonl.gz", stored_sha256),
        (f"{known.id}.jsonl", plain_sha256),
        (f"{stem}.counts.json", sha256(counted)),
        ("conclude.json", sha256(out.read("conclude.json"))),
    ]
    if not out.exists(f"{known.id}.score.json"):
        out.create(f"{stem}.jsonl.gz", stored)
        out.create(f"{stem}.counts.json", counted)
        out.create(f"{known.id}.score.json", sign_statement(desk, "score", subjects, score))


def definition_of(desk: Desk, plan: PlanFile, definition: str) -> Definition:
    """A scorer's definition as it lies in the own folder of the plan."""
    path = f"plans/{plan.id}/files/{definition}"
    return parse_definition(desk.own().read(path), path)


def scorer_of(desk: Desk, plan: PlanFile, definition: str) -> tuple[RuleScorer, Definition]:
    """The scorer that a definition describes, if this installation has exactly that one; raises as ``list_of``."""
    read = definition_of(desk, plan, definition)
    words = list_of(desk, plan, read)
    if (here := sha256(definition_file(read.name, words))) != definition:
        raise WrongUsage("C-1.other-rules", read.name, expected=definition, got=here)
    return load_scorer(read.name, words), read
