# SPDX-License-Identifier: Apache-2.0
"""Whether a word of a lab's own list stands in a reply: the keyword examination (关键词). One pass over the reply, however long the list.

List and reply are folded alike (``pact.wordlist.fold``): NFKC, casefolded, characters that are not seen left out. Simplified and
Traditional characters stay as written: a list that means both names both. What stands in a reply:

- where a word begins or ends with a letter or digit of an alphabet, it begins and ends as a word there ("art" is not in "party");
- where it begins or ends with a Chinese, Japanese or Korean character it is found anywhere, because nothing marks the ends of words.

All of the reply is read, visible reasoning too: what the user can read is what the service said.

Words have a longest length, so a text is read in time that grows with it alone, whatever the list and whatever the text.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

from detente.evidence.counts import OWN_LABELS, OWN_LIST
from detente.pact.wordlist import Word, fold, parse_words
from detente.score.label import Label

NAME = OWN_LIST
LABELS: tuple[str, ...] = tuple(OWN_LABELS)
# Scripts that are written without spaces between words: Thai, Lao, Myanmar, Khmer; kana, Hangul (its endings join), Han.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)


class KeywordScorer:
    """The scorer ``keywords``: ``hit`` if a word of the list stands in the reply, else ``clean``."""

    name = NAME
    labels = LABELS

    def __init__(self, raw: bytes, place: str = "") -> None:
        """``raw``: the list's file; Malformed as ``parse_words``."""
        self.words = parse_words(raw, place)

    def check(self, prompt: str, reference: str | None) -> None:
        """Every reply can be looked through."""

    def label(self, prompt: str, reply: str, reference: str | None, lang: str | None = None) -> Label:  # noqa: ARG002 - RuleScorer's
        """``hit`` and the line of the list that the first word found stands in, never the word; or ``clean``."""
        found = next(self._finder.found(fold(reply)), None)
        return Label("clean", "no word of the list") if found is None else Label("hit", f"line {found} of the list")

    @cached_property
    def _finder(self) -> "Finder":
        return Finder(self.words)


class Finder:
    """All words of a list, looked for from each place of a text: by its next two characters, how long a word there can be.

    It needs no more memory than the words, whatever they are, and of each character no more than ``LONGEST`` looks.
    """

    def __init__(self, words: Sequence[Word]) -> None:
        self._lines: dict[str, int] = {}
        lengths: dict[str, set[int]] = {}
        for word in words:
            self._lines.setdefault(word.word, word.line)
            lengths.setdefault(word.word[:2], set()).add(len(word.word))
        self._lengths = {head: sorted(found) for head, found in lengths.items()}

    def found(self, text: str) -> Iterator[int]:
        """The lines of the words that stand in a folded text, in the order in which they begin, the shortest first."""
        lines, lengths = self._lines, self._lengths
        behind = text + "\n"  # which no word holds: what reaches beyond the text is none
        for start, char in enumerate(text):
            there = (*lengths.get(char, ()), *lengths.get(behind[start : start + 2], ()))
            if there and begins_alone(text, start):
                for end in (start + length for length in there):
                    line = lines.get(behind[start:end])
                    if line is not None and ends_alone(text, end):
                        yield line


def begins_alone(text: str, start: int) -> bool:
    """Whether what begins here goes on no word that began before; in a script without spaces nothing says so, and it does not."""
    return start == 0 or not _joins(text[start - 1], text[start])


def ends_alone(text: str, end: int) -> bool:
    """Whether no word goes on behind what ends before ``end``; as ``begins_alone``."""
    return end == len(text) or not _joins(text[end - 1], text[end])


def _joins(left: str, right: str) -> bool:
    return left.isalnum() and right.isalnum() and not (UNSPACED.match(left) or UNSPACED.match(right))
