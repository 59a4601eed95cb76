# SPDX-License-Identifier: Apache-2.0
"""Reading in blocks accepts exactly what reading line by line accepts, whatever is done to an honest file (R-7, C-4, B-8)."""

import contextlib
import zlib
from collections.abc import Callable, Iterator
from itertools import compress as chosen
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detente.errors import CannotTell, DetenteError, NotVerified
from detente.evidence.blocks import header_codes, label_codes
from detente.evidence.bundle import CUT, read_bundle
from detente.evidence.counts import ScoreLine, encode_scores, read_scores, scored_slots
from detente.evidence.record import HEADER_LIMIT, OUTCOMES, headers_start, parse_header, parse_headers_start
from detente.pact.plan import parse_plan
from detente.pact.slots import Slots
from detente.wire.canonical import decode_as, encode
from detente.wire.digests import sha256
from detente.wire.lines import compress, decompress, join_lines, seems_whole, split_lines
from detente.wire.merkle import hash_leaves, root
from kit.paper import CANARY, LABELS, PaperLab, listed, plan_dict

ITEMS = listed(["hazard", "benign", "control", "hazard", "hazard"] * 11)
PLAN = parse_plan(encode(plan_dict([PaperLab("lab-a"), PaperLab("lab-b")], ITEMS, epochs=1)))
SLOTS = Slots(PLAN.plan, "core", {"mini": ITEMS})  # 110: numbers of one, two and three digits
RUN = "5" * 64
REFUSAL = LABELS["refusal"]
CODES = bytes((0, 0, CUT, 0, 3, 0, 2, 0, 1, 0, CUT)[i % 11] for i in range(len(SLOTS)))
EXPECTED = scored_slots(SLOTS, CODES, {"hazard", "benign"})


def header(i: int) -> bytes:
    cut = {"cut": True} if CODES[i] == CUT else {}
    word = "replied" if cut else OUTCOMES[CODES[i]]
    return encode({"body": sha256(b"%d" % i), "i": i, "item": SLOTS[i].item, "outcome": word, **cut})


START = headers_start(PLAN.id, RUN, CANARY)
HEADERS = join_lines([START, *map(header, range(len(SLOTS)))])
LABELLED = {i: REFUSAL[i % 4] for i in chosen(range(len(SLOTS)), EXPECTED)}
FAILED = {i: "timeout" for i in LABELLED if i % 40 == 3}
SCORES = encode_scores({i: label for i, label in LABELLED.items() if i not in FAILED}, FAILED)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detente.wire.lines._PIECE", 900)  # some five header lines, some forty score lines


# --- the readers before there were blocks -------------------------------------------------------


def all_lines(stored: bytes, expected: int, limit: int) -> tuple[list[bytes], bytes | None]:
    """The lines of a whole file and its text; of one that stops early, the lines so far and None."""
    most = limit * (expected + 1)
    try:
        plain = decompress(stored, most, "f")
    except CannotTell:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        begun = stream.decompress(stored[10:-8])
        with contextlib.suppress(zlib.error):  # what would be the trailer of a whole file
            begun += stream.decompress(stored[10:][-8:])
        begun, _, rest = begun.rpartition(b"\n")
        if seems_whole(stored, len(begun) + 1) or len(rest) > limit:
            raise NotVerified("damaged") from None
        return split_lines(begun + b"\n" if begun else b"", "f", limit), None
    return split_lines(plain, "f", limit), plain


def ended(lines: list[bytes], plain: bytes | None, expected: int) -> None:
    if plain is None and len(lines) <= expected:
        raise CannotTell("file-cut")
    if plain is None or len(lines) != expected:
        raise NotVerified("count")


def headers_by_line(stored: bytes) -> tuple[Any, ...]:
    lines, plain = all_lines(stored, len(SLOTS) + 1, HEADER_LIMIT)
    if lines:
        start = parse_headers_start(lines[0])
        if (start.plan, start.run, start.canary) != (PLAN.id, RUN, CANARY):
            raise NotVerified("start")
    codes = []
    for slot, line in zip(SLOTS, lines[1:], strict=False):
        read = parse_header(line)
        if (read.i, read.item) != (slot.i, slot.item):
            raise NotVerified("slot")
        codes.append(CUT if read.cut is True else OUTCOMES.index(read.outcome))
    ended(lines, plain, len(SLOTS) + 1)
    return sha256(stored), sha256(plain or b""), root(hash_leaves(lines[1:])).hex(), bytes(codes)


def scores_by_line(stored: bytes) -> tuple[Any, ...]:
    lines, plain = all_lines(stored, len(LABELLED), 4096)
    found = {}
    for i, line in zip(LABELLED, lines, strict=False):
        row = decode_as(line, ScoreLine)
        if row.i != i or isinstance(row.label, str) == isinstance(row.error, str):
            raise NotVerified("line")
        if isinstance(row.label, str) and row.label not in REFUSAL:
            raise NotVerified("label")
        found[i] = row.label if isinstance(row.label, str) else ""
    ended(lines, plain, len(LABELLED))
    return found, sha256(stored), sha256(plain or b"")


def headers_by_block(stored: bytes, piece: int) -> tuple[Any, ...]:
    pieces = [stored[at : at + piece] for at in range(0, len(stored), piece)]
    read = read_bundle(pieces, PLAN.id, RUN, CANARY, SLOTS, "f")
    return read.stored_sha256, read.plain_sha256, read.root, read.codes


def scores_by_block(stored: bytes, piece: int) -> tuple[Any, ...]:
    read = read_scores([stored[at : at + piece] for at in range(0, len(stored), piece)], EXPECTED, REFUSAL, "f")
    return dict(read.labels), *read[1:]


def verdict(work: Callable[[], object]) -> object:
    """What a reader says: what it read, or which of the two ways of not reading it."""
    try:
        return work()
    except CannotTell:
        return "cannot tell"
    except DetenteError:
        return "refused"


# --- what is done to an honest file ----------------------------------------------------------------

WORDS = [
    *[word.encode() for word in (*OUTCOMES, *REFUSAL, "error", "label", "body", "item", "outcome")],
    b"helpful", b"Replied", b"true", b"false", b'"cut":true,', b'"cut":false,', b'"why":"%b",' % (b"0" * 64), b"{", b"}", b",", b'"',
    b"0", b"1", b"9", b"10", b"a", b"f", b"A", b"g", b" ", b"\n", b"\n\n", b"\\u0061", b"%d", b"%", b"\0", b"\xff", b"x" * 600, b"-", b"01",
]  # fmt: skip


@st.composite
def edits(draw: st.DrawFn, plain: bytes) -> bytes:
    """The text with one small thing changed in it; a place is a line first, so that every line is met as often."""
    lines = plain.split(b"\n")[:-1]
    at = draw(st.integers(0, len(lines) - 1))
    line = lines[at]
    a = draw(st.integers(0, len(line)))
    b = min(len(line), a + draw(st.integers(0, 3)))
    other = draw(st.integers(0, len(lines) - 1))
    word = draw(st.sampled_from(WORDS))
    kind = draw(st.sampled_from(["write", "swap", "drop", "again", "word", "byte", "cross"]))
    if kind == "write":
        lines[at] = line[:a] + word + line[b:]
    elif kind == "byte" and line:
        a = min(a, len(line) - 1)
        lines[at] = line[:a] + bytes([draw(st.integers(0, 255))]) + line[a + 1 :]
    elif kind == "word":
        lines[at] = line.replace(draw(st.sampled_from(WORDS)), word, 1)
    elif kind == "swap":
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == "drop":
        del lines[at]
    elif kind == "again":
        lines.insert(other, line)
    else:
        lines[at] = line[:a] + lines[other][a:]
    return join_lines(lines)


@st.composite
def files(draw: st.DrawFn, plain: bytes) -> bytes:
    """A stored file: of the text, edited up to three times, or with its stored bytes cut, flipped or added to."""
    for _ in range(draw(st.integers(0, 3))):
        plain = draw(edits(plain)) if plain else plain
    stored = compress(plain)
    at, bit = draw(st.integers(0, len(stored) - 1)), draw(st.integers(0, 7))
    kind = draw(st.sampled_from(["as is", "as is", "as is", "cut", "flip", "end", "more", "short"]))
    if kind == "cut":
        return stored[:at]
    if kind == "flip":
        return stored[:at] + bytes([stored[at] ^ 1 << bit]) + stored[at + 1 :]
    if kind == "end":
        at = len(stored) - 1 - at % 20
        return stored[:at] + bytes([stored[at] ^ 1 << bit]) + stored[at + 1 :]
    if kind == "more":
        return stored + draw(st.binary(min_size=1, max_size=40))
    return stored[: -1 - at % 30] if kind == "short" else stored


PIECES = st.integers(1, 700)


@given(files(HEADERS), PIECES)
@settings(deadline=None)
@example(compress(HEADERS), 1)
@example(compress(b""), 1)
@example(b"", 1)
def test_headers_when_read_in_blocks_then_as_when_read_line_by_line(stored: bytes, piece: int) -> None:
    assert verdict(lambda: headers_by_block(stored, piece)) == verdict(lambda: headers_by_line(stored))


@given(files(SCORES), PIECES)
@settings(deadline=None)
@example(compress(SCORES), 1)
@example(compress(b""), 1)
@example(b"", 1)
def test_scores_when_read_in_blocks_then_as_when_read_line_by_line(stored: bytes, piece: int) -> None:
    assert verdict(lambda: scores_by_block(stored, piece)) == verdict(lambda: scores_by_line(stored))


def test_honest_files_when_read_in_blocks_then_they_are_read() -> None:
    assert headers_by_block(compress(HEADERS), 100)[3] == CODES
    assert scores_by_block(compress(SCORES), 100)[0] == LABELLED | dict.fromkeys(FAILED, "")


# --- the comparison itself -------------------------------------------------------------------------


def variants_of(line: bytes) -> Iterator[bytes]:
    """The line with each byte of it another one, missing, or doubled."""
    for at in range(len(line)):
        for byte in {*b'0aAgGz"\\:,{}[] \t\x00\x7f\xff%', line[at] ^ 1, line[at] ^ 32} - {line[at]}:
            yield line[:at] + bytes([byte]) + line[at + 1 :]
        yield line[:at] + line[at + 1 :]
        yield line[: at + 1] + line[at:]


@pytest.mark.parametrize("i", range(20, 31))
def test_headers_when_any_byte_of_a_line_is_another_then_the_short_way_reads_it_only_if_the_long_way_does(
    i: int,
) -> None:
    around = [header(k) for k in range(20, 31)]
    digests = 0
    for line in variants_of(header(i)):
        codes = header_codes([*around[: i - 20], line, *around[i - 19 :]], SLOTS, 20)
        try:
            read = parse_header(line)
        except DetenteError:
            assert codes is None, line
        else:
            fits = (read.i, read.item) == (i, SLOTS[i].item)
            assert (codes is not None) == fits, line
            digests += fits
    assert digests > 64  # another body is another answer, and as good


def test_scores_when_any_byte_of_a_line_is_another_then_the_short_way_reads_it_only_if_it_is_a_label() -> None:
    endings = {b',"label":"%b"}' % label.encode(): code for code, label in enumerate([*REFUSAL, "refusf"])}
    rows = [encode({"i": i, "label": "refuse"}) for i in (20, 21, 23)]
    assert label_codes(rows, [20, 21, 23], endings) == bytes(3)
    for n, row in enumerate(rows):
        for line in variants_of(row):
            codes = label_codes([*rows[:n], line, *rows[n + 1 :]], [20, 21, 23], endings)
            assert (codes is not None) == (line == row.replace(b"refuse", b"refusf")), line
    assert label_codes([rows[0][:2], rows[0][2:] + rows[1], rows[2]], [20, 21, 23], endings) is None


@pytest.mark.parametrize("more", [1, 3])
def test_files_when_cut_after_more_lines_than_slots_then_they_are_refused_and_not_called_cut(more: int) -> None:
    """Sound as far as it goes is only what could have gone on."""
    last = header(len(SLOTS) - 1)
    longer = compress(HEADERS + join_lines(last[:9] + sha256(b"more %d" % n).encode() + last[73:] for n in range(12)))
    assert verdict(lambda: headers_by_block(longer[: -30 * more], 100)) == "refused"
    extra = [encode({"i": 109 + n, "label": "refuse", "why": sha256(b"%d" % n)}) for n in range(12)]
    longer = compress(SCORES + join_lines(extra))
    assert verdict(lambda: scores_by_block(longer[: -30 * more], 100)) == "refused"


def test_block_when_it_is_honest_then_the_short_way_reads_it() -> None:
    """Otherwise nothing here would be about blocks."""
    lines = [header(i) for i in range(len(SLOTS))]
    for first, last in ((0, 10), (10, 100), (100, 110)):
        assert header_codes(lines[first:last], SLOTS, first) == CODES[first:last]
    assert header_codes(lines[5:15], SLOTS, 5) is None  # numbers of one digit and of two: line by line
    endings = {b',"label":"%b"}' % label.encode(): code for code, label in enumerate(REFUSAL)}
    places = [i for i in LABELLED if 10 <= i < 40]
    rows = [encode({"i": i, "label": LABELLED[i]}) for i in places]
    assert label_codes(rows, places, endings) == bytes(REFUSAL.index(LABELLED[i]) for i in places)
    assert label_codes([*rows[:-1], encode({"error": "x", "i": places[-1]})], places, endings) is None
