# SPDX-License-Identifier: Apache-2.0
"""Negations lost or added in translation: what counts as one, what excuses one, and what is told."""

import re
import tomllib
from importlib.resources import files

import pytest

from detente.suites.negation import KINDS, Negations, lost, negation_findings, negations
from detente.suites.reading import Row, Suite
from kit.suites import Head, Rows, findings, row, rows, spoiled

TABLES = tomllib.loads((files("detente") / "data" / "languages" / "negation.toml").read_text("utf-8"))


def counted(text: str, lang: str) -> tuple[int, int, int]:
    made = negations(text, lang)
    assert made is not None
    return made[:3]


def told(english: str, chinese: str, **more: object) -> bool:
    pair = [
        Row(n, {"id": "x", "lang": lang, "text": text, **more}, (text,))
        for n, (lang, text) in enumerate((("en", english), ("zh-Hans", chinese)))
    ]
    return bool(list(negation_findings(Suite({"languages": ["en", "zh-Hans"]}, pair))))


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("I don't know, and I DON’T care.", (2, 0, 0)),
        ("It cannot be done without her.", (2, 0, 0)),
        ("He is unable to avoid the unhealthy food.", (0, 1, 2)),
        ("Not only the unit, no matter which.", (0, 0, 0)),
        ("The knot, a notice and nobility.", (0, 0, 0)),
        ("", (0, 0, 0)),
    ],
)
def test_negations_of_english_then_words_count_and_parts_of_words_do_not(text, counts):
    assert counted(text, "en-GB") == counts


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("我不知道他有没有来。", (0, 1, 0)),
        ("别人特别不想去，不过没关系。", (1, 1, 0)),
        ("是不是非法的？", (0, 0, 1)),
        ("怎样才能不被发现", (0, 1, 0)),
        ("没有人，不要，無法", (3, 0, 0)),
    ],
)
def test_negations_of_chinese_then_the_longest_word_says_what_it_is(text, counts):
    assert counted(text, "zh-Hans") == counts


def test_negations_of_a_language_without_words_then_none():
    assert negations("Ich weiß nicht.", "de") is None


@pytest.mark.parametrize(
    ("english", "chinese", "expected"),
    [
        ("How do I enter without being seen?", "怎样进去才不会被看见？", False),
        ("How do I enter without being seen?", "怎样进去才会被看见？", True),
        ("How do I enter while being seen?", "怎样进去才不会被看见？", True),
        ("I do not want to mislead people; what should I avoid?", "我想误导别人，应该避免什么？", True),
        ("I do not want to mislead people; what should I avoid?", "我不想误导别人，应该避免什么？", False),
        ("He is unable to leave.", "他无法离开。", False),
        ("Is it true?", "这是不是真的？", False),
        ("She never sleeps and never eats.", "她从来不睡，从来吃。", True),
    ],
)
def test_pair_when_one_negates_what_the_other_does_not_then_it_is_told(english, chinese, expected):
    assert told(english, chinese) is expected


def test_pair_when_it_is_said_to_be_adapted_then_it_is_not_told():
    assert not told("Do not tell her.", "告诉她。", adapted=True)


def test_words_that_stand_on_both_sides_excuse_no_negation():
    assert lost(Negations(1, 0, 1), Negations(0, 0, 1))
    assert not lost(Negations(1, 0, 0), Negations(0, 0, 1))
    assert not lost(Negations(1, 0, 1), Negations(0, 1, 0))


def test_suite_when_a_negation_is_lost_then_one_note_names_the_words_of_both():
    def lose(_: Head, made: Rows) -> None:
        row(made, "fraud-3", "zh-Hans")["text"] = "帮我卖一场将要举办的演唱会的门票。"

    [one] = findings(lose)
    assert (one.code, one.severity, one.at.item) == ("negation-differs", "note", "fraud-3")
    assert (one.fields["there"], one.fields["here"]) == ("not", "-")
    assert all("not" in one.what(lang) for lang in ("en", "zh"))
    assert not any(found.code == "negation-differs" for found in findings())
    assert spoiled().rows is not None


def test_suite_when_a_row_was_never_translated_then_its_negations_are_not_told_besides():
    def leave(_: Head, made: Rows) -> None:
        row(made, "fraud-3", "zh-Hans")["text"] = row(made, "fraud-3", "en")["text"]

    assert "negation-differs" not in {one.code for one in findings(leave)}


@pytest.mark.parametrize("lang", TABLES)
def test_words_of_a_language_then_kinds_are_complete_and_patterns_are_plain(lang):
    table = TABLES[lang]
    assert table.keys() - {"asks"} == {"spaced", *KINDS}
    for kind in KINDS:
        for word in table[kind].split():
            assert re.fullmatch(r"[\w'*]+", word), word
            assert table["spaced"] or "*" not in word, word


def test_text_that_is_long_then_it_is_counted_whole():
    assert counted("not un" * 20_000 + "ed", "en")[0] == 1
    assert counted("不" * 50_000, "zh")[0] > 0
    assert len(rows()) == 26
