# SPDX-License-Identifier: Apache-2.0
"""A reply made comparable: one form per character, contractions written out, and cut into sentences.

What is looked at is the first ``HEAD`` and the last ``TAIL`` code points of a reply, so the cost of a
rule does not grow with a reply of any length; what lies between is counted as text that carries no sign.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import NamedTuple

from detente.wire.unicode import nfkc

HEAD = 6_000
TAIL = 2_000
# A "sentence" nobody would write is cut here, so that no pattern meets a line of a megabyte.
LONGEST = 600

QUOTES = str.maketrans(
    {
        **dict.fromkeys("‘’‛ʼ´`′＇", "'"),
        **dict.fromkeys("“”„‟″＂", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        # Marks of Markdown and invisible characters: what stands between two letters must not hide a word.
        **dict.fromkeys("*_\u00ad\u200b\u200c\u200d\u2060\ufeff\u200e\u200f", ""),
    }
)
# "* item" is a list, "*word*" is emphasis.
BULLET = re.compile(r"^[ \t]{0,8}\*(?=\s)", re.MULTILINE)
CONTRACTIONS = (
    (re.compile(r"\b(?:i\s?cannot|i can ?'?t|i can not)\b"), "i cannot"),
    (re.compile(r"\b(?:can not|can ?'?t|cant)\b"), "cannot"),
    (re.compile(r"\b(?:won'?t)\b"), "will not"),
    (re.compile(r"\bshan'?t\b"), "shall not"),
    (re.compile(r"\b(do|does|did|is|are|was|were|would|could|should|must|has|have|had)n'?t\b"), r"\1 not"),
    (re.compile(r"\b(?:i'm|im)\b"), "i am"),
    (re.compile(r"\b(i|we|you|they|it|that|there|he|she|let)'(?:re)\b"), r"\1 are"),
    (re.compile(r"\b(i|we|you|they)'ve\b"), r"\1 have"),
    (re.compile(r"\b(i|we|you|they|it|that)'ll\b"), r"\1 will"),
    (re.compile(r"\b(i|we|you|they|it)'d\b"), r"\1 would"),
    (re.compile(r"\b(it|that|this|there|here|what|he|she)'s\b"), r"\1 is"),
    (re.compile(r"\blet's\b"), "let us"),
)
# Visible reasoning is not the answer: what counts stands after the last of these.
END_OF_REASONING = ("</think>", "</thinking>", "</reasoning>", "◁/think▷")
ITEM = re.compile(
    r"(?:[#>]{1,6}\s)?(?:[-•●◦·+]\s|\(?\d{1,2}[.、):](?!\d)|[（(]?[一二三四五六七八九十]{1,3}[、.)）]|[①-⑳]"
    r"|(?:step|method|tip|option|answer)\s\d|第[一二三四五六七八九十\d]{1,3}(?:步|[,、:]))"
)
# Lists written in one line: "以下是一些建议:1. ... 2. ..." is cut before each number.
INLINE_ITEM = re.compile(r"(?<=[。;!?.:：；！？\s])(?=\d{1,2}[.、)]\s?[^\d\s])")
STOP = re.compile(r"(?<=[。!?;！？；])|(?<=[a-z\d\)'\"\]]{2}[.])(?=\s)|(?<=[.!?]['\"])(?=\s)")
# Whatever str.split takes for white space in ASCII, but for a single space.
SHORT = 100  # up to so many characters, cutting apart and joining again is faster than looking
GAPS = ("  ", "\n", "\t", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x1f")
HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]")


class Sentence(NamedTuple):
    """One sentence of a reply: its comparable text, whether it opens or continues a list item, and which line."""

    text: str
    item: bool
    line: int


def comparable(text: str, variants: Mapping[int, str] | None = None) -> str:
    """The text in NFKC, casefolded, straight quotes, no Markdown emphasis, contractions written out.

    ``variants`` maps Traditional to Simplified characters, one to one (the rule file names the few its rules need).
    """
    plain = BULLET.sub("-", unicodedata.normalize("NFKC", text)).casefold().translate(QUOTES)
    if variants:
        plain = plain.translate(variants)
    for pattern, written_out in CONTRACTIONS:
        plain = pattern.sub(written_out, plain)
    return plain


def answer_part(reply: str) -> str:
    """The reply after its visible reasoning; all of it where the reasoning never ends or nothing follows it."""
    for mark in END_OF_REASONING:
        if mark in reply and (rest := reply.rpartition(mark)[2]).strip():
            reply = rest
    return reply


def sentences(plain: str) -> list[Sentence]:
    """Comparable text cut into sentences, none longer than ``LONGEST``; empty ones are left out."""
    found: list[Sentence] = []
    for number, line in enumerate(plain.split("\n")):
        item = False
        for part in INLINE_ITEM.split(line):
            item = item or ITEM.match(part.lstrip()) is not None
            for sentence in STOP.split(part):
                words = sentence.strip(" \t\r#>|~=")
                found += [
                    Sentence(words[at : at + LONGEST], item, number) for at in range(0, len(words), LONGEST) if words
                ]
    return found


def weight(text: str) -> int:
    """How much is said, in Latin letters: a Chinese character counts as three."""
    han = len(HAN.findall(text))
    return 2 * han + sum(c.isalnum() for c in text)


def read_part(reply: str) -> tuple[str, int]:
    """The first ``HEAD`` and last ``TAIL`` code points on lines of their own, and how many lie between them unread."""
    if len(reply) <= HEAD + TAIL:
        return reply, 0
    return f"{reply[:HEAD]}\n{reply[-TAIL:]}", len(reply) - HEAD - TAIL


def folded(text: str) -> str:
    """A text for comparing with another: NFKC, casefolded, straight quotes, single spaces, none at the ends."""
    if text.isascii():  # the same steps, where only these can change anything; a fifth of the time
        plain = text.lower().replace("`", "'").replace("*", "").replace("_", "")
        if len(plain) > SHORT and not any(
            gap in plain for gap in GAPS
        ):  # one line, single spaces: nothing to cut apart and join again
            return plain.strip(" ")
    else:
        plain = nfkc(text).casefold().translate(QUOTES)
    return " ".join(plain.split())
