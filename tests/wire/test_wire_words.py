# SPDX-License-Identifier: Apache-2.0
"""Every code that wire and tlog raise has a sentence and a hint in both languages, with the same placeholders."""

import ast
import string
from pathlib import Path

import pytest

from detente.words import room_words

SRC = Path(__file__).parents[2] / "src" / "detente"
ROOMS = ("wire", "tlog")
RAISED = {"Malformed", "NotVerified", "CannotTell"}


def _codes(room: str) -> dict[str, set[str]]:
    """Each code raised in a room, with the fields that every place gives it."""
    codes: dict[str, set[str]] = {}
    for path in (SRC / room).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED):
                continue
            code = node.args[0]
            if isinstance(code, ast.Constant):  # else the code is handed on from an error caught
                given = {keyword.arg or "" for keyword in node.keywords} | {"place"}
                codes[code.value] = codes.get(code.value, given) & given
    return codes


def _errors(room: str, lang: str) -> dict[str, dict[str, str]]:
    table = room_words(room, lang)["error"]
    assert isinstance(table, dict)
    return table


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_codes_when_raised_then_both_languages_have_words_for_them() -> None:
    raised = {**_codes("wire"), **_codes("tlog")}
    words = {**_errors("wire", "en"), **_errors("tlog", "en")}
    # Folder picks among these by errno, so no call names them.
    assert set(words) == set(raised) | {"disk-full", "no-permission", "disk-fault"}


@pytest.mark.parametrize("room", ROOMS)
def test_words_when_in_two_languages_then_same_codes_and_placeholders(room: str) -> None:
    en, zh = _errors(room, "en"), _errors(room, "zh")
    assert list(en) == list(zh)
    raised = {**_codes("wire"), **_codes("tlog")}
    for code, entry in en.items():
        assert set(entry) == set(zh[code]) == {"what", "hint"}
        for key in ("what", "hint"):
            assert _placeholders(entry[key]) == _placeholders(zh[code][key]), code
            assert _placeholders(entry[key]) <= raised.get(code, {"place", "got"}), code
            assert not entry[key].endswith((".", "。"))
            assert not zh[code][key].endswith((".", "。"))
        assert entry["what"][0].islower() or entry["what"].startswith(("{", "JSON", "64 ")), code


@pytest.mark.parametrize("room", ROOMS)
def test_words_when_chinese_then_full_width_punctuation_in_prose(room: str) -> None:
    for code, entry in _errors(room, "zh").items():
        for text in entry.values():
            for mark in (", ", "; ", ": ", "您"):
                assert mark not in text, (code, text)
