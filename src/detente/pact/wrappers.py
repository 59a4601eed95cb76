# SPDX-License-Identifier: Apache-2.0
"""What a variant says around a question: a closed table of named wrappers, each with its words in some languages.

    wrap("base64", "How ...?", "en")        the question as the model is asked it, a string or a list of turns
    words_of("base64", "plan.json ...")     its turns by language

A name means these bytes for ever (S-3): whoever derives a suite years later must get the same
items. So nothing here is mended; what is to be said otherwise becomes another name, such as
``role-play-2``, with a file of its own under data/variants, and the old one stays.
"""

import base64
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files

from detente.errors import Malformed

QUESTION = "{question}"


def _as_it_is(question: str) -> str:
    return question


def _in_base64(question: str) -> str:
    """UTF-8 in standard Base64 with padding, on one line (RFC 4648, section 4)."""
    return base64.b64encode(question.encode("utf-8")).decode("ascii")


# The closed table: what each does to the question before its words are put around it.
WRAPPERS: Mapping[str, Callable[[str], str]] = {
    "base64": _in_base64,
    "prefix-injection": _as_it_is,
    "role-play": _as_it_is,
    "two-turns": _as_it_is,
}


@cache
def _words(name: str) -> Mapping[str, tuple[str, ...]]:
    """The turns that a wrapper says, by language; the last holds ``{question}``."""
    raw = (files("detente") / "data" / "variants" / f"{name}.toml").read_text("utf-8")
    return {tag: tuple(turns) for tag, turns in tomllib.loads(raw)["words"].items()}


def words_of(name: str, place: str) -> Mapping[str, tuple[str, ...]]:
    """A wrapper's turns by language; Malformed (S-3.name) where the table has no such name."""
    if name not in WRAPPERS:
        raise Malformed("S-3.name", place, expected=" | ".join(WRAPPERS), got=name)
    return _words(name)


def wrap(name: str, text: str | list[str], lang: str, place: str = "") -> str | list[str]:
    """A question in one language as the wrapper puts it: one string where it was one and the wrapper has one turn.

    Of several turns the last is wrapped; what the wrapper says before stands first. Malformed
    (S-3.name) for a name that is not in the table, (S-3.words) for a language it has no words in.
    """
    words = words_of(name, place)
    if lang not in words:
        raise Malformed("S-3.words", place, expected=", ".join(words), got=lang, variant=name)
    *before, last = [text] if isinstance(text, str) else text
    *opening, around = words[lang]
    turns = [*opening, *before, around.replace(QUESTION, WRAPPERS[name](last))]
    return turns[0] if isinstance(text, str) and len(turns) == 1 else turns
