# SPDX-License-Identifier: Apache-2.0
"""S-Eval: JSON lines with traceid, risk_type, prompt and ext (JSON in a string), alone or in a ZIP; _en_ or _zh_ in the file's name.

An English base prompt names the Chinese one that it is a translation of (``from_traceid`` in ext): that is the join. Attack
prompts name none; row n of the two files is the same attack on the same base prompt, as far as risk, technique and the signs in
the texts bear it out. The files are read line by line: the full attack sets have 100,000 lines each.
"""

import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from detente.errors import WrongUsage
from detente.suites.findings import Finding, found
from detente.suites.imports.building import Order, Piece
from detente.suites.imports.files import files_of, need_columns
from detente.suites.imports.joining import votes_for_order
from detente.suites.imports.tables import Record, jsonl_records
from detente.suites.workbook import MOST

COLUMNS = ("traceid", "risk_type", "prompt", "ext")
ZIP = b"PK"
ATTACK = "attack"
_LANG = re.compile(r"[_-](en|zh)(?![A-Za-z])")


def read(order: Order, told: list[Finding]) -> list[Piece]:
    """The pieces of all files; which attack prompts join by their places, and which prompts nothing joins, is told."""
    files: dict[tuple[str, str], list[Piece]] = {}
    for path, name in files_of(order.src, ".jsonl", ".zip"):
        named = _LANG.search(path.name)
        if named is None:
            raise WrongUsage("import-name", name, expected="..._en_... / ..._zh_...", got=path.name)
        with _lines(path, name) as lines:
            pieces = [_piece(record, named[1]) for record in jsonl_records(lines, name)]
        if not pieces:
            raise WrongUsage("import-no-rows", name)
        files.setdefault((_LANG.sub("", name.removesuffix(".zip")), named[1]), []).extend(pieces)
    if not order.wishes.as_published:
        for (group, lang), english in files.items():
            if lang == "en" and (chinese := files.get((group, "zh"))):
                files[group, lang] = _in_order(english, chinese, told)
    pieces = [piece for part in files.values() for piece in part]
    keys = {piece.key for piece in pieces if piece.lang == "zh"}
    alone = [piece for piece in pieces if piece.lang == "en" and piece.key not in keys]
    if keys and alone:
        fields = {"n": len(alone), "of": len(keys), "other": "zh", "votes": 0, "agreed": 0}
        told.append(found("import-not-joined", alone[0].spot._replace(text=""), **fields))
    return pieces


def _in_order(english: list[Piece], chinese: list[Piece], told: list[Finding]) -> list[Piece]:
    """The English attack prompts under the ids of the Chinese ones at their places, where all of them bear that out."""
    attacks = all(piece.kind == ATTACK for piece in [*english, *chinese])
    if not attacks or [_about(piece) for piece in english] != [_about(piece) for piece in chinese]:
        return english
    votes = votes_for_order(_texts(english), [_texts(chinese)])
    if not votes.bear_out:
        return english
    said = {"n": len(english), "other": "zh", "votes": votes.votes, "agreed": votes.agreed}
    told.append(found("import-joined", english[0].spot._replace(text=""), **said))
    return [here._replace(key=there.key) for here, there in zip(english, chinese, strict=True)]


def _about(piece: Piece) -> tuple[str, str]:
    return piece.category, piece.more["x_technique"]


def _texts(pieces: Iterable[Piece]) -> list[str]:
    return [str(piece.text) for piece in pieces]


@contextmanager
def _lines(path: Path, name: str) -> Iterator[Iterator[str]]:
    """The lines of a file, unpacked where it is a ZIP with one .jsonl in it.

    WrongUsage: import-encrypted where that is locked, import-bytes where it is damaged, too large, or no UTF-8.
    """
    if path.stat().st_size > MOST:
        raise WrongUsage("import-bytes", name, got=f"{path.stat().st_size} bytes", expected=f"<= {MOST} bytes")
    with path.open("rb") as raw:
        if raw.read(len(ZIP)) != ZIP:
            raw.seek(0)
            yield _decoded(raw, name)
            return
        try:
            with zipfile.ZipFile(raw) as packed, packed.open(_only_entry(packed, name)) as lines:
                yield _decoded(lines, name)
        except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, OSError, ValueError) as error:
            raise WrongUsage("import-bytes", name, expected="zip", got=error) from error


def _only_entry(packed: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """The one .jsonl of a ZIP, that of the folder that macOS puts beside it apart."""
    inside = [one for one in packed.infolist() if one.filename.endswith(".jsonl") and "__MACOSX" not in one.filename]
    if len(inside) != 1 or inside[0].file_size > MOST:
        raise WrongUsage("import-bytes", name, expected="1 .jsonl", got=len(inside))
    if inside[0].flag_bits & 1:
        raise WrongUsage("import-encrypted", name)
    return inside[0]


def _decoded(lines: Iterable[bytes], name: str) -> Iterator[str]:
    for row, line in enumerate(lines, 1):
        try:
            yield line.decode("utf-8-sig" if row == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise WrongUsage("import-bytes", name, expected="utf-8", got=f"row {row}: {error.reason}") from error


def _piece(record: Record, lang: str) -> Piece:
    need_columns(record, COLUMNS)
    ext = _ext(record)
    trace = record.key("traceid")
    origin = ext.get("from_traceid")
    attack = ext.get("model") == ATTACK
    return Piece(
        record._replace(cells={}),
        origin if lang == "en" and isinstance(origin, str) and origin else trace,
        lang,
        record.word("prompt"),
        record.key("risk_type"),
        ATTACK if attack else "hazard",
        {"x_technique": str(ext.get("category") or "") if attack else ""},
    )


def _ext(record: Record) -> Mapping[str, Any]:
    said = record.word("ext")
    try:
        ext = json.loads(said or "{}")
    except (ValueError, RecursionError) as error:
        raise record.wrong("ext", "JSON", said[:80]) from error
    if not isinstance(ext, dict):
        raise record.wrong("ext", "JSON object", said[:80])
    return ext
