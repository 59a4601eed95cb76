# SPDX-License-Identifier: Apache-2.0
"""Lines read a block at a time against the text that the plan fixes for them: the usual spelling only, or nothing.

Reading a million lines one by one as JSON costs five times what hashing them costs. But a line has
one spelling (B-1), and all of it that its author chose is a digest and a word. So a block is cut
into columns, each column is compared as a whole with what must stand there, and what is left is the
digests, which must be hexadecimal, and the words. ``None`` means "not the usual spelling" and says
nothing more: the caller then reads the block line by line, which names what is wrong, if anything is.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from detente.evidence.record import OUTCOMES
from detente.pact.item import Listed
from detente.pact.slots import Slots

_FRONT = b'{"body":"'
_HEX = b"0123456789abcdef"
_DIGEST = len(_FRONT) + 64  # where the digest of a header line ends
_REST = len(_FRONT.translate(None, _HEX))  # what is left of a front with its digest when hexadecimal digits are gone
_OTHER = 255
# What follows the digest, by outcome code: before the item and after it. %d is the slot's number.
_BEFORE = [*[b'","i":%d,"item":"'] * len(OUTCOMES), b'","cut":true,"i":%d,"item":"']
_AFTER = [b'","outcome":"%b"}\n' % word.encode() for word in (*OUTCOMES, "replied")]
# Given the digits of the slot's number, no two outcomes make a line of one length.
_LENGTHS = [_DIGEST + len(a) - len("%d") + 64 + len(b) - 1 for a, b in zip(_BEFORE, _AFTER, strict=True)]


def header_codes(lines: Sequence[bytes], slots: Slots, first: int) -> bytes | None:
    """The outcome codes of header lines for the slots from ``first`` (R-7), if each is as an honest writer spells it."""
    last = first + len(lines)
    if (digits := _digits(first, last - 1)) is None or max(map(len, lines)) > max(_LENGTHS) + digits:
        return None
    codes = bytes(map(len, lines)).translate(_by_length(digits))
    if _OTHER in codes:
        return None
    fronts = b"".join([line[:_DIGEST] for line in lines])
    for place, byte in enumerate(_FRONT):
        if fronts[place::_DIGEST] != bytes([byte]) * len(lines):
            return None
    # All that is no hexadecimal digit stands in the fronts just compared.
    if len(fronts.translate(None, _HEX)) != _REST * len(lines):
        return None
    items = slots.column(_item, first, last)
    fixed = b"".join([_BEFORE[code] + item + _AFTER[code] for code, item in zip(codes, items, strict=True)])
    ends = b"\n".join([line[_DIGEST:] for line in lines]) + b"\n"
    return codes if fixed % tuple(range(first, last)) == ends else None


def label_codes(lines: Sequence[bytes], places: Sequence[int], endings: Mapping[bytes, int]) -> bytes | None:
    """The labels of score lines for the slots ``places`` (C-4), if each has a label and no more.

    ``endings``: what follows the slot's number in a line, and the code that stands for it.
    """
    if (digits := _digits(places[0], places[-1])) is None:
        return None
    end = len(b'{"i":') + digits
    codes = [endings.get(line[end:], _OTHER) for line in lines]
    fronts = b"".join([line[:end] for line in lines])
    fixed = b'{"i":%d' * len(places) % tuple(places)
    return bytes(codes) if _OTHER not in codes and fronts == fixed else None


def _digits(first: int, last: int) -> int | None:
    """How many digits the numbers from ``first`` to ``last`` have, if they all have as many."""
    digits = len(str(first))
    return digits if len(str(last)) == digits else None


@lru_cache
def _by_length(digits: int) -> bytes:
    """A table for bytes.translate: from the length of a header line to its outcome code."""
    table = bytearray([_OTHER] * 256)
    for code, length in enumerate(_LENGTHS):
        table[length + digits] = code
    return bytes(table)


def _item(entry: Listed) -> bytes:
    return entry.item.encode()
