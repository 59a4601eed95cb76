# SPDX-License-Identifier: Apache-2.0
"""A lab's own list of keywords, a word a line with its risk, read strictly: the rule data of the scorer ``keywords`` (C-1).

    A.1.d<tab>some word        the risk, a tab, the word
    # anything                 a remark; empty lines are passed over

The list may stay with its owner: a plan names it by its digest alone. Whoever thinks somebody could guess the list and compare
digests puts a remark with some random characters into it.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from detente.errors import Malformed
from detente.pact.rule import Held
from detente.wire.unicode import nfkc

LONGEST = 64  # code points of a word, folded
LONGEST_WRITTEN = 4 * LONGEST  # as it is written, with what nobody sees
LONGEST_RISK = 32
MOST_BYTES = 32 * 1024 * 1024
MOST_WORDS = 500_000
# What a reader does not see and a program would trip over: Cf is zero-width and bidi marks, the ranges are variation selectors.
SELECTORS = [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), 0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0]
SHOWN = 40  # characters of a line that an error repeats


class Unseen(dict[int, int | None]):
    """For ``str.translate``: a character that is not seen goes, every other one stays; each is looked up once."""

    def __missing__(self, code: int) -> int | None:
        """What becomes of a character met for the first time."""
        self[code] = found = None if unicodedata.category(chr(code)) == "Cf" else code
        return found


UNSEEN = Unseen(dict.fromkeys(SELECTORS))


class Word(NamedTuple):
    """One word of a list, folded: its line (from 1), and the risk that it stands for."""

    line: int
    risk: str
    word: str


def fold(text: str) -> str:
    """A text for looking words up in: NFKC, casefolded, without characters that are not seen, single spaces.

    Simplified and Traditional characters stay as they are written.
    """
    text = text.lower() if text.isascii() else nfkc(nfkc(text).translate(UNSEEN).casefold())
    return " ".join(text.split())


def parse_words(raw: bytes, place: str) -> list[Word]:
    """The words of a list, in its order; one that stands twice with the same risk is given once.

    Raises Malformed with the line: words-size, words-text (not UTF-8), words-line (no tab, no risk, no word, a control character,
    a word or risk too long), words-none.
    """
    if len(raw) > MOST_BYTES:
        raise Malformed("words-size", place, expected=f"<= {MOST_BYTES} bytes", got=len(raw))
    found: dict[tuple[str, str], Word] = {}
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        where = f"{place}:{number}"
        try:
            text = line.removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError:
            raise Malformed("words-text", where) from None
        if text.strip() and not text.startswith("#"):
            word = _word(text, number, where)
            found.setdefault((word.risk, word.word), word)
        if len(found) > MOST_WORDS:
            raise Malformed("words-size", where, expected=f"<= {MOST_WORDS}", got=len(found))
    if not found:
        raise Malformed("words-none", place)
    return list(found.values())


def _word(text: str, number: int, where: str) -> Word:
    risk, tab, written = text.partition("\t")
    if len(written) > LONGEST_WRITTEN:
        raise Malformed("words-line", where, expected=f"<= {LONGEST}", got=text[:SHOWN])
    risk, word = risk.strip(), fold(written)
    if not tab or not risk or not word or any(unicodedata.category(c) in {"Cc", "Cs"} for c in risk + written):
        raise Malformed("words-line", where, expected="A.1.a <tab> word", got=text[:SHOWN])
    if len(word) > LONGEST or len(risk) > LONGEST_RISK:
        raise Malformed("words-line", where, expected=f"<= {LONGEST}", got=text[:SHOWN])
    return Word(number, risk, word)


def held_in(words: Sequence[Word]) -> Held:
    """How many different words a list has, and how many for each risk: a word that two risks name counts for both."""
    return Held(len({one.word for one in words}), Counter(one.risk for one in words))
