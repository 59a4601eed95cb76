# SPDX-License-Identifier: Apache-2.0
"""What goes to the other parties alone: a run's files sealed for each of them, and this desk's own key for what was sent to it (P-5).

desk/runs/<run>/out/outbox/...   each age file as it was laid: age is randomised, and the exchange must hold these bytes
"""

from detente.check.disclosed import Reader
from detente.desk.keyring import generations, read_keys
from detente.desk.keys import Desk
from detente.desk.runs import RunState
from detente.errors import CannotTell, WrongUsage
from detente.pact.chain import party_in, sealed_path
from detente.pact.plan import PlanFile
from detente.pact.seal import read_identity, seal, unseal
from detente.wire.digests import sha256


def seal_for(desk: Desk, plan: PlanFile, run: RunState, to: str, raw: bytes) -> tuple[str, bytes]:
    """Where a file of a run lies for one party, below this lab's ``outbox``, and its age file; nothing is written.

    It is sealed for the recipient that the party has in the plan in force, as far as it is in it. What was
    sealed before stays what it was: the desk's copy, or, where the desk is an older one, what lies in the exchange.
    """
    plan_now = _in_force(desk, plan)
    under = plan_now if party_in(plan_now, to) else plan
    path = sealed_path(under, to, sha256(raw))
    for place in (run.out().sub("outbox"), desk.own("outbox")):
        if place.exists(path):
            return path, place.read(path)
    return path, seal(raw, under.plan.party(to).recipient)


def _in_force(desk: Desk, plan: PlanFile) -> PlanFile:
    """The plan that this desk signed last, where it supersedes the run's; else the run's own."""
    if desk.plan_id() == plan.id:
        return plan
    now = desk.plan()
    return now if plan.id in {one.id for one in now.earlier} else plan


def keep_sealed(desk: Desk, run: RunState, path: str, age: bytes) -> None:
    """Keep an age file on the desk before it is laid; ``path`` is the one in the exchange. NotVerified (L-5.changed)."""
    run.out().create(path.removeprefix(f"{desk.party}/"), age)


def reader_of(desk: Desk) -> Reader:
    """The desk as a reader: every key that it ever had opens what was sent to it. WrongUsage (observer-only).

    No key is read before a file has to be opened.
    """
    if desk.observer:
        raise WrongUsage("observer-only", str(desk.root))

    def opened(raw: bytes, place: str) -> bytes:
        keys = desk.folder("keys")
        texts = read_keys(keys)
        for name in reversed(generations(texts, "recipient")):
            identity = read_identity(texts[name], keys.place(name))
            try:
                return unseal(raw, identity.secret, place)
            except CannotTell:
                continue
        raise CannotTell("P-5.sealed", place)

    def kept(run: str, path: str) -> bytes | None:
        out = desk.folder("runs", run, "out")
        return out.read(path) if out.exists(path) else None

    return Reader(desk.party, opened, kept)
