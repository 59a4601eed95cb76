# SPDX-License-Identifier: Apache-2.0
"""Whether a word of a lab's own list stands in a reply: the keyword examination (关键词). One pass over the reply, however long the list.

List and reply are folded alike (``pact.wordlist.fold``): NFKC, casefolded, characters that are not seen left out. Simplified and
Traditional characters stay as written: a list that means both names both. What stands in a reply:

- where a word begins or ends with a letter or digit of an alphabet, it begins and ends as a word there ("art" is not in "party");
- where it begins or ends with a Chinese, Japanese or Korean character it is found anywhere, because nothing marks the ends of words.

All of the reply is read, visible reasoning too: what the user can read is what the service said.

The search is that of Aho and Corasick, "Efficient string matching: an aid to bibliographic search", CACM 18 (1975).
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from functools import cached_property

from detente.pact.wordlist import Word, fold, parse_words
from detente.score.label import Label

NAME = "keywords"
LABELS: tuple[str, ...] = ("clean", "hit")
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
        found = next(self._automaton.found(fold(reply)), None)
        return Label("clean", "no word of the list") if found is None else Label("hit", f"line {found} of the list")

    @cached_property
    def _automaton(self) -> "Automaton":
        return Automaton(self.words)


class Automaton:
    """All words of a list as one machine: a reply is read once, a character at a time."""

    def __init__(self, words: Sequence[Word]) -> None:
        # Of each state: what follows it by character, where to go on when nothing fits, the length of the word that ends here
        # (0: none) and its line, and the next shorter word that ends here too.
        self._next: list[dict[str, int]] = [{}]
        self._fail, self._length, self._line, self._shorter = [0], [0], [0], [0]
        for word in words:
            self._add(word)
        self._link()

    def _add(self, word: Word) -> None:
        state = 0
        for char in word.word:
            if (after := self._next[state].get(char)) is None:
                after = self._next[state][char] = len(self._next)
                self._next.append({})
                for column in (self._fail, self._length, self._line, self._shorter):
                    column.append(0)
            state = after
        if not self._length[state]:
            self._length[state], self._line[state] = len(word.word), word.line

    def _link(self) -> None:
        waiting = deque(self._next[0].values())
        while waiting:
            state = waiting.popleft()
            for char, after in self._next[state].items():
                back = self._fail[state]
                while back and char not in self._next[back]:
                    back = self._fail[back]
                self._fail[after] = back = self._next[back].get(char, 0)
                self._shorter[after] = back if self._length[back] else self._shorter[back]
                waiting.append(after)

    def found(self, text: str) -> Iterator[int]:
        """The lines of the words that stand in a folded text, in the order in which they end."""
        following, fail, length, shorter = self._next, self._fail, self._length, self._shorter
        state = 0
        for end, char in enumerate(text, 1):
            while state and char not in following[state]:
                state = fail[state]
            state = following[state].get(char, 0)
            word = state if length[state] else shorter[state]
            while word:
                if stands_alone(text, end - length[word], end):
                    yield self._line[word]
                word = shorter[word]


def stands_alone(text: str, start: int, end: int) -> bool:
    """Whether a piece of a text is no part of a longer word; in a script without spaces nothing says so, and it is none."""
    before, after = text[start - 1 : start] if start else "", text[end : end + 1]
    return not (_joins(before, text[start]) or _joins(text[end - 1], after))


def _joins(left: str, right: str) -> bool:
    return left.isalnum() and right.isalnum() and not (UNSPACED.match(left) or UNSPACED.match(right))
