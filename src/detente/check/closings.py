# SPDX-License-Identifier: Apache-2.0
"""V-11: who closed with which result, whether it can be made again, and which one is final (F-10, F-11)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from detente.check.exchange import History, bound_bytes, cut_text, party_folder
from detente.check.facts import View
from detente.check.ledger import Ledger
from detente.check.tally import Numbers, heads_of, without_limits
from detente.errors import CannotTell, Malformed, NotVerified
from detente.evidence.statements import Close
from detente.pact.plan import Head, Plan
from detente.tlog.folder import Folder
from detente.wire.canonical import Hex, decode, decode_as, encode
from detente.wire.digests import sha256


@dataclass(frozen=True, slots=True)
class Closing:
    """One party's close: where it stands, what it says of which result, over which heads (F-11)."""

    party: str
    index: int
    position: str
    text: dict[str, str] | None
    result_sha256: str
    heads: list[Head]

    def names(self) -> tuple[str, bytes]:
        """What two closes have in common when they close the same: the result and the heads."""
        return self.result_sha256, encode(self.heads)


def read_closings(ledger: Ledger) -> list[Closing]:
    """Every close that has the shape of one, in plan order, then log order; the others are listed (T-3, F-11)."""
    plan = ledger.plan.plan
    found = []
    for party in plan.parties:
        for entry, close in ledger.of(party.id, Close):
            subjects = entry.statement.subject_digests()
            sizes = {p.id: head.size for p, head in zip(plan.parties, close.heads, strict=False)}
            heads = [head.origin for head in close.heads] == [p.log.origin for p in plan.parties]
            # An endorsement may do without words; a reservation is nothing but words.
            spoken = _in_all_texts(plan, close.text) or (close.text is None and close.position == "endorse")
            # Nobody can close over its own close.
            if len(subjects) == 1 and heads and spoken and sizes[party.id] <= entry.index:
                ledger.place(entry)
                found.append(Closing(party.id, entry.index, close.position, close.text, subjects[0], close.heads))
            else:
                ledger.refuse(entry, "F-11.shape")
    return found


def _in_all_texts(plan: Plan, text: Mapping[str, str] | None) -> bool:
    return text is not None and sorted(text) == sorted(plan.texts) and all(text.values())


def check_closings(
    exchange: Folder,
    plan: Plan,
    histories: Mapping[str, History],
    closings: Sequence[Closing],
    made: Callable[[View], Numbers],
) -> None:
    """Every result that somebody closed with, made again from the same heads and notes; ``made`` makes the numbers.

    Raises NotVerified (F-11.heads, F-10.result), Malformed (F-10.shape), CannotTell (F-11.ahead,
    R-4.note, and what is missing or cut off).
    """
    done: set[tuple[str, bytes]] = set()
    for closing in closings:
        raw, place = read_result(exchange, closing)
        if closing.names() in done:
            continue
        done.add(closing.names())
        view = closed_view(raw, plan, closing, place)
        _check_view(plan, histories, closing, view, place)
        wanted, got = encode(made(view).result), encode(without_limits(decode(raw, place), place))
        if wanted != got:
            raise NotVerified("F-10.result", place, expected=sha256(wanted), got=sha256(got))


def read_result(exchange: Folder, closing: Closing) -> tuple[bytes, str]:
    """The bytes of the result that a close names, and the file's name for messages."""
    folder, path = party_folder(exchange, closing.party, "results"), f"{closing.result_sha256}.json"
    return bound_bytes(folder, path, closing.result_sha256, cut_text(closing.result_sha256, b"}")), folder.place(path)


def closed_view(raw: bytes, plan: Plan, closing: Closing, place: str) -> View:
    """The view that a close speaks of: its heads, and the notes that its result names (F-10)."""
    result = decode(raw, place)
    if not isinstance(result, dict) or "notes" not in result:
        raise Malformed("F-10.shape", place, got="notes")
    notes = decode_as(encode(result["notes"]), list[Hex], f"{place} $.notes")
    sizes = {party.id: head.size for party, head in zip(plan.parties, closing.heads, strict=True)}
    return View(sizes, frozenset(notes))


def _check_view(plan: Plan, histories: Mapping[str, History], closing: Closing, view: View, place: str) -> None:
    """The heads of a close are heads of these logs, and the notes of its result lie here."""
    for party, size in view.sizes.items():
        if size > (here := histories[party].view.size):
            raise CannotTell("F-11.ahead", place, expected=size, got=here)
    for said, head in zip(closing.heads, heads_of(plan, histories, view), strict=True):
        if said.root != head["root"]:
            raise NotVerified("F-11.heads", place, expected=head["root"], got=said.root, origin=said.origin)
    known = {note.digest for history in histories.values() for note in history.seen}
    if missing := sorted((view.notes or frozenset()) - known):
        raise CannotTell("R-4.note", place, expected=missing[0])


def common_closing(plan: Plan, closings: Sequence[Closing]) -> Closing | None:
    """The newest closing of the result that every party of ``closing.by`` closed with over the same heads (F-11).

    A close that others have not joined changes nothing; of several common ones the later stands:
    the one over more entries, then the one logged later.
    """
    by: dict[tuple[str, bytes], list[Closing]] = {}
    for closing in closings:
        by.setdefault(closing.names(), []).append(closing)
    common = [group for group in by.values() if set(plan.closing.by) <= {closing.party for closing in group}]
    if not common:
        return None
    latest = max(common, key=lambda group: (sum(h.size for h in group[0].heads), max(c.index for c in group)))
    return latest[-1]
