# SPDX-License-Identifier: Apache-2.0
"""NFKC of long and of hostile texts: what Python gives, without its hours over a run of combining marks."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from detente.wire.unicode import nfkc
from kit.growth import assert_linear

# Marks of several classes, marks that are two, starters that take marks, letters that end in one, halfwidth sound marks.
ODD = "ae \u0301\u0316\u0344\u0345\u0f71\u0f73\u0f75\u0f81\uff9e\uff76\u1100\u1161\u11a8\uac00\ufdfa\ufb01\u0386\u05b0\u05bc\ufb2c中\U0001d15f\u0b92\u0bd7\u034f"


@given(st.text(ODD), st.text("\u0301\u0316\u0344\u0f73\uff9e\u05b0", min_size=150, max_size=400), st.text(ODD))
def test_nfkc_when_marks_are_many_then_it_is_what_python_gives(before: str, marks: str, behind: str) -> None:
    text = before + marks + behind
    assert nfkc(text) == unicodedata.normalize("NFKC", text)


@given(st.text())
def test_nfkc_when_any_text_is_given_then_it_is_what_python_gives(text: str) -> None:
    assert nfkc(text) == unicodedata.normalize("NFKC", text)


def test_nfkc_when_every_character_stands_behind_a_run_of_marks_then_it_is_what_python_gives() -> None:
    text = "\u0316\u0301" * 60 + "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    assert nfkc(text) == unicodedata.normalize("NFKC", text)


def test_nfkc_when_a_letter_has_thousands_of_marks_then_time_grows_with_the_text() -> None:
    assert_linear(nfkc, "\u0301\u0316" * 20_000)
