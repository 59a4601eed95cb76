# SPDX-License-Identifier: Apache-2.0
"""JADE-DB text files: CSV with ID, 问题 and, but for the alignment sets of v3.0, 违规类型 and 违规子类, in UTF-8 or GB 18030.

The columns are called the same in the English file; ``_en`` or ``_zh`` at the end of a file's name says the language. The
answers of the alignment sets (违规回答, 安全有用回答) are not read. The files count their questions each from 1, and no English
question is a translation of a Chinese one by any sign, so a file's name is a part of the id.
"""

import re

from detente.suites.findings import Finding
from detente.suites.imports.building import Order, Piece
from detente.suites.imports.files import need_columns, read_all
from detente.suites.imports.tables import Record

COLUMNS = ("ID", "问题")
CLASS, CATEGORY, ANSWER = "违规类型", "违规子类", "违规回答"
ENCODINGS = ("utf-8-sig", "gb18030")


def read(order: Order, told: list[Finding]) -> list[Piece]:  # noqa: ARG001 - every reader may tell something
    """One piece a question."""
    pieces = []
    for record in read_all(order.src, COLUMNS, ENCODINGS, ".csv"):
        if ANSWER not in record.cells:
            need_columns(record, [CLASS, CATEGORY])
        stem = record.file.rpartition("/")[2].removesuffix(".csv")
        lang = "en" if re.search(r"_en$", stem) else "zh-Hans"
        key = f"{stem.removeprefix('jade_')}-{record.key('ID')}"
        category = _category(record) if CATEGORY in record.cells else ""
        pieces.append(Piece(record, key, lang, record.word("问题"), category))
    return pieces


def _category(record: Record) -> str:
    """The subcategory; a rest (其他…) is named with the class that it is the rest of."""
    category = record.key(CATEGORY)
    return f"{record.key(CLASS)}/{category}" if category in {"其他", "其他犯罪类型"} else category
