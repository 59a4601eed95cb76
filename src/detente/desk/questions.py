# SPDX-License-Identifier: Apache-2.0
"""The questions of a rehearsal: a built-in suite, an author's folder, or a plain JSONL file that is read a line at a time."""

import json
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import orjson

from detente.desk.given import unreadable
from detente.errors import CannotTell, Malformed, WrongUsage
from detente.pact.draw import draw
from detente.pact.wrappers import shown
from detente.wire.digests import sha256_of

SMALL = 8 * 1024 * 1024  # bytes of a suite's file
Check = Callable[["Question"], None]


class Question(NamedTuple):
    """One question of a rehearsal; ``begun``: the words that its answer is begun with, in the ``variant`` that says so (S-3)."""

    id: str
    lang: str
    turns: list[str]
    reference: str | None
    hazard: str = ""
    kind: str = ""
    begun: str = ""
    variant: str = ""

    def shown(self) -> str:
        """The question as whoever labels the answer sees it."""
        return shown(self.turns, self.begun, self.lang)


class Questions(Protocol):
    """All questions, in order, as often as they are asked for; ``digest`` is the same for the same questions."""

    digest: str

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Question]: ...


def read_questions(name: str, check: Check) -> Questions:
    """A suite's questions: a built-in name, an author's folder, or JSONL of {"id","input"|"prompt","target"?,"lang"?}.

    Every question is checked before this returns. Raises WrongUsage (no-suite) or Malformed naming
    the line, and what ``check`` raises, with the question as its place.
    """
    path = Path(name)
    return InFile(path, check) if path.is_file() else InSuite(name, path, check)


class Drawn:
    """So many of the questions, drawn by a seed: the same ones for the same suite, in every language they are in (S-6)."""

    def __init__(self, whole: Questions, n: int, seed: str) -> None:
        ids = {question.id for question in whole}
        if n > len(ids):
            raise WrongUsage("sample-large", "--sample", expected=n, got=len(ids))
        drawn = draw(ids, n, seed)
        self._questions = [question for question in whole if question.id in drawn]
        self.digest = sha256_of(map(line_of, self._questions))

    def __len__(self) -> int:
        return len(self._questions)

    def __iter__(self) -> Iterator[Question]:
        return iter(self._questions)


class InSuite:
    """The questions of a suite in its author's form, every language of every item; held in memory, as suites are."""

    def __init__(self, name: str, folder: Path, check: Check) -> None:
        from detente.pact.item import as_turns, read_source

        root = folder if (folder / "suite.toml").is_file() else files("detente") / "data" / "suites" / name
        try:
            source = read_source((root / "suite.toml").read_bytes(), (root / "items.jsonl").read_bytes(), name)
        except OSError as error:
            raise WrongUsage("no-suite", name, got=name) from error
        self._questions: Sequence[Question] = [
            Question(
                item.id,
                tag,
                as_turns(item.text[tag]),
                item.reference[tag] if isinstance(item.reference, dict) else None,
                item.hazard,
                item.kind,
            )
            for item in source.items
            for tag in source.languages
        ]
        for question in self._questions:
            _checked(question, check, f"{name}: {question.id}")
        self.digest = sha256_of(map(line_of, self._questions))

    def __len__(self) -> int:
        return len(self._questions)

    def __iter__(self) -> Iterator[Question]:
        return iter(self._questions)


class InFile:
    """The questions of a JSONL file. Four bytes a question are kept, by which a file that changes meanwhile is found out.

    Of a small file the questions themselves are kept: to read it three times costs more than they do.
    """

    def __init__(self, path: Path, check: Check) -> None:
        self._path = path
        self._kept: list[Question] | None = [] if path.stat().st_size <= SMALL else None
        self._sums = array("I")
        self.digest = sha256_of(self._first(check))
        if not self._sums:
            raise WrongUsage("suite-empty", str(path))

    def __len__(self) -> int:
        return len(self._sums)

    def __iter__(self) -> Iterator[Question]:
        return iter(self._kept) if self._kept is not None else self._again()

    def _again(self) -> Iterator[Question]:
        count = 0
        for number, line in self._lines():
            if count == len(self._sums) or zlib.crc32(line) != self._sums[count]:
                raise CannotTell("suite-changed", f"{self._path}:{number}")
            count += 1
            yield _question(orjson.loads(line), number, "")
        if count < len(self._sums):
            raise CannotTell("suite-changed", str(self._path))

    def _first(self, check: Check) -> Iterator[bytes]:
        for number, line in self._lines():
            place = f"{self._path}:{number}"
            question = _question(_row(line, place), number, place)
            _checked(question, check, f"{self._path}: {question.id}")
            self._sums.append(zlib.crc32(line))
            if self._kept is not None:
                self._kept.append(question)
            yield line_of(question)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        try:
            with self._path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield number, line
        except OSError as error:
            raise unreadable(error, self._path) from error


def refuse_twice(line: bytes, place: str) -> None:
    """Malformed (row-twice) for a row that says one member twice; what is no JSON at all is told by whoever reads the row."""

    def once(pairs: list[tuple[str, object]]) -> None:
        names = [name for name, _ in pairs]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise Malformed("row-twice", place, got=twice)

    try:
        json.loads(line, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return


def _row(line: bytes, place: str) -> Any:
    """A line's JSON, in which no member stands twice; Malformed (row-not-json, row-twice)."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        refuse_twice(line, place)
        raise Malformed("row-not-json", place, got=error) from error
    # Two quotes a name and two a text: a flat row with no more of them says nothing twice, and need not be read again.
    texts = sum(isinstance(value, str) for value in row.values()) if isinstance(row, dict) else -1
    plain = texts >= 0 and b'\\"' not in line and b"\\\\" not in line
    if not plain or line.count(b'"') != 2 * (len(row) + texts):
        refuse_twice(line, place)
    return row


def _question(row: Any, n: int, place: str) -> Question:
    text = row.get("input", row.get("prompt", row.get("text"))) if isinstance(row, dict) else None
    turns = [text] if isinstance(text, str) else text
    if not isinstance(turns, list) or not turns or not all(isinstance(turn, str) and turn for turn in turns):
        raise Malformed("row-no-input", place, expected='{"id", "input" | "prompt"}')
    reference = row.get("target", row.get("reference"))
    return Question(
        str(row.get("id", n)),
        str(row.get("lang", "und")),
        turns,
        None if reference is None else str(reference),
        str(row.get("hazard", "")),
        str(row.get("kind", "")),
    )


def _checked(question: Question, check: Check, place: str) -> None:
    try:
        check(question)
    except WrongUsage as error:
        raise error.at(place) from None


def line_of(question: Question) -> bytes:
    """What is asked, as a digest covers it; hazard and kind are no part of that: they only sort the counts."""
    begun = [question.begun] if question.begun else []
    return orjson.dumps([*question[:4], *begun], option=orjson.OPT_APPEND_NEWLINE)
