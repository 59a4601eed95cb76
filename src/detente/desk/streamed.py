# SPDX-License-Identifier: Apache-2.0
"""The texts of a run's questions, read from the exchange a line at a time: a suite of any size in little memory.

Before anybody is asked all of them are read once and held against the plan's lists (S-1, S-2), and again, line by line,
while they are asked: nothing but a listed item is ever a question. Sealed suites are held in memory, for
what was opened does not lie about.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import UNSET

from detente.check.exchange import party_folder, stored_pieces
from detente.check.verify import SUITE_LIMIT
from detente.desk.keys import Desk
from detente.desk.texts import no_text, suite_here
from detente.errors import CannotTell, DetenteError, Malformed
from detente.pact.item import ITEM_LIMIT, Item, Listed, parse_item, parse_start
from detente.pact.plan import PlanFile, Suite
from detente.pact.slots import Slots
from detente.pact.variants import check_begun
from detente.tlog.folder import Folder
from detente.wire.lines import LineReader

Texts = Mapping[str, Iterable[Item]]
"""By a suite's id its items in the list's order, as often as they are asked for."""


class OpenSuite:
    """The items of a suite whose text lies open, as its file says them; CannotTell (suite-changed) if that is not what the plan lists."""

    def __init__(self, folder: Folder, suite: Suite, canary: str, listed: Sequence[Listed]) -> None:
        self._folder, self._suite, self._canary, self._listed = folder, suite, canary, listed
        self._path = f"{suite.id}.jsonl.gz"

    def __iter__(self) -> Iterator[Item]:
        try:
            yield from self._items()
        except DetenteError as error:
            raise CannotTell("suite-changed", self._folder.place(self._path)) from error

    def _items(self) -> Iterator[Item]:
        place, listed = self._folder.place(self._path), self._listed
        reader = LineReader(stored_pieces(self._folder, self._path, SUITE_LIMIT), SUITE_LIMIT, ITEM_LIMIT, place)
        lines = (line for block in reader.blocks() for line in block)
        parse_start(next(lines, b""), self._suite.id, self._canary, place)
        partners = {entry.pair for entry in listed if entry.pair is not None}
        ids: dict[str, str] = {}  # of items that are somebody's partner: hash to id
        pairs: list[tuple[str, str]] = []  # what an item says of its partner, and what the list does
        n = 0
        for n, line in enumerate(lines, 1):
            if n > len(listed):
                break
            entry = listed[n - 1]
            item = parse_item(line, entry, self._suite.languages, f"{place}:{n + 1}")
            said = (item.hazard, item.kind, item.facet, bool(item.pair))
            if said != (entry.hazard, entry.kind, entry.facet, entry.pair is not None) or item.salt is not UNSET:
                raise Malformed("S-1.list", place)
            if entry.item in partners:
                ids[entry.item] = item.id
            if item.pair and entry.pair:
                pairs.append((item.pair, entry.pair))
            check_begun(self._suite, [item], place)
            yield item
        if n != len(listed) or not reader.whole or any(ids[digest] != id_ for id_, digest in pairs):
            raise Malformed("S-1.list", place)


def slot_texts(desk: Desk, plan: PlanFile, slots: Slots) -> Texts:
    """The texts of a run's suites, all of them checked; raises as ``texts.section_items``."""
    exchange = desk.open_exchange()
    found: dict[str, Iterable[Item]] = {}
    for _, suite, listed in slots.suites():
        folder = party_folder(exchange, suite.owner, "plans", plan.id, "suites")
        stream = OpenSuite(folder, suite, plan.plan.canary, listed)
        if not suite.sealed and _reads_well(stream):
            found[suite.id] = stream
            continue
        items = suite_here(desk, plan, suite, list(listed))  # says in full what is wrong, if anything is
        if items is None:
            raise no_text(desk, plan, suite)
        found[suite.id] = items
    return found


def _reads_well(text: Iterable[Item]) -> bool:
    try:
        for _ in text:
            pass
    except CannotTell:
        return False
    return True
