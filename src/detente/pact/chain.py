# SPDX-License-Identifier: Apache-2.0
"""A chain of plans: which plan follows which, whose keys are whose in all of them, and where each log lies (P-11, P-4, L-4)."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from detente.errors import Malformed
from detente.pact.plan import Party, Plan, PlanFile
from detente.wire.digests import sha256

DIGITS = 16  # of the digest of a log's key, with which its origin ends (P-4)


def links(plan: PlanFile) -> Iterator[tuple[PlanFile, PlanFile]]:
    """Each plan of the chain with the one before it, (successor, predecessor), the newest first."""
    return pairwise((plan, *plan.earlier))


def check_chain(plan: PlanFile, place: str = "plan.json") -> None:
    """What the plans of a chain alone must hold (P-11).

    The heads are those of the predecessor's logs, in its order of parties; and over the whole chain
    one key has one role of one party, and one name of a log or a witness stands for one key: what was
    stolen in one plan must not come back as somebody else's in the next.
    Raises Malformed: P-11.heads, P-11.key, P-11.name.
    """
    for new, old in links(plan):
        got = [head.origin for head in new.plan.supersedes.heads] if new.plan.supersedes else []
        wanted = [party.log.origin for party in old.plan.parties]
        if got != wanted:
            raise Malformed(
                "P-11.heads", f"{place} $.supersedes.heads", expected=", ".join(wanted), got=", ".join(got) or "-"
            )
    role_of: dict[str, str] = {}
    key_of: dict[str, str] = {}
    for one in reversed((plan, *plan.earlier)):
        for role, key in _roles(one.plan):
            if role_of.setdefault(key, role) != role:
                raise Malformed("P-11.key", f"{place} {role}", got=key, other=role_of[key])
        for name, key in _names(one.plan):
            if key_of.setdefault(name, key) != key:
                raise Malformed("P-11.name", place, expected=key_of[name], got=key, name=name)


def _roles(plan: Plan) -> Iterator[tuple[str, str]]:
    for party in plan.parties:
        yield f"{party.id} statement", party.statement
        yield f"{party.id} log", party.log.key
        yield f"{party.id} witness", party.witness.key
        yield f"{party.id} recipient", party.recipient
    for observer in plan.observers:
        yield f"{observer.id} witness", observer.witness.key


def _names(plan: Plan) -> Iterator[tuple[str, str]]:
    for party in plan.parties:
        yield party.log.origin, party.log.key
        yield party.witness.name, party.witness.key
    for observer in plan.observers:
        yield observer.witness.name, observer.witness.key


def party_in(plan: PlanFile, id_: str) -> Party | None:
    """The party of that id in a plan of the chain, or None where it takes no part."""
    return next((party for party in plan.plan.parties if party.id == id_), None)


def witness_keys(plan: PlanFile, id_: str, others: Iterable[PlanFile] = ()) -> dict[str, str]:
    """The names and keys with which a party or an observer cosigns notes, in this plan, those before it and ``others`` (L-3): {name: key}.

    Where two of them disagree over a name, this plan and those before it are believed.
    """
    keys = [one.plan.witnesses().get(id_) for one in (*others, *plan.earlier, plan)]
    return {key.name: key.key for key in keys if key is not None}


def log_name(plan: PlanFile, party: Party) -> str:
    """The folder below a party's own where its log under this plan lies (L-4).

    ``log`` for the party's first log in the chain; a log of a later key lies beside it, named by the digits
    that its origin ends with. So no written-once file is ever in the way of another.
    """
    first = next((one for before in reversed(plan.earlier) if (one := party_in(before, party.id))), party)
    return "log" if first.log.origin == party.log.origin else f"log-{party.log.origin[-DIGITS:]}"


def sealed_path(plan: PlanFile, to: str, text: str) -> str:
    """Where a party's sealed text of that digest lies for ``to``, below its ``outbox`` (L-4, R-2).

    ``<to>/<text>.age`` for the recipient that ``to`` has in its first plan of the chain. The same text for a later
    recipient is another file beside it: its name has the beginning of that recipient's digest.
    """
    held = [party.recipient for one in (*reversed(plan.earlier), plan) if (party := party_in(one, to))]
    later = bool(held) and held[0] != held[-1]
    return f"{to}/{text}-{sha256(held[-1].encode())[:DIGITS]}.age" if later else f"{to}/{text}.age"


def sent_paths(plan: PlanFile, to: str, digest: str) -> list[str]:
    """Where a file of a run under ``plan`` may lie for ``to``, below an ``outbox``: for its recipient in this plan, or in a later one (P-5)."""
    plans = (plan, *(one for one in plan.later if party_in(one, to)))
    return list(dict.fromkeys(sealed_path(one, to, digest) for one in plans))
