# SPDX-License-Identifier: Apache-2.0
"""How a run of this desk stands, seen from another process than the one that asks."""

from detente.desk.allowed import noted_limits
from detente.desk.runs import RunState
from detente.errors import CannotTell
from detente.run.engine import Progress
from detente.run.watch import look


def standing(run: RunState) -> tuple[Progress, float | None]:
    """What the run's own display shows, as far as it can be read from its files, and the budget it was started with."""
    price, budget = noted_limits(run.folder)
    return look(run.journal_path(), lambda i: cell_of(run, i), run.slots.cells(), price), budget


def cell_of(run: RunState, i: int) -> tuple[str, str]:
    """Language and hazard of slot ``i`` of the journal; CannotTell (journal-damaged) where the run has no such slot."""
    if i >= len(run.slots):
        raise CannotTell("journal-damaged", str(run.journal_path() / "bodies.jsonl"), got=i)
    slot = run.slots[i]
    return slot.lang, slot.hazard
