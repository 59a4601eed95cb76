# SPDX-License-Identifier: Apache-2.0
"""Tables of one's own (CSV, TSV, JSON, JSON lines, Excel, Parquet) by a mapping file that says which column is which member."""

from collections.abc import Mapping, Sequence
from typing import Any

from detente.errors import WrongUsage
from detente.suites.findings import Finding
from detente.suites.imports.building import Order, Piece
from detente.suites.imports.files import read_all
from detente.suites.imports.tables import PLAIN, Record

TRUE, FALSE = {"true", "yes", "1", "是"}, {"false", "no", "0", "", "否"}


def read(order: Order, told: list[Finding]) -> list[Piece]:  # noqa: ARG001 - every reader may tell something
    """A piece for each row, or for each row and language where columns are named ``text:TAG``.

    WrongUsage: import-map-text without a text, import-map-column, import-language-unknown, import-cell.
    """
    columns = order.mapped.columns
    by_member = {member: column for column, member in columns.items()}
    wide = [member.partition(":")[2] for member in by_member if member.startswith("text:")]
    if ("text" in by_member) == bool(wide):
        raise WrongUsage("import-map-text", str(order.src))
    encodings = (order.mapped.encoding,) if order.mapped.encoding else PLAIN
    endings = (".csv", ".tsv", ".json", ".jsonl", ".xlsx", ".parquet")
    records = read_all(order.src, (), encodings, *endings)
    for record in {record.file: record for record in reversed(records)}.values():
        if missing := [column for column in columns if column not in record.cells]:
            there = ", ".join(str(column) for column in record.cells)
            raise WrongUsage("import-map-column", record.file, expected=", ".join(missing), got=there)
    return [_piece(record, n, tag, by_member, order) for n, record in enumerate(records, 1) for tag in wide or [""]]


def _piece(record: Record, n: int, tag: str, by_member: Mapping[str, str], order: Order) -> Piece:
    def cell(member: str) -> str:
        own = f"{member}:{tag}" if tag and f"{member}:{tag}" in by_member else member
        column = by_member.get(own)
        said = record.word(column) if column is not None else ""
        return order.mapped.value(member, said) or said

    lang = tag or cell("lang") or str(order.mapped.constants.get("lang", ""))
    if not lang and len(order.languages) == 1:
        lang = order.languages[0]
    if not lang:
        raise WrongUsage("import-language-unknown", record.place)
    raw = by_member.get("hazard")
    category = record.word(raw) if raw is not None else ""
    apart = {"id", "lang", "text", "hazard", "kind", "adapted"}
    members = dict.fromkeys(member.partition(":")[0] for member in by_member)
    more: dict[str, Any] = {
        member: record.cells.get(by_member[member]) if member.startswith("x_") else cell(member)
        for member in members
        if member not in apart
    }
    if "adapted" in members:
        more["adapted"] = _truth(record, by_member["adapted"])
    text = _text(record, by_member[f"text:{tag}" if tag else "text"])
    return Piece(record, cell("id") or f"row-{n}", lang, text, category, cell("kind") or None, more)


def _text(record: Record, column: str) -> str | list[str]:
    """A question, or the user's turns where a cell of JSON or Parquet is a list of texts."""
    value: object = record.cells.get(column)
    if isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(one, str) for one in value):
        return [str(one) for one in value]
    if isinstance(value, str):
        return value
    return record.word(column)


def _truth(record: Record, column: str) -> bool:
    value = record.cells.get(column)
    said = str(value if value is not None else "").strip().lower()
    if said not in TRUE | FALSE:
        raise record.wrong(column, "true, false", value)
    return said in TRUE
