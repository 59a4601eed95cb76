# SPDX-License-Identifier: Apache-2.0
"""What a variant says around a question: a closed table of named wrappers, each with its words in some languages.

    wrap("base64", "How ...?", "en")        the question as the model is asked it, a string or a list of turns
    words_of("base64", "plan.json ...")     its turns by language
    asked_in("pivot-sw", ["en", "sw"])      ["en"]: its words are English, the question is in Swahili
    begun_by("prefilled")                   the words that it begins the answer with, by language; empty for all others

A name means these bytes for ever (S-3): whoever derives a suite years later must get the same
items. So nothing here is mended; what is to be said otherwise becomes another name, such as
``role-play-2``, with a file of its own under data/variants, and the old one stays.
"""

import base64
import tomllib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from detente.errors import Malformed

QUESTION = "{question}"
BEGUN = "{begun}"


def _as_it_is(question: str) -> str:
    return question


def _in_base64(question: str) -> str:
    """UTF-8 in standard Base64 with padding, on one line (RFC 4648, section 4)."""
    return base64.b64encode(question.encode("utf-8")).decode("ascii")


# The closed table: what each does to the question before its words are put around it.
WRAPPERS: Mapping[str, Callable[[str], str]] = {
    "base64": _in_base64,
    "pivot-sw": _as_it_is,
    "pivot-te": _as_it_is,
    "prefilled": _as_it_is,
    "prefix-injection": _as_it_is,
    "role-play": _as_it_is,
    "two-turns": _as_it_is,
}
# Whose question is asked in one language, whatever the language of the words around it: the tag of its translation.
PIVOTS: Mapping[str, str] = {"pivot-sw": "sw", "pivot-te": "te"}


# Those that begin the answer themselves, in the model's own turn.
BEGINNERS = frozenset({"prefilled"})


@cache
def _read(name: str) -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads((files("detente") / "data" / "variants" / f"{name}.toml").read_text("utf-8"))


@cache
def _words(name: str) -> Mapping[str, tuple[str, ...]]:
    """The turns that a wrapper says, by language; the last holds ``{question}``."""
    return {tag: tuple(turns) for tag, turns in _read(name)["words"].items()}


def begun_by(name: str) -> Mapping[str, str]:
    """By language the words that the variant begins the answer with, in the model's turn (S-3); empty where it begins none."""
    return _read(name)["begun"] if name in BEGINNERS else {}


@cache
def told_of_begun() -> Mapping[str, Mapping[str, str]]:
    """By language, and by the words that an answer was begun with, what its reader is told of that (S-3)."""
    found: dict[str, dict[str, str]] = {}
    for name in BEGINNERS:
        for lang, begun in begun_by(name).items():
            found.setdefault(lang, {})[begun] = _read(name)["told"][lang].replace(BEGUN, begun)
    return found


def shown(turns: Iterable[str], begun: str, lang: str) -> str:
    """A question as whoever reads its answer sees it, judge or person (S-3): its turns, a line each, then how the answer was begun.

    A label is of the model's own words; without that last line a judge would take "Here is what you asked for" for them.
    """
    told = [told_of_begun().get(lang, {}).get(begun, begun)] if begun else []
    return "\n".join([*turns, *told])


def words_of(name: str, place: str) -> Mapping[str, tuple[str, ...]]:
    """A wrapper's turns by language; Malformed (S-3.name) where the table has no such name."""
    if name not in WRAPPERS:
        raise Malformed("S-3.name", place, expected=" | ".join(WRAPPERS), got=name)
    return _words(name)


def pivot_of(name: str, languages: Iterable[str], place: str) -> str | None:
    """The language that the wrapper takes every question in; None where it takes each in the language it is asked in.

    ``languages``: those that there are texts in. Malformed (S-3.pivot) where the pivot is none of them.
    """
    pivot, there = PIVOTS.get(name), list(languages)
    if pivot is not None and pivot not in there:
        raise Malformed("S-3.pivot", place, expected=pivot, got=", ".join(there), variant=name)
    return pivot


def asked_in(name: str, languages: Iterable[str]) -> list[str]:
    """Of a suite's languages those that its variant is asked in where nobody chooses: all but the pivot (S-3)."""
    return [tag for tag in languages if tag != PIVOTS.get(name)]


def wrap(name: str, text: str | list[str], lang: str, place: str = "") -> str | list[str]:
    """A question as the wrapper puts it in one language: one string where it was one and the wrapper has one turn.

    ``text`` is the question in ``lang``, or in the wrapper's pivot (``pivot_of``). Of several turns the last is wrapped; what the wrapper says before stands first. Malformed
    (S-3.name) for a name that is not in the table, (S-3.words) for a language it has no words in.
    """
    words = words_of(name, place)
    if lang not in words:
        raise Malformed("S-3.words", place, expected=", ".join(words), got=lang, variant=name)
    *before, last = [text] if isinstance(text, str) else text
    *opening, around = words[lang]
    turns = [*opening, *before, around.replace(QUESTION, WRAPPERS[name](last))]
    return turns[0] if isinstance(text, str) and len(turns) == 1 else turns
