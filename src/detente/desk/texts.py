# SPDX-License-Identifier: Apache-2.0
"""The questions' texts as far as this desk may read them: laid open, its own sealed ones, or released to it (S-5, R-2)."""

from collections.abc import Sequence

from detente.check.exchange import bound_bytes, party_folder, read_entries, read_history
from detente.desk.keys import Desk, own_log
from detente.desk.plans import open_items, suite_lists
from detente.desk.sealed import own_items
from detente.errors import CannotTell, Malformed, NotVerified
from detente.evidence.statements import Register, Release
from detente.pact.chain import sealed_path
from detente.pact.item import Item, Listed, parse_suite
from detente.pact.plan import PlanFile, Suite
from detente.pact.seal import unseal
from detente.pact.sealed import check_salts
from detente.pact.variants import check_begun
from detente.wire.digests import sha256


def section_items(desk: Desk, plan: PlanFile, section: str) -> dict[str, Item]:
    """Every item of a section's suites by its hash.

    CannotTell (S-5.no-text) names the suite whose text is not here and its owner; NotVerified
    (S-1.item, S-5.text) if what was released is not what the plan's list names.
    """
    found, lacking = items_here(desk, plan, section)
    if lacking:
        raise no_text(desk, plan, lacking[0])
    return found


def items_here(desk: Desk, plan: PlanFile, section: str) -> tuple[dict[str, Item], list[Suite]]:
    """The same for the texts that are here, and the suites whose text is not."""
    lists = suite_lists(desk.open_exchange(), plan)
    found: dict[str, Item] = {}
    lacking = []
    for suite in plan.plan.suites_of(section):
        listed = lists[suite.id]
        items = suite_here(desk, plan, suite, listed)
        if items is None:
            lacking.append(suite)
        else:
            found |= {entry.item: item for entry, item in zip(listed, items, strict=True)}
    return found, lacking


def suite_here(desk: Desk, plan: PlanFile, suite: Suite, listed: list[Listed]) -> list[Item] | None:
    """One suite's items in the list's order, None where this desk may not read them; NotVerified as ``section_items``."""
    items = open_items(desk.open_exchange(), plan, suite, listed)
    if items is None and suite.sealed and suite.owner == desk.party:
        return own_items(desk, suite, listed)
    if items is None and suite.sealed:
        return _released(desk, plan, suite, listed)
    return items


def no_text(desk: Desk, plan: PlanFile, suite: Suite) -> CannotTell:
    """What to tell of a suite whose text is not here."""
    if suite.sealed:
        return CannotTell("S-5.no-text", f"$.suites {suite.id}", owner=suite.owner, suite=suite.id)
    folder = party_folder(desk.open_exchange(), suite.owner, "plans", plan.id, "suites")
    return CannotTell("file-missing", folder.place(f"{suite.id}.jsonl.gz"))


def _released(desk: Desk, plan: PlanFile, suite: Suite, listed: Sequence[Listed]) -> list[Item] | None:
    """The items of a suite that its owner released to a run of this lab, decrypted and held against the list."""
    exchange, owner = desk.open_exchange(), plan.plan.party(suite.owner)
    try:
        view = read_history(exchange, owner, plan).view
    except CannotTell:  # the owner's log has not come here, and so no release
        return None
    own, _ = read_entries(desk.me(plan), own_log(desk, plan), plan)
    runs = {entry.digest for entry in own if isinstance(entry.statement.predicate, Register)}
    outbox = party_folder(exchange, suite.owner, "outbox")
    for entry in read_entries(owner, view, plan)[0]:
        release = entry.statement.predicate
        if isinstance(release, Release) and release.run in runs:
            for row in release.sealed:
                path = sealed_path(plan, desk.party, row.text)
                if row.suite == suite.id and outbox.exists(path):
                    raw = bound_bytes(outbox, path, row.age, lambda raw: not raw)
                    return _opened(desk, plan, suite, listed, (raw, row.text, outbox.place(path)))
    return None


def _opened(
    desk: Desk, plan: PlanFile, suite: Suite, listed: Sequence[Listed], file: tuple[bytes, str, str]
) -> list[Item]:
    raw, text, place = file
    plain = unseal(raw, desk.identity(desk.me(plan).recipient), place)
    if sha256(plain) != text:
        raise NotVerified("S-5.text", place, step="V-6", expected=text, got=sha256(plain), owner=suite.owner)
    try:
        items = parse_suite(plain, suite.id, plan.plan.canary, listed, place, suite.languages)
        check_salts(items, sealed=True, place=place)
        check_begun(suite, items, place)
    except Malformed as error:
        raise NotVerified(
            error.code, error.place, step="V-6", expected=error.expected, got=error.got, **error.fields
        ) from error
    return items
