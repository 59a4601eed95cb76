# SPDX-License-Identifier: Apache-2.0
"""A desk or a log that came from an old backup, or was lost: the log laid back from what others hold, and what stays lost.

Nothing is signed here. The log comes back as its owner once signed it, from the fullest mirror that
verifies as a whole; a run whose key is gone is told as lost, because its records can neither be
published nor opened, and are never made again.
"""

from typing import NamedTuple

from detente.check.exchange import log_folder, mirror_path, party_folder
from detente.desk.keys import Desk, alone, held_by_others, kind_under
from detente.desk.runs import runs_of
from detente.errors import DetenteError
from detente.pact.chain import witness_keys
from detente.pact.plan import PlanFile
from detente.tlog.log import LogView
from detente.tlog.restore import Copy, restore_log
from detente.tlog.witness import read_notes
from detente.wire.digests import sha256


class Restoring(NamedTuple):
    """What came back: entries before and now, whose mirror they came from (None: nothing was missing), what is wrong with others.

    ``lost``: ids of runs in the log whose key this desk does not hold. ``adopted``: {index: kind} of the entries that
    it had no copy of: signed by the desk before it, or by a thief; only people can tell.
    """

    before: int
    size: int
    source: str | None
    trouble: list[DetenteError]
    lost: list[str]
    adopted: dict[int, str]


@alone
def restore(desk: Desk) -> Restoring:
    """Lay the lab's own log back from the best verified mirror of it in the exchange; runs whose key is lost are named.

    Raises as ``tlog.restore.restore_log``. Mirrors that do not verify are passed over and told.
    """
    plan = desk.plan()
    me, exchange = desk.me(plan), desk.open_exchange()
    copies: dict[str, Copy] = {}
    trouble: list[DetenteError] = []
    for id_ in plan.plan.witnesses():
        mirror = party_folder(exchange, *mirror_path(id_, me.log.origin))
        try:
            notes = read_notes(mirror, me.log.origin, me.log.key, witness_keys(plan, id_)) if id_ != desk.party else []
        except DetenteError as error:
            trouble.append(error)
            continue
        copies[id_] = Copy(mirror, notes)
    log = log_folder(exchange, me, plan)
    done = restore_log(log, me.log.origin, me.log.key, list(copies.values()), held_by_others(desk, plan))
    source = next((id_ for id_, copy in copies.items() if copy.mirror is done.source), None)
    lost = [run.id for run in runs_of(desk, plan) if not run.folder.exists("key")]
    return Restoring(done.before, done.view.size, source, trouble, lost, _adopt(desk, plan, done.view))


def _adopt(desk: Desk, plan: PlanFile, view: LogView) -> dict[int, str]:
    """Keep a copy of every entry that this desk has none of, as of those that it signs; {index: kind} of these."""
    signed = desk.folder("signed")
    known, found = set(signed.names()), {}
    for index, entry in enumerate(view.entries):
        if (digest := sha256(entry)) not in known:
            signed.create(digest, entry)
            found[index] = kind_under(plan, desk.me(plan), entry)
    return found
