# SPDX-License-Identifier: Apache-2.0
"""Tables of any kind as records that know their file and row: CSV, JSON, JSON lines, Excel, Parquet; rubbish is named by its place.

    read_records(Path("questions.csv"))  ->  [Record("questions.csv", 2, {"id": "1", ...}), ...]

Rows are counted as people see them: the line of a text file, the row of a sheet, else the place in the list from 1.
"""

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from detente.errors import WrongUsage
from detente.suites.reading import cleaned
from detente.suites.workbook import MOST, read_workbook
from detente.wire.canonical import kind_of

PLAIN = ("utf-8-sig",)
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class Record(NamedTuple):
    """One row of a source: its file as people know it, its row from 1, and its cells by column."""

    file: str
    row: int
    cells: Mapping[str, Any]

    @property
    def place(self) -> str:
        """``file:row``."""
        return f"{self.file}:{self.row}"

    def wrong(self, column: str, expected: str, got: object) -> WrongUsage:
        """The error for one cell: file, row and column, what is asked for and what is there."""
        return WrongUsage("import-cell", self.place, expected=expected, got=got, column=column)

    def text(self, column: str) -> str:
        """A cell that must be a text that is not empty; WrongUsage (import-cell) names file, row and column."""
        value = self.cells.get(column)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(column, "a text", _short(value))
        return value

    def word(self, column: str) -> str:
        """A cell that is a text or a number, as text; "" where it is empty or not there.

        WrongUsage (import-cell) for a list, a table or a truth value.
        """
        value = self.cells.get(column)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.wrong(column, "a text or a number", _short(value))
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()

    def key(self, column: str) -> str:
        """``word`` where it may not be empty."""
        value = self.word(column)
        if not value:
            raise self.wrong(column, "a text or a number", None)
        return value


def read_records(path: Path, name: str, encodings: Sequence[str] = PLAIN) -> list[Record]:
    """Every record of a file, by what its name ends with; ``name`` is what people call it.

    WrongUsage: import-format (an unknown ending), import-bytes (not in the encodings, not what its name says, too large),
    import-row, import-cells and import-column-twice (a row that is none), import-no-rows.
    """
    ending = path.suffix.lower()
    if ending in {".xlsx", ".xlsm"}:
        return _checked(name, _excel(read_bytes(path, name), name))
    if ending == ".parquet":
        read_bytes(path, name)
        return _checked(name, _parquet(path, name))
    readers = {".csv": csv_records, ".tsv": csv_records, ".jsonl": jsonl_records, ".json": json_records}
    if ending not in readers:
        raise WrongUsage("import-format", name, expected=".csv .tsv .jsonl .json .xlsx .parquet", got=ending or "-")
    return _checked(name, readers[ending](read_text(read_bytes(path, name), name, encodings), name))


def read_bytes(path: Path, name: str) -> bytes:
    """A file's bytes; WrongUsage: import-missing where there is none, import-bytes where it is larger than ``MOST``."""
    if not path.is_file():
        raise WrongUsage("import-missing", name)
    if path.stat().st_size > MOST:
        raise WrongUsage("import-bytes", name, got=f"{path.stat().st_size} bytes", expected=f"<= {MOST} bytes")
    return path.read_bytes()


def read_text(raw: bytes, name: str, encodings: Sequence[str] = PLAIN) -> str:
    """A file's text in the first of the encodings that fits; WrongUsage (import-bytes) names the byte that does not."""
    if raw[:2] in _BOMS:
        raise WrongUsage("import-bytes", name, expected=" / ".join(encodings), got=_BOMS[raw[:2]])
    why = ""
    for encoding in encodings:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError as error:
            row = raw.count(b"\n", 0, error.start) + 1
            why = why or f"row {row}: {error.reason}"
        except LookupError:
            why = why or encoding
    raise WrongUsage("import-bytes", name, expected=" / ".join(encodings), got=why)


def csv_records(text: str, name: str) -> Iterator[Record]:
    """CSV with a row of column names (TSV where the name ends so); every row has as many cells as there are columns (import-cells)."""
    lines = csv_lines(text, name, "\t" if name.lower().endswith(".tsv") else ",")
    head = next(lines, None)
    if head is None:
        raise WrongUsage("import-no-rows", name)
    columns = head[1]
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise WrongUsage("import-column-twice", f"{name}:{head[0]}", got=twice)
    for row, cells in lines:
        if len(cells) != len(columns):
            raise WrongUsage("import-cells", f"{name}:{row}", expected=len(columns), got=len(cells))
        yield Record(name, row, dict(zip(columns, cells, strict=True)))


def csv_lines(text: str, name: str, delimiter: str = ",", *, blank: bool = False) -> Iterator[tuple[int, list[str]]]:
    """(row, cells) of a CSV text; WrongUsage (import-row) for a quotation that never ends and the like.

    Blank rows are left out, or, with ``blank``, only those without any cell.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    start = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise WrongUsage("import-row", f"{name}:{start}", got=error) from error
        if (cells and blank) or any(cell.strip() for cell in cells):
            yield start, cells
        start = reader.line_num + 1


def jsonl_records(text: str | Iterable[str], name: str) -> Iterator[Record]:
    """JSON lines, as a text or line by line; WrongUsage (import-row) names the line that is no object."""
    for row, line in enumerate(text.split("\n") if isinstance(text, str) else text, 1):
        if line.strip():
            yield _record(name, row, _json(line, f"{name}:{row}"))


def json_records(text: str, name: str) -> Iterator[Record]:
    """A JSON list of objects, or an object with one such list in it (``examples``, ``data`` ...)."""
    value = _json(text, name)
    if isinstance(value, dict):
        lists = [one for one in value.values() if isinstance(one, list)]
        if len(lists) != 1:
            raise WrongUsage("import-row", name, expected="a list of objects", got=kind_of(value))
        value = lists[0]
    if not isinstance(value, list):
        raise WrongUsage("import-row", name, expected="a list of objects", got=kind_of(value))
    for row, one in enumerate(value, 1):
        yield _record(name, row, one)


def read_json(path: Path, name: str) -> Any:
    """A whole JSON file; WrongUsage (import-bytes, import-row) where it is none."""
    return _json(read_text(read_bytes(path, name), name), name)


def _json(text: str, place: str) -> Any:
    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            raise ValueError(f"a member stands twice: {next(n for n, _ in pairs if sum(n == m for m, _ in pairs) > 1)}")
        return made

    try:
        return cleaned(json.loads(text, object_pairs_hook=members))
    except (ValueError, RecursionError) as error:
        raise WrongUsage("import-row", place, got=error) from error


def _record(name: str, row: int, value: Any) -> Record:
    if not isinstance(value, dict):
        raise WrongUsage("import-row", f"{name}:{row}", expected="an object", got=kind_of(value))
    return Record(name, row, value)


def _excel(raw: bytes, name: str) -> Iterator[Record]:
    """The one sheet of a workbook that holds anything, its first row being the names of the columns."""
    lines = read_workbook(raw, name, only=True)
    columns = ["" if cell is None else str(cell).strip() for cell in lines[0]] if lines else []
    twice = next((column for column in columns if column and columns.count(column) > 1), None)
    if twice is not None:
        raise WrongUsage("import-column-twice", f"{name}:1", got=twice)
    for row, line in enumerate(lines[1:], 2):
        if any(cell is not None and str(cell).strip() for cell in line):
            cells = {column: _cell(cell) for column, cell in zip(columns, line, strict=False) if column}
            yield Record(name, row, cleaned(cells))


def _parquet(path: Path, name: str) -> Iterator[Record]:
    """The rows of a Parquet file, read under a plain name (DuckDB takes signs in a name for a pattern), without network."""
    duckdb = _duckdb()
    with tempfile.TemporaryDirectory(prefix="detente-") as folder:
        shutil.copyfile(path, copy := Path(folder) / "rows.parquet")
        try:
            alone = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
            with duckdb.connect(":memory:", config=alone) as base:
                found = base.execute("SELECT * FROM read_parquet(?)", [str(copy)])
                columns = [str(column[0]) for column in found.description]
                lines = found.fetchall()
        except duckdb.Error as error:
            raise WrongUsage("import-bytes", name, expected="parquet", got=_short(error).split("\n")[0]) from error
    for row, line in enumerate(lines, 1):
        yield Record(name, row, cleaned({column: _cell(cell) for column, cell in zip(columns, line, strict=True)}))


def _cell(value: Any) -> Any:
    """A cell as JSON would have it; dates and the like as text."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_cell(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _cell(one) for name, one in value.items()}
    return str(value)


def _checked(name: str, records: Iterator[Record]) -> list[Record]:
    found = list(records)
    if not found:
        raise WrongUsage("import-no-rows", name)
    return found


def _short(value: object) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= 80 else text[:80] + "…"


def _duckdb() -> Any:
    try:
        import duckdb
    except ModuleNotFoundError as error:
        raise WrongUsage("extra-missing", ".parquet", got=error.name, extra="parquet") from error
    return duckdb
