# SPDX-License-Identifier: Apache-2.0
"""Which items of an author's suite come into a plan: those that a draft's ``take`` asks for, in order or drawn by a seed (S-6)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from detente.errors import WrongUsage
from detente.pact.draw import Drawn, draw
from detente.pact.item import Item, SourceSuite, encode_list, in_languages, list_lines
from detente.wire.digests import sha256


class Taken(NamedTuple):
    """The items in the suite's order, in the plan's languages; and what is said of the draw, where there was one."""

    items: list[Item]
    drawn: Drawn | None


def take(source: SourceSuite, row: Mapping[str, Any], languages: Sequence[str], place: str) -> Taken:
    """The items that a ``[[suite]]`` row asks for: without those struck, the first ``n`` of each ``take``, partners first.

    A ``take`` with a ``seed`` is the only one of its row, and its ``n`` items are drawn. Raises WrongUsage (no-item,
    too-few-items, draft-draw), KeyError for a language that the suite does not have.
    """
    wants: Sequence[Mapping[str, Any]] = row.get("take", [{}])
    struck = set(row.get("without", []))
    if strange := sorted(struck - {item.id for item in source.items}):
        raise WrongUsage("no-item", place, got=", ".join(strange))
    left = [item for item in source.items if item.id not in struck]
    if any("seed" in want for want in wants):
        if len(wants) > 1 or "n" not in wants[0] or not wants[0]["seed"]:
            raise WrongUsage("draft-draw", place, expected="take = [{ n = ..., seed = ... }]", got=len(wants))
        [want] = wants
        fits = [item for item in left if _fits(want, item, source)]
        _enough(want["n"], len(fits), place)
        return drawn_from(fits, want["n"], want["seed"], languages)
    chosen: dict[str, Item] = {}
    for want in wants:
        fits = [item for item in left if _fits(want, item, source) and item.id not in chosen]
        fits.sort(key=lambda item: item.pair not in chosen)  # partners of what is chosen first; sort is stable
        n = want.get("n", len(fits))
        _enough(n, len(fits), place)
        chosen |= {item.id: item for item in fits[:n]}
    return Taken(_alone([item for item in source.items if item.id in chosen], languages), None)


def drawn_from(bank: Sequence[Item], n: int, seed: str, languages: Sequence[str]) -> Taken:
    """``n`` items of a bank, drawn by a seed: the same ones for whoever holds both (S-6)."""
    ids = draw((item.id for item in bank), n, seed)
    whole = sha256(encode_list(list_lines(_alone(bank, languages))))
    return Taken(_alone([item for item in bank if item.id in ids], languages), Drawn(len(bank), whole, seed))


def of_bank(source: SourceSuite, bank: str) -> list[Item]:
    """The items of a lab's own suite that are in this bank, by their marks (``pact.marks``)."""
    return [item for item in source.items if bank in source.banks.get(item.id, ())]


def _fits(want: Mapping[str, Any], item: Item, source: SourceSuite) -> bool:
    return (
        want.get("hazard") in {None, item.hazard}
        and want.get("facet") in {None, item.facet}
        and want.get("kind") in {None, item.kind}
        and ("bank" not in want or want["bank"] in source.banks.get(item.id, ()))
    )


def _enough(n: int, there: int, place: str) -> None:
    if not 0 <= n <= there:
        raise WrongUsage("too-few-items", place, expected=n, got=there)


def _alone(items: Sequence[Item], languages: Sequence[str]) -> list[Item]:
    """Items in some of their languages, a partner that is not among them left out."""
    ids = {item.id for item in items}
    cut = (in_languages(item, languages) for item in items)
    return [item if item.pair in ids else replace(item, pair=None) for item in cut]
