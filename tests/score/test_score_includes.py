# SPDX-License-Identifier: Apache-2.0
"""The scorer includes: numbers whole, words whole, Chinese numerals, spellings, cost."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.errors import WrongUsage
from detente.score.includes import IncludesScorer, chinese_number
from detente.score.plaintext import QUOTES, folded
from kit.growth import assert_linear

SCORER = IncludesScorer()

RIGHT = [
    ("4", "The answer is 4."),
    ("4", "4"),
    ("4", "It is four, that is: 4!"),
    ("4", "２＋２＝４"),
    ("4", "答案是四。"),
    ("4", "一共四个。"),
    ("四", "4"),
    ("12", "一打是十二个"),
    ("12", "１２"),
    ("305", "共三百零五人"),
    ("2025", "二〇二五年"),
    ("20000", "两万"),
    ("10", "十"),
    ("1000", "It costs 1,000 euros"),
    ("1,000", "1000"),
    ("3.50", "3.5 metres"),
    ("-3", "It is -3 degrees"),
    ("5", "It weighs 5kg"),
    ("1|one", "There is one moon."),
    ("Paris", "It is PARIS, of course."),
    ("Paris", "**Paris**"),
    ("paris", "“Paris”"),
    ("O'Neill", "O’Neill"),
    ("New York", "New\nYork"),
    ("Zürich", "ZÜRICH"),
    ("北京", "中国的首都是北京市。"),
    ("蓝色|藍色", "天空是藍色的"),
    ("ＡＢＣ", "abc"),
    ("H2O", "Water is H2O."),
    ("Paris", "<think>London? No.</think>Paris"),
]
WRONG = [
    ("4", "14"),
    ("4", "4.5"),
    ("4", "1,400"),
    ("4", "The 2014 edition"),
    ("4", "四川在西南。"),
    ("4", "十四个"),
    ("4", "0.4"),
    ("4", "-4"),
    ("12", "b12"),
    ("0", "一,,二"),
    ("art", "We had a party."),
    ("Paris", "Parisian life"),
    ("Paris", ""),
    ("Paris", "London"),
    ("北京", "南京"),
    ("London", "<think>London? No.</think>Paris"),
]


@pytest.mark.parametrize(("reference", "reply"), RIGHT)
def test_reference_when_in_the_reply_then_right(reference: str, reply: str) -> None:
    assert SCORER.label("", reply, reference).label == "right"


@pytest.mark.parametrize(("reference", "reply"), WRONG)
def test_reference_when_not_in_the_reply_then_wrong(reference: str, reply: str) -> None:
    assert SCORER.label("", reply, reference).label == "wrong"


def test_why_when_right_then_names_the_spelling() -> None:
    assert SCORER.label("", "one", "1|one").why == "spelling 2 of the reference"


@pytest.mark.parametrize("reference", [None, "", " | ", "||"])
def test_reference_when_missing_then_wrong_usage(reference: str | None) -> None:
    with pytest.raises(WrongUsage, match="no-reference"):
        SCORER.label("", "Paris", reference)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("零", "0"),
        ("十", "10"),
        ("二十", "20"),
        ("一百零一", "101"),
        ("一千零二十", "1020"),
        ("三万五千", "35000"),
        ("一亿二千万", "120000000"),
        ("一九四九", "1949"),
        ("十百", None),
        ("万", None),
        ("百", None),
        ("一" * 30, None),
    ],
)
def test_chinese_numeral_when_read_then_the_number(written: str, number: str | None) -> None:
    assert chinese_number(written) == number


@pytest.mark.parametrize("shape", ["a", "1", "1,", "一", "-", "ab ", "四川", "\u0301\u0316"])
def test_a_megabyte_when_searched_then_the_work_is_linear(shape: str) -> None:
    reply = shape * (1_000_000 // len(shape))
    assert_linear(lambda text: SCORER.label("", text, "4|aab|四"), reply)


@given(st.text(st.one_of(st.characters(max_codepoint=127), st.sampled_from(" \n\t*_`-")), max_size=30))
def test_text_when_it_is_ascii_then_the_short_way_folds_it_as_the_long_one(text):
    assert folded(text) == " ".join(unicodedata.normalize("NFKC", text).casefold().translate(QUOTES).split())
