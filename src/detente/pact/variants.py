# SPDX-License-Identifier: Apache-2.0
"""Variant suites: the items that a named, deterministic function makes of another suite's, derived and compared (S-3).

    hazard, attack -> attack      benign -> benign      control -> left out

A benign item stays benign, so that over-refusal under attack can be measured. A control item
asks whether the model speaks the language at all; wrapped it would ask something else, and the
plain suite asks it already.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from detente.errors import Malformed
from detente.pact.item import Item, Listed, in_languages, list_lines
from detente.pact.plan import Kind, Plan, Suite
from detente.pact.wrappers import asked_in, begun_by, pivot_of, wrap
from detente.wire.digests import keyed, sha256

ID_LENGTH = 32  # B-5
DIGITS = 8  # of the hash that stands for the end of an id too long to keep
KINDS: Mapping[Kind, Kind] = {"hazard": "attack", "attack": "attack", "benign": "benign"}


def derived_id(name: str, id_: str) -> str:
    """The id of the item that ``name`` makes of item ``id_``: both where they fit B-5, else its start and a hash of it."""
    whole = f"{id_}-{name}"
    if len(whole) <= ID_LENGTH:
        return whole
    end = f"-{sha256(id_.encode())[:DIGITS]}-{name}"
    return id_[: ID_LENGTH - len(end)] + end


def derive_item(name: str, item: Item, place: str = "", languages: Sequence[str] | None = None) -> Item:
    """What the variant ``name`` makes of one item, and of nothing else; ``pair`` is the partner's derived id.

    ``languages``: the variant's, else all of the item's but a pivot. Hazard, facet and reference stay: it is the same question. A salt is made from the item's own
    and the name (B-6): without one, whoever guesses a sealed question could test the guess against
    the hash of its variant in the public list. Malformed (S-3.name, S-3.words; S-3.pivot where the
    item lacks the language that its question is asked in; S-3.control for a control item).
    """
    if item.kind not in KINDS:
        raise Malformed("S-3.control", place, got=item.id)
    tags = asked_in(name, item.text) if languages is None else languages
    pivot = pivot_of(name, item.text, place)
    salt = item.salt
    if isinstance(salt, str):
        salt = keyed(bytes.fromhex(salt), "variant-salt", name.encode()).hex()
    return replace(
        in_languages(item, tags),
        id=derived_id(name, item.id),
        kind=KINDS[item.kind],
        pair=derived_id(name, item.pair) if item.pair else None,
        text={lang: wrap(name, item.text[pivot or lang], lang, place) for lang in tags},
        begun=_begun(name, tags),
        salt=salt,
    )


def _begun(name: str | None, languages: Iterable[str]) -> dict[str, str] | UnsetType:
    """How an item of this variant, or of none, begins its answer."""
    words = begun_by(name) if name else {}
    return {lang: words.get(lang, "") for lang in languages} if words else UNSET


def check_begun(suite: Suite, items: Iterable[Item], place: str) -> None:
    """An answer is begun only by the suite's variant, with its very words: Malformed (S-2.begun).

    The text of ``of`` need not be here for that, so nobody can be made to put words of somebody else's into a model's mouth.
    """
    expected = _begun(suite.variant.name if suite.variant else None, suite.languages)
    for item in items:
        if item.begun != expected:
            raise Malformed("S-2.begun", place, expected=expected or "-", got=item.begun or "-", item=item.id)


def derive(name: str, items: Sequence[Item], languages: Sequence[str], place: str = "") -> list[Item]:
    """A variant suite's items, in the order of those that they are made from; control items are left out.

    ``items``: of the suite ``of``; ``languages``: the variant's. A partner that is left out is
    forgotten. Raises Malformed (S-3.name, S-3.words, S-3.pivot; S-2.twice where two ids became one).
    """
    kept = [item for item in items if item.kind in KINDS]
    ids = {item.id for item in kept}
    partnered = [item if item.pair in ids else replace(item, pair=None) for item in kept]
    made = [derive_item(name, item, place, languages) for item in partnered]
    seen: set[str] = set()
    for item in made:
        if item.id in seen:
            raise Malformed("S-2.twice", place, got=item.id)
        seen.add(item.id)
    return made


def family(plan: Plan, suites: Iterable[str]) -> list[Suite]:
    """These suites, those that they are variants of, and all variants of those: who reads one knows the questions of all."""
    wanted = set(suites)
    roots = {_root(suite) for suite in plan.suites if suite.id in wanted}
    return [suite for suite in plan.suites if _root(suite) in roots]


def begins_answers(plan: Plan, section: str) -> bool:
    """Whether any question of a section comes with the beginning of its answer (S-3)."""
    return any(suite.variant and begun_by(suite.variant.name) for suite in plan.suites_of(section))


def _root(suite: Suite) -> str:
    return suite.variant.of if suite.variant else suite.id


def check_variants(plan: Plan, lists: Mapping[str, Sequence[Listed]], texts: Mapping[str, Sequence[Item]]) -> None:
    """Hold every variant suite's list against what its function makes (S-3): Malformed (S-3.variant) names the line.

    Where the text of ``of`` is in ``texts`` every item is derived. Where it is not, only what its
    public list tells (how many, hazards, kinds, partners) is compared.
    """
    for suite in plan.suites:
        if suite.variant is not None:
            items = texts.get(suite.variant.of)
            if items:
                made = list_lines(derive(suite.variant.name, items, suite.languages, suite.id))
                _compare(suite, made, lists[suite.id])
            else:
                _compare(suite, _made_of(lists[suite.variant.of]), _by_place(lists[suite.id]))


def not_derived(plan: Plan, texts: Mapping[str, object]) -> list[str]:
    """The variant suites of which nobody can say from here whether the function made them: the text of ``of`` is not open."""
    return [suite.id for suite in plan.suites if suite.variant is not None and not texts.get(suite.variant.of)]


def _compare(suite: Suite, made: Sequence[Listed], listed: Sequence[Listed]) -> None:
    if len(made) != len(listed):
        raise Malformed("S-3.variant", f"{suite.id} {suite.list[:16]}", expected=len(made), got=len(listed))
    for n, (ours, theirs) in enumerate(zip(made, listed, strict=True), 1):
        if ours != theirs:
            place = f"{suite.id} {suite.list[:16]}:{n}"
            raise Malformed("S-3.variant", place, expected=_told(ours), got=_told(theirs))


def _made_of(listed: Sequence[Listed]) -> list[Listed]:
    """What a variant's list must be by the list of ``of`` alone, its items named by their places."""
    return _by_place([replace(line, kind=KINDS[line.kind]) for line in listed if line.kind in KINDS])


def _by_place(listed: Sequence[Listed]) -> list[Listed]:
    """A list with places for hashes, so that lists of other items can be compared."""
    places = {line.item: str(n) for n, line in enumerate(listed, 1)}
    return [replace(line, item=places[line.item], pair=places.get(line.pair or "")) for line in listed]


def _told(line: Listed) -> str:
    facet = "" if line.facet is UNSET else f"/{line.facet}"
    return f"{line.hazard}{facet} {line.kind} {line.item} {line.pair or '-'}"
