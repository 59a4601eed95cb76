# SPDX-License-Identifier: Apache-2.0
"""Seeing each other: witness the other labs' logs, and the board of who has done which step when."""

import time
from pathlib import Path
from typing import NamedTuple

from detente.check.exchange import (
    History,
    Violation,
    find_plan,
    log_folder,
    mirror_path,
    open_exchange,
    read_entries,
    read_history,
)
from detente.desk.keys import Desk
from detente.errors import DetenteError, WrongUsage
from detente.pact.chain import witness_keys
from detente.pact.plan import Party, Plan, PlanFile
from detente.tlog.folder import Folder
from detente.tlog.witness import Cosigned, witness_log
from detente.wire.times import encode_time, parse_time

KINDS = ("accept", "register", "release", "conclude", "score", "challenge", "open", "audit", "close")


class Witnessed(NamedTuple):
    """One other party's log after this lab looked: what was cosigned, or why nothing was."""

    party: str
    note: Cosigned | None
    trouble: DetenteError | None


def witness(desk: Desk, plan: PlanFile | None = None) -> list[Witnessed]:
    """Cosign every other party's log that only grew, and mirror it (L-2).

    A log that is not there yet is told as trouble, not raised. A fork or rollback is told too,
    after the others were seen: one bad log must not stop the witness of the rest. A log without
    growth is cosigned again once a date has passed by which something was due from its owner. An
    observer's desk does the same, and remembers the first plan that it was given, or one that supersedes it.
    """
    plan = plan or desk.plan()
    me = desk.witness_key(plan)
    if desk.observer:
        _remember(desk, plan)
    exchange = desk.open_exchange()
    now = int(time.time())
    found = []
    for party in plan.plan.parties:
        if party.id == desk.party:
            continue
        mirror = exchange.sub("/".join(mirror_path(desk.party, party.log.origin)))
        try:
            note = witness_log(
                log_folder(exchange, party, plan),
                party.log.origin,
                party.log.key,
                me.name,
                desk.signer("witness", me.key),
                desk.folder("state"),
                mirror,
                now,
                since=max((due for due in _dues(exchange, desk.party, party, plan) if due < now), default=0),
                former=witness_keys(plan, desk.party),
            )
            found.append(Witnessed(party.id, note, None))
        except DetenteError as error:
            found.append(Witnessed(party.id, None, error))
    return found


def _remember(desk: Desk, plan: PlanFile) -> None:
    """What an observer, who signs no plan, keeps of the one that it works under.

    It lays a superseding plan in its own folder, as parties do by signing: so a reader of the plan before
    knows its key of now (P-11).
    """
    folder, last = desk.folder(), None
    if folder.exists("plan.txt"):
        last = desk.plan_id()
    if last is None or last in {one.id for one in plan.earlier}:
        if plan.plan.supersedes and any(one.id == desk.party for one in plan.plan.observers):
            desk.own().create(f"plans/{plan.id}/plan.json", plan.raw)
        folder.swap("plan.txt", last.encode() if last else None, plan.id.encode())


def _dues(exchange: Folder, who: str, other: Party, plan: PlanFile) -> list[int]:
    """When something is due from ``other``: the plan's deadline (R-11), and the answer to each challenge of ``who`` it saw (A-5)."""
    dues = [parse_time(plan.plan.runs.deadline)]
    try:
        me = plan.plan.party(who)
        history = read_history(exchange, me, plan)
    except (
        KeyError,
        DetenteError,
    ):  # an observer asks for nothing; or our own log is not here, or in trouble of its own
        return dues
    entries, _ = read_entries(me, history.view, plan)
    hours = {section.audit.answerHours for section in plan.plan.sections if section.audit}
    for entry in entries:
        seen = [note.at for note in history.seen if note.witness == other.id and note.size > entry.index]
        if entry.statement.kind == "challenge" and seen:
            dues += [min(seen) + 3600 * h for h in hours]
    return dues


class BoardCell(NamedTuple):
    """How many statements of one kind a party has logged, and when a quorum first held the newest of them."""

    n: int
    seen_at: str | None


class Board(NamedTuple):
    """party x step: what each log holds, what could not be read (a log may not be there yet), and entries that V-3 refuses.

    ``observers``: per observer and party when it last cosigned that party's log.
    """

    plan: PlanFile
    rows: dict[str, dict[str, BoardCell]]
    observers: dict[str, dict[str, str | None]]
    trouble: dict[str, DetenteError]
    listed: list[Violation]


def board(exchange_root: Path, plan_id: str) -> Board:
    """Who has done which step, with the time at which a quorum of others held it (L-3); never a verdict."""
    exchange = open_exchange(exchange_root)
    plan = find_plan(exchange, plan_id)
    rows: dict[str, dict[str, BoardCell]] = {}
    trouble: dict[str, DetenteError] = {}
    observers: dict[str, dict[str, str | None]] = {one.id: {} for one in plan.plan.observers}
    listed: list[Violation] = []
    for party in plan.plan.parties:
        try:
            history = read_history(exchange, party, plan)
        except DetenteError as error:
            trouble[party.id] = error
            continue
        entries, refused = read_entries(party, history.view, plan)
        listed += refused
        for id_, times in observers.items():
            last = max((note.at for note in history.seen if note.witness == id_), default=None)
            times[party.id] = encode_time(last) if last else None
        rows[party.id] = {
            kind: BoardCell(
                len(indices := [entry.index for entry in entries if entry.statement.kind == kind]),
                _quorum_time(history, indices[-1], plan.plan) if indices else None,
            )
            for kind in KINDS
        }
    return Board(plan, rows, observers, trouble, listed)


def _quorum_time(history: History, index: int, plan: Plan) -> str | None:
    first = history.first_seen(index, history.view.size, None)
    times = sorted(at for witness, at in first.items() if witness in plan.cosigners())
    quorum = plan.quorum
    return encode_time(times[quorum - 1]) if quorum and len(times) >= quorum else None


def parse_duration(text: str) -> float:
    """``90s``, ``10m`` or ``2h`` in seconds; WrongUsage (bad-duration) otherwise."""
    units = {"s": 1, "m": 60, "h": 3600}
    if text[-1:] in units and text[:-1].isascii() and text[:-1].isdigit() and len(text) <= 8:
        return float(int(text[:-1]) * units[text[-1]])
    raise WrongUsage("bad-duration", "--wait", expected="90s | 10m | 2h", got=text)
