# SPDX-License-Identifier: Apache-2.0
"""Files that a plan discloses to its parties alone: which they are, where they lie, and how the party that they were sent to reads them (P-5).

A stranger verifies without them. What a party reads here is held against the same signed digests as a
public file, and no result rests on it: every reader gets the same bytes (F-10).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from detente.check.exchange import read_at_most
from detente.errors import CannotTell, NotVerified
from detente.pact.chain import sent_paths
from detente.pact.plan import PlanFile
from detente.tlog.folder import Folder
from detente.wire.digests import sha256

OVERHEAD = 4096  # bytes of an age file's head; what it holds grows by less than one part in 4,000


class Reader(NamedTuple):
    """A party that looks at an exchange with its own key.

    ``unseal``: what an age file that was sent to it holds, from its bytes and a name for messages; CannotTell
    (P-5.sealed) if it does not open. ``kept``: of a run of its own, a file that it sent to others and keeps
    itself, by run id and path below the run's folder; None where it has none.
    """

    party: str
    unseal: Callable[[bytes, str], bytes]
    kept: Callable[[str, str], bytes | None]


class Wanted(NamedTuple):
    """One withheld file of a run: whose, its path below the run's folder were it public, the digest that a statement binds."""

    owner: str
    run: str
    path: str
    digest: str


class Withheld(NamedTuple):
    """A withheld file as a reader found it: ``sent``: the parties for whom an age file of it lies here; ``read``: whether it was read here."""

    kind: Literal["headers", "scores"]
    wanted: Wanted
    sent: list[str]
    read: bool


def places_for(plan: PlanFile, wanted: Wanted, to: str) -> list[str]:
    """Where the age file of a withheld file may lie for one party, as paths in the exchange (L-4)."""
    return [f"{wanted.owner}/outbox/{path}" for path in sent_paths(plan, to, wanted.digest)]


def others(plan: PlanFile, owner: str) -> list[str]:
    """The parties that a withheld file of ``owner`` goes to, in plan order (P-5)."""
    return [party.id for party in plan.plan.parties if party.id != owner]


def fetch(exchange: Folder, plan: PlanFile, reader: Reader, wanted: Wanted, limit: int) -> bytes | None:
    """The bytes of a withheld file that this reader may see; they hash to the digest. None for its own that it no longer has.

    ``limit``: the most bytes that they may be. Raises CannotTell (file-missing, file-cut, P-5.sealed) for one that
    has not come, and one that does not open: that is word against word; NotVerified (P-5.digest) for another file.
    """
    if reader.party == wanted.owner:
        raw, place = reader.kept(wanted.run, wanted.path), f"{wanted.owner}/runs/{wanted.run}/{wanted.path}"
        return None if raw is None else _bound(raw, wanted.digest, place)
    there = [path for path in places_for(plan, wanted, reader.party) if exchange.exists(path)]
    if not there:
        raise CannotTell("file-missing", exchange.place(places_for(plan, wanted, reader.party)[0]))
    shut: CannotTell | None = None
    for path in reversed(there):
        sealed, place = read_at_most(exchange, path, limit + limit // 4000 + OVERHEAD), exchange.place(path)
        if not sealed:
            shut = CannotTell("file-cut", place)
            continue
        try:
            return _bound(reader.unseal(sealed, place), wanted.digest, place)
        except CannotTell as error:
            shut = error
    raise shut or CannotTell("file-missing", exchange.place(there[0]))


def _bound(raw: bytes, digest: str, place: str) -> bytes:
    if (got := sha256(raw)) != digest:
        raise NotVerified("P-5.digest", place, expected=digest, got=got)
    return raw


def sent_to(exchange: Folder, plan: PlanFile, wanted: Wanted) -> list[str]:
    """The parties for whom an age file of it lies here; whether it opens only they can say."""
    return [to for to in others(plan, wanted.owner) if any(map(exchange.exists, places_for(plan, wanted, to)))]


def paths_of(plan: PlanFile, files: Iterable[Wanted]) -> Iterator[str]:
    """Every path in the exchange that withheld files may lie at, to be told from what is no part of it (L-7)."""
    for wanted in files:
        for to in others(plan, wanted.owner):
            yield from places_for(plan, wanted, to)
