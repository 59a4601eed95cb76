# SPDX-License-Identifier: Apache-2.0
"""The audit's draw, the check of shown records, and the odds: which records, are they the committed ones, how likely (A-1 to A-7)."""

from collections.abc import Sequence
from fractions import Fraction
from math import comb
from typing import NamedTuple

from detente.errors import Malformed, NotVerified
from detente.evidence.record import (
    Body,
    OpenedRecord,
    header_line,
    parse_body,
    parse_header,
    parse_opened,
    slot_seed,
)
from detente.pact.plan import Cap
from detente.wire.canonical import decimal, encode_decimal
from detente.wire.digests import tagged, u64be
from detente.wire.lines import split_lines
from detente.wire.merkle import leaf_hash, verify_inclusion

ODDS_SHARE = "0.05"  # the share of forged records that printed odds speak of
OPENED_LIMIT = 40 * 1024 * 1024  # bytes of one line of an opening file: a body of 16 MiB, escaped once more


def draw_key(nonce: bytes, seed: bytes, conclusion: str) -> bytes:
    """The 32-byte key of a draw (A-2): the holder fixed ``nonce`` at registration, the auditor ``seed`` before knowing it."""
    return tagged("draw", nonce, seed, bytes.fromhex(conclusion))


def draw(key: bytes, n: int, of: int) -> list[int]:
    """``n`` distinct slots of ``of``, in draw order, each equally likely (A-3: rejection, no modulo bias)."""
    if not 0 <= n <= of:
        raise ValueError(n, of)
    limit = 2**64 - 2**64 % of if of else 0
    taken: dict[int, None] = {}
    c = 0
    while len(taken) < n:
        x = int.from_bytes(tagged("pick", key, u64be(c))[:8], "big")
        if x < limit:
            taken.setdefault(x % of)
        c += 1
    return list(taken)


def detection_odds(n_total: int, n_opened: int, share: Fraction) -> Fraction:
    """The chance that at least one of ``n_opened`` records is among the forged ``share`` of ``n_total`` (A-7), exact.

    The number of forged records is rounded down, at least one: the odds are never flattered.
    """
    if n_total == 0:
        return Fraction(0)
    forged = max(1, n_total * share.numerator // share.denominator)
    # Opened and forged may change places, C(N-f, n) / C(N, n) = C(N-n, f) / C(N, f): the smaller one is quicker.
    few, many = sorted((forged, n_opened))
    return 1 - Fraction(comb(n_total - many, few), comb(n_total, few))


def odds_text(n_total: int, n_opened: int) -> str:
    """The odds against ``ODDS_SHARE`` of forgery with 4 digits, rounded down: "1" only where it is certain (A-7)."""
    odds = detection_odds(n_total, n_opened, decimal(ODDS_SHARE))
    return encode_decimal(Fraction(odds * 10**4 // 1, 10**4), 4)


def check_seeds(shown: Sequence["Shown"], beacon: bytes | None, place: str) -> None:
    """NotVerified (R-5.seed) unless each shown record has its slot's seed; ``beacon`` None: none may have one (R-10)."""
    for record in shown:
        expected = None if beacon is None else slot_seed(beacon, record.i)
        if record.body.seed != expected:
            raise NotVerified("R-5.seed", f"{place} slot {record.i}", expected=expected, got=record.body.seed)


def check_caps(shown: Sequence["Shown"], caps: Sequence[Cap], place: str) -> None:
    """NotVerified (C-2.cut) where a shown record and its slot's cap contradict each other; ``caps``: one a record.

    No text is longer than the cap; a reply that is called cut has as many code points, or as many
    tokens where they were counted. Not for imported answers: their ``cut`` is another program's word (R-10).
    """
    for record, cap in zip(shown, caps, strict=True):
        chars, tokens = len(record.body.output or ""), record.body.tokens
        short = chars < cap.chars and isinstance(tokens, int) and tokens < cap.tokens
        if chars > cap.chars or (record.body.cut is True and short):
            got = f"{chars}, {tokens if isinstance(tokens, int) else '-'}"
            raise NotVerified("C-2.cut", f"{place} slot {record.i}", expected=f"{cap.chars}, {cap.tokens}", got=got)


class Shown(NamedTuple):
    """A shown record that is the committed one: slot, body, and the exact lines."""

    i: int
    body: Body
    opened: OpenedRecord


def check_opening(plaintext: bytes, drawn: Sequence[int], root: str, n_slots: int, place: str) -> list[Shown]:
    """The records of an opening file, each proved to be under ``root`` at its drawn slot (A-4).

    Raises NotVerified("A-4.*"): another slot than drawn, a body that is not its header's, a header not
    under the root.
    """
    lines = split_lines(plaintext, place, OPENED_LIMIT)
    if len(lines) != len(drawn):
        raise NotVerified("A-4.count", place, expected=len(drawn), got=len(lines))
    return [
        _check_record(parse_opened(line, f"{place}:{n}"), i, root, n_slots, f"{place}:{n}")
        for n, (line, i) in enumerate(zip(lines, drawn, strict=True), 1)
    ]


def _check_record(opened: OpenedRecord, i: int, root: str, n_slots: int, place: str) -> Shown:
    if opened.i != i:
        raise NotVerified("A-4.slot", place, expected=i, got=opened.i)
    try:
        body = parse_body(opened.body.encode(), place)
        header = parse_header(opened.header.encode(), place)
    except Malformed as error:
        raise NotVerified(error.code, place, got=error.got) from error
    line = header_line(body, opened.body.encode())
    if header.i != i or body.i != i or line != opened.header.encode():
        raise NotVerified("A-4.body", place, expected=opened.header, got=line.decode())
    proof = [bytes.fromhex(node) for node in opened.proof]
    if not verify_inclusion(leaf_hash(line), i, n_slots, proof, bytes.fromhex(root)):
        raise NotVerified("A-4.proof", place, expected=root)
    return Shown(i, body, opened)
