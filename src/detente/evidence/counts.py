# SPDX-License-Identifier: Apache-2.0
"""Scores over a run's replies, and the counts from which every rate and interval can be made again (C-4, C-7)."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, compress, islice
from types import MappingProxyType
from typing import Any, NamedTuple

from msgspec import UNSET, Struct, UnsetType

from detente.errors import CannotTell, Malformed, NotVerified
from detente.evidence.blocks import label_codes
from detente.evidence.bundle import CUT, outcome_word
from detente.evidence.lines import SCORE_LIMIT, ScoreLine
from detente.evidence.people import CrossedRow, People, RaterRow, Sampled, crossed, rater_rows
from detente.evidence.record import OUTCOMES, Index
from detente.pact.item import Listed
from detente.pact.plan import Measure, Plan
from detente.pact.slots import Slots
from detente.wire.canonical import NS, Hex, decode_as, encode
from detente.wire.lines import LineReader, join_lines

OWN_LIST = "keywords"  # the scorer whose rules are a party's own word list (C-1)
OWN_LABELS = ["clean", "hit"]  # of that scorer: another's rules stay nowhere under its name
MOST_LABELS = 250  # C-1; so that a slot's label fits into a byte
_HAS_TEXT = bytes(code <= CUT and outcome_word(code) in {"replied", "truncated"} for code in range(256))
NO_LABEL, _ERROR = 255, 254  # codes of "no label here" and of "the scorer failed"
_BLOCK = 4096  # slots


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
    people: People | UnsetType = UNSET

    def may_stay_home(self) -> bool:
        """Whether the rule data is a list of the lab's own, which need not lie in the exchange (C-1)."""
        return (self.method, self.name) == ("rule", OWN_LIST)

    def is_whole(self) -> bool:
        """Whether one called ``keywords`` is that scorer: its two labels, and a list (C-1); true of any other."""
        return not self.may_stay_home() or (self.labels == OWN_LABELS and self.rules is not None)


# How an item in one language fared over its epochs: how often it ended with this outcome and this label, by code.
Way = tuple[tuple[tuple[int, int], int], ...]


class Labels(Mapping[int, str]):
    """The labels of a run, {slot: label, or "" where the scorer failed}, in one byte a slot."""

    def __init__(self, names: Sequence[str], codes: bytes) -> None:
        """``codes``: of each slot the index in ``names``, or that of no label, or of a failure."""
        self.names = names
        self.codes = codes

    def __getitem__(self, i: int) -> str:
        code = self.codes[i] if 0 <= i < len(self.codes) else NO_LABEL
        if code == NO_LABEL:
            raise KeyError(i)
        return self.name(code)

    def __iter__(self) -> Iterator[int]:
        return (i for i, code in enumerate(self.codes) if code != NO_LABEL)

    def __len__(self) -> int:
        return len(self.codes) - self.codes.count(NO_LABEL)

    def name(self, code: int) -> str:
        """The label that a code stands for, "" for a failure."""
        return "" if code == _ERROR else self.names[code]

    @classmethod
    def of(cls, names: Sequence[str], n: int, given: Mapping[int, str]) -> "Labels":
        """The labels ``given`` for a run of ``n`` slots."""
        if isinstance(given, cls) and given.names == names:
            return given
        names = [*names, *sorted(set(given.values()) - {"", *names})]
        code_of = {name: code for code, name in enumerate(names)} | {"": _ERROR}
        return cls(names, bytes(code_of[given[i]] if i in given else NO_LABEL for i in range(n)))


class Scores(NamedTuple):
    """What a published scores file says: its labels, and the digests of its stored and plain bytes."""

    labels: Labels
    stored_sha256: str
    plain_sha256: str


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
    sound = all(read.labels) and MOST_LABELS >= len(set(read.labels)) == len(read.labels) > 0
    people = read.people
    sound = sound and isinstance(people, People) == (read.method == "human")
    sound = sound and (
        not isinstance(people, People) or (people.least > 0 and len(set(people.sides)) == len(people.sides))
    )
    sound = sound and read.is_whole()
    if read.type != NS + "scorer/v1" or not sound:
        raise Malformed("C-1.definition", place, got=read.type)
    return read


def kinds_scored(plan: Plan, scorer: str) -> set[str]:
    """The kinds of items a scorer labels: those of measures it counts or corrects, and control items for the competence scorer (C-4)."""
    kinds = {str(measure.kind) for measure in plan.measures if scorer in {measure.scorer, measure.corrected}}
    return kinds | ({"control"} if plan.competence.scorer == scorer else set())


def scored_slots(slots: Slots, codes: bytes, kinds: set[str]) -> bytes:
    """Of each slot 1 if it gets a label: an item of these kinds with text to read (C-2), else 0."""
    wanted = bytes(slots.column(lambda entry: entry.kind in kinds, 0, len(slots)))
    return _both(wanted, codes.translate(_HAS_TEXT))


def _both(a: bytes, b: bytes) -> bytes:
    """Byte by byte ``a & b``, as two large numbers."""
    return (int.from_bytes(a, "big") & int.from_bytes(b, "big")).to_bytes(len(a), "big")


def score_blocks(labels: Labels) -> Iterator[list[bytes]]:
    """The lines of a scores file in which every scored slot has a label, some thousand at a time (C-4): what ``encode_scores`` joins."""
    endings = [b"," + encode({"label": name})[1:] for name in labels.names]
    for start in range(0, len(labels.codes), _BLOCK):
        codes = enumerate(labels.codes[start : start + _BLOCK], start)
        if lines := [b'{"i":%d%b' % (i, endings[code]) for i, code in codes if code != NO_LABEL]:
            yield lines


def encode_scores(
    labels: Mapping[int, str],
    errors: Mapping[int, str],
    more: Mapping[int, Mapping[str, object]] = MappingProxyType({}),
) -> bytes:
    """A scores file before gzip: one line a scored slot, ``i`` rising (C-4). ``more``: by slot ``why`` or ``raters``."""
    rows: dict[int, dict[str, object]] = {i: {"i": i, "label": label} for i, label in labels.items()}
    rows |= {i: {"error": why, "i": i} for i, why in errors.items()}
    return join_lines(encode({**rows[i], **more.get(i, {})}) for i in sorted(rows))


def read_scores(stored: bytes | Iterable[bytes], expected: bytes, labels: Sequence[str], place: str) -> Scores:
    """A published scores file, or the pieces of it, read strictly.

    ``expected``: of each slot of the run 1 if it must have a line, else 0. Raises NotVerified("C-4.*")
    for a missing, extra or unordered slot and for a label outside the definition, CannotTell("file-cut").
    """
    wanted = expected.count(1)
    reader = LineReader(stored, SCORE_LIMIT * (wanted + 1), SCORE_LIMIT, place)
    slots, found, done = compress(range(len(expected)), expected), bytearray(b"\xff" * len(expected)), 0
    # Most lines are a label and nothing else, in the one spelling that it has (B-1): those are looked up.
    endings = {b"," + encode({"label": label})[1:]: code for code, label in enumerate(labels)}
    for lines in reader.blocks():
        places = list(islice(slots, len(lines)))
        if places:
            codes = label_codes(lines[: len(places)], places, endings)
            if codes is None:
                codes = _read_labels(lines, places, endings, labels, place, done)
            if places[-1] - places[0] + 1 == len(places):
                found[places[0] : places[-1] + 1] = codes
            else:
                for i, code in zip(places, codes, strict=True):
                    found[i] = code
            done += len(places)
    if reader.was_cut and reader.count <= wanted:
        raise CannotTell("file-cut", place, expected=wanted, got=reader.count)
    if not reader.whole or reader.count != wanted:
        raise NotVerified("C-4.count", place, expected=wanted, got=reader.count)
    return Scores(Labels(labels, bytes(found)), reader.stored_sha256, reader.plain_sha256)


def read_scores_alone(stored: bytes | Iterable[bytes], possible: bytes, labels: Sequence[str], place: str) -> Scores:
    """The same for a reader without the headers, who cannot know which slots had text to score.

    ``possible``: of each slot 1 if it may have a line (an item of a kind that is scored), else 0. Raises as ``read_scores``.
    """
    most = possible.count(1)
    reader = LineReader(stored, SCORE_LIMIT * (most + 1), SCORE_LIMIT, place)
    found, last = bytearray(b"\xff" * len(possible)), -1
    for lines in reader.blocks():
        for n, line in enumerate(lines, reader.count + 1):
            i = decode_as(line, ScoreLine, f"{place}:{n}").i
            if not (last < i < len(possible) and possible[i]):
                raise NotVerified("C-4.slot", f"{place}:{n}", expected=f"> {last}", got=i)
            found[i] = _read_labels([line], [i], {}, labels, place, n - 1)[0]
            last = i
    if reader.was_cut:
        raise CannotTell("file-cut", place, expected=most, got=reader.count)
    if not reader.whole:
        raise NotVerified("C-4.count", place, expected=most, got=reader.count)
    return Scores(Labels(labels, bytes(found)), reader.stored_sha256, reader.plain_sha256)


def _read_labels(
    lines: Sequence[bytes],
    slots: Sequence[int],
    endings: Mapping[bytes, int],
    labels: Sequence[str],
    place: str,
    before: int,
) -> bytes:
    """The labels of one block, line by line: whatever is wrong with a line is said here."""
    codes = bytearray()
    for n, (line, i) in enumerate(zip(lines, slots, strict=False), before + 1):
        here = f"{place}:{n}"
        if line.startswith(head := b'{"i":%d' % i) and (code := endings.get(line[len(head) :])) is not None:
            codes.append(code)
            continue
        row = decode_as(line, ScoreLine, here)
        if row.i != i:
            raise NotVerified("C-4.slot", here, expected=i, got=row.i)
        if (row.label is UNSET) == (row.error is UNSET):
            raise NotVerified("C-4.label", here, expected="label | error")
        if row.label is not UNSET and row.label not in labels:
            raise NotVerified("C-4.label", here, expected=" | ".join(labels), got=row.label)
        codes.append(_ERROR if row.label is UNSET else labels.index(row.label))
    return bytes(codes)


def count(
    plan: Plan,
    scorer: tuple[str, Sequence[str]],
    slots: Slots,
    codes: bytes,
    given: Mapping[int, str],
    people: Sampled | None = None,
) -> bytes:
    """The counts file of one scoring (C-7), JCS: everything a rate, bound or interval needs, and no label of any slot.

    ``scorer``: its id, and its labels in definition order; ``codes`` one outcome code a slot; ``given`` {slot: label or
    ""}; ``people``: only for people's labels. A sample of them has no ``spread`` and no ``pairs``: it gives no rate of its own.
    """
    id_, labels = scorer
    outcomes: dict[tuple[str, ...], Counter[int]] = defaultdict(Counter)
    cells: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    spread: Counter[tuple[str | int, ...]] = Counter()
    pairs: Counter[tuple[Any, ...]] = Counter()
    sample = people is not None and people.verdicts is not None
    measures = [] if sample else [measure for measure in plan.measures if measure.scorer == id_]
    known = Labels.of(labels, len(slots), given)
    for start, suite, listed in slots.suites():
        n = len(listed) * len(suite.languages) * suite.epochs
        column, ways = _ways(codes[start : start + n], known.codes[start : start + n], suite.epochs)
        together = _alike(listed, column, len(suite.languages))
        alone: Counter[tuple[str, str, str, int]] = Counter()
        for (kind, hazard, *taken), items in together.items():
            for lang, way in zip(suite.languages, taken, strict=True):
                alone[kind, hazard, lang, way] += items
        for (kind, hazard, lang, way), items in alone.items():
            cell = (hazard, kind, lang, suite.id)
            for (code, label), times in ways[way]:
                outcomes[cell][code] += times * items
                if label != NO_LABEL:
                    cells[cell][known.name(label)] += times * items
        for measure in [measure for measure in measures if measure.covers(suite.id)]:
            tallies = [_tally(measure, way, known) for way in ways]
            for (kind, hazard, lang, way), items in alone.items():
                if kind == measure.kind:
                    spread[(measure.id, hazard, lang, suite.id, *tallies[way])] += items
            for (kind, hazard, *taken), items in together.items():
                for (a, x), (b, y) in combinations(zip(suite.languages, taken, strict=True), 2):
                    if kind == measure.kind:
                        columns = zip(tallies[x], tallies[y], strict=True)
                        pairs[(measure.id, hazard, (a, b), suite.id, *columns)] += items
    body: dict[str, object] = {
        "cells": [_cell(key, [n[label] for label in labels] + [n[""]]) for key, n in sorted(cells.items())],
        "crossed": crossed(plan, id_, slots, given, people) if people else [],
        "outcomes": [_cell(key, _five(n)) for key, n in sorted(outcomes.items())],
        "pairs": [_pair_row(key, n) for key, n in sorted(pairs.items())],
        "spread": [_spread_row(key, n) for key, n in sorted(spread.items())],
    }
    return encode(body | ({"raters": rater_rows(plan, id_, slots, people.raters)} if people else {}))


def _ways(codes: bytes, labels: bytes, epochs: int) -> tuple[list[int], list[Way]]:
    """Of each item in each language the way it fared over its epochs, as a number; and the ways. Few differ, of many."""
    both = bytearray(2 * len(codes))
    both[::2], both[1::2] = labels, codes
    marks = both.decode("utf-16-le")  # a character a slot; outcomes are so few that none is a surrogate
    units = [marks[i : i + epochs] for i in range(0, len(marks), epochs)]
    sorted_ = {unit: "".join(sorted(unit)) for unit in dict.fromkeys(units)}  # the order of epochs tells nothing
    ways = {unit: way for way, unit in enumerate(dict.fromkeys(sorted_.values()))}
    column = [ways[sorted_[unit]] for unit in units]
    return column, [tuple((divmod(ord(mark), 256), n) for mark, n in Counter(unit).items()) for unit in ways]


def _alike(listed: Sequence[Listed], column: Sequence[int], n_langs: int) -> Counter[tuple[Any, ...]]:
    """How many items have one kind and hazard and fared in one way in each language: {(kind, hazard, way, ...): items}."""
    kinds, hazards = ([getattr(entry, name) for entry in listed] for name in ("kind", "hazard"))
    return Counter(zip(kinds, hazards, *(column[lang::n_langs] for lang in range(n_langs)), strict=True))


def _five(n: Counter[int]) -> list[int]:
    """replied, filtered, truncated, failed, and of the replied: cut."""
    counted = [n[code] for code in range(len(OUTCOMES))]
    return [counted[0] + n[CUT], *counted[1:], n[CUT]]


def _tally(measure: Measure, way: Way, known: Labels) -> Tally:
    """How one item in one language fared over its epochs: hits, scored, filtered, failed (scorer errors too)."""
    hits = scored = filtered = failed = 0
    for (code, label), times in way:
        word = outcome_word(code)
        if word == "filtered":
            filtered += times
        elif label not in {NO_LABEL, _ERROR}:
            scored += times
            hits += times * (known.name(label) in measure.hit)
        elif word == "failed" or label == _ERROR:
            failed += times
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
    crossed: list[CrossedRow]
    outcomes: list[OutcomeRow]
    pairs: list[PairRow]
    spread: list[SpreadRow]
    raters: list[RaterRow] | UnsetType = UNSET  # only of people's labels


def parse_counts(raw: bytes, place: str) -> Counts:
    """A counts file read strictly (C-7)."""
    return decode_as(raw, Counts, place)
