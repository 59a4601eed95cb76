# SPDX-License-Identifier: Apache-2.0
"""A suite folder written whole or not at all: suite.toml from a mapping, items.jsonl from rows, whatever else lies beside them."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from detente.errors import WrongUsage
from detente.suites.source import META, ROWS


def toml_of(head: Mapping[str, Any]) -> bytes:
    """A mapping of strings, numbers, lists and tables as TOML; members without a value (None) are left out."""
    lines = [f"{_key(name)} = {_said(one)}\n" for name, one in head.items() if one is not None]
    return "".join(lines).encode("utf-8")


def rows_of(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as items.jsonl: one JSON object a line, members without a value (None) left out."""
    return b"".join(map(_line, rows))


def write_folder(folder: Path, head: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], report: bytes) -> None:
    """The folder of a suite with ``import-report.json`` beside its two files, which appears whole or not at all.

    WrongUsage (import-there) where something stands under that name already; nothing is ever replaced.
    """
    refuse_there(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".import-", dir=folder.parent))
    try:
        (made / META).write_bytes(toml_of(head))
        with (made / ROWS).open("wb") as out:
            out.writelines(map(_line, rows))
        (made / "import-report.json").write_bytes(report)
        made.chmod(0o755)
        refuse_there(folder)
        made.rename(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def refuse_there(folder: Path) -> None:
    """WrongUsage (import-there) where the folder, or anything of its name, is there already."""
    if os.path.lexists(folder):
        raise WrongUsage("import-there", str(folder))


def _line(row: Mapping[str, Any]) -> bytes:
    kept = {name: one for name, one in row.items() if one is not None}
    return (json.dumps(kept, ensure_ascii=False) + "\n").encode("utf-8")


def _key(name: str) -> str:
    """A key of TOML, in quotation marks where it is no bare one."""
    bare = name.isascii() and bool(name) and all(char.isalnum() or char in "-_" for char in name)
    return name if bare else _string(name)


def _string(text: str) -> str:
    """A basic string: JSON's, and without the one control character that JSON writes as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(name)} = {_said(one)}" for name, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_said(one) for one in value) + "]"
    return _string(value) if isinstance(value, str) else json.dumps(value)
