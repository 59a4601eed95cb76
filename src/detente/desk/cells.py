# SPDX-License-Identifier: Apache-2.0
"""Which language and hazard each question of a rehearsal has: written beside its journal, for whoever looks on from another shell."""

import sys
from array import array
from collections.abc import Mapping

import orjson

from detente.tlog.folder import Folder

NAME = "cells"
DESCRIPTOR = "descriptor.json"  # of the model that a rehearsal asks
REHEARSAL = "rehearsal.json"  # what a rehearsal was begun with; where it lies, one lies
MANY = 1000  # languages and hazards together; a file that has more means something else by its hazards
Cell = tuple[str, str]


class Cells:
    """The cells in the order of their first question, and of each question which of them; four bytes a question."""

    def __init__(self) -> None:
        self._codes = array("I")
        self._known: dict[Cell, int] = {}

    def add(self, lang: str, hazard: str) -> None:
        """The next question's."""
        self._codes.append(self._known.setdefault((lang, hazard), len(self._known)))

    def __len__(self) -> int:
        return len(self._codes)

    @property
    def apart(self) -> bool:
        """Whether hazards are told apart."""
        return len(self._known) <= MANY

    def counts(self) -> dict[Cell, int]:
        """How many questions each has; by language alone where there are too many."""
        of_code = [0] * len(self._known)
        for code in self._codes:
            of_code[code] += 1
        found: dict[Cell, int] = {}
        for cell, n in zip(self._cells(), of_code, strict=True):
            found[cell] = found.get(cell, 0) + n
        return found

    def write(self, folder: Folder) -> None:
        """A line with the cells, then four bytes a question, little-endian; nothing where it says the same already."""
        cells = list(dict.fromkeys(self._cells()))
        place = {cell: n for n, cell in enumerate(cells)}
        codes = array("I", (place[cell] for cell in map(self._cells().__getitem__, self._codes)))
        if sys.byteorder == "big":
            codes.byteswap()
        raw = orjson.dumps(cells) + b"\n" + codes.tobytes()
        old = folder.read(NAME) if folder.exists(NAME) else None
        if old != raw:
            folder.swap(NAME, old, raw)

    def _cells(self) -> list[Cell]:
        return [cell if self.apart else (cell[0], "") for cell in self._known]


class Seen:
    """The same, read from a rehearsal's folder; of a file that is not there, or says nothing, every question has the empty cell."""

    def __init__(self, folder: Folder) -> None:
        self.counts: Mapping[Cell, int] = {}
        self._cells: list[Cell] = []
        self._codes = array("I")
        head, end, raw = (folder.read(NAME) if folder.exists(NAME) else b"").partition(b"\n")
        if not end or len(raw) % self._codes.itemsize:
            return
        try:
            cells = [(str(lang), str(hazard)) for lang, hazard in orjson.loads(head)]
        except (ValueError, TypeError):
            return
        self._codes.frombytes(raw)
        if sys.byteorder == "big":
            self._codes.byteswap()
        if max(self._codes, default=0) < len(cells):
            self._cells = cells
            counts = [0] * len(cells)
            for code in self._codes:
                counts[code] += 1
            self.counts = dict(zip(cells, counts, strict=True))

    def of(self, i: int) -> Cell:
        """That of question ``i``."""
        return self._cells[self._codes[i]] if self._cells and i < len(self._codes) else ("", "")
