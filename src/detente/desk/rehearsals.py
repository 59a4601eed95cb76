# SPDX-License-Identifier: Apache-2.0
"""A lab alone with its model: put a suite, score the replies, tell nobody. No registration, no facts (F-8)."""

import asyncio
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import orjson

from detente.desk.given import check_target, read_given_text, read_hex, unreadable, write_given
from detente.errors import CannotTell, Malformed, WrongUsage
from detente.evidence.record import slot_seed
from detente.pact.item import as_turns, read_source
from detente.run.engine import Progress
from detente.run.engine import rehearse as ask_all
from detente.run.journal import Journal
from detente.run.model import Message, Model, Prompt, Sampling, load_model
from detente.score.rows import parse_rows, score_rows
from detente.score.scorer import RuleScorer, load_scorer
from detente.tlog.folder import Folder
from detente.wire.canonical import decode, encode
from detente.wire.digests import sha256
from detente.wire.keys import new_seed


class Rehearsal(NamedTuple):
    """What is asked for: suite (folder, built-in name or plain JSONL), model spec, scorers, caps, where to write."""

    suite: str
    model: str
    system: Path | None
    key_env: str | None
    scorers: Sequence[str]
    concurrency: int
    chars: int
    tokens: int
    out: Path


class Summary(NamedTuple):
    """How it went: n, outcomes by word, labels by scorer, and per scorer the share of its first label among the scored."""

    n: int
    outcomes: dict[str, int]
    labels: dict[str, dict[str, int]]
    scores: dict[str, float]


class Question(NamedTuple):
    """One question of a rehearsal."""

    id: str
    lang: str
    turns: list[str]
    reference: str | None


def read_questions(name: str) -> list[Question]:
    """A suite's questions: a built-in name, an author's folder, or JSONL of {"id","input"|"prompt","target"?,"lang"?}.

    Raises WrongUsage (no-suite) or Malformed naming the line.
    """
    built_in = files("detente") / "data" / "suites" / name
    folder = Path(name)
    if not folder.is_file():
        root = folder if (folder / "suite.toml").is_file() else built_in
        try:
            source = read_source((root / "suite.toml").read_bytes(), (root / "items.jsonl").read_bytes(), name)
        except OSError as error:
            raise WrongUsage("no-suite", name, got=name) from error
        return [
            Question(
                item.id,
                tag,
                as_turns(item.text[tag]),
                item.reference[tag] if isinstance(item.reference, dict) else None,
            )
            for item in source.items
            for tag in source.languages
        ]
    found = [_question(row, n, f"{name}:{n}") for n, row in enumerate(_rows(folder), 1) if row.strip()]
    if not found:
        raise WrongUsage("suite-empty", name)
    return found


def _rows(path: Path) -> Iterator[bytes]:
    """The lines of a file, empty ones too; Malformed (row-twice) for a row that says one member twice."""
    try:
        with path.open("rb") as file:
            for n, line in enumerate(file, 1):
                _refuse_twice(line, f"{path}:{n}")
                yield line
    except OSError as error:
        raise unreadable(error, path) from error


def _refuse_twice(line: bytes, place: str) -> None:
    def once(pairs: list[tuple[str, object]]) -> None:
        names = [name for name, _ in pairs]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise Malformed("row-twice", place, got=twice)

    # what is no JSON at all is told by whoever reads the row
    with suppress(ValueError, RecursionError):
        json.loads(line, object_pairs_hook=once)


def _question(line: bytes, n: int, place: str) -> Question:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Malformed("row-not-json", place, got=error) from error
    text = row.get("input", row.get("prompt", row.get("text"))) if isinstance(row, dict) else None
    turns = [text] if isinstance(text, str) else text
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, str) and turn for turn in turns):
        raise Malformed("row-no-input", place, expected='{"id", "input" | "prompt"}')
    reference = row.get("target", row.get("reference"))
    return Question(
        str(row.get("id", n)), str(row.get("lang", "und")), turns, None if reference is None else str(reference)
    )


class Prompts:
    """The questions as prompts, in order; slot i is question i."""

    def __init__(self, questions: Sequence[Question], wanted: Rehearsal) -> None:
        self._questions, self._wanted = questions, wanted

    def __len__(self) -> int:
        return len(self._questions)

    def __iter__(self) -> Iterator[Prompt]:
        for i, question in enumerate(self._questions):
            messages = tuple(Message("user", turn) for turn in question.turns)
            item = sha256(question.id.encode())
            seed = slot_seed(bytes(32), i)
            yield Prompt(i, item, question.lang, 0, messages, seed, self._wanted.chars, self._wanted.tokens)


def rehearse(wanted: Rehearsal, told: Callable[[Progress], None] | None) -> Summary:
    """Ask, score and write ``answers.jsonl`` into ``out``; the same command goes on where a stopped one left off."""
    scorers = {name: load_scorer(name) for name in wanted.scorers}
    questions = read_questions(wanted.suite)
    for scorer in scorers.values():
        for question in questions:  # what a scorer cannot score is told before a model is asked
            try:
                scorer.label("\n".join(question.turns), "", question.reference)
            except WrongUsage as error:
                raise error.at(f"{wanted.suite}: {question.id}") from None
    system = read_given_text(wanted.system) if wanted.system is not None else None
    key = os.environ.get(wanted.key_env) if wanted.key_env else None
    if wanted.key_env and not key:
        raise WrongUsage("no-key", "--key-env", got=wanted.key_env)
    check_target(wanted.out, folder=True)
    model = load_model(wanted.model, system=system, key=key, slots=wanted.concurrency)
    _refuse_other(wanted, questions, system)
    with Journal(wanted.out / "journal", _key(wanted.out)) as journal:
        asyncio.run(_ask(questions, wanted, model, journal, told))
        if len(journal) < len(questions):
            raise CannotTell("run-stopped", str(wanted.out), expected=len(questions), got=len(journal))
        return _summary(questions, scorers, journal, wanted.out)


async def _ask(
    questions: Sequence[Question],
    wanted: Rehearsal,
    model: Model,
    journal: Journal,
    told: Callable[[Progress], None] | None,
) -> None:
    try:
        await ask_all(
            Prompts(questions, wanted), model, journal,
            sampling=Sampling(0.0, 1.0), concurrency=wanted.concurrency, progress=told,
        )  # fmt: skip
    finally:
        await model.close()


def _key(out: Path) -> bytes:
    """The rehearsal's own secret: made once, so that a stopped rehearsal goes on with the same salts."""
    folder = Folder(out)
    if not folder.exists("key"):
        folder.create("key", new_seed().hex().encode())
    return bytes.fromhex(read_hex(folder, "key", "key-broken"))


def _refuse_other(wanted: Rehearsal, questions: Sequence[Question], system: str | None) -> None:
    """What a rehearsal was begun with, written down; WrongUsage (rehearsal-other) where the folder holds another one."""
    now = {
        "suite": sha256(orjson.dumps([question._asdict() for question in questions])),
        "model": wanted.model,
        "system": sha256(system.encode()) if system is not None else None,
        "max-chars": wanted.chars,
        "max-tokens": wanted.tokens,
    }
    folder, name = Folder(wanted.out), "rehearsal.json"
    if not folder.exists(name):
        folder.create(name, encode(now))
    then = decode(folder.read(name), folder.place(name))
    for option, value in now.items():
        if not isinstance(then, dict) or then.get(option) != value:
            there = then.get(option) if isinstance(then, dict) else None
            raise WrongUsage("rehearsal-other", str(wanted.out), expected=there, got=value, option=option)


def _summary(questions: Sequence[Question], scorers: Mapping[str, RuleScorer], journal: Journal, out: Path) -> Summary:
    outcomes = journal.outcomes()._asdict()
    labels = {name: dict.fromkeys(scorer.labels, 0) for name, scorer in scorers.items()}

    def rows() -> Iterator[bytes]:
        for question, body in zip(questions, journal.bodies(), strict=True):
            row: dict[str, object] = {
                "id": question.id,
                "lang": question.lang,
                "outcome": body.outcome,
                "output": body.output,
            }
            for name, scorer in scorers.items():
                if body.output is not None:
                    given = scorer.label("\n".join(question.turns), body.output, question.reference)
                    labels[name][given.label] += 1
                    row[name] = given.label
            yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)

    write_given(out / "answers.jsonl", rows())
    scores = {}
    for name, counted in labels.items():
        total = sum(counted.values())
        if total:
            scores[name] = round(next(iter(counted.values())) / total, 4)
    return Summary(len(questions), outcomes, labels, scores)


def score_answers(path: Path, scorer: str) -> list[bytes]:
    """One ``{"id","label"}`` line per ``{"id","response"}`` row of a file, in its order."""
    try:
        return list(score_rows(parse_rows(_rows(path), str(path)), load_scorer(scorer)))
    except WrongUsage as error:
        error.place = re.sub(r"^line (\d+)$", lambda found: f"{path}:{found[1]}", error.place)
        raise
