# SPDX-License-Identifier: Apache-2.0
"""Every sentence exists in both languages, says the same things, and every error that can be raised has one."""

import ast
import re
import string
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from detente.words import say

SRC = Path(__file__).resolve().parents[1] / "src" / "detente"
WORDS = SRC / "data" / "words"
ROOMS = sorted(path.name.removesuffix(".en.toml") for path in WORDS.glob("*.en.toml"))

ERRORS = {"DetenteError", "WrongUsage", "Malformed", "NotVerified", "CannotTell"}
# What whoever prints an error always knows of it, beside the fields that the raiser gave.
ALWAYS = {"place", "expected", "got", "step"}
HAN = re.compile(r"[\u4e00-\u9fff]")
HALF_WIDTH = re.compile(r"[\u4e00-\u9fff][,.;!?][\u4e00-\u9fff]")
RULE_CODE = re.compile(r"[A-Z]-\d+\.[a-z0-9-]+")
PLAIN_CODE = re.compile(r"[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*(\.[A-Za-z0-9-]+)?")


def read(room: str, lang: str) -> dict[str, str]:
    """All sentences of a room's file as {key path: sentence}."""
    return dict(flat(tables(room, lang), ()))


def tables(room: str, lang: str) -> dict[str, Any]:
    """A room's file in one language; nothing where there is none (the first test says so)."""
    path = WORDS / f"{room}.{lang}.toml"
    return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}


def flat(node: object, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from flat(value, (*path, key))
    elif isinstance(node, list):
        for n, value in enumerate(node):
            yield from flat(value, (*path, str(n)))
    else:
        yield "/".join(path), str(node)


def placeholders(sentence: str) -> set[str]:
    return {
        field.split(".")[0].split("[")[0] for _, field, _, _ in string.Formatter().parse(sentence) if field is not None
    }


@cache
def trees() -> tuple[tuple[str, ast.Module], ...]:
    """Every source file, parsed once."""
    return tuple(
        (path.relative_to(SRC).as_posix(), ast.parse(path.read_text("utf-8"))) for path in sorted(SRC.rglob("*.py"))
    )


def nodes() -> Iterator[tuple[ast.AST, str]]:
    """Every node of the source, and where it stands."""
    for path, tree in trees():
        for node in ast.walk(tree):
            yield node, f"{path}:{getattr(node, 'lineno', 0)}"


def calls() -> Iterator[tuple[ast.Call, str]]:
    """Every call in the source, and where it stands."""
    for node, where in nodes():
        if isinstance(node, ast.Call):
            yield node, where


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def error_names() -> set[str]:
    """The error classes of errors.py and every class in the source built on them."""
    known = set(ERRORS)
    classes = [node for node, _ in nodes() if isinstance(node, ast.ClassDef)]
    while more := {c.name for c in classes if any(getattr(b, "id", "") in known for b in c.bases)} - known:
        known |= more
    return known


def spellings(node: ast.expr) -> list[str]:
    """The strings that an argument can be, as far as the source says so."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return spellings(node.body) + spellings(node.orelse)
    return []


def raised() -> Iterator[tuple[str, set[str] | None, str]]:
    """(code, fields given or None if they cannot be read off, place) of every error that the source makes.

    Codes also reach an error through a variable, so every string in the shape of a rule's code
    counts, but for those that only name a violation in a list (``refuse``).
    """
    errors = error_names()
    direct = set()
    for call, where in calls():
        strings = {id(node) for node in ast.walk(call) if isinstance(node, ast.Constant)}
        if called(call) == "refuse" or called(call) in errors:
            direct |= strings
        if called(call) in errors and call.args:
            given = {word.arg for word in call.keywords if word.arg is not None}
            whole = all(word.arg is not None for word in call.keywords)
            for code in spellings(call.args[0]):
                yield code, given if whole else None, where
    for node, where in nodes():
        if isinstance(node, ast.Constant) and id(node) not in direct and RULE_CODE.fullmatch(str(node.value)):
            yield str(node.value), None, where


def error_words(lang: str) -> dict[str, tuple[str, str]]:
    """{code: (what, hint)} over all rooms."""
    found: dict[str, tuple[str, str]] = {}
    for room in ROOMS:
        table = tables(room, lang).get("error", {})
        for code, entry in table.items():
            if isinstance(entry, Mapping):
                found[code] = (entry.get("what", ""), entry.get("hint", ""))
    return found


def test_rooms_have_words_in_both_languages() -> None:
    chinese = sorted(path.name.removesuffix(".zh.toml") for path in WORDS.glob("*.zh.toml"))
    assert chinese == ROOMS
    assert ROOMS, "no words at all"


@pytest.mark.parametrize("room", ROOMS)
def test_words_of_a_room_have_the_same_keys_and_placeholders(room: str) -> None:
    en, zh = read(room, "en"), read(room, "zh")
    assert sorted(en.keys() - zh.keys()) == [], "not in Chinese"
    assert sorted(zh.keys() - en.keys()) == [], "not in English"
    different = [
        f"{key}: {sorted(placeholders(en[key]))} and {sorted(placeholders(zh[key]))}"
        for key in en
        if placeholders(en[key]) != placeholders(zh[key])
    ]
    assert not different, "\n".join(different)


@pytest.mark.parametrize("room", ROOMS)
def test_chinese_sentences_are_chinese(room: str) -> None:
    en, zh = read(room, "en"), read(room, "zh")
    foreign, half_width = [], []
    for key, sentence in zh.items():
        prose = re.sub(r"`[^`]*`|\{[^}]*\}", "", sentence)
        english_words = re.findall(r"[A-Za-z]{2,}", re.sub(r"`[^`]*`|\{[^}]*\}", "", en.get(key, "")))
        command = sentence == en.get(key) and sentence.startswith("detente ")
        if len(english_words) > 2 and sentence and not command and not HAN.search(prose):
            foreign.append(f"{key}: {sentence}")
        if HALF_WIDTH.search(prose):
            half_width.append(f"{key}: {sentence}")
    assert not foreign, "no Chinese in it:\n" + "\n".join(foreign)
    assert not half_width, "half-width punctuation between characters:\n" + "\n".join(half_width)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_errors_when_raised_have_words(lang: str) -> None:
    known = error_words(lang)
    # A code that nothing raises by its name may be one that only lists an entry; tests/check holds those words to the source.
    listed = {f"{rule}.{word}" for rule, words in tables("check", lang)["violation"].items() for word in words}
    missing = sorted(
        {
            f"{code} ({where})"
            for code, given, where in raised()
            if code not in (known if given is not None else listed | known.keys())
        }
    )
    assert not missing, f"no words in {lang}:\n" + "\n".join(missing)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_errors_when_spoken_have_all_their_fields(lang: str) -> None:
    known = error_words(lang)
    wrong = []
    for code, given, where in raised():
        if code in known and given is not None:
            needed = set().union(*(placeholders(text) for text in known[code])) - ALWAYS
            if lacking := needed - given:
                wrong.append(f"{where}: {code} does not give {sorted(lacking)}")
    assert not wrong, "\n".join(sorted(wrong))


def test_error_codes_are_spelled_as_codes_and_stand_in_one_room() -> None:
    odd = sorted({f"{where}: {code}" for code, _, where in raised() if not PLAIN_CODE.fullmatch(code)})
    assert not odd, "\n".join(odd)
    homes: Counter[str] = Counter()
    for room in ROOMS:
        table = tables(room, "en").get("error", {})
        homes.update(code for code, entry in table.items() if isinstance(entry, Mapping))
    twice = sorted(code for code, times in homes.items() if times > 1)
    assert not twice, f"words in two rooms: {twice}"


def test_error_words_say_what_happened_and_what_to_do() -> None:
    wrong = []
    for lang in ("en", "zh"):
        for code, (what, hint) in error_words(lang).items():
            if not what or not hint:
                wrong.append(f"{code} ({lang}): {'what' if not what else 'hint'} is empty")
            if what.rstrip().endswith((".", "。")):
                wrong.append(f"{code} ({lang}): ends with a full stop")
            if lang == "en" and what[:1].isupper() and not what[:2].isupper() and " " in what:
                wrong.append(f"{code} (en): begins with a capital")
    assert not wrong, "\n".join(wrong)


def test_sentences_when_asked_for_by_key_exist_and_get_their_values() -> None:
    words = {
        lang: {f"{room}.{key.replace('/', '.')}": text for room in ROOMS for key, text in read(room, lang).items()}
        for lang in ("en", "zh")
    }
    wrong = []
    for call, where in calls():
        if called(call) == "say" and len(call.args) >= 2:
            given = {word.arg for word in call.keywords}
            for key in spellings(call.args[0]):
                for lang, table in words.items():
                    if key not in table:
                        wrong.append(f"{where}: no {lang} words for {key}")
                    elif None not in given and (lacking := placeholders(table[key]) - given):
                        wrong.append(f"{where}: {key} is not given {sorted(lacking)}")
    assert not wrong, "\n".join(sorted(set(wrong)))


@pytest.mark.parametrize(
    ("n", "shown"),
    [
        (1, "1 error, 0 warnings, 0 notes; 1 item in 1 language"),
        (2, "2 errors, 0 warnings, 0 notes; 2 items in 2 languages"),
    ],
)
def test_sentence_when_a_value_is_one_then_its_word_is_singular(n: int, shown: str) -> None:
    values = {"errors": n, "warnings": 0, "notes": "0", "items": n, "languages": n}
    assert say("cli.say.suite-checked", "en", **values) == shown


@pytest.mark.parametrize("room", ROOMS)
def test_sentences_when_they_choose_a_word_then_of_two(room: str) -> None:
    """A choice that is not one of two words would fail where it is said, in front of a user."""
    for lang in ("en", "zh"):
        for key, text in read(room, lang).items():
            choices = {spec for _, _, spec, _ in string.Formatter().parse(text) if spec}
            assert all(len(words := choice.split("|")) == 2 and all(words) for choice in choices), (lang, key)
            assert not choices or lang == "en", f"Chinese has no singular: {key}"
