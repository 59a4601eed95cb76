# SPDX-License-Identifier: Apache-2.0
"""A judge's or a guard's labels over a run of this desk: asked for, signed, and shown with their transcripts when an audit asks.

desk/runs/<run>/judged/<scorer>/1.1/ ...            what the models said (desk/judging.py)
desk/runs/<run>/judged/<scorer>/transcripts.jsonl   the private lines whose digests are the ``why`` of the scores file (C-4)
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence

from detente.check.runs import scores_path
from detente.desk.asking import Asking
from detente.desk.judging import Judging, Put, Told, Work
from detente.desk.keys import Desk, alone
from detente.desk.runs import RunState, own_bundle, whole_statement_in
from detente.desk.scores import Given, answers_to, definition_of, fix_scoring, scorer_in, wanted_by
from detente.errors import CannotTell
from detente.evidence.lines import read_whys
from detente.evidence.record import judge_salt
from detente.pact.plan import PlanFile, Scorer
from detente.score.asked import Case, encode_transcript
from detente.score.judge import Judge
from detente.score.panel import GuardPanel, named_beside, read_panel
from detente.tlog.folder import Folder
from detente.wire.digests import sha256

TRANSCRIPTS = "transcripts.jsonl"


def judges_of(plan: PlanFile) -> list[str]:
    """The plan's scorers that ask models, by id."""
    return [one.id for one in plan.plan.scorers if one.method == "judge"]


def asking_for(desk: Desk, scorer: str, given: Asking) -> Asking:
    """The models that are asked for a scorer: those given, else those that ``[judges]`` of desk.toml has for it."""
    entry = desk.judges.get(scorer)
    if given.specs or entry is None:
        return given
    return given._replace(specs=entry.use, key_env=given.key_env or entry.key_env)


def panel_of(desk: Desk, plan: PlanFile, scorer: Scorer) -> Judge | GuardPanel:
    """The judge or guard of a plan's scorer, from the lab's own folder of the plan. Raises Malformed as ``read_panel``."""
    own, folder = desk.own(), f"plans/{plan.id}/files"
    definition = definition_of(desk, plan, scorer.definition)
    held = {digest: own.read(f"{folder}/{digest}") for digest in named_beside(definition)}
    return read_panel(definition, held, f"$.scorers {scorer.id}")


def judge_run(
    desk: Desk, plan: PlanFile, run: RunState, scorer: str, asking: Asking, told: Told | None
) -> dict[str, int]:
    """Label a concluded run's replies by asking the plan's judge or guard; {label: n}, "error" too. Nothing leaves yet (C-4, C-6).

    After a stop or a crash the same call goes on with what is missing; once signed it only tells the labels again.
    Raises WrongUsage (no-rubric), and as ``Judging.ask``.
    """
    known = scorer_in(plan, scorer)
    panel, bundle = panel_of(desk, plan, known), own_bundle(plan, run)
    wanted = wanted_by(plan, run, bundle, scorer)
    for hazard, lang in {(slot.hazard, slot.lang) for slot in run.slots if wanted[slot.i]}:
        panel.check(hazard, lang)

    def cases() -> Iterator[Put]:
        for one in answers_to(desk, plan, run, wanted):
            yield Put(one.slot.i, one.slot.item, one.slot.hazard, Case(one.question, one.answer, one.slot.lang))

    folder = run.folder.sub(f"judged/{known.id}")
    work = Work(panel, cases, wanted.count(1), run.beacon(), known.definition, folder.root, run.key())
    with Judging(work) as judging:
        judging.ask(asking_for(desk, scorer, asking), f"score --scorer {scorer}", told)
        return _sign(desk, plan, run, known, judging)


@alone
def _sign(desk: Desk, plan: PlanFile, run: RunState, known: Scorer, judging: Judging) -> dict[str, int]:
    """Keep the transcripts, then sign the labels; what is signed already stays as it is. {label: n}."""
    folder, panel = run.folder.sub(f"judged/{known.id}"), judging.work.panel
    labels: dict[int, str] = {}
    errors: dict[int, str] = {}
    more: dict[int, dict[str, object]] = {}

    def lines() -> Iterator[bytes]:
        for put, asked in judging.verdicts():
            line = encode_transcript(asked, put.i, judge_salt(run.key(), known.definition, put.i))
            if asked.label is not None:
                labels[put.i] = asked.label
            else:
                errors[put.i] = str(asked.error)
            more[put.i] = {"why": sha256(line)}
            yield line + b"\n"

    if run.out().exists(f"{known.id}.score.json") and folder.exists(TRANSCRIPTS):
        deque(lines(), maxlen=0)  # signed: whoever asks again is told the labels, and nothing is written
    else:
        folder.drop(TRANSCRIPTS)  # of an earlier try, by an earlier version perhaps
        folder.create_from(TRANSCRIPTS, lines())  # on the disk before what names its lines is signed
    fix_scoring(desk, plan, run, known, Given(labels, errors, more))
    counted = Counter(labels.values())
    return {label: counted[label] for label in panel.labels} | ({"error": len(errors)} if errors else {})


def whys_of(plan: PlanFile, run: RunState, named: Sequence[str], slots: Sequence[int]) -> dict[int, list[str]]:
    """By slot, the transcript lines that an opening shows: of every judge's scoring among ``named`` (envelope digests), plan order (A-4).

    CannotTell (desk-damaged) where a line that was signed is not here any more.
    """
    found: dict[int, list[str]] = {}
    for scorer in judges_of(plan):
        out, name = run.out(), f"{scorer}.score.json"
        if not out.exists(name) or sha256(out.read(name)) not in named:
            continue
        signed = own_whys(run, scorer, slots)
        kept = run.folder.sub(f"judged/{scorer}")
        lines = _lines_of(kept, set(signed.values())) if kept.exists(TRANSCRIPTS) else {}
        for i, why in signed.items():
            if why not in lines:
                raise CannotTell("desk-damaged", kept.place(TRANSCRIPTS))
            found.setdefault(i, []).append(lines[why])
    return found


def own_whys(run: RunState, scorer: str, slots: Sequence[int]) -> dict[int, str]:
    """The ``why`` digests that this desk signed for some slots, off the scores file of its scoring."""
    out, name = run.out(), f"{scorer}.score.json"
    stored = whole_statement_in(out.read(name), out.place(name)).subject_digests()[0]
    path = f"{scores_path(scorer, stored)}.jsonl.gz"
    return read_whys(out.pieces(path), len(run.slots), slots, out.place(path))


def _lines_of(kept: Folder, wanted: set[str]) -> dict[str, str]:
    """Of the transcripts on the desk those with these digests; the file may be larger than memory."""
    found: dict[str, str] = {}
    rest = b""
    for piece in kept.pieces(TRANSCRIPTS):
        *lines, rest = (rest + piece).split(b"\n")
        found |= {digest: line.decode() for line in lines if (digest := sha256(line)) in wanted}
    return found
