# SPDX-License-Identifier: Apache-2.0
"""A run's headers as one published file: their order, their root, and how the slots ended (R-7, T-5)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from msgspec import UNSET

from detente.errors import CannotTell, DetenteError, NotVerified
from detente.evidence.blocks import header_codes
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
from detente.wire.lines import LineReader, LineWriter
from detente.wire.merkle import Frontier, Leaves, hash_leaves

CUT = len(OUTCOMES)  # the code of a reply cut at the plan's own cap; otherwise the index in OUTCOMES


@dataclass(frozen=True)
class Bundle:
    """What a headers file says: digests of its stored and plain bytes, its root, and one outcome code a slot."""

    stored_sha256: str
    plain_sha256: str
    root: str
    codes: bytes

    def outcomes(self) -> OutcomeCounts:
        """How the slots ended; cut is counted inside replied (T-5)."""
        return count_outcomes(self.codes)

    def outcome(self, i: int) -> str:
        """Slot i's outcome word."""
        return outcome_word(self.codes[i])


class BundleMaker:
    """The headers file of a finished run, made from its header lines in slot order in the memory of a block.

    ``pieces`` gives the bytes to store; when they were taken, ``bundle`` and ``leaves`` say what they hold.
    """

    BLOCK = 4096

    def __init__(self, plan: str, run: str, canary: str, header_lines: Iterable[bytes]) -> None:
        self._start = headers_start(plan, run, canary)
        self._lines = iter(header_lines)
        self._writer = LineWriter()
        self._codes = bytearray()
        self.leaves = Leaves()

    def pieces(self) -> Iterator[bytes]:
        """The stored bytes, once."""
        return self._writer.pieces(self._blocks())

    def bundle(self) -> Bundle:
        """What was written."""
        digests = self._writer.stored_sha256, self._writer.plain_sha256
        return Bundle(*digests, self.leaves.root().hex(), bytes(self._codes))

    def _blocks(self) -> Iterator[list[bytes]]:
        yield [self._start]
        while block := list(islice(self._lines, self.BLOCK)):
            self._codes += bytes(_code(parse_header(line)) for line in block)
            self.leaves.extend(hash_leaves(block))
            yield block


def outcome_word(code: int) -> str:
    """The word of an outcome code; a cut reply is a reply."""
    return "replied" if code == CUT else OUTCOMES[code]


def count_outcomes(codes: bytes) -> OutcomeCounts:
    """Outcome codes counted (T-5)."""
    cut = codes.count(CUT)
    replied, filtered, truncated, failed = (codes.count(n) for n in range(len(OUTCOMES)))
    return OutcomeCounts(cut=cut, failed=failed, filtered=filtered, replied=replied + cut, truncated=truncated)


def read_bundle(stored: bytes | Iterable[bytes], plan: str, run: str, canary: str, slots: Slots, place: str) -> Bundle:
    """A published headers file, or the pieces of it, read strictly against the slots that the plan fixes (R-7, S-4).

    Raises NotVerified("R-7.*") for a line that is not slot i's, CannotTell("file-cut") where the
    file stops early and what is there is sound.
    """
    reader = LineReader(stored, HEADER_LIMIT * (len(slots) + 1), HEADER_LIMIT, place)
    codes, tree = bytearray(), Frontier()
    for block in reader.blocks():
        lines = block
        if reader.count == 0:
            start = parse_headers_start(lines[0], f"{place}:1")
            if (start.plan, start.run, start.canary) != (plan, run, canary):
                raise NotVerified("R-7.start", f"{place}:1", expected=f"{run} {plan}", got=f"{start.run} {start.plan}")
            lines = lines[1:]
        lines = lines[: len(slots) - len(codes)]  # what is beyond them is counted below
        if lines:
            usual = header_codes(lines, slots, len(codes))
            codes += usual if usual is not None else _read_codes(lines, slots, len(codes), place)
            tree.extend(hash_leaves(lines))
    if reader.was_cut and reader.count <= len(slots) + 1:
        raise CannotTell("file-cut", place, expected=len(slots) + 1, got=reader.count)
    if not reader.whole or reader.count != len(slots) + 1:
        raise NotVerified("R-7.count", place, expected=len(slots) + 1, got=reader.count)
    return Bundle(reader.stored_sha256, reader.plain_sha256, tree.root().hex(), bytes(codes))


def _read_codes(lines: Sequence[bytes], slots: Slots, first: int, place: str) -> bytes:
    """The same of one block, line by line: whatever is wrong with a line is said here."""
    codes = bytearray()
    for i, line in enumerate(lines, first):
        try:
            codes.append(_slot_code(parse_header(line), slots[i]))
        except DetenteError as error:
            raise error.at(f"{place}:{i + 2}") from None
    return bytes(codes)


def _slot_code(header: Header, slot: Slot) -> int:
    if header.i != slot.i:
        raise NotVerified("R-7.order", expected=slot.i, got=header.i)
    if header.item != slot.item:
        raise NotVerified("R-7.item", expected=slot.item, got=header.item)
    return _code(header)


def _code(header: Header) -> int:
    return CUT if header.cut is not UNSET else OUTCOMES.index(header.outcome)


def leaves_of(stored: bytes | Iterable[bytes], n: int, place: str) -> Leaves:
    """The leaf hashes of a headers file of ``n`` slots that was verified already, to open records with."""
    reader, leaves = LineReader(stored, HEADER_LIMIT * (n + 1), HEADER_LIMIT, place), Leaves()
    for block in reader.blocks():
        leaves.extend(hash_leaves(block if reader.count else block[1:]))
    return leaves


__all__ = [
    "CUT", "Bundle", "BundleMaker", "count_outcomes", "leaves_of", "outcome_word", "read_bundle",
]  # fmt: skip
