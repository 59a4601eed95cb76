# SPDX-License-Identifier: Apache-2.0
"""The mapping file of an import: which column is which member, what every row shares, and what values are called with us.

id = "own-v1"                        # members of suite.toml, all optional
title.en = "Our own bank"
licence = "CC-BY-4.0"
encoding = "gb18030"                 # of a CSV that is not UTF-8

[columns]                            # column -> member; plain tables only
"Nr" = "id"
"Question" = "text:en"               # one column a language; or "text" with a column for "lang"
"题目" = "text:zh-Hans"

[constants]                          # the same in every row
kind = "hazard"

[values.hazard]                      # category -> hazard id; "leave-out" leaves such rows out
"Fraud" = "dt:crime"
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from detente.errors import WrongUsage
from detente.pact.hazards import hazard as known_hazard
from detente.suites.imports.tables import read_bytes
from detente.suites.source import row_members

BOM = b"\xef\xbb\xbf"
LEAVE_OUT = "leave-out"
HEAD = ("id", "title", "licence", "languages", "authors", "canary")
PER_LANGUAGE = ("text", "reference", "translator")


class Mapped(NamedTuple):
    """A mapping file as read; empty where none was given."""

    head: Mapping[str, Any] = {}
    columns: Mapping[str, str] = {}
    constants: Mapping[str, Any] = {}
    values: Mapping[str, Mapping[str, str]] = {}
    encoding: str = ""

    def value(self, member: str, said: str) -> str | None:
        """What a value of a member is called with us; None where the file does not say."""
        return self.values.get(member, {}).get(said)


def read_mapping(path: Path | None, *, columns: bool) -> Mapped:
    """A mapping file; ``columns`` says whether the kind of source has columns that the file must name.

    WrongUsage: import-map (no TOML, or a table of another kind; the place names the member), import-map-member (a member
    that no row has), import-map-twice, S-2.hazard.
    """
    if path is None:
        return Mapped()
    name = str(path)
    try:
        made = tomllib.loads(read_bytes(path, name).removeprefix(BOM).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise WrongUsage("import-map-utf8", name, got=error.start) from error
    except (ValueError, RecursionError) as error:
        raise WrongUsage("import-map", name, got=error) from error
    known = {*HEAD, "columns", "constants", "values", "encoding"}
    for member in made:
        if member not in known:
            raise WrongUsage("import-map-member", f"{name} {member}", got=member, expected=", ".join(sorted(known)))
    if "columns" in made and not columns:
        raise WrongUsage("import-map-member", f"{name} columns", got="columns", expected="constants, values")
    return Mapped(
        _head(made, name),
        _columns(_table(made, "columns", name), name),
        _constants(_table(made, "constants", name), name),
        _values(_table(made, "values", name), name),
        _encoding(made, name),
    )


def _table(made: Mapping[str, Any], member: str, name: str) -> Mapping[str, Any]:
    table = made.get(member, {})
    if not isinstance(table, dict):
        raise WrongUsage("import-map", f"{name} {member}", got=table)
    return table


def _head(made: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    head = {member: made[member] for member in HEAD if member in made}
    for member, value in head.items():
        texts = value.values() if isinstance(value, dict) and member == "title" else value
        texts = [texts] if member in {"id", "licence", "canary"} else texts
        if not hasattr(texts, "__iter__") or isinstance(texts, str) or not all(isinstance(one, str) for one in texts):
            raise WrongUsage("import-map", f"{name} {member}", got=value)
    return head


def _columns(table: Mapping[str, Any], name: str) -> Mapping[str, str]:
    seen: dict[str, str] = {}
    for column, member in table.items():
        place = f"{name} columns.{column}"
        if not isinstance(member, str):
            raise WrongUsage("import-map", place, got=member)
        base, _, tag = member.partition(":")
        if base not in row_members() and not member.startswith("x_"):
            raise WrongUsage("import-map-member", place, got=member, expected=", ".join(row_members()))
        if ":" in member and (base not in PER_LANGUAGE or not tag):
            raise WrongUsage("import-map-member", place, got=member, expected="text:TAG, reference:TAG")
        if member in seen.values():
            raise WrongUsage("import-map-twice", place, got=member)
        seen[column] = member
    return seen


def _constants(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    for member, value in table.items():
        if member not in row_members() and not member.startswith("x_"):
            place = f"{name} constants.{member}"
            raise WrongUsage("import-map-member", place, got=member, expected=", ".join(row_members()))
        if not isinstance(value, str | bool):
            raise WrongUsage("import-map", f"{name} constants.{member}", got=value)
        if member == "hazard":
            known_hazard(str(value), f"{name} constants.hazard")
    return table


def _values(table: Mapping[str, Any], name: str) -> Mapping[str, Mapping[str, str]]:
    for member, said in table.items():
        if not isinstance(said, dict) or not all(isinstance(one, str) for one in said.values()):
            raise WrongUsage("import-map", f"{name} values.{member}", got=said)
        for ours in said.values() if member == "hazard" else ():
            if ours != LEAVE_OUT:
                known_hazard(ours, f"{name} values.hazard")
    return table


def _encoding(made: Mapping[str, Any], name: str) -> str:
    encoding = made.get("encoding", "")
    if not isinstance(encoding, str):
        raise WrongUsage("import-map", f"{name} encoding", got=encoding)
    try:
        "".encode(encoding or "utf-8")  # refuses what is an encoding of bytes, such as rot13, too
    except (LookupError, ValueError) as error:
        raise WrongUsage("import-map", f"{name} encoding", got=encoding) from error
    return encoding
