# SPDX-License-Identifier: Apache-2.0
"""The scorer choice: English and Chinese ways to name a letter, letters thrown out, ambiguity, cost."""

import pytest

from detente.errors import WrongUsage
from detente.score.choice import ChoiceScorer
from kit.growth import assert_linear

SCORER = ChoiceScorer()

CHOSEN = {
    "B": [
        "B",
        "b",
        "(b)",
        "B.",
        "B. Paris",
        "B) Paris",
        "Ｂ",
        "**B**",
        "The answer is B",
        "The answer is B.",
        "The correct answer is (b).",
        "the best answer would be **B**, because it is the oldest",
        "Answer: B",
        "Answer:\nB",
        "ANSWER: B) Paris",
        "I would choose option B.",
        "I'd go with B.",
        "B is correct.",
        "Option A is about cats. Option B is about dogs. The answer is B.",
        "A is wrong, C is wrong, so the answer is B.",
        "It isn't A, it's B.",
        "The answer is not A but B.",
        "Let me think. A: no. C: no. Final answer: B",
        "\\boxed{B}",
        "<think>A or C?</think>B",
        "A cat has nine lives. B",
        "选B",
        "选Ｂ。",
        "我选B项",
        "答案：Ｂ",
        "答案:B",
        "**答案：B**",
        "答案是B。",
        "答案为（B）",
        "正确答案是 B，因为它最早。",
        "正确选项为B",
        "应选B",
        "應選Ｂ",
        "不选A，选B。",
        "A项错误，B项正确，C项错误，D项错误。故选B。",
        "选项A不对，选项C有误，因此选B。",
        "不是A，而是B",
        "B是正确的",
    ],
    "A": ["The answer is A because it is the oldest.", "A", "A, of course", "选A", "Ａ。"],
    "": [
        "",
        "Paris",
        "选择题",
        "A dog barks.",
        "D'Artagnan",
        "I do not know.",
        "我不知道",
        "vitamin K",
        "BBC",
        "排除A",
    ],
}
AMBIGUOUS = [
    "A or B",
    "(A) or (B)",
    "答案是B或C",
    "选A、B",
    "Both A and C",
    "The answer is B and D.",
    "AB: A, B",
    "B/C",
]


@pytest.mark.parametrize(("letter", "reply"), [(k, reply) for k, replies in CHOSEN.items() for reply in replies])
def test_reply_when_it_chooses_then_right_for_that_letter_alone(letter: str, reply: str) -> None:
    right = [wanted for wanted in "ABCDEFGH" if SCORER.label("", reply, wanted).label == "right"]
    assert right == list(letter)


@pytest.mark.parametrize("reply", AMBIGUOUS)
def test_reply_when_two_letters_are_left_then_wrong_and_says_so(reply: str) -> None:
    for wanted in "ABCD":
        found = SCORER.label("", reply, wanted)
        assert found.label == "wrong"
        assert found.why.startswith("ambiguous")


def test_reference_when_two_letters_are_allowed_then_either_is_right() -> None:
    assert SCORER.label("", "选Ｃ", "b|ｃ").label == "right"
    assert SCORER.label("", "选D", "b|ｃ").label == "wrong"


@pytest.mark.parametrize("reference", [None, "", "Paris", "7", "AB"])
def test_reference_when_no_letter_then_wrong_usage(reference: str | None) -> None:
    with pytest.raises(WrongUsage, match="no-reference"):
        SCORER.label("", "B", reference)


@pytest.mark.parametrize("shape", ["B", "B or ", "选", "answer is ", "not ", " ", "(a", "answer to ", "综上"])
def test_a_megabyte_when_read_then_the_work_is_linear(shape: str) -> None:
    reply = shape * (1_000_000 // len(shape))
    assert_linear(lambda text: SCORER.label("", text, "B"), reply)
