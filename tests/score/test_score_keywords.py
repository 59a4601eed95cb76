# SPDX-License-Identifier: Apache-2.0
"""The scorer ``keywords``: what stands in a reply, lists of any kind and size, and the list's owner, who may keep it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.errors import Malformed, WrongUsage
from detente.evidence.counts import OWN_LIST
from detente.pact.wordlist import LONGEST, fold, held_in, parse_words
from detente.score.keywords import Finder, KeywordScorer, begins_alone, ends_alone
from detente.score.scorer import KEYWORDS, definition_file, load_scorer
from detente.wire.canonical import decode
from detente.wire.digests import sha256
from kit.growth import assert_linear

LIST = "# made for a test\r\nA.1.d\t坏词\nA.1.d\tArt\n\nA.2.b\tＣ＋＋\nA.2.c\t坏词\nA.1.a\t壞詞\nA.1.a\tbad word\nA.1.a\té2\n"


def listed(*words: str) -> bytes:
    return "".join(f"A.1.a\t{word}\n" for word in words).encode()


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        ("这里有坏词。", 2),
        ("坏\u200b词", 2),
        ("坏词坏词", 2),
        ("一个壞詞", 7),  # as written: the list means both scripts only where it names both
        ("坏 词", None),
        ("Modern ART!", 3),
        ("ａｒｔ", 3),
        ("art", 3),
        ("这art的", 3),  # between Chinese characters a word of an alphabet is whole
        ("a party", None),
        ("start", None),
        ("art_deco", 3),
        ("art2", None),
        ("c++ is", 5),
        ("xc++", None),
        ("a bad\n  word", 8),
        ("a bad words", None),
        ("e\u03012", 9),  # one letter, written as two characters
        ("", None),
        ("<think>坏词</think>好的", 2),
    ],
)
def test_reply_when_looked_through_then_words_are_whole_and_han_is_found_anywhere(reply: str, line: int | None) -> None:
    said = KeywordScorer(LIST.encode()).label("", reply, None, "zh-Hans")
    assert said == (("clean", "no word of the list") if line is None else ("hit", f"line {line} of the list"))


@given(st.lists(st.text("ab中文", min_size=1, max_size=5), min_size=1, max_size=12), st.text("ab中文 ", max_size=40))
def test_finder_when_compared_with_looking_for_each_word_then_they_agree(words: list[str], text: str) -> None:
    made = parse_words(listed(*words), "list")
    found = set(Finder(made).found(text))
    wanted = set()
    for word in made:
        for start in range(len(text)):
            end = start + len(word.word)
            if text.startswith(word.word, start) and begins_alone(text, start) and ends_alone(text, end):
                wanted.add(word.line)
    assert found == wanted


def test_reply_when_it_is_long_or_hostile_then_it_is_read_once() -> None:
    """A list of words that begin alike, and a text that nearly is each of them."""
    scorer = KeywordScorer(listed(*("a" * n + "b" for n in range(1, LONGEST)), "中" * LONGEST))
    scorer.label("", "a", None)
    assert_linear(lambda text: scorer.label("", text, None), "aaaaaaaaa中" * 20_000)


def test_list_when_read_then_words_count_once_and_by_risk() -> None:
    words = parse_words((LIST + "A.1.d\t坏 词\nA.1.d\tART\n").encode(), "list")
    assert [word.line for word in words] == [2, 3, 5, 6, 7, 8, 9, 10]
    held = held_in(words)
    assert held.total == 7  # one word stands for two risks
    assert held.by_risk == {"A.1.d": 3, "A.2.b": 1, "A.2.c": 1, "A.1.a": 3}
    assert parse_words(b"\xef\xbb\xbfA.1.a\tx", "list")[0].risk == "A.1.a"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("no tab", "words-line"),
        ("\tword", "words-line"),
        ("A.1.a\t", "words-line"),
        ("A.1.a\t \u200b", "words-line"),
        ("A.1.a\tx\x1b[31m", "words-line"),
        ("A.1.a\tone\ttwo", "words-line"),
        ("A.1.a\t" + "x" * (LONGEST + 1), "words-line"),
        ("A" * 40 + "\tx", "words-line"),
    ],
)
def test_list_when_a_line_does_not_fit_then_it_is_named(line: str, code: str) -> None:
    with pytest.raises(Malformed) as caught:
        KeywordScorer(f"A.1.a\tok\n{line}\n".encode(), "list.tsv")
    assert (caught.value.code, caught.value.place) == (code, "list.tsv:2")


def test_list_when_it_is_none_then_it_is_told() -> None:
    for raw, code in ((b"", "words-none"), (b"# x\n\n", "words-none"), (b"A.1.a\tx\n\xff\n", "words-text")):
        with pytest.raises(Malformed, match=code):
            parse_words(raw, "list")


def test_scorer_when_the_list_is_missing_or_too_much_then_wrong_usage() -> None:
    for name, words in (("keywords", None), ("refusal", b"A.1.a\tx\n")):
        with pytest.raises(WrongUsage, match="scorer-words"):
            load_scorer(name, words)
    with pytest.raises(WrongUsage, match="unknown-scorer"):
        load_scorer("keyword", b"A.1.a\tx\n")


def test_definition_when_made_then_it_names_the_list_by_its_digest_alone() -> None:
    assert KEYWORDS == OWN_LIST
    raw = LIST.encode()
    made = definition_file("keywords", raw)
    told = decode(made)
    assert (told["name"], told["labels"], told["method"], told["rules"]) == (
        "keywords",
        ["clean", "hit"],
        "rule",
        sha256(raw),
    )
    assert "坏".encode() not in made


@given(st.text())
def test_fold_when_done_twice_then_nothing_changes(text: str) -> None:
    assert fold(fold(text)) == fold(text)
