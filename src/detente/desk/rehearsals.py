# SPDX-License-Identifier: Apache-2.0
"""A lab alone with its model: put a suite, score the replies, tell nobody. No registration, no facts (F-8)."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import orjson

from detente.desk.allowed import Allowed, limits_for, note_limits
from detente.desk.asking import Asking, asks_models, rules_of
from detente.desk.cells import DESCRIPTOR, REHEARSAL, Cells
from detente.desk.given import (
    check_target,
    given_keys,
    listed,
    read_given,
    read_given_text,
    read_hex,
    read_recipe,
    unreadable,
    write_given,
)
from detente.desk.questions import Drawn, Question, Questions, read_questions, refuse_twice
from detente.errors import CannotTell, WrongUsage
from detente.evidence.record import slot_seed
from detente.pact.wrappers import shown
from detente.run.engine import Limits, Progress, drive
from detente.run.engine import rehearse as ask_all
from detente.run.journal import Journal
from detente.run.model import (
    Model,
    Prompt,
    Reply,
    Sampling,
    check_begins,
    conversation,
    key_variables,
    load_models,
)
from detente.score.label import RuleScorer, Unscored
from detente.score.rows import parse_rows, score_rows
from detente.score.scorer import KEYWORDS, load_scorer
from detente.tlog.folder import Folder
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256
from detente.wire.keys import new_seed

if TYPE_CHECKING:
    from detente.desk.rehearsal_judge import Bench, Judged

UNLABELLED, FAILED = 255, 254
SAMPLE = "sample"
FOR_A_GATE = ("hazard", "kind", "variant")  # members of a row beside the answer
SOMETIMES = frozenset({"recipe", "variants"})  # what a rehearsal is begun with only where somebody asks for it


class Rehearsal(NamedTuple):
    """What is asked for: suite (folder, built-in name or plain JSONL), model spec, scorers, caps, where to write.

    ``sample``: so many questions of it, drawn by ``seed`` (default: the digest of the whole suite). ``judges``: the models
    behind the one judge or guard among the scorers. ``variants``: how the questions are put (S-3), ``plain`` among them as
    they are; none: plain alone. ``recipe``: a file that says how the model's safeguards were taken off (P-12). ``words``: the
    list of the scorer ``keywords``.
    """

    suite: str
    model: str | Sequence[str]
    system: Path | None
    key_env: str | Sequence[str] | None
    scorers: Sequence[str]
    concurrency: int
    chars: int
    tokens: int
    out: Path
    allowed: Allowed = Allowed()
    sample: int | None = None
    seed: str | None = None
    judges: Asking = Asking()
    variants: Sequence[str] = ()
    recipe: Path | None = None
    words: Path | None = None


class Summary(NamedTuple):
    """How it went: n, outcomes by word, labels by scorer, and per scorer the share of its first label among the scored."""

    n: int
    outcomes: dict[str, int]
    labels: dict[str, dict[str, int]]
    scores: dict[str, float]


class Asked(NamedTuple):
    """What a rehearsal asks, read and checked: its scorers, its questions, the language and hazard of each, a system prompt."""

    scorers: Mapping[str, RuleScorer]
    questions: Questions
    cells: Cells
    system: str | None
    drawn: Mapping[str, object] = MappingProxyType({})
    bench: "Bench | None" = None


class Prompts:
    """The questions as prompts, in order; slot i is question i."""

    def __init__(self, questions: Questions, wanted: Rehearsal, cells: Cells) -> None:
        self._questions, self._wanted = questions, wanted
        self._cells, self._apart = cells.counts(), cells.apart

    def __len__(self) -> int:
        return len(self._questions)

    def cells(self) -> Mapping[tuple[str, str], int]:
        """How many there are of each language and hazard."""
        return self._cells

    def __iter__(self) -> Iterator[Prompt]:
        chars, tokens, beacon = self._wanted.chars, self._wanted.tokens, bytes(32)
        for i, question in enumerate(self._questions):
            messages = conversation(question.turns, question.begun)
            item = sha256(question.id.encode())
            seed = slot_seed(beacon, i)
            hazard = question.hazard if self._apart else ""
            yield Prompt(i, item, question.lang, 0, messages, seed, chars, tokens, question.reference, hazard)


class Labels:
    """The labels of a rehearsal, one byte a slot and scorer, given while the loop waits for the next reply."""

    def __init__(self, scorers: Mapping[str, RuleScorer], n: int) -> None:
        self._scorers = [(scorer, bytearray([UNLABELLED]) * n) for scorer in scorers.values()]
        self._codes = {name: codes for name, (_, codes) in zip(scorers, self._scorers, strict=True)}

    def answered(self, prompt: Prompt, reply: Reply) -> None:
        """Label a reply that has just come; the loop's ``answered``."""
        if reply.output is not None:
            turns = [message.content for message in prompt.messages if message.role == "user"]
            asked = shown(turns, prompt.begun(), prompt.lang)
            self._give(prompt.i, asked, reply.output, (prompt.reference, prompt.lang))

    def of(self, i: int, question: Question, output: str) -> list[str | None]:
        """Slot i's labels in the scorers' order, None for a failure; given now if an earlier process wrote the reply."""
        if any(codes[i] == UNLABELLED for _, codes in self._scorers):
            self._give(i, question.shown(), output, (question.reference, question.lang))
        return [None if codes[i] == FAILED else scorer.labels[codes[i]] for scorer, codes in self._scorers]

    def names(self) -> list[str]:
        """The scorers' names, in their order."""
        return list(self._codes)

    def counted(self) -> dict[str, dict[str, int]]:
        """How often each label was given, by scorer; every label of the scorer is named, and "error" if it failed."""
        return {
            name: {label: codes.count(code) for code, label in enumerate(scorer.labels)}
            | ({"error": codes.count(FAILED)} if FAILED in codes else {})
            for (name, codes), (scorer, _) in zip(self._codes.items(), self._scorers, strict=True)
        }

    def _give(self, i: int, prompt: str, output: str, known: tuple[str | None, str]) -> None:
        for scorer, codes in self._scorers:
            said = scorer.label(prompt, output, *known)
            codes[i] = FAILED if isinstance(said, Unscored) else scorer.labels.index(said.label)


def read_rehearsal(wanted: Rehearsal) -> Asked:
    """Read what is to be asked, and check all of it before anybody is. Raises as ``read_questions`` and ``load_scorer`` do."""
    if wanted.words is not None and KEYWORDS not in wanted.scorers:
        raise WrongUsage("scorer-words", str(wanted.words), expected=KEYWORDS, got=", ".join(wanted.scorers))
    rules = rules_of(wanted.scorers)
    scorers = {name: scorer_with(name, wanted.words if name == KEYWORDS else None) for name in rules}
    judges = wanted.judges._replace(allowed=wanted.allowed, concurrency=wanted.concurrency)
    cells, bench = Cells(), None
    if judges.specs or any(map(asks_models, wanted.scorers)):
        from detente.desk.rehearsal_judge import bench_of  # a rehearsal by rules alone does not pay for it

        bench = bench_of(wanted.scorers, judges)

    def check(question: Question) -> None:  # what a scorer cannot score is told before a model is asked
        cells.add(question.lang, question.hazard)
        for scorer in scorers.values():
            scorer.check(question.shown(), question.reference)
        if bench is not None:
            bench.check(question)

    questions, whole, seed = read_questions(wanted.suite, check), "", None
    if wanted.sample is not None:
        whole, seed = questions.digest, wanted.seed or questions.digest
        questions, cells = Drawn(questions, wanted.sample, seed), Cells()
        for question in questions:
            cells.add(question.lang, question.hazard)
    if wanted.variants:
        from detente.desk.wrapped import Wrapped  # a rehearsal of plain questions does not pay for it

        questions, cells = Wrapped(questions, wanted.variants), Cells()
        for question in questions:
            cells.add(question.lang, question.hazard)
    system = read_given_text(wanted.system) if wanted.system is not None else None
    check_target(wanted.out, folder=True)
    drawn: dict[str, object] = {"sample": wanted.sample, "seed": seed, "whole": whole} if seed else {}
    drawn |= {"variants": list(wanted.variants)} if wanted.variants else {}
    return Asked(scorers, questions, cells, system, drawn, bench)


def rehearse(wanted: Rehearsal, told: Callable[[Progress], None] | None) -> Summary:
    """Ask, score and write ``answers.jsonl`` into ``out``; the same command goes on where a stopped one left off."""
    began = time.monotonic()
    scorers, questions, cells, system, drawn, bench = read_rehearsal(wanted)
    specs = listed(wanted.model)
    keys = given_keys(key_variables(specs, listed(wanted.key_env)), "--key-env")
    recipe = read_recipe(wanted.recipe) if wanted.recipe is not None else None
    model = load_models(specs, system=system, keys=keys, slots=wanted.concurrency, recipe=recipe)
    if wanted.variants and any(question.begun for question in questions):
        check_begins(model, "--variant")
    held = _refuse_other(wanted, questions, system, {**drawn, **({"recipe": recipe} if recipe else {})})
    note_model(Folder(wanted.out), model)
    labels, limits = Labels(scorers, len(questions)), limits_for(wanted.allowed, model)
    if bench is not None:
        bench.ready(limits.price)
    with Journal(wanted.out / "journal", _key(wanted.out)) as journal:
        if bench is not None or "judge" in held:
            from detente.desk.rehearsal_judge import note_judge

            note_judge(Folder(wanted.out), bench)
        cells.write(Folder(wanted.out))
        note_limits(Folder(wanted.out), limits, len(questions))
        drive(_ask(Prompts(questions, wanted, cells), wanted, model, journal, (labels, told, limits)))
        if len(journal) < len(questions):
            raise CannotTell("run-stopped", str(wanted.out), expected=len(questions), got=len(journal))
        judged = None
        if bench is not None:
            from detente.desk.rehearsal_judge import judge_replies, left_of

            bench = bench._replace(asking=left_of(bench.asking, limits.price, journal.folder, began))
            judged = bench, judge_replies(bench, questions, journal, wanted.out, told)
        return _summary(questions, labels, journal, wanted.out, judged)


async def _ask(
    prompts: Prompts,
    wanted: Rehearsal,
    model: Model,
    journal: Journal,
    manner: tuple[Labels, Callable[[Progress], None] | None, Limits],
) -> None:
    labels, told, limits = manner
    try:
        await ask_all(
            prompts, model, journal, sampling=Sampling(0.0, 1.0),
            concurrency=wanted.concurrency, progress=told, limits=limits, answered=labels.answered,
        )  # fmt: skip
    finally:
        await model.close()


def _key(out: Path) -> bytes:
    """The rehearsal's own secret: made once, so that a stopped rehearsal goes on with the same salts."""
    folder = Folder(out)
    if not folder.exists("key"):
        folder.create("key", new_seed().hex().encode())
    return bytes.fromhex(read_hex(folder, "key", "key-broken"))


def note_model(folder: Folder, model: Model) -> None:
    """The model's descriptor, written down for a gate (P-12)."""
    raw = encode(model.describe())
    if not folder.exists(DESCRIPTOR):
        folder.create(DESCRIPTOR, raw)
    elif (there := folder.read(DESCRIPTOR)) != raw:
        raise WrongUsage(
            "rehearsal-other", folder.place(DESCRIPTOR), expected=sha256(there), got=sha256(raw), option="model"
        )


def _refuse_other(
    wanted: Rehearsal, questions: Questions, system: str | None, drawn: Mapping[str, object]
) -> Mapping[str, object]:
    """What a rehearsal was begun with, written down and read; WrongUsage (rehearsal-other) where the folder holds another one."""
    now = {
        "suite": questions.digest,
        "model": specs[0] if len(specs := sorted(set(listed(wanted.model)))) == 1 else specs,
        "system": sha256(system.encode()) if system is not None else None,
        "max-chars": wanted.chars,
        "max-tokens": wanted.tokens,
        **drawn,
    }
    folder, name = Folder(wanted.out), REHEARSAL
    if not folder.exists(name):
        folder.create(name, encode(now))
    then = decode(folder.read(name), folder.place(name))
    held = then if isinstance(then, dict) else {}
    # Of another sample the suite's digest is another one too, and says less.
    first = [SAMPLE] if SAMPLE in now or SAMPLE in held else []
    for option in [*first, *now, *sorted(SOMETIMES & set(held) - set(now))]:
        there, value = held.get(option), now.get(option)
        if there != value:
            expected, got = ("-" if one is None else one for one in (there, value))
            raise WrongUsage("rehearsal-other", str(wanted.out), expected=expected, got=got, option=option)
    return held


def _summary(
    questions: Questions, labels: Labels, journal: Journal, out: Path, judged: "tuple[Bench, Judged] | None"
) -> Summary:
    def rows() -> Iterator[bytes]:
        for i, question in enumerate(questions):
            outcome, output = journal.said(i)
            row: dict[str, object] = {"id": question.id, "lang": question.lang, "outcome": outcome, "output": output}
            row |= {name: known for name in FOR_A_GATE if (known := getattr(question, name))}
            if output is not None:
                row.update(zip(labels.names(), labels.of(i, question, output), strict=True))
            if judged is not None:
                row |= judged[1].row(i, judged[0])
            yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)

    write_given(out / "answers.jsonl", rows())
    counted = labels.counted() | ({judged[0].scorer: judged[1].counted(judged[0])} if judged is not None else {})
    scores = {}
    for name, each in counted.items():
        total = sum(each.values()) - each.get("error", 0)
        if total:
            scores[name] = round(next(iter(each.values())) / total, 4)
    return Summary(len(questions), journal.outcomes()._asdict(), counted, scores)


def scorer_with(name: str, words: Path | None) -> RuleScorer:
    """A rule scorer with the word list that somebody named, if any; raises as ``load_scorer`` and ``read_given``."""
    return load_scorer(name) if words is None else load_scorer(name, read_given(words), str(words))


def score_answers(path: Path, scorer: str, words: Path | None = None) -> list[bytes]:
    """One ``{"id","label"}`` or ``{"error","id"}`` line per ``{"id","response"}`` row of a file, in its order.

    ``words``: the list of the scorer ``keywords``.
    """
    made = scorer_with(scorer, words)
    try:
        return list(score_rows(parse_rows(rows_of(path), str(path)), made))
    except WrongUsage as error:
        error.place = re.sub(r"^line (\d+)$", lambda found: f"{path}:{found[1]}", error.place)
        raise


def rows_of(path: Path) -> Iterator[bytes]:
    """The lines of a file, empty ones too; Malformed (row-twice) for a row that says one member twice."""
    try:
        with path.open("rb") as file:
            for n, line in enumerate(file, 1):
                refuse_twice(line, f"{path}:{n}")
                yield line
    except OSError as error:
        raise unreadable(error, path) from error
