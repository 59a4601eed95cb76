# SPDX-License-Identifier: Apache-2.0
"""A run's headers as one published file: their order, their root, and how the slots ended (R-7, T-5)."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from msgspec import UNSET

from detente.errors import CannotTell, DetenteError, NotVerified
from detente.evidence.record import (
    HEADER_LIMIT,
    OUTCOMES,
    Header,
    headers_start,
    parse_header,
    parse_headers_start,
)
from detente.evidence.statements import OutcomeCounts
from detente.pact.slots import Slot, Slots
from detente.wire.digests import sha256
from detente.wire.lines import compress, decompress, decompress_lines, join_lines, seems_whole, split_lines
from detente.wire.merkle import hash_leaves, root

CUT = len(OUTCOMES)  # the code of a reply cut at the plan's own cap; otherwise the index in OUTCOMES


class Bundle(NamedTuple):
    """A headers file: stored bytes, digests of stored and plain bytes, root, and one outcome code a slot."""

    stored: bytes
    stored_sha256: str
    plain_sha256: str
    root: str
    codes: bytes
    leaf_hashes: list[bytes]

    def outcomes(self) -> OutcomeCounts:
        """How the slots ended; cut is counted inside replied (T-5)."""
        return count_outcomes(self.codes)

    def outcome(self, i: int) -> str:
        """Slot i's outcome word."""
        return outcome_word(self.codes[i])


def outcome_word(code: int) -> str:
    """The word of an outcome code; a cut reply is a reply."""
    return "replied" if code == CUT else OUTCOMES[code]


def count_outcomes(codes: bytes) -> OutcomeCounts:
    """Outcome codes counted (T-5)."""
    cut = codes.count(CUT)
    replied, filtered, truncated, failed = (codes.count(n) for n in range(len(OUTCOMES)))
    return OutcomeCounts(cut=cut, failed=failed, filtered=filtered, replied=replied + cut, truncated=truncated)


def make_bundle(plan: str, run: str, canary: str, header_lines: Iterable[bytes]) -> Bundle:
    """The headers file of a finished run, from its header lines in slot order."""
    lines = list(header_lines)
    plain = join_lines([headers_start(plan, run, canary), *lines])
    stored = compress(plain)
    codes = bytes(_code(parse_header(line)) for line in lines)
    leaves = hash_leaves(lines)
    return Bundle(stored, sha256(stored), sha256(plain), root(leaves).hex(), codes, leaves)


def read_bundle(stored: bytes, plan: str, run: str, canary: str, slots: Slots, place: str) -> Bundle:
    """A published headers file, read strictly against the slots that the plan fixes (R-7, S-4).

    Raises NotVerified("R-7.*") for a line that is not slot i's, CannotTell("file-cut") where the
    file stops early and what is there is sound.
    """
    limit = HEADER_LIMIT * (len(slots) + 1)
    plain, whole = decompress_lines(stored, limit, place)
    lines = split_lines(plain, place, HEADER_LIMIT) if plain else []
    if lines:
        start = parse_headers_start(lines[0], f"{place}:1")
        if (start.plan, start.run, start.canary) != (plan, run, canary):
            raise NotVerified("R-7.start", f"{place}:1", expected=f"{run} {plan}", got=f"{start.run} {start.plan}")
    headers = lines[1:]
    codes = bytearray()
    for line, slot in zip(headers, slots, strict=False):
        try:
            codes.append(_slot_code(parse_header(line), slot))
        except DetenteError as error:
            raise error.at(f"{place}:{slot.i + 2}") from None
    if not whole and not seems_whole(stored, len(plain)) and len(lines) <= len(slots) + 1:
        raise CannotTell("file-cut", place, expected=len(slots) + 1, got=len(lines))
    if not whole or len(lines) != len(slots) + 1:
        raise NotVerified("R-7.count", place, expected=len(slots) + 1, got=len(lines))
    leaves = hash_leaves(headers)
    return Bundle(stored, sha256(stored), sha256(plain), root(leaves).hex(), bytes(codes), leaves)


def _slot_code(header: Header, slot: Slot) -> int:
    if header.i != slot.i:
        raise NotVerified("R-7.order", expected=slot.i, got=header.i)
    if header.item != slot.item:
        raise NotVerified("R-7.item", expected=slot.item, got=header.item)
    return _code(header)


def _code(header: Header) -> int:
    return CUT if header.cut is not UNSET else OUTCOMES.index(header.outcome)


def header_lines_of(stored: bytes, n: int, place: str) -> Iterator[bytes]:
    """The header lines of a headers file already verified, in slot order."""
    plain = decompress(stored, HEADER_LIMIT * (n + 1), place)
    yield from split_lines(plain, place, HEADER_LIMIT)[1:]


__all__ = ["CUT", "Bundle", "count_outcomes", "header_lines_of", "make_bundle", "outcome_word", "read_bundle"]
