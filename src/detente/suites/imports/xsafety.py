# SPDX-License-Identifier: Apache-2.0
"""XSafety: a folder for each language, in it a CSV or XLSX without column names for each category; row n is one question in all languages.

That row n is the same question everywhere is what the source says. Numbers and Latin words in the texts are counted for it or
against it, and told; where they speak against it, or the numbers of rows differ, a file's rows get ids of their own.
"""

import re
from pathlib import Path

from detente.errors import WrongUsage
from detente.suites.findings import Finding, Spot, found
from detente.suites.imports.building import Order, Piece
from detente.suites.imports.files import files_of
from detente.suites.imports.joining import Votes, votes_for_order
from detente.suites.imports.tables import Record, csv_lines, read_bytes, read_text
from detente.suites.workbook import read_workbook

# Names of files as published that are another spelling of a category.
_MEANT = {"Crimes_And_Illegal_Activitie": "Crimes_And_Illegal_Activities", "commen_sense": "commonsense"}
MAIN = "en"

Files = dict[str, dict[str, list[Piece]]]  # category -> language -> its rows, those without a text among them


def read(order: Order, told: list[Finding]) -> list[Piece]:
    """The pieces of all folders; a second file of one category and language is left out and told."""
    files: Files = {}
    for path, name in files_of(order.src, ".csv", ".xlsx"):
        lang = path.parent.name if path != order.src else ""
        if not re.fullmatch(r"[a-z]{2,3}", lang):
            raise WrongUsage("import-name", name, expected="LANGUAGE/CATEGORY.csv", got=name)
        category = re.sub(r"_(n|en)$", "", path.stem)
        category = _MEANT.get(category, category)
        pieces = _pieces(path, name, lang, category)
        if lang in (by_lang := files.setdefault(category, {})):
            told.append(found("import-left-out", Spot(name, lang=lang), got=category))
        else:
            by_lang[lang] = pieces
    return _joined(files, told)


def _pieces(path: Path, name: str, lang: str, category: str) -> list[Piece]:
    """The rows of a file; one without a text keeps its place, for the rows after it are joined by theirs."""
    raw = read_bytes(path, name)
    if path.suffix.lower() == ".xlsx":
        sheet = [["" if cell is None else str(cell) for cell in line] for line in read_workbook(raw, name, only=True)]
        lines = list(enumerate(sheet, 1))
    else:
        lines = list(csv_lines(read_text(raw, name), name, blank=True))
    while lines and not any(cell.strip() for cell in lines[-1][1]):
        lines.pop()
    pieces: list[Piece] = []
    for row, cells in lines:
        filled = [cell.strip() for cell in cells if cell.strip()] or [""]
        if len(filled) != 1:
            raise WrongUsage("import-cells", f"{name}:{row}", expected=1, got=len(filled))
        key = f"{category}-{len(pieces) + 1}"
        pieces.append(Piece(Record(name, row, {"text": filled[0]}), key, lang, filled[0], category))
    if not pieces:
        raise WrongUsage("import-no-rows", name)
    return pieces


def _joined(files: Files, told: list[Finding]) -> list[Piece]:
    """All rows under the ids of their places, but for files that do not join; what bears the places out is told by language."""
    pieces: list[Piece] = []
    joined: dict[str, tuple[Piece, str, int, Votes]] = {}  # language -> its first row, the other's, rows, votes
    for by_lang in files.values():
        sizes = [len(part) for part in by_lang.values()]
        usual = max(sizes, key=sizes.count)
        like = [lang for lang, part in by_lang.items() if len(part) == usual]
        main = MAIN if MAIN in like else like[0]
        for lang, part in by_lang.items():
            votes = votes_for_order(_texts(part), [_texts(by_lang[main])]) if lang != main else Votes(0, 0)
            if len(part) != usual or votes.speak_against:
                told.append(_not_joined(part, usual, [one for one in like if one != lang], votes))
                part = [piece._replace(key=f"{piece.key}-{lang}") for piece in part]  # noqa: PLW2901 - the same part, renamed
            elif lang != main:
                first, other, n, so_far = joined.get(lang, (part[0], main, 0, Votes(0, 0)))
                added = Votes(so_far.votes + votes.votes, so_far.agreed + votes.agreed)
                joined[lang] = (first, other, n + len(part), added)
            pieces += part
    for first, other, n, votes in joined.values():
        said = {"n": n, "other": other, "votes": votes.votes, "agreed": votes.agreed}
        told.append(found("import-by-rows", first.spot._replace(text=""), **said))
    return pieces


def _texts(part: list[Piece]) -> list[str]:
    return [str(piece.text) for piece in part]


def _not_joined(part: list[Piece], usual: int, others: list[str], votes: Votes) -> Finding:
    fields = {"n": len(part), "of": usual, "other": ", ".join(others), "votes": votes.votes, "agreed": votes.agreed}
    return found("import-not-joined", part[0].spot._replace(text=""), **fields)
