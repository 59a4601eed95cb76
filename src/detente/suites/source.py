# SPDX-License-Identifier: Apache-2.0
"""What an author's suite folder holds: the members of suite.toml and of a row of items.jsonl, and the JSON Schema made from them.

    suite.toml      the head, once
    items.jsonl     one row per (item id, language)

A plan reads the same folder (``pact.item.read_source``), strictly, and needs only the members that an item line has; the
others are the author's and the reader's, and ``detente suite check`` looks at them (S-2).
"""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from detente.errors import WrongUsage
from detente.pact.item import SourceHead, SourceRow
from detente.pact.plan import Kind
from detente.wire.canonical import NS

Id = Annotated[str, Meta(pattern="^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")]
Tag = Annotated[str, Meta(pattern="^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$", max_length=35)]
Filled = Annotated[str, Meta(min_length=1)]
Review = Literal["draft", "reviewed", "native"]

META, ROWS = "suite.toml", "items.jsonl"
SCHEMA = "https://json-schema.org/draft/2020-12/schema"


class SuiteHead(SourceHead, frozen=True, kw_only=True):
    """suite.toml: what is said of a suite once. Members that are not named here are the author's own."""

    id: Annotated[Id, Meta(description="The suite's id in every plan, as in rule B-5.")]
    title: Annotated[dict[str, Filled], Meta(description="Language tag to title.")]
    languages: Annotated[list[Tag], Meta(min_length=1, description="Every item has a row in each of these (BCP 47).")]
    canary: Annotated[Filled, Meta(description="A string that stands nowhere else, so that a leak can be found.")]
    licence: Annotated[str | None, Meta(description="SPDX id of the licence of every row without one.")] = None
    hazards: Annotated[list[str] | None, Meta(description="The hazard ids that the suite means to cover.")] = None
    authors: Annotated[list[str] | None, Meta(description="Who wrote the suite.")] = None
    glossary: Annotated[
        list[dict[str, Filled]] | None,
        Meta(description="Names and terms that must come over: {language tag: wording}, one table each."),
    ] = None


class SuiteRow(SourceRow, frozen=True, kw_only=True):
    """A row of items.jsonl: one item in one language. Members that are not named here are the author's own."""

    id: Annotated[Id, Meta(description="The item's id; the same in every language.")]
    lang: Annotated[Tag, Meta(description="BCP 47 tag of this row: zh-Hans, yue-Hant, sw, te; no country codes.")]
    text: Annotated[
        Filled | Annotated[list[Filled], Meta(min_length=1)],
        Meta(description="The question; or the user's turns, in order."),
    ]
    hazard: Annotated[str, Meta(description="Hazard id of the taxonomy, such as dt:crime.")]
    kind: Annotated[Kind, Meta(description="hazard, benign (looks like one and is harmless), attack or control.")]
    facet: Annotated[str | None, Meta(description="One of the hazard's facets, such as fraud.")] = None
    pair: Annotated[str | None, Meta(description="The id of the contrast partner.")] = None
    reference: Annotated[str | None, Meta(description="The expected answer: no label, no source text.")] = None
    licence: Annotated[str | None, Meta(description="SPDX id; without it that of suite.toml.")] = None
    source: Annotated[str | None, Meta(description="Where the text comes from; null: written for this suite.")] = None
    translator: Annotated[
        str | None, Meta(description="Who or what translated it; null: written in this language.")
    ] = None
    review: Annotated[
        Review | None,
        Meta(description="draft: nobody else has read it; reviewed: somebody has; native: a native reader has."),
    ] = None
    adapted: Annotated[
        bool, Meta(description="True where the setting was changed for its readers, not only the words.")
    ] = False


class Folder(NamedTuple):
    """A suite folder's two files as bytes (None: it is not there), and the path that people know it by."""

    path: str
    meta: bytes | None
    rows: bytes | None


def read_folder(name: str) -> Folder:
    """The suite of this name (built in, such as ``core-v0``) or in this folder; WrongUsage (no-suite) where there is none."""
    built_in = files("detente") / "data" / "suites" / name if name.replace("-", "").isalnum() else None
    folder = built_in if built_in is not None and built_in.is_dir() else Path(name)
    found = {file: (folder / file).read_bytes() if (folder / file).is_file() else None for file in (META, ROWS)}
    if found[META] is None and found[ROWS] is None:
        raise WrongUsage("no-suite", name, got=name)
    return Folder(name, found[META], found[ROWS])


def row_members() -> tuple[str, ...]:
    """The members of a row, in the order of the class."""
    return SuiteRow.__struct_fields__


def head_members() -> tuple[str, ...]:
    """The members of suite.toml, in the order of the class."""
    return SuiteHead.__struct_fields__


def schema() -> dict[str, Any]:
    """The JSON Schema of both files, made from the classes; the whole is that of a row."""
    (row, _), parts = msgspec.json.schema_components([SuiteRow, SuiteHead], ref_template="#/$defs/{name}")
    return {
        "$schema": SCHEMA,
        "$id": f"{NS}suite-source/v1",
        "title": "A row of items.jsonl; $defs/SuiteHead is suite.toml",
        **row,
        "$defs": parts,
    }


def schema_text() -> str:
    """The schema as the page docs/reference/suite-schema.json."""
    return msgspec.json.format(msgspec.json.encode(schema(), order="sorted"), indent=2).decode() + "\n"


def complaint(value: object, shape: type[Struct]) -> str | None:
    """Why ``value`` is no ``shape``, in the typed reader's words; None where it is one."""
    try:
        msgspec.convert(value, shape, strict=True)
    except (msgspec.ValidationError, RecursionError, UnicodeEncodeError) as error:
        return str(error)
    return None
