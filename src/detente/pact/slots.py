# SPDX-License-Identifier: Apache-2.0
"""The slots of a run: every planned question, language and repeat has one place, fixed by the plan alone (S-4)."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import NamedTuple, TypeVar

from detente.pact.item import Listed
from detente.pact.plan import Plan, Suite

T = TypeVar("T")


class Slot(NamedTuple):
    """One planned attempt: ``i`` is its place, ``item`` the item's hash, ``epoch`` counts from 0."""

    i: int
    suite: str
    item: str
    lang: str
    epoch: int
    hazard: str
    kind: str
    pair: str | None


class Slots(Sequence[Slot]):
    """All slots of one (subject, section), in order: suites, items, languages, epochs (innermost) (S-4).

    Nothing is stored per slot: ``slots[i]`` is computed, so a million cost what ten do.
    """

    def __init__(self, plan: Plan, section: str, lists: Mapping[str, Sequence[Listed]]) -> None:
        self._blocks: list[tuple[int, Suite, Sequence[Listed]]] = []
        self._n = 0
        for suite in plan.suites_of(section):
            self._blocks.append((self._n, suite, lists[suite.id]))
            self._n += len(lists[suite.id]) * len(suite.languages) * suite.epochs

    def __len__(self) -> int:
        return self._n

    def cells(self) -> dict[tuple[str, str], int]:
        """How many slots there are of each language and hazard, in the order in which they come."""
        found: dict[tuple[str, str], int] = {}
        for _, suite, listed in self._blocks:
            hazards = Counter(entry.hazard for entry in listed)
            for hazard, n in hazards.items():
                for lang in suite.languages:
                    found[lang, hazard] = found.get((lang, hazard), 0) + n * suite.epochs
        return found

    def suites(self) -> Sequence[tuple[int, Suite, Sequence[Listed]]]:
        """The suites in order, each with the number of its first slot and its items."""
        return self._blocks

    def column(self, value: Callable[[Listed], T], start: int, stop: int) -> list[T]:
        """``value`` of the item of each slot from ``start`` to ``stop``; asked for once an item, for the million."""
        found: list[T] = []
        for begin, suite, listed in self._blocks:
            each = len(suite.languages) * suite.epochs
            first, last = max(start - begin, 0), min(stop - begin, len(listed) * each)
            if first < last:
                items = listed[first // each : -(-last // each)]
                times = [each] * len(items)
                times[0] -= first % each
                times[-1] -= -last % each
                found += chain.from_iterable(map(repeat, map(value, items), times))
        return found

    def __getitem__(self, i: int) -> Slot:  # type: ignore[override]  # no slices: nobody needs a copy
        if not 0 <= i < self._n:
            raise IndexError(i)
        start, suite, listed = next(block for block in reversed(self._blocks) if block[0] <= i)
        rest, epoch = divmod(i - start, suite.epochs)
        n, language = divmod(rest, len(suite.languages))
        entry = listed[n]
        return Slot(i, suite.id, entry.item, suite.languages[language], epoch, entry.hazard, entry.kind, entry.pair)

    def __iter__(self) -> Iterator[Slot]:
        i = 0
        for _, suite, listed in self._blocks:
            for entry in listed:
                for lang in suite.languages:
                    for epoch in range(suite.epochs):
                        yield Slot(i, suite.id, entry.item, lang, epoch, entry.hazard, entry.kind, entry.pair)
                        i += 1
