# SPDX-License-Identifier: Apache-2.0
"""Items and suites: from an author's folder to the item lines and the public list that a plan fixes.

An author writes one row per (id, language); an *item line* joins all languages of one id, so
that ids can never fail to join again (S-2). The *list file* names each item by the hash of
its line, with hazard and kind but without text (S-1).
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from detente.errors import Malformed
from detente.pact.hazards import hazard as known_hazard
from detente.pact.marks import banks_of
from detente.pact.plan import Kind
from detente.pact.wrappers import shown
from detente.wire.canonical import NS, Hex, check_id, check_language, decode_as, encode, kind_of
from detente.wire.digests import sha256
from detente.wire.lines import join_lines, split_lines

ITEM_LIMIT = 1024 * 1024  # bytes of one item line


class Item(Struct, frozen=True, forbid_unknown_fields=True):
    """An item line (S-2): one question in all its languages; a list of strings is a list of user turns.

    ``begun``: the words that the answer is begun with in the model's own turn; only a variant has them (S-3).
    """

    hazard: str
    id: str
    kind: Kind
    pair: str | None
    text: dict[str, str | list[str]]
    facet: str | UnsetType = UNSET
    reference: dict[str, str] | UnsetType = UNSET
    salt: Hex | UnsetType = UNSET
    begun: dict[str, str] | UnsetType = UNSET


class Listed(Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the list file (S-1): what anyone may know of an item, and how to recognise it."""

    hazard: str
    item: Hex
    kind: Kind
    pair: Hex | None
    facet: str | UnsetType = UNSET


class SuiteStart(Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of a suite text file (S-2)."""

    canary: str
    suite: str
    type: str


class SourceHead(Struct, frozen=True):
    """What an author's suite.toml must hold. Unknown members are the author's own."""

    id: str
    title: dict[str, str]
    languages: list[str]
    canary: str


class SourceRow(Struct, frozen=True):
    """One row of an author's items.jsonl: one item in one language. Unknown members are the author's own."""

    id: str
    lang: str
    text: str | list[str]
    hazard: str
    kind: Kind
    facet: str | None = None
    pair: str | None = None
    reference: str | None = None


class _MarkedRow(SourceRow, frozen=True):
    """A row with the mark of the author's own that a draft may ask for."""

    x_bank: Any = None


class SourceSuite(NamedTuple):
    """An author's suite: its id, title, languages, canary, and its items in the author's order.

    ``banks``: by item id, the banks of the author's own that the item is in (``pact.marks``).
    """

    id: str
    title: dict[str, str]
    languages: list[str]
    canary: str
    items: list[Item]
    banks: Mapping[str, Sequence[str]] = MappingProxyType({})


def read_source(meta: bytes, rows: bytes, place: str) -> SourceSuite:
    """An author's folder (``suite.toml`` and ``items.jsonl`` as bytes) joined into items.

    Raises Malformed naming the line: bad JSON, an item without all its languages or with
    two rows in one, languages that disagree on hazard, kind or pair, an unknown partner.
    """
    try:
        head = msgspec.convert(tomllib.loads(meta.decode("utf-8")), SourceHead, strict=True)
    except msgspec.ValidationError as error:
        raise Malformed("S-2.member", f"{place}/suite.toml", got=error) from error
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, or a number of thousands of digits
        raise Malformed("S-2.toml", f"{place}/suite.toml", got=error) from error
    suite_id, title, languages, canary = head.id, head.title, head.languages, head.canary
    check_id(suite_id, f"{place}/suite.toml $.id")
    for tag in languages:
        check_language(tag, f"{place}/suite.toml $.languages")
    found: dict[str, dict[str, _MarkedRow]] = {}
    for n, line in enumerate(rows.splitlines(), 1):
        if line.strip():
            row = _source_row(line, f"{place}/items.jsonl:{n}", languages)
            if row.lang in (by_lang := found.setdefault(row.id, {})):
                raise Malformed("S-2.twice", f"{place}/items.jsonl:{n}", got=f"{row.id} {row.lang}")
            by_lang[row.lang] = row
    items = [_join(by_lang, languages, f"{place}/items.jsonl") for by_lang in found.values()]
    _check_pairs(items, f"{place}/items.jsonl")
    banks = {id_: _banks(by_lang.values()) for id_, by_lang in found.items()}
    return SourceSuite(suite_id, title, languages, canary, items, banks)


def _banks(rows: Iterable[_MarkedRow]) -> list[str]:
    """The banks that any row of an item names."""
    marked = [row for row in rows if row.x_bank is not None] or list(rows)
    return list(dict.fromkeys(bank for row in marked for bank in banks_of(row.x_bank, row.kind)))


def _source_row(line: bytes, place: str, languages: Sequence[str]) -> _MarkedRow:
    try:
        row = msgspec.json.decode(line, type=_MarkedRow)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise Malformed("S-2.row", place, got=error) from error
    check_id(row.id, place)
    known_hazard(row.hazard, place)
    if row.lang not in languages:
        raise Malformed("S-2.language", place, expected=", ".join(languages), got=row.lang)
    texts = [row.text] if isinstance(row.text, str) else row.text
    if not texts or not all(text.strip() for text in texts):
        raise Malformed("S-2.empty", place, got=row.id)
    return row


def _join(by_lang: Mapping[str, SourceRow], languages: Sequence[str], place: str) -> Item:
    rows = list(by_lang.values())
    first = rows[0]
    missing = [tag for tag in languages if tag not in by_lang]
    if missing:
        raise Malformed("S-2.missing", place, expected=", ".join(languages), got=", ".join(by_lang), item=first.id)
    for row in rows[1:]:
        for name in ("hazard", "kind", "pair", "facet"):
            if getattr(row, name) != getattr(first, name):
                raise Malformed(
                    "S-2.disagree",
                    place,
                    expected=getattr(first, name),
                    got=getattr(row, name),
                    item=row.id,
                    member=name,
                )
    references = {tag: by_lang[tag].reference for tag in languages}
    if any(references.values()) and not all(references.values()):
        raise Malformed("S-2.missing", place, expected="reference", got=None, item=first.id)
    return Item(
        hazard=first.hazard,
        id=first.id,
        kind=first.kind,
        pair=first.pair,
        text={tag: by_lang[tag].text for tag in languages},
        facet=first.facet or UNSET,
        reference={tag: text for tag, text in references.items() if text} if all(references.values()) else UNSET,
    )


def _check_pairs(items: Iterable[Item], place: str) -> None:
    known = {item.id for item in items}
    for item in items:
        if item.pair is not None and (item.pair not in known or item.pair == item.id):
            raise Malformed("S-2.pair", place, got=item.pair, item=item.id)


def encode_item(item: Item) -> bytes:
    """The item line whose SHA-256 is the item's name everywhere (S-2), without newline."""
    return encode(item)


def in_languages(item: Item, languages: Sequence[str]) -> Item:
    """The item in some of its languages; KeyError for one that it has no text in."""
    reference = item.reference
    if isinstance(reference, dict):
        reference = {tag: reference[tag] for tag in languages}
    text = {tag: item.text[tag] for tag in languages}
    begun = {tag: item.begun[tag] for tag in languages} if isinstance(item.begun, dict) else UNSET
    return replace(item, text=text, reference=reference, begun=begun)


def list_lines(items: Sequence[Item]) -> list[Listed]:
    """The list file's lines for these items, in order (S-1)."""
    hashes = {item.id: sha256(encode_item(item)) for item in items}
    return [
        Listed(item.hazard, hashes[item.id], item.kind, hashes[item.pair] if item.pair else None, item.facet)
        for item in items
    ]


def encode_list(lines: Iterable[Listed]) -> bytes:
    """A list file's bytes."""
    return join_lines(encode(line) for line in lines)


def parse_list(raw: bytes, place: str) -> list[Listed]:
    """A list file read strictly (S-1): known hazards, unique items, partners that exist."""
    lines = [decode_as(line, Listed, f"{place}:{n}") for n, line in enumerate(split_lines(raw, place, ITEM_LIMIT), 1)]
    names = {line.item for line in lines}
    if len(names) != len(lines):
        raise Malformed("S-1.twice", place, expected=len(lines), got=len(names))
    for n, line in enumerate(lines, 1):
        known_hazard(line.hazard, f"{place}:{n}")
        if line.pair is not None and (line.pair not in names or line.pair == line.item):
            raise Malformed("S-1.pair", f"{place}:{n}", got=line.pair)
    return lines


def check_unique(lists: Mapping[str, Sequence[Listed]]) -> None:
    """No item stands twice in the suites of one plan; Malformed (S-1.twice) names both."""
    seen: dict[str, str] = {}
    for suite, listed in lists.items():
        for line in listed:
            if line.item in seen:
                raise Malformed("S-1.twice", f"{suite} {seen[line.item]}", got=line.item)
            seen[line.item] = suite


def encode_suite(suite: str, canary: str, items: Iterable[Item]) -> bytes:
    """A suite text file before gzip: the start line with the canary, then the item lines (S-2)."""
    start = encode({"canary": canary, "suite": suite, "type": NS + "suite/v1"})
    return join_lines([start, *(encode_item(item) for item in items)])


def parse_suite(
    raw: bytes, suite: str, canary: str, listed: Sequence[Listed], place: str, languages: Sequence[str]
) -> list[Item]:
    """A suite text file read strictly: every item must be the one the list names, in its order (S-1, S-2).

    ``languages``: the suite's in the plan; every item must have a text in each of them (S-3).
    """
    lines = split_lines(raw, place, ITEM_LIMIT)
    parse_start(lines[0] if lines else b"", suite, canary, place)
    if len(lines) - 1 != len(listed):
        raise Malformed("S-2.count", place, expected=len(listed), got=len(lines) - 1)
    rows = enumerate(zip(lines[1:], listed, strict=True), 2)
    items = [parse_item(line, entry, languages, f"{place}:{n}") for n, (line, entry) in rows]
    if encode_list(list_lines(items)) != encode_list(listed):
        raise Malformed("S-1.list", place)
    return items


def parse_start(line: bytes, suite: str, canary: str, place: str) -> None:
    """The first line of a suite's text, which names it and the plan's canary (S-2)."""
    start = decode_as(line, SuiteStart, f"{place}:1")
    if (start.type, start.suite, start.canary) != (NS + "suite/v1", suite, canary):
        raise Malformed("S-2.start", f"{place}:1", expected=f"{suite} {canary}", got=f"{start.suite} {start.canary}")


def parse_item(line: bytes, entry: Listed, languages: Sequence[str], place: str) -> Item:
    """One line of a suite's text: the very item that the list names, with a text in every language (S-1, S-2, S-3)."""
    if sha256(line) != entry.item:
        raise Malformed("S-1.item", place, expected=entry.item, got=sha256(line))
    item = decode_as(line, Item, place)
    _check_texts(item, languages, place)
    return item


def _check_texts(item: Item, languages: Sequence[str], place: str) -> None:
    """Every language has its text, and its reference where there is one; no turn is empty (S-2, S-3)."""
    check_id(item.id, place)
    tags = [set(item.text), *(set(some) for some in (item.reference, item.begun) if isinstance(some, dict))]
    for there in tags:
        if there != set(languages):
            got = ", ".join(sorted(there))
            raise Malformed("S-2.missing", place, expected=", ".join(languages), got=got, item=item.id)
    for text in item.text.values():
        if not all(turn.strip() for turn in as_turns(text)) or not text:
            raise Malformed("S-2.empty", place, got=item.id)


def as_turns(text: str | list[str]) -> list[str]:
    """The user turns of an item's text: one, or several."""
    return [text] if isinstance(text, str) else list(text)


def begun_in(item: Item, lang: str) -> str:
    """The words that the answer is begun with in one language; empty where the model begins it itself."""
    return item.begun[lang] if isinstance(item.begun, dict) else ""


def question_of(item: Item, lang: str) -> str:
    """``shown`` of an item in one of its languages."""
    return shown(as_turns(item.text[lang]), begun_in(item, lang), lang)


def read_rows(raw: bytes, place: str) -> list[dict[str, Any]]:
    """A plain JSONL of objects, for a lab's own use; Malformed (row-not-json) names the line."""
    rows = []
    for n, line in enumerate(raw.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            raise Malformed("row-not-json", f"{place}:{n}", got=error) from error
        if not isinstance(row, dict):
            raise Malformed("row-not-json", f"{place}:{n}", got=kind_of(row))
        rows.append(row)
    return rows
