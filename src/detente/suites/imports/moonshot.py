# SPDX-License-Identifier: Apache-2.0
"""Moonshot data sets, as in the network's multilingual joint test (AISI-JT): one JSON file for each set and language.

    mlc-ipv-en.json   {"name", "description", "license", "reference", "examples": [{"id", "input", "target"}]}

The published files of that test do not join: English counts 1, 2, 3, the translations have other ids; an id has a stray
character; the codes are countries; ``target`` means one thing here and another there. What can be mended by evidence in the
texts is mended and told with the evidence, and the rest is named. ``--as-published`` mends nothing.

Moonshot's own sets (``mlc-ailuminate-cse.json``) are of one language that no name says, and their examples have no ids: the
language is then that of ``--languages``, and an example is called by its place.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from detente.errors import WrongUsage
from detente.suites.findings import Finding, Spot, found
from detente.suites.imports.building import Order, Piece
from detente.suites.imports.facts import load_facts
from detente.suites.imports.files import files_of
from detente.suites.imports.joining import votes_for_order
from detente.suites.imports.tables import Record, read_json
from detente.wire.canonical import kind_of

SHARED = 0.05  # of the ids: below it two files share ids by chance
# What the files call a licence: small, with hyphens, and without the word itself.
_SPDX = {
    "mit": "MIT",
    "apache-2.0": "Apache-2.0",
    "cc-by-4.0": "CC-BY-4.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
    "creative-commons-attribution-4.0-international": "CC-BY-4.0",
}
AILUMINATE = "mlc-ailuminate-"  # sets named by a hazard of AILuminate, a sub-hazard after a hyphen


class Part(NamedTuple):
    """One file: its set, its code for the language, its licence, its records, and their ids as written."""

    file: str
    set: str
    code: str
    licence: str
    records: Sequence[Record]
    ids: Sequence[str]


def read(order: Order, told: list[Finding]) -> list[Piece]:
    """The pieces of all files; WrongUsage for a file of another shape (import-row, import-cell, import-name)."""
    sets: dict[str, list[Part]] = {}
    for path, name in files_of(order.src, ".json"):
        part = _part(path, name, order)
        if any(part.code == other.code for other in sets.setdefault(part.set, [])):
            told.append(found("import-left-out", Spot(part.file, lang=part.code), got=part.set))
        else:
            sets[part.set].append(part)
    pieces: list[Piece] = []
    for parts in sets.values():
        ids = {part.code: list(part.ids) for part in parts} if order.wishes.as_published else _joined(parts, told)
        for part in parts:
            pieces += _pieces(part, ids[part.code], order, told)
    return pieces


def _part(path: Path, name: str, order: Order) -> Part:
    set_, code = _named(path, name, order)
    value = read_json(path, name)
    rows = value.get("examples") if isinstance(value, dict) else None
    if not isinstance(rows, list):
        raise WrongUsage("import-row", name, expected="examples", got=kind_of(value))
    records = []
    for n, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise WrongUsage("import-row", f"{name}:{n}", expected="an object", got=kind_of(row))
        records.append(Record(name, n, row))
    if not records:
        raise WrongUsage("import-no-rows", name)
    said = value.get("license")
    licence = said.strip() if isinstance(said, str) else ""
    plain = "-".join(re.sub(r"licen[cs]e", " ", licence.lower()).split())
    ids = [one.key("id") if "id" in one.cells else str(one.row) for one in records]
    return Part(name, set_, code, _SPDX.get(plain, licence), records, ids)


def _named(path: Path, name: str, order: Order) -> tuple[str, str]:
    """(set, code of the language): two letters after the last hyphen, or a code that is known; else ``--languages`` says it."""
    set_, _, code = path.stem.rpartition("-")
    known = code in load_facts("moonshot").tags or order.mapped.value("lang", code)
    if set_ and (known or re.fullmatch(r"[A-Za-z]{2}(_[A-Za-z0-9]+)*", code)):
        return set_, code
    if len(order.languages) != 1:
        raise WrongUsage("import-name", name, expected="SET-LANGUAGE.json / --languages TAG", got=path.name)
    return path.stem, order.languages[0]


def _pieces(part: Part, ids: Sequence[str], order: Order, told: list[Finding]) -> list[Piece]:
    category = part.set.removeprefix("mlc-")
    if part.set.startswith(AILUMINATE):
        category = part.set.removeprefix(AILUMINATE).replace("-", "_")
    targets = [_target(record) for record in part.records]
    label = len(set(targets)) == 1 and len(targets) > 1 and not order.wishes.as_published
    if label and targets[0] not in {category, ""}:
        told.append(found("import-label", Spot(part.file, 1, lang=part.code), got=targets[0], expected=category))
    return [
        Piece(
            record,
            f"{part.set}-{key}",
            part.code,
            _text(record),
            category,
            more={"x_target": "" if label else target, "licence": part.licence},
        )
        for record, key, target in zip(part.records, ids, targets, strict=True)
    ]


def _text(record: Record) -> str:
    """The question; an empty one is told later, another kind of value is an error."""
    value = record.cells.get("input")
    if not isinstance(value, str):
        raise record.wrong("input", "a text", value)
    return value


def _target(record: Record) -> str:
    """The target as one text; several are alternatives."""
    value = record.cells.get("target")
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "|".join(value)
    return record.word("target")


def _joined(parts: Sequence[Part], told: list[Finding]) -> dict[str, list[str]]:
    """Code -> the ids of its rows, with those that most files have put in the place of others where the texts bear it out."""
    orders = Counter(tuple(part.ids) for part in parts)
    main = max(orders, key=lambda ids: (orders[ids], not all(key.isdigit() for key in ids)))
    like = [part for part in parts if tuple(part.ids) == main]
    ids: dict[str, list[str]] = {}
    for part in parts:
        ids[part.code] = list(part.ids)
        if tuple(part.ids) == main:
            continue
        moved = [n for n, (here, there) in enumerate(zip(part.ids, main, strict=False)) if here != there]
        said = votes_for_order(_texts(part), map(_texts, like))
        fields = {"other": ", ".join(one.code for one in like), "votes": said.votes, "agreed": said.agreed}
        spot = Spot(part.file, moved[0] + 1 if moved else 0, part.ids[moved[0]] if moved else "", part.code)
        if len(part.ids) == len(main) and said.bear_out:
            ids[part.code] = list(main)
            if len(moved) * 2 > len(main):
                told.append(found("import-joined", spot, n=len(moved), **fields))
            else:
                told += [_mended(part, n, main[n], fields) for n in moved]
        elif len(set(part.ids) & set(main)) <= SHARED * min(len(part.ids), len(main)):
            told.append(found("import-not-joined", spot, n=len(part.ids), of=len(main), **fields))
    return ids


def _texts(part: Part) -> list[str]:
    return [_text(record) for record in part.records]


def _mended(part: Part, n: int, meant: str, fields: Mapping[str, object]) -> Finding:
    return found("import-id-mended", Spot(part.file, n + 1, part.ids[n], part.code), expected=meant, **fields)
