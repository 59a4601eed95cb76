# SPDX-License-Identifier: Apache-2.0
"""Answers made by another harness, taken into a journal (R-10): every slot once, nothing guessed.

One JSON object a line: ``{"i": n}`` or ``{"item", "lang", "epoch"}`` says which slot, ``"output"`` is the
text (null where there is none), ``"outcome"`` is ``replied`` unless it says otherwise; ``"cut"``,
``"reason"`` and ``"tokens"`` may stand beside it. Outcome and cut are the other program's word.

The whole file is checked before the first answer is taken: a slot that is missing, twice or unknown stops
the import. A slot without an answer needs its row too: ``{"i": 7, "outcome": "failed", "output": null}``.
"""

import json
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from detente.errors import CannotTell, Malformed
from detente.evidence.record import BODY_LIMIT, OUTCOMES, mend_text
from detente.run.journal import Journal, Outcomes
from detente.run.reply import Reply
from detente.wire.canonical import kind_of

MEMBERS = {"i", "item", "lang", "epoch", "output", "outcome", "cut", "reason", "tokens"}
SHOWN = 5


class SlotLike(Protocol):
    """What names a slot; ``pact.slots.Slot`` and ``Prompt`` both do."""

    @property
    def i(self) -> int: ...  # noqa: D102
    @property
    def item(self) -> str: ...  # noqa: D102
    @property
    def lang(self) -> str: ...  # noqa: D102
    @property
    def epoch(self) -> int: ...  # noqa: D102


def read_answers(path: Path, slots: Iterable[SlotLike]) -> Iterator[tuple[SlotLike, Reply]]:
    """Every slot with its answer, in slot order, after the whole file was checked.

    Raises CannotTell (file-missing, no-permission) and Malformed: ``R-10.json``, ``R-10.member``,
    ``R-10.slot`` (no such slot), ``R-10.twice``, ``R-10.outcome``, ``R-10.output``, ``R-10.reason``,
    ``R-10.missing``;
    the place names the line.
    """
    known = list(slots)
    by_i = {slot.i: n for n, slot in enumerate(known)}
    by_name = {(slot.item, slot.lang, slot.epoch): n for n, slot in enumerate(known)}
    offsets = array("q", bytes(0)) if not known else array("q", [-1]) * len(known)
    lines = array("q", offsets)
    with _open(path) as file:
        at = 0
        for number, raw in enumerate(file, 1):
            if raw.strip():
                place = f"{path}:{number}"
                row = _row(raw, place)
                n = _slot_of(row, by_i, by_name, place)
                if offsets[n] >= 0:
                    raise Malformed("R-10.twice", place, got=_name(known[n]), first=lines[n])
                _reply_of(row, place)
                offsets[n], lines[n] = at, number
            at += len(raw)
    if missing := [n for n, offset in enumerate(offsets) if offset < 0]:
        shown = "; ".join(_name(known[n]) for n in missing[:SHOWN]) + ("; ..." if len(missing) > SHOWN else "")
        raise Malformed("R-10.missing", str(path), expected=len(known), got=len(known) - len(missing), slots=shown)
    return _answers(path, known, offsets)


def take_answers(path: Path, slots: Iterable[SlotLike], journal: Journal) -> Outcomes:
    """The answers as bodies in the journal: no seed, no trace (R-10). Slots that it has already are left alone."""
    for slot, reply in read_answers(path, slots):
        if slot.i not in journal:
            journal.keep(slot.i, slot.item, reply, None)
    journal.flush()
    return journal.outcomes()


def _answers(path: Path, known: list[SlotLike], offsets: "array[int]") -> Iterator[tuple[SlotLike, Reply]]:
    with _open(path) as file:
        for slot, offset in zip(known, offsets, strict=True):
            file.seek(offset)
            place = f"{path}: {_name(slot)}"
            yield slot, _reply_of(_row(file.readline(), place), place)


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise CannotTell("file-missing", str(path)) from error
    except PermissionError as error:
        raise CannotTell("no-permission", str(path)) from error


def _row(raw: bytes, place: str) -> dict[str, Any]:
    if len(raw) > BODY_LIMIT:
        raise Malformed("B-9.long", place, expected=BODY_LIMIT, got=len(raw))
    try:
        row = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_once)
    except KeyError as error:
        raise Malformed("R-10.member", place, got=error.args[0]) from error
    except (ValueError, RecursionError) as error:
        raise Malformed("R-10.json", place, got=error) from error
    if not isinstance(row, dict):
        raise Malformed("R-10.json", place, got=kind_of(row))
    if strange := sorted(row.keys() - MEMBERS):
        raise Malformed("R-10.member", place, got=", ".join(strange))
    return row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in pairs:
        if name in row:
            raise KeyError(name)  # said twice
        row[name] = value
    return row


def _slot_of(row: dict[str, Any], by_i: dict[int, int], by_name: dict[tuple[str, str, int], int], place: str) -> int:
    """The position of the row's slot; both names, if given, must name the same one."""
    i, item, lang, epoch = row.get("i"), row.get("item"), row.get("lang"), row.get("epoch", 0)
    found: int | None = None
    if i is not None:
        found = by_i.get(i) if isinstance(i, int) and not isinstance(i, bool) else None
        if found is None:
            raise Malformed("R-10.slot", place, got=i)
    if item is not None or lang is not None:
        name: Any = (item, lang, epoch)
        named = by_name.get(name) if _is_name(item, lang, epoch) else None
        if named is None or (found is not None and named != found):
            raise Malformed("R-10.slot", place, got=f"{item} {lang} {epoch}")
        found = named
    if found is None:
        raise Malformed("R-10.slot", place, got="-")
    return found


def _is_name(item: object, lang: object, epoch: object) -> bool:
    return isinstance(item, str) and isinstance(lang, str) and isinstance(epoch, int) and not isinstance(epoch, bool)


def _reply_of(row: dict[str, Any], place: str) -> Reply:
    outcome, output = row.get("outcome", "replied"), row.get("output")
    cut, reason, tokens = row.get("cut", False), row.get("reason"), row.get("tokens")
    if outcome not in OUTCOMES:
        raise Malformed("R-10.outcome", place, expected=" | ".join(OUTCOMES), got=outcome)
    if not (isinstance(output, str) if outcome in {"replied", "truncated"} else output is None):
        raise Malformed("R-10.output", place, got=kind_of(output), outcome=outcome)
    if not isinstance(cut, bool) or (cut and outcome != "replied"):
        raise Malformed("R-10.outcome", place, expected="replied", got=f"{outcome}, cut {cut}")
    if reason is not None and outcome == "replied":
        raise Malformed("R-10.reason", place, got=reason)
    if not isinstance(reason, str | None) or not (
        tokens is None or (isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0)
    ):
        raise Malformed("R-10.json", place, got="reason, tokens")
    return Reply(
        outcome,
        None if output is None else mend_text(output),
        cut,
        None if reason is None else mend_text(reason),
        tokens,
    )


def _name(slot: SlotLike) -> str:
    return f"i={slot.i} ({slot.item[:12]} {slot.lang} {slot.epoch})"
