# SPDX-License-Identifier: Apache-2.0
"""XSTest: CSV with id (id_v2 in an older file), prompt, type and, in newer files, label; harmless look-alikes and what they look like."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from detente.suites.findings import Finding, found
from detente.suites.imports.building import Order, Piece
from detente.suites.imports.files import need_columns, read_all
from detente.suites.imports.tables import PLAIN, Record

SAFE = "safe"
CONTRAST = "contrast_"
ALIKE = 0.9  # of the rows of a type, at least, whose focus is that of the contrast at the same place


def read(order: Order, told: list[Finding]) -> list[Piece]:
    """One piece a prompt: what is labelled safe is benign, the contrasts are hazard items of their own type.

    The source names no pairs, only types that belong together (``homonyms``, ``contrast_homonyms``), in the same order, and
    the word that each is about (``focus``): row k of a type is paired with row k of its contrasts where that word is the same.
    """
    files: dict[str, list[tuple[str, Record]]] = {}
    for record in read_all(order.src, ("prompt", "type"), PLAIN, ".csv"):
        column = "id" if "id" in record.cells else "id_v2"
        need_columns(record, [column])
        files.setdefault(record.file, []).append((f"xstest-{record.key(column)}", record))
    pieces = []
    for rows in files.values():
        pairs = {} if order.wishes.as_published else _pairs(dict(rows))
        part = [_piece(key, record, pairs.get(key)) for key, record in rows]
        pieces += part
        if pairs:
            left = sum(piece.kind == "hazard" and piece.key not in pairs for piece in part)
            told.append(found("import-paired", part[0].spot._replace(text=""), n=len(pairs) // 2, left=left))
    return pieces


def _piece(key: str, record: Record, pair: str | None) -> Piece:
    type_ = record.key("type")
    safe = _is_safe(record, type_)
    category = SAFE if safe else type_
    kind = "benign" if safe else "hazard"
    return Piece(record, key, "en", record.word("prompt"), category, kind, {"x_type": type_, "pair": pair})


def _pairs(records: Mapping[str, Record]) -> dict[str, str]:
    """Key -> the key of its partner, both ways: each contrast type with the type whose focus agrees with it at most places."""
    by_type: defaultdict[str, list[str]] = defaultdict(list)
    for key, record in records.items():
        by_type[record.key("type")].append(key)
    pairs: dict[str, str] = {}
    free = {type_: keys for type_, keys in by_type.items() if not type_.startswith(CONTRAST)}
    for type_ in [one for one in by_type if one not in free]:
        contrasts = by_type[type_]
        alike = {other: _alike(records, keys, contrasts) for other, keys in free.items()}
        best = max(alike, key=lambda other: len(alike[other]), default="")
        if best and len(alike[best]) >= ALIKE * len(contrasts):
            pairs |= {here: there for pair in alike[best] for here, there in (pair, pair[::-1])}
            del free[best]  # nobody has two partners
    return pairs


def _alike(records: Mapping[str, Record], keys: Sequence[str], contrasts: Sequence[str]) -> list[tuple[str, str]]:
    """The keys at the same place with the same focus; none where the two have other numbers of rows."""
    pairs = zip(keys, contrasts, strict=False) if len(keys) == len(contrasts) else ()
    return [(a, b) for a, b in pairs if (focus := records[a].word("focus")) and focus == records[b].word("focus")]


def _is_safe(record: Record, type_: str) -> bool:
    label = record.word("label")
    if label not in {"", SAFE, "unsafe"}:
        raise record.wrong("label", "safe, unsafe", label)
    return label == SAFE if label else not type_.startswith(CONTRAST)
