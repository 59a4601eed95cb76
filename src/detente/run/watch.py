# SPDX-License-Identifier: Apache-2.0
"""A run as it looks from another process while it is asked: read from the journal's files, without a lock, changing nothing."""

import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import orjson

from detente.errors import CannotTell
from detente.evidence.record import OUTCOMES
from detente.run.cost import Price
from detente.run.engine import Cell, Progress
from detente.run.journal import Outcomes, glances, is_written

RECENT_MS = 60_000
BLOCK = 65_536
# A row of the private trace (journal.trace_row): its members stand in this order.
ROW = re.compile(
    rb'\{"attempt":[0-9]+,"i":(-?[0-9]+),(?:"in":([0-9]+),)?"kind":"([^"]{1,64})","ms":([0-9]+)'
    rb'(?:,"out":([0-9]+))?.*"started":([0-9]+)\}\n$'
)


class Attempts(NamedTuple):
    """What the trace says: faults and rate of the process that wrote last, tokens of all, and the mean time of an answer."""

    faults: Mapping[str, int]
    rate_per_s: float
    asked: int
    said: int
    answer_s: float | None


class Answer(NamedTuple):
    """One answer of the journal as it lies there; ``output`` is what a model said and must be made harmless where it is shown."""

    i: int
    outcome: str
    output: str | None
    cut: bool
    reason: str | None


def look(folder: Path, cell_of: Callable[[int], Cell], of_cell: Mapping[Cell, int], price: Price | None) -> Progress:
    """How far a run is: what its own ``Progress`` says, but for what only its process knows (in flight, places, stopping)."""
    counts, by_cell = dict.fromkeys((*OUTCOMES, "cut"), 0), dict.fromkeys(of_cell, 0)
    for i, outcome, cut in glances(folder):
        counts[outcome] += 1
        counts["cut"] += cut
        cell = cell_of(i)
        by_cell[cell] = by_cell.get(cell, 0) + 1
    outcomes, tried = Outcomes(**counts), attempts(folder, active=is_written(folder))
    spent = price.of(tried.asked, tried.said) if price is not None else None
    return Progress(
        outcomes.total(), sum(of_cell.values()) or None, outcomes, tried.rate_per_s, by_cell, of_cell, tried.faults,
        0, tried.asked + tried.said, 0, spent, price.currency if price is not None else "",
    )  # fmt: skip


def attempts(folder: Path, *, active: bool) -> Attempts:
    """The trace in short. The rate is that of the last minute; of a process that has stopped, its last minute."""
    faults: dict[str, int] = {}
    ends: deque[int] = deque()
    asked = said = answers = took_ms = 0
    begun_ms = 0
    for i, used, kind, ms, answered, started in _rows(folder):
        if i < 0:
            faults, ends, begun_ms = {}, deque(), started
        elif kind in OUTCOMES:
            asked, said = asked + used, said + answered
            answers, took_ms = answers + 1, took_ms + ms
            ends.append(started + ms)
            while ends[-1] - ends[0] > RECENT_MS:
                ends.popleft()
        else:
            faults[kind] = faults.get(kind, 0) + 1
    now_ms = time.time_ns() // 1_000_000 if active else max(ends, default=0)
    recent = [end for end in ends if now_ms - end <= RECENT_MS]
    span_ms = now_ms - max(begun_ms, now_ms - RECENT_MS)
    rate = 1000 * len(recent) / span_ms if recent and span_ms > 0 else 0.0
    return Attempts(faults, rate, asked, said, took_ms / answers / 1000 if answers else None)


def latest(folder: Path, n: int) -> tuple[list[Answer], int]:
    """The last ``n`` answers of a journal in the order in which they came, and where in its file they end.

    CannotTell (journal-damaged) for a line that is no answer; a torn last one is not looked at.
    """
    try:
        with (folder / "bodies.jsonl").open("rb") as file:
            start = file.seek(0, os.SEEK_END)
            held = b""
            while start > 0 and held.count(b"\n") <= n:
                size = min(BLOCK, start)
                start -= size
                file.seek(start)
                held = file.read(size) + held
    except FileNotFoundError:
        return [], 0
    whole = held[: held.rfind(b"\n") + 1]
    rows = whole.splitlines()
    return [_answer(folder, row) for row in (rows if start == 0 else rows[1:])[-n:]], start + len(whole)


def after(folder: Path, at: int) -> tuple[list[Answer], int]:
    """The answers that came since the file ended at ``at``, and where it ends now; CannotTell (journal-damaged)."""
    try:
        with (folder / "bodies.jsonl").open("rb") as file:
            file.seek(at)
            held = file.read()
    except FileNotFoundError:
        return [], at
    whole = held[: held.rfind(b"\n") + 1]
    return [_answer(folder, row) for row in whole.splitlines()], at + len(whole)


def _rows(folder: Path) -> Iterator[tuple[int, int, str, int, int, int]]:
    """Slot, tokens of the question, kind, milliseconds, tokens of the answer, start in unix milliseconds, of every whole row."""
    try:
        with (folder / "trace.jsonl").open("rb") as file:
            for row in file:
                if found := ROW.match(row):
                    i, used, kind, ms, said, started = found.groups()
                    yield int(i), int(used or 0), kind.decode("ascii", "replace"), int(ms), int(said or 0), int(started)
    except FileNotFoundError:
        return


def _answer(folder: Path, line: bytes) -> Answer:
    try:
        row = orjson.loads(line)
        return Answer(row["i"], row["outcome"], row["output"], row.get("cut") is True, row.get("reason"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CannotTell("journal-damaged", str(folder / "bodies.jsonl"), got="-") from error
