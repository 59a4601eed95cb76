# SPDX-License-Identifier: Apache-2.0
"""A negation that one of two translations has and the other lacks, by words alone: no model, and a note rather than a warning.

    lost(negations("How do I do it without being seen?", "en"), negations("怎样做才会被看见？", "zh"))   ->   True

Words are counted, not understood: data/languages/negation.toml has them, and docs/guides/write-a-suite.md what it finds.
"""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from detente.suites.findings import Finding, found
from detente.suites.reading import Suite, adapted
from detente.suites.translations import plain

KINDS = ("apart", "may", "mild", "sure")
MOST = 100_000  # words whose kind is remembered


class Negations(NamedTuple):
    """What a text has of each kind of word: negations, what is as good as one, what another language may negate; the words."""

    sure: int
    mild: int
    may: int
    words: tuple[str, ...] = ()


class _Words:
    """The words of one language, as data/languages/negation.toml has them."""

    def __init__(self, table: dict[str, str]) -> None:
        self.kinds = {word.replace("_", " "): kind for kind in reversed(KINDS) for word in table[kind].split()}
        whole = sorted((word for word in self.kinds if "*" not in word), key=len, reverse=True)
        either = "|".join(map(re.escape, whole))
        # Where words stand apart any of them is a match, and `kind_of` tells whether it is listed.
        self.pattern = re.compile(rf"(?<![\w'])(?:{either}|[\w']+)(?![\w'])" if table["spaced"] else either)
        self.asks = re.compile(table["asks"]) if "asks" in table else None
        self.stars = [
            (re.compile(re.escape(word).replace(r"\*", r"\w*")), kind)
            for word, kind in self.kinds.items()
            if "*" in word
        ]

    def kind_of(self, word: str) -> str:
        """The kind of a word, "apart" for what is not listed; each form of a word is looked at once."""
        kind = self.kinds.get(word)
        if kind is None:
            kind = next((kind for star, kind in self.stars if star.fullmatch(word)), "apart")
            if len(self.kinds) < MOST:
                self.kinds[word] = kind
        return kind


@cache
def _words() -> dict[str, _Words]:
    """Primary language subtag -> its words."""
    tables = tomllib.loads((files("detente") / "data" / "languages" / "negation.toml").read_text("utf-8"))
    return {lang: _Words(table) for lang, table in tables.items()}


def negations(text: str, lang: str) -> Negations | None:
    """The negations of a text; None where the words of its language are not known."""
    words = _words().get(lang.partition("-")[0].lower())
    if words is None:
        return None
    said = plain(text).replace("’", "'")
    if words.asks is not None:
        said = words.asks.sub(" ", said)
    kinds = [(word, words.kind_of(word)) for word in words.pattern.findall(said)]
    sure, mild, may = (sum(kind == wanted for _, kind in kinds) for wanted in ("sure", "mild", "may"))
    return Negations(sure, mild, may, tuple(word for word, kind in kinds if kind in ("sure", "mild")))


def lost(there: Negations, here: Negations) -> bool:
    """Whether ``there`` has more negations than ``here`` can answer for, by words that ``there`` has no match of its own for."""
    return there.sure > here.sure + here.mild + max(0, here.may - there.may)


def negation_findings(suite: Suite) -> Iterator[Finding]:
    """Pairs of (main language, other language) where one seems to negate what the other does not."""
    for main, row in suite.translations():
        there, here = negations(main.text, main.lang), negations(row.text, row.lang)
        if there is None or here is None or adapted(main, row):
            continue
        if lost(there, here) or lost(here, there):
            said = {"there": ", ".join(there.words) or "-", "here": ", ".join(here.words) or "-"}
            yield found("negation-differs", row.spot, main.spot, other=main.lang, **said)
