# SPDX-License-Identifier: Apache-2.0
"""Proof that a log showed two histories: two heads it signed, of which neither can be the beginning of the other (L-2).

Of one size, two roots are enough. Of two sizes, the longer tree must be shown to begin otherwise;
a file does that which anyone can check with an RFC 9162 verifier:

    root 5 q83v...=              what the tree of the note below has at size 5, 32 bytes
    PlRN...=                     consistency proof from 5 to that note, a hash a line (RFC 9162, 2.1.4)
                                 an empty line
    a.example/detente/0c4e...    the longer note, as its log signed it
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from detente.errors import Malformed
from detente.wire.armor import decode_base64, encode_base64
from detente.wire.merkle import consistency_proof, root, verify_consistency
from detente.wire.note import Checkpoint, parse_checkpoint

MAX_PROOF = 65_536 + 64 * 64
"""Bytes a proof may have: a note, and at most 63 hashes before it."""
_FIRST = re.compile(r"root (0|[1-9][0-9]{0,18}) (\S+)")
_MOST_HASHES = 63  # as C2SP tlog-witness


class OtherBeginning(NamedTuple):
    """What a longer tree has at an earlier size: its ``root`` (hex) there, the proof, and the longer note's bytes."""

    size: int
    root: str
    proof: tuple[bytes, ...]
    note: bytes


def show_beginning(leaf_hashes: Sequence[bytes], size: int, note: bytes) -> bytes:
    """The file that shows what the tree of ``note`` (whose leaves are given) has at ``size``; IndexError beyond it."""
    hashes = consistency_proof(leaf_hashes, size)
    lines = [f"root {size} {encode_base64(root(leaf_hashes[:size]))}", *map(encode_base64, hashes)]
    return "".join([f"{line}\n" for line in lines]).encode() + b"\n" + note


def parse_beginning(raw: bytes, place: str = "") -> OtherBeginning:
    """Such a file taken apart, and its proof verified against its note; no signature is. Malformed ``L-2.proof``."""
    above, gap, note = raw[:MAX_PROOF].partition(b"\n\n")
    try:
        first, *lines = above.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Malformed("L-2.proof", place) from None
    named, hashes = _FIRST.fullmatch(first), [decode_base64(line) for line in lines]
    there = decode_base64(named[2]) if named else None
    if not gap or named is None or there is None or len(lines) > _MOST_HASHES or len(raw) > MAX_PROOF:
        raise Malformed("L-2.proof", place)
    proof = tuple([one for one in hashes if one is not None])
    head = parse_checkpoint(note, place)
    whole = len(proof) == len(hashes) and int(named[1]) < head.size
    if not whole or not verify_consistency(int(named[1]), there, head.size, bytes.fromhex(head.root), proof):
        raise Malformed("L-2.proof", place)
    return OtherBeginning(int(named[1]), there.hex(), proof, note)


def contradict(one: Checkpoint, other: Checkpoint, shown: OtherBeginning | None = None) -> bool:
    """Whether two verified heads of one log cannot be of one history; ``shown`` is of the longer one, where sizes differ."""
    if one.origin != other.origin:
        return False
    if one.size == other.size:
        return one.root != other.root
    if shown is None:
        return False
    shorter, longer = sorted((one, other), key=lambda head: head.size)
    return parse_checkpoint(shown.note) == longer and shown.size == shorter.size and shown.root != shorter.root
