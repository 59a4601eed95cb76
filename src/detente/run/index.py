# SPDX-License-Identifier: Apache-2.0
"""Where each record of a finished run lies: its body in the journal and its header's proof, without reading the others.

Made when a run is concluded, private, and believed by nobody: what is opened with it is checked
against the signed root like any opening, and without it, or if it is wrong, the journal and the
headers are read as a whole. Per slot the offset and length of its body line (8 and 4 bytes, least
significant first); then the leaves (``Leaves.to_bytes``).
"""

import struct
from collections.abc import Iterator
from pathlib import Path

from detente.run.journal import Journal, read_place
from detente.wire.merkle import Leaves

NAME = "records.index"
BLOCK = 4096  # slots a piece
_PLACE = struct.Struct("<QI")


def index_pieces(journal: Journal, leaves: Leaves) -> Iterator[bytes]:
    """The index of a full journal and the leaves over its headers, in pieces."""
    for start in range(0, len(leaves), BLOCK):
        yield b"".join(_PLACE.pack(*journal.place_of(i)) for i in range(start, min(start + BLOCK, len(leaves))))
    yield from leaves.pieces()


class Index:
    """An index as it was made; ValueError if it is not one of ``n`` slots."""

    def __init__(self, raw: bytes, n: int) -> None:
        if len(raw) != (_PLACE.size + 32) * n + 32 * (n // Leaves.BLOCK):
            raise ValueError(len(raw))
        self._raw = raw
        self.leaves = Leaves.kept(raw[_PLACE.size * n :], n)

    def body_line(self, folder: Path, i: int) -> bytes:
        """What lies where slot i's body line lay in the journal ``folder``; CannotTell as the journal raises it."""
        return read_place(folder, *_PLACE.unpack_from(self._raw, _PLACE.size * i))
