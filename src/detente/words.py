# SPDX-License-Identifier: Apache-2.0
"""Every sentence a user reads, by key, in English and Chinese, and the making harmless of foreign text.

Sentences live in ``data/words/<room>.en.toml`` and ``<room>.zh.toml``. A key is
``<room>.<table>.<name>`` (``report.facts.agreed``); an error's sentences stand in table
``error`` of any room's file, as ``[error."B-1.float"]`` with ``what`` and ``hint``.
Placeholders are ``{name}``; every value put into one is made harmless first. Where English has a singular,
``{n} {n:file is|files are} here`` says the first words of a value that is 1 and else the second.
"""

import tomllib
import unicodedata
from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache
from importlib.resources import files

LANGS = ("en", "zh")
# A tag of the plan (BCP 47) to the language of the sentences around it.
TAG_OF = {"en": "en", "zh": "zh-Hans"}
# The language that the command line was asked to speak, for who must ask a person something far below it.
CHOSEN: ContextVar[str | None] = ContextVar("detente_language", default=None)


def language(flag: str | None, environ: Mapping[str, str]) -> str:
    """The language to speak: ``--lang`` if given, else the locale (POSIX order LC_ALL, LC_MESSAGES, LANG), else en."""
    if flag:
        return "zh" if flag.lower().startswith("zh") else "en"
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environ.get(name):
            return "zh" if environ[name].lower().startswith("zh") else "en"
    return "en"


def harmless(text: object) -> str:
    """Foreign text made safe for a terminal: control, format and bidi characters become visible escapes.

    Newlines and tabs too: one message stays one message (CWE-150, Trojan Source CVE-2021-42574).
    """
    shown = str(text)
    if shown.isprintable():  # almost always: then there is none of these
        return shown
    return "".join(
        f"\\u{{{ord(c):x}}}" if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} else c for c in shown
    )


@cache
def room_words(room: str, lang: str) -> Mapping[str, object]:
    """All sentences of one room in one language, as nested tables."""
    return tomllib.loads((files("detente") / "data" / "words" / f"{room}.{lang}.toml").read_text("utf-8"))


def rooms_with_words() -> list[str]:
    """The rooms that have a file of sentences, sorted."""
    folder = files("detente") / "data" / "words"
    return sorted(p.name.removesuffix(".en.toml") for p in folder.iterdir() if p.name.endswith(".en.toml"))


class _Value(str):
    """A value in a sentence, harmless; ``{name:one|more}`` is a word that goes with it."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        one, either, more = spec.partition("|")
        return (one if self == "1" else more) if either else super().__format__(spec)


def _values(fields: Mapping[str, object]) -> dict[str, _Value]:
    return {name: _Value(harmless(value)) for name, value in fields.items()}


def say(key: str, lang: str, /, **fields: object) -> str:
    """The sentence ``key`` with its placeholders filled; KeyError if there is none (a test finds those)."""
    room, *path = key.split(".")
    node: object = room_words(room, lang)
    for step in path:
        if not isinstance(node, Mapping):
            raise KeyError(key)
        node = node[step]
    if not isinstance(node, str):
        raise KeyError(key)
    return node.format_map(_values(fields))


def say_error(code: str, lang: str, /, **fields: object) -> tuple[str, str]:
    """What happened and what to do, as two sentences; the code itself where no room has words for it."""
    for room in rooms_with_words():
        table = room_words(room, lang).get("error", {})
        if isinstance(table, Mapping) and isinstance(entry := table.get(code), Mapping):
            shown = _values(fields)
            return str(entry["what"]).format_map(shown), str(entry.get("hint", "")).format_map(shown)
    return code, ""
