# SPDX-License-Identifier: Apache-2.0
"""Whether rows at the same place of two files are the same question: signs that no translation changes speak for it or against.

A sign is a number or a Latin word. It counts where it stands in one row only of each of the two files, so that nothing is a vote
by chance. This says that the order of the rows is the same, not that a translation is good; rows without a sign ride on those
with one (decision 0035).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

ENOUGH = 8  # rows that must speak before they are believed
AGREED = 0.9  # of them, at least
_SIGN = re.compile(r"[0-9]+|[A-Za-z]{4,}")


class Votes(NamedTuple):
    """``votes`` rows can be told by signs, and ``agreed`` of these stand at the same place."""

    votes: int
    agreed: int

    @property
    def bear_out(self) -> bool:
        """Enough of them, and nearly all agree."""
        return self.votes >= ENOUGH and self.agreed >= AGREED * self.votes

    @property
    def speak_against(self) -> bool:
        """Enough of them, and not even half agree."""
        return self.votes >= ENOUGH and self.agreed * 2 < self.votes


def votes_for_order(here: Sequence[str], others: Iterable[Sequence[str]]) -> Votes:
    """The votes of the texts of one file against those of each other file, added up."""
    votes = agreed = 0
    signs = _alone(here)
    for other in others:
        there = _alone(other)
        places: defaultdict[int, Counter[int]] = defaultdict(Counter)
        for sign, n in signs.items():
            if sign in there:
                places[n][there[sign]] += 1
        votes += len(places)
        agreed += sum(found_at.most_common(1)[0][0] == n for n, found_at in places.items())
    return Votes(votes, agreed)


def _alone(texts: Sequence[str]) -> dict[str, int]:
    """Sign -> the only row that has it."""
    rows: defaultdict[str, set[int]] = defaultdict(set)
    for n, text in enumerate(texts):
        for sign in _SIGN.findall(text):
            rows[sign.lower()].add(n)
    return {sign: next(iter(where)) for sign, where in rows.items() if len(where) == 1}
