# SPDX-License-Identifier: Apache-2.0
"""How far a run is, for a person who watches, for a log file, and for a program.

On a terminal: a few lines that are written over, at most four times a second, each at most as wide as the terminal.
The cursor always stands below them, at the start of a line, and no mode of the terminal is changed, so that nothing has
to be put right however the command ends. Elsewhere: a plain line every quarter and every minute. With ``--json``: one
event a second. What a model said is never shown here; names of languages and hazards are made harmless.
"""

import os
import sys
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Self

from detente.cli.speech import Speech, folded, padded, wide
from detente.run.engine import Cell, Progress
from detente.words import harmless, say

DRAWN_S = 0.25
PLAIN_S = 60.0
EVENT_S = 1.0
WINDOW_S = 60.0
SETTLED_S = 10.0  # a rate over less than this says little; until then the mean since the start is shown
BAR = 24
NAME = 24
UNITS = (("days", 86_400), ("hours", 3600), ("minutes", 60), ("seconds", 1))
KINDS = (
    "rate-limit", "server", "unavailable", "reset", "timeout", "garbage", "empty", "raised", "refused-request",
    "refused-key", "forbidden", "not-found", "quota", "certificate",
)  # fmt: skip


class Count(NamedTuple):
    """So many of so many; ``of`` is 0 where nobody knows."""

    done: int
    of: int


class Rate:
    """Slots a second over the last minute, so that the time left follows the endpoint."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def at(self, progress: Progress, now: float) -> float:
        """The rate at ``now`` (monotonic seconds)."""
        self._seen.append((now, progress.done))
        while now - self._seen[0][0] > WINDOW_S and len(self._seen) > 2:
            self._seen.popleft()
        since, done = self._seen[0]
        return (progress.done - done) / (now - since) if now - since >= SETTLED_S else progress.rate_per_s


class Display:
    """Shows a run's progress in the way that fits where it is shown; call it with every ``Progress``, close it at the end."""

    def __init__(self, speech: Speech, budget: float | None = None, subject: str = "") -> None:
        """``subject``: whose turn it is, where several models are asked one after the other."""
        self._speech, self._budget, self._subject, self._judging = speech, budget, subject, False
        self._rate = Rate()
        self._last: Progress | None = None
        self._began, self._shown_at = time.monotonic(), float("-inf")
        self._shown: Progress | None = None
        self._block: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        last, shown = self._last, self._shown
        if last is not None and (shown is None or self._block or _told(last) != _told(shown)):
            self._show(last, time.monotonic())

    def __call__(self, progress: Progress) -> None:
        """Show it, if it is time to."""
        now, last = time.monotonic(), self._last
        if last is not None and progress.done < last.done:  # a rehearsal's answers are in, and now its judge is asked
            self._rate, self._judging = Rate(), True
        self._last = progress
        turned = progress.stopping and (last is None or not last.stopping)
        if turned or self._is_time(progress, now):
            self._show(progress, now)

    def _is_time(self, progress: Progress, now: float) -> bool:
        since = now - self._shown_at
        if self._speech.as_json:
            return since >= EVENT_S
        if watched():
            return since >= DRAWN_S
        if self._shown is None:
            return progress.done > 0 or now - self._began >= PLAIN_S
        return since >= PLAIN_S or _quarter(progress) > _quarter(self._shown)

    def _show(self, progress: Progress, now: float) -> None:
        rate = self._rate.at(progress, now)
        self._shown, self._shown_at = progress, now
        if self._speech.as_json:
            whose = {"subject": self._subject} if self._subject else {}
            self._speech.row({"event": "progress", **event_of(progress, rate, self._budget), **whose})
            sys.stdout.flush()
            return
        with suppress(OSError):  # a terminal that has gone is no reason to stop asking
            if watched():
                columns = _size()[0] - 1
                lines = lines_of(progress, self._speech.lang, rate, self._budget, columns=columns, doing=self._doing())
                self._draw(lines)
            else:
                line = plain_line(progress, self._speech.lang, rate, self._budget, self._doing())
                print(line, file=sys.stderr, flush=True)

    def _doing(self) -> str:
        """Who is asked: ``asking``, ``candidate: asking``, ``candidate: judging``."""
        doing = _said("judging" if self._judging else "asking", self._speech.lang)
        return (
            _said("of", self._speech.lang, subject=clipped(self._subject, NAME), doing=doing)
            if self._subject
            else doing
        )

    def _draw(self, lines: list[str]) -> None:
        """Write over the block that was drawn before, in one go; a terminal that was made narrower has folded its lines."""
        columns, rows = _size()
        lines = lines[: max(1, rows - 1)]
        up = sum(max(1, -(-wide(line) // columns)) for line in self._block)
        over = f"\x1b[{up}A\r" if up else "\r"
        print(over + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J", end="", file=sys.stderr, flush=True)
        self._block = lines


def watched() -> bool:
    """Whether a person looks at stderr, on a terminal that can move its cursor."""
    return (sys.stderr.isatty() and os.environ.get("TERM") != "dumb") or bool(os.environ.get("DETENTE_BAR"))


def lines_of(
    progress: Progress, lang: str, rate: float, budget: float | None = None, *, columns: int = 79, doing: str = ""
) -> list[str]:
    """The lines of the display, each at most ``columns`` wide."""
    total, outcomes = progress.total or 0, progress.outcomes
    full = BAR * progress.done // total if total else 0
    bar = f"[{'#' * full}{'.' * (BAR - full)}]" if total else ""
    lines = [" ".join(piece for piece in (doing or _said("asking", lang), bar, _share(progress, lang)) if piece)]
    if progress.stopping and progress.in_flight:
        lines.append(_said("stopping", lang, n=progress.in_flight))
    lines.append(_joined([_speed(progress, rate, lang), _left(progress, rate, lang), _out(progress, lang)], lang))
    lines.append(_joined([_tokens(progress, lang), _spent(progress, budget, lang)], lang))
    lines.append(_joined([_said(f"outcome-{name}", lang, n=f"{n:,}") for name, n in _outcomes(outcomes)], lang))
    if progress.faults:
        lines.append(_said("faults", lang, faults=_joined(_faults(progress, lang), lang)))
    lines = [piece for line in lines if line for piece in folded(line, columns)]
    for key, counts in (("languages", by_lang(progress)), ("hazards", by_hazard(progress))):
        if set(counts) - {""}:
            lines += [_said(key, lang), *_grid(counts, columns)]
    return lines


def plain_line(progress: Progress, lang: str, rate: float, budget: float | None = None, doing: str = "") -> str:
    """The same in one line for a log file, without the tables."""
    pieces = [f"{doing or _said('asking', lang)} {_share(progress, lang)}"]
    pieces += [_speed(progress, rate, lang), _left(progress, rate, lang)]
    pieces += [_tokens(progress, lang), _spent(progress, budget, lang)]
    pieces += [
        _said(f"outcome-{name}", lang, n=f"{n:,}") for name, n in _outcomes(progress.outcomes) if name != "replied"
    ]
    pieces += _faults(progress, lang)
    if progress.stopping and progress.in_flight:
        pieces.append(_said("stopping", lang, n=progress.in_flight))
    return _joined(pieces, lang)


def event_of(progress: Progress, rate: float, budget: float | None) -> dict[str, Any]:
    """The same as members of a JSON event (docs/guides/long-runs.md)."""
    left = _left_s(progress, rate)
    return {
        "budget": budget,
        "currency": progress.currency or None,
        "done": progress.done,
        "faults": dict(progress.faults),
        "hazards": {name: count._asdict() for name, count in by_hazard(progress).items() if name},
        "in_flight": progress.in_flight if progress.places else None,
        "languages": {name: count._asdict() for name, count in by_lang(progress).items()},
        "left_s": None if left is None else round(left),
        "of": progress.total,
        "outcomes": progress.outcomes._asdict(),
        "places": progress.places or None,
        "rate_per_s": round(rate, 3),
        "spent": None if progress.spent is None else round(progress.spent, 4),
        "stopping": progress.stopping,
        "tokens": progress.tokens,
    }


def by_lang(progress: Progress) -> dict[str, Count]:
    """Done and all by language."""
    return _counted(progress.by_cell, progress.of_cell, 0)


def by_hazard(progress: Progress) -> dict[str, Count]:
    """Done and all by hazard; a question without one counts under the empty name."""
    return _counted(progress.by_cell, progress.of_cell, 1)


def duration(seconds: float, lang: str) -> str:
    """A time span in its two largest units."""
    rest = max(0, round(seconds))
    pieces: list[str] = []
    for name, size in UNITS:
        n, rest = divmod(rest, size)
        if n or (pieces and len(pieces) < 2) or (name == "seconds" and not pieces):
            pieces.append(_said(name, lang, n=n))
        if len(pieces) == 2:
            break
    return " ".join(pieces)


def money(amount: float) -> str:
    """An amount for people: to the hundredth, and less than one to the ten-thousandth."""
    return f"{amount:,.2f}" if amount >= 1 or amount == 0 else f"{amount:.4f}"


def fault_name(kind: str, lang: str) -> str:
    """A kind of fault (``run.reply.Kind``) in words; what is not one of ours as it is, made harmless."""
    return _said(f"kind-{kind}", lang) if kind in KINDS else harmless(kind)


def clipped(text: str, columns: int) -> str:
    """A text made harmless and cut to so many columns."""
    shown = harmless(text[: columns + 1])
    while wide(shown) > columns:
        shown = f"{shown[:-2]}…"
    return shown


def _counted(done: Mapping[Cell, int], of: Mapping[Cell, int], at: int) -> dict[str, Count]:
    found: dict[str, Count] = {cell[at]: Count(0, 0) for cell in (*of, *done)}
    for cell, n in of.items():
        found[cell[at]] = found[cell[at]]._replace(of=found[cell[at]].of + n)
    for cell, n in done.items():
        found[cell[at]] = found[cell[at]]._replace(done=found[cell[at]].done + n)
    return found


def _grid(counts: Mapping[str, Count], columns: int) -> list[str]:
    """Names with their counts in as many columns as fit."""
    names = {name: clipped(name or "-", NAME) for name in counts}
    numbers = {name: f"{n.done:,}/{n.of:,}" if n.of else f"{n.done:,}" for name, n in counts.items()}
    first, second = max(map(wide, names.values())), max(map(len, numbers.values()))
    cells = [f"{padded(names[name], first)} {numbers[name]:>{second}}" for name in counts]
    each = max(1, (columns - 2 + 3) // (first + 1 + second + 3))
    return ["  " + "   ".join(cells[at : at + each]) for at in range(0, len(cells), each)]


def _outcomes(outcomes: Any) -> list[tuple[str, int]]:
    """The outcomes that there are; ``replied`` always."""
    return [(name, n) for name, n in outcomes._asdict().items() if n or name == "replied"]


def _faults(progress: Progress, lang: str) -> list[str]:
    most = sorted(progress.faults.items(), key=lambda fault: -fault[1])
    return [f"{fault_name(kind, lang)} {n:,}" for kind, n in most]


def _share(progress: Progress, lang: str) -> str:
    if not progress.total:
        return f"{progress.done:,}"
    share = 100 * progress.done // progress.total
    return _said("share", lang, done=f"{progress.done:,}", of=f"{progress.total:,}", share=share)


def _speed(progress: Progress, rate: float, lang: str) -> str:
    if rate == 0 and progress.done == progress.total:  # nothing was left to ask when this command began
        return ""
    return _said("rate", lang, rate=f"{rate:,.1f}" if rate < 100 else f"{rate:,.0f}")


def _left_s(progress: Progress, rate: float) -> float | None:
    return (progress.total - progress.done) / rate if progress.total and rate > 0 else None


def _left(progress: Progress, rate: float, lang: str) -> str:
    left = _left_s(progress, rate)
    return _said("left", lang, left=duration(left, lang)) if left and not progress.stopping else ""


def _out(progress: Progress, lang: str) -> str:
    return _said("out", lang, n=progress.in_flight, places=progress.places) if progress.in_flight else ""


def _tokens(progress: Progress, lang: str) -> str:
    return _said("tokens", lang, n=f"{progress.tokens:,}") if progress.tokens else ""


def _spent(progress: Progress, budget: float | None, lang: str) -> str:
    if progress.spent is None:
        return ""
    spent, currency = money(progress.spent), progress.currency
    if budget is None:
        return _said("spent", lang, spent=spent, currency=currency)
    return _said("spent-of", lang, spent=spent, budget=money(budget), currency=currency)


def _told(progress: Progress) -> tuple[object, ...]:
    """What a line or an event that comes last must have said."""
    return progress.outcomes, progress.faults, progress.tokens, progress.in_flight


def _quarter(progress: Progress) -> int:
    return progress.done * 4 // progress.total if progress.total else 0


def _joined(pieces: list[str], lang: str) -> str:
    return _said("and", lang).join(piece for piece in pieces if piece)


def _said(key: str, lang: str, **fields: object) -> str:
    return say(f"cli.progress.{key}", lang, **fields)


def _size() -> tuple[int, int]:
    """Columns and rows of the terminal behind stderr; 80 by 24 where it does not say."""
    try:
        size = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):
        return 80, 24
    return size.columns or 80, size.lines or 24
