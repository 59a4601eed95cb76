# SPDX-License-Identifier: Apache-2.0
"""A suite folder read as far as it goes: whatever is wrong becomes a finding, and whatever can be used is kept."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from detente.errors import Malformed
from detente.suites.findings import Finding, Spot, found
from detente.suites.source import META, ROWS, Folder, SuiteHead, SuiteRow, complaint, head_members, row_members
from detente.wire.canonical import check_id

MOST_LANGUAGES = 60  # whose items are compared with each other
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
SHOWN = 40  # characters of a line that cannot be read


class Row(NamedTuple):
    """One row: its line, its members as they are (strings cleaned of lone surrogates), and the turns of its text."""

    line: int
    members: Mapping[str, Any]
    turns: tuple[str, ...]

    def word(self, name: str) -> str:
        """A member that should be a string; "" where it is none."""
        value = self.members.get(name)
        return value if isinstance(value, str) else ""

    @property
    def id(self) -> str:
        """The item's id, "" where there is none."""
        return self.word("id")

    @property
    def lang(self) -> str:
        """The language tag as written."""
        return self.word("lang")

    @property
    def text(self) -> str:
        """All turns, one a line."""
        return "\n".join(self.turns)

    @property
    def spot(self) -> Spot:
        """Where the row stands."""
        return Spot(ROWS, self.line, self.id, self.lang, self.text)


class Suite:
    """A suite as read: ``head`` is suite.toml's members, ``rows`` the rows that are JSON objects."""

    def __init__(self, head: Mapping[str, Any], rows: list[Row]) -> None:
        self.head = head
        self.rows = rows

    def strings(self, name: str) -> list[str]:
        """A member of the head that should be a list of strings; what is no string is left out."""
        value = self.head.get(name)
        return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []

    @cached_property
    def languages(self) -> list[str]:
        """The languages that the head names, then those of rows that it does not, each once."""
        return list(dict.fromkeys([*self.strings("languages"), *(row.lang for row in self.rows if row.lang)]))

    @cached_property
    def joined_languages(self) -> list[str]:
        """The first languages that have rows, as many as a suite can mean to have; the rest is told as undeclared."""
        return [lang for lang in self.languages if lang in self.by_language][:MOST_LANGUAGES]

    @cached_property
    def by_item(self) -> dict[str, dict[str, Row]]:
        """Item id -> language -> its first row, in the order of the file; rows without id or language are left out."""
        joined: dict[str, dict[str, Row]] = {}
        for row in self.rows:
            if row.id and row.lang:
                joined.setdefault(row.id, {}).setdefault(row.lang, row)
        return joined

    @cached_property
    def by_language(self) -> dict[str, list[Row]]:
        """Language -> its rows that have a text, in the order of the file."""
        sorted_out: dict[str, list[Row]] = {}
        for row in self.rows:
            if row.lang and row.text.strip():
                sorted_out.setdefault(row.lang, []).append(row)
        return sorted_out

    @cached_property
    def main_language(self) -> str:
        """The language that others are compared with: English where there is some, else the first; "" without any."""
        english = [lang for lang in self.languages if lang.partition("-")[0].lower() == "en"]
        return (english or self.languages or [""])[0]

    def translations(self) -> Iterator[tuple[Row, Row]]:
        """Every (row in the main language, row of the same item in another)."""
        for by_lang in self.by_item.values():
            main = by_lang.get(self.main_language)
            if main is not None and main.text.strip():
                yield from ((main, row) for lang, row in by_lang.items() if row is not main and row.text.strip())


def adapted(main: Row, row: Row) -> bool:
    """Whether the author says that the setting is another one: then the two are not meant to say the same."""
    return main.members.get("adapted") is True or row.members.get("adapted") is True


def read_suite(folder: Folder) -> tuple[Suite, list[Finding]]:
    """The suite, and what kept parts of it from being read; never raises for what the files hold."""
    findings: list[Finding] = []
    head = _read_head(folder.meta, findings)
    rows = _read_rows(folder.rows, findings)
    if folder.rows is not None and not rows:
        findings.append(found("no-rows", Spot(ROWS)))
    return Suite(head, rows), findings


def _read_head(raw: bytes | None, findings: list[Finding]) -> Mapping[str, Any]:
    if raw is None:
        findings.append(found("file-missing", Spot(META), file=META))
        return {}
    try:
        head: dict[str, Any] = cleaned(tomllib.loads(raw.decode("utf-8-sig")))
    except (ValueError, RecursionError) as error:
        findings.append(found("toml-unreadable", Spot(META), got=error))
        return {}
    if (why := complaint(head, SuiteHead)) is not None:
        findings.append(found("head-member", Spot(META), got=why))
    findings += [
        found("member-unknown", Spot(META), name=name, expected=", ".join(head_members()))
        for name in _look_alikes(head, head_members())
    ]
    return head


def _read_rows(raw: bytes | None, findings: list[Finding]) -> list[Row]:
    if raw is None:
        findings.append(found("file-missing", Spot(ROWS), file=ROWS))
        return []
    if raw[:2] in _BOMS:
        findings.append(found("not-utf8", Spot(ROWS, 1), got=_BOMS[raw[:2]]))
        return []
    rows: list[Row] = []
    strange: dict[str, Row] = {}
    for n, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        if line.strip() and (row := _read_row(n, line, findings)) is not None:
            rows.append(row)
            for name in _look_alikes(row.members, row_members()):
                strange.setdefault(name, row)
    findings += [
        found("member-unknown", row.spot, name=name, expected=", ".join(row_members())) for name, row in strange.items()
    ]
    return rows


def _read_row(n: int, line: bytes, findings: list[Finding]) -> Row | None:
    twice: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            names = [name for name, _ in pairs]
            twice.append(next(name for name in names if names.count(name) > 1))
        return made

    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        findings.append(found("not-utf8", Spot(ROWS, n), got=error.reason))
        return None
    try:
        value = cleaned(json.loads(text, object_pairs_hook=members))
    except (ValueError, RecursionError) as error:
        at = error.pos if isinstance(error, json.JSONDecodeError) else 0
        findings.append(found("row-not-json", Spot(ROWS, n), got=cleaned(text[at:][:SHOWN] or text[-SHOWN:])))
        return None
    if not isinstance(value, dict):
        findings.append(found("row-not-json", Spot(ROWS, n), got=cleaned(text[:SHOWN])))
        return None
    row = Row(n, value, _turns(value.get("text")))
    findings += [found("member-twice", row.spot, name=name) for name in cleaned(twice)]
    findings += _wrong_members(row)
    return row


def _wrong_members(row: Row) -> Iterator[Finding]:
    """What a plan would refuse the row for, apart from what has a finding of its own (id, language, text, hazard)."""
    if row.id:
        try:
            check_id(row.id)
        except Malformed:
            yield found("id-invalid", row.spot)
    judged_apart = {"id": row.id and "x", "lang": row.lang and "en", "text": row.turns and "x"}
    plain = {**row.members, **{name: value for name, value in judged_apart.items() if value}}
    if (why := complaint(plain, SuiteRow)) is not None:
        yield found("row-member", row.spot, got=why)


def _turns(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(turn for turn in value if isinstance(turn, str)) if isinstance(value, list) else ()


def _look_alikes(members: Mapping[str, Any], known: tuple[str, ...]) -> list[str]:
    """Members that nobody reads; one that begins with ``x_`` is plainly the author's own."""
    return [name for name in members if name not in known and not name.startswith(("x_", "x-"))]


def cleaned(value: Any) -> Any:
    """A decoded value whose strings can be printed and hashed: a lone surrogate becomes U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8") if not value.isascii() and _torn(value) else value
    if isinstance(value, list):
        return [cleaned(one) for one in value]
    if isinstance(value, dict):
        return {cleaned(name): cleaned(one) for name, one in value.items()}
    return value


def _torn(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
