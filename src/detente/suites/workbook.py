# SPDX-License-Identifier: Apache-2.0
"""The cells of an XLSX file that a stranger may have made (extra ``sheets``): its first sheet, or one error that says why not."""

import io
import zipfile
from typing import Any

from detente.errors import WrongUsage

MOST = 256 * 1024 * 1024  # bytes of a file, and of a packed one when it is unpacked
SHORT = 80  # of what a foreign parser says


def read_workbook(raw: bytes, name: str, *, only: bool = False) -> list[list[Any]]:
    """The lines of the first sheet, cells as they are; WrongUsage (extra-missing; import-bytes for what is no workbook, or too large).

    With ``only``, other sheets may hold nothing (else import-sheets): whoever takes all rows of a book would lose theirs.
    """
    openpyxl = load_openpyxl()
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            size = sum(entry.file_size for entry in packed.infolist())
        lines, others = _lines(openpyxl, raw, only=only) if size <= MOST else ([], [])
    except Exception as error:  # a foreign parser of packed XML: anything may come out of a damaged book
        said = str(error)
        got = said if len(said) <= SHORT else said[:SHORT] + "…"
        raise WrongUsage("import-bytes", name, expected="xlsx", got=got) from error
    if size > MOST:
        raise WrongUsage("import-bytes", name, expected=f"<= {MOST} bytes", got=f"{size} bytes")
    if others:
        raise WrongUsage("import-sheets", name, got=", ".join(others))
    return lines


def _lines(openpyxl: Any, raw: bytes, *, only: bool) -> tuple[list[list[Any]], list[str]]:
    """The lines of the first sheet, and, with ``only``, the names of the others that hold something."""
    book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
    first, *rest = book.worksheets
    lines = [list(line) for line in first.iter_rows(values_only=True)]
    others = [sheet.title for sheet in rest if only and _holds_something(sheet)]
    return lines, others


def _holds_something(sheet: Any) -> bool:
    cells = (cell for line in sheet.iter_rows(values_only=True) for cell in line)
    return any(cell is not None and str(cell).strip() for cell in cells)


def load_openpyxl() -> Any:
    """The library, looked for when it is needed; WrongUsage (extra-missing)."""
    try:
        import openpyxl
    except ModuleNotFoundError as error:
        raise WrongUsage("extra-missing", ".xlsx", got=error.name, extra="sheets") from error
    return openpyxl
