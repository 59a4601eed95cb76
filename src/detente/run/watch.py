# SPDX-License-Identifier: Apache-2.0
"""A run as it looks from another process while it is asked: read from the journal's files, without a lock, changing nothing."""

import math
import os
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
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
ROW_BYTES = 512  # of the trace, an answer with the attempts before it: a guess on the high side
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


class Part(NamedTuple):
    """One journal of a run, that of a shard or its own, and the price that is counted with there."""

    folder: Path
    price: Price | None = None


def answered(folders: Sequence[Path], slots: int) -> Iterator[tuple[int, str, bool]]:
    """Slot, outcome and whether it was cut of every answer in the journals of a run; a slot that stands in two of them comes once."""
    seen = bytearray(slots)
    for folder in folders:
        for i, outcome, cut in glances(folder):
            if i < slots:
                if seen[i]:
                    continue
                seen[i] = 1
            yield i, outcome, cut


def look(
    parts: Sequence[Part], slots: int | None, cell_of: Callable[[int], Cell], of_cell: Mapping[Cell, int]
) -> Progress:
    """How far a run is: what its own ``Progress`` says, but for what only its process knows (in flight, places, stopping).

    Of several journals the rates and tokens add up; what was spent is only known where all have prices in one currency.
    """
    counts, by_cell = dict.fromkeys((*OUTCOMES, "cut"), 0), dict.fromkeys(of_cell, 0)
    for i, outcome, cut in answered([part.folder for part in parts], slots or 0):
        counts[outcome] += 1
        counts["cut"] += cut
        cell = cell_of(i)
        by_cell[cell] = by_cell.get(cell, 0) + 1
    outcomes = Outcomes(**counts)
    tried = [(attempts(part.folder, active=is_written(part.folder)), part.price) for part in parts]
    faults: Counter[str] = Counter()
    for one, _ in tried:
        faults.update(one.faults)
    tokens = sum(one.asked + one.said for one, _ in tried)
    paid = [(one, price) for one, price in tried if one.answer_s is not None]
    currencies = {price.currency if price is not None else "" for _, price in paid or tried}
    spent = sum(price.of(one.asked, one.said) for one, price in paid if price is not None)
    currency = currencies.pop() if len(currencies) == 1 else ""
    return Progress(
        outcomes.total(), slots, outcomes, sum(one.rate_per_s for one, _ in tried), by_cell, of_cell, dict(faults),
        0, tokens, 0, spent if currency else None, currency,
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


def newest(folders: Sequence[Path], n: int) -> tuple[list[Answer], dict[Path, int]]:
    """The last ``n`` answers of several journals, as ``latest``, and where each ends; the private traces say which came when.

    The answers of one journal keep its order: answers that ended at nearly the same time may be written the other way round.
    """
    found: list[tuple[float, Answer]] = []
    ends = {}
    for folder in folders:
        answers, ends[folder] = latest(folder, n)
        times = _ended(folder, n) if len(folders) > 1 else {}
        # From the end back, so that where an answer comes does not depend on how many before it are looked at.
        came = list(accumulate((times.get(answer.i, math.inf) for answer in reversed(answers)), min))
        found += zip(reversed(came), answers, strict=True)
    return [answer for _, answer in sorted(found, key=lambda pair: pair[0])][-n:], ends


def _ended(folder: Path, n: int) -> dict[int, int]:
    """When the slots that were answered last ended, in unix milliseconds; some may be missing."""
    try:
        with (folder / "trace.jsonl").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - BLOCK - ROW_BYTES * n))
            rows = [found.groups() for line in file if (found := ROW.match(line))]
    except FileNotFoundError:
        return {}
    return {int(i): int(started) + int(ms) for i, _, kind, ms, _, started in rows if kind.decode() in OUTCOMES}


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
