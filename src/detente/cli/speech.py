# SPDX-License-Identifier: Apache-2.0
"""How the command line speaks: sentences to stderr, data to stdout, errors with code, place, values and hint.

No capital at the start of a message and no full stop at its end; nothing needs colour to be
understood. Whatever comes from files or models is made harmless before a terminal sees it.
"""

import json
import os
import re
import sys
import unicodedata
from collections.abc import Iterable
from typing import Any, NamedTuple

from detente.cli.reasons import fault_in_words, in_words
from detente.errors import CannotTell, DetenteError, NotVerified
from detente.words import harmless, say, say_error

BAR_WIDTH = 30
# What cannot be told of an exchange; a full disk or a silent endpoint is nobody's evidence.
OF_EVIDENCE = {
    "unanchored",
    "unanchored-log",
    "unanchored-lone",
    "lone-not-concluded",
    "lone-none",
    "fork-unsigned",
    "fork-unproved",
    "exchange-missing",
    "plan-missing",
    "no-number",
    "F-10.differs",
}


class Speech(NamedTuple):
    """One command's voice: its language, and whether it speaks JSON."""

    lang: str
    as_json: bool = False

    def say(self, key: str, **fields: object) -> None:
        """A sentence of cli's words, to stderr; silent where JSON was asked for."""
        if not self.as_json:
            print(say(f"cli.say.{key}", self.lang, **fields), file=sys.stderr)

    def tell(self, sentence: str) -> None:
        """A sentence made elsewhere, to stderr."""
        if not self.as_json:
            print(sentence, file=sys.stderr)

    def data(self, text: str) -> None:
        """A line of data, to stdout."""
        try:
            print(text)
        except OSError as error:
            error.filename = error.filename or "stdout"
            raise

    def row(self, value: dict[str, Any]) -> None:
        """A JSON value on one line, to stdout."""
        narrow = not str(getattr(sys.stdout, "encoding", "utf-8")).lower().startswith("utf")
        self.data(shown_json(json.dumps(value, ensure_ascii=narrow, sort_keys=True)))

    def step(self, name: str, key: str, fields: dict[str, object]) -> None:
        """A step of verify that passed."""
        if self.as_json:
            self.row({"step": name, "ok": True, **fields})
        else:
            self.data(f"{name:<5} {say(key, self.lang, **fields)}")

    def lines(self, lines: Iterable[bytes]) -> None:
        """JSON lines as they are in a file, UTF-8 whatever the terminal is."""
        try:
            sys.stdout.flush()
            sys.stdout.buffer.writelines(lines)
            sys.stdout.buffer.flush()
        except OSError as error:
            error.filename = error.filename or "stdout"
            raise

    def bar(self, key: str, done: int, total: int, note: str = "") -> None:
        """A progress bar where somebody watches; every quarter as a plain line where nobody does."""
        if self.as_json or total == 0:
            return
        title = say(f"cli.bar.{key}", self.lang)
        if sys.stderr.isatty() or os.environ.get("DETENTE_BAR"):
            full = BAR_WIDTH * done // total
            end = "\n" if done == total else ""
            line = f"\r{title} [{'#' * full}{'.' * (BAR_WIDTH - full)}] {done}/{total} {note}"
            print(line + "\x1b[K", end=end, file=sys.stderr, flush=True)
        elif done == total or done * 4 // total != (done - 1) * 4 // total:
            print(f"{title} {done}/{total} {note}".rstrip(), file=sys.stderr, flush=True)

    def error(self, error: DetenteError) -> None:
        """An error as house rules say: code, what, where, both values, hint; one JSON line where asked for."""
        fields = {"expected": error.expected, "got": error.got, "place": error.place, **error.fields}
        what, hint = said_error(error.code, self.lang, fields)
        step = error.step if isinstance(error, NotVerified) else str(error.fields.get("step", ""))
        if self.as_json:
            row = {name: str(value) for name, value in fields.items() if value is not None}
            row |= {"error": error.code, "step": step, "what": what, "hint": hint}
            self.row({**row, "exit": error.exit_code})
            return
        print(red(f"error[{error.code}]: {f'{step}: ' if step else ''}{what}"), file=sys.stderr)
        if error.place and harmless(short(error.place)) not in what:
            print(f"  {say('cli.error.at', self.lang)} {harmless(error.place)}", file=sys.stderr)
        if error.expected is not None and error.got is not None:
            wanted, got = in_words(short(error.expected), self.lang), in_words(short(error.got), self.lang)
            if not (_says(what + hint, wanted) and _says(what, got)):  # said already, in a sentence
                print(f"  {say('cli.error.values', self.lang, expected=wanted, got=got)}", file=sys.stderr)
        if isinstance(error, NotVerified) or (isinstance(error, CannotTell) and (step or error.code in OF_EVIDENCE)):
            print(f"  {say(f'cli.error.exit{error.exit_code}', self.lang)}", file=sys.stderr)
        if hint:
            print(f"\n{say('cli.error.hint', self.lang)}{hint}", file=sys.stderr)


def _says(text: str, value: str) -> bool:
    """Whether a message has a value in it, as a word of its own."""
    return re.search(rf"(?<![\w.-]){re.escape(harmless(value))}(?![\w-])", text) is not None


def said_error(code: str, lang: str, fields: dict[str, object]) -> tuple[str, str]:
    """An error's two sentences; a placeholder without a value stays visible rather than failing the message."""
    try:
        shown = {name: in_words(short(value), lang) for name, value in fields.items()}
        if code.startswith(("endpoint-", "model-")):
            shown["got"] = fault_in_words(shown["got"], lang)
        return say_error(code, lang, **shown)
    except KeyError:
        return code, ""


def shown_json(text: str) -> str:
    """JSON whose control, format and bidi characters are written as escapes: the same value, and safe to look at."""
    return "".join(
        c if harmless(c) == c else f"\\u{ord(c):04x}" if ord(c) < 0x10000 else json.dumps(c)[1:-1] for c in text
    )


def short(value: object) -> str:
    """A value for a message: at most 300 characters, a dash for nothing."""
    text = "-" if value is None else str(value)
    return text if len(text) <= 300 else text[:300] + "…"


def wide(text: str) -> int:
    """How many columns a text takes in a terminal: a Han character or a full-width sign takes two (UAX 11)."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def padded(text: str, columns: int) -> str:
    """A text filled up with spaces to so many columns."""
    return text + " " * max(0, columns - wide(text))


def folded(text: str, columns: int) -> list[str]:
    """A text in lines of at most so many columns: at spaces where there are, else between Han characters."""
    lines, line = [], ""
    for piece in re.findall(r"[\u3000-\u9fff\uff00-\uffef]|[^\s\u3000-\u9fff\uff00-\uffef]+|\s+", text):
        # a mark that closes something never begins a line
        if line.strip() and wide(line + piece) > columns and piece not in "，。；：、！？）】》”":
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    return [*lines, line.rstrip()] if line.strip() else lines


def red(text: str) -> str:
    """Red where a person looks at a terminal that has not asked for no colour (no-color.org)."""
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        return f"\x1b[31m{text}\x1b[0m"
    return text
