# SPDX-License-Identifier: Apache-2.0
"""Records that are shown outside the exchange: laid aside for the auditor to read there, and read (A-4, P-7).

With place ``onSite`` the auditor brings its desk to the holder's premises; with ``thirdParty`` the file
goes to a party that tests nothing, by a way that both trust. Either way the exchange gets digests alone.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from detente.check.audit import OPENED_LIMIT, check_opening
from detente.desk.given import check_target, read_given, unreadable, write_given
from detente.desk.keys import Desk
from detente.errors import CannotTell, DetenteError, NotVerified, WrongUsage
from detente.evidence.statements import Open
from detente.pact.plan import PlanFile
from detente.wire.digests import sha256

FOLDER = "shown"  # below the desk
_BEGIN = b'{"body":"{'  # of every line of an opening file (A-4, B-1)


def check_out(desk: Desk, plan: PlanFile, out: Path | None) -> None:
    """Refuse a folder for shown records that cannot be meant: WrongUsage (A-4.crosses, A-4.exchange, not-a-folder)."""
    if out is None:
        return
    if all(section.audit is None or section.audit.place == "crosses" for section in plan.plan.sections):
        raise WrongUsage("A-4.crosses", str(out))
    if out.resolve().is_relative_to(desk.exchange.resolve()):
        raise WrongUsage("A-4.exchange", str(out), got=desk.exchange)
    check_target(out, folder=True)


def lay_shown(desk: Desk, run: str, auditor: str, plaintext: bytes, out: Path | None) -> Path:
    """Write an opening file where the auditor can read it; the same records are the same bytes, however often."""
    path = (out or desk.root / FOLDER) / f"{run[:16]}-{auditor}.jsonl"
    write_given(path, [plaintext])
    return path


def read_shown(file: Path, records: int) -> bytes:
    """A shown file's bytes; NotVerified (file-long) beyond what so many ``records`` may have, else as ``read_given``."""
    limit = OPENED_LIMIT * (records + 1)
    try:
        size = file.stat().st_size
    except (OSError, ValueError) as error:
        raise unreadable(error, file) from error
    if size > limit:
        raise NotVerified("file-long", str(file), expected=limit, got=size)
    return read_given(file)


class _Bound(Protocol):
    @property
    def opening(self) -> Open: ...


B = TypeVar("B", bound=_Bound)


def of_digest(opened: Iterable[B], digest: str) -> B | None:
    """The audit whose opening binds the bytes of that digest."""
    return next((one for one in opened if one.opening.plaintext == digest), None)


def not_bound(raw: bytes, plaintext: str, drawn: tuple[Sequence[int], str, int], place: str) -> DetenteError:
    """What is wrong with a file that the opening does not bind: CannotTell (file-cut), else NotVerified (A-4.shown).

    ``plaintext``: the digest that the opening binds. ``drawn``: the drawn slots, the run's root, how many slots it
    has. A file is cut if its whole lines are the first of the drawn records, and what follows begins as one (L-7).
    """
    slots, root, n_slots = drawn
    whole = raw[: raw.rfind(b"\n") + 1]
    rest = raw[len(whole) :]
    if (lines := whole.count(b"\n")) < len(slots) and rest[: len(_BEGIN)] == _BEGIN[: len(rest)]:
        try:
            check_opening(whole, slots[:lines], root, n_slots, place)
        except DetenteError:
            pass
        else:
            return CannotTell("file-cut", place, expected=plaintext)
    return NotVerified("A-4.shown", place, expected=plaintext, got=sha256(raw))
