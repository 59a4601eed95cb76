# SPDX-License-Identifier: Apache-2.0
"""From one plan to the next: cut the logs of the plan in force, propose a successor, see that it may be signed, and look back."""

from collections.abc import Mapping, Sequence

from detente.check.chain import check_heads, last_seen
from detente.check.exchange import with_chain
from detente.desk.keyring import ROLES, add_keys
from detente.desk.keys import Desk, key_of, make_card, own_log
from detente.errors import WrongUsage
from detente.pact.chain import check_chain, party_in
from detente.pact.plan import Head, Party, PlanFile
from detente.pact.seal import read_identity
from detente.tlog.folder import is_leftover
from detente.wire.merkle import root

ID_START = 8  # digits of a plan id that name a plan of the chain


def heads_of(desk: Desk, plan: PlanFile, cut: Mapping[str, int]) -> list[Head]:
    """The heads that a successor of ``plan`` names: each log as it stands here, or cut at a size (P-11).

    Of a log that its owner lost, the longest that a mirror holds; a party that has not signed ``plan`` yet is cut at 0.
    WrongUsage (no-head).
    """
    exchange, found = desk.open_exchange(), []
    if strange := [id_ for id_ in cut if party_in(plan, id_) is None]:
        raise WrongUsage("no-head", "--head", expected=cut[strange[0]], got=strange[0], size=0)
    for party in plan.plan.parties:
        if cut.get(party.id) == 0:
            found.append(Head(origin=party.log.origin, size=0, root=root(()).hex()))
            continue
        view = last_seen(exchange, party, plan)
        size = cut.get(party.id, view.size)
        if not 0 < size <= view.size:
            raise WrongUsage("no-head", "--head", expected=size, got=party.id, size=view.size)
        found.append(Head(origin=party.log.origin, size=size, root=root(view.leaf_hashes[:size]).hex()))
    return found


def check_successor(desk: Desk, plan: PlanFile) -> PlanFile | None:
    """The plan that this desk leaves by signing ``plan``, None if it leaves none.

    A desk goes from a plan only to one that supersedes it, whose heads lie here. Raises WrongUsage (no-chain),
    Malformed as ``check_chain``, and as ``check_heads``.
    """
    check_chain(plan)
    check_heads(desk.open_exchange(), plan)
    if not desk.folder().exists("plan.txt") or desk.plan_id() == plan.id:
        return None
    left = next((one for one in plan.earlier if one.id == desk.plan_id()), None)
    if left is None:
        raise WrongUsage("no-chain", str(desk.root), expected=desk.plan_id(), got=plan.id)
    return left


def finish_left(desk: Desk, left: PlanFile) -> None:
    """What a crash kept from the log of the plan that is left goes into it now: another log may come after (L-5)."""
    if any(not is_leftover(name) for name in desk.folder("pending").names()):
        own_log(desk, left)


def left_behind(desk: Desk, plan: PlanFile) -> int:
    """How many entries of this lab's own old log lie beyond the head that a successor cuts it at: void once it is signed."""
    left = plan.earlier[0] if plan.earlier else None
    party = party_in(left, desk.party) if left else None
    if left is None or party is None or plan.plan.supersedes is None:
        return 0
    head = next(head for head in plan.plan.supersedes.heads if head.origin == party.log.origin)
    return last_seen(desk.open_exchange(), party, left).size - head.size


def plan_of(desk: Desk, prefix: str | None) -> PlanFile:
    """The plan in force, or the one of its chain whose id starts so (8 digits at least); WrongUsage (no-proposal)."""
    plan = desk.plan()
    if prefix is None:
        return plan
    digits = "".join(prefix.lower().split())
    fits = [one for one in (plan, *plan.earlier) if one.id.startswith(digits)]
    if len(digits) < ID_START or len(fits) != 1:
        known = ", ".join(one.id[: 2 * ID_START] for one in (plan, *plan.earlier))
        raise WrongUsage("no-proposal", str(desk.root), expected=known, got=prefix or "-")
    return with_chain(desk.open_exchange(), fits[0])


def new_keys(desk: Desk, roles: Sequence[str]) -> list[str]:
    """Make a new key for each role, and the card anew; the roles that have one now. An observer has one role, witness.

    The old ones stay in use until a plan with the new card is signed. A role whose newest key no signed plan has yet gets no other one: the same command twice is one change.
    WrongUsage (no-role, keys-in-device), and (no-plan) before any plan is signed: then another desk is the simpler way.
    """
    known = ("witness",) if desk.observer else ROLES
    named = list(dict.fromkeys(roles or known))
    if strange := [role for role in named if role not in known]:
        raise WrongUsage("no-role", "keys new", expected=" | ".join(known), got=strange[0])
    if held := [role for role in named if desk.devices.get(role)]:
        raise WrongUsage("keys-in-device", f"{desk.root}/desk.toml [keys]", got=held[0])
    with desk.folder().held():
        plan = desk.plan()
        agreed = {"witness": desk.witness_key(plan).key}
        if not desk.observer:
            party = desk.me(plan)
            agreed = {role: _agreed(party, role) for role in ROLES}
        add_keys(desk.root / "keys", [role for role in named if _newest(desk, role) == agreed[role]])
        make_card(desk)
    return named


def _newest(desk: Desk, role: str) -> str:
    return read_identity(desk.identity(), "").recipient if role == "recipient" else desk.newest(role).public


def _agreed(party: Party, role: str) -> str:
    return party.recipient if role == "recipient" else key_of(party, role)
