# SPDX-License-Identifier: Apache-2.0
"""A lab's own sealed suites, on its desk: salted once, kept, and known to the others by a card alone (S-2, S-5).

desk/sealed/<suite>/items.jsonl   the salted item lines; they leave by a release or when they are revealed
desk/sealed/<suite>/card.json     the public half, to hand to whoever drafts the plan
"""

from collections.abc import Sequence
from pathlib import Path

from detente.desk.keys import Desk, alone
from detente.errors import CannotTell, DetenteError, WrongUsage
from detente.pact.item import ITEM_LIMIT, Item, Listed, SourceSuite, encode_item, encode_list, list_lines
from detente.pact.plan import Suite
from detente.pact.sealed import make_card, salted, unsalted
from detente.pact.variants import derive
from detente.wire.canonical import check_id, decode_as
from detente.wire.keys import new_seed
from detente.wire.lines import join_lines, split_lines


@alone
def seal_suite(desk: Desk, source: SourceSuite) -> Path:
    """Salt a suite's items, keep them on the desk, write the card; the same suite again gives the same card.

    WrongUsage (sealed-other) if other items were sealed under this id: a plan may hold their hashes.
    """
    check_id(source.id, "seal")
    folder = desk.folder("sealed", source.id)
    if not folder.exists("items.jsonl"):
        items = salted(source.items, (new_seed().hex() for _ in source.items))
        folder.create("items.jsonl", join_lines(map(encode_item, items)))
    items = _kept(desk, source.id)
    if unsalted(items) != list(source.items):
        raise WrongUsage("sealed-other", folder.place("items.jsonl"), got=source.id)
    card = make_card(source, desk.party, items)
    folder.swap("card.json", folder.read("card.json") if folder.exists("card.json") else None, card)
    return folder.root / "card.json"


def own_items(desk: Desk, suite: Suite, listed: Sequence[Listed]) -> list[Item] | None:
    """The items of a suite that this desk sealed, or of a variant of one, if they are those of the list; None where there are none.

    CannotTell (sealed-other-list) if the desk holds others under this id.
    """
    sealed = suite.variant.of if suite.variant else suite.id
    folder = desk.folder("sealed", sealed)
    if not folder.exists("items.jsonl"):
        return None
    items = _kept(desk, sealed)
    if suite.variant:
        items = derive(suite.variant.name, items, suite.languages, suite.id)
    if encode_list(list_lines(items)) != encode_list(listed):
        raise CannotTell("sealed-other-list", folder.place("items.jsonl"), got=suite.id)
    return items


def _kept(desk: Desk, suite: str) -> list[Item]:
    folder = desk.folder("sealed", suite)
    place = folder.place("items.jsonl")
    try:
        return [
            decode_as(line, Item, f"{place}:{n}")
            for n, line in enumerate(split_lines(folder.read("items.jsonl"), place, ITEM_LIMIT), 1)
        ]
    except DetenteError as error:
        raise CannotTell("desk-damaged", place) from error
