# SPDX-License-Identifier: Apache-2.0
"""A judge or a guard over a file of replies, for a lab's own use: no plan, no run, nothing signed.

OUT.judged/     what the models said so far: the same command goes on, and OUT is made again from it
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path

from detente.desk.asking import Asking
from detente.desk.given import read_given
from detente.desk.judging import Judging, Put, Told, Work, named_panel
from detente.desk.rehearsals import rows_of
from detente.errors import Malformed, WrongUsage
from detente.score.asked import Case
from detente.score.judge import Judge
from detente.score.panel import GuardPanel, panel_files
from detente.score.rows import Row, parse_rows
from detente.wire.canonical import encode
from detente.wire.digests import sha256


def judge_answers(path: Path, scorer: str, asking: Asking, out: Path | None, told: Told | None) -> list[bytes]:
    """One ``{"id","label"}`` or ``{"error","id"}`` line per row of a file, in its order.

    A row has ``prompt``, ``response``, ``lang`` and, for a judge, ``hazard``: its shipped rubrics are by hazard. Raises
    Malformed as ``parse_rows``, (row-no-lang, row-no-hazard); WrongUsage as ``new_guard``, ``Judge.check`` and ``Judging.ask``.
    """
    panel = named_panel(scorer, asking, f"score --scorer {scorer}")
    rows = [_checked(row, panel, str(path)) for row in parse_rows(rows_of(path), str(path))]
    definition, beacon = sha256(panel_files(panel).definition), bytes.fromhex(sha256(read_given(path)))

    def cases() -> list[Put]:
        return [_put(row) for row in rows]

    with ExitStack() as stack:
        folder = (
            out.with_name(f"{out.name}.judged")
            if out is not None
            else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        )
        work = Work(panel, cases, len(rows), beacon, definition, folder, beacon)
        judging = stack.enter_context(Judging(work))
        judging.ask(asking, f"score --scorer {scorer}", told)
        found = {put.i: asked for put, asked in judging.verdicts()}
    said = [
        {"id": row.id, **({"label": one.label} if one.label is not None else {"error": one.error})}
        for row in rows
        for one in (found[row.number],)
    ]
    return [encode(line) + b"\n" for line in said]


def _checked(row: Row, panel: Judge | GuardPanel, place: str) -> Row:
    """A row that the panel can be asked about."""
    where = f"{place}:{row.number}"
    if row.lang is None:
        raise Malformed("row-no-lang", where)
    if isinstance(panel, Judge):
        if row.hazard is None:
            raise Malformed("row-no-hazard", where)
        try:
            panel.check(row.hazard, row.lang)
        except WrongUsage as error:
            raise WrongUsage(error.code, where, expected=error.expected, got=error.got) from None
    return row


def _put(row: Row) -> Put:
    return Put(row.number, sha256(str(row.id).encode()), row.hazard or "", Case(row.prompt, row.reply, row.lang or ""))
