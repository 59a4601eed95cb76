# SPDX-License-Identifier: Apache-2.0
"""Scores over a run's replies, and the counts from which every rate and interval can be made again (C-4, C-7)."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, groupby
from operator import attrgetter
from typing import Any, NamedTuple

from msgspec import UNSET, Struct, UnsetType

from detente.errors import CannotTell, Malformed, NotVerified
from detente.evidence.bundle import CUT, outcome_word
from detente.evidence.record import OUTCOMES, Index
from detente.pact.plan import Measure, Plan
from detente.pact.slots import Slot, Slots
from detente.wire.canonical import NS, Hex, decode_as, encode
from detente.wire.lines import decompress_lines, join_lines, seems_whole, split_lines

SCORE_LIMIT = 4096  # B-8, bytes of one score line


class Definition(Struct, frozen=True, forbid_unknown_fields=True):
    """A scorer's definition file (C-1)."""

    judge: dict[str, Any] | None
    labels: list[str]
    measured: dict[str, Any]
    method: str
    name: str
    parse: str | None
    rules: Hex | None
    sampling: dict[str, Any] | None
    type: str
    version: str


class Rater(Struct, frozen=True, forbid_unknown_fields=True):
    """One person's label, by pseudonym (C-4)."""

    by: str
    label: str


class ScoreLine(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a scores file (C-4): a label, or the word for why there is none."""

    i: Index
    label: str | UnsetType = UNSET
    error: str | UnsetType = UNSET
    why: Hex | UnsetType = UNSET
    raters: list[Rater] | UnsetType = UNSET


class Tally(NamedTuple):
    """How one item fared over its epochs in one language, for one measure."""

    hits: int
    scored: int
    filtered: int
    failed: int


def parse_definition(raw: bytes, place: str) -> Definition:
    """A scorer's definition file, read strictly (C-1)."""
    read = decode_as(raw, Definition, place)
    # An empty label would look like a scorer's error in what is counted.
    sound = all(read.labels) and len(set(read.labels)) == len(read.labels) > 0
    if read.type != NS + "scorer/v1" or not sound:
        raise Malformed("C-1.definition", place, got=read.type)
    return read


def kinds_scored(plan: Plan, scorer: str) -> set[str]:
    """The kinds of items a scorer labels: those of its measures, and control items for the competence scorer (C-4)."""
    kinds = {str(measure.kind) for measure in plan.measures if measure.scorer == scorer}
    return kinds | ({"control"} if plan.competence.scorer == scorer else set())


def is_scored(slot: Slot, code: int, kinds: set[str]) -> bool:
    """Whether a slot gets a label: an item of these kinds with text to read (C-2)."""
    return slot.kind in kinds and outcome_word(code) in {"replied", "truncated"}


def encode_scores(labels: Mapping[int, str], errors: Mapping[int, str]) -> bytes:
    """A scores file before gzip: one line a scored slot, ``i`` rising (C-4)."""
    rows: dict[int, dict[str, object]] = {i: {"i": i, "label": label} for i, label in labels.items()}
    rows |= {i: {"error": why, "i": i} for i, why in errors.items()}
    return join_lines(encode(rows[i]) for i in sorted(rows))


def read_scores(
    stored: bytes, expected: Sequence[int], labels: Sequence[str], place: str
) -> tuple[dict[int, str], bytes]:
    """A published scores file: {slot: label, or "" where the scorer failed}, and the plain bytes.

    ``expected`` are the slots that must have a line, rising. Raises NotVerified("C-4.*") for a
    missing, extra or unordered slot and for a label outside the definition.
    """
    limit = SCORE_LIMIT * (len(expected) + 1)
    plain, whole = decompress_lines(stored, limit, place)
    found: dict[int, str] = {}
    lines = split_lines(plain, place, SCORE_LIMIT) if plain else []
    # Most lines are a label and nothing else, in the one spelling that it has (B-1): those are looked up.
    endings = {encode({"label": label})[1:]: label for label in labels}
    for n, (line, i) in enumerate(zip(lines, expected, strict=False), 1):
        if line.startswith(head := b'{"i":%d,' % i) and (label := endings.get(line[len(head) :])) is not None:
            found[i] = label
            continue
        row = decode_as(line, ScoreLine, f"{place}:{n}")
        if row.i != i:
            raise NotVerified("C-4.slot", f"{place}:{n}", expected=i, got=row.i)
        if (row.label is UNSET) == (row.error is UNSET):
            raise NotVerified("C-4.label", f"{place}:{n}", expected="label | error")
        if row.label is not UNSET and row.label not in labels:
            raise NotVerified("C-4.label", f"{place}:{n}", expected=" | ".join(labels), got=row.label)
        found[i] = "" if row.label is UNSET else row.label
    if not whole and not seems_whole(stored, len(plain)) and len(lines) <= len(expected):
        raise CannotTell("file-cut", place, expected=len(expected), got=len(lines))
    if not whole or len(lines) != len(expected):
        raise NotVerified("C-4.count", place, expected=len(expected), got=len(lines))
    return found, plain


def count(
    plan: Plan, scorer: str, labels: Sequence[str], slots: Slots, codes: bytes, given: Mapping[int, str]
) -> bytes:
    """The counts file of one scoring (C-7), JCS: everything a rate, bound or interval needs, and no label of any slot.

    ``labels`` in definition order; ``codes`` one outcome code a slot; ``given`` {slot: label or ""}.
    """
    outcomes: dict[tuple[str, ...], Counter[int]] = defaultdict(Counter)
    cells: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    spread: Counter[tuple[str | int, ...]] = Counter()
    pairs: Counter[tuple[Any, ...]] = Counter()
    measures = [measure for measure in plan.measures if measure.scorer == scorer]
    for (suite, _, kind, hazard), item in groupby(slots, key=attrgetter("suite", "item", "kind", "hazard")):
        by_lang = {lang: [slot.i for slot in epochs] for lang, epochs in groupby(item, key=attrgetter("lang"))}
        for lang, places in by_lang.items():
            cell = (hazard, kind, lang, suite)
            ended = outcomes[cell]
            for i in places:
                ended[codes[i]] += 1
                if i in given:
                    cells[cell][given[i]] += 1
        for measure in measures:
            if measure.kind == kind and measure.covers(suite):
                tallies = {lang: tally_item(measure, places, codes, given) for lang, places in by_lang.items()}
                for lang, tally in tallies.items():
                    spread[(measure.id, hazard, lang, suite, *tally)] += 1
                for a, b in combinations(tallies, 2):
                    columns = zip(tallies[a], tallies[b], strict=True)
                    pairs[(measure.id, hazard, (a, b), suite, *columns)] += 1
    body = {
        "cells": [_cell(key, [n[label] for label in labels] + [n[""]]) for key, n in sorted(cells.items())],
        "crossed": [],
        "outcomes": [_cell(key, _five(n)) for key, n in sorted(outcomes.items())],
        "pairs": [_pair_row(key, n) for key, n in sorted(pairs.items())],
        "spread": [_spread_row(key, n) for key, n in sorted(spread.items())],
    }
    return encode(body)


def _five(n: Counter[int]) -> list[int]:
    """replied, filtered, truncated, failed, and of the replied: cut."""
    counted = [n[code] for code in range(len(OUTCOMES))]
    return [counted[0] + n[CUT], *counted[1:], n[CUT]]


def tally_item(measure: Measure, places: Iterable[int], codes: bytes, given: Mapping[int, str]) -> Tally:
    """One item in one language over its epochs, by slot numbers: hits, scored, filtered, failed (scorer errors too)."""
    hits = scored = filtered = failed = 0
    for i in places:
        word = outcome_word(codes[i])
        label = given.get(i)
        if word == "filtered":
            filtered += 1
        elif label:
            scored += 1
            hits += label in measure.hit
        elif word == "failed" or label == "":
            failed += 1
    return Tally(hits, scored, filtered, failed)


def _cell(key: tuple[str, ...], n: list[int]) -> dict[str, object]:
    hazard, kind, lang, suite = key
    return {"hazard": hazard, "kind": kind, "lang": lang, "n": n, "suite": suite}


def _spread_row(key: tuple[str | int, ...], items: int) -> dict[str, object]:
    names = ("measure", "hazard", "lang", "suite", "hits", "scored", "filtered", "failed")
    return {**dict(zip(names, key, strict=True)), "items": items}


def _pair_row(key: tuple[Any, ...], items: int) -> dict[str, object]:
    names = ("measure", "hazard", "langs", "suite", "hits", "scored", "filtered", "failed")
    values = [list(value) if isinstance(value, tuple) else value for value in key]
    return {**dict(zip(names, values, strict=True)), "items": items}


class OutcomeRow(Struct, frozen=True, forbid_unknown_fields=True):
    """One row of ``outcomes`` or ``cells`` (C-7)."""

    hazard: str
    kind: str
    lang: str
    n: list[Index]
    suite: str


class SpreadRow(Struct, frozen=True, forbid_unknown_fields=True):
    """One row of ``spread`` (C-7): ``items`` items have this pattern over their epochs."""

    failed: Index
    filtered: Index
    hazard: str
    hits: Index
    items: Index
    lang: str
    measure: str
    scored: Index
    suite: str


class PairRow(Struct, frozen=True, forbid_unknown_fields=True):
    """One row of ``pairs`` (C-7): the same, of one item in two languages."""

    failed: list[Index]
    filtered: list[Index]
    hazard: str
    hits: list[Index]
    items: Index
    langs: list[str]
    measure: str
    scored: list[Index]
    suite: str


class Counts(Struct, frozen=True, forbid_unknown_fields=True):
    """A counts file (C-7)."""

    cells: list[OutcomeRow]
    crossed: list[dict[str, Any]]
    outcomes: list[OutcomeRow]
    pairs: list[PairRow]
    spread: list[SpreadRow]


def parse_counts(raw: bytes, place: str) -> Counts:
    """A counts file read strictly (C-7)."""
    return decode_as(raw, Counts, place)
